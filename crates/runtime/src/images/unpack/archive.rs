//! Reads tar archives as container layers use them: ustar, PAX and GNU long names. Everything has a limit, and
//! what is not understood is refused rather than guessed.

use std::io::{self, BufRead};

const BLOCK: usize = 512;
/// Longest path or link target the kernel would take.
const MOST_PATH: usize = 4096;
/// Most bytes of one entry's extended header: the kernel's limit for one attribute is 64 KiB.
const MOST_EXTENDED: u64 = 1 << 20;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// With [`Entry::size`] bytes of data.
    File,
    /// A directory.
    Directory,
    /// To [`Entry::link`].
    Symlink,
    /// To the entry [`Entry::link`].
    HardLink,
    /// A character device.
    Character,
    /// A block device.
    Block,
    /// A named pipe.
    Fifo,
}

/// One entry, without its data.
#[derive(Clone, Debug)]
pub struct Entry {
    /// As the archive has it: anything but empty and NUL bytes.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// Target of a link.
    pub link: Vec<u8>,
    /// Permissions with set-user-ID, set-group-ID and sticky bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Seconds and nanoseconds since 1970.
    pub mtime: (i64, u32),
    /// Bytes of data.
    pub size: u64,
    /// Major and minor number of a device.
    pub device: (u32, u32),
    /// Extended attributes.
    pub xattrs: Vec<(String, Vec<u8>)>,
}

/// Walks over the entries of an archive.
pub struct Archive<R> {
    input: R,
    /// Data of the current entry that was not read, and the padding after it.
    left: u64,
    padding: u64,
}

/// What extended headers say about the entry after them.
#[derive(Default)]
struct Extended {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    uid: Option<u64>,
    gid: Option<u64>,
    mtime: Option<(i64, u32)>,
    xattrs: Vec<(String, Vec<u8>)>,
}

impl<R: BufRead> Archive<R> {
    /// Begins at the start of an archive.
    pub fn new(input: R) -> Self {
        Self { input, left: 0, padding: 0 }
    }

    /// What lies behind the archive.
    pub fn into_inner(self) -> R {
        self.input
    }

    /// The next entry; `None` at the end. Data that was not read is passed over.
    pub fn next(&mut self) -> io::Result<Option<Entry>> {
        let mut extended = Extended::default();
        loop {
            self.skip_rest()?;
            let Some(header) = self.header()? else { return Ok(None) };
            let size = number(&header[124..136])?;
            match header[156] {
                b'x' => {
                    let records = self.extension(size)?;
                    parse_pax(&records, &mut extended)?;
                }
                b'L' => extended.path = Some(until_nul(&self.extension(size)?).to_vec()),
                b'K' => extended.link = Some(until_nul(&self.extension(size)?).to_vec()),
                b'g' => (self.left, self.padding) = (size, padding(size)),
                _ => return self.entry(&header, size, extended).map(Some),
            }
        }
    }

    /// The current entry's data that is at hand, empty at its end. [`Archive::consume`] says how much was used.
    pub fn data(&mut self) -> io::Result<&[u8]> {
        if self.left == 0 {
            return Ok(&[]);
        }
        let bytes = self.input.fill_buf()?;
        if bytes.is_empty() {
            return Err(truncated());
        }
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
        Ok(&bytes[..most])
    }

    /// Marks data as used.
    pub fn consume(&mut self, bytes: usize) {
        self.input.consume(bytes);
        self.left -= bytes as u64;
    }

    fn skip_rest(&mut self) -> io::Result<()> {
        self.left += std::mem::take(&mut self.padding);
        while self.left > 0 {
            let bytes = self.data()?.len();
            self.consume(bytes);
        }
        Ok(())
    }

