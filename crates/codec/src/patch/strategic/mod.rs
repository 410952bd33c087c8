//! Strategic merge patch (k8s.io/apimachinery `strategicpatch`): a merge patch that knows from the schema
//! which lists merge and by which key, with the directives `$patch`, `$retainKeys`,
//! `$deleteFromPrimitiveList/...` and `$setElementOrder/...`. It judges as upstream's, down to what upstream
//! leaves as it is: directives in what is replaced as a whole stay there.

mod complaint;
mod lists;
mod order;
mod set_order;
mod shape;
#[cfg(test)]
mod tests;

use super::{PatchError, fields};
use crate::shown::go_type;
use complaint::{Result, bad_format, not_object, unknown_directive};
use corten_api::Schema;
use lists::merge_list;
use serde_json::{Map, Value};
use set_order::merge_ordered_lists;
use shape::Shape;
use std::collections::HashSet;

const DIRECTIVE: &str = "$patch";
const RETAIN: &str = "$retainKeys";
const DELETE_FROM: &str = "$deleteFromPrimitiveList";
const SET_ORDER: &str = "$setElementOrder";

/// Merges `patch` into `document`, whose root has the shape of `schema`. After an error the document is
/// patched in part.
pub fn apply_strategic_merge_patch(document: &mut Value, patch: Value, schema: &Schema) -> Result<()> {
    match (fields(patch).map_err(PatchError::Malformed)?, document) {
        (None, _) => Ok(()),
        (Some(patch), Value::Object(original)) => merge_map(original, patch, Shape::Struct(schema)),
        (Some(_), other) => not_object(other),
    }
}

fn merge_map(
    original: &mut Map<String, Value>,
    mut patch: Map<String, Value>,
    shape: Shape<'_>,
) -> Result<()> {
    match patch.get(DIRECTIVE).map(Value::as_str) {
        None => {}
        Some(Some("replace")) => {
            patch.remove(DIRECTIVE);
            *original = patch;
            return Ok(());
        }
        Some(Some("delete")) => {
            original.clear();
            return Ok(());
        }
        Some(_) => return unknown_directive(&Value::Object(patch)),
    }
    if let Some(keys) = patch.remove(RETAIN) {
        retain(original, &patch, &keys)?;
    }
    merge_ordered_lists(original, &mut patch, shape)?;
    for (key, change) in patch {
        match key.strip_prefix(DELETE_FROM).map(|field| field.strip_prefix('/')) {
            None => merge_key(original, key, change, shape, false)?,
            Some(None) => return bad_format("primitive list"),
            Some(Some("")) => merge_key(original, key, change, shape, true)?,
            Some(Some(field)) => merge_key(original, field.to_string(), change, shape, true)?,
        }
    }
    Ok(())
}

/// Merges one key. A `deletion` names what a list shall lose.
fn merge_key(
    original: &mut Map<String, Value>,
    key: String,
    mut change: Value,
    shape: Shape<'_>,
    deletion: bool,
) -> Result<()> {
    if change.is_null() {
        original.remove(&key);
        return Ok(());
    }
    let Some(present) = original.get_mut(&key) else {
        if !deletion && settle(&mut change, true) {
            original.insert(key, change);
        }
        return Ok(());
    };
    match (present, change) {
        (Value::Object(present), Value::Object(change)) => match shape.object(&key)? {
            (_, true) => *present = change,
            (below, false) => merge_map(present, change, below)?,
        },
        (Value::Array(present), Value::Array(change)) => {
            let rules = shape.list(&key)?;
            *present = if rules.merge || deletion {
                merge_list(std::mem::take(present), change, &rules, deletion)?.into_list()
            } else {
                change
            };
        }
        (present, change) if deletion && go_type(present) != go_type(&change) => {}
        (present, mut change) => {
            if settle(&mut change, true) {
                *present = change;
            } else {
                original.remove(&key);
            }
        }
    }
    Ok(())
}

/// `$retainKeys`: the original loses what is not listed, and the patch may name nothing else.
fn retain(original: &mut Map<String, Value>, patch: &Map<String, Value>, keys: &Value) -> Result<()> {
    let Value::Array(keys) = keys else { return bad_format("retainKeys") };
    let scalars = keys.iter().all(|key| !key.is_object() && !key.is_array());
    let listed: HashSet<&str> = keys.iter().filter_map(Value::as_str).collect();
    let may_stay = |(key, value): (&String, &Value)| {
        value.is_null()
            || key.starts_with(DELETE_FROM)
            || key.starts_with(SET_ORDER)
            || listed.contains(key.as_str())
    };
    if !scalars || !patch.iter().all(may_stay) {
        return bad_format("retainKeys");
    }
    original.retain(|key, _| listed.contains(key.as_str()));
    Ok(())
}

/// Rids a value that is new to the document of objects with a `$patch`, and of `nulls` if so wished.
/// Whether it is to be kept itself.
fn settle(value: &mut Value, nulls: bool) -> bool {
    match value {
        Value::Object(map) => {
            if map.get(DIRECTIVE).is_some_and(|directive| !(nulls && directive.is_null())) {
                return false;
            }
            map.retain(|_, value| !(nulls && value.is_null()) && settle(value, nulls));
        }
        Value::Array(list) => list.retain_mut(|item| settle(item, nulls)),
        _ => {}
    }
    true
}
