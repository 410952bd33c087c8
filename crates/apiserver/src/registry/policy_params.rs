//! Whoever names parameters of a policy must be able to read them (upstream's `authz.go` beside each strategy of
//! `admissionregistration`).

use corten_api::admissionregistration::{v1, v1beta1};
use corten_api::authentication::v1::UserInfo;
use corten_api::{Kind, KindInfo, Object};
use corten_auth::Attributes;
use corten_semantics::field::FieldError;
use corten_semantics::{ApiError, ApiResult, identity};

use super::{Registry, RequestContext};

/// A policy's parameters, or a binding's.
enum Params<'o> {
    Kind(&'o v1::ParamKind),
    /// Those of the policy of this kind and name.
    Reference(&'static KindInfo, &'o str, &'o v1::ParamRef),
}

/// What of the parameters is new.
fn named<'o>(new: &'o dyn Object, old: Option<&dyn Object>) -> Option<Params<'o>> {
    macro_rules! policy {
        ($kind:ty) => {
            if let Some(policy) = new.downcast_ref::<$kind>() {
                let was = old.and_then(|old| old.downcast_ref::<$kind>());
                let kind = policy.spec.param_kind.as_deref()?;
                let same = was.is_some_and(|was| was.spec.param_kind == policy.spec.param_kind);
                return (!same).then_some(Params::Kind(kind));
            }
        };
    }
    macro_rules! binding {
        ($kind:ty, $policy:ty) => {
            if let Some(binding) = new.downcast_ref::<$kind>() {
                let (spec, was) = (&binding.spec, old.and_then(|old| old.downcast_ref::<$kind>()));
                let reference = spec.param_ref.as_deref()?;
                let same = was.is_some_and(|was| {
                    was.spec.param_ref == spec.param_ref && was.spec.policy_name == spec.policy_name
                });
                let policy = <$policy>::INFO;
                return (!same).then_some(Params::Reference(policy, &spec.policy_name, reference));
            }
        };
    }
    policy!(v1::ValidatingAdmissionPolicy);
    policy!(v1beta1::MutatingAdmissionPolicy);
    binding!(v1::ValidatingAdmissionPolicyBinding, v1::ValidatingAdmissionPolicy);
    binding!(v1beta1::MutatingAdmissionPolicyBinding, v1beta1::MutatingAdmissionPolicy);
    None
}

/// A user as Go prints one.
fn printed(user: &UserInfo) -> String {
    let extra: Vec<String> =
        user.extra.iter().map(|(key, values)| format!("{key}:[{}]", values.0.join(" "))).collect();
    format!("&{{{} {} [{}] map[{}]}}", user.username, user.uid, user.groups.join(" "), extra.join(" "))
}

impl Registry {
    /// Refuses a policy or a binding whose writer may not read the parameters that it names.
    pub(crate) fn check_policy_params(
        &self,
        ctx: &RequestContext,
        new: &dyn Object,
        old: Option<&dyn Object>,
    ) -> ApiResult<()> {
        let kind = new.info();
        if kind.group != "admissionregistration.k8s.io" || identity::in_group(&ctx.user, identity::MASTERS) {
            return Ok(());
        }
        let Some(params) = named(new, old) else { return Ok(()) };
        let (path, told) = match params {
            Params::Kind(param) => ("spec.paramKind", self.may_read_kind(&ctx.user, param)),
            Params::Reference(policy, name, reference) => {
                ("spec.paramRef", self.may_read_params(&ctx.user, (policy, name), reference))
            }
        };
        told.map_err(|why| {
            let error = FieldError::forbidden(path, &why);
            ApiError::invalid(kind.group, kind.kind, &new.meta().name, &[error])
        })
    }

    /// Group, version and resource of a policy's parameters, `*` where they are not known; whether the kind is.
    fn params_of<'p>(&self, param: &'p v1::ParamKind) -> ([&'p str; 2], Option<&'static str>) {
        let parts = param.api_version.split_once('/').unwrap_or(("", &param.api_version));
        let found = corten_admission::Server::find_kind(self, &param.api_version, &param.kind);
        ([parts.0, parts.1], found.map(|kind| kind.plural))
    }

    fn may_read_kind(&self, user: &UserInfo, param: &v1::ParamKind) -> Result<(), String> {
        let ([group, version], resource) = self.params_of(param);
        let attributes = Attributes {
            version,
            namespace: "*",
            name: "*",
            ..Attributes::resource(user, "get", group, resource.unwrap_or("*"))
        };
        if self.authorizer.authorize(&attributes).allowed {
            return Ok(());
        }
        let (user, kind, api_version) = (printed(user), &param.kind, &param.api_version);
        Err(format!(
            "user {user} must have \"get\" permission on all objects of the referenced paramKind (kind={kind}, \
             apiVersion={api_version})"
        ))
    }

    fn may_read_params(
        &self,
        user: &UserInfo,
        (policy, name): (&'static KindInfo, &str),
        reference: &v1::ParamRef,
    ) -> Result<(), String> {
        let verb = if reference.name.is_empty() { "list" } else { "get" };
        let mutating = policy == v1beta1::MutatingAdmissionPolicy::INFO;
        let found = self.lookup().object(policy, "", name);
        let param = found.as_deref().and_then(|policy| match mutating {
            true => policy.downcast_ref::<v1beta1::MutatingAdmissionPolicy>()?.spec.param_kind.clone(),
            false => policy.downcast_ref::<v1::ValidatingAdmissionPolicy>()?.spec.param_kind.clone(),
        });
        let ([group, version], resource) =
            param.as_deref().map_or((["*", "*"], Some("*")), |param| self.params_of(param));
        let attributes = Attributes {
            version,
            namespace: &reference.namespace,
            name: &reference.name,
            ..Attributes::resource(user, verb, group, resource.unwrap_or("*"))
        };
        if self.authorizer.authorize(&attributes).allowed {
            return Ok(());
        }
        let all = "permission for all groups, versions and resources";
        let user = printed(user);
        Err(match (&found, resource, &param) {
            (None, ..) => format!(
                "unable to get policy {name} to determine minimum required permissions and user {user} does not have \
                 \"{verb}\" {all}"
            ),
            (_, None, Some(param)) => format!(
                "unable to resolve paramKind &{{{} {}}} to determine minimum required permissions and user {user} does \
                 not have \"{verb}\" {all}",
                param.api_version, param.kind
            ),
            // Upstream mixes the two up here.
            _ if mutating => {
                format!(
                    "user {verb} does not have \"{user}\" permission on the object referenced by paramRef"
                )
            }
            _ => format!(
                "user {user} does not have \"{verb}\" permission on the object referenced by paramRef"
            ),
        })
    }
}
