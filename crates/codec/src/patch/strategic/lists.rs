//! Two lists become one.

use super::complaint::{Result, fault, mixed_types, no_merge_key, no_scalar, not_object, unknown_directive};
use super::order::arranged;
use super::shape::Rules;
use super::{DIRECTIVE, merge_map};
use crate::patch::PatchError;
use crate::shown::go_type;
use serde_json::Value;
use std::collections::{HashMap, HashSet};

/// A merged list. The vectors of places have one for each of the items.
pub struct Joined {
    items: Vec<Value>,
    /// The items that are left, in order.
    order: Vec<usize>,
    /// Where the server has them.
    server: Vec<Option<usize>>,
}

impl Joined {
    /// A list that the patch does not touch.
    pub fn untouched(items: Vec<Value>, key: &str) -> Result<Self> {
        let server = firsts(&items, key)?.into_iter().map(Some).collect();
        Ok(Joined { order: (0..items.len()).collect(), items, server })
    }

    /// A list that stands in the place of the server's.
    pub fn instead_of(server: &[Value], items: Vec<Value>, key: &str) -> Result<Self> {
        let mut new = Joined { order: (0..items.len()).collect(), server: vec![None; items.len()], items };
        if !server.is_empty() {
            new.server = new.places_in(server, key)?;
        }
        Ok(new)
    }

    /// Puts what `wanted` names in its order.
    pub fn rearrange(&mut self, wanted: &[Value], key: &str) -> Result<()> {
        let wanted = self.places_in(wanted, key)?;
        self.order = arranged(std::mem::take(&mut self.order), &wanted, &self.server);
        Ok(())
    }

    /// Where the items stand in a list.
    fn places_in(&self, list: &[Value], key: &str) -> Result<Vec<Option<usize>>> {
        let mut known = HashMap::with_capacity(list.len());
        let mut end = None;
        for (at, item) in list.iter().enumerate() {
            match identity(item, key) {
                _ if !key.is_empty() && !item.is_object() => {
                    end = Some(at);
                    break;
                }
                Some(id) if !is_scalar(id) && key.is_empty() => return no_scalar(id),
                Some(id) => {
                    known.entry(id).or_insert(at);
                }
                None => {}
            }
        }
        let mut places = vec![None; self.items.len()];
        for &at in &self.order {
            let item = &self.items[at];
            places[at] = match (identity(item, key), end) {
                (None, _) if item.is_object() => return no_merge_key(item, key),
                (None, _) => return not_object(item),
                (Some(id), _) if !is_scalar(id) => return no_scalar(id),
                (Some(id), end) => match (known.get(id), end) {
                    (Some(&place), _) => Some(place),
                    (None, None) => None,
                    (None, Some(end)) => return fault(format!("value for key {end} is not a map")),
                },
            };
        }
        Ok(places)
    }

    pub fn into_list(self) -> Vec<Value> {
        let Joined { mut items, order, .. } = self;
        order.into_iter().map(|at| std::mem::take(&mut items[at])).collect()
    }
}

/// What tells an item from others: itself, where there is no key.
fn identity<'v>(item: &'v Value, key: &str) -> Option<&'v Value> {
    if key.is_empty() { Some(item) } else { item.get(key) }
}

fn is_scalar(value: &Value) -> bool {
    !matches!(value, Value::Object(_) | Value::Array(_))
}

/// For each item the first that is the same.
fn firsts(items: &[Value], key: &str) -> Result<Vec<usize>> {
    let mut seen = HashMap::with_capacity(items.len());
    let first = |(at, item)| match identity(item, key) {
        None => Ok(at),
        Some(id) if is_scalar(id) => Ok(*seen.entry(id).or_insert(at)),
        Some(id) => no_scalar(id),
    };
    items.iter().enumerate().map(first).collect()
}

/// Whether the items of both lists are objects. They must be of one type.
pub fn are_objects(one: &[Value], other: &[Value]) -> Result<bool> {
    let mut items = one.iter().chain(other);
    let Some(first) = items.next() else { return fault("no elements in any of the given slices") };
    match first {
        Value::Null => return fault("the elements of a list that is merged cannot be null"),
        Value::Array(_) => return Err(PatchError::Unprocessable("lists of lists are not supported".into())),
        _ => {}
    }
    if items.any(|item| go_type(item) != go_type(first)) {
        return mixed_types([one, other]);
    }
    Ok(first.is_object())
}

