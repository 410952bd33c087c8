//! The `WWW-Authenticate` header: what a registry wants to see.

use std::collections::HashMap;

/// One way to authenticate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// User name and password.
    Basic,
    /// A token from that address.
    Bearer {
        /// Where it is given out.
        realm: String,
        /// For whom.
        service: Option<String>,
        /// For what; registries may want more than we would ask.
        scope: Option<String>,
    },
}

/// The best of the ways that the headers offer: a token before a password.
pub(super) fn best<'a>(headers: impl Iterator<Item = &'a str>) -> Option<Challenge> {
    let offered: Vec<Challenge> = headers.flat_map(parse).collect();
    let bearer = offered.iter().find(|challenge| matches!(challenge, Challenge::Bearer { .. }));
    bearer.or(offered.first()).cloned()
}

fn parse(header: &str) -> Vec<Challenge> {
    let mut found = Vec::new();
    let mut current: Option<(String, HashMap<String, String>)> = None;
    for item in split(header) {
        // `Scheme key=value`, `Scheme`, or `key=value` that belongs to the scheme before.
        let (word, rest) = item.split_once(' ').unwrap_or((item.as_str(), ""));
        let parameter = if word.contains('=') {
            item.as_str()
        } else {
            found.extend(current.take().and_then(finish));
            current = Some((word.to_ascii_lowercase(), HashMap::new()));
            rest.trim()
        };
        if let (Some((_, parameters)), Some((key, value))) = (&mut current, parameter.split_once('=')) {
            parameters.insert(key.trim().to_ascii_lowercase(), unquote(value.trim()));
        }
    }
    found.extend(current.and_then(finish));
    found
}

fn finish((scheme, mut parameters): (String, HashMap<String, String>)) -> Option<Challenge> {
    match scheme.as_str() {
        "basic" => Some(Challenge::Basic),
        "bearer" => Some(Challenge::Bearer {
            realm: parameters.remove("realm")?,
            service: parameters.remove("service").filter(|s| !s.is_empty()),
            scope: parameters.remove("scope").filter(|s| !s.is_empty()),
        }),
        _ => None,
    }
}

/// Splits at commas outside quotes.
fn split(header: &str) -> Vec<String> {
    let mut items = vec![String::new()];
    let (mut quoted, mut escaped) = (false, false);
    for c in header.chars() {
        match c {
            ',' if !quoted => items.push(String::new()),
            _ => {
                if c == '"' && !escaped {
                    quoted = !quoted;
                }
                escaped = c == '\\' && quoted && !escaped;
                if let Some(item) = items.last_mut() {
                    item.push(c);
                }
            }
        }
    }
    items.iter().map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect()
}

fn unquote(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')) else {
        return value.to_owned();
    };
    let mut text = String::new();
    let mut escaped = false;
    for c in inner.chars() {
        escaped = c == '\\' && !escaped;
        if !escaped {
            text.push(c);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_as_registries_send_them() {
        let bearer = |realm: &str, service: Option<&str>, scope: Option<&str>| {
            Some(Challenge::Bearer {
                realm: realm.into(),
                service: service.map(str::to_owned),
                scope: scope.map(str::to_owned),
            })
        };
        let table: [(&[&str], Option<Challenge>); 9] = [
            (
                &[r#"Bearer realm="https://auth.io/token",service="r.io",scope="repository:a/b:pull,push""#],
                bearer("https://auth.io/token", Some("r.io"), Some("repository:a/b:pull,push")),
            ),
            (&[r#"bearer  realm=https://a/t , service="s""#], bearer("https://a/t", Some("s"), None)),
            (&[r#"Basic realm="x, y""#], Some(Challenge::Basic)),
            (&["Basic"], Some(Challenge::Basic)),
            (&[r#"Basic realm="x", Bearer realm="https://a/t""#], bearer("https://a/t", None, None)),
            (
                &[r#"Basic realm="x""#, r#"Bearer realm="https://a/\"q\"""#],
                bearer("https://a/\"q\"", None, None),
            ),
            (&[r#"Bearer service="no realm""#], None),
            (&["Negotiate"], None),
            (&[], None),
        ];
        for (headers, expected) in table {
            assert_eq!(best(headers.iter().copied()), expected, "{headers:?}");
        }
    }
}
