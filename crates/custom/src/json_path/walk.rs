//! What a path finds in a value.

use super::compare::Operator;
use super::{End, Filter, Found, Slice, Step};
use serde_json::Value;
use std::ops::Range;

/// How many values one search may come by.
const MOST_VISITS: usize = 1 << 18;

/// A search, and how much of it may still be done.
pub(super) struct Walk {
    left: usize,
}

/// A step did not fit the value.
pub(super) struct Failed {
    /// Whether something was found up to there, which is enough for a filter that asks whether a place exists.
    some: bool,
}

type Outcome<'a> = Result<Vec<Found<'a>>, Failed>;

impl Default for Walk {
    fn default() -> Self {
        Walk { left: MOST_VISITS }
    }
}

impl Walk {
    pub fn is_exhausted(&self) -> bool {
        self.left == 0
    }

    fn spend(&mut self, visits: usize) -> Result<(), Failed> {
        self.left = self.left.saturating_sub(visits);
        if self.is_exhausted() { Err(Failed { some: false }) } else { Ok(()) }
    }

    /// One step after the other.
    pub fn list<'a>(&mut self, steps: &'a [Step], from: Vec<Found<'a>>) -> Outcome<'a> {
        steps.iter().try_fold(from, |found, step| self.step(step, found))
    }

    fn step<'a>(&mut self, step: &'a Step, from: Vec<Found<'a>>) -> Outcome<'a> {
        self.spend(from.len() + 1)?;
        let stays = Failed { some: !from.is_empty() };
        match step {
            Step::Field(name) => Ok(from.iter().filter_map(|found| found.field(name)).collect()),
            Step::Slice(slice) => self.slice(slice, &from),
            Step::All => {
                let mut found = Vec::new();
                for value in from {
                    self.parts(value, &mut found)?;
                }
                Ok(found)
            }
            Step::Recursive => self.recursive(from),
            Step::Filter(filter) => self.filter(filter, &from),
            Step::Union(lists) => {
                let mut found = Vec::new();
                for steps in lists {
                    found.extend(self.list(steps, from.clone()).map_err(|_| Failed { some: stays.some })?);
                }
                Ok(found)
            }
            Step::Text(text) => Ok(vec![Found::Value(text)]),
            Step::Literal(value) => Ok(vec![Found::Value(value); from.len()]),
            Step::Int(number) => Ok(vec![Found::Int(*number); from.len()]),
            Step::Range => Err(Failed { some: false }),
            Step::Unknown => Err(stays),
        }
    }

    /// Adds what a value consists of.
    fn parts<'a>(&mut self, value: Found<'a>, found: &mut Vec<Found<'a>>) -> Result<(), Failed> {
        let before = found.len();
        match value {
            Found::Value(Value::Array(list)) => found.extend(list.iter().map(Found::Value)),
            Found::Value(Value::Object(fields)) => found.extend(fields.values().map(Found::Value)),
            Found::Value(Value::String(text)) => found.extend(text.bytes().map(Found::Byte)),
            _ => {}
        }
        self.spend(found.len() - before)
    }

    /// All values that have parts, each before what is below it.
    fn recursive<'a>(&mut self, from: Vec<Found<'a>>) -> Outcome<'a> {
        let mut found = Vec::new();
        let mut waiting = from;
        waiting.reverse();
        while let Some(value) = waiting.pop() {
            let before = waiting.len();
            self.parts(value, &mut waiting)?;
            if waiting.len() > before {
                waiting[before..].reverse();
                found.push(value);
            }
        }
        Ok(found)
    }

    fn slice<'a>(&mut self, slice: &Slice, from: &[Found<'a>]) -> Outcome<'a> {
        let fails = || Failed { some: !from.is_empty() };
        let mut found = Vec::new();
        for value in from {
            let list = match value {
                Found::Value(Value::Array(list)) => list,
                Found::Value(Value::Null) => continue,
                _ => return Err(fails()),
            };
            let within = slice.within(list.len()).ok_or_else(fails)?;
            if within.is_empty() {
                // As upstream: what follows an empty list is not looked at.
                break;
            }
            self.spend(within.len())?;
            let step = usize::try_from(slice.step.unwrap_or(1)).ok().filter(|step| *step > 0);
            found.extend(list[within].iter().step_by(step.ok_or_else(fails)?).map(Found::Value));
        }
        Ok(found)
    }

    fn filter<'a>(&mut self, filter: &'a Filter, from: &[Found<'a>]) -> Outcome<'a> {
        let mut found = Vec::new();
        for value in from {
            let Found::Value(Value::Array(list)) = value else { return Err(Failed { some: true }) };
            for item in list.iter().map(Found::Value) {
                if self.passes(filter, item, !found.is_empty())? {
                    found.push(item);
                }
            }
        }
        Ok(found)
    }

    /// Whether an item passes, when `some` did before it.
    fn passes<'a>(&mut self, filter: &'a Filter, item: Found<'a>, some: bool) -> Result<bool, Failed> {
        self.spend(1)?;
        let left = self.list(&filter.left, vec![item]);
        if filter.operator == Operator::Exists {
            return Ok(left.map_or_else(|failed| failed.some, |found| !found.is_empty()));
        }
        let Some(left) = single(left)? else { return Ok(false) };
        let Some(right) = single(self.list(&filter.right, vec![item]))? else { return Ok(false) };
        filter.operator.holds(left, right).ok_or(Failed { some })
    }
}

/// The one value to compare.
fn single(found: Outcome<'_>) -> Result<Option<Found<'_>>, Failed> {
    match found.as_deref() {
        Ok([]) => Ok(None),
        Ok([one]) => Ok(Some(*one)),
        _ => Err(Failed { some: true }),
    }
}

impl<'a> Found<'a> {
    fn field(&self, name: &str) -> Option<Found<'a>> {
        match self {
            Found::Value(Value::Object(fields)) => fields.get(name).map(Found::Value),
            _ => None,
        }
    }
}

impl Slice {
    /// What it means in a list of this length; `None` when that is out of bounds.
    fn within(&self, length: usize) -> Option<Range<usize>> {
        let size = i64::try_from(length).ok()?;
        let from_end = |at: i64| if at < 0 { at + size } else { at };
        let start = self.start.unwrap_or(0);
        let end = match self.end {
            End::OfList => size,
            End::At(at) => from_end(at),
            End::AfterStart => match start.wrapping_add(1) {
                0 => size,
                at => from_end(at),
            },
        };
        let start = from_end(start);
        if start == end {
            return Some(0..0);
        }
        let (start, end) = (usize::try_from(start).ok()?, usize::try_from(end).ok()?);
        (start < length && start < end && end <= length).then_some(start..end)
    }
}
