//! What browsers are told: whose pages' scripts may call (CORS), and that they come by HTTPS alone.

use http::HeaderMap;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue, ORIGIN,
    STRICT_TRANSPORT_SECURITY,
};
use regex::Regex;

const METHODS: HeaderValue = HeaderValue::from_static("POST, GET, OPTIONS, PUT, DELETE, PATCH");
const HEADERS: HeaderValue = HeaderValue::from_static(
    "Content-Type, Content-Length, Accept-Encoding, X-CSRF-Token, Authorization, X-Requested-With, If-Modified-Since",
);

/// What an operator lets browsers do; nothing at first.
#[derive(Debug, Default)]
pub struct Browsers {
    origins: Vec<Regex>,
    transport: Option<HeaderValue>,
}

impl Browsers {
    /// Scripts of pages whose origin fits one of the patterns may call; browsers follow the directives of
    /// `Strict-Transport-Security`.
    ///
    /// # Errors
    /// Upstream's words for what is wrong with the flags.
    pub fn new(origins: &[String], directives: &[String]) -> Result<Self, String> {
        let origins = origins.iter().map(|origin| pattern(origin)).collect::<Result<_, _>>()?;
        for directive in directives {
            check(directive)?;
        }
        let text = directives.join("; ");
        let transport = (!text.is_empty()).then(|| HeaderValue::from_str(&text).ok()).flatten();
        Ok(Browsers { origins, transport })
    }

    /// Where the request's script comes from, if it may call.
    pub fn origin(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let origin = headers.get(ORIGIN).filter(|_| !self.origins.is_empty())?;
        let text = origin.to_str().ok().filter(|text| !text.is_empty())?;
        self.origins.iter().any(|pattern| pattern.is_match(text)).then(|| origin.clone())
    }

    /// Tells the browser, in an answer's headers.
    pub fn tell(&self, origin: Option<HeaderValue>, answer: &mut HeaderMap) {
        if let Some(transport) = &self.transport {
            answer.entry(STRICT_TRANSPORT_SECURITY).or_insert_with(|| transport.clone());
        }
        let Some(origin) = origin else { return };
        answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        answer.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
        answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("Date"));
        answer.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
}

/// A pattern that is tied to where a host begins and ends: otherwise `kind.io` would let `kind.io.ex.com` in.
fn pattern(origin: &str) -> Result<Regex, String> {
    if origin.is_empty() {
        return Err("empty value in --cors-allowed-origins".into());
    }
    let wrong = |why: String| format!("--cors-allowed-origins has an invalid regular expression: {why}");
    let pattern = Regex::new(origin).map_err(|why| wrong(why.to_string()))?;
    let is_pinned = |marks: [&str; 2]| marks.iter().any(|mark| origin.contains(mark));
    match is_pinned(["^", "//"]) && is_pinned(["$", ":"]) {
        true => Ok(pattern),
        false => {
            let why = "regular expression does not pin to start/end of host in the origin header";
            Err(wrong(why.into()))
        }
    }
}

fn check(directive: &str) -> Result<(), String> {
    if directive.trim().is_empty() {
        return Err("empty value in strict-transport-security-directives".into());
    }
    let is_age = directive.strip_prefix("max-age=").is_some_and(|age| !age.contains('='));
    if is_age || matches!(directive, "includeSubDomains" | "preload") {
        return Ok(());
    }
    Err("--strict-transport-security-directives invalid, allowed values: max-age=expireTime, includeSubDomains, \
         preload. see https://tools.ietf.org/html/rfc6797#section-6.1 for more information"
        .into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(list: &[&str]) -> Vec<String> {
        list.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn origins_are_matched_by_pinned_patterns() {
        let browsers = Browsers::new(&texts(&["//ex.com(:|$)", "^http://localhost$"]), &[]).expect("valid");
        for (origin, may) in [
            ("https://ex.com", true),
            ("https://ex.com:8080", true),
            ("https://ex.com.evil.io", false),
            ("http://localhost", true),
            ("http://localhost:1", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(ORIGIN, HeaderValue::from_static(origin))]);
            assert_eq!(browsers.origin(&headers).is_some(), may, "{origin}");
        }
        assert!(browsers.origin(&HeaderMap::new()).is_none());
        for (wrong, why) in [("", "empty value"), ("ex.com", "does not pin"), ("^(", "invalid regular")] {
            let refused = Browsers::new(&texts(&[wrong]), &[]).expect_err(wrong);
            assert!(refused.contains(why), "{refused}");
        }
    }

    #[test]
    fn directives_are_told_unless_an_answer_has_its_own() {
        let browsers = Browsers::new(&[], &texts(&["max-age=3600", "preload"])).expect("valid");
        let mut answer = HeaderMap::new();
        browsers.tell(None, &mut answer);
        assert_eq!(answer[STRICT_TRANSPORT_SECURITY], "max-age=3600; preload");
        assert_eq!(answer.len(), 1);
        for wrong in ["", "max-age", "max-age=1=2", "age"] {
            assert!(Browsers::new(&[], &texts(&[wrong])).is_err(), "{wrong}");
        }
    }
}
