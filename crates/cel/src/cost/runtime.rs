//! What a call cost, by the sizes of what it was given. The figures are cel-go's and Kubernetes' own; a change
//! would let expressions fail that run upstream.

use crate::extension::Extension;
use crate::value::{Map, Value};

/// Per character of a text that is read once.
pub const TRAVERSAL: f64 = 0.1;
/// Per character of a pattern.
pub const PATTERN: f64 = 0.25;
/// A question to the authorizer: two of them are within a call's limit.
pub const AUTHORIZATION: u64 = 350_000;

/// The size of a value: characters, bytes, items or entries; of others, one.
fn size(value: &Value<'_>) -> u64 {
    match value {
        Value::String(text) => text.chars().count() as u64,
        Value::Bytes(bytes) => bytes.len() as u64,
        Value::List(list) => list.len() as u64,
        Value::Map(Map::Lazy(_)) => 1,
        Value::Map(map) => map.len() as u64,
        Value::Optional(Some(inner)) => size(inner),
        Value::Extension(extension) => extension.size(),
        _ => 1,
    }
}

fn scaled(size: u64, factor: f64) -> u64 {
    (size as f64 * factor).ceil() as u64
}

fn traversal(value: &Value<'_>, factor: f64) -> u64 {
    scaled(size(value), factor * TRAVERSAL)
}

/// What matching a pattern costs.
fn matching(text: u64, pattern: u64) -> u64 {
    scaled(text + 1, TRAVERSAL) * scaled(pattern, PATTERN)
}

/// A traversal of all there is in a value.
fn deep(value: &Value<'_>) -> u64 {
    match value {
        Value::String(text) => (text.len() as f64 * TRAVERSAL) as u64,
        Value::Bytes(bytes) => (bytes.len() as f64 * TRAVERSAL) as u64,
        Value::List(list) => {
            let items = (0..list.len()).filter_map(|at| list.get(at).ok());
            items.map(|item| deep(&item)).sum()
        }
        Value::Map(map) => {
            let keys = map.keys().unwrap_or_default();
            keys.iter().map(|key| deep(key) + map.value_of(key).map_or(0, |value| deep(&value))).sum()
        }
        _ => 1,
    }
}

/// A list that is compared with itself.
fn self_compare(value: &Value<'_>) -> u64 {
    let Value::List(list) = value else { return 1 };
    let items = list.len() as u64;
    let texts = matches!(list.get(0), Ok(Value::String(_) | Value::Bytes(_)));
    allocating(if texts { 2.0 + TRAVERSAL } else { 2.0 }, items * items)
}

fn allocating(factor: f64, size: u64) -> u64 {
    (size as f64 * factor) as u64 + 11
}

/// What the call cost; `overload` is empty where it was not known before.
pub fn call_cost(function: &str, overload: &str, args: &[Value<'_>], result: Option<&Value<'_>>) -> u64 {
    let first = args.first();
    let of = |value: Option<&Value<'_>>, factor: f64| value.map_or(1, |value| traversal(value, factor));
    if let Some(cost) = list_cost(overload, args, result) {
        return cost;
    }
    match function {
        "check" => AUTHORIZATION,
        "fieldSelector" | "labelSelector" => args.get(1).map_or(1, |selector| selector_cost(size(selector))),
        "isSorted" | "sum" | "max" | "min" | "indexOf" | "lastIndexOf" => first.map_or(0, deep),
        "url" | "lowerAscii" | "upperAscii" | "substring" | "trim" | "jsonpatch.escapeKey" => of(first, 1.0),
        "replace" | "split" => of(first, 2.0),
        "join" => of(result, 2.0),
        "find" | "findAll" => match args {
            [text, pattern, ..] => matching(size(text), size(pattern)),
            _ => 1,
        },
        "cidr" | "isIP" | "isCIDR" | "quantity" | "isQuantity" | "semver" | "isSemver" => of(first, 1.0),
        "ip" if overload != "cidr_ip" => of(first, 1.0),
        "ip.isCanonical" => of(first, 2.0),
        "containsIP" | "containsCIDR" => containing(function, overload, args),
        "validate" => match args {
            [Value::Extension(Extension::Format(format)), text] => matching(size(text), format.pattern_size),
            _ => 1,
        },
        "_==_" if matches!(first, Some(Value::Extension(_))) => 1,
        _ => standard(overload, args),
    }
}

/// What selecting costs: reading the text, and a requirement for each two characters.
pub fn selector_cost(length: u64) -> u64 {
    10 + scaled(length, TRAVERSAL) + scaled(length, 0.5) * 50
}

fn containing(function: &str, overload: &str, args: &[Value<'_>]) -> u64 {
    let [network, other] = args else { return 1 };
    let network = size(network);
    let mut cost = scaled(network + network, TRAVERSAL);
    if function == "containsCIDR" {
        cost += scaled(network, TRAVERSAL) + 1;
    }
    if overload.ends_with("_string") {
        cost += traversal(other, 1.0);
    }
    cost
}

/// cel-go's extensions of lists and sets.
fn list_cost(overload: &str, args: &[Value<'_>], result: Option<&Value<'_>>) -> Option<u64> {
    Some(match (overload, args) {
        ("list_slice" | "lists_range" | "list_reverse", _) => allocating(1.0, result.map_or(1, size)),
        ("list_flatten", [list]) => allocating(1.0, size(list)),
        ("list_flatten_int", [list, Value::Int(depth)]) => {
            let cost = size(list) as f64 * *depth as f64;
            (cost as i64).saturating_add(11).max(0) as u64
        }
        ("list_distinct", [list]) => self_compare(list),
        ("list_sets_contains_list" | "list_sets_intersects_list", [one, other]) => {
            1 + size(one) * size(other)
        }
        ("list_sets_equivalent_list", [one, other]) => 1 + size(one) * size(other) * 2,
        (overload, [list]) if overload.ends_with("_sort") => self_compare(list),
        (overload, [_, keys]) if overload.ends_with("_sortByAssociatedKeys") => self_compare(keys),
        _ => return None,
    })
}

fn standard(overload: &str, args: &[Value<'_>]) -> u64 {
    match (overload, args) {
        (
            "starts_with_string" | "ends_with_string" | "string_to_bytes" | "bytes_to_string"
            | "strings_quote" | "string_format",
            [text, ..],
        ) => traversal(text, 1.0),
        ("in_list", [_, list]) => size(list),
        ("equals" | "not_equals", [one, other]) => scaled(size(one).min(size(other)), TRAVERSAL),
        (overload, [one, other]) if is_ordering_of_texts(overload) => {
            scaled(size(one).min(size(other)), TRAVERSAL)
        }
        ("add_string" | "add_bytes", [one, other]) => scaled(size(one) + size(other), TRAVERSAL),
        ("matches_string", [text, pattern]) => matching(size(text), size(pattern)),
        ("contains_string", [text, part]) => traversal(text, 1.0) * traversal(part, 1.0),
        _ => 1,
    }
}

pub fn is_ordering_of_texts(overload: &str) -> bool {
    (overload.starts_with("less_") || overload.starts_with("greater_"))
        && (overload.ends_with("_string") || overload.ends_with("_bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_counted() {
        assert_eq!(size(&Value::text("äö")), 2);
        assert_eq!(size(&Value::list(vec![Value::Null; 3])), 3);
        assert_eq!(size(&Value::Int(700)), 1);
        assert_eq!(deep(&Value::List(crate::value::List::Values(vec![Value::Int(1); 4].into()))), 4);
    }
}
