//! Whoever approves a certificate request or fills in its certificate must be allowed to do so for its
//! signer (upstream's admission plugins CertificateApproval and CertificateSigning).

use corten_api::Object;
use corten_api::authentication::v1::UserInfo;
use corten_api::certificates::v1::CertificateSigningRequest;
use corten_auth::{Attributes, Authorizer};
use corten_semantics::{ApiError, ApiResult};

const GROUP: &str = "certificates.k8s.io";

/// Judges an update; other kinds and subresources pass.
///
/// # Errors
/// 403 for who may not approve or sign for the request's signer.
pub(super) fn check(
    authorizer: &Authorizer,
    user: &UserInfo,
    subresource: &str,
    new: &dyn Object,
    old: Option<&dyn Object>,
) -> ApiResult<()> {
    let request = |object: &dyn Object| object.downcast_ref::<CertificateSigningRequest>().cloned();
    let (Some(new), Some(old)) = (request(new), old.and_then(request)) else { return Ok(()) };
    let verb = match subresource {
        "approval" => "approve",
        "status" if new.status != old.status => "sign",
        _ => return Ok(()),
    };
    let signer = old.spec.signer_name.as_str();
    if may(authorizer, user, verb, signer) {
        return Ok(());
    }
    let why = format!("user not permitted to {verb} requests with signerName {signer:?}");
    Err(ApiError::forbidden(old.info(), &old.metadata.name, &why))
}

/// By the signer's own name, or by `DOMAIN/*`.
fn may(authorizer: &Authorizer, user: &UserInfo, verb: &str, signer: &str) -> bool {
    let domain = signer.split('/').next().unwrap_or_default();
    [signer.to_string(), format!("{domain}/*")].iter().any(|name| {
        let asked = Attributes { name, version: "*", ..Attributes::resource(user, verb, GROUP, "signers") };
        authorizer.authorize(&asked).allowed
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::certificates::v1::CertificateSigningRequestCondition;
    use corten_api::rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule, RoleRef, Subject};

    fn authorizer(verb: &str, signer: &str) -> Authorizer {
        let authorizer = Authorizer::default();
        let text = |t: &str| vec![t.to_string()];
        let mut role = ClusterRole::default();
        role.metadata.name = "r".into();
        role.rules = vec![PolicyRule {
            verbs: text(verb),
            api_groups: text(GROUP),
            resources: text("signers"),
            resource_names: text(signer),
            ..PolicyRule::default()
        }];
        let mut binding = ClusterRoleBinding::default();
        binding.metadata.name = "b".into();
        binding.role_ref = RoleRef {
            api_group: "rbac.authorization.k8s.io".into(),
            kind: "ClusterRole".into(),
            name: "r".into(),
        };
        binding.subjects = vec![Subject {
            kind: "User".into(),
            api_group: "rbac.authorization.k8s.io".into(),
            name: "joe".into(),
            ..Subject::default()
        }];
        authorizer.observe(&role);
        authorizer.observe(&binding);
        authorizer
    }

    #[test]
    fn approving_and_signing_want_rights_on_the_signer() {
        let joe = UserInfo { username: "joe".into(), ..UserInfo::default() };
        let mut old = CertificateSigningRequest::default();
        old.metadata.name = "x".into();
        old.spec.signer_name = "example.com/one".into();
        let mut new = old.clone();
        new.status.conditions.push(CertificateSigningRequestCondition::default());
        for (verb, signer, subresource, allowed) in [
            ("approve", "example.com/one", "approval", true),
            ("approve", "example.com/*", "approval", true),
            ("approve", "example.com/two", "approval", false),
            ("sign", "example.com/one", "approval", false),
            ("sign", "example.com/one", "status", true),
            ("approve", "example.com/one", "status", false),
            ("approve", "example.com/one", "", true),
        ] {
            let got = check(&authorizer(verb, signer), &joe, subresource, &new, Some(&old));
            assert_eq!(got.is_ok(), allowed, "{verb} {signer} {subresource}: {got:?}");
        }
        let refused = check(&Authorizer::default(), &joe, "approval", &new, Some(&old)).expect_err("refused");
        assert_eq!(
            refused.to_string(),
            "certificatesigningrequests.certificates.k8s.io \"x\" is forbidden: user not permitted to approve requests with signerName \"example.com/one\""
        );
        assert!(check(&Authorizer::default(), &joe, "status", &old, Some(&old)).is_ok(), "nothing changes");
    }
}
