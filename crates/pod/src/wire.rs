//! How messages lie on the wire. A struct is its length and its fields in order, so that either end may be
//! older: fields that are missing at its end have their default, fields too many are passed over. That is
//! what lets a new runtime speak with the supervisors of pods that were started before an upgrade. New fields
//! go to the end of a struct, new variants to the end of an enum, and nothing is ever taken out.
//!
//! Numbers are little-endian. A frame is its length in four bytes and one message.

use std::fmt;

/// The longest frame: arguments and environment of a process can be megabytes.
pub const MAX_FRAME: usize = 16 << 20;

/// What cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireError {
    /// The message ends within a value.
    Short,
    /// Text that is no UTF-8.
    Text,
    /// An enum's variant that this version does not know.
    Variant(u8),
    /// A frame over [`MAX_FRAME`].
    TooLong,
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WireError::Short => f.write_str("the message ends too early"),
            WireError::Text => f.write_str("the message holds text that is not UTF-8"),
            WireError::Variant(tag) => {
                write!(f, "the message is of kind {tag}, which this version does not know")
            }
            WireError::TooLong => f.write_str("the message is too long"),
        }
    }
}

impl std::error::Error for WireError {}

/// The rest of a message.
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Reads from the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Reader(bytes)
    }

    /// Whether all has been read.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next `count` bytes.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], WireError> {
        let (head, tail) = self.0.split_at_checked(count).ok_or(WireError::Short)?;
        self.0 = tail;
        Ok(head)
    }
}

/// A value with a form on the wire.
pub trait Wire: Sized {
    /// Appends the value.
    fn put(&self, to: &mut Vec<u8>);
    /// Reads the value.
    fn get(from: &mut Reader<'_>) -> Result<Self, WireError>;

    /// The value as a frame.
    fn frame(&self) -> Vec<u8> {
        let mut bytes = vec![0; 4];
        self.put(&mut bytes);
        put_length(&mut bytes, 0);
        bytes
    }

    /// The value in a frame's body.
    fn from_bytes(bytes: &[u8]) -> Result<Self, WireError> {
        Self::get(&mut Reader::new(bytes))
    }
}

/// Writes the length of all that follows the four bytes at `at` into them.
pub fn put_length(bytes: &mut [u8], at: usize) {
    let length = u32::try_from(bytes.len() - at - 4).unwrap_or(u32::MAX);
    bytes[at..at + 4].copy_from_slice(&length.to_le_bytes());
}

/// A reader of the next length-prefixed part.
pub fn part<'a>(from: &mut Reader<'a>) -> Result<Reader<'a>, WireError> {
    let length = u32::get(from)? as usize;
    Ok(Reader(from.take(length)?))
}

macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl Wire for $number {
            fn put(&self, to: &mut Vec<u8>) {
                to.extend_from_slice(&self.to_le_bytes());
            }
            fn get(from: &mut Reader<'_>) -> Result<Self, WireError> {
                let bytes = from.take(size_of::<$number>())?;
                Ok(<$number>::from_le_bytes(bytes.try_into().map_err(|_| WireError::Short)?))
            }
        }
    )*};
}
numbers!(u16, u32, u64, i32, i64);

impl Wire for u8 {
    fn put(&self, to: &mut Vec<u8>) {
        to.push(*self);
    }
    fn get(from: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(from.take(1)?[0])
    }
}

impl Wire for bool {
    fn put(&self, to: &mut Vec<u8>) {
        to.push(u8::from(*self));
    }
    fn get(from: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(u8::get(from)? != 0)
    }
}

impl Wire for String {
    fn put(&self, to: &mut Vec<u8>) {
        (self.len() as u32).put(to);
        to.extend_from_slice(self.as_bytes());
    }
    fn get(from: &mut Reader<'_>) -> Result<Self, WireError> {
        let bytes = part(from)?.0;
        Ok(std::str::from_utf8(bytes).map_err(|_| WireError::Text)?.to_owned())
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn put(&self, to: &mut Vec<u8>) {
        (self.len() as u32).put(to);
        self.iter().for_each(|item| item.put(to));
    }
    fn get(from: &mut Reader<'_>) -> Result<Self, WireError> {
        let count = u32::get(from)? as usize;
        // What is claimed is not reserved: the message may be short.
        let mut items = Vec::with_capacity(count.min(from.0.len()));
        for _ in 0..count {
            items.push(T::get(from)?);
        }
        Ok(items)
    }
}

impl<T: Wire> Wire for Option<T> {
    fn put(&self, to: &mut Vec<u8>) {
        self.is_some().put(to);
        if let Some(value) = self {
            value.put(to);
        }
    }
    fn get(from: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(if bool::get(from)? { Some(T::get(from)?) } else { None })
    }
}

impl<T: Wire> Wire for Box<T> {
    fn put(&self, to: &mut Vec<u8>) {
        (**self).put(to);
    }
    fn get(from: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Box::new(T::get(from)?))
    }
}

