//! Addresses as older fields hold them: decimal parts may begin with zeros, which mean nothing.

use std::net::{IpAddr, Ipv4Addr};

/// Reads an address.
pub fn parse(text: &str) -> Option<IpAddr> {
    text.parse().ok().or_else(|| padded(text))
}

/// Reads a range: an address, and the length of its prefix in bits.
pub fn parse_range(text: &str) -> Option<(IpAddr, u8)> {
    let (ip, bits) = text.split_once('/')?;
    let ip = parse(ip)?;
    let width = if ip.is_ipv4() { 32 } else { 128 };
    number(bits).filter(|bits| *bits <= width).map(|bits| (ip, bits))
}

fn padded(text: &str) -> Option<IpAddr> {
    match text.rsplit_once(':') {
        None => dotted(text).map(IpAddr::V4),
        // The last part of an address of version 6 may be one of version 4.
        Some((start, last)) if last.contains('.') => {
            format!("{}:{}", unpadded(start), dotted(last)?).parse().ok()
        }
        Some(_) => unpadded(text).parse().ok(),
    }
}

/// The groups of an address of version 6, at most four digits each.
fn unpadded(text: &str) -> String {
    let short = |group: &str| {
        let zeros = group.bytes().take_while(|digit| *digit == b'0').count();
        group[zeros.min(group.len().saturating_sub(4))..].to_string()
    };
    text.split(':').map(short).collect::<Vec<_>>().join(":")
}

fn dotted(text: &str) -> Option<Ipv4Addr> {
    let parts: Option<Vec<u8>> = text.split('.').map(number).collect();
    <[u8; 4]>::try_from(parts?).ok().map(Ipv4Addr::from)
}

fn number(text: &str) -> Option<u8> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_may_lead() {
        for (text, want) in [
            ("10.0.0.11", "10.0.0.11"),
            ("010.000.0.011", "10.0.0.11"),
            ("10.0.0.0000011", "10.0.0.11"),
            ("::ffff:10.0.0.011", "::ffff:10.0.0.11"),
            ("fd00::00001", "fd00::1"),
            ("2001:DB8::5", "2001:db8::5"),
            ("10.0.0.256", ""),
            ("10.0.0", ""),
            ("10.0.0.0.1", ""),
            ("10.0.0.+1", ""),
            ("10..0.1", ""),
            ("fd00::1%eth0", ""),
            ("", ""),
        ] {
            assert_eq!(parse(text).map(|ip| ip.to_string()).unwrap_or_default(), want, "{text}");
        }
        for (text, want) in [
            ("172.017.0.0/16", Some(("172.17.0.0", 16))),
            ("10.0.0.0/08", Some(("10.0.0.0", 8))),
            ("10.0.0.0/33", None),
            ("10.0.0.0/+8", None),
            ("fd00::/64", Some(("fd00::", 64))),
            ("10.0.0.0", None),
        ] {
            let want = want.map(|(ip, bits)| (ip.parse::<IpAddr>().expect("an address"), bits));
            assert_eq!(parse_range(text), want, "{text}");
        }
    }
}