/// Merges `patch` into the server's list, or takes its items from it if it is a `deletion`.
pub fn merge_list(
    mut server: Vec<Value>,
    patch: Vec<Value>,
    rules: &Rules,
    deletion: bool,
) -> Result<Joined> {
    if server.is_empty() && patch.is_empty() {
        return Joined::untouched(server, rules.key);
    }
    if are_objects(&server, &patch)? {
        return merge_objects(server, patch, rules);
    }
    if deletion {
        let gone: HashSet<&Value> = patch.iter().collect();
        server.retain(|item| !gone.contains(item));
        return Joined::untouched(server, "");
    }
    if let (false, Some(scalar)) = (rules.key.is_empty(), server.first().or(patch.first())) {
        return not_object(scalar);
    }
    unite(server, patch)
}

/// Each scalar is kept once.
fn unite(server: Vec<Value>, patch: Vec<Value>) -> Result<Joined> {
    let old = server.len();
    let mut items = server;
    items.extend(patch);
    let firsts = firsts(&items, "")?;
    let mut wanted = vec![None; items.len()];
    for at in old..items.len() {
        wanted[firsts[at]].get_or_insert(at);
    }
    let server: Vec<_> = firsts.iter().map(|&first| (first < old).then_some(first)).collect();
    let kept = (0..items.len()).filter(|&at| firsts[at] == at);
    let order = arranged(kept, &wanted, &server);
    Ok(Joined { items, order, server })
}

/// Items of one merge key become one item.
fn merge_objects(server: Vec<Value>, patch: Vec<Value>, rules: &Rules) -> Result<Joined> {
    let key = rules.key;
    if key.is_empty() {
        return fault(format!("cannot merge lists without merge key for {}", rules.items.kind()));
    }
    let known = server.len();
    let (mut items, patch) = obey(server, patch, key)?;
    let old = items.len();
    items.extend(patch);
    let firsts = firsts(&items, key)?;
    let mut wanted = vec![None; items.len()];
    for at in old..items.len() {
        let first = firsts[at];
        if items[at].get(key).is_none() {
            return no_merge_key(&items[at], key);
        }
        wanted[first].get_or_insert(at);
        if first < at
            && let (change, Value::Object(present)) = (std::mem::take(&mut items[at]), &mut items[first])
            && let Value::Object(change) = change
        {
            merge_map(present, change, rules.items)?;
        }
    }
    let kept: Vec<usize> = (0..items.len()).filter(|&at| at < old || firsts[at] == at).collect();
    if let Some(&at) = kept.iter().find(|&&at| items[at].get(key).is_none()) {
        return no_merge_key(&items[at], key);
    }
    // The server may have a key twice.
    (0..old).for_each(|at| wanted[at] = wanted[firsts[at]]);
    let within = |end: usize| firsts.iter().map(|&first| (first < end).then_some(first)).collect::<Vec<_>>();
    let order = arranged(kept.iter().copied(), &wanted, &within(old));
    // What is new in the place of something deleted counts as the server's for $setElementOrder.
    let server = within(kept.get(known).copied().unwrap_or(items.len()));
    Ok(Joined { items, order, server })
}

/// Obeys the `$patch` items: the server's items that are left, and the patch's that are none.
fn obey(mut server: Vec<Value>, patch: Vec<Value>, key: &str) -> Result<(Vec<Value>, Vec<Value>)> {
    let mut plain = Vec::with_capacity(patch.len());
    let mut gone = HashSet::new();
    let mut replace = false;
    for mut item in patch {
        let directive = match item.get(DIRECTIVE) {
            None => {
                plain.push(item);
                continue;
            }
            Some(directive) => directive.as_str(),
        };
        match directive {
            Some("delete") => match item.get_mut(key) {
                Some(id) => _ = gone.insert(id.take()),
                None => return no_merge_key(&item, key),
            },
            Some("replace") => replace = true,
            Some("merge") => return fault("merging lists cannot yet be specified in the patch"),
            _ => return unknown_directive(&item),
        }
    }
    if replace {
        return Ok((plain, Vec::new()));
    }
    if !gone.is_empty() {
        server.retain(|item| !item.get(key).is_some_and(|id| gone.contains(id)));
    }
    Ok((server, plain))
}
