//! Kubernetes' libraries of IP addresses and networks.

use super::{Maybe, no_overload};
use crate::error::EvalError;
use crate::extension::Extension;
use crate::value::Value;
use std::fmt;
use std::net::IpAddr;

/// An address and how many of its bits name the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    pub ip: IpAddr,
    pub length: u8,
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.ip, self.length)
    }
}

impl Cidr {
    /// The network's own address.
    fn masked(&self) -> Cidr {
        let ip = match self.ip {
            IpAddr::V4(ip) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.length)).unwrap_or(0);
                IpAddr::V4((ip.to_bits() & mask).into())
            }
            IpAddr::V6(ip) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.length)).unwrap_or(0);
                IpAddr::V6((ip.to_bits() & mask).into())
            }
        };
        Cidr { ip, ..*self }
    }

    fn contains(&self, ip: IpAddr) -> bool {
        ip.is_ipv4() == self.ip.is_ipv4() && Cidr { ip, length: self.length }.masked().ip == self.masked().ip
    }
}

pub fn call<'a>(function: &str, args: &[Value<'a>]) -> Maybe<'a> {
    Some(match (function, args) {
        ("ip", [Value::String(text)]) => parse_ip(text).map(|ip| Value::Extension(Extension::Ip(ip))),
        ("ip", [Value::Extension(Extension::Cidr(cidr))]) => Ok(Value::Extension(Extension::Ip(cidr.ip))),
        ("isIP", [Value::String(text)]) => Ok(Value::Bool(parse_ip(text).is_ok())),
        ("ip.isCanonical", [Value::String(text)]) => {
            parse_ip(text).map(|ip| Value::Bool(ip.to_string() == **text))
        }
        ("cidr", [Value::String(text)]) => {
            parse_cidr(text).map(|cidr| Value::Extension(Extension::Cidr(cidr)))
        }
        ("isCIDR", [Value::String(text)]) => Ok(Value::Bool(parse_cidr(text).is_ok())),
        (_, [Value::Extension(Extension::Ip(ip))]) => return about_ip(function, ip),
        (_, [Value::Extension(Extension::Cidr(cidr)), rest @ ..]) => {
            return about_cidr(function, cidr, rest, args);
        }
        (
            "ip"
            | "isIP"
            | "ip.isCanonical"
            | "cidr"
            | "isCIDR"
            | "family"
            | "isUnspecified"
            | "isLoopback"
            | "isLinkLocalMulticast"
            | "isLinkLocalUnicast"
            | "isGlobalUnicast"
            | "containsIP"
            | "containsCIDR"
            | "prefixLength"
            | "masked",
            _,
        ) => Err(no_overload(function, args)),
        _ => return None,
    })
}

fn about_ip<'a>(function: &str, ip: &IpAddr) -> Maybe<'a> {
    let link_local = |ip: &IpAddr| match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    Some(Ok(match function {
        "family" => Value::Int(if ip.is_ipv4() { 4 } else { 6 }),
        "isUnspecified" => Value::Bool(ip.is_unspecified()),
        "isLoopback" => Value::Bool(ip.is_loopback()),
        "isLinkLocalUnicast" => Value::Bool(link_local(ip)),
        "isLinkLocalMulticast" => Value::Bool(match ip {
            IpAddr::V4(ip) => ip.octets()[..3] == [224, 0, 0],
            IpAddr::V6(ip) => ip.segments()[0] & 0xff0f == 0xff02,
        }),
        "isGlobalUnicast" => {
            let broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
            let other = ip.is_unspecified() || ip.is_loopback() || ip.is_multicast() || link_local(ip);
            Value::Bool(!broadcast && !other)
        }
        _ => return None,
    }))
}

