//! What names, and keys and values of labels, look like, each giving the messages of what is wrong
//! (k8s.io/apimachinery `util/validation`).

const LABEL: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const NAME: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const NAME_RULE: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
                         alphanumeric character";
const NAME_EXAMPLES: &[&str] = &["MyName", "my.name", "123-abc"];

/// A name, perhaps with a DNS prefix, as keys of labels are: `example.com/MyName`.
pub fn qualified_name(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let parts: Vec<&str> = text.split('/').collect();
    let name = match parts.as_slice() {
        [name] => name,
        [prefix, name] => {
            if prefix.is_empty() {
                wrong.push("prefix part must be non-empty".to_string());
            } else {
                // The length of a prefix is told in bytes.
                let told = |m: String| format!("prefix part {}", m.replace("253 characters", "253 bytes"));
                wrong.extend(dns_subdomain(prefix).into_iter().map(told));
            }
            name
        }
        _ => {
            return vec![format!(
                "a valid label key {} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')",
                pattern(NAME_RULE, NAME, NAME_EXAMPLES)
            )];
        }
    };
    if name.is_empty() {
        wrong.push("name part must be non-empty".to_string());
    } else if name.len() > 63 {
        wrong.push(format!("name part {}", too_many_bytes(63)));
    }
    if !is_name(name) {
        wrong.push(format!("name part {}", pattern(NAME_RULE, NAME, NAME_EXAMPLES)));
    }
    wrong
}

/// A value of a label.
pub fn label_value(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if text.len() > 63 {
        wrong.push(too_many_bytes(63));
    }
    if !text.is_empty() && !is_name(text) {
        wrong.push(pattern(
            &format!("a valid label must be an empty string or {}", NAME_RULE.trim_start_matches("must ")),
            &format!("({NAME})?"),
            &["MyValue", "my_value", "12345"],
        ));
    }
    wrong
}

/// A label of RFC 1123: 63 lower-case letters, digits, dashes.
pub fn dns_label(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if text.len() > 63 {
        wrong.push(too_long(63));
    }
    if !is_dns_label(text) {
        wrong.push(if is_dns_subdomain(text) {
            "must not contain dots".to_string()
        } else {
            pattern(
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
                LABEL,
                &["my-name", "123-abc"],
            )
        });
    }
    wrong
}

/// A label of RFC 1035: starts with a letter.
pub fn dns_1035_label(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if text.len() > 63 {
        wrong.push(too_long(63));
    }
    if !(is_dns_label(text) && text.starts_with(|c: char| c.is_ascii_lowercase())) {
        wrong.push(pattern(
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character",
            "[a-z]([-a-z0-9]*[a-z0-9])?",
            &["my-name", "abc-123"],
        ));
    }
    wrong
}

/// A subdomain of RFC 1123: labels joined by dots, 253 in all.
pub fn dns_subdomain(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if text.len() > 253 {
        wrong.push(too_long(253));
    }
    if !is_dns_subdomain(text) {
        wrong.push(pattern(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
            &format!("{LABEL}(\\.{LABEL})*"),
            &["example.com"],
        ));
    }
    wrong
}

/// The message of a failed pattern, with examples.
pub fn pattern(message: &str, regex: &str, examples: &[&str]) -> String {
    if examples.is_empty() {
        return format!("{message} (regex used for validation is '{regex}')");
    }
    let examples: Vec<String> = examples.iter().map(|e| format!("'{e}', ")).collect();
    format!("{message} (e.g. {}regex used for validation is '{regex}')", examples.join(" or "))
}

/// Whether the text starts and ends with `end` and consists of `inner` in between.
pub fn framed(text: &str, end: impl Fn(u8) -> bool, inner: impl Fn(u8) -> bool) -> bool {
    let bytes = text.as_bytes();
    match (bytes.first(), bytes.last()) {
        (Some(first), Some(last)) => end(*first) && end(*last) && bytes.iter().all(|b| inner(*b)),
        _ => false,
    }
}

/// Whether the text has the shape of a label of RFC 1123, however long.
pub fn is_dns_label(text: &str) -> bool {
    let end = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    framed(text, end, |b| end(b) || b == b'-')
}

/// Whether the text has the shape of a subdomain of RFC 1123, however long.
pub fn is_dns_subdomain(text: &str) -> bool {
    text.split('.').all(is_dns_label)
}

/// `must be no more than 63 characters`.
pub fn too_long(most: usize) -> String {
    format!("must be no more than {most} characters")
}

fn is_name(text: &str) -> bool {
    framed(text, |b| b.is_ascii_alphanumeric(), |b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

fn too_many_bytes(most: usize) -> String {
    format!("must be no more than {most} bytes")
}
