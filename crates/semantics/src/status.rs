//! Errors as the API gives them: upstream's `Status` with its code, reason, message and causes
//! (k8s.io/apimachinery `api/errors`).

use crate::field::FieldError;
use corten_api::KindInfo;
use corten_api::meta::v1::{Status, StatusCause, StatusDetails};
use std::fmt;

/// An error that a client sees as a [`Status`].
#[derive(Clone, Debug, PartialEq)]
pub struct ApiError(Box<Status>);

/// What API calls give.
pub type ApiResult<T> = Result<T, ApiError>;

/// The resource an error is about, `deployments.apps`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resource<'a> {
    pub group: &'a str,
    pub plural: &'a str,
}

impl<'a> From<&'a KindInfo> for Resource<'a> {
    fn from(info: &'a KindInfo) -> Self {
        Resource { group: info.group, plural: info.plural }
    }
}

impl fmt::Display for Resource<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.plural)?;
        if self.group.is_empty() { Ok(()) } else { write!(f, ".{}", self.group) }
    }
}

impl ApiError {
    /// Any failure.
    pub fn new(code: u16, reason: &str, message: impl Into<String>) -> Self {
        ApiError(Box::new(Status {
            status: "Failure".into(),
            code: i32::from(code),
            reason: reason.into(),
            message: message.into(),
            ..Status::default()
        }))
    }

    fn about(mut self, resource: Resource<'_>, name: &str) -> Self {
        let details = self.details();
        details.group = resource.group.into();
        details.kind = resource.plural.into();
        details.name = name.into();
        self
    }

    fn details(&mut self) -> &mut StatusDetails {
        self.0.details.get_or_insert_default()
    }

