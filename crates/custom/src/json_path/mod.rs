//! The paths by which columns and selectable fields name a place: JSONPath as `k8s.io/client-go/util/jsonpath`
//! reads it, oddities included, for definitions in the wild rely on them: a name in brackets is a path of its
//! own (`['a.b']` is `.a.b`), an empty name is a field, an index out of bounds and an index into what is no list
//! are errors, and an error anywhere means that nothing is found at all.

mod compare;
mod parse;
mod quoted;
mod walk;

use compare::Operator;
use serde_json::Value;
use walk::Walk;

/// A step of a path.
#[derive(Clone, Debug, PartialEq)]
enum Step {
    Field(Box<str>),
    /// `[*]`, `[0]`, `[1:3]`
    Slice(Slice),
    /// `.*`
    All,
    /// `..`: the value and everything below it that has parts.
    Recursive,
    /// `[?(@.type == "Ready")]`
    Filter(Box<Filter>),
    /// `['a','b']`
    Union(Box<[Steps]>),
    /// One text, whatever came before.
    Text(Value),
    /// A value in the place of each that came before.
    Literal(Value),
    Int(i64),
    /// `range` and `end`, which only templates have a use for.
    Range,
    /// A word that means nothing.
    Unknown,
}

type Steps = Box<[Step]>;

/// `[start:end:step]`; what is left out depends on the list.
#[derive(Clone, Debug, PartialEq)]
struct Slice {
    start: Option<i64>,
    end: End,
    step: Option<i64>,
}

/// Where a slice ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    /// `[n]`: one element.
    AfterStart,
    /// `[n:]`
    OfList,
    At(i64),
}

#[derive(Clone, Debug, PartialEq)]
struct Filter {
    left: Steps,
    operator: Operator,
    right: Steps,
}

/// A parsed path: the actions of a template and the texts between them, of which the first tells what is found
/// and the others can only fail.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonPath(Box<[Steps]>);

/// Something found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Found<'a> {
    /// A part of the object, or a text, float or boolean of the path itself.
    Value(&'a Value),
    /// A whole number of the path itself.
    Int(i64),
    /// A byte of a string that was asked for its parts.
    Byte(u8),
}

/// How long a path may be, in bytes.
const LONGEST: usize = 4096;

impl JsonPath {
    /// Reads `.spec.list[0].name`.
    ///
    /// # Errors
    /// A text about what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > LONGEST {
            return Err(format!("the path is longer than {LONGEST} bytes"));
        }
        parse::template(&format!("{{{text}}}"), 0).map(|lists| JsonPath(lists.into()))
    }

    /// Everything at the place; `None` when the value is not of the form that the path expects.
    pub fn find<'a>(&'a self, value: &'a Value) -> Option<Vec<Found<'a>>> {
        let mut walk = Walk::default();
        let mut lists = self.0.iter().map(|steps| walk.list(steps, vec![Found::Value(value)]).ok());
        let first = lists.next()??;
        let whole = lists.all(|found| found.is_some());
        (whole && !walk.is_exhausted()).then_some(first)
    }

    /// The first thing at the place.
    pub fn first<'a>(&'a self, value: &'a Value) -> Option<Found<'a>> {
        self.find(value)?.first().copied()
    }
}

#[cfg(test)]
mod tests;
