//! Collects what is wrong with an object.

use crate::metadata::NOT_NEGATIVE;
use corten_semantics::field::FieldError;
use std::fmt::Debug;

/// Mistakes found so far.
#[derive(Default)]
pub(crate) struct Errors(Vec<FieldError>);

impl Errors {
    pub fn required(&mut self, path: impl Into<String>, detail: &str) {
        self.0.push(FieldError::required(path, detail));
    }

    pub fn invalid(&mut self, path: impl Into<String>, value: impl Debug, detail: impl Into<String>) {
        self.0.push(FieldError::invalid(path, value, detail));
    }

    /// Each message of a format's check.
    pub fn format(&mut self, path: &str, value: &str, check: fn(&str) -> Vec<String>) {
        for message in check(value) {
            self.invalid(path, value, message);
        }
    }

    pub fn duplicate(&mut self, path: impl Into<String>, value: impl Debug) {
        self.0.push(FieldError::duplicate(path, value));
    }

    pub fn forbidden(&mut self, path: impl Into<String>, detail: impl Into<String>) {
        self.0.push(FieldError::forbidden(path, detail));
    }

    pub fn not_found(&mut self, path: impl Into<String>, value: impl Debug) {
        self.0.push(FieldError::not_found(path, value));
    }

    pub fn not_found_because(
        &mut self,
        path: impl Into<String>,
        value: impl Debug,
        detail: impl Into<String>,
    ) {
        let mut error = FieldError::not_found(path, value);
        error.detail = detail.into();
        self.0.push(error);
    }

    pub fn too_long(&mut self, path: impl Into<String>, most: usize) {
        self.0.push(FieldError::too_long(path, most));
    }

    /// The value must be one of a few, and must be there.
    pub fn one_of(&mut self, path: impl Into<String>, value: &str, supported: &[&str]) {
        if value.is_empty() {
            self.required(path, "");
        } else {
            self.one_of_or_empty(path, value, supported);
        }
    }

    /// The value must be one of a few; an empty one is judged like any other.
    pub fn supported(&mut self, path: impl Into<String>, value: &str, supported: &[&str]) {
        if !supported.contains(&value) {
            self.0.push(FieldError::not_supported(path, value, supported));
        }
    }

    /// The value must be one of a few, if it is there.
    pub fn one_of_or_empty(&mut self, path: impl Into<String>, value: &str, supported: &[&str]) {
        if !value.is_empty() {
            self.supported(path, value, supported);
        }
    }

    pub fn not_negative(&mut self, path: impl Into<String>, value: impl Into<i64>) {
        let value = value.into();
        if value < 0 {
            self.invalid(path, value, NOT_NEGATIVE);
        }
    }

    pub fn extend(&mut self, more: impl IntoIterator<Item = FieldError>) {
        self.0.extend(more);
    }

    pub fn into_vec(self) -> Vec<FieldError> {
        self.0
    }
}
