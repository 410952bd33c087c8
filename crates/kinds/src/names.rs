//! Formats of names, labels and keys, each giving the messages of what is wrong (k8s.io/apimachinery
//! `util/validation`).

pub use corten_api::names::{dns_1035_label, dns_label, dns_subdomain, label_value, qualified_name};
use corten_api::names::{framed, is_dns_subdomain};
pub(crate) use corten_api::names::{pattern, too_long};

/// What a name must look like; `true` when it is a prefix to which something will be appended.
pub type NameRule = fn(&str, bool) -> Vec<String>;

const LABEL: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";

/// `must be between 1 and 65535, inclusive`.
pub(crate) fn between(least: i64, most: i64) -> String {
    format!("must be between {least} and {most}, inclusive")
}

fn lower_or_digit(b: u8) -> bool {
    b.is_ascii_lowercase() || b.is_ascii_digit()
}

/// As [`dns_subdomain`], with underscores, as DNS search paths may have.
pub fn dns_subdomain_with_underscore(text: &str) -> Vec<String> {
    let part = "_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?";
    let shaped = text.split('.').all(|label| {
        let label = label.strip_prefix('_').unwrap_or(label);
        framed(label, lower_or_digit, |b| lower_or_digit(b) || b == b'-' || b == b'_')
    });
    let mut wrong = Vec::new();
    if text.len() > 253 {
        wrong.push(too_long(253));
    }
    if !shaped {
        wrong.push(pattern(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must start and end with an alphanumeric character",
            &format!("{part}(\\.{part})*"),
            &["example.com"],
        ));
    }
    wrong
}

/// A subdomain whose first label is `*`.
pub fn wildcard_subdomain(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if text.len() > 253 {
        wrong.push(too_long(253));
    }
    if !text.strip_prefix("*.").is_some_and(is_dns_subdomain) {
        wrong.push(pattern(
            "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character",
            &format!("\\*\\.{LABEL}(\\.{LABEL})*"),
            &["*.example.com"],
        ));
    }
    wrong
}

/// A key of a ConfigMap's or Secret's data.
pub fn config_key(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if text.len() > 253 {
        wrong.push(too_long(253));
    }
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) {
        wrong.push(pattern(
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
            "[-._a-zA-Z0-9]+",
            &["key.name", "KEY_NAME", "key-name"],
        ));
    }
    match text {
        "." => wrong.push("must not be '.'".into()),
        ".." => wrong.push("must not be '..'".into()),
        _ if text.starts_with("..") => wrong.push("must not start with '..'".into()),
        _ => {}
    }
    wrong
}

/// An identifier of C.
pub fn c_identifier(text: &str) -> Vec<String> {
    let begins = text.starts_with(|c: char| c == '_' || c.is_ascii_alphabetic());
    if begins && text.bytes().all(|b| b == b'_' || b.is_ascii_alphanumeric()) {
        return Vec::new();
    }
    vec![pattern(
        "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_'",
        "[A-Za-z_][A-Za-z0-9_]*",
        &["my_name", "MY_NAME", "MyName"],
    )]
}

/// The reason of a condition.
pub fn condition_reason(text: &str) -> Vec<String> {
    let inner = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic());
    let ends = text.bytes().last().is_some_and(inner);
    if begins && ends && text.bytes().all(|b| inner(b) || b == b',' || b == b':') {
        return Vec::new();
    }
    vec![pattern(
        "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric characters or '_,:', and must end with an alphanumeric character or '_'",
        "[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?",
        &["my_name", "MY_NAME", "MyName", "ReasonA,ReasonB", "ReasonA:ReasonB"],
    )]
}

/// The name of an environment variable: printable ASCII without `=`.
pub fn env_name(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if text.is_empty() {
        wrong.push("environment variable name must be non-empty".to_string());
    }
    if !text.bytes().all(|b| (b' '..=b'~').contains(&b) && b != b'=') {
        wrong.push(
            "a valid environment variable name must consist only of printable ASCII characters other than '='"
                .to_string(),
        );
    }
    wrong
}

