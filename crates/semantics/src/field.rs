//! What is wrong with a field, worded as upstream words it (k8s.io/apimachinery `validation/field`).

use corten_api::meta::v1::StatusCause;
use std::fmt;

/// The kind of mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake {
    Required,
    Invalid,
    Duplicate,
    NotSupported,
    Forbidden,
    TooLong,
    TooMany,
    NotFound,
    Internal,
    TypeInvalid,
}

/// One mistake in one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// `spec.containers[0].image`.
    pub path: String,
    pub mistake: Mistake,
    /// The value as the message shows it (texts quoted); empty where upstream shows none.
    pub value: String,
    pub detail: String,
}

impl FieldError {
    fn new(path: impl Into<String>, mistake: Mistake, value: String, detail: impl Into<String>) -> Self {
        FieldError { path: path.into(), mistake, value, detail: detail.into() }
    }

    /// A value is missing.
    pub fn required(path: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(path, Mistake::Required, String::new(), detail)
    }

    /// The value is wrong; `value` as `{:?}` shows it.
    pub fn invalid(path: impl Into<String>, value: impl fmt::Debug, detail: impl Into<String>) -> Self {
        Self::new(path, Mistake::Invalid, format!("{value:?}"), detail)
    }

    /// The value stands there twice.
    pub fn duplicate(path: impl Into<String>, value: impl fmt::Debug) -> Self {
        Self::new(path, Mistake::Duplicate, format!("{value:?}"), "")
    }

    /// The value is none of those allowed.
    pub fn not_supported(path: impl Into<String>, value: impl fmt::Debug, supported: &[&str]) -> Self {
        let list: Vec<String> = supported.iter().map(|s| format!("{s:?}")).collect();
        Self::new(
            path,
            Mistake::NotSupported,
            format!("{value:?}"),
            format!("supported values: {}", list.join(", ")),
        )
    }

    /// The field may not be set like this.
    pub fn forbidden(path: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(path, Mistake::Forbidden, String::new(), detail)
    }

    /// The value has more than `most` bytes.
    pub fn too_long(path: impl Into<String>, most: usize) -> Self {
        Self::new(path, Mistake::TooLong, String::new(), format!("may not be more than {most} bytes"))
    }

    /// The list has more than `most` items.
    pub fn too_many(path: impl Into<String>, have: usize, most: usize) -> Self {
        Self::new(path, Mistake::TooMany, have.to_string(), format!("must have at most {most} items"))
    }

    /// What the value refers to does not exist.
    pub fn not_found(path: impl Into<String>, value: impl fmt::Debug) -> Self {
        Self::new(path, Mistake::NotFound, format!("{value:?}"), "")
    }

    fn words(&self) -> (&'static str, &'static str) {
        match self.mistake {
            Mistake::Required => ("FieldValueRequired", "Required value"),
            Mistake::Invalid => ("FieldValueInvalid", "Invalid value"),
            Mistake::Duplicate => ("FieldValueDuplicate", "Duplicate value"),
            Mistake::NotSupported => ("FieldValueNotSupported", "Unsupported value"),
            Mistake::Forbidden => ("FieldValueForbidden", "Forbidden"),
            Mistake::TooLong => ("FieldValueTooLong", "Too long"),
            Mistake::TooMany => ("FieldValueTooMany", "Too many"),
            Mistake::NotFound => ("FieldValueNotFound", "Not found"),
            Mistake::Internal => ("InternalError", "Internal error"),
            Mistake::TypeInvalid => ("FieldValueTypeInvalid", "Invalid value"),
        }
    }

    /// The message without the path.
    pub fn body(&self) -> String {
        let mut out = self.words().1.to_string();
        if !self.value.is_empty() {
            out += &format!(": {}", self.value);
        }
        if !self.detail.is_empty() {
            out += &format!(": {}", self.detail);
        }
        out
    }

    /// The cause in a `Status`.
    pub fn cause(&self) -> StatusCause {
        StatusCause { reason: self.words().0.into(), message: self.body(), field: self.path.clone() }
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.body())
    }
}
