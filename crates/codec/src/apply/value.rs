//! Operations on values with a type (upstream's `typed` package): their fields, two of them merged, what was
//! removed, and what must be given up when a type became atomic.

use super::element::{Element, Name};
use super::set::Set;
use super::types::{List, Map, TypeRef};
use super::validate::{Misfits, item_element};
use corten_api::ListKind;
use serde_json::{Map as Object, Value};
use std::collections::{BTreeMap, BTreeSet};

fn field(key: &str) -> Element {
    Element::Field(Name::Owned(key.to_string()))
}

fn entries(value: Option<&Value>) -> Option<&Object<String, Value>> {
    value.and_then(Value::as_object)
}

fn items(value: Option<&Value>) -> Option<&Vec<Value>> {
    value.and_then(Value::as_array)
}

/// The fields of a value.
pub(super) fn field_set(value: &Value, ty: TypeRef<'_>) -> Set {
    fields_below(value, ty).1
}

/// Whether the value itself is a field to own, and those below it.
fn fields_below(value: &Value, ty: TypeRef<'_>) -> (bool, Set) {
    let atom = ty.resolve().deduce(Some(value));
    if let Some(map) = atom.map {
        if map.atomic {
            return (true, Set::default());
        }
        return (false, fields_of_map(value, map));
    }
    if atom.scalar.is_some() {
        return (true, Set::default());
    }
    match atom.list {
        Some(list) if list.kind == ListKind::Atomic => (true, Set::default()),
        Some(list) => (false, fields_of_list(value, list)),
        None => (false, Set::default()),
    }
}

fn fields_of_map(value: &Value, map: Map<'_>) -> Set {
    let mut set = Set::default();
    for (key, value) in entries(Some(value)).into_iter().flatten() {
        let declared = map.field(key);
        let Some(ty) = declared.or(map.other) else { continue };
        let (own, below) = fields_below(value, ty);
        let empty = value.is_null() || entries(Some(value)).is_some_and(Object::is_empty);
        set.push(field(key), own || empty || declared.is_none(), below);
    }
    set.settle();
    set
}

fn fields_of_list(value: &Value, list: List<'_>) -> Set {
    let mut set = Set::default();
    let mut seen: BTreeMap<Element, usize> = BTreeMap::new();
    let named = |item| item_element(list, item).ok();
    for element in items(Some(value)).into_iter().flatten().filter_map(named) {
        *seen.entry(element).or_default() += 1;
    }
    for item in items(Some(value)).into_iter().flatten() {
        let Some(element) = named(item) else { continue };
        // What is there more than once is owned as a whole.
        let below = match seen.get(&element) {
            Some(1) => fields_below(item, list.item).1,
            _ => Set::default(),
        };
        set.push(element, true, below);
    }
    set.settle();
    set
}

/// The second value laid over the first; `None` where neither has anything.
pub(super) fn merge(
    left: Option<&Value>,
    right: Option<&Value>,
    ty: TypeRef<'_>,
) -> Result<Option<Value>, Misfits> {
    let leaf = || Ok(right.or(left).cloned());
    let atom = ty.resolve();
    let atom = if right.is_some() { atom.deduce(right) } else { atom.deduce(left) };
    if let Some(map) = atom.map {
        let (l, r) = (entries(left), entries(right));
        let nothing = l.is_none_or(Object::is_empty) && r.is_none_or(Object::is_empty);
        return if map.atomic || nothing { leaf() } else { merge_maps(l, r, map) };
    }
    if atom.scalar.is_some() {
        return leaf();
    }
    let Some(list) = atom.list else { return leaf() };
    let (l, r) = (items(left), items(right));
    let nothing = l.is_none_or(Vec::is_empty) && r.is_none_or(Vec::is_empty);
    if list.kind == ListKind::Atomic || nothing {
        return leaf();
    }
    let none = Vec::new();
    Merge::new(list, l.unwrap_or(&none), r.unwrap_or(&none))?.run()
}

fn merge_maps(
    left: Option<&Object<String, Value>>,
    right: Option<&Object<String, Value>>,
    map: Map<'_>,
) -> Result<Option<Value>, Misfits> {
    let mut out = Object::new();
    let keys: BTreeSet<&String> = left.into_iter().chain(right).flat_map(Object::keys).collect();
    for key in keys {
        let (l, r) = (left.and_then(|l| l.get(key)), right.and_then(|r| r.get(key)));
        let ty = map.field(key).or(map.other).unwrap_or(TypeRef::Deduced);
        if let Some(merged) = merge(l, r, ty)? {
            out.insert(key.clone(), merged);
        }
    }
    Ok((!out.is_empty()).then_some(Value::Object(out)))
}

/// Two lists of named items, merged: the order of the second rules, what only the first has keeps its place
/// before the next item that both have.
struct Merge<'a> {
    list: List<'a>,
    left: &'a [Value],
    left_names: Vec<Element>,
    right_names: Vec<Element>,
    /// Where an item of this name is; `None` when there are several.
    left_at: BTreeMap<Element, Option<usize>>,
    right: &'a [Value],
    right_at: BTreeMap<Element, usize>,
    out: Vec<Value>,
}

