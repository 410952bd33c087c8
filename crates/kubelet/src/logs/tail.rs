//! Where the last lines of a file begin.

use std::io::{self, Read, Seek, SeekFrom};

const BLOCK: u64 = 16 * 1024;

/// The offset from which on the file has its last `lines` lines; an unfinished last line counts for none.
pub fn start(file: &mut (impl Read + Seek), lines: u64) -> io::Result<u64> {
    let mut end = file.seek(SeekFrom::End(0))?;
    let mut seen = 0;
    let mut block = Vec::new();
    while end > 0 {
        let begin = end.saturating_sub(BLOCK);
        block.resize((end - begin) as usize, 0);
        file.seek(SeekFrom::Start(begin))?;
        file.read_exact(&mut block)?;
        for (at, _) in block.iter().enumerate().rev().filter(|(_, b)| **b == b'\n') {
            seen += 1;
            if seen > lines {
                return Ok(begin + at as u64 + 1);
            }
        }
        end = begin;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    #[test]
    fn lines_are_counted_from_the_end() {
        for (text, lines, want) in
            [("a\nb\nc\n", 2, 2), ("a\nb\nc\n", 0, 6), ("a\nb\nc\n", 9, 0), ("a\nb\nc", 1, 2), ("", 1, 0)]
        {
            assert_eq!(start(&mut Cursor::new(text), lines).expect("read"), want, "{text:?} {lines}");
        }
        let long = format!("{}\n", "x".repeat(9)).repeat(10_000);
        assert_eq!(start(&mut Cursor::new(long), 5_000).expect("read"), 50_000);
    }
}
