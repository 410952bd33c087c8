//! From a layer's compressed archive to its directory, in one pass and with little memory: bytes are hashed as
//! they come, decompressed, hashed again, and written.

mod archive;
mod decompress;
mod settle;
#[cfg(test)]
mod tests;
mod tree;
mod write;

use super::digest::{Algorithm, Digest, Hasher};
use super::error::{Error, Result};
use super::store::Usage;
use archive::Archive;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use write::{Writer, Written};

/// How much is read ahead of the archive's reader.
const READ_AHEAD: usize = 128 << 10;

pub(super) use decompress::is_compressed;

/// Writes the uncompressed bytes of a file to another.
pub(super) fn decompress_to(file: std::fs::File, to: &Path) -> io::Result<()> {
    let mut plain = decompress::decompress(BufReader::with_capacity(READ_AHEAD, file))?;
    let written = std::fs::File::create(to).and_then(|mut to| io::copy(&mut plain, &mut to));
    written.map(drop)
}

/// What a layer must turn out to be.
#[derive(Clone, Debug)]
pub(super) struct Promise {
    /// Digest and size of the archive as it comes, where they are known: docker's own archives do not say.
    pub compressed: Option<(Digest, u64)>,
    /// Digest of the uncompressed archive.
    pub diff_id: Digest,
}

/// A layer's files, verified; [`Layer::settle`] completes it.
pub(super) struct Layer {
    written: Written,
    files: PathBuf,
}

/// Unpacks an archive into an empty directory. When this returns, both digests match.
pub(super) fn unpack(source: impl Read + Send, promise: &Promise, files: &Path) -> Result<Layer> {
    let algorithm = promise.compressed.as_ref().map_or(Algorithm::Sha256, |(digest, _)| digest.algorithm());
    let mut source = BufReader::with_capacity(READ_AHEAD, Hashing::new(source, algorithm));
    let result = unpack_stream(&mut source, promise, files);
    if let Err(error @ (Error::DiskFull { .. } | Error::File { .. })) = result {
        return Err(error);
    }
    // Whatever is wrong inside, that the bytes are others than promised says more; and a reader that failed
    // knows best why.
    let drained = io::copy(&mut source, &mut io::sink());
    drained.map_err(|error| explain(error, files))?;
    let (compressed, bytes) = source.into_inner().finish();
    if let Some((digest, size)) = &promise.compressed
        && compressed != *digest
    {
        let text =
            format!("layer {digest}: the {bytes} bytes that came (of {size}) have the digest {compressed}");
        return Err(Error::invalid(format!("{text}: the registry, or something on the way, damages data")));
    }
    let written = result.map_err(|error| error.during(format_args!("layer {}", promise.diff_id)))?;
    Ok(Layer { written, files: files.to_owned() })
}

fn unpack_stream(source: &mut (impl BufRead + Send), promise: &Promise, files: &Path) -> Result<Written> {
    let failed = |error| explain(error, files);
    let plain = decompress::decompress(source).map_err(failed)?;
    let hashing = Hashing::new(plain, promise.diff_id.algorithm());
    let mut archive = Archive::new(BufReader::with_capacity(READ_AHEAD, hashing));
    let mut writer = Writer::open(files).map_err(failed)?;
    writer.write_all(&mut archive).map_err(failed)?;
    let written = writer.finish().map_err(failed)?;
    let mut rest = archive.into_inner();
    io::copy(&mut rest, &mut io::sink()).map_err(failed)?;
    let (diff_id, _) = rest.into_inner().finish();
    match diff_id == promise.diff_id {
        true => Ok(written),
        false => Err(Error::invalid(format!(
            "the uncompressed archive has the digest {diff_id}: the image is built wrongly"
        ))),
    }
}

impl Layer {
    /// Takes over what the layers below (lowest first) give to it.
    pub(super) fn settle(self, below: &[PathBuf]) -> Result<Usage> {
        settle::settle(self.written, below).map_err(|error| explain(error, &self.files))
    }
}

/// What an error of reading or writing means. Errors of ours travel inside.
fn explain(error: io::Error, files: &Path) -> Error {
    if let Some(own) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        return own.clone();
    }
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Error::DiskFull { path: files.to_owned() }
        }
        io::ErrorKind::InvalidData
        | io::ErrorKind::InvalidInput
        | io::ErrorKind::UnexpectedEof
        | io::ErrorKind::Other => Error::invalid(format!("the archive cannot be unpacked: {error}")),
        _ if error.raw_os_error().is_none() && error.get_ref().is_none() => {
            Error::invalid(format!("the archive cannot be unpacked: {error}"))
        }
        _ => Error::file("cannot unpack into", files, error),
    }
}

/// Hashes and counts what is read through it.
struct Hashing<R> {
    inner: R,
    hasher: Hasher,
    bytes: u64,
}

impl<R> Hashing<R> {
    fn new(inner: R, algorithm: Algorithm) -> Self {
        Self { inner, hasher: Hasher::new(algorithm), bytes: 0 }
    }

    fn finish(self) -> (Digest, u64) {
        (self.hasher.finish(), self.bytes)
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let bytes = self.inner.read(into)?;
        self.hasher.update(&into[..bytes]);
        self.bytes += bytes as u64;
        Ok(bytes)
    }
}
