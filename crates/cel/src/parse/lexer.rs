//! Source into tokens.

use super::unescape;
use crate::error::Issue;
use crate::source::Source;

/// A token; its position is a number of characters from the beginning.
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    pub kind: TokenKind,
    pub position: u32,
    /// As it is written, for messages.
    pub text: String,
}

#[derive(Clone, Debug, PartialEq)]
pub enum TokenKind {
    /// Operators and punctuation.
    Sign(&'static str),
    Ident,
    Int,
    Uint,
    Double,
    String(String),
    Bytes(Vec<u8>),
    End,
}

impl Token {
    pub fn is(&self, sign: &str) -> bool {
        matches!(self.kind, TokenKind::Sign(own) if own == sign)
    }
}

/// Longest first.
const SIGNS: [&str; 24] = [
    "&&", "||", "==", "!=", "<=", ">=", "<", ">", "+", "-", "*", "/", "%", "!", "?", ":", ".", ",", "(", ")",
    "[", "]", "{", "}",
];

struct Lexer<'a> {
    characters: Vec<char>,
    at: usize,
    source: &'a Source,
    issues: Vec<Issue>,
}

/// The tokens of the source, the last of them its end, and what is no token.
pub fn tokens(source: &Source) -> (Vec<Token>, Vec<Issue>) {
    let mut lexer = Lexer { characters: source.text().chars().collect(), at: 0, source, issues: Vec::new() };
    let mut tokens = Vec::new();
    while let Some(token) = lexer.next() {
        tokens.push(token);
    }
    let end = lexer.characters.len() as u32;
    tokens.push(Token { kind: TokenKind::End, position: end, text: "<EOF>".to_owned() });
    (tokens, lexer.issues)
}

impl Lexer<'_> {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.characters.get(self.at + ahead).copied()
    }

    fn text(&self, from: usize) -> String {
        self.characters[from..self.at].iter().collect()
    }

    fn skip_blanks(&mut self) {
        while let Some(c) = self.peek(0) {
            match c {
                ' ' | '\t' | '\n' | '\r' | '\u{c}' => self.at += 1,
                '/' if self.peek(1) == Some('/') => {
                    while self.peek(0).is_some_and(|c| c != '\n') {
                        self.at += 1;
                    }
                }
                _ => break,
            }
        }
    }

    fn next(&mut self) -> Option<Token> {
        loop {
            self.skip_blanks();
            let start = self.at;
            let first = self.peek(0)?;
            let kind = if let Some(kind) = self.quoted() {
                kind
            } else if first.is_ascii_digit() || (first == '.' && self.digit(1)) {
                self.number()
            } else if first.is_ascii_alphabetic() || first == '_' {
                while self.peek(0).is_some_and(|c| c.is_ascii_alphanumeric() || c == '_') {
                    self.at += 1;
                }
                TokenKind::Ident
            } else if let Some(sign) = self.sign() {
                TokenKind::Sign(sign)
            } else if self.escaped() {
                // The language has names in backticks, Kubernetes does not allow them.
                self.issues.push(self.source.issue(start as u32, "unsupported syntax: '`'"));
                TokenKind::Ident
            } else {
                self.at = (self.at.max(start) + usize::from(self.at == start)).min(self.characters.len());
                let text = self.text(start);
                let issue = format!("Syntax error: token recognition error at: '{}'", shown(&text));
                self.issues.push(self.source.issue(start as u32, issue));
                continue;
            };
            return Some(Token { kind, position: start as u32, text: self.text(start) });
        }
    }

    fn digit(&self, ahead: usize) -> bool {
        self.peek(ahead).is_some_and(|c| c.is_ascii_digit())
    }

    fn sign(&mut self) -> Option<&'static str> {
        let sign = SIGNS
            .iter()
            .find(|sign| sign.chars().enumerate().all(|(number, c)| self.peek(number) == Some(c)))?;
        self.at += sign.len();
        Some(sign)
    }

    /// Whether a name in backticks is next; it is passed over.
    fn escaped(&mut self) -> bool {
        let mut end = 1;
        while self.peek(end).is_some_and(|c| c.is_ascii_alphanumeric() || "_.-/ ".contains(c)) {
            end += 1;
        }
        let found = self.peek(0) == Some('`') && self.peek(end) == Some('`') && end > 1;
        if found {
            self.at += end + 1;
        }
        found
    }

    fn number(&mut self) -> TokenKind {
        if self.peek(0) == Some('0')
            && self.peek(1) == Some('x')
            && self.peek(2).is_some_and(|c| c.is_ascii_hexdigit())
        {
            self.at += 2;
            while self.peek(0).is_some_and(|c| c.is_ascii_hexdigit()) {
                self.at += 1;
            }
            return self.unsigned(TokenKind::Int);
        }
        let digits = |lexer: &mut Self| {
            while lexer.digit(0) {
                lexer.at += 1;
            }
        };
        digits(self);
        let mut double = false;
        if self.peek(0) == Some('.') && self.digit(1) {
            double = true;
            self.at += 1;
            digits(self);
        }
        let signed = usize::from(matches!(self.peek(1), Some('+' | '-')));
        if matches!(self.peek(0), Some('e' | 'E')) && self.digit(1 + signed) {
            double = true;
            self.at += 1 + signed;
            digits(self);
        }
        if double { TokenKind::Double } else { self.unsigned(TokenKind::Int) }
    }

    fn unsigned(&mut self, otherwise: TokenKind) -> TokenKind {
        if matches!(self.peek(0), Some('u' | 'U')) {
            self.at += 1;
            return TokenKind::Uint;
        }
        otherwise
    }

    /// A string or bytes, with the prefixes `r` and `b` in any order.
    fn quoted(&mut self) -> Option<TokenKind> {
        let (mut raw, mut bytes, mut prefix) = (false, false, 0);
        while let Some(c) = self.peek(prefix) {
            match c {
                'r' | 'R' if !raw => raw = true,
                'b' | 'B' if !bytes => bytes = true,
                '"' | '\'' => break,
                _ => return None,
            }
            prefix += 1;
        }
        let start = self.at;
        let quote = self.peek(prefix)?;
        let triple = self.peek(prefix + 1) == Some(quote) && self.peek(prefix + 2) == Some(quote);
        let width = if triple { 3 } else { 1 };
        self.at += prefix + width;
        let from = self.at;
        while let Some(c) = self.peek(0) {
            let ends = c == quote && (!triple || (1..3).all(|ahead| self.peek(ahead) == Some(quote)));
            if ends {
                let text = self.text(from);
                self.at += width;
                return Some(self.contents(start, &text, raw, bytes));
            }
            if !triple && matches!(c, '\n' | '\r') {
                break;
            }
            self.at += if c == '\\' && !raw { 2 } else { 1 };
        }
        // What is not closed is an error up to where it broke off.
        self.at = self.at.min(self.characters.len());
        if prefix > 0 {
            self.at = start;
        }
        None
    }

    fn contents(&mut self, start: usize, text: &str, raw: bool, bytes: bool) -> TokenKind {
        let contents = if raw { Ok(text.as_bytes().to_vec()) } else { unescape::unescape(text, bytes) };
        let contents = contents.unwrap_or_else(|problem| {
            self.issues.push(self.source.issue(start as u32, problem));
            Vec::new()
        });
        if bytes {
            return TokenKind::Bytes(contents);
        }
        TokenKind::String(String::from_utf8_lossy(&contents).into_owned())
    }
}

fn shown(text: &str) -> String {
    text.replace('\n', "\\n").replace('\r', "\\r").replace('\t', "\\t")
}
