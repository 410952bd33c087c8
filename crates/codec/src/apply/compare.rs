//! What changed between two values of a type (upstream's `typed.Comparison`).

use super::element::{Element, Name, same};
use super::set::Set;
use super::types::{List, Map, TypeRef};
use super::validate::item_element;
use corten_api::ListKind;
use serde_json::{Map as Object, Value};
use std::collections::BTreeMap;

/// The fields that the second value has no more, has changed, and has in addition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    pub removed: Set,
    pub modified: Set,
    pub added: Set,
}

/// What became of one field, beside those below it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fate {
    pub removed: bool,
    pub modified: bool,
    pub added: bool,
}

impl Fate {
    /// Of a field that is looked at as a whole.
    pub(super) fn of_leaf(left: bool, right: bool, same: impl FnOnce() -> bool) -> Self {
        match (left, right) {
            (false, _) => Fate { added: true, ..Fate::default() },
            (_, false) => Fate { removed: true, ..Fate::default() },
            _ => Fate { modified: !same(), ..Fate::default() },
        }
    }

    /// Of a field with others below it.
    pub(super) fn of_branch(left: bool, right: bool) -> Self {
        Fate { removed: left && !right, added: !left && right, modified: false }
    }
}

impl Comparison {
    /// Whether nothing changed.
    pub fn is_same(&self) -> bool {
        self.removed.is_empty() && self.modified.is_empty() && self.added.is_empty()
    }

    /// Adds a field.
    pub(super) fn push(&mut self, element: Element, fate: Fate, below: Comparison) {
        let parts = [
            (&mut self.removed, fate.removed, below.removed),
            (&mut self.modified, fate.modified, below.modified),
            (&mut self.added, fate.added, below.added),
        ];
        let mut parts = parts.into_iter().filter(|(_, own, below)| *own || !below.nodes().is_empty());
        let Some(mut part) = parts.next() else { return };
        for other in parts {
            part.0.push(element.clone(), part.1, part.2);
            part = other;
        }
        part.0.push(element, part.1, part.2);
    }

    /// Brings pushed fields in order.
    pub(super) fn settle(&mut self) {
        self.removed.settle();
        self.modified.settle();
        self.added.settle();
    }

    fn and(self, other: Comparison) -> Comparison {
        Comparison {
            removed: self.removed.union(&other.removed),
            modified: self.modified.union(&other.modified),
            added: self.added.union(&other.added),
        }
    }

    /// The same with each set changed.
    pub fn map(self, change: impl Fn(Set) -> Set) -> Comparison {
        Comparison {
            removed: change(self.removed),
            modified: change(self.modified),
            added: change(self.added),
        }
    }
}

/// Compares two values.
pub fn compare(left: &Value, right: &Value, ty: TypeRef<'_>) -> Comparison {
    fields(Some(left), Some(right), ty).1
}

pub(super) fn fields(left: Option<&Value>, right: Option<&Value>, ty: TypeRef<'_>) -> (Fate, Comparison) {
    let atom = ty.resolve();
    let (l, r) = (atom.deduce(left), atom.deduce(right));
    if right.is_none() {
        return as_one(left, right, (l.map, l.scalar.is_some(), l.list));
    }
    let second = as_one(left, right, (r.map, r.scalar.is_some(), r.list));
    if left.is_none() || l.shape() == r.shape() {
        return second;
    }
    // The value changed its shape: what it was is compared, and what it is.
    let first = as_one(left, right, (l.map, l.scalar.is_some(), l.list));
    let own = |f: fn(&Fate) -> bool| f(&first.0) || f(&second.0);
    let fate = Fate { removed: own(|f| f.removed), modified: own(|f| f.modified), added: own(|f| f.added) };
    (fate, first.1.and(second.1))
}

