//! The formats of strings (kube-openapi `strfmt`), by names without dashes.

use super::pattern::matches;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether the text has the format; unknown formats fit anything.
pub fn fits(format: &str, text: &str) -> bool {
    let like = |pattern: &str| matches(pattern, text).unwrap_or(false);
    match format.replace('-', "").as_str() {
        "ipv4" => text.parse::<IpAddr>().is_ok() && text.contains('.'),
        "ipv6" => text.parse::<Ipv6Addr>().is_ok() && text.contains(':'),
        "cidr" => is_cidr(text),
        "mac" => is_mac(text),
        "uuid" => is_uuid(text, None),
        "uuid3" => is_uuid(text, Some('3')),
        "uuid4" => is_uuid(text, Some('4')),
        "uuid5" => is_uuid(text, Some('5')),
        "hostname" => is_hostname(text),
        "email" => is_email(text),
        "uri" => is_uri(text),
        "isbn" => is_isbn10(text) || is_isbn13(text),
        "isbn10" => is_isbn10(text),
        "isbn13" => is_isbn13(text),
        "creditcard" => is_credit_card(text),
        "ssn" => like(r"^\d{3}[- ]?\d{2}[- ]?\d{4}$"),
        "hexcolor" => like("^#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$"),
        "rgbcolor" => like(RGB),
        "byte" => like("^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})$"),
        "date" => text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok(),
        "datetime" => is_date_time(text),
        "duration" => is_duration(text),
        "bsonobjectid" => text.len() == 24 && text.bytes().all(|b| b.is_ascii_hexdigit()),
        "k8sshortname" => is_short_name(text),
        "k8slongname" => text.len() <= 253 && text.split('.').all(is_label),
        _ => true,
    }
}

const RGB: &str = r"^rgb\(\s*(0|[1-9]\d?|1\d\d?|2[0-4]\d|25[0-5])\s*,\s*(0|[1-9]\d?|1\d\d?|2[0-4]\d|25[0-5])\s*,\s*(0|[1-9]\d?|1\d\d?|2[0-4]\d|25[0-5])\s*\)$";