/// The name of an HTTP header.
pub fn http_header(text: &str) -> Vec<String> {
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        return Vec::new();
    }
    vec![pattern(
        "a valid HTTP header must consist of alphanumeric characters or '-'",
        "[-A-Za-z0-9]+",
        &["X-Header-Name"],
    )]
}

/// The name of a port: an IANA service name.
pub fn port_name(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if text.len() > 15 {
        wrong.push(too_long(15));
    }
    if text.is_empty() || !text.bytes().all(|b| lower_or_digit(b) || b == b'-') {
        wrong.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)".to_string());
    }
    if !text.bytes().any(|b| b.is_ascii_lowercase()) {
        wrong.push("must contain at least one letter (a-z)".to_string());
    }
    if text.contains("--") {
        wrong.push("must not contain consecutive hyphens".to_string());
    }
    if text.starts_with('-') || text.ends_with('-') {
        wrong.push("must not begin or end with a hyphen".to_string());
    }
    wrong
}

/// The number of a port.
pub fn port_number(port: i64) -> Vec<String> {
    if (1..=65535).contains(&port) { Vec::new() } else { vec![between(1, 65535)] }
}

/// A percentage as text.
pub fn percent(text: &str) -> Vec<String> {
    let digits = text.strip_suffix('%').unwrap_or_default();
    if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
        return Vec::new();
    }
    vec![pattern(
        "a valid percent string must be a numeric string followed by an ending '%'",
        "[0-9]+%",
        &["1%", "93%"],
    )]
}

/// A name that may stand in a URL as one segment.
pub fn path_segment(name: &str, prefix: bool) -> Vec<String> {
    if !prefix && (name == "." || name == "..") {
        return vec![format!("may not be '{name}'")];
    }
    ["/", "%"].iter().filter(|c| name.contains(**c)).map(|c| format!("may not contain '{c}'")).collect()
}

/// A prefix may end in a dash.
fn masked(name: &str, prefix: bool) -> String {
    if prefix && name.len() > 1 && name.ends_with('-') && name.is_char_boundary(name.len() - 2) {
        return format!("{}a", &name[..name.len() - 2]);
    }
    name.to_string()
}

/// Names that are a [`dns_subdomain`].
pub fn subdomain(name: &str, prefix: bool) -> Vec<String> {
    dns_subdomain(&masked(name, prefix))
}

/// Names of services: a [`dns_1035_label`].
pub fn service(name: &str, prefix: bool) -> Vec<String> {
    dns_1035_label(&masked(name, prefix))
}

/// Names that are a [`dns_label`].
pub fn label(name: &str, prefix: bool) -> Vec<String> {
    dns_label(&masked(name, prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_accept_and_refuse_as_upstream() {
        type Check = fn(&str) -> Vec<String>;
        let rows: &[(Check, &str, &str)] = &[
            (dns_label, "a-1", ""),
            (dns_label, "a.b", "must not contain dots"),
            (
                dns_label,
                "A",
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
            ),
            (
                dns_subdomain,
                "-a",
                "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
            ),
            (qualified_name, "example.com/Name_1", ""),
            (qualified_name, "/x", "prefix part must be non-empty"),
            (label_value, "", ""),
            (config_key, "a_b.c-D", ""),
            (config_key, "..data", "must not start with '..'"),
            (env_name, "MY VAR", ""),
            (port_name, "http-1", ""),
            (port_name, "123", "must contain at least one letter (a-z)"),
            (percent, "25%", ""),
            (wildcard_subdomain, "*.example.com", ""),
            (dns_1035_label, "a1", ""),
        ];
        for (check, text, want) in rows {
            assert_eq!(check(text).join("; "), *want, "{text}");
        }
        assert_eq!(subdomain("web-", true), Vec::<String>::new());
        assert_eq!(path_segment("a/b", false), vec!["may not contain '/'"]);
        assert!(path_segment("system:node", false).is_empty());
    }
}
