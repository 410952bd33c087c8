//! Kubernetes' library of named formats: `format.dns1123Label().validate(name)`.

use super::url::Url;
use super::{Maybe, no_overload};
use crate::extension::Extension;
use crate::time::Timestamp;
use crate::value::Value;

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

fn is_lower(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

/// Whether the text begins and ends with letters or digits, with others between.
fn enclosed(text: &str, end: impl Fn(u8) -> bool, others: &[u8]) -> bool {
    let bytes = text.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else { return false };
    end(*first) && end(*last) && bytes.iter().all(|byte| end(*byte) || others.contains(byte))
}

fn too_long(text: &str, most: usize) -> Vec<String> {
    wrong(text.len() <= most, &format!("must be no more than {most} characters"))
}

fn is_subdomain(text: &str) -> bool {
    text.split('.').all(|label| enclosed(label, is_lower, b"-"))
}

pub fn dns_label(text: &str) -> Vec<String> {
    let mut found = too_long(text, 63);
    if !enclosed(text, is_lower, b"-") {
        found.push(if is_subdomain(text) {
            "must not contain dots".to_owned()
        } else {
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and \
             end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
             '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
                .to_owned()
        });
    }
    found
}

pub fn dns_subdomain(text: &str) -> Vec<String> {
    let mut found = too_long(text, 253);
    if !is_subdomain(text) {
        found.push(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must \
             start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
             '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
                .to_owned(),
        );
    }
    found
}

fn dns_1035_label(text: &str) -> Vec<String> {
    let mut found = too_long(text, 63);
    if !enclosed(text, is_lower, b"-") || text.starts_with(|c: char| c.is_ascii_digit()) {
        found.push(
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic \
             character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for \
             validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
                .to_owned(),
        );
    }
    found
}

const NAME: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
                    alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is \
                    '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";

fn qualified_name(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let parts: Vec<&str> = text.split('/').collect();
    let name = match parts[..] {
        [name] => name,
        [prefix, name] => {
            if prefix.is_empty() {
                found.push("prefix part must be non-empty".to_owned());
            } else {
                found.extend(dns_subdomain(prefix).into_iter().map(|why| format!("prefix part {why}")));
            }
            name
        }
        _ => {
            found.push(format!(
                "a valid label key {NAME} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            ));
            return found;
        }
    };
    if name.is_empty() {
        found.push("name part must be non-empty".to_owned());
    } else {
        found.extend(too_long(name, 63).into_iter().map(|why| format!("name part {why}")));
    }
    if !enclosed(name, |byte| byte.is_ascii_alphanumeric(), b"-_.") {
        found.push(format!("name part {NAME}"));
    }
    found
}

fn label_value(text: &str) -> Vec<String> {
    let mut found = too_long(text, 63);
    if !text.is_empty() && !enclosed(text, |byte| byte.is_ascii_alphanumeric(), b"-_.") {
        found.push(
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must \
             start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for \
             validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
                .to_owned(),
        );
    }
    found
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
