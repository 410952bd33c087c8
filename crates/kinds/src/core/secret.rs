//! Secrets.

use super::CORE;
use super::pod::defaults::text;
use crate::columns::{self, AGE, Column, NAME, row};
use crate::rules::Rules;
use crate::strategy::KindStrategy;
use corten_api::core::v1::Secret;
use jiff::Timestamp;
use serde_json::Value;
use std::borrow::Cow;

/// Secrets.
pub struct SecretStrategy;

impl KindStrategy for SecretStrategy {
    type Kind = Secret;
    const RULES: Rules = CORE;
    const COLUMNS: &'static [Column] = &[NAME, Column::text("Type"), Column::text("Data"), AGE];
    const FIELD_LABELS: &'static [&'static str] = &["type"];

    fn default(&self, secret: &mut Secret) {
        text(&mut secret.type_, "Opaque");
        for (key, value) in std::mem::take(&mut secret.string_data) {
            secret.data.insert(key, value.into_bytes());
        }
    }

    fn row(&self, secret: &Secret, now: Timestamp) -> Vec<Value> {
        row![
            secret.metadata.name.as_str(),
            secret.type_.as_str(),
            secret.data.len(),
            columns::age(secret.metadata.creation_timestamp, now),
        ]
    }

    fn selectable_field<'a>(&self, secret: &'a Secret, _label: &str) -> Cow<'a, str> {
        secret.type_.as_str().into()
    }
}
