//! Addresses and ranges in text form: older fields take zeros in front and warn of them, newer ones want them as one
//! writes them.

use crate::errors::Errors;
use corten_semantics::address::parse_range;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub(crate) use corten_semantics::address::parse;

/// The address must be readable.
pub(crate) fn address(errors: &mut Errors, path: &str, text: &str) -> Option<IpAddr> {
    let parsed = parse(text);
    if parsed.is_none() {
        let detail = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
        errors.invalid(path, text, detail);
    }
    parsed
}

/// The range must be readable.
pub(crate) fn range(errors: &mut Errors, path: &str, text: &str) {
    if parse_range(text).is_none() {
        let detail = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";
        errors.invalid(path, text, detail);
    }
}

/// The range must stand as one writes it.
pub(crate) fn written_range(errors: &mut Errors, path: &str, text: &str) {
    let Some((ip, _)) = parse_range(text) else { return range(errors, path, text) };
    let network = network(text).unwrap_or_default();
    if !is_plain(text) {
        errors.invalid(path, text, "must not have leading 0s in IP or prefix length");
    } else if is_mapped(ip) {
        errors.invalid(path, text, "must not have an IPv4-mapped IPv6 address");
    } else if network.split_once('/').and_then(|(base, _)| parse(base)) != Some(ip) {
        errors.invalid(path, text, "must not have bits set beyond the prefix length");
    } else if network != text {
        errors.invalid(path, text, format!("must be in canonical form ({network:?})"));
    }
}

/// Warnings about an address that can be read, though one does not write it so.
pub(crate) fn address_warnings(path: &str, text: &str) -> Option<String> {
    let ip = parse(text)?;
    if text.parse::<IpAddr>().is_err() || is_mapped(ip) {
        let ip = ip.to_canonical();
        return Some(format!(
            "{path}: non-standard IP address {text:?} will be considered invalid in a future Kubernetes release: use \"{ip}\""
        ));
    }
    (ip.to_string() != text)
        .then(|| format!("{path}: IPv6 address {text:?} should be in RFC 5952 canonical format (\"{ip}\")"))
}

/// The same about a range.
pub(crate) fn range_warnings(path: &str, text: &str) -> Vec<String> {
    let (Some((ip, _)), Some(network)) = (parse_range(text), network(text)) else { return Vec::new() };
    let (base, mut told) = (network.split_once('/').and_then(|(base, _)| parse(base)), Vec::new());
    if base != Some(ip.to_canonical()) {
        let (ip, width) = (ip.to_canonical(), if ip.to_canonical().is_ipv4() { 32 } else { 128 });
        told.push(format!(
            "{path}: CIDR value {text:?} is ambiguous in this context (should be {network:?} or \"{ip}/{width}\"?)"
        ));
    }
    if !is_plain(text) || is_mapped(ip) {
        told.push(format!(
            "{path}: non-standard CIDR value {text:?} will be considered invalid in a future Kubernetes release: use {network:?}"
        ));
    }
    if told.is_empty() && network != text {
        told.push(format!(
            "{path}: IPv6 CIDR value {text:?} should be in RFC 5952 canonical format ({network:?})"
        ));
    }
    told
}

/// Whether no zeros lead, neither in the address nor in the length.
fn is_plain(range: &str) -> bool {
    let plain = |bits: &str| bits == "0" || !bits.starts_with('0');
    range.split_once('/').is_some_and(|(ip, bits)| ip.parse::<IpAddr>().is_ok() && plain(bits))
}

fn is_mapped(ip: IpAddr) -> bool {
    ip.to_canonical() != ip
}

/// A range's own network as one writes it; of an address of version 4 that is written as one of version 6, that of
/// version 4.
fn network(text: &str) -> Option<String> {
    let (ip, bits) = parse_range(text)?;
    let (ip, bits) = match ip.to_canonical() {
        v4 @ IpAddr::V4(_) if ip.is_ipv6() && bits >= 96 => (v4, bits - 96),
        _ => (ip, bits),
    };
    let masked = |ip: u128, width: u32| {
        let host = width - u32::from(bits).min(width);
        ip.checked_shr(host).unwrap_or(0).checked_shl(host).unwrap_or(0)
    };
    let base: IpAddr = match ip {
        IpAddr::V4(ip) => Ipv4Addr::from(u32::try_from(masked(u32::from(ip).into(), 32)).ok()?).into(),
        IpAddr::V6(ip) => Ipv6Addr::from(masked(ip.into(), 128)).into(),
    };
    Some(format!("{base}/{bits}"))
}

/// An interface's address with the length of its network's prefix, as it is written by the rules.
pub(crate) fn of_interface(errors: &mut Errors, path: &str, text: &str) {
    let read = text.split_once('/').and_then(|(ip, bits)| {
        let (ip, bits) = (ip.parse::<IpAddr>().ok()?, bits.parse::<u8>().ok()?);
        let width = if ip.is_ipv4() { 32 } else { 128 };
        (bits <= width).then_some((ip, bits))
    });
    let canonical = match read {
        None => {
            let detail = "must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)";
            errors.invalid(path, text, detail);
            return;
        }
        Some((IpAddr::V6(ip), bits @ 96..)) if ip.to_ipv4_mapped().is_some() => {
            format!("{}/{}", ip.to_canonical(), bits - 96)
        }
        Some((ip, bits)) => format!("{ip}/{bits}"),
    };
    if text != canonical {
        errors.invalid(path, text, format!("must be in canonical form ({canonical:?})"));
    }
}