fn about_cidr<'a>(function: &str, cidr: &Cidr, rest: &[Value<'a>], args: &[Value<'a>]) -> Maybe<'a> {
    Some(match (function, rest) {
        ("prefixLength", []) => Ok(Value::Int(i64::from(cidr.length))),
        ("masked", []) => Ok(Value::Extension(Extension::Cidr(cidr.masked()))),
        ("containsIP", [other]) => ip_of(other).map(|ip| Value::Bool(cidr.contains(ip))),
        ("containsCIDR", [Value::Extension(Extension::Cidr(other))]) => Ok(within(cidr, other)),
        ("containsCIDR", [Value::String(text)]) => parse_cidr(text).map(|other| within(cidr, &other)),
        ("containsIP" | "containsCIDR", _) => Err(no_overload(function, args)),
        _ => return None,
    })
}

fn within<'a>(cidr: &Cidr, other: &Cidr) -> Value<'a> {
    Value::Bool(other.length >= cidr.length && cidr.contains(other.ip))
}

fn ip_of(value: &Value<'_>) -> Result<IpAddr, EvalError> {
    match value {
        Value::Extension(Extension::Ip(ip)) => Ok(*ip),
        // As upstream: what is no address is no overload here.
        Value::String(text) => parse_ip(text).map_err(|_| EvalError::no_overload()),
        _ => Err(EvalError::no_overload()),
    }
}

/// What is wrong with an address, in Go's words.
fn problem(text: &str) -> &'static str {
    let octets: Vec<&str> = text.split('.').collect();
    let numbers = octets.iter().all(|octet| octet.bytes().all(|byte| byte.is_ascii_digit()));
    if text.contains(':') || octets.len() < 2 || !numbers {
        return "unable to parse IP";
    }
    if octets.iter().any(|octet| octet.len() > 1 && octet.starts_with('0')) {
        return "IPv4 field has octet with leading zero";
    }
    if octets.iter().any(|octet| octet.parse::<u32>().is_ok_and(|number| number > 255)) {
        return "IPv4 field has value >255";
    }
    if octets.len() < 4 { "IPv4 address too short" } else { "IPv4 address too long" }
}

fn parse_ip(text: &str) -> Result<IpAddr, EvalError> {
    if let Some((ip, zone)) = text.split_once('%')
        && !zone.is_empty()
        && ip.parse::<std::net::Ipv6Addr>().is_ok()
    {
        return Err(EvalError::new(format!("IP address {text:?} with zone value is not allowed")));
    }
    let ip: IpAddr = text.parse().map_err(|_| {
        EvalError::new(format!(
            "IP Address {text:?} parse error during conversion from string: ParseAddr({text:?}): {}",
            problem(text)
        ))
    })?;
    if is_mapped(&ip) {
        return Err(EvalError::new(format!("IPv4-mapped IPv6 address {text:?} is not allowed")));
    }
    Ok(ip)
}

fn is_mapped(ip: &IpAddr) -> bool {
    matches!(ip, IpAddr::V6(ip) if ip.to_ipv4_mapped().is_some())
}

fn parse_cidr(text: &str) -> Result<Cidr, EvalError> {
    const OUTER: &str = "network address parse error during conversion from string";
    let wrong = |what: &str| EvalError::new(format!("{OUTER}: {OUTER}: netip.ParsePrefix({text:?}): {what}"));
    let (ip, bits) = text.rsplit_once('/').ok_or_else(|| wrong("no '/'"))?;
    let address: IpAddr = ip.parse().map_err(|_| wrong(&format!("ParseAddr({ip:?}): {}", problem(ip))))?;
    let digits = !bits.is_empty() && bits.bytes().all(|byte| byte.is_ascii_digit());
    let leading = bits.len() > 1 && bits.starts_with('0');
    let length: Option<u8> = bits.parse().ok().filter(|_| digits && !leading);
    let bad = || wrong(&format!("bad bits after slash: {bits:?}"));
    let length = match length {
        Some(length) => length,
        None if digits && !leading => return Err(wrong("prefix length out of range")),
        None => return Err(bad()),
    };
    if length > if address.is_ipv4() { 32 } else { 128 } {
        return Err(wrong("prefix length out of range"));
    }
    if is_mapped(&address) {
        return Err(EvalError::new(format!("{OUTER}: IPv4-mapped IPv6 address {text:?} is not allowed")));
    }
    Ok(Cidr { ip: address, length })
}
