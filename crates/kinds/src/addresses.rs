//! Addresses and ranges in text form, as older fields take them (leading zeros tolerated by upstream are
//! not).

use crate::errors::Errors;
use std::net::IpAddr;

/// Reads an address.
pub(crate) fn parse(text: &str) -> Option<IpAddr> {
    text.parse().ok()
}

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
    let parsed = text.split_once('/').and_then(|(ip, bits)| {
        let most = if parse(ip)?.is_ipv4() { 32 } else { 128 };
        bits.parse::<u8>().ok().filter(|b| *b <= most)
    });
    if parsed.is_none() {
        let detail = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";
        errors.invalid(path, text, detail);
    }
}

/// An interface's address with the length of its network's prefix, as it is written by the rules.
pub(crate) fn of_interface(errors: &mut Errors, path: &str, text: &str) {
    let read = text.split_once('/').and_then(|(ip, bits)| {
        let (ip, bits) = (parse(ip)?, bits.parse::<u8>().ok()?);
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

/// A range in the form in which it is written.
pub(crate) fn canonical_range(text: &str) -> Option<String> {
    let (ip, bits) = text.split_once('/')?;
    let bits: u32 = bits.parse().ok()?;
    let (ip, width) = match parse(ip)? {
        IpAddr::V4(ip) => (u128::from(u32::from(ip)), 32),
        IpAddr::V6(ip) => (u128::from(ip), 128),
    };
    let host = width - bits.min(width);
    let network = ip.checked_shr(host).unwrap_or(0).checked_shl(host).unwrap_or(0);
    let ip: IpAddr = if width == 32 {
        std::net::Ipv4Addr::from(u32::try_from(network).ok()?).into()
    } else {
        std::net::Ipv6Addr::from(network).into()
    };
    Some(format!("{ip}/{bits}"))
}