    /// 404: the object does not exist.
    pub fn not_found<'a>(resource: impl Into<Resource<'a>>, name: &str) -> Self {
        let r = resource.into();
        Self::new(404, "NotFound", format!("{r} \"{name}\" not found")).about(r, name)
    }

    /// 404: the path leads nowhere.
    pub fn no_such_path() -> Self {
        let mut e = Self::new(404, "NotFound", "the server could not find the requested resource");
        e.details();
        e
    }

    /// 409: the name is taken.
    pub fn already_exists<'a>(resource: impl Into<Resource<'a>>, name: &str) -> Self {
        let r = resource.into();
        Self::new(409, "AlreadyExists", format!("{r} \"{name}\" already exists")).about(r, name)
    }

    /// 409: the write was based on another state. `why` follows upstream's prefix.
    pub fn conflict<'a>(resource: impl Into<Resource<'a>>, name: &str, why: &str) -> Self {
        let r = resource.into();
        Self::new(409, "Conflict", format!("Operation cannot be fulfilled on {r} \"{name}\": {why}"))
            .about(r, name)
    }

    /// 409: the object has changed since it was read.
    pub fn modified<'a>(resource: impl Into<Resource<'a>>, name: &str) -> Self {
        let why =
            "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict(resource, name, why)
    }

    /// 422: the object's fields are wrong.
    pub fn invalid(group: &str, kind: &str, name: &str, errors: &[FieldError]) -> Self {
        let mut listed: Vec<String> = Vec::with_capacity(errors.len());
        for error in errors.iter().map(ToString::to_string) {
            if !listed.contains(&error) {
                listed.push(error);
            }
        }
        let listed = match listed.as_slice() {
            [] => "<nil>".to_string(),
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        let full = if group.is_empty() { kind.to_string() } else { format!("{kind}.{group}") };
        let mut e = Self::new(422, "Invalid", format!("{full} \"{name}\" is invalid: {listed}"))
            .about(Resource { group, plural: kind }, name);
        e.details().causes = errors.iter().map(FieldError::cause).collect();
        e
    }

    /// 400.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    /// 401.
    pub fn unauthorized() -> Self {
        Self::new(401, "Unauthorized", "Unauthorized")
    }

    /// 403. `why` follows upstream's prefix.
    pub fn forbidden<'a>(resource: impl Into<Resource<'a>>, name: &str, why: &str) -> Self {
        let r = resource.into();
        let message = match (name, r.plural) {
            (_, "") => format!("forbidden: {why}"),
            ("", _) => format!("{r} is forbidden: {why}"),
            _ => format!("{r} \"{name}\" is forbidden: {why}"),
        };
        Self::new(403, "Forbidden", message).about(r, name)
    }

    /// 405.
    pub fn method_not_allowed<'a>(resource: impl Into<Resource<'a>>, verb: &str) -> Self {
        let r = resource.into();
        Self::new(405, "MethodNotAllowed", format!("{verb} is not supported on resources of kind \"{r}\""))
            .about(r, "")
    }

    /// 406.
    pub fn not_acceptable(accepted: &[&str]) -> Self {
        let list = accepted.join(", ");
        Self::new(406, "NotAcceptable", format!("only the following media types are accepted: {list}"))
    }

    /// 410: the revision asked for is compacted.
    pub fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message)
    }

    /// 413.
    pub fn too_large(message: impl Into<String>) -> Self {
        Self::new(413, "RequestEntityTooLarge", message)
    }

    /// 415.
    pub fn unsupported_media_type(accepted: &[&str]) -> Self {
        let list = accepted.join(", ");
        Self::new(
            415,
            "UnsupportedMediaType",
            format!(
                "the body of the request was in an unknown format - accepted media types include: {list}"
            ),
        )
    }

    /// 429 with a hint when to come back.
    pub fn too_many_requests(message: impl Into<String>, retry_after_seconds: i32) -> Self {
        let mut e = Self::new(429, "TooManyRequests", message);
        e.details().retry_after_seconds = retry_after_seconds;
        e
    }

    /// 500.
    pub fn internal(message: impl fmt::Display) -> Self {
        let mut e = Self::new(500, "InternalError", format!("Internal error occurred: {message}"));
        e.details().causes = vec![StatusCause { message: message.to_string(), ..StatusCause::default() }];
        e
    }

    /// 503.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(503, "ServiceUnavailable", message)
    }

    /// 504: the server did not get there in time.
    pub fn timeout(message: impl Into<String>, retry_after_seconds: i32) -> Self {
        let mut e = Self::new(504, "Timeout", message);
        e.details().retry_after_seconds = retry_after_seconds;
        e
    }

    /// Adds a cause.
    pub fn with_cause(mut self, reason: &str, message: &str, field: &str) -> Self {
        self.details().causes.push(StatusCause {
            reason: reason.into(),
            message: message.into(),
            field: field.into(),
        });
        self
    }

    /// The HTTP code.
    pub fn code(&self) -> u16 {
        u16::try_from(self.0.code).unwrap_or(500)
    }

    /// The machine-readable reason.
    pub fn reason(&self) -> &str {
        &self.0.reason
    }

    /// Whether the object or path does not exist.
    pub fn is_not_found(&self) -> bool {
        self.0.reason == "NotFound"
    }

    /// Whether the name is taken.
    pub fn is_already_exists(&self) -> bool {
        self.0.reason == "AlreadyExists"
    }

    /// Whether the write was based on another state.
    pub fn is_conflict(&self) -> bool {
        self.0.reason == "Conflict"
    }

    /// Whether the revision asked for is gone.
    pub fn is_expired(&self) -> bool {
        self.0.code == 410
    }

    /// The status as the body of the answer.
    pub fn status(&self) -> &Status {
        &self.0
    }

    /// Whether the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        matches!(self.0.code, 429 | 500 | 502 | 503 | 504)
    }
}

impl From<Status> for ApiError {
    fn from(status: Status) -> Self {
        ApiError(Box::new(status))
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for ApiError {}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::Kind;
    use corten_api::apps::v1::Deployment;

    #[test]
    fn messages_are_upstreams() {
        let info = Deployment::INFO;
        for (error, code, message) in [
            (ApiError::not_found(info, "web"), 404, "deployments.apps \"web\" not found"),
            (ApiError::already_exists(info, "web"), 409, "deployments.apps \"web\" already exists"),
            (
                ApiError::modified(info, "web"),
                409,
                "Operation cannot be fulfilled on deployments.apps \"web\": the object has been modified; please apply your changes to the latest version and try again",
            ),
            (
                ApiError::invalid("apps", "Deployment", "web", &[FieldError::required("spec.selector", "")]),
                422,
                "Deployment.apps \"web\" is invalid: spec.selector: Required value",
            ),
        ] {
            assert_eq!((error.code(), error.to_string().as_str()), (code, message));
        }
    }
}
