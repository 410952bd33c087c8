//! The text of an expression and positions in it.

use crate::error::Issue;

/// The text of an expression.
#[derive(Clone, Debug)]
pub struct Source {
    text: String,
    /// Where lines begin, in characters.
    lines: Vec<u32>,
}

impl Source {
    pub fn new(text: &str) -> Self {
        let after = |(at, c): (usize, char)| (c == '\n').then_some(at as u32 + 1);
        let lines = std::iter::once(0).chain(text.chars().enumerate().filter_map(after)).collect();
        Source { text: text.to_owned(), lines }
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// An issue at a number of characters from the beginning.
    pub fn issue(&self, position: u32, message: impl Into<String>) -> Issue {
        let line = self.lines.partition_point(|start| *start <= position);
        let column = position - self.lines[line - 1];
        Issue { line, column: column as usize, message: message.into() }
    }
}
