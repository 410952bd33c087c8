//! The reading of paths.

use super::compare::Operator;
use super::quoted::unquoted;
use super::{End, Filter, Slice, Step, Steps};
use serde_json::Value;

/// How deep filters may stand within filters.
const DEEPEST: usize = 8;

/// The actions of a template (`{.a}, {.b}`) and the texts between them.
pub(super) fn template(mut text: &str, depth: usize) -> Result<Vec<Steps>, String> {
    let mut lists = Vec::new();
    loop {
        let (before, action) = text.split_once('{').map_or((text, None), |(b, a)| (b, Some(a)));
        if !before.is_empty() {
            lists.push(Steps::from([Step::Text(before.into())]));
        }
        let Some(action) = action else { return Ok(lists) };
        let mut parser = Parser { rest: action, steps: Vec::new(), depth };
        parser.action()?;
        lists.push(parser.steps.into());
        text = parser.rest;
    }
}

struct Parser<'t> {
    rest: &'t str,
    steps: Vec<Step>,
    depth: usize,
}

impl<'t> Parser<'t> {
    /// Everything up to the brace that ends the action.
    fn action(&mut self) -> Result<(), String> {
        loop {
            let mut chars = self.rest.chars();
            match chars.next() {
                Some('}') => {
                    self.rest = chars.as_str();
                    return Ok(());
                }
                None | Some('\r' | '\n') => return Err("unclosed action".into()),
                Some(' ' | '@' | '$') => self.rest = chars.as_str(),
                Some('[') if self.rest.starts_with("[?(") => self.filter()?,
                Some('[') => self.subscript()?,
                Some('.') if self.rest.starts_with("..") => self.recursive()?,
                Some('.') => {
                    self.rest = chars.as_str();
                    self.field();
                }
                Some(quote @ ('"' | '\'')) => self.quoted(quote)?,
                Some(c) if matches!(c, '+' | '-') || c.is_numeric() => self.number()?,
                Some(c) if c == '_' || c.is_alphabetic() => self.identifier(),
                Some(c) => {
                    let shown = if c.is_control() { String::new() } else { format!(" '{c}'") };
                    return Err(format!("unrecognized character in action: U+{:04X}{shown}", u32::from(c)));
                }
            }
        }
    }