impl<A: Wire, B: Wire> Wire for (A, B) {
    fn put(&self, to: &mut Vec<u8>) {
        self.0.put(to);
        self.1.put(to);
    }
    fn get(from: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok((A::get(from)?, B::get(from)?))
    }
}

/// Declares structs with their form on the wire. Every field needs a default.
macro_rules! structs {
    ($($(#[$meta:meta])* pub struct $name:ident { $($(#[$doc:meta])* pub $field:ident: $type:ty,)* })*) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct $name { $($(#[$doc])* pub $field: $type,)* }

        impl $crate::wire::Wire for $name {
            fn put(&self, to: &mut Vec<u8>) {
                let at = to.len();
                to.extend_from_slice(&[0; 4]);
                $($crate::wire::Wire::put(&self.$field, to);)*
                $crate::wire::put_length(to, at);
            }
            fn get(from: &mut $crate::wire::Reader<'_>) -> Result<Self, $crate::wire::WireError> {
                let mut part = $crate::wire::part(from)?;
                let mut value = Self::default();
                $(if !part.is_empty() { value.$field = $crate::wire::Wire::get(&mut part)?; })*
                Ok(value)
            }
        }
    )*};
}

/// Declares enums whose variants hold at most one value, with their number on the wire.
macro_rules! enums {
    ($($(#[$meta:meta])* pub enum $name:ident {
        $($(#[$doc:meta])* $tag:literal $variant:ident $(($inner:ty))?,)*
    })*) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$doc])* $variant $(($inner))?,)* }

        impl $crate::wire::Wire for $name {
            fn put(&self, to: &mut Vec<u8>) {
                match self {
                    $($crate::wire::pattern!($name $variant value $($inner)?) => {
                        to.push($tag);
                        $(<$inner as $crate::wire::Wire>::put(value, to);)?
                    })*
                }
            }
            fn get(from: &mut $crate::wire::Reader<'_>) -> Result<Self, $crate::wire::WireError> {
                match <u8 as $crate::wire::Wire>::get(from)? {
                    $($tag => Ok($name::$variant $((<$inner as $crate::wire::Wire>::get(from)?))?),)*
                    other => Err($crate::wire::WireError::Variant(other)),
                }
            }
        }
    )*};
}

/// The pattern of one variant.
macro_rules! pattern {
    ($name:ident $variant:ident $value:ident) => {
        $name::$variant
    };
    ($name:ident $variant:ident $value:ident $inner:ty) => {
        $name::$variant($value)
    };
}

pub(crate) use {enums, pattern, structs};

#[cfg(test)]
mod tests {
    use super::*;

    structs! {
        /// As it was.
        pub struct Old { pub a: u32, }
        /// As it is.
        pub struct New { pub a: u32, pub b: Vec<String>, pub c: Option<(u8, bool)>, }
    }
    enums! {
        /// Two kinds.
        pub enum Kind { 1 Plain, 2 With(New), }
    }

    fn new() -> New {
        New { a: 7, b: vec!["x".into(), String::new()], c: Some((3, true)) }
    }

    #[test]
    fn what_is_put_is_got() {
        for kind in [Kind::Plain, Kind::With(new())] {
            let frame = kind.frame();
            assert_eq!(u32::from_bytes(&frame).map(|n| n as usize), Ok(frame.len() - 4));
            assert_eq!(Kind::from_bytes(&frame[4..]), Ok(kind));
        }
    }

    #[test]
    fn older_and_newer_ends_understand_each_other() {
        let mut bytes = Vec::new();
        new().put(&mut bytes);
        9u8.put(&mut bytes);
        let mut reader = Reader::new(&bytes);
        assert_eq!(Old::get(&mut reader), Ok(Old { a: 7 }));
        assert_eq!(u8::get(&mut reader), Ok(9), "the reader stands behind the struct");
        let mut bytes = Vec::new();
        Old { a: 7 }.put(&mut bytes);
        assert_eq!(New::from_bytes(&bytes), Ok(New { a: 7, ..New::default() }));
    }

    #[test]
    fn what_is_cut_or_unknown_is_refused() {
        let bytes = Kind::With(new()).frame();
        for end in 4..bytes.len() {
            assert!(Kind::from_bytes(&bytes[4..end]).is_err(), "cut at {end}");
        }
        assert_eq!(Kind::from_bytes(&[9]), Err(WireError::Variant(9)));
        assert_eq!(Vec::<String>::from_bytes(&u32::MAX.to_le_bytes()), Err(WireError::Short));
    }
}