impl<'a> Merge<'a> {
    fn new(list: List<'a>, left: &'a [Value], right: &'a [Value]) -> Result<Self, Misfits> {
        let names = |items: &[Value]| -> Result<Vec<Element>, Misfits> {
            let name = |(at, item): (usize, &Value)| {
                item_element(list, item).map_err(|why| Misfits::one(format!("element {at}: {why}")))
            };
            items.iter().enumerate().map(name).collect()
        };
        let (left_names, right_names) = (names(left)?, names(right)?);
        let mut left_at = BTreeMap::new();
        for (at, name) in left_names.iter().enumerate() {
            left_at.entry(name.clone()).and_modify(|at| *at = None).or_insert(Some(at));
        }
        let mut right_at = BTreeMap::new();
        for (at, name) in right_names.iter().enumerate() {
            if right_at.insert(name.clone(), at).is_some() {
                return Err(Misfits::one(format!("duplicate entries for key {name}")));
            }
        }
        Ok(Merge { list, left, left_names, right_names, left_at, right, right_at, out: Vec::new() })
    }

    fn run(mut self) -> Result<Option<Value>, Misfits> {
        let (left_names, right_names) =
            (std::mem::take(&mut self.left_names), std::mem::take(&mut self.right_names));
        let both: Vec<&Element> = right_names.iter().filter(|n| self.left_at.contains_key(n)).collect();
        let mut both = both.into_iter();
        let mut next = both.next();
        let mut merged: BTreeSet<&Element> = BTreeSet::new();
        let (mut l, mut r) = (0, 0);
        while l < left_names.len() || r < right_names.len() {
            if let (Some(left), Some(right)) = (left_names.get(l), right_names.get(r)) {
                if left == right {
                    merged.insert(left);
                    self.pair(left)?;
                    (l, r, next) = (l + 1, r + 1, both.next());
                    continue;
                }
                if self.right_at.contains_key(left) && next.is_some_and(|next| next != left) {
                    // Both have it, but its turn comes later.
                    l += 1;
                    continue;
                }
            }
            if let Some(left) = left_names.get(l) {
                if !self.right_at.contains_key(left) {
                    let kept = merge(Some(&self.left[l]), None, self.list.item)?;
                    self.out.extend(kept);
                    l += 1;
                    continue;
                }
                if merged.contains(left) {
                    l += 1;
                }
            }
            if let Some(right) = right_names.get(r) {
                merged.insert(right);
                self.pair(right)?;
                r += 1;
                if next == Some(right) {
                    next = both.next();
                }
            }
        }
        Ok((!self.out.is_empty()).then_some(Value::Array(self.out)))
    }

    /// Adds an item of the second list, merged with its like in the first.
    fn pair(&mut self, name: &Element) -> Result<(), Misfits> {
        // Several of a name are not merged with the new one.
        let left = self.left_at.get(name).map(|at| at.map_or(&Value::Null, |at| &self.left[at]));
        let right = self.right_at.get(name).map(|at| &self.right[*at]);
        let merged = merge(left, right, self.list.item)?;
        self.out.extend(merged);
        Ok(())
    }
}

/// The value without the fields of the set.
pub(super) fn remove(value: &Value, gone: &Set, ty: TypeRef<'_>) -> Value {
    let atom = ty.resolve().deduce(Some(value));
    if let Some(map) = atom.map {
        return remove_from_map(value, gone, map);
    }
    if atom.scalar.is_some() {
        return value.clone();
    }
    match (atom.list, value) {
        (Some(list), Value::Array(items)) if list.kind != ListKind::Atomic => {
            let kept: Vec<Value> = items.iter().filter_map(|item| remove_item(item, gone, list)).collect();
            if kept.is_empty() { Value::Null } else { Value::Array(kept) }
        }
        _ => Value::Null,
    }
}

fn remove_item(item: &Value, gone: &Set, list: List<'_>) -> Option<Value> {
    let node = item_element(list, item).ok().and_then(|element| gone.node(&element));
    match node {
        Some(node) if node.member => None,
        Some(node) if !node.below.is_empty() => Some(remove(item, &node.below, list.item)),
        _ => Some(item.clone()),
    }
}

fn remove_from_map(value: &Value, gone: &Set, map: Map<'_>) -> Value {
    let Value::Object(entries) = value else { return Value::Null };
    if map.atomic {
        return Value::Null;
    }
    let mut out = Object::new();
    for (key, value) in entries {
        let kept = match gone.node(&field(key)) {
            Some(node) if node.member => continue,
            Some(node) if !node.below.is_empty() => {
                let ty = map.field(key).or(map.other).unwrap_or(TypeRef::Deduced);
                remove(value, &node.below, ty)
            }
            _ => value.clone(),
        };
        out.insert(key.clone(), kept);
    }
    if out.is_empty() { Value::Null } else { Value::Object(out) }
}

/// The set as it must be when a type turned from granular to atomic: whoever owned a part owns the whole.
/// `None` when nothing changes.
pub(super) fn reconcile(set: &Set, ty: TypeRef<'_>) -> Option<Set> {
    let atom = ty.resolve();
    let mut out = Set::default();
    let mut changed = false;
    for node in set.nodes() {
        let ty = match (&node.element, atom.map, atom.list) {
            (Element::Field(name), Some(map), _) if !map.is_deduced() => map.field(name).or(map.other),
            (_, None, Some(list)) => Some(list.item),
            _ => None,
        };
        if !node.below.is_empty() && ty.is_some_and(is_whole) {
            out.push(node.element.clone(), true, Set::default());
            changed = true;
            continue;
        }
        let below = ty.and_then(|ty| reconcile(&node.below, ty));
        changed |= below.is_some();
        out.push(node.element.clone(), node.member, below.unwrap_or_else(|| node.below.clone()));
    }
    changed.then_some(out)
}

/// Whether the type is replaced as a whole.
fn is_whole(ty: TypeRef<'_>) -> bool {
    let atom = ty.resolve();
    match (atom.map, atom.scalar, atom.list) {
        (Some(map), _, _) => map.atomic,
        (None, None, Some(list)) => list.kind == ListKind::Atomic,
        _ => false,
    }
}
