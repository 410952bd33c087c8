//! `$setElementOrder/...`: the patch says how the items of a list shall stand.

use super::complaint::{Result, bad_format, no_merge_key, no_scalar, not_list, not_object, out_of_order};
use super::lists::{Joined, are_objects, merge_list};
use super::shape::{Rules, Shape};
use super::{DIRECTIVE, SET_ORDER, settle};
use serde_json::{Map, Value};

/// Merges the lists that have an order, and takes them out of the patch.
pub fn merge_ordered_lists(
    original: &mut Map<String, Value>,
    patch: &mut Map<String, Value>,
    shape: Shape<'_>,
) -> Result<()> {
    let directives: Vec<String> = patch.keys().filter(|key| key.starts_with(SET_ORDER)).cloned().collect();
    for directive in directives {
        let wanted = match patch.remove(&directive) {
            Some(Value::Array(wanted)) => wanted,
            Some(other) => return not_list(&other),
            None => continue,
        };
        let Some(key) = directive[SET_ORDER.len()..].strip_prefix('/') else {
            return bad_format("setElementOrder list");
        };
        let server = taken_list(original.get_mut(key))?;
        let change = taken_list(patch.get_mut(key))?;
        let rules = shape.list(key)?;
        follows(change.as_deref().unwrap_or_default(), &wanted, rules.key)?;
        let Some(list) = put_in_order(server, change, &wanted, &rules)? else { continue };
        patch.remove(key);
        original.insert(key.to_string(), Value::Array(list));
    }
    Ok(())
}

fn taken_list(value: Option<&mut Value>) -> Result<Option<Vec<Value>>> {
    match value {
        None => Ok(None),
        Some(Value::Array(list)) => Ok(Some(std::mem::take(list))),
        Some(other) => not_list(other),
    }
}

/// The patch's items must be among the wanted ones, and stand in their order.
fn follows(patch: &[Value], wanted: &[Value], key: &str) -> Result<()> {
    if patch.is_empty() || wanted.is_empty() {
        return Ok(());
    }
    if let (false, Some(scalar)) = (key.is_empty(), patch.iter().find(|item| !item.is_object())) {
        return not_object(scalar);
    }
    let mut rest = wanted.iter().peekable();
    for item in patch {
        let directive = item.get(DIRECTIVE);
        if !key.is_empty() && directive.and_then(Value::as_str) == Some("delete") {
            continue;
        }
        if rest.peek().is_none() {
            return out_of_order(patch, wanted);
        }
        if directive.is_some() {
            continue;
        }
        loop {
            match rest.next() {
                Some(next) if same(item, next, key)? => break,
                Some(_) => {}
                None => return out_of_order(patch, wanted),
            }
        }
    }
    Ok(())
}

/// Whether two items are one by their merge key.
fn same(item: &Value, wanted: &Value, key: &str) -> Result<bool> {
    let (mut one, mut other) = (item, wanted);
    if !key.is_empty() {
        for side in [&mut one, &mut other] {
            *side = match side.get(key) {
                Some(id) => id,
                None if side.is_object() => return no_merge_key(side, key),
                None => return not_object(side),
            };
        }
    }
    match (one, other) {
        (Value::Object(_), Value::Object(_)) | (Value::Array(_), Value::Array(_)) => no_scalar(one),
        _ => Ok(one == other),
    }
}

/// The merged list in the wanted order, if there is a list.
fn put_in_order(
    server: Option<Vec<Value>>,
    patch: Option<Vec<Value>>,
    wanted: &[Value],
    rules: &Rules,
) -> Result<Option<Vec<Value>>> {
    let objects = are_objects(server.as_deref().unwrap_or_default(), patch.as_deref().unwrap_or_default());
    let mut joined = match (server, patch) {
        (None, None) => return Ok(None),
        (Some(server), None) => Joined::untouched(server, rules.key)?,
        (None, Some(mut patch)) => {
            patch.retain_mut(|item| settle(item, false));
            Joined::instead_of(&[], patch, rules.key)?
        }
        (Some(server), Some(patch)) if rules.merge => merge_list(server, patch, rules, false)?,
        (Some(server), Some(patch)) => Joined::instead_of(&server, patch, rules.key)?,
    };
    joined.rearrange(wanted, rules.key)?;
    if objects? {
        for item in wanted {
            match item.get(rules.key) {
                Some(_) => {}
                None if item.is_object() => return no_merge_key(item, rules.key),
                None => return not_object(item),
            }
        }
    }
    Ok(Some(joined.into_list()))
}
