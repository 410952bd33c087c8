//! The text of an amount that is not written in its canonical form.

/// The longest text that is kept; longer ones, which nobody writes, become canonical.
const LONGEST: usize = 14;

/// A short text, or none. It takes the room that an amount leaves free anyway.
#[derive(Clone, Copy)]
pub(super) struct Written {
    length: u8,
    text: [u8; LONGEST],
}

impl Written {
    pub const NOT: Written = Written { length: 0, text: [0; LONGEST] };

    /// Keeps a text that is short enough.
    pub fn keep(text: &str) -> Written {
        let mut written = Written::NOT;
        if let (Some(room), Ok(length)) = (written.text.get_mut(..text.len()), u8::try_from(text.len())) {
            room.copy_from_slice(text.as_bytes());
            written.length = length;
        }
        written
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.text[..self.length.into()]).unwrap_or_default()
    }
}

impl Default for Written {
    fn default() -> Self {
        Written::NOT
    }
}
