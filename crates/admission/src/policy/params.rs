//! The parameters that a binding gives its policy: none, one by its name, or several by their labels.

use crate::webhook::matching::Subject;
use corten_api::admissionregistration::v1::{ParamKind, ParamRef};
use corten_api::selector::Selector;
use corten_api::{KindInfo, Object};
use corten_codec::json;
use serde_json::Value as Json;
use std::sync::Arc;

/// The kind of the policy's parameters, if it takes any.
///
/// # Errors
/// When no such kind is served.
pub(super) fn kind(
    kind: Option<&ParamKind>,
    subject: &Subject<'_>,
) -> Result<Option<&'static KindInfo>, String> {
    let Some(kind) = kind else { return Ok(None) };
    let found = subject.context.server.find_kind(&kind.api_version, &kind.kind);
    found.map(Some).ok_or_else(|| {
        let slash = if kind.api_version.contains('/') { "" } else { "/" };
        format!(
            "failed to find resource referenced by paramKind: '{slash}{}, Kind={}'",
            kind.api_version, kind.kind
        )
    })
}

/// The parameters as JSON, null where the policy is to be asked without; none at all where it is not to be asked.
///
/// # Errors
/// Why the binding cannot be followed.
pub(super) async fn collect(
    kind: Option<&'static KindInfo>,
    reference: Option<&ParamRef>,
    subject: &Subject<'_>,
) -> Result<Vec<Json>, String> {
    let (Some(kind), Some(reference)) = (kind, reference) else {
        return Ok(vec![Json::Null]);
    };
    let objects = find(kind, reference, subject)?;
    if objects.is_empty() && reference.parameter_not_found_action.as_deref() == Some("Deny") {
        return Err("no params found for policy binding with `Deny` parameterNotFoundAction".to_owned());
    }
    let mut params = Vec::with_capacity(objects.len());
    for object in objects {
        let bytes = if object.info() == kind {
            json::encode(&*object)
        } else {
            let converted = subject.context.server.convert(object.clone_object(), kind).await;
            json::encode(&*converted.map_err(|error| error.status().message.clone())?)
        };
        params.push(serde_json::from_slice(&bytes).map_err(|error| error.to_string())?);
    }
    Ok(params)
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
    Ok(found)
}
