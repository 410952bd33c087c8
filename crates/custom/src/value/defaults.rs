//! Filling what is absent, and dropping `null` where it stands for nothing.

use super::{META_FIELDS, prune};
use crate::schema::{Additional, Ref};
use serde_json::{Map, Value};

/// Sets the defaults of absent fields, and of `null` where the schema does not allow it.
pub fn set_defaults(fields: &mut Map<String, Value>, schema: Ref<'_>) {
    if !schema.has_defaults() {
        return;
    }
    for (name, property) in schema.properties().filter(|(_, p)| p.has_defaults()) {
        if property.default().is_some()
            && fields.get(name).is_none_or(|value| value.is_null() && !property.nullable())
        {
            // What all resources have is typed afterwards, and not pruned by what schemas say of it.
            let typed = schema.is_resource() && META_FIELDS.contains(&name);
            let default = if typed { property.default().cloned() } else { None };
            fields.insert(name.to_string(), default.unwrap_or_else(|| pruned_default(property)));
        }
        if let Some(value) = fields.get_mut(name) {
            within(value, property);
        }
    }
    if let Additional::Schema(all) = schema.additional()
        && all.has_defaults()
    {
        for (_, value) in fields.iter_mut().filter(|(key, _)| schema.property(key).is_none()) {
            instead_of_null(value, all);
            within(value, all);
        }
    }
}

fn within(value: &mut Value, schema: Ref<'_>) {
    match value {
        Value::Object(fields) => set_defaults(fields, schema),
        Value::Array(list) => {
            let Some(items) = schema.items().filter(|items| items.has_defaults()) else { return };
            for item in list {
                instead_of_null(item, items);
                within(item, items);
            }
        }
        _ => {}
    }
}

fn instead_of_null(value: &mut Value, schema: Ref<'_>) {
    if value.is_null() && !schema.nullable() {
        *value = pruned_default(schema);
    }
}

/// A default without what its own schema would drop.
fn pruned_default(schema: Ref<'_>) -> Value {
    let mut value = schema.default().cloned().unwrap_or_default();
    prune::value(&mut value, schema);
    value
}

/// Drops every `null` that the schema neither allows nor replaces.
pub fn drop_nulls(fields: &mut Map<String, Value>, schema: Option<Ref<'_>>) {
    let Some(schema) = schema else { return };
    fields.retain(|key, value| match schema.child(key) {
        Some(child) if value.is_null() => child.nullable() || child.default().is_some(),
        child => {
            nulls_within(value, child);
            true
        }
    });
}

fn nulls_within(value: &mut Value, schema: Option<Ref<'_>>) {
    match value {
        Value::Object(fields) => drop_nulls(fields, schema),
        Value::Array(list) => {
            let items = schema.and_then(Ref::items);
            list.iter_mut().for_each(|item| nulls_within(item, items));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::schema;
    use serde_json::json;

    #[test]
    fn defaults_of_what_all_resources_have_are_not_pruned() {
        let metadata = json!({"type": "object", "default": {"name": "a"}});
        let other = json!({"type": "object", "default": {"name": "a"}});
        let (table, root) = schema(json!({"type": "object", "properties": {
            "pod": {"type": "object", "x-kubernetes-embedded-resource": true,
                "properties": {"metadata": metadata, "other": other}}}}));
        let Value::Object(mut fields) = json!({"pod": {}}) else { return };
        set_defaults(&mut fields, table.at(root).expect("a schema"));
        assert_eq!(Value::Object(fields), json!({"pod": {"metadata": {"name": "a"}, "other": {}}}));
    }
}
