//! The parameters that a binding gives its policy: none, one by its name, or several by their labels.

use super::compiled::Policy;
use crate::webhook::matching::Subject;
use corten_api::admissionregistration::v1::{ParamRef, ValidatingAdmissionPolicyBinding};
use corten_api::selector::Selector;
use corten_api::{KindInfo, Object};
use corten_codec::json;
use serde_json::Value as Json;
use std::sync::Arc;

/// The parameters as JSON, null where the policy is to be asked without; none at all where it is not to be asked.
///
/// # Errors
/// Why the binding cannot be followed.
pub(super) fn collect(
    policy: &Policy,
    binding: &ValidatingAdmissionPolicyBinding,
    subject: &Subject<'_>,
) -> Result<Vec<Json>, String> {
    let spec = &policy.policy.spec;
    let (Some(kind), Some(reference)) = (&spec.param_kind, &binding.spec.param_ref) else {
        return Ok(vec![Json::Null]);
    };
    let found = subject.context.server.find_kind(&kind.api_version, &kind.kind).ok_or_else(|| {
        let (version, kind) = (&kind.api_version, &kind.kind);
        format!("failed to find resource referenced by paramKind: '{}'", named(version, kind))
    })?;
    let objects = find(found, reference, subject)?;
    if objects.is_empty() && reference.parameter_not_found_action.as_deref() == Some("Deny") {
        return Err("no params found for policy binding with `Deny` parameterNotFoundAction".to_owned());
    }
    let shown = objects.iter().filter_map(|object| serde_json::from_slice(&json::encode(&**object)).ok());
    Ok(shown.collect())
}

/// `group/version, Kind=kind`.
fn named(api_version: &str, kind: &str) -> String {
    let grouped = if api_version.contains('/') { api_version.to_owned() } else { format!("/{api_version}") };
    format!("{grouped}, Kind={kind}")
}

fn find(
    kind: &'static KindInfo,
    reference: &ParamRef,
    subject: &Subject<'_>,
) -> Result<Vec<Arc<dyn Object>>, String> {
    let objects = subject.context.objects;
    let namespace = match (kind.namespaced, reference.namespace.as_str()) {
        (false, "") => "",
        (false, _) => {
            return Err("paramRef.namespace must not be provided for a cluster-scoped `paramKind`".to_owned());
        }
        (true, "") => subject.namespace(),
        (true, namespace) => namespace,
    };
    if kind.namespaced && namespace.is_empty() {
        let why = "cannot use namespaced paramRef in policy binding that matches cluster-scoped resources";
        return Err(why.to_owned());
    }
    if !reference.name.is_empty() {
        return Ok(objects.object(kind, namespace, &reference.name).into_iter().collect());
    }
    let Some(selector) = &reference.selector else {
        return Err("one of name or selector must be provided".to_owned());
    };
    let selector = Selector::from_label_selector(Some(selector)).map_err(|error| error.to_string())?;
    let mut found = objects.objects(kind, namespace);
    found.retain(|object| selector.matches(&object.meta().labels));
    found.sort_by(|a, b| (&a.meta().namespace, &a.meta().name).cmp(&(&b.meta().namespace, &b.meta().name)));
    Ok(found)
}
