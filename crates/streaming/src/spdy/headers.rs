//! Header blocks: names and values, compressed with one zlib context for each direction of a connection.

use super::SpdyError;
use super::dictionary::DICTIONARY;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};

/// The longest header block, uncompressed, that is accepted.
const MAX_BLOCK: usize = 64 * 1024;
/// The most names in one block.
const MAX_NAMES: usize = 256;

/// The headers of a stream: lower-case names with their values, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// Headers with these names (lower-cased) and values.
    pub fn new(pairs: &[(&str, &str)]) -> Self {
        Headers(pairs.iter().map(|(name, value)| (name.to_ascii_lowercase(), (*value).to_owned())).collect())
    }

    /// The first value of `name`, whatever its case.
    pub fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(other, _)| other.eq_ignore_ascii_case(name))?;
        value.split('\0').next()
    }

    fn to_block(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        let mut put = |bytes: &[u8]| {
            out.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
            out.extend_from_slice(bytes);
        };
        for (name, value) in &self.0 {
            put(name.as_bytes());
            put(value.as_bytes());
        }
        out.splice(0..0, (self.0.len() as u32).to_be_bytes());
        out
    }

    fn from_block(mut block: &[u8]) -> Result<Self, SpdyError> {
        let count = take_u32(&mut block)? as usize;
        if count > MAX_NAMES {
            return Err(SpdyError::Headers("too many names"));
        }
        let mut text = || -> Result<String, SpdyError> {
            let length = take_u32(&mut block)? as usize;
            let (bytes, rest) = block.split_at_checked(length).ok_or(SpdyError::Headers("cut short"))?;
            block = rest;
            Ok(String::from_utf8_lossy(bytes).into_owned())
        };
        let mut out = Vec::with_capacity(count);
        for _ in 0..count {
            out.push((text()?.to_ascii_lowercase(), text()?));
        }
        Ok(Headers(out))
    }
}

fn take_u32(block: &mut &[u8]) -> Result<u32, SpdyError> {
    let (head, rest) = block.split_first_chunk::<4>().ok_or(SpdyError::Headers("cut short"))?;
    *block = rest;
    Ok(u32::from_be_bytes(*head))
}

/// Compresses the header blocks of one direction.
#[derive(Debug)]
pub(super) struct Deflater(Compress);

impl Deflater {
    pub(super) fn new() -> Result<Self, SpdyError> {
        // A window of 2 KiB holds the dictionary and a few headers; the usual 32 KiB cost memory for nothing.
        let mut zlib = Compress::new_with_window_bits(Compression::fast(), true, 11);
        zlib.set_dictionary(&DICTIONARY).map_err(|_| SpdyError::Compression)?;
        Ok(Deflater(zlib))
    }

    /// The compressed block, flushed so that the peer can read it at once.
    pub(super) fn compress(&mut self, headers: &Headers) -> Result<Vec<u8>, SpdyError> {
        let block = headers.to_block();
        let start = self.0.total_in();
        let mut out = Vec::with_capacity(block.len() + 64);
        loop {
            let done = (self.0.total_in() - start) as usize;
            self.0
                .compress_vec(&block[done..], &mut out, FlushCompress::Sync)
                .map_err(|_| SpdyError::Compression)?;
            if out.len() < out.capacity() && (self.0.total_in() - start) as usize == block.len() {
                return Ok(out);
            }
            out.reserve(256);
        }
    }
}

/// Decompresses the header blocks of one direction.
#[derive(Debug)]
pub(super) struct Inflater(Decompress);

impl Inflater {
    pub(super) fn new() -> Self {
        Inflater(Decompress::new(true))
    }

    /// The headers in a compressed block. After an error the connection's compression state is lost.
    pub(super) fn decompress(&mut self, block: &[u8]) -> Result<Headers, SpdyError> {
        let mut out = Vec::with_capacity(1024);
        let mut rest = block;
        loop {
            let (read, written) = (self.0.total_in(), out.len());
            let result = self.0.decompress_vec(rest, &mut out, FlushDecompress::Sync);
            let used = ((self.0.total_in() - read) as usize).min(rest.len());
            rest = &rest[used..];
            match result {
                Err(e) if e.needs_dictionary().is_some() => {
                    self.0.set_dictionary(&DICTIONARY).map_err(|_| SpdyError::Compression)?;
                    continue;
                }
                Err(_) => return Err(SpdyError::Compression),
                Ok(_) => {}
            }
            if rest.is_empty() && out.len() < out.capacity() {
                return Headers::from_block(&out);
            }
            if used == 0 && out.len() == written && out.len() < out.capacity() {
                return Err(SpdyError::Compression); // the compressed data ended before the block did
            }
            if out.len() >= MAX_BLOCK {
                return Err(SpdyError::Headers("too long"));
            }
            out.reserve(1024);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_found_whatever_their_case() {
        let headers = Headers::new(&[("streamType", "stdin"), ("port", "80\0" /* a second, empty value */)]);
        assert_eq!(headers.get("StreamType"), Some("stdin"));
        assert_eq!(headers.get("port"), Some("80"));
        assert_eq!(headers.get("requestID"), None);
    }

    #[test]
    fn a_block_that_swells_is_refused() {
        let headers = Headers(vec![("a".into(), "x".repeat(MAX_BLOCK + 5000))]);
        let block = Deflater::new().expect("zlib").compress(&headers).expect("compressed");
        assert!(block.len() < 1000);
        assert!(matches!(Inflater::new().decompress(&block), Err(SpdyError::Headers("too long"))));
    }

    proptest! {
        #[test]
        fn blocks_round_trip_in_one_context(
            blocks in prop::collection::vec(prop::collection::vec(("[a-z-]{0,12}", ".{0,200}"), 0..8), 1..5)
        ) {
            let (mut deflater, mut inflater) = (Deflater::new().expect("zlib"), Inflater::new());
            for pairs in blocks {
                let headers = Headers(pairs);
                let block = deflater.compress(&headers).expect("compressed");
                prop_assert_eq!(inflater.decompress(&block).expect("decompressed"), headers);
            }
        }

        #[test]
        fn damaged_blocks_never_panic(at in 0usize..60, byte in any::<u8>(), cut in 0usize..80) {
            let headers = Headers::new(&[("streamtype", "stdout"), ("port", "8080"), ("requestid", "17")]);
            let mut block = Deflater::new().expect("zlib").compress(&headers).expect("compressed");
            let at = at % block.len();
            block[at] = byte;
            block.truncate(cut);
            let _ = Inflater::new().decompress(&block);
        }

        #[test]
        fn noise_never_panics(noise in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = Inflater::new().decompress(&noise);
            let _ = Headers::from_block(&noise);
        }
    }
}
