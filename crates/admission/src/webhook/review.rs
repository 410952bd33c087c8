//! What webhooks are told, and what they may answer: `AdmissionReview` (upstream's `webhook/request` and
//! `webhook/errors`).

use super::hook::Review;
use super::matching::{Invocation, Subject};
use corten_api::admission::v1::{AdmissionRequest, AdmissionResponse, AdmissionReview};
use corten_api::authentication::v1::UserInfo;
use corten_api::meta::v1::{GroupVersionKind, GroupVersionResource, Status};
use corten_api::{KindInfo, Raw, View};
use corten_codec::{Problems, json};
use corten_semantics::ApiError;
use uuid::Builder;

/// The objects of a request as JSON, in one version.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shown {
    pub object: Option<Vec<u8>>,
    pub old: Option<Vec<u8>>,
}

/// A new identifier of a review.
pub(super) fn uid() -> String {
    Builder::from_random_bytes(corten_rt::random::bytes16()).into_uuid().to_string()
}

/// The review that is sent.
pub(super) fn request(
    review: Review,
    uid: &str,
    subject: &Subject<'_>,
    invocation: &Invocation,
    shown: &Shown,
) -> Vec<u8> {
    let context = subject.context;
    let raw = |json: &Option<Vec<u8>>| Raw(json.clone().unwrap_or_else(|| b"null".to_vec()));
    let kind = |body: &super::matching::BodyKind| GroupVersionKind {
        group: body.group.clone(),
        version: body.version.clone(),
        kind: body.kind.clone(),
    };
    let request = AdmissionRequest {
        uid: uid.to_string(),
        kind: kind(&invocation.body),
        resource: resource(invocation.resource),
        sub_resource: context.subresource.into(),
        request_kind: Some(Box::new(kind(&subject.body))),
        request_resource: Some(Box::new(resource(context.requested))),
        request_sub_resource: context.subresource.into(),
        name: subject.name.clone(),
        namespace: subject.namespace().to_string(),
        operation: context.operation.to_string(),
        user_info: UserInfo::clone(context.user),
        object: raw(&shown.object),
        old_object: raw(&shown.old),
        dry_run: Some(context.dry_run),
        options: Raw::from_value(&context.options.value()),
    };
    let mut out = Vec::with_capacity(2048 + request.object.0.len() + request.old_object.0.len());
    let head =
        format!("{{\"kind\":\"AdmissionReview\",\"apiVersion\":\"{}\",\"request\":", review.api_version());
    out.extend_from_slice(head.as_bytes());
    json::encode_value(&mut out, View::Struct(&request));
    out.push(b'}');
    out
}

fn resource(kind: &KindInfo) -> GroupVersionResource {
    GroupVersionResource {
        group: kind.group.into(),
        version: kind.version.into(),
        resource: kind.plural.into(),
    }
}

/// What a webhook said.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Verdict {
    pub allowed: bool,
    pub status: Option<Status>,
    /// Empty when nothing is to change.
    pub patch: Vec<u8>,
    pub annotations: Vec<(String, String)>,
    pub warnings: Vec<String>,
}

/// Reads the answer to the review `uid`.
///
/// # Errors
/// In upstream's words, when it is no answer to it.
pub(super) fn answer(review: Review, uid: &str, mutating: bool, body: &[u8]) -> Result<Verdict, String> {
    let mut read = AdmissionReview::default();
    let invalid = |why: String| format!("received invalid webhook response: {why}");
    let failed = |why: String| format!("failed to call webhook: {why}");
    let said = json::type_meta(body).map_err(|e| failed(e.to_string()))?;
    let (version, kind) = (said.api_version.to_string(), said.kind.to_string());
    json::decode_struct(body, &mut read, &mut Problems::ignore()).map_err(|e| failed(e.to_string()))?;
    let response = *read.response.ok_or_else(|| invalid("webhook response was absent".into()))?;
    if review == Review::V1 {
        if response.uid != uid {
            return Err(invalid(format!("expected response.uid={uid:?}, got {:?}", response.uid)));
        }
        if version != review.api_version() || kind != "AdmissionReview" {
            let (group, version) = version.split_once('/').unwrap_or(("", &version));
            return Err(invalid(format!(
                "expected webhook response of {}, Kind=AdmissionReview, got {group}/{version}, Kind={kind}",
                review.api_version()
            )));
        }
        check_patch(&response, mutating).map_err(invalid)?;
    }
    if let Some(other) = response.patch_type.as_deref().filter(|t| review == Review::V1 && *t != "JSONPatch")
    {
        return Err(format!("unsupported patch type {other:?}"));
    }
    Ok(Verdict {
        allowed: response.allowed,
        status: response.status.map(|s| *s),
        patch: if mutating { response.patch } else { Vec::new() },
        annotations: response.audit_annotations.into_iter().collect(),
        warnings: response.warnings,
    })
}

fn check_patch(response: &AdmissionResponse, mutating: bool) -> Result<(), String> {
    let why = match (mutating, response.patch.is_empty(), response.patch_type.as_deref()) {
        (true, false, None) => "webhook returned response.patch but not response.patchType",
        (true, true, Some(_)) => "webhook returned response.patchType but not response.patch",
        (true, false, Some("")) => "webhook returned invalid response.patchType of \"\"",
        (false, false, _) => "validating webhook may not return response.patch",
        (false, true, Some(_)) => "validating webhook may not return response.patchType",
        _ => return Ok(()),
    };
    Err(why.to_string())
}

/// A webhook's no, as the client sees it.
pub(super) fn denied(name: &str, status: Option<Status>) -> ApiError {
    let mut status = status.unwrap_or_default();
    if status.code < 400 {
        status.code = 400;
    }
    if matches!(status.status.as_str(), "" | "Success") {
        status.status = "Failure".into();
    }
    let by = format!("admission webhook {name:?} denied the request");
    status.message = match (status.message.as_str(), status.reason.as_str()) {
        ("", "") => format!("{by} without explanation"),
        ("", reason) => format!("{by}: {reason}"),
        (message, _) => format!("{by}: {message}"),
    };
    status.into()
}
