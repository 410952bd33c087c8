//! Whether a value is what it was, as far as a schema can tell: lists that are maps are compared by their keys.

use crate::schema::{ListType, Ref};
use serde_json::Value;

/// What an item of a list map was; items of other lists cannot be told apart.
pub(crate) fn old_item<'a>(old: &'a [Value], item: &Value, keys: &[Box<str>]) -> Option<&'a Value> {
    let key =
        |value: &Value, name: &str| value.get(name).filter(|v| !v.is_array() && !v.is_object()).cloned();
    let wanted: Option<Vec<Value>> = keys.iter().map(|name| key(item, name)).collect();
    let wanted = wanted.filter(|all| !all.is_empty())?;
    old.iter().find(|other| {
        keys.iter().zip(&wanted).all(|(name, wanted)| key(other, name).as_ref() == Some(wanted))
    })
}

/// Whether nothing changed. What the schema does not speak of can be compared with nothing, and counts as changed.
pub(crate) fn same(new: &Value, old: &Value, schema: Ref<'_>) -> bool {
    match (new, old) {
        (Value::Array(new), Value::Array(old)) => {
            let items = schema.items().filter(|_| schema.list_type() == Some(ListType::Map));
            let by_key = |items| {
                new.iter().all(|item| {
                    old_item(old, item, schema.list_keys()).is_some_and(|was| same(item, was, items))
                })
            };
            new.len() == old.len() && items.map_or_else(|| new == old, by_key)
        }
        (Value::Object(new), Value::Object(old)) => {
            let unchanged = |(key, value): (&String, &Value)| {
                schema.child(key).zip(old.get(key)).is_some_and(|(schema, was)| same(value, was, schema))
            };
            new.len() == old.len() && new.iter().all(unchanged)
        }
        _ => new == old,
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::schema;
    use serde_json::json;

    #[test]
    fn lists_that_are_maps_have_no_order() {
        let (table, root) = schema(json!({"type": "object", "properties": {
            "map": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
                "items": {"type": "object", "properties": {"k": {"type": "string"}, "v": {"type": "integer"}}}},
            "list": {"type": "array", "items": {"type": "integer"}},
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}));
        for (new, old, want) in [
            (json!({"map": [{"k": "a"}, {"k": "b"}]}), json!({"map": [{"k": "b"}, {"k": "a"}]}), true),
            (json!({"map": [{"k": "a", "v": 1}]}), json!({"map": [{"k": "a", "v": 2}]}), false),
            (json!({"list": [1, 2]}), json!({"list": [2, 1]}), false),
            (json!({"list": [1, 2]}), json!({"list": [1, 2]}), true),
            (json!({"free": {}}), json!({"free": {}}), true),
            (json!({"free": {"unknown": 1}}), json!({"free": {"unknown": 1}}), false),
        ] {
            assert_eq!(super::same(&new, &old, table.at(root).expect("a schema")), want, "{new} {old}");
        }
    }
}
