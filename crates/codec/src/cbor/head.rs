//! The head of a CBOR item: its major type and a number.

use crate::DecodeError;

/// The major types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Major {
    Positive,
    Negative,
    Bytes,
    Text,
    Array,
    Map,
    Tag,
    Primitive,
}

impl Major {
    /// The name, as messages have it.
    pub fn name(self) -> &'static str {
        match self {
            Major::Positive => "positive integer",
            Major::Negative => "negative integer",
            Major::Bytes => "byte string",
            Major::Text => "UTF-8 text string",
            Major::Array => "array",
            Major::Map => "map",
            Major::Tag => "tag",
            Major::Primitive => "primitives",
        }
    }

    fn of(byte: u8) -> Major {
        match byte >> 5 {
            0 => Major::Positive,
            1 => Major::Negative,
            2 => Major::Bytes,
            3 => Major::Text,
            4 => Major::Array,
            5 => Major::Map,
            6 => Major::Tag,
            _ => Major::Primitive,
        }
    }
}

/// The first bytes of an item.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    pub major: Major,
    /// The lower five bits of the first byte.
    pub info: u8,
    pub value: u64,
}

impl Head {
    /// Whether the item's length is told by its end.
    pub fn is_open(&self) -> bool {
        self.info == 31
    }
}

pub fn syntax(why: impl Into<String>) -> DecodeError {
    DecodeError::Syntax(why.into())
}

/// The bytes end too early.
pub fn ended() -> DecodeError {
    syntax("unexpected EOF")
}

/// Reads a head off `data`, and tells how many bytes it has.
pub fn read(data: &[u8]) -> Result<(Head, usize), DecodeError> {
    let first = *data.first().ok_or_else(ended)?;
    let (major, info) = (Major::of(first), first & 31);
    let length = match info {
        0..24 | 31 => 0,
        24..=27 => 1 << (info - 24),
        _ => return Err(invalid(major, info)),
    };
    if info == 31 {
        match major {
            Major::Positive | Major::Negative | Major::Tag => return Err(invalid(major, info)),
            Major::Primitive => return Err(syntax("cbor: unexpected \"break\" code")),
            _ => {}
        }
    }
    let value = match length {
        0 => u64::from(info),
        _ => {
            let bytes = data.get(1..=length).ok_or_else(ended)?;
            bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte))
        }
    };
    if major == Major::Primitive && info == 24 && value < 32 {
        return Err(syntax(format!("cbor: invalid simple value {value} for type primitives")));
    }
    Ok((Head { major, info, value }, 1 + length))
}

fn invalid(major: Major, info: u8) -> DecodeError {
    syntax(format!("cbor: invalid additional information {info} for type {}", major.name()))
}

/// Appends a head with as few bytes as hold the number.
pub fn write(out: &mut Vec<u8>, major: Major, value: u64) {
    let first = (major as u8) << 5;
    let bytes = value.to_be_bytes();
    match value {
        0..24 => out.push(first | bytes[7]),
        24..0x100 => out.extend_from_slice(&[first | 24, bytes[7]]),
        0x100..0x1_0000 => {
            out.push(first | 25);
            out.extend_from_slice(&bytes[6..]);
        }
        0x1_0000..0x1_0000_0000 => {
            out.push(first | 26);
            out.extend_from_slice(&bytes[4..]);
        }
        _ => {
            out.push(first | 27);
            out.extend_from_slice(&bytes);
        }
    }
}

/// Appends a float in the smallest width that holds it.
pub fn write_float(out: &mut Vec<u8>, value: f64) {
    #[expect(clippy::cast_possible_truncation, reason = "whether it fits is what is asked")]
    let single = value as f32;
    if f64::from(single).to_bits() != value.to_bits() {
        out.push(0xfb);
        out.extend_from_slice(&value.to_bits().to_be_bytes());
    } else if let Some(half) = half_of(single) {
        out.push(0xf9);
        out.extend_from_slice(&half.to_be_bytes());
    } else {
        out.push(0xfa);
        out.extend_from_slice(&single.to_bits().to_be_bytes());
    }
}

/// The sixteen bits of a finite number, when they hold it exactly.
fn half_of(value: f32) -> Option<u16> {
    let bits = value.to_bits();
    let sign = (bits >> 16) & 0x8000;
    let (exponent, fraction) = (bits >> 23 & 0xff, bits & 0x7f_ffff);
    let half = match exponent {
        0 if fraction == 0 => 0,
        // Normal in both: five bits of exponent, ten of fraction.
        113..=142 if fraction.trailing_zeros() >= 13 => (exponent - 112) << 10 | fraction >> 13,
        // A subnormal half: the leading one is written out.
        103..=112 => {
            let whole = fraction | 0x80_0000;
            let shift = 126 - exponent;
            if whole.trailing_zeros() < shift {
                return None;
            }
            whole >> shift
        }
        _ => return None,
    };
    u16::try_from(sign | half).ok()
}

/// The number that sixteen bits stand for.
pub fn half(bits: u16) -> f64 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 0x3ff));
    sign * match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1.0 + fraction / 1024.0) * 2f64.powi(exponent - 15),
    }
}