fn as_one(
    left: Option<&Value>,
    right: Option<&Value>,
    (map, scalar, list): (Option<Map<'_>>, bool, Option<List<'_>>),
) -> (Fate, Comparison) {
    let is_same = || left.zip(right).is_some_and(|(l, r)| same(l, r));
    let leaf = || (Fate::of_leaf(left.is_some(), right.is_some(), is_same), Comparison::default());
    if let Some(map) = map {
        let (l, r) = (left.and_then(Value::as_object), right.and_then(Value::as_object));
        let nothing = l.is_none_or(Object::is_empty) && r.is_none_or(Object::is_empty);
        if map.atomic || nothing {
            return leaf();
        }
        return (Fate::of_branch(left.is_some(), right.is_some()), maps(l, r, map));
    }
    let Some(list) = list.filter(|_| !scalar) else { return leaf() };
    let (l, r) = (left.and_then(Value::as_array), right.and_then(Value::as_array));
    let nothing = l.is_none_or(Vec::is_empty) && r.is_none_or(Vec::is_empty);
    if list.kind == ListKind::Atomic || nothing {
        return leaf();
    }
    let lists = lists(l.map_or(&[][..], |l| l), r.map_or(&[][..], |r| r), list);
    (Fate::of_branch(left.is_some(), right.is_some()), lists)
}

fn maps(
    left: Option<&Object<String, Value>>,
    right: Option<&Object<String, Value>>,
    map: Map<'_>,
) -> Comparison {
    let mut out = Comparison::default();
    let mut compare_key = |key: &String, l: Option<&Value>, r: Option<&Value>| {
        let ty = map.field(key).or(map.other).unwrap_or(TypeRef::Deduced);
        let (fate, below) = fields(l, r, ty);
        out.push(Element::Field(Name::Owned(key.clone())), fate, below);
    };
    for (key, value) in left.into_iter().flatten() {
        compare_key(key, Some(value), right.and_then(|r| r.get(key)));
    }
    for (key, value) in right.into_iter().flatten() {
        if left.is_none_or(|l| !l.contains_key(key)) {
            compare_key(key, None, Some(value));
        }
    }
    out.settle();
    out
}

fn lists(left: &[Value], right: &[Value], list: List<'_>) -> Comparison {
    type Pair<'v> = (Vec<&'v Value>, Vec<&'v Value>);
    let mut pairs: BTreeMap<Element, Pair<'_>> = BTreeMap::new();
    for item in left {
        if let Ok(element) = item_element(list, item) {
            pairs.entry(element).or_default().0.push(item);
        }
    }
    for item in right {
        if let Ok(element) = item_element(list, item) {
            pairs.entry(element).or_default().1.push(item);
        }
    }
    let mut out = Comparison::default();
    for (element, (l, r)) in pairs {
        let one = |l: Option<&&Value>, r: Option<&&Value>| fields(l.copied(), r.copied(), list.item);
        let equal = || l.len() == r.len() && l.iter().zip(&r).all(|(l, r)| same(l, r));
        let (fate, below) = pair((l.len(), r.len()), equal, |l_at, r_at| {
            one(l.first().filter(|_| l_at), r.first().filter(|_| r_at))
        });
        out.push(element, fate, below);
    }
    out
}

/// Compares what lists have under one name. Items that are there several times are owned as a whole.
pub(super) fn pair(
    count: (usize, usize),
    equal: impl FnOnce() -> bool,
    one: impl FnOnce(bool, bool) -> (Fate, Comparison),
) -> (Fate, Comparison) {
    match count {
        (0 | 1, 0 | 1) => one(true, true),
        (2.., 2..) => (Fate { modified: !equal(), ..Fate::default() }, Comparison::default()),
        (2.., r) => {
            let (fate, below) = if r == 0 { Default::default() } else { one(false, true) };
            (Fate { removed: true, ..fate }, below)
        }
        (l, _) => {
            let (fate, below) = if l == 0 { Default::default() } else { one(true, false) };
            (Fate { added: true, ..fate }, below)
        }
    }
}
