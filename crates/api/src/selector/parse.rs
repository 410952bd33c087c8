//! The grammar of label selectors in query strings: `a=b,c!=d,e in (f,g),h notin (i),j,!k,l>1`
//! (k8s.io/apimachinery `labels`).

use super::{Operator, ParseError, Requirement};
use crate::names;
use std::collections::BTreeSet;

const BINARY_OPERATORS: &str = "in, notin, =, ==, !=, gt, lt";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    End,
    Open,
    Close,
    Comma,
    Not,
    Equals,
    DoubleEquals,
    NotEquals,
    Greater,
    Less,
    In,
    NotIn,
    Identifier,
}

/// A token and how it is written.
type Item<'a> = (Token, &'a str);

/// Reads a selector, its requirements in the order of their keys.
pub(super) fn parse(text: &str) -> Result<Vec<Requirement>, ParseError> {
    let mut requirements = Parser { items: scan(text), at: 0 }.parse().map_err(ParseError)?;
    requirements.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(requirements)
}

/// Cuts a text into tokens; the last one is the end. A zero byte ends a word, and the text where none is begun.
fn scan(text: &str) -> Vec<Item<'_>> {
    let mut items = Vec::new();
    let mut rest = text.trim_start_matches(is_space);
    while let Some(first) = rest.chars().next().filter(|c| *c != '\0') {
        let (token, length) = match first {
            '=' if rest.starts_with("==") => (Token::DoubleEquals, 2),
            '!' if rest.starts_with("!=") => (Token::NotEquals, 2),
            '=' => (Token::Equals, 1),
            '!' => (Token::Not, 1),
            '(' => (Token::Open, 1),
            ')' => (Token::Close, 1),
            ',' => (Token::Comma, 1),
            '>' => (Token::Greater, 1),
            '<' => (Token::Less, 1),
            _ => {
                let length = rest.find(|c| is_special(c) || is_space(c) || c == '\0').unwrap_or(rest.len());
                let token = match &rest[..length] {
                    "in" => Token::In,
                    "notin" => Token::NotIn,
                    _ => Token::Identifier,
                };
                (token, length)
            }
        };
        let (literal, after) = rest.split_at(length);
        items.push((token, literal));
        let is_word = matches!(token, Token::Identifier | Token::In | Token::NotIn);
        let after = if is_word { after.strip_prefix('\0').unwrap_or(after) } else { after };
        rest = after.trim_start_matches(is_space);
    }
    items.push((Token::End, ""));
    items
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn is_special(c: char) -> bool {
    matches!(c, '=' | '!' | '(' | ')' | ',' | '>' | '<')
}

struct Parser<'a> {
    items: Vec<Item<'a>>,
    at: usize,
}

