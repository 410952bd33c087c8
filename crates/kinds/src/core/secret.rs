//! Secrets.

use super::CORE;
use super::config_map::{MOST_DATA, SEALED};
use super::pod::defaults::text;
use crate::columns::{self, AGE, Column, NAME, row};
use crate::errors::Errors;
use crate::metadata::IMMUTABLE;
use crate::names;
use crate::rules::Rules;
use crate::strategy::KindStrategy;
use corten_api::core::v1::Secret;
use corten_semantics::field::FieldError;
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

    fn validate(&self, secret: &Secret) -> Vec<FieldError> {
        let mut errors = Errors::default();
        for key in secret.data.keys() {
            errors.format(&format!("data[{key}]"), key, names::config_key);
        }
        if secret.data.values().map(Vec::len).sum::<usize>() > MOST_DATA {
            errors.too_long("data", MOST_DATA);
        }
        validate_type(&mut errors, secret);
        errors.into_vec()
    }

    fn validate_update(&self, new: &Secret, old: &Secret) -> Vec<FieldError> {
        let mut errors = Errors::default();
        if new.type_ != old.type_ {
            errors.invalid("type", &new.type_, IMMUTABLE);
        }
        if old.immutable == Some(true) {
            if new.immutable != Some(true) {
                errors.forbidden("immutable", SEALED);
            }
            if new.data != old.data {
                errors.forbidden("data", SEALED);
            }
        }
        errors.extend(KindStrategy::validate(self, new));
        errors.into_vec()
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

/// Some types of secrets have keys that must be there.
fn validate_type(errors: &mut Errors, secret: &Secret) {
    let has = |key: &str| secret.data.contains_key(key);
    match secret.type_.as_str() {
        "kubernetes.io/service-account-token" => {
            let key = "kubernetes.io/service-account.name";
            if secret.metadata.annotations.get(key).is_none_or(String::is_empty) {
                errors.required(format!("metadata.annotations[{key}]"), "");
            }
        }
        "kubernetes.io/dockercfg" => json_object(errors, secret, ".dockercfg"),
        "kubernetes.io/dockerconfigjson" => json_object(errors, secret, ".dockerconfigjson"),
        "kubernetes.io/basic-auth" if !has("username") && !has("password") => {
            errors.required("data[username]", "");
            errors.required("data[password]", "");
        }
        "kubernetes.io/ssh-auth" if secret.data.get("ssh-privatekey").is_none_or(Vec::is_empty) => {
            errors.required("data[ssh-privatekey]", "");
        }
        "kubernetes.io/tls" => {
            for key in ["tls.crt", "tls.key"].into_iter().filter(|k| !has(k)) {
                errors.required(format!("data[{key}]"), "");
            }
        }
        _ => {}
    }
}

fn json_object(errors: &mut Errors, secret: &Secret, key: &str) {
    let path = format!("data[{key}]");
    match secret.data.get(key) {
        None => errors.required(path, ""),
        Some(bytes) => {
            let read = serde_json::from_slice::<serde_json::Map<String, Value>>(bytes);
            if let Err(why) = read {
                errors.invalid(path, "<secret contents redacted>", why.to_string());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_data_and_types_want_their_keys() {
        let mut secret = Secret::default();
        secret.string_data.insert("a".into(), "b".into());
        KindStrategy::default(&SecretStrategy, &mut secret);
        assert_eq!((secret.type_.as_str(), secret.data["a"].as_slice()), ("Opaque", &b"b"[..]));
        assert!(secret.string_data.is_empty());
        secret.type_ = "kubernetes.io/tls".into();
        let told: Vec<String> =
            KindStrategy::validate(&SecretStrategy, &secret).iter().map(ToString::to_string).collect();
        assert_eq!(told, ["data[tls.crt]: Required value", "data[tls.key]: Required value"]);
        let mut other = secret.clone();
        other.type_ = "Opaque".into();
        let told = KindStrategy::validate_update(&SecretStrategy, &other, &secret);
        assert_eq!(told[0].to_string(), "type: Invalid value: \"Opaque\": field is immutable");
    }
}
