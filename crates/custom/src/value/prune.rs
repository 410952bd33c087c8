//! Dropping what a schema does not name.

use super::META_FIELDS;
use crate::schema::{Additional, Ref};
use serde_json::{Map, Value};

/// Drops unknown fields of a resource; its `apiVersion`, `kind` and `metadata` are known whatever the schema.
/// The paths of what was dropped, sorted, if anybody wants them.
pub fn prune(resource: &mut Map<String, Value>, schema: Option<Ref<'_>>, unknown: Option<&mut Vec<String>>) {
    let mut pruner = Pruner { parent: String::new(), found: Vec::new(), tells: unknown.is_some() };
    match schema {
        Some(schema) if schema.preserves() => pruner.kept_fields(resource, schema, true),
        schema => pruner.fields(resource, schema, true),
    }
    if let Some(unknown) = unknown {
        pruner.found.sort();
        unknown.extend(pruner.found);
    }
}

struct Pruner {
    parent: String,
    found: Vec<String>,
    tells: bool,
}

impl Pruner {
    fn within(&mut self, key: &str, work: impl FnOnce(&mut Self)) {
        let length = self.parent.len();
        if self.tells {
            if length > 0 {
                self.parent.push('.');
            }
            self.parent.push_str(key);
        }
        work(self);
        self.parent.truncate(length);
    }

    fn at(&mut self, index: usize, work: impl FnOnce(&mut Self)) {
        let length = self.parent.len();
        if self.tells {
            self.parent.push_str(&format!("[{index}]"));
        }
        work(self);
        self.parent.truncate(length);
    }

    fn unknown(&mut self, key: &str) {
        if self.tells {
            let dot = if self.parent.is_empty() { "" } else { "." };
            self.found.push(format!("{}{dot}{key}", self.parent));
        }
    }

    fn value(&mut self, value: &mut Value, schema: Option<Ref<'_>>) {
        if let Some(schema) = schema.filter(|s| s.preserves()) {
            return self.kept(value, schema);
        }
        match value {
            Value::Object(fields) => self.fields(fields, schema, schema.is_some_and(Ref::is_resource)),
            Value::Array(list) => {
                let items = schema.and_then(Ref::items);
                for (at, item) in list.iter_mut().enumerate() {
                    self.at(at, |this| this.value(item, items));
                }
            }
            _ => {}
        }
    }

    fn fields(&mut self, fields: &mut Map<String, Value>, schema: Option<Ref<'_>>, resource: bool) {
        fields.retain(|key, value| {
            if resource && META_FIELDS.contains(&key.as_str()) {
                return true;
            }
            let Some(schema) = schema else {
                self.unknown(key);
                return false;
            };
            match (schema.property(key), schema.additional()) {
                (Some(property), _) => self.within(key, |this| this.value(value, Some(property))),
                (None, Additional::Schema(all)) => self.within(key, |this| this.value(value, Some(all))),
                (None, Additional::Allowed | Additional::Forbidden) => {
                    self.within(key, |this| this.value(value, None));
                }
                (None, Additional::Unset) => {
                    self.unknown(key);
                    return false;
                }
            }
            true
        });
    }

    /// Unknown fields stay here; below what is named they may not.
    fn kept(&mut self, value: &mut Value, schema: Ref<'_>) {
        match value {
            Value::Object(fields) => self.kept_fields(fields, schema, schema.is_resource()),
            Value::Array(list) => {
                let Some(items) = schema.items() else { return };
                for (at, item) in list.iter_mut().enumerate() {
                    self.at(at, |this| this.kept(item, items));
                }
            }
            _ => {}
        }
    }

    fn kept_fields(&mut self, fields: &mut Map<String, Value>, schema: Ref<'_>, resource: bool) {
        for (key, value) in fields.iter_mut() {
            if resource && META_FIELDS.contains(&key.as_str()) {
                continue;
            }
            match (schema.property(key), schema.additional()) {
                (Some(property), _) => self.within(key, |this| this.value(value, Some(property))),
                (None, Additional::Schema(all)) => self.within(key, |this| this.value(value, Some(all))),
                (None, Additional::Allowed | Additional::Forbidden) => {
                    self.within(key, |this| this.value(value, None));
                }
                (None, Additional::Unset) => {}
            }
        }
    }
}

/// Drops unknown fields of a part of a resource.
pub(crate) fn value(value: &mut Value, schema: Ref<'_>) {
    Pruner { parent: String::new(), found: Vec::new(), tells: false }.value(value, Some(schema));
}

#[cfg(test)]
mod tests {
    use crate::testing::schema;
    use serde_json::{Value, json};

    #[test]
    fn unknown_fields_go_and_their_paths_are_told() {
        let (table, root) = schema(json!({"type": "object", "properties": {
        "spec": {"type": "object", "properties": {
            "a": {"type": "string"},
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true,
                "properties": {"strict": {"type": "object", "properties": {"x": {"type": "string"}}}}},
            "map": {"type": "object", "additionalProperties": {"type": "object"}},
            "list": {"type": "array", "items": {"type": "object", "properties": {"y": {"type": "string"}}}},
            "pod": {"type": "object", "x-kubernetes-embedded-resource": true, "properties": {"spec": {"type": "object"}}}
        }}}}));
        let mut value = json!({
            "metadata": {"name": "x"}, "top": 1,
            "spec": {"a": "1", "b": 2, "free": {"any": 1, "strict": {"x": "1", "z": 2}},
                "map": {"k": {"v": 1}}, "list": [{"y": "1", "n": 1}],
                "pod": {"apiVersion": "v1", "kind": "Pod", "metadata": {}, "spec": {"q": 1}, "other": 1}}
        });
        let Value::Object(fields) = &mut value else { return };
        let mut unknown = Vec::new();
        super::prune(fields, table.at(root), Some(&mut unknown));
        let want = [
            "spec.b",
            "spec.free.strict.z",
            "spec.list[0].n",
            "spec.map.k.v",
            "spec.pod.other",
            "spec.pod.spec.q",
            "top",
        ];
        assert_eq!(unknown, want);
        assert_eq!(
            value,
            json!({"metadata": {"name": "x"}, "spec": {"a": "1", "free": {"any": 1, "strict": {"x": "1"}},
                "map": {"k": {}}, "list": [{"y": "1"}],
                "pod": {"apiVersion": "v1", "kind": "Pod", "metadata": {}, "spec": {}}}})
        );
    }

    #[test]
    fn defaults_are_set_and_nulls_dropped() {
        let (table, root) = schema(json!({"type": "object", "properties": {
        "spec": {"type": "object", "default": {}, "properties": {
            "a": {"type": "string", "default": "x"},
            "n": {"type": "string", "nullable": true, "default": "y"},
            "plain": {"type": "string"},
            "list": {"type": "array", "items": {"type": "object", "properties": {"p": {"type": "integer", "default": 3}}}},
            "map": {"type": "object", "additionalProperties": {"type": "string", "default": "m"}}
        }}}}));
        let root = table.at(root).expect("a schema");
        for (given, want) in [
            (json!({}), json!({"spec": {"a": "x", "n": "y"}})),
            (
                json!({"spec": {"a": null, "n": null, "plain": null, "list": [{}], "map": {"k": null}}}),
                json!({"spec": {"a": "x", "n": null, "list": [{"p": 3}], "map": {"k": "m"}}}),
            ),
        ] {
            let Value::Object(mut fields) = given else { continue };
            super::super::drop_nulls(&mut fields, Some(root));
            super::super::set_defaults(&mut fields, root);
            assert_eq!(Value::Object(fields), want);
        }
    }
}