impl<'a> Parser<'a> {
    /// What comes next; `in` and `notin` are words where no operator is expected.
    fn next(&self) -> Item<'a> {
        match self.operator() {
            (Token::In | Token::NotIn, literal) => (Token::Identifier, literal),
            item => item,
        }
    }

    /// What comes next where an operator is expected.
    fn operator(&self) -> Item<'a> {
        self.items.get(self.at).copied().unwrap_or((Token::End, ""))
    }

    fn take(&mut self) -> Item<'a> {
        let item = self.next();
        self.at += 1;
        item
    }

    fn parse(&mut self) -> Result<Vec<Requirement>, String> {
        let mut requirements = Vec::new();
        loop {
            match self.next() {
                (Token::End, _) => return Ok(requirements),
                (Token::Identifier | Token::Not, _) => {
                    let requirement = self.requirement();
                    requirements
                        .push(requirement.map_err(|why| format!("unable to parse requirement: {why}"))?);
                }
                (_, literal) => {
                    return Err(format!("found '{literal}', expected: !, identifier, or 'end of string'"));
                }
            }
            match (self.take(), self.next()) {
                ((Token::End, _), _) => return Ok(requirements),
                ((Token::Comma, _), (Token::Identifier | Token::Not, _)) => {}
                ((Token::Comma, _), (_, literal)) => {
                    return Err(format!("found '{literal}', expected: identifier after ','"));
                }
                ((_, literal), _) => {
                    return Err(format!("found '{literal}', expected: ',' or 'end of string'"));
                }
            }
        }
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let mut first = self.take();
        let is_absent = first.0 == Token::Not;
        if is_absent {
            first = self.take();
        }
        let (Token::Identifier, key) = first else {
            return Err(format!("found '{}', expected: identifier", first.1));
        };
        let wrong = names::qualified_name(key);
        if !wrong.is_empty() {
            return Err(format!("<nil>: Invalid value: {key:?}: {}", wrong.join("; ")));
        }
        let (operator, values) = match self.next().0 {
            _ if is_absent => (Operator::DoesNotExist, BTreeSet::new()),
            Token::End | Token::Comma => (Operator::Exists, BTreeSet::new()),
            _ => self.condition()?,
        };
        check(key, operator, &values)?;
        let values = values.into_iter().map(str::to_owned).collect();
        Ok(Requirement { key: key.to_owned(), operator, values })
    }

    /// An operator, and what it compares with.
    fn condition(&mut self) -> Result<(Operator, BTreeSet<&'a str>), String> {
        let (token, literal) = self.operator();
        self.at += 1;
        let operator = match token {
            Token::In => Operator::In,
            Token::NotIn => Operator::NotIn,
            Token::Equals => Operator::Equals,
            Token::DoubleEquals => Operator::DoubleEquals,
            Token::NotEquals => Operator::NotEquals,
            Token::Greater => Operator::GreaterThan,
            Token::Less => Operator::LessThan,
            _ => return Err(format!("found '{literal}', expected: {BINARY_OPERATORS}")),
        };
        let values = match operator {
            Operator::In | Operator::NotIn => self.values()?,
            _ => BTreeSet::from([self.value()?]),
        };
        Ok((operator, values))
    }

    /// The single value behind an operator; none is an empty one.
    fn value(&mut self) -> Result<&'a str, String> {
        if matches!(self.next().0, Token::End | Token::Comma) {
            return Ok("");
        }
        match self.take() {
            (Token::Identifier, value) => Ok(value),
            (_, literal) => Err(format!("found '{literal}', expected: identifier")),
        }
    }

    /// Values between parentheses; where there is none between two commas, an empty one.
    fn values(&mut self) -> Result<BTreeSet<&'a str>, String> {
        match self.take() {
            (Token::Open, _) => {}
            (_, literal) => return Err(format!("found '{literal}' expected: '('")),
        }
        let values = match self.next() {
            (Token::Identifier | Token::Comma, _) => self.identifiers()?,
            (Token::Close, _) => BTreeSet::from([""]),
            (_, literal) => return Err(format!("found '{literal}', expected: ',', ')' or identifier")),
        };
        // A list ends before a parenthesis and nowhere else.
        self.at += 1;
        Ok(values)
    }

    fn identifiers(&mut self) -> Result<BTreeSet<&'a str>, String> {
        let mut values = BTreeSet::new();
        loop {
            match self.take() {
                (Token::Identifier, value) => {
                    values.insert(value);
                    match self.next() {
                        (Token::Comma, _) => {}
                        (Token::Close, _) => return Ok(values),
                        (_, literal) => return Err(format!("found '{literal}', expected: ',' or ')'")),
                    }
                }
                (Token::Comma, _) => {
                    let next = self.next().0;
                    if values.is_empty() || matches!(next, Token::Close | Token::Comma) {
                        values.insert("");
                    }
                    if next == Token::Close {
                        return Ok(values);
                    }
                }
                (_, literal) => return Err(format!("found '{literal}', expected: ',', or identifier")),
            }
        }
    }
}

/// Whether these values may stand behind the operator.
fn check(key: &str, operator: Operator, values: &BTreeSet<&str>) -> Result<(), String> {
    let mut errors = Vec::new();
    for (at, value) in values.iter().enumerate() {
        let is_number = matches!(operator, Operator::GreaterThan | Operator::LessThan);
        if is_number && value.parse::<i64>().is_err() {
            let detail = "for 'Gt', 'Lt' operators, the value must be an integer";
            errors.push(format!("values[{at}]: Invalid value: {value:?}: {detail}"));
        }
    }
    for (at, value) in values.iter().enumerate() {
        let wrong = names::label_value(value);
        if !wrong.is_empty() {
            errors.push(format!("values[{at}][{key}]: Invalid value: {value:?}: {}", wrong.join("; ")));
        }
    }
    match errors.len() {
        0 => Ok(()),
        1 => Err(errors.remove(0)),
        _ => Err(format!("[{}]", errors.join(", "))),
    }
}