    /// A header block that is in order; `None` at the end, which some writers forget to mark.
    fn header(&mut self) -> io::Result<Option<[u8; BLOCK]>> {
        if self.input.fill_buf()?.is_empty() {
            return Ok(None);
        }
        let mut block = [0; BLOCK];
        self.input.read_exact(&mut block).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => truncated(),
            _ => error,
        })?;
        if block.iter().all(|b| *b == 0) {
            return Ok(None);
        }
        let sum: u64 = block.iter().map(|b| u64::from(*b)).sum();
        let own: u64 = block[148..156].iter().map(|b| u64::from(*b)).sum();
        if number(&block[148..156])? != sum - own + 8 * u64::from(b' ') {
            return Err(malformed("a header's checksum is wrong"));
        }
        Ok(Some(block))
    }

    fn extension(&mut self, size: u64) -> io::Result<Vec<u8>> {
        if size > MOST_EXTENDED {
            return Err(malformed("an extended header is larger than 1 MiB"));
        }
        (self.left, self.padding) = (size, padding(size));
        let mut bytes = Vec::new();
        while self.left > 0 {
            let data = self.data()?;
            bytes.extend_from_slice(data);
            let used = data.len();
            self.consume(used);
        }
        Ok(bytes)
    }

    fn entry(&mut self, header: &[u8; BLOCK], size: u64, extended: Extended) -> io::Result<Entry> {
        let path = extended.path.unwrap_or_else(|| name(header));
        let link = extended.link.unwrap_or_else(|| until_nul(&header[157..257]).to_vec());
        let kind = kind(header[156], &path)?;
        let size = if kind == Kind::File { extended.size.unwrap_or(size) } else { 0 };
        for text in [&path, &link] {
            if text.len() >= MOST_PATH || text.contains(&0) {
                return Err(malformed("a path is longer than 4095 bytes or holds a zero byte"));
            }
        }
        if matches!(kind, Kind::Symlink | Kind::HardLink) && link.is_empty() {
            return Err(malformed("a link has no target"));
        }
        let device = match kind {
            Kind::Character | Kind::Block => {
                (narrow(number(&header[329..337])?)?, narrow(number(&header[337..345])?)?)
            }
            _ => (0, 0),
        };
        let entry = Entry {
            path,
            kind,
            link,
            mode: (number(&header[100..108])? & 0o7777) as u32,
            uid: narrow(extended.uid.map_or_else(|| number(&header[108..116]), Ok)?)?,
            gid: narrow(extended.gid.map_or_else(|| number(&header[116..124]), Ok)?)?,
            mtime: extended.mtime.unwrap_or((time(&header[136..148])?, 0)),
            size,
            device,
            xattrs: extended.xattrs,
        };
        (self.left, self.padding) = (size, padding(size));
        Ok(entry)
    }
}

fn kind(flag: u8, path: &[u8]) -> io::Result<Kind> {
    Ok(match flag {
        0 if path.ends_with(b"/") => Kind::Directory, // from before there were flags
        0 | b'0' | b'7' => Kind::File,
        b'1' => Kind::HardLink,
        b'2' => Kind::Symlink,
        b'3' => Kind::Character,
        b'4' => Kind::Block,
        b'5' => Kind::Directory,
        b'6' => Kind::Fifo,
        b'S' => {
            return Err(malformed(
                "it holds a sparse file in GNU's format; rebuild the image without --sparse",
            ));
        }
        other => {
            return Err(malformed(&format!("it holds an entry of unknown type {:?}", char::from(other))));
        }
    })
}

/// The name in a header, with ustar's prefix. GNU tar puts other things into the prefix's place.
fn name(header: &[u8; BLOCK]) -> Vec<u8> {
    let name = until_nul(&header[0..100]);
    let prefix = until_nul(&header[345..500]);
    if &header[257..263] == b"ustar\0" && !prefix.is_empty() {
        return [prefix, b"/", name].concat();
    }
    name.to_vec()
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|b| *b == 0).next().unwrap_or_default()
}

fn padding(size: u64) -> u64 {
    size.wrapping_neg() % BLOCK as u64
}

/// An octal number, or a binary one marked by the highest bit.
fn number(field: &[u8]) -> io::Result<u64> {
    let wrong = || malformed("a number in a header is malformed");
    if field[0] & 0x80 != 0 {
        let binary = field.iter().enumerate().map(|(i, b)| if i == 0 { b & 0x7f } else { *b });
        return binary
            .into_iter()
            .try_fold(0u64, |n, b| n.checked_mul(256)?.checked_add(u64::from(b)))
            .ok_or_else(wrong);
    }
    let text = field.trim_ascii_start();
    let text = text.split(|b| *b == 0 || *b == b' ').next().unwrap_or_default();
    let digit = |n: u64, b: &u8| match b {
        b'0'..=b'7' => n.checked_mul(8)?.checked_add(u64::from(b - b'0')),
        _ => None,
    };
    text.iter().try_fold(0, digit).ok_or_else(wrong)
}

/// A time may lie before 1970, as a negative binary number.
fn time(field: &[u8]) -> io::Result<i64> {
    if field[0] == 0xff {
        let low = field[field.len() - 8..].try_into().unwrap_or([0xff; 8]);
        return Ok(i64::from_be_bytes(low));
    }
    Ok(i64::try_from(number(field)?).unwrap_or(i64::MAX))
}

/// User, group and device numbers; the highest one means none to the kernel.
fn narrow(number: u64) -> io::Result<u32> {
    match u32::try_from(number) {
        Ok(number) if number != u32::MAX => Ok(number),
        _ => Err(malformed("a user, group or device number is too large")),
    }
}

/// `length key=value\n`, repeated; the length counts the whole record.
fn parse_pax(mut records: &[u8], into: &mut Extended) -> io::Result<()> {
    let wrong = || malformed("an extended header is malformed");
    while !records.is_empty() && records[0] != 0 {
        let space = records.iter().position(|b| *b == b' ').ok_or_else(wrong)?;
        let length: usize =
            std::str::from_utf8(&records[..space]).ok().and_then(|t| t.parse().ok()).ok_or_else(wrong)?;
        if length <= space + 1 || length > records.len() || records[length - 1] != b'\n' {
            return Err(wrong());
        }
        let record = &records[space + 1..length - 1];
        let equals = record.iter().position(|b| *b == b'=').ok_or_else(wrong)?;
        let key = std::str::from_utf8(&record[..equals]).map_err(|_| wrong())?;
        set_pax(key, &record[equals + 1..], into)?;
        records = &records[length..];
    }
    Ok(())
}

