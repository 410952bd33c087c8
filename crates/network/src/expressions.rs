//! Pieces of packet rules that several tables use.

use corten_sys::nft::{CtKey, Expr, Family, MetaKey, PayloadBase, Reg};
use corten_sys::{Cidr, address_bytes};

/// The register for values that are looked at once.
const SCRATCH: Reg = Reg(0);
/// What the kernel calls an address of the machine itself.
const LOCAL: u32 = 2;
const NAME_BYTES: usize = 16;

/// Which of a packet's addresses.
#[derive(Clone, Copy)]
pub(crate) enum Side {
    Source,
    Destination,
}

/// The version of a range's addresses.
pub(crate) fn family(range: &Cidr) -> Family {
    if range.is_v6() { Family::V6 } else { Family::V4 }
}

/// Registers an address takes.
pub(crate) fn address_registers(family: Family) -> u32 {
    match family {
        Family::V4 => 1,
        Family::V6 => 4,
    }
}

/// Loads an address of the packet.
pub(crate) fn load_address(family: Family, side: Side, into: Reg) -> Expr {
    let (offset, length) = match (family, side) {
        (Family::V4, Side::Source) => (12, 4),
        (Family::V4, Side::Destination) => (16, 4),
        (Family::V6, Side::Source) => (8, 16),
        (Family::V6, Side::Destination) => (24, 16),
    };
    Expr::Payload { base: PayloadBase::Network, offset, length, into }
}

/// Loads the transport protocol and the destination's port into two registers.
pub(crate) fn load_port(into: Reg) -> [Expr; 2] {
    [
        Expr::Meta { key: MetaKey::L4Proto, into },
        Expr::Payload { base: PayloadBase::Transport, offset: 2, length: 2, into: Reg(into.0 + 1) },
    ]
}

/// Goes on if the address is in the range (or, if `not`, outside).
pub(crate) fn in_range(side: Side, range: &Cidr, not: bool) -> Vec<Expr> {
    let (mask, network) = (range.mask(), address_bytes(range.network().address));
    let zero = vec![0; mask.len()];
    vec![
        load_address(family(range), side, SCRATCH),
        Expr::Bitwise { from: SCRATCH, into: SCRATCH, mask, xor: zero },
        Expr::Cmp { reg: SCRATCH, not, value: network },
    ]
}

/// Goes on if the address is one of the machine's own.
pub(crate) fn is_local(side: Side) -> Vec<Expr> {
    let source = matches!(side, Side::Source);
    vec![
        Expr::AddressType { source, into: SCRATCH },
        Expr::Cmp { reg: SCRATCH, not: false, value: LOCAL.to_ne_bytes().to_vec() },
    ]
}

/// Goes on if the interface's name is (or, if `not`, is not) this one.
pub(crate) fn interface(key: MetaKey, name: &str, not: bool) -> Vec<Expr> {
    let mut value = name.as_bytes().to_vec();
    value.resize(NAME_BYTES, 0);
    vec![Expr::Meta { key, into: SCRATCH }, Expr::Cmp { reg: SCRATCH, not, value }]
}

/// Goes on if one of these bits is set in what is known about the connection.
pub(crate) fn connection(key: CtKey, bits: u32) -> Vec<Expr> {
    vec![
        Expr::Ct { key, into: SCRATCH },
        Expr::Bitwise {
            from: SCRATCH,
            into: SCRATCH,
            mask: bits.to_ne_bytes().to_vec(),
            xor: 0_u32.to_ne_bytes().to_vec(),
        },
        Expr::Cmp { reg: SCRATCH, not: true, value: 0_u32.to_ne_bytes().to_vec() },
    ]
}