    /// Cuts off what stands before the position.
    fn cut(&mut self, at: usize) -> &'t str {
        let (before, rest) = self.rest.split_at(at);
        self.rest = rest;
        before
    }

    /// The first list of a template of its own.
    fn nested(&self, action: &str) -> Result<Steps, String> {
        if self.depth == DEEPEST {
            return Err("the path is too deep".into());
        }
        let lists = template(&format!("{{{action}}}"), self.depth + 1)?;
        Ok(lists.into_iter().next().unwrap_or_default())
    }

    fn field(&mut self) {
        let mut chars = self.rest.char_indices();
        let end = loop {
            match chars.next() {
                Some((_, '\\')) => drop(chars.next()),
                Some((at, c)) if is_end(c) => break at,
                Some(_) => {}
                None => break self.rest.len(),
            }
        };
        let name = self.cut(end);
        self.steps.push(if name == "*" { Step::All } else { Step::Field(name.replace('\\', "").into()) });
    }

    fn recursive(&mut self) -> Result<(), String> {
        if self.steps.last() == Some(&Step::Recursive) {
            return Err("invalid multiple recursive descent".into());
        }
        self.cut("..".len());
        self.steps.push(Step::Recursive);
        if self.rest.starts_with(|c: char| c == '_' || c.is_alphanumeric()) {
            self.field();
        }
        Ok(())
    }

    fn identifier(&mut self) {
        let word = self.cut(self.rest.find(is_end).unwrap_or(self.rest.len()));
        self.steps.push(match word {
            "true" | "false" => Step::Literal(Value::Bool(word == "true")),
            "range" | "end" => Step::Range,
            _ => Step::Unknown,
        });
    }

    fn number(&mut self) -> Result<(), String> {
        let unsigned = self.rest.strip_prefix(['+', '-']).unwrap_or(self.rest);
        let length = unsigned.find(|c: char| c != '.' && !c.is_numeric()).unwrap_or(unsigned.len());
        let text = self.cut(self.rest.len() - unsigned.len() + length);
        let int = text.parse().ok().map(Step::Int);
        let float = || text.parse::<f64>().ok().and_then(serde_json::Number::from_f64);
        let step = int.or_else(|| float().map(|number| Step::Literal(number.into())));
        self.steps.push(step.ok_or_else(|| format!("cannot parse number {text}"))?);
        Ok(())
    }

    fn quoted(&mut self, quote: char) -> Result<(), String> {
        let mut escaped = false;
        let end = self.rest.char_indices().skip(1).find(|(_, c)| {
            let ends = *c == '\n' || *c == quote && !escaped;
            escaped = *c == '\\';
            ends
        });
        let Some((end, _)) = end.filter(|(_, c)| *c == quote) else {
            return Err("unterminated quoted string".into());
        };
        let text = self.cut(end + 1);
        let inside = unquoted(&text[1..end], quote)
            .ok_or_else(|| format!("unquote string {text} error invalid syntax"))?;
        self.steps.push(Step::Text(inside.into()));
        Ok(())
    }

    /// `[0]`, `[1:3]`, `['name']`, `[0,2]`
    fn subscript(&mut self) -> Result<(), String> {
        let end = self.rest.find([']', '\n']).filter(|end| self.rest[*end..].starts_with(']'));
        let text = &self.cut(end.ok_or("unterminated array")? + 1)[1..];
        let text = &text[..text.len() - 1];
        let key = text.strip_prefix('\'').and_then(|t| t.strip_suffix('\''));
        if text.contains(',') {
            let parts = text.split(',').map(|part| self.nested(&format!("[{}]", part.trim_matches(' '))));
            let parts = parts.collect::<Result<_, _>>()?;
            self.steps.push(Step::Union(parts));
        } else if let Some(key) = key.filter(|key| !key.contains('\'')) {
            let steps = self.nested(&format!(".{key}"))?;
            self.steps.extend(steps);
        } else {
            self.steps.push(Step::Slice(slice(text)?));
        }
        Ok(())
    }

    /// `[?(…)]`, which ends with the first parenthesis outside of its first quoted text.
    fn filter(&mut self) -> Result<(), String> {
        const OPENING: &str = "[?(";
        self.cut(OPENING.len());
        let (mut quote, mut closed, mut escaped) = (None, false, false);
        let end = self.rest.char_indices().find(|(_, c)| {
            match (c, quote) {
                ('"' | '\'', None) => quote = Some(*c),
                (c, Some(q)) if *c == q && !escaped => closed = true,
                _ => {}
            }
            escaped = *c == '\\';
            *c == '\n' || *c == ')' && quote.is_some() == closed
        });
        let Some((end, _)) = end.filter(|(_, c)| *c == ')') else {
            return Err("unterminated filter".into());
        };
        let text = self.cut(end);
        self.rest = self.rest.strip_prefix(")]").ok_or("unclosed array expect ]")?;
        let (left, operator, right) = match compared(text) {
            Some((left, sign, right)) => (left, Operator::of(sign), self.nested(right)),
            None => (text, Operator::Exists, Ok(Steps::default())),
        };
        let filter = Filter { left: self.nested(left)?, operator, right: right? };
        self.steps.push(Step::Filter(Box::new(filter)));
        Ok(())
    }
}

/// Whether a name ends before this.
fn is_end(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n' | '.' | ',' | '[' | ']' | '$' | '@' | '{' | '}')
}

/// The two sides of a comparison and the sign between them.
fn compared(text: &str) -> Option<(&str, &str, &str)> {
    const SIGNS: [char; 4] = ['!', '<', '>', '='];
    let (left, rest) = text.split_at(text.find(SIGNS).filter(|at| *at > 0)?);
    // Where nothing follows the signs, the last of them is what is compared with.
    let end = rest.find(|c| !SIGNS.contains(&c)).unwrap_or(rest.len() - 1);
    if end == 0 { None } else { Some((left, &rest[..end], &rest[end..])) }
}

/// `start:end:step`
fn slice(text: &str) -> Result<Slice, String> {
    let parts: Vec<&str> = if text == "*" { vec!["", ""] } else { text.split(':').collect() };
    let digits = |part: &str| part.strip_prefix('-').unwrap_or(part).bytes().all(|b| b.is_ascii_digit());
    if parts.len() > 3 || !parts.iter().all(|part| digits(part)) {
        return Err(format!("invalid array index {text}"));
    }
    let number = |n: usize| match parts.get(n) {
        None | Some(&"") => Ok(None),
        Some(part) => part.parse().map(Some).map_err(|_| format!("array index {part} is not a number")),
    };
    let start = number(0)?;
    let end = match number(1)? {
        Some(at) => End::At(at),
        None if parts.len() == 1 => End::AfterStart,
        None => End::OfList,
    };
    Ok(Slice { start, end, step: number(2)? })
}