fn is_label(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    !text.is_empty()
        && text.bytes().all(|b| inner(b) || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn is_short_name(text: &str) -> bool {
    text.len() <= 63 && is_label(text)
}

fn is_cidr(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else { return false };
    if bits.is_empty() || bits.len() > 3 || !bits.bytes().all(|b| b.is_ascii_digit()) {
        return false;
    }
    let bits: u16 = bits.parse().unwrap_or(u16::MAX);
    match sloppy(address) {
        Some(IpAddr::V4(_)) => bits <= 32,
        Some(IpAddr::V6(_)) => bits <= 128,
        None => false,
    }
}

/// An address whose numbers may begin with zeros, as older Go read them.
fn sloppy(text: &str) -> Option<IpAddr> {
    if text.contains(':') {
        return text.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    }
    let parts: Vec<u8> = text.split('.').map(|p| p.parse().ok()).collect::<Option<_>>()?;
    let [a, b, c, d] = parts[..] else { return None };
    Some(IpAddr::V4(Ipv4Addr::new(a, b, c, d)))
}

fn is_mac(text: &str) -> bool {
    for (separator, width) in [(':', 2), ('-', 2), ('.', 4)] {
        let parts: Vec<&str> = text.split(separator).collect();
        if parts.len() > 1 {
            let bytes = parts.len() * width / 2;
            return matches!(bytes, 6 | 8 | 20)
                && parts.iter().all(|p| p.len() == width && p.bytes().all(|b| b.is_ascii_hexdigit()));
        }
    }
    false
}

/// Dashes are optional between the groups.
fn is_uuid(text: &str, version: Option<char>) -> bool {
    let (mut digits, mut at) = (Vec::with_capacity(32), 0);
    for c in text.chars() {
        if c == '-' {
            // One dash behind each group, at most.
            if !matches!(at, 8 | 12 | 16 | 20) {
                return false;
            }
            at += 100;
            continue;
        }
        at %= 100;
        if !c.is_ascii_hexdigit() {
            return false;
        }
        digits.push(c.to_ascii_lowercase());
        at += 1;
    }
    let variant =
        !matches!(version, Some('4' | '5')) || matches!(digits.get(16), Some('8' | '9' | 'a' | 'b'));
    digits.len() == 32 && version.is_none_or(|v| digits[12] == v) && variant
}

fn is_hostname(text: &str) -> bool {
    const NAME: &str = r"^([a-zA-Z0-9\p{S}\p{L}]((-?[a-zA-Z0-9\p{S}\p{L}]{0,62})?)|([a-zA-Z0-9\p{S}\p{L}](([a-zA-Z0-9-\p{S}\p{L}]{0,61}[a-zA-Z0-9\p{S}\p{L}])?)(\.)){1,}([a-zA-Z\p{L}]){2,63})$";
    text.len() <= 255 && text.split('.').all(|p| p.len() <= 63) && large_pattern(NAME, text)
}

/// Classes of all letters make a pattern large; this one is compiled once.
fn large_pattern(pattern: &str, text: &str) -> bool {
    static HOSTNAME: std::sync::OnceLock<Option<regex::Regex>> = std::sync::OnceLock::new();
    HOSTNAME.get_or_init(|| regex::Regex::new(pattern).ok()).as_ref().is_some_and(|r| r.is_match(text))
}

/// `a@b`, or `Name <a@b>`.
fn is_email(text: &str) -> bool {
    let address = match text.trim().rsplit_once('<') {
        Some((_, rest)) => match rest.strip_suffix('>') {
            Some(address) => address,
            None => return false,
        },
        None => text.trim(),
    };
    let Some((local, domain)) = address.rsplit_once('@') else { return false };
    let atom = |c: char| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || !c.is_ascii();
    let quoted = local.len() > 2 && local.starts_with('"') && local.ends_with('"');
    let dotted = |t: &str| !t.is_empty() && t.split('.').all(|p| !p.is_empty() && p.chars().all(atom));
    let literal = domain.strip_prefix('[').and_then(|d| d.strip_suffix(']')).is_some_and(|d| !d.is_empty());
    (quoted || dotted(local)) && (literal || dotted(domain))
}

/// A URI as a request names it: absolute, or a path from the root.
fn is_uri(text: &str) -> bool {
    if text.is_empty() || text.bytes().any(|b| b <= b' ' || b == 0x7f) {
        return false;
    }
    if !valid_escapes(text) {
        return false;
    }
    if text.starts_with('/') || text == "*" {
        return true;
    }
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let scheme_fits = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    let Some(authority) = rest.strip_prefix("//") else { return scheme_fits };
    let host = authority.split(['/', '?', '#']).next().unwrap_or_default();
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let port = match host.strip_prefix('[') {
        Some(v6) => match v6.split_once(']') {
            Some((_, after)) => after.strip_prefix(':').unwrap_or(after),
            None => return false,
        },
        None => host.split_once(':').map_or("", |(_, port)| port),
    };
    scheme_fits
        && port.bytes().all(|b| b.is_ascii_digit())
        && !host.contains(['<', '>', '"', '\\', '^', '`', '{', '|', '}'])
}

fn valid_escapes(text: &str) -> bool {
    let path = text.split(['?', '#']).next().unwrap_or_default();
    path.split('%')
        .skip(1)
        .all(|after| after.len() >= 2 && after.as_bytes()[..2].iter().all(u8::is_ascii_hexdigit))
}

fn is_isbn10(text: &str) -> bool {
    let digits: Vec<char> = text.chars().filter(|c| *c != '-' && *c != ' ').collect();
    let value = |(at, c): (usize, &char)| match c {
        'X' if at == 9 => Some(10),
        c => c.to_digit(10),
    };
    let Some(values) = digits.iter().enumerate().map(value).collect::<Option<Vec<u32>>>() else {
        return false;
    };
    values.len() == 10 && values.iter().zip(1..).map(|(v, weight)| v * weight).sum::<u32>() % 11 == 0
}

fn is_isbn13(text: &str) -> bool {
    let digits = text.chars().filter(|c| *c != '-' && *c != ' ').map(|c| c.to_digit(10));
    let Some(values) = digits.collect::<Option<Vec<u32>>>() else { return false };
    let sum = |(at, v): (usize, &u32)| if at % 2 == 0 { *v } else { v * 3 };
    values.len() == 13 && values.iter().enumerate().map(sum).sum::<u32>() % 10 == 0
}

fn is_credit_card(text: &str) -> bool {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    const CARDS: &str = r"^(?:4[0-9]{12}(?:[0-9]{3})?|5[1-5][0-9]{14}|(222[1-9]|22[3-9][0-9]|2[3-6][0-9]{2}|27[01][0-9]|2720)[0-9]{12}|6(?:011|5[0-9][0-9])[0-9]{12}|3[47][0-9]{13}|3(?:0[0-5]|[68][0-9])[0-9]{11}|(?:2131|1800|35\d{3})\d{11}|6[27][0-9]{14})$";
    let luhn: u32 = digits
        .chars()
        .rev()
        .filter_map(|c| c.to_digit(10))
        .enumerate()
        .map(|(at, d)| match (at % 2, d * 2) {
            (0, _) => d,
            (_, twice) if twice > 9 => twice - 9,
            (_, twice) => twice,
        })
        .sum();
    matches(CARDS, &digits).unwrap_or(false) && luhn.is_multiple_of(10)
}

fn is_date_time(text: &str) -> bool {
    let upper = text.to_ascii_uppercase();
    let Some((date, time)) = upper.split_once('T') else { return false };
    date.len() == 10
        && date.parse::<jiff::civil::Date>().is_ok()
        && matches(r"^([0-9]{2}):([0-9]{2}):([0-9]{2})(.[0-9]+)?(Z|([+-][0-9]{2}:[0-9]{2}))$", time)
            .unwrap_or(false)
        && time[..2] < *"24"
        && time[3..5] < *"60"
        && time[6..8] < *"61"
}

/// Go's durations, and words: `22 ns`, `3 weeks`.
fn is_duration(text: &str) -> bool {
    const GO: &str = r"^[-+]?(0|(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)$";
    const WORDS: &str = r"(?i)^(\d+\s*(ns|nanos?|nanoseconds?|us|µs|micros?|microseconds?|ms|millis?|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|wks?|weeks?)\s*)+$";
    matches(GO, text).unwrap_or(false) || matches(WORDS, text).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn texts_fit_their_formats() {
        for (format, good, bad) in [
            ("ipv4", "10.0.0.1", "10.0.0"),
            ("ipv6", "fe80::1", "10.0.0.1"),
            ("cidr", "10.0.0.0/8", "10.0.0.0/33"),
            ("mac", "00:11:22:33:44:55", "00:11:22"),
            ("uuid", "123e4567-e89b-12d3-a456-426614174000", "123e4567-e89b-12d3-a456"),
            ("uuid4", "123e4567-e89b-42d3-a456-426614174000", "123e4567-e89b-12d3-a456-426614174000"),
            ("hostname", "example.com", "-x-"),
            ("email", "a@b.c", "a.b.c"),
            ("uri", "https://example.com/x?y=1", "example"),
            ("isbn10", "0321751043", "0321751042"),
            ("isbn13", "978-0321751041", "978-0321751042"),
            ("creditcard", "4111-1111-1111-1111", "4111-1111-1111-1112"),
            ("ssn", "111-11-1111", "11-1"),
            ("hexcolor", "#FFF", "#FFFF"),
            ("rgbcolor", "rgb(1,2,3)", "rgb(1,2)"),
            ("byte", "aGVsbG8=", "a=b"),
            ("date", "2006-01-02", "2006-13-02"),
            ("date-time", "2014-12-15T19:30:20.000Z", "2014-12-15 19:30"),
            ("datetime", "2014-12-15t19:30:20z", "x"),
            ("duration", "22 ns", "22 x"),
            ("duration", "1h30m", "h"),
            ("k8s-short-name", "a-b", "A"),
            ("k8s-long-name", "a-b.c", "a..c"),
        ] {
            assert!(fits(format, good), "{format} {good}");
            assert!(!fits(format, bad), "{format} {bad}");
        }
        assert!(fits("password", "anything"));
    }
}
