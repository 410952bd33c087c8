//! Request bodies to objects, with upstream's words for what is wrong (apiserver `handlers/create.go`,
//! `rest.go`).

use bytes::Bytes;
use corten_api::{Kind, KindInfo, Object, Struct};
use corten_codec::Problems;
use corten_kinds::Strategy;
use corten_semantics::field::FieldError;
use corten_semantics::{ApiError, ApiResult};

use super::encode::go_package;
use super::formats::{self, Head};
use super::negotiate::Format;
use crate::registry::FieldValidation;

/// What a body was read as.
pub struct Decoded {
    pub object: Box<dyn Object>,
    /// Unknown and duplicate fields, for `Warning` headers.
    pub warnings: Vec<String>,
}

/// The kind that a subresource's body has.
pub fn body_kind(kind: &'static KindInfo, subresource: &str) -> &'static KindInfo {
    match subresource {
        "scale" => corten_api::autoscaling::v1::Scale::INFO,
        "binding" => corten_api::core::v1::Binding::INFO,
        "eviction" => corten_api::policy::v1::Eviction::INFO,
        "token" => corten_api::authentication::v1::TokenRequest::INFO,
        _ => kind,
    }
}

/// Reads an object of `want`.
pub fn object(
    body: &Bytes,
    format: Format,
    want: &'static KindInfo,
    strategy: &dyn Strategy,
    validation: FieldValidation,
) -> ApiResult<Decoded> {
    let body = formats::readable(body, format).map_err(|why| unrecognized(want.kind, &why, body))?;
    let head = body.head().map_err(|why| unrecognized(want.kind, &why, body.original()))?;
    let head = if want.custom { custom_head(head, want, body.original())? } else { head.or(want) };
    check_kind(&head, want)?;
    let mut problems =
        if validation == FieldValidation::Ignore { Problems::ignore() } else { Problems::strict() };
    let mut object = want.blank().ok_or_else(|| ApiError::internal("the kind has no objects"))?;
    if want.custom {
        body.duplicates(&mut problems);
    }
    body.fill(object.as_struct_mut(), &mut problems).map_err(|why| unhandled(&head, want, &why))?;
    if head.kind != want.kind {
        return Err(other_kind(&head, want, &object.meta().name));
    }
    let mut unknown = Vec::new();
    strategy.prune(&mut *object, &mut unknown).map_err(|why| unhandled(&head, want, &why))?;
    unknown.iter().for_each(|path| problems.unknown(path));
    if validation == FieldValidation::Strict
        && let Some(why) = problems.error()
    {
        return Err(unhandled(&head, want, &why));
    }
    Ok(Decoded { object, warnings: problems.warnings() })
}

/// Reads options (`DeleteOptions`), whose group may be any.
pub fn options(body: &Bytes, format: Format, kind: &str, to: &mut dyn Struct) -> ApiResult<()> {
    let body = formats::readable(body, format).map_err(ApiError::bad_request)?;
    let head = body.head().map_err(ApiError::bad_request)?;
    if !head.kind.is_empty() && head.kind != kind {
        return Err(ApiError::bad_request(not_registered(&head)));
    }
    body.fill(to, &mut Problems::ignore()).map_err(ApiError::bad_request)
}

fn check_kind(head: &Head, want: &KindInfo) -> ApiResult<()> {
    let (group, version) = head.group_version();
    // Clients of 2021 evict with the version before, which says the same.
    let is_older_eviction = want == corten_api::policy::v1::Eviction::INFO && version == "v1beta1";
    let is_version = version == want.version || is_older_eviction;
    if head.kind == want.kind && group == want.group && is_version {
        return Ok(());
    }
    if want.custom {
        // Its kind is judged with the object.
        return if (group, version) == (want.group, want.version) {
            Ok(())
        } else {
            Err(other_version(head, want))
        };
    }
    let known = corten_api::builtin::KINDS
        .iter()
        .chain(corten_api::builtin::OPTIONAL)
        .find(|k| (k.group, k.version, k.kind) == (group, version, &*head.kind));
    match known {
        None => Err(unhandled(head, want, &not_registered(head))),
        Some(known) if known.kind == want.kind && known.group == want.group => Err(other_version(head, want)),
        Some(_) => {
            let (kind, into) = (&head.kind, want.kind);
            let package = go_package(want);
            let why = format!("converting ({version}.{kind}) to ({package}.{into}): unknown conversion");
            Err(unhandled(head, want, &why))
        }
    }
}

fn other_version(head: &Head, want: &KindInfo) -> ApiError {
    let (given, wanted) = (&head.api_version, want.api_version());
    ApiError::bad_request(format!(
        "the API version in the data ({given}) does not match the expected API version ({wanted})"
    ))
}

/// What is missing is not taken for granted of custom kinds.
fn custom_head(head: Head, want: &KindInfo, body: &[u8]) -> ApiResult<Head> {
    if head.kind.is_empty() {
        let why = format!("Object 'Kind' is missing in '{}'", String::from_utf8_lossy(body).trim());
        return Err(unhandled(&head.or(want), want, &why));
    }
    Ok(head)
}

/// Custom kinds are not registered anywhere; what is not the wanted one is refused as an object.
fn other_kind(head: &Head, want: &KindInfo, name: &str) -> ApiError {
    let error = FieldError::invalid("kind", &head.kind, format!("must be {}", want.kind));
    ApiError::invalid(want.group, &head.kind, name, &[error])
}

fn not_registered(head: &Head) -> String {
    format!(
        "no kind {:?} is registered for version {:?} in scheme \"pkg/api/legacyscheme/scheme.go:30\"",
        head.kind, head.api_version
    )
}

fn unhandled(head: &Head, want: &KindInfo, why: &str) -> ApiError {
    let (_, version) = head.group_version();
    ApiError::bad_request(format!(
        "{} in version {version:?} cannot be handled as a {}: {why}",
        head.kind, want.kind
    ))
}

fn unrecognized(kind: &str, why: &str, body: &[u8]) -> ApiError {
    let summary = summary(body);
    ApiError::bad_request(format!(
        "the object provided is unrecognized (must be of type {kind}): {why} ({summary})"
    ))
}

/// The beginning of a body, as messages show it.
fn summary(body: &[u8]) -> String {
    const MOST: usize = 30;
    let (head, more) = if body.len() > MOST { (&body[..MOST], " ...") } else { (body, "") };
    match body.first() {
        None => "<empty>".into(),
        Some(b'{') => format!("{}{more}", String::from_utf8_lossy(head)),
        Some(_) => format!("{}{more}", head.iter().map(|b| format!("{b:02x}")).collect::<String>()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::apps::v1::Deployment;
    use corten_api::core::v1::Pod;

    fn refusal(body: &str, want: &'static KindInfo, validation: FieldValidation) -> String {
        let body = Bytes::copy_from_slice(body.as_bytes());
        let read = object(&body, Format::Json, want, corten_kinds::strategy_for(want), validation);
        read.err().map(|e| format!("{} {e}", e.code())).unwrap_or_default()
    }

    #[test]
    fn bodies_that_are_no_such_object_are_refused_in_upstreams_words() {
        use FieldValidation::{Strict, Warn};
        for (body, want, validation, message) in [
            (r#"{"metadata":{"name":"a"}}"#, Pod::INFO, Warn, ""),
            (r#"{"kind":"Pod","apiVersion":"v1","spec":{"foo":1}}"#, Pod::INFO, Warn, ""),
            (
                r#"{"kind":"Pod","apiVersion":"v1","spec":{"foo":1}}"#,
                Pod::INFO,
                Strict,
                "400 Pod in version \"v1\" cannot be handled as a Pod: strict decoding error: unknown field \"spec.foo\"",
            ),
            (
                "",
                Pod::INFO,
                Warn,
                "400 the object provided is unrecognized (must be of type Pod): couldn't get version/kind; json parse error: unexpected end of JSON input (<empty>)",
            ),
            (
                r#"{"kind":"Service","apiVersion":"v1"}"#,
                Pod::INFO,
                Warn,
                "400 Service in version \"v1\" cannot be handled as a Pod: converting (v1.Service) to (core.Pod): unknown conversion",
            ),
            (
                r#"{"kind":"Foo","apiVersion":"v1"}"#,
                Pod::INFO,
                Warn,
                "400 Foo in version \"v1\" cannot be handled as a Pod: no kind \"Foo\" is registered for version \"v1\" in scheme \"pkg/api/legacyscheme/scheme.go:30\"",
            ),
            (
                r#"{"kind":"Deployment","apiVersion":"apps/v1beta2"}"#,
                Deployment::INFO,
                Warn,
                "400 Deployment in version \"v1beta2\" cannot be handled as a Deployment: no kind \"Deployment\" is registered for version \"apps/v1beta2\" in scheme \"pkg/api/legacyscheme/scheme.go:30\"",
            ),
        ] {
            assert_eq!(refusal(body, want, validation), message, "{body}");
        }
    }

    #[test]
    fn findings_become_warnings() {
        let body = Bytes::from_static(br#"{"kind":"Pod","apiVersion":"v1","spec":{"foo":1}}"#);
        let strategy = corten_kinds::strategy_for(Pod::INFO);
        let read = object(&body, Format::Json, Pod::INFO, strategy, FieldValidation::Warn).expect("a pod");
        assert_eq!(read.warnings, ["unknown field \"spec.foo\""]);
    }
}
