//! A pull reader of JSON text. What it refuses, and in which words, is what Go's scanner refuses.

use crate::DecodeError;
use crate::quote::quoted_byte;
use std::borrow::Cow;

/// How deep arrays and objects may nest, as upstream allows.
pub(crate) const MAX_DEPTH: usize = 10_000;

/// The first byte of a value tells what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    Null,
    Bool,
    Number,
    String,
    Array,
    Object,
}

/// A place in a text.
pub(crate) struct Reader<'a> {
    text: &'a str,
    at: usize,
}

/// What a byte inside a string means: 0 itself, else it ends the fast scan.
static STOPS: [bool; 256] = {
    let mut stops = [false; 256];
    let mut b = 0;
    while b < 0x20 {
        stops[b] = true;
        b += 1;
    }
    stops[b'"' as usize] = true;
    stops[b'\\' as usize] = true;
    stops
};

impl<'a> Reader<'a> {
    pub fn new(text: &'a str) -> Self {
        Reader { text, at: 0 }
    }

    /// The number of bytes read.
    pub fn position(&self) -> usize {
        self.at
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) -> Option<u8> {
        loop {
            let byte = self.byte()?;
            if !matches!(byte, b' ' | b'\n' | b'\t' | b'\r') {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    #[cold]
    fn unexpected(&self, context: &str) -> DecodeError {
        DecodeError::Syntax(match self.byte() {
            Some(byte) => format!("invalid character {} {context}", quoted_byte(byte)),
            None => "unexpected end of JSON input".to_string(),
        })
    }

    /// What the next value is; nothing but white space is consumed.
    pub fn peek(&mut self) -> Result<Token, DecodeError> {
        match self.skip_space() {
            Some(b'"') => Ok(Token::String),
            Some(b'{') => Ok(Token::Object),
            Some(b'[') => Ok(Token::Array),
            Some(b'-' | b'0'..=b'9') => Ok(Token::Number),
            Some(b't' | b'f') => Ok(Token::Bool),
            Some(b'n') => Ok(Token::Null),
            _ => Err(self.unexpected("looking for beginning of value")),
        }
    }

    /// Consumes the bracket or brace that [`Reader::peek`] saw.
    pub fn open(&mut self) {
        self.at += 1;
    }

    /// The next key of the object that is open, with its colon; `None` at its end, which is consumed.
    /// `first` starts as true.
    pub fn key(&mut self, first: &mut bool) -> Result<Option<Cow<'a, str>>, DecodeError> {
        match self.skip_space() {
            Some(b'}') => {
                self.at += 1;
                return Ok(None);
            }
            Some(b',') if !*first => {
                self.at += 1;
                self.skip_space();
            }
            _ if !*first => return Err(self.unexpected("after object key:value pair")),
            _ => {}
        }
        *first = false;
        if self.byte() != Some(b'"') {
            return Err(self.unexpected("looking for beginning of object key string"));
        }
        let key = self.string()?;
        if self.skip_space() != Some(b':') {
            return Err(self.unexpected("after object key"));
        }
        self.at += 1;
        Ok(Some(key))
    }

    /// Whether the array that is open has another item; its end is consumed. `first` starts as true.
    pub fn item(&mut self, first: &mut bool) -> Result<bool, DecodeError> {
        match self.skip_space() {
            Some(b']') => {
                self.at += 1;
                return Ok(false);
            }
            Some(b',') if !*first => {
                self.at += 1;
                if self.skip_space() == Some(b']') {
                    return Err(self.unexpected("looking for beginning of value"));
                }
            }
            _ if !*first => return Err(self.unexpected("after array element")),
            _ => {}
        }
        *first = false;
        Ok(true)
    }

    /// A string; borrowed where it holds no escapes.
    pub fn string(&mut self) -> Result<Cow<'a, str>, DecodeError> {
        self.at += 1;
        let start = self.at;
        self.scan();
        if self.byte() == Some(b'"') {
            let text = &self.text[start..self.at];
            self.at += 1;
            return Ok(Cow::Borrowed(text));
        }
        let mut out = String::from(&self.text[start..self.at]);
        loop {
            match self.byte() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Cow::Owned(out));
                }
                Some(b'\\') => {
                    self.at += 1;
                    out.push(self.escape()?);
                }
                _ => return Err(self.unexpected("in string literal")),
            }
            let start = self.at;
            self.scan();
            out.push_str(&self.text[start..self.at]);
        }
    }

    /// Moves to the next byte that means something in a string.
    fn scan(&mut self) {
        let rest = &self.text.as_bytes()[self.at..];
        self.at += rest.iter().position(|b| STOPS[*b as usize]).unwrap_or(rest.len());
    }

    fn escape(&mut self) -> Result<char, DecodeError> {
        let c = match self.byte() {
            Some(b'n') => '\n',
            Some(b't') => '\t',
            Some(b'r') => '\r',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(c @ (b'"' | b'\\' | b'/')) => char::from(c),
            Some(b'u') => {
                self.at += 1;
                return self.unicode();
            }
            _ => return Err(self.unexpected("in string escape code")),
        };
        self.at += 1;
        Ok(c)
    }

    /// The character after `\u`; halves of a pair that stand alone become U+FFFD.
    fn unicode(&mut self) -> Result<char, DecodeError> {
        let first = self.hex4()?;
        if !(0xD800..0xDC00).contains(&first) {
            return Ok(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        let back = self.at;
        if self.text.as_bytes()[self.at..].starts_with(b"\\u") {
            self.at += 2;
            let second = self.hex4()?;
            if (0xDC00..0xE000).contains(&second) {
                let code = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
                return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            self.at = back;
        }
        Ok(char::REPLACEMENT_CHARACTER)
    }

    fn hex4(&mut self) -> Result<u32, DecodeError> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.byte().and_then(|b| char::from(b).to_digit(16));
            let Some(digit) = digit else {
                return Err(self.unexpected("in \\u hexadecimal character escape"));
            };
            code = code * 16 + digit;
            self.at += 1;
        }
        Ok(code)
    }

    /// A number's text.
    pub fn number(&mut self) -> Result<&'a str, DecodeError> {
        let start = self.at;
        if self.byte() == Some(b'-') {
            self.at += 1;
        }
        match self.byte() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits(),
            _ => return Err(self.unexpected("in numeric literal")),
        }
        if self.byte() == Some(b'.') {
            self.at += 1;
            self.some_digits("after decimal point in numeric literal")?;
        }
        if matches!(self.byte(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.byte(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.some_digits("in exponent of numeric literal")?;
        }
        Ok(&self.text[start..self.at])
    }

    fn digits(&mut self) {
        while matches!(self.byte(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
    }

    fn some_digits(&mut self, context: &str) -> Result<(), DecodeError> {
        if !matches!(self.byte(), Some(b'0'..=b'9')) {
            return Err(self.unexpected(context));
        }
        self.digits();
        Ok(())
    }

    /// `null`.
    pub fn null(&mut self) -> Result<(), DecodeError> {
        self.word("null")
    }

    /// `true` or `false`.
    pub fn bool(&mut self) -> Result<bool, DecodeError> {
        let value = self.byte() == Some(b't');
        self.word(if value { "true" } else { "false" })?;
        Ok(value)
    }

    fn word(&mut self, word: &str) -> Result<(), DecodeError> {
        for want in word.bytes() {
            if self.byte() != Some(want) {
                let context = format!("in literal {word} (expecting '{}')", char::from(want));
                return Err(self.unexpected(&context));
            }
            self.at += 1;
        }
        Ok(())
    }

    /// Consumes a value of any shape and gives its text.
    pub fn skip(&mut self) -> Result<&'a str, DecodeError> {
        self.skip_space();
        let start = self.at;
        let mut open: Vec<Token> = Vec::new();
        loop {
            let token = self.peek()?;
            let mut first = false;
            match token {
                Token::Null => self.null()?,
                Token::Bool => drop(self.bool()?),
                Token::Number => drop(self.number()?),
                Token::String => drop(self.string()?),
                Token::Array | Token::Object => {
                    if open.len() >= MAX_DEPTH {
                        return Err(too_deep());
                    }
                    self.open();
                    open.push(token);
                    first = true;
                }
            }
            // On to the next value, closing what ends before it.
            loop {
                let more = match open.last() {
                    None => return Ok(&self.text[start..self.at]),
                    Some(Token::Object) => self.key(&mut first)?.is_some(),
                    Some(_) => self.item(&mut first)?,
                };
                if more {
                    break;
                }
                open.pop();
                first = false;
            }
        }
    }

    /// Nothing but white space may follow.
    pub fn end(&mut self) -> Result<(), DecodeError> {
        match self.skip_space() {
            None => Ok(()),
            Some(_) => Err(self.unexpected("after top-level value")),
        }
    }
}

/// The text nests deeper than is read.
#[cold]
pub(crate) fn too_deep() -> DecodeError {
    DecodeError::Syntax("exceeded max depth".to_string())
}
