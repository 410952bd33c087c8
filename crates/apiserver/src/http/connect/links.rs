//! Links of what is behind a proxy, led through it again (apimachinery `util/proxy/transport.go`).

/// Where the pages of one request are.
#[derive(Clone, Debug)]
pub struct Links {
    /// The backend, as `host:port`.
    pub backend: String,
    /// The host that the client asked.
    pub asked: String,
    /// The path that leads to the backend's root.
    pub through: String,
}

impl Links {
    /// For a request of the path `whole`, which is `path` at the backend.
    pub fn new(backend: &str, asked: &str, whole: &str, path: &str) -> Self {
        let through = whole.strip_suffix(path).unwrap_or(whole).to_string();
        Links { backend: backend.to_string(), asked: asked.to_string(), through }
    }

    /// Where a link leads through the proxy; `None` when it stays as it is: a relative one, or one to another host.
    pub fn through(&self, link: &str) -> Option<String> {
        let (scheme, rest) = match link.split_once("://") {
            Some((scheme, rest)) if is_scheme(scheme) => (scheme, rest),
            _ => match link.strip_prefix("//") {
                Some(rest) => ("", rest),
                None => return self.led(link),
            },
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (host, place) = rest.split_at(end);
        if host == self.asked {
            // The client's own name for the server stays.
            let place = self.led(place)?;
            return Some(if scheme.is_empty() {
                format!("//{host}{place}")
            } else {
                format!("{scheme}://{host}{place}")
            });
        }
        if host == self.backend { self.led(place) } else { None }
    }

    fn led(&self, place: &str) -> Option<String> {
        if !place.starts_with('/') {
            return None;
        }
        // Who knows that it is behind the proxy names the whole path.
        if place.starts_with(&self.through) {
            return Some(place.to_string());
        }
        let end = place.find(['?', '#']).unwrap_or(place.len());
        let (path, rest) = place.split_at(end);
        let slash = if path.ends_with('/') { "/" } else { "" };
        Some(format!("{}{slash}{rest}", joined(&self.through, path)))
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
}

/// A path below another, without a slash at its end and without steps up.
fn joined(base: &str, path: &str) -> String {
    let mut steps: Vec<&str> = Vec::new();
    for step in base.split('/').chain(path.split('/')) {
        match step {
            "" | "." => {}
            ".." => drop(steps.pop()),
            step => steps.push(step),
        }
    }
    format!("/{}", steps.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_stay_within_the_proxy() {
        let links = Links::new("10.0.0.1:80", "localhost:8001", "/p/proxy/a", "/a");
        for (link, want) in [
            ("/b?c", Some("/p/proxy/b?c")),
            ("/b/", Some("/p/proxy/b/")),
            ("/../b#d", Some("/p/b#d")),
            ("http://10.0.0.1:80/b", Some("/p/proxy/b")),
            ("//10.0.0.1:80/b", Some("/p/proxy/b")),
            ("http://localhost:8001/b", Some("http://localhost:8001/p/proxy/b")),
            ("/p/proxy/b", Some("/p/proxy/b")),
            ("https://10.0.0.1:80", None),
            ("http://10.0.0.1:8080/b", None),
            ("http://elsewhere/b", None),
            ("//elsewhere/b", None),
            ("b", None),
            ("?b", None),
            ("#b", None),
            ("mailto:a@b", None),
            ("", None),
        ] {
            assert_eq!(links.through(link).as_deref(), want, "{link}");
        }
    }
}
