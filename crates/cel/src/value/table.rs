//! Maps that expressions make.

use super::{Text, Value};
use crate::error::EvalError;
use std::collections::HashMap;
use std::rc::Rc;

/// A scalar as a key: numbers of different types are the same when they are equal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Key<'a> {
    Bool(bool),
    Number(i128),
    /// The bits of a number that is not whole.
    Fraction(u64),
    Borrowed(&'a str),
    Shared(Rc<str>),
}

impl<'a> Key<'a> {
    /// The value as a key, if it can be one.
    pub fn of(value: &Value<'a>) -> Option<Key<'a>> {
        Some(match value {
            Value::Bool(value) => Key::Bool(*value),
            Value::Int(value) => Key::Number(i128::from(*value)),
            Value::Uint(value) => Key::Number(i128::from(*value)),
            Value::Double(value) if value.trunc() == *value && value.abs() < 1e38 => {
                Key::Number(*value as i128)
            }
            Value::Double(value) => Key::Fraction(value.to_bits()),
            // Short borrowed texts and shared ones must be the same key.
            Value::String(Text::Borrowed(text)) => Key::Borrowed(text),
            Value::String(Text::Shared(text)) => Key::Shared(text.clone()),
            _ => return None,
        })
    }

    fn text(&self) -> Option<&str> {
        match self {
            Key::Borrowed(text) => Some(text),
            Key::Shared(text) => Some(text),
            _ => None,
        }
    }
}

/// Entries in the order of insertion, found by key.
#[derive(Clone, Debug, Default)]
pub struct Table<'a> {
    entries: Vec<(Value<'a>, Value<'a>)>,
    /// Keys that are no text.
    scalars: HashMap<Key<'a>, usize>,
    texts: HashMap<Rc<str>, usize>,
}

impl<'a> Table<'a> {
    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entries.
    pub fn entries(&self) -> &[(Value<'a>, Value<'a>)] {
        &self.entries
    }

    fn place(&self, key: &Key<'a>) -> Option<usize> {
        match key.text() {
            Some(text) => self.texts.get(text).copied(),
            None => self.scalars.get(key).copied(),
        }
    }

    /// The value of the key.
    pub fn get(&self, key: &Value<'a>) -> Option<&Value<'a>> {
        let place = self.place(&Key::of(key)?)?;
        Some(&self.entries[place].1)
    }

    /// Gives the key a value, in place of one it had.
    ///
    /// # Errors
    /// When the value can be no key.
    pub fn set(&mut self, key: Value<'a>, value: Value<'a>) -> Result<(), EvalError> {
        let Some(known) = Key::of(&key) else {
            return Err(EvalError::new(format!("unsupported key type: {}", key.type_of().name())));
        };
        if let Some(place) = self.place(&known) {
            self.entries[place].1 = value;
            return Ok(());
        }
        let place = self.entries.len();
        match known {
            Key::Borrowed(text) => self.texts.insert(text.into(), place),
            Key::Shared(text) => self.texts.insert(text, place),
            other => self.scalars.insert(other, place),
        };
        self.entries.push((key, value));
        Ok(())
    }
}
