//! An address with the length of its network's prefix.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// An address and how many of its leading bits name the network, such as `10.244.1.7/24`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cidr {
    /// The address; bits after the prefix may be set.
    pub address: IpAddr,
    /// Length of the prefix in bits.
    pub prefix: u8,
}

/// Why a text is no [`Cidr`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an address and prefix length such as 10.244.0.0/16")]
pub struct InvalidCidr(String);

impl Cidr {
    /// `address/prefix`; a prefix longer than the address is cut to its length.
    pub fn new(address: IpAddr, prefix: u8) -> Self {
        Cidr { address, prefix: prefix.min(width(address)) }
    }

    /// A network of one address.
    pub fn host(address: IpAddr) -> Self {
        Cidr { address, prefix: width(address) }
    }

    /// Every address of the family.
    pub fn everything(v6: bool) -> Self {
        let address = if v6 { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
        Cidr { address, prefix: 0 }
    }

    /// Whether the address is of version 6.
    pub fn is_v6(&self) -> bool {
        self.address.is_ipv6()
    }

    /// Number of addresses, at most `u64::MAX`.
    pub fn size(&self) -> u64 {
        1u64.checked_shl(u32::from(width(self.address) - self.prefix)).unwrap_or(u64::MAX)
    }

    /// The same network with no bit set after the prefix.
    pub fn network(&self) -> Self {
        Cidr { address: self.at(0), prefix: self.prefix }
    }

    /// The `index`-th address of the network, the network's own being 0; wraps at its end.
    pub fn at(&self, index: u64) -> IpAddr {
        let host_bits = u32::from(width(self.address) - self.prefix);
        let mask = 1u128.checked_shl(host_bits).map_or(u128::MAX, |bit| bit - 1);
        from_bits(self.address, (bits(self.address) & !mask) | (u128::from(index) & mask))
    }

    /// Whether `address` lies in the network.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.is_v6() == address.is_ipv6() && Cidr::new(address, self.prefix).at(0) == self.at(0)
    }

    /// The prefix as a mask in network byte order.
    pub fn mask(&self) -> Vec<u8> {
        (0..width(self.address) / 8)
            .map(|byte| !0xff_u8.checked_shr(u32::from(self.prefix.saturating_sub(byte * 8))).unwrap_or(0))
            .collect()
    }
}

/// Bytes of an address in network order.
pub fn address_bytes(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(a) => a.octets().to_vec(),
        IpAddr::V6(a) => a.octets().to_vec(),
    }
}

/// An address from 4 or 16 bytes in network order.
pub fn address_from_bytes(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(v4.into());
    }
    <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from)
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv6() { 128 } else { 32 }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(a) => u128::from(a.to_bits()),
        IpAddr::V6(a) => a.to_bits(),
    }
}

fn from_bits(family: IpAddr, bits: u128) -> IpAddr {
    match family {
        IpAddr::V4(_) => Ipv4Addr::from_bits(bits as u32).into(),
        IpAddr::V6(_) => Ipv6Addr::from_bits(bits).into(),
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl FromStr for Cidr {
    type Err = InvalidCidr;

    fn from_str(text: &str) -> Result<Self, InvalidCidr> {
        let invalid = || InvalidCidr(text.to_owned());
        let (address, prefix) = text.split_once('/').ok_or_else(invalid)?;
        let address: IpAddr = address.parse().map_err(|_| invalid())?;
        let prefix: u8 = prefix.parse().map_err(|_| invalid())?;
        if prefix > width(address) {
            return Err(invalid());
        }
        Ok(Cidr { address, prefix })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cidr(text: &str) -> Cidr {
        text.parse().expect("valid")
    }

    #[test]
    fn networks_are_counted_and_indexed() {
        for (text, size, third) in [
            ("10.244.1.0/24", 256, "10.244.1.3"),
            ("10.244.1.9/31", 2, "10.244.1.9"),
            ("fd00::/64", u64::MAX, "fd00::3"),
            ("0.0.0.0/0", 1 << 32, "0.0.0.3"),
        ] {
            assert_eq!((cidr(text).size(), cidr(text).at(3).to_string()), (size, third.to_owned()), "{text}");
        }
    }

    #[test]
    fn membership_and_masks() {
        for (net, address, inside) in [
            ("10.244.1.0/24", "10.244.1.255", true),
            ("10.244.1.0/24", "10.244.2.0", false),
            ("0.0.0.0/0", "::1", false),
            ("fd00::/10", "fd3f::1", true),
        ] {
            assert_eq!(cidr(net).contains(address.parse().expect("address")), inside, "{address} in {net}");
        }
        assert_eq!(cidr("10.0.0.0/12").mask(), [255, 240, 0, 0]);
        assert_eq!(cidr("10.0.0.0/32").mask(), [255; 4]);
        assert_eq!(cidr("10.0.0.0/0").mask(), [0; 4]);
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "10.0.0.0", "10.0.0.0/33", "10.0.0/8", "::/129", "a/8"] {
            assert!(text.parse::<Cidr>().is_err(), "{text}");
        }
    }
}
