//! How a webhook may be addressed, by URL or as a Service (upstream's `util/webhook/validation.go`).

use crate::errors::Errors;
use crate::names;

const FORM: &str = "; desired format: https://host[/path]";

/// A webhook's URL: https, a host, and nothing but a path.
pub fn url(errors: &mut Errors, url: &str, path: &str) {
    let (scheme, rest) = match url.split_once("://") {
        Some((scheme, rest)) => (scheme, rest),
        None => match url.split_once(':') {
            Some((scheme, _)) if scheme.chars().all(|c| c.is_ascii_alphabetic()) => (scheme, ""),
            _ => ("", ""),
        },
    };
    if url.chars().any(char::is_control) {
        let why =
            format!("url must be a valid URL: parse {url:?}: net/url: invalid control character in URL");
        errors.required(path, &(why + FORM));
        return;
    }
    if scheme != "https" {
        errors.invalid(path, scheme, format!("'https' is the only allowed URL scheme{FORM}"));
    }
    let (before, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (before, query) = before.split_once('?').unwrap_or((before, ""));
    let authority = before.split('/').next().unwrap_or_default();
    let (user, host) = authority.rsplit_once('@').map_or((None, authority), |(u, h)| (Some(u), h));
    if host.is_empty() {
        errors.invalid(path, host, format!("host must be specified{FORM}"));
    }
    if let Some(user) = user {
        errors.invalid(path, user, "user information is not permitted in the URL");
    }
    if !fragment.is_empty() {
        errors.invalid(path, fragment, "fragments are not permitted in the URL");
    }
    if !query.is_empty() {
        errors.invalid(path, query, "query parameters are not permitted in the URL");
    }
}

/// A webhook at a Service: its namespace and name, its path and port.
pub fn service(
    errors: &mut Errors,
    (namespace, name): (&str, &str),
    (asked, port): (Option<&str>, i32),
    path: &str,
) {
    let at = |field: &str| format!("{path}.{field}");
    if name.is_empty() {
        errors.required(at("name"), "");
    }
    if namespace.is_empty() {
        errors.required(at("namespace"), "");
    }
    let wrong = names::port_number(port.into());
    if !wrong.is_empty() {
        errors.invalid(at("port"), port, format!("port is not valid: {}", wrong.join(", ")));
    }
    if let Some(asked) = asked {
        service_path(errors, asked, &at("path"));
    }
}

fn service_path(errors: &mut Errors, asked: &str, path: &str) {
    match asked {
        "" | "/" => return,
        "//" => return errors.invalid(path, asked, "segment[0] may not be empty"),
        _ => {}
    }
    if !asked.starts_with('/') {
        errors.invalid(path, asked, "must start with a '/'");
    }
    // As upstream: the first character is taken for the slash, whatever it is.
    let mut rest = asked.chars();
    rest.next();
    let rest = rest.as_str();
    for (i, step) in rest.strip_suffix('/').unwrap_or(rest).split('/').enumerate() {
        if step.is_empty() {
            errors.invalid(path, asked, format!("segment[{i}] may not be empty"));
        }
        for why in names::dns_subdomain(step).iter().filter(|_| !step.is_empty()) {
            errors.invalid(path, asked, format!("segment[{i}]: {why}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(check: impl FnOnce(&mut Errors)) -> Vec<String> {
        let mut errors = Errors::default();
        check(&mut errors);
        errors.into_vec().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn urls_are_https_and_bare() {
        let form = "desired format: https://host[/path]";
        for (text, want) in [
            ("https://h/p", vec![]),
            ("https://h:1", vec![]),
            (
                "http://h",
                vec![format!("u: Invalid value: \"http\": 'https' is the only allowed URL scheme; {form}")],
            ),
            ("https://", vec![format!("u: Invalid value: \"\": host must be specified; {form}")]),
            (
                "https://a:b@h/p#f",
                vec![
                    "u: Invalid value: \"a:b\": user information is not permitted in the URL".to_string(),
                    "u: Invalid value: \"f\": fragments are not permitted in the URL".to_string(),
                ],
            ),
            (
                "https://h/p?arg=x",
                vec![
                    "u: Invalid value: \"arg=x\": query parameters are not permitted in the URL".to_string(),
                ],
            ),
        ] {
            assert_eq!(told(|e| url(e, text, "u")), want, "{text}");
        }
    }

    #[test]
    fn services_are_named_and_have_plain_paths() {
        for (of, asked, port, want) in [
            (("ns", "s"), Some("/a/b/"), 443, vec![]),
            (
                ("ns", "s"),
                None,
                0,
                vec!["s.port: Invalid value: 0: port is not valid: must be between 1 and 65535, inclusive"],
            ),
            (("ns", ""), Some("/"), 1, vec!["s.name: Required value"]),
            (("ns", "s"), Some("//"), 1, vec!["s.path: Invalid value: \"//\": segment[0] may not be empty"]),
            (
                ("ns", "s"),
                Some("/a//b"),
                1,
                vec!["s.path: Invalid value: \"/a//b\": segment[1] may not be empty"],
            ),
        ] {
            assert_eq!(told(|e| service(e, of, (asked, port), "s")), want, "{of:?} {asked:?}");
        }
    }
}
