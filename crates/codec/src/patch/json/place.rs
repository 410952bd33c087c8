//! Places in a document that paths of JSON patch name: a member of an object, or an element of a list.

use std::borrow::Cow;

use serde_json::{Map, Value};

/// What holds the place that a path names, and the place's name in it.
pub struct Place<'d, 'p> {
    pub within: Container<'d>,
    pub key: Cow<'p, str>,
}

/// What has places.
pub enum Container<'d> {
    Object(&'d mut Map<String, Value>),
    List(&'d mut Vec<Value>),
}

impl<'d, 'p> Place<'d, 'p> {
    /// The place of `path`, unless there is nothing on the way that could have it. Before the first `/` anything may
    /// stand, and is not looked at.
    pub fn find(document: &'d mut Value, path: &'p str) -> Option<Self> {
        let (_, rest) = path.split_once('/')?;
        let (parents, key) = match rest.rsplit_once('/') {
            Some((parents, key)) => (Some(parents), key),
            None => (None, rest),
        };
        let mut within = Container::of(document)?;
        for parent in parents.into_iter().flat_map(|parents| parents.split('/')) {
            within = Container::of(within.get_mut(&unescaped(parent)).ok()??)?;
        }
        Some(Place { within, key: unescaped(key) })
    }
}

impl<'d> Container<'d> {
    fn of(value: &'d mut Value) -> Option<Self> {
        match value {
            Value::Object(members) => Some(Container::Object(members)),
            Value::Array(elements) => Some(Container::List(elements)),
            _ => None,
        }
    }

    /// What is at `key`. A member that is not there is none; an element has to be there.
    pub fn get_mut(self, key: &str) -> Result<Option<&'d mut Value>, String> {
        match self {
            Container::Object(members) => Ok(members.get_mut(key)),
            Container::List(elements) => {
                let index = index(key, elements.len()).and_then(|index| within(index, elements.len()))?;
                Ok(elements.get_mut(index))
            }
        }
    }

    /// What is at `key`, to be looked at.
    pub fn get(&self, key: &str) -> Result<Option<&Value>, String> {
        match self {
            Container::Object(members) => Ok(members.get(key)),
            Container::List(elements) => {
                let index = index(key, elements.len()).and_then(|index| within(index, elements.len()))?;
                Ok(elements.get(index))
            }
        }
    }

    /// Puts `value` where something is, or where an object has nothing.
    pub fn set(&mut self, key: &str, value: Value) -> Result<(), String> {
        match self {
            Container::Object(members) => drop(members.insert(key.to_owned(), value)),
            Container::List(elements) => {
                let at = index(key, elements.len()).and_then(|index| within(index, elements.len()))?;
                elements[at] = value;
            }
        }
        Ok(())
    }

    /// Puts `value` into an object, or into a list before the element at `key`, `-` for the end.
    pub fn add(&mut self, key: &str, value: Value) -> Result<(), String> {
        match self {
            Container::Object(members) => drop(members.insert(key.to_owned(), value)),
            Container::List(elements) if key == "-" => elements.push(value),
            Container::List(elements) => {
                let room = elements.len() + 1;
                let at = index(key, room)
                    .map_err(|why| match why.starts_with("strconv") {
                        true => format!("value was not a proper array index: '{key}': {why}"),
                        false => why,
                    })
                    .and_then(|index| within(index, room))?;
                elements.insert(at, value);
            }
        }
        Ok(())
    }

    /// Takes away what is at `key`.
    pub fn remove(&mut self, key: &str) -> Result<Value, String> {
        match self {
            Container::Object(members) => members
                .remove(key)
                .ok_or_else(|| format!("Unable to remove nonexistent key: {key}: missing value")),
            Container::List(elements) => {
                let at = index(key, elements.len()).and_then(|index| within(index, elements.len()))?;
                Ok(elements.remove(at))
            }
        }
    }
}

/// The index that a key says, one below zero counted from the end of `length`; it may be behind the end.
fn index(key: &str, length: usize) -> Result<usize, String> {
    let said: i64 = key.parse().map_err(|error: std::num::ParseIntError| {
        use std::num::IntErrorKind::{NegOverflow, PosOverflow};
        let why = match error.kind() {
            NegOverflow | PosOverflow => "value out of range",
            _ => "invalid syntax",
        };
        format!("strconv.Atoi: parsing {key:?}: {why}")
    })?;
    let index = if said < 0 { said.checked_add_unsigned(length as u64) } else { Some(said) };
    index.and_then(|index| usize::try_from(index).ok()).ok_or_else(|| no_index(said))
}

fn within(index: usize, length: usize) -> Result<usize, String> {
    if index < length { Ok(index) } else { Err(no_index(index as i64)) }
}

fn no_index(index: i64) -> String {
    format!("Unable to access invalid index: {index}: invalid index referenced")
}

/// A name in a path, read once from its begin to its end: `~1` is `/`, `~0` is `~`.
fn unescaped(name: &str) -> Cow<'_, str> {
    if !name.contains('~') {
        return Cow::Borrowed(name);
    }
    let mut plain = String::with_capacity(name.len());
    let mut rest = name;
    while let Some((before, after)) = rest.split_once('~') {
        plain.push_str(before);
        let (read, left) = match after.as_bytes().first() {
            Some(b'1') => ('/', &after[1..]),
            Some(b'0') => ('~', &after[1..]),
            _ => ('~', after),
        };
        plain.push(read);
        rest = left;
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}
