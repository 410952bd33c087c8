//! Layers come as gzip, zstd or plain tar. What they are is seen from their first bytes; registries' media types
//! are not always right.

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use std::io::{self, BufRead, Read};

const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// The uncompressed bytes of a layer.
pub fn decompress<'a>(mut source: impl BufRead + Send + 'a) -> io::Result<Box<dyn Read + Send + 'a>> {
    let start = source.fill_buf()?;
    if start.starts_with(&GZIP) {
        return Ok(Box::new(flate2::bufread::MultiGzDecoder::new(source)));
    }
    if start.starts_with(&ZSTD) || is_skippable(start) {
        return Ok(Box::new(Zstd { source, decoder: FrameDecoder::new(), in_frame: false }));
    }
    Ok(Box::new(source))
}

/// Whether a file that begins so is compressed.
pub fn is_compressed(start: &[u8]) -> bool {
    start.starts_with(&GZIP) || start.starts_with(&ZSTD) || is_skippable(start)
}

fn is_skippable(start: &[u8]) -> bool {
    start.len() >= 4 && start[0] & 0xf0 == 0x50 && start[1..4] == [0x2a, 0x4d, 0x18]
}

/// All frames of a zstd stream, one after the other. A frame may ask for a window of at most 128 MiB.
struct Zstd<R> {
    source: R,
    decoder: FrameDecoder,
    in_frame: bool,
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        loop {
            if !self.in_frame && !self.begin_frame()? {
                return Ok(0);
            }
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                let block = BlockDecodingStrategy::UptoBlocks(1);
                self.decoder.decode_blocks(&mut self.source, block).map_err(wrong)?;
            }
            let bytes = self.decoder.read(into)?;
            if bytes > 0 {
                return Ok(bytes);
            }
            self.in_frame = false;
        }
    }
}

impl<R: BufRead> Zstd<R> {
    /// Whether there is another frame. Those that are to be skipped hold no data: indexes for other tools.
    fn begin_frame(&mut self) -> io::Result<bool> {
        while !self.source.fill_buf()?.is_empty() {
            match self.decoder.reset(&mut self.source) {
                Ok(()) => {
                    self.in_frame = true;
                    return Ok(true);
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let length = u64::from(length);
                    if io::copy(&mut self.source.by_ref().take(length), &mut io::sink())? != length {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(error) => return Err(wrong(error)),
            }
        }
        Ok(false)
    }
}

fn wrong(error: FrameDecoderError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn read(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        decompress(bytes)?.read_to_end(&mut all)?;
        Ok(all)
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn streams_of_several_parts_are_read_to_their_end() {
        let (one, two) = (vec![7; 300_000], b"two".to_vec());
        let both = [&one[..], &two].concat();
        let skippable = [&[0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
        let table = [
            ("plain", both.clone()),
            ("gzip members", [gzip(&one), gzip(&two)].concat()),
            ("zstd frames", [zstd(&one), skippable.clone(), zstd(&two), skippable.clone()].concat()),
            ("zstd skippable first", [skippable, zstd(&both)].concat()),
        ];
        for (name, bytes) in table {
            assert!(read(&bytes).unwrap() == both, "{name}");
        }
        assert!(read(b"").unwrap().is_empty());
    }

    #[test]
    fn broken_streams_are_errors() {
        let content: Vec<u8> =
            (0..100_000u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        for packed in [gzip(&content), zstd(&content)] {
            let half = &packed[..packed.len() / 2];
            assert!(read(half).is_err());
        }
        assert!(read(&[0x28, 0xb5, 0x2f, 0xfd]).is_err());
        assert!(read(&[0x5a, 0x2a, 0x4d, 0x18, 255, 255, 255, 255, 1]).is_err());
        assert!(read(&[0x1f, 0x8b, 8]).is_err());
    }
}
