//! Kubernetes' library of named formats: `format.dns1123Label().validate(name)`.

use super::url::Url;
use super::{Maybe, no_overload};
use crate::extension::Extension;
use crate::time::Timestamp;
use crate::value::Value;
use corten_api::names::{dns_1035_label, dns_label, dns_subdomain, label_value, qualified_name};

/// A format that texts may have.
#[derive(Debug)]
pub struct Format {
    pub name: &'static str,
    /// As long as its pattern is upstream; costs go by it.
    pub pattern_size: u64,
    /// What is wrong with a text.
    validate: fn(&str) -> Vec<String>,
}

static FORMATS: [Format; 13] = [
    Format { name: "dns1123Label", pattern_size: 30, validate: dns_label },
    Format { name: "dns1123Subdomain", pattern_size: 60, validate: dns_subdomain },
    Format { name: "dns1035Label", pattern_size: 30, validate: dns_1035_label },
    Format { name: "qualifiedName", pattern_size: 60, validate: qualified_name },
    Format { name: "dns1123LabelPrefix", pattern_size: 30, validate: |text| dns_label(&masked(text)) },
    Format {
        name: "dns1123SubdomainPrefix",
        pattern_size: 60,
        validate: |text| dns_subdomain(&masked(text)),
    },
    Format { name: "dns1035LabelPrefix", pattern_size: 30, validate: |text| dns_1035_label(&masked(text)) },
    Format { name: "labelValue", pattern_size: 40, validate: label_value },
    Format { name: "uri", pattern_size: 1103, validate: |text| Url::parse(text).err().into_iter().collect() },
    Format {
        name: "uuid",
        pattern_size: 70,
        validate: |text| wrong(is_uuid(text), "does not match the UUID format"),
    },
    Format { name: "byte", pattern_size: 84, validate: |text| wrong(is_base64(text), "invalid base64") },
    Format {
        name: "date",
        pattern_size: 71,
        validate: |text| wrong(super::convert::parse_date(text).is_some(), "invalid date"),
    },
    Format {
        name: "datetime",
        pattern_size: 71,
        validate: |text| wrong(Timestamp::parse(text).is_some(), "invalid datetime"),
    },
];

pub fn call<'a>(function: &str, args: &[Value<'a>]) -> Maybe<'a> {
    let found = |name: &str| FORMATS.iter().find(|format| format.name == name);
    Some(match (function, args) {
        ("format.named", [Value::String(name)]) => Ok(match found(name) {
            Some(format) => Value::Extension(Extension::Format(format)).some(),
            None => Value::Optional(None),
        }),
        ("validate", [Value::Extension(Extension::Format(format)), Value::String(text)]) => {
            let wrong = (format.validate)(text);
            Ok(if wrong.is_empty() {
                Value::Optional(None)
            } else {
                Value::list(wrong.into_iter().map(Value::owned).collect()).some()
            })
        }
        ("format.named" | "validate", _) => Err(no_overload(function, args)),
        (function, []) => {
            let format = found(function.strip_prefix("format.")?)?;
            Ok(Value::Extension(Extension::Format(format)))
        }
        _ => return None,
    })
}

fn wrong(right: bool, what: &str) -> Vec<String> {
    if right { Vec::new() } else { vec![what.to_owned()] }
}

/// A prefix of names may end in a dash.
fn masked(text: &str) -> String {
    match text.strip_suffix('-') {
        Some(before) if !before.is_empty() => {
            let end = before.char_indices().next_back().map_or(0, |(at, _)| at);
            format!("{}a", &before[..end])
        }
        _ => text.to_owned(),
    }
}

/// Groups of hexadecimal digits; the dashes between may be missing.
fn is_uuid(text: &str) -> bool {
    let mut rest = text;
    for (number, digits) in [8, 4, 4, 4, 12].into_iter().enumerate() {
        if number > 0 {
            rest = rest.strip_prefix('-').unwrap_or(rest);
        }
        match rest.get(..digits) {
            Some(group) if group.bytes().all(|byte| byte.is_ascii_hexdigit()) => rest = &rest[digits..],
            _ => return false,
        }
    }
    rest.is_empty()
}

fn is_base64(text: &str) -> bool {
    use base64::Engine;
    !text.is_empty() && base64::engine::general_purpose::STANDARD.decode(text).is_ok()
}