/// Whether a range lies within another, wider one; `None` when either is not readable.
pub(crate) fn within(inner: &str, outer: &str) -> Option<bool> {
    let read = |text: &str| {
        let (ip, bits) = text.split_once('/')?;
        let bits: u32 = bits.parse().ok()?;
        Some(match parse(ip)? {
            IpAddr::V4(ip) => (true, u128::from(u32::from(ip)) << 96, bits),
            IpAddr::V6(ip) => (false, u128::from(ip), bits),
        })
    };
    let ((v4, ip, bits), (outer_v4, outer, outer_bits)) = (read(inner)?, read(outer)?);
    let mask = u128::MAX.checked_shl(128u32.checked_sub(outer_bits)?).unwrap_or(0);
    Some(v4 == outer_v4 && outer_bits < bits && ip & mask == outer & mask)
}

/// An address that endpoints may have: neither unspecified, nor loopback, nor link-local.
pub(crate) fn endpoint(errors: &mut Errors, path: &str, text: &str) {
    let Some(ip) = parse(text) else {
        errors.invalid(path, text, "must be a valid IP address");
        return;
    };
    let (link_local, local_multicast) = match ip {
        IpAddr::V4(ip) => (ip.is_link_local(), ip.octets()[..3] == [224, 0, 0]),
        IpAddr::V6(ip) => (ip.is_unicast_link_local(), ip.segments()[0] == 0xff02),
    };
    if ip.is_unspecified() {
        errors.invalid(path, text, format!("may not be unspecified ({text})"));
    }
    if ip.is_loopback() {
        errors.invalid(path, text, "may not be in the loopback range (127.0.0.0/8, ::1/128)");
    }
    if link_local {
        errors.invalid(path, text, "may not be in the link-local range (169.254.0.0/16, fe80::/10)");
    }
    if local_multicast {
        let detail = "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)";
        errors.invalid(path, text, detail);
    }
}

/// Whether of several ranges one is of version 4 and one of version 6; fewer than two are fine.
pub(crate) fn one_of_each_family(ranges: &[String]) -> bool {
    let family = |range: &String| range.split_once('/').and_then(|(ip, _)| parse(ip)).map(|ip| ip.is_ipv4());
    match ranges {
        [] | [_] => true,
        [a, b] => matches!((family(a), family(b)), (Some(a), Some(b)) if a != b),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_read_but_is_not_written_so_is_warned_of() {
        let future = "will be considered invalid in a future Kubernetes release: use";
        for (text, want) in [
            ("10.0.0.11", String::new()),
            ("10.0.0.011", format!("x: non-standard IP address \"10.0.0.011\" {future} \"10.0.0.11\"")),
            ("::ffff:1.2.3.4", format!("x: non-standard IP address \"::ffff:1.2.3.4\" {future} \"1.2.3.4\"")),
            (
                "FD00::1",
                "x: IPv6 address \"FD00::1\" should be in RFC 5952 canonical format (\"fd00::1\")".into(),
            ),
            ("None", String::new()),
        ] {
            assert_eq!(address_warnings("x", text).unwrap_or_default(), want);
        }
        for (text, want) in [
            ("10.0.0.0/8", vec![]),
            ("010.0.0.0/8", vec![format!("x: non-standard CIDR value \"010.0.0.0/8\" {future} \"10.0.0.0/8\"")]),
            (
                "10.1.0.0/8",
                vec![
                    "x: CIDR value \"10.1.0.0/8\" is ambiguous in this context (should be \"10.0.0.0/8\" or \"10.1.0.0/32\"?)"
                        .into(),
                ],
            ),
            (
                "FD00::/64",
                vec!["x: IPv6 CIDR value \"FD00::/64\" should be in RFC 5952 canonical format (\"fd00::/64\")".into()],
            ),
        ] {
            assert_eq!(range_warnings("x", text), want);
        }
    }

    #[test]
    fn newer_fields_want_ranges_as_one_writes_them() {
        for (text, want) in [
            ("10.0.0.0/8", ""),
            ("10.0.0.0/33", "must be a valid CIDR value"),
            ("10.0.0.0/08", "must not have leading 0s in IP or prefix length"),
            ("::ffff:10.0.0.0/104", "must not have an IPv4-mapped IPv6 address"),
            ("10.1.0.0/8", "must not have bits set beyond the prefix length"),
            ("FD00::/64", "must be in canonical form (\"fd00::/64\")"),
        ] {
            let mut errors = Errors::default();
            written_range(&mut errors, "x", text);
            let told: Vec<String> = errors.into_vec().into_iter().map(|error| error.detail).collect();
            assert!(
                told.join("").starts_with(want) && told.len() == usize::from(!want.is_empty()),
                "{text} {told:?}"
            );
        }
    }
}