fn set_pax(key: &str, value: &[u8], into: &mut Extended) -> io::Result<()> {
    let wrong = || malformed("a number in an extended header is malformed");
    let text = || std::str::from_utf8(value).map_err(|_| wrong());
    let number = || text()?.parse::<u64>().map_err(|_| wrong());
    match key {
        "path" => into.path = Some(value.to_vec()),
        "linkpath" => into.link = Some(value.to_vec()),
        "size" => into.size = Some(number()?),
        "uid" => into.uid = Some(number()?),
        "gid" => into.gid = Some(number()?),
        "mtime" => into.mtime = Some(pax_time(text()?).ok_or_else(wrong)?),
        _ if key.starts_with("GNU.sparse.") => {
            return Err(malformed(
                "it holds a sparse file in GNU's format; rebuild the image without --sparse",
            ));
        }
        _ => {
            if let Some(name) = key.strip_prefix("SCHILY.xattr.") {
                into.xattrs.push((name.to_owned(), value.to_vec()));
            }
        }
    }
    Ok(())
}

/// Decimal seconds with a fraction, perhaps negative.
fn pax_time(text: &str) -> Option<(i64, u32)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = whole.parse().ok()?;
    if !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let nanos: u32 = format!("{fraction:0<9}").get(..9)?.parse().ok()?;
    match (whole.starts_with('-'), nanos) {
        (true, 1..) => Some((seconds.checked_sub(1)?, 1_000_000_000 - nanos)),
        _ => Some((seconds, nanos)),
    }
}

fn truncated() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the archive ends in the middle of an entry")
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times() {
        assert_eq!(number(b"0000644\0").unwrap(), 0o644);
        assert_eq!(number(b"   644 \0").unwrap(), 0o644);
        assert_eq!(number(b"\0\0\0\0\0\0\0\0").unwrap(), 0);
        assert_eq!(number(&[0x80, 0, 0, 0, 0, 0, 1, 0]).unwrap(), 256);
        assert!(number(b"00009\0\0\0").is_err());
        assert!(number(&[0xff; 12]).is_err());
        assert_eq!(time(&[0xff; 12]).unwrap(), -1);
        let table = [
            ("12", (12, 0)),
            ("12.5", (12, 500_000_000)),
            ("-1.25", (-2, 750_000_000)),
            ("3.1234567899", (3, 123_456_789)),
        ];
        for (text, time) in table {
            assert_eq!(pax_time(text), Some(time), "{text}");
        }
        assert!(narrow(u64::from(u32::MAX)).is_err());
    }

    #[test]
    fn malformed_archives_are_refused() {
        let header = |change: &dyn Fn(&mut tar::Header)| {
            let mut header = tar::Header::new_gnu();
            header.set_path("f").unwrap();
            header.set_size(0);
            header.set_mode(0o644);
            change(&mut header);
            header.set_cksum();
            header.as_bytes().to_vec()
        };
        let mut broken_sum = header(&|_| ());
        broken_sum[0] = b'g';
        let pax = |size: u64, content: &[u8]| {
            let mut bytes = header(&|h| {
                h.set_entry_type(tar::EntryType::XHeader);
                h.set_size(size);
            });
            bytes.extend_from_slice(content);
            bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
            bytes.extend(header(&|_| ()));
            bytes
        };
        let table: Vec<(&str, Vec<u8>)> = vec![
            ("checksum", broken_sum),
            ("half a header", header(&|_| ())[..100].to_vec()),
            ("missing data", header(&|h| h.set_size(10))),
            ("sparse", header(&|h| h.set_entry_type(tar::EntryType::GNUSparse))),
            ("unknown type", header(&|h| h.set_entry_type(tar::EntryType::new(b'Z')))),
            ("link to nothing", header(&|h| h.set_entry_type(tar::EntryType::Symlink))),
            ("huge extension", pax(1 << 40, b"")),
            ("pax length too long", pax(9, b"99 a=b\nxx")),
            ("pax length zero", pax(6, b"0 a=b\n")),
            ("pax without equals", pax(5, b"5 ab\n")),
            ("pax number", pax(10, b"10 size=x\n")),
            ("pax uid", pax(18, b"18 uid=4294967295\n")),
            ("pax sparse", pax(22, b"22 GNU.sparse.major=1\n")),
            ("pax zero byte in path", pax(12, b"12 path=a\0b\n")),
        ];
        for (name, bytes) in table {
            let mut archive = Archive::new(&bytes[..]);
            let mut result = archive.next();
            while let Ok(Some(_)) = result {
                result = archive.next();
            }
            assert!(result.is_err(), "{name}: {result:?}");
        }
    }
}
