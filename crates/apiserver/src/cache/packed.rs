//! Texts that are large, much alike and seldom read: definitions are schemas for the most part, and a tenth is left
//! of them.

use std::io::{Read, Write};

use bytes::Bytes;
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;

/// A text, deflated.
pub(crate) struct Packed {
    bytes: Box<[u8]>,
    /// How long the text is.
    length: usize,
}

impl std::fmt::Debug for Packed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Packed({} of {})", self.bytes.len(), self.length)
    }
}

impl Packed {
    pub fn of(text: &[u8]) -> Self {
        let mut encoder = DeflateEncoder::new(Vec::with_capacity(text.len() / 6), Compression::default());
        // Writing to memory does not fail.
        let bytes = encoder.write_all(text).and_then(|()| encoder.finish()).unwrap_or_default();
        Packed { bytes: bytes.into(), length: text.len() }
    }

    /// The text.
    pub fn unpacked(&self) -> Bytes {
        let mut text = Vec::with_capacity(self.length);
        if let Err(error) = DeflateDecoder::new(&*self.bytes).read_to_end(&mut text) {
            tracing::error!(%error, "a text in memory cannot be unpacked");
        }
        text.into()
    }

    /// The bytes it takes.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::Packed;

    #[test]
    fn texts_come_back_as_they_were() {
        let text = r#"{"type":"string","description":"a text"},"#.repeat(500);
        let packed = Packed::of(text.as_bytes());
        assert!(packed.len() < text.len() / 10, "{packed:?}");
        assert_eq!(packed.unpacked(), text.as_bytes());
    }
}
