//! Terminal sizes: JSON values, one after the other.

use crate::pipe::{Gone, PipeReader, PipeWriter};
use serde::{Deserialize, Serialize};

/// The longest beginning of a value that is kept.
const MAX_VALUE: usize = 4096;

/// The size of a terminal, in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TerminalSize {
    /// Columns.
    #[serde(rename = "Width", alias = "width", default)]
    pub width: u16,
    /// Rows.
    #[serde(rename = "Height", alias = "height", default)]
    pub height: u16,
}

/// The sizes that a client's terminal takes.
#[derive(Debug)]
pub struct ResizeReader {
    reader: PipeReader,
    unread: Vec<u8>,
}

impl ResizeReader {
    pub(crate) fn new(reader: PipeReader) -> Self {
        ResizeReader { reader, unread: Vec::new() }
    }

    /// The next size; `None` at the end and after something that is no size.
    pub async fn next(&mut self) -> Option<TerminalSize> {
        loop {
            let mut values = serde_json::Deserializer::from_slice(&self.unread).into_iter::<TerminalSize>();
            let value = values.next();
            let used = values.byte_offset();
            match value {
                Some(Ok(size)) => {
                    self.unread.drain(..used);
                    return Some(size);
                }
                Some(Err(e)) if !e.is_eof() => return None,
                _ => {}
            }
            let chunk = self.reader.next().await?;
            if self.unread.len() + chunk.len() > MAX_VALUE {
                return None;
            }
            self.unread.extend_from_slice(&chunk);
        }
    }
}

/// Tells the other side the terminal's sizes.
#[derive(Debug)]
pub struct ResizeWriter(pub(crate) PipeWriter);

impl ResizeWriter {
    /// Sends a size.
    ///
    /// # Errors
    /// [`Gone`] when the session has ended.
    pub async fn send(&mut self, size: TerminalSize) -> Result<(), Gone> {
        let text = format!("{{\"Width\":{},\"Height\":{}}}\n", size.width, size.height);
        self.0.send(text.into()).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipe::pipe;
    use bytes::Bytes;

    #[tokio::test]
    async fn sizes_are_read_from_any_pieces() {
        let (mut writer, reader) = pipe();
        for piece in ["{\"Width\":80,", "\"Height\":24}\n{\"width\":1", ",\"height\":2}", "{}"] {
            writer.send(Bytes::from(piece)).await.expect("room");
        }
        ResizeWriter(writer).send(TerminalSize { width: 9, height: 8 }).await.expect("room");
        let mut sizes = ResizeReader::new(reader);
        let mut seen = Vec::new();
        while let Some(size) = sizes.next().await {
            seen.push((size.width, size.height));
        }
        assert_eq!(seen, [(80, 24), (1, 2), (0, 0), (9, 8)]);
    }

    #[tokio::test]
    async fn nonsense_ends_the_sizes() {
        for text in ["[", "nonsense", &" ".repeat(2 * MAX_VALUE)] {
            let (mut writer, reader) = pipe();
            writer.send(Bytes::from(text.to_owned())).await.expect("room");
            drop(writer);
            assert_eq!(ResizeReader::new(reader).next().await, None, "{text}");
        }
    }
}
