//! A schema as server-side apply sees it.

use super::{Additional, ListType, Ref, Schema, Type};
use corten_api::ListKind;
use corten_codec::apply::{ApplyTypes, Dynamic, Keys, List, Scalar, TypeRef};
use serde_json::Value;

/// Beside a node's number: unknown fields below are kept.
const PRESERVE: u64 = 1 << 32;
/// Beside a node's number: the root of an object.
const ROOT: u64 = 1 << 33;

impl<'a> Ref<'a> {
    /// The type of objects of which this is the root.
    pub fn apply_type(self) -> TypeRef<'a> {
        TypeRef::Custom(self.schema, u64::from(self.id) | ROOT)
    }
}

/// A node on the way to it.
#[derive(Clone, Copy)]
struct At<'a> {
    node: Ref<'a>,
    preserves: bool,
    is_object: bool,
}

impl<'a> At<'a> {
    fn child(self, node: Ref<'a>) -> TypeRef<'a> {
        let preserve = if self.preserves { PRESERVE } else { 0 };
        TypeRef::Custom(node.schema, u64::from(node.id) | preserve)
    }

    /// Whether it may be anything.
    fn is_open(self) -> bool {
        matches!(self.node.ty(), Type::Any | Type::IntOrString)
    }
}

impl Schema {
    fn place(&self, node: u64) -> Option<At<'_>> {
        let found = self.at(u32::try_from(node & u64::from(u32::MAX)).ok()?)?;
        let preserves = node & PRESERVE != 0 || found.preserves();
        Some(At { node: found, preserves, is_object: node & ROOT != 0 || found.is_resource() })
    }
}

impl ApplyTypes for Schema {
    fn scalar(&self, node: u64) -> Option<Scalar> {
        let at = self.place(node)?;
        let format = at.node.checks().map_or("", |checks| &checks.format);
        match at.node.ty() {
            _ if at.is_object => None,
            Type::Any | Type::IntOrString => Some(Scalar::Any),
            Type::String if !matches!(format, "" | "byte") => Some(Scalar::Any),
            Type::String => Some(Scalar::String),
            Type::Integer | Type::Number => Some(Scalar::Number),
            Type::Boolean => Some(Scalar::Bool),
            Type::Object | Type::Array => None,
        }
    }

    fn list(&self, node: u64) -> Option<List<'_>> {
        let at = self.place(node)?;
        if at.is_object || at.node.ty() != Type::Array && !at.is_open() {
            return None;
        }
        let kind = match at.node.list_type() {
            Some(ListType::Set) => ListKind::Set,
            Some(ListType::Map) => ListKind::Map,
            Some(ListType::Atomic) | None => ListKind::Atomic,
        };
        let keys = if kind == ListKind::Map { at.node.list_keys() } else { &[] };
        let item = at.node.items().map_or(TypeRef::Atomic, |items| at.child(items));
        Some(List { kind, keys: Keys::Custom(keys), item })
    }

    fn map(&self, node: u64) -> Option<Dynamic<'_>> {
        let at = self.place(node)?;
        if !at.is_object && at.node.ty() != Type::Object && !at.is_open() {
            return None;
        }
        let declares = at.is_object || at.node.properties().next().is_some();
        let other = match at.node.additional() {
            Additional::Schema(schema) => Some(at.child(schema)),
            Additional::Allowed => Some(TypeRef::Deduced),
            Additional::Forbidden => None,
            Additional::Unset => (at.preserves || !declares).then_some(TypeRef::Deduced),
        };
        Some(Dynamic { atomic: at.node.is_atomic_map(), other })
    }

    fn field(&self, node: u64, name: &str) -> Option<TypeRef<'_>> {
        let at = self.place(node)?;
        match name {
            "apiVersion" | "kind" if at.is_object => Some(TypeRef::STRING),
            "metadata" if at.is_object => Some(TypeRef::metadata()),
            _ => at.node.property(name).map(|property| at.child(property)),
        }
    }

    fn default_of(&self, node: u64, field: &str) -> Option<Value> {
        self.place(node)?.node.property(field)?.default().cloned()
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::schema;
    use corten_codec::apply::{Comparison, Set, compare, write_fields};
    use serde_json::json;

    #[test]
    fn a_schema_says_how_objects_are_compared() {
        let (schema, root) = schema(
            json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
                "ports": {"type": "array", "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["port", "protocol"], "items": {"type": "object", "properties": {
                        "port": {"type": "integer"}, "protocol": {"type": "string", "default": "TCP"},
                        "name": {"type": "string"}}}},
                "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
                "plain": {"type": "array", "items": {"type": "string"}},
                "whole": {"type": "object", "x-kubernetes-map-type": "atomic",
                    "additionalProperties": {"type": "string"}},
                "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                "either": {"x-kubernetes-int-or-string": true},
            }}}}),
        );
        let object = json!({"apiVersion": "g/v1", "kind": "K",
            "metadata": {"name": "n", "labels": {"a": "b"}, "finalizers": ["f"]},
            "spec": {
                "ports": [{"port": 80, "name": "x"}], "set": ["a"], "plain": ["a"], "whole": {"a": "b"},
                "free": {"x": {"y": [1]}}, "either": "50%"}});
        let blank = json!({"apiVersion": "g/v1", "kind": "K", "metadata": {}, "spec": {}});
        let ty = schema.at(root).expect("a root").apply_type();
        let Comparison { added, modified, removed } = compare(&blank, &object, ty);
        assert_eq!((modified, removed), (Set::default(), Set::default()));
        let want = json!({
            "f:metadata": {"f:name": {}, "f:labels": {".": {}, "f:a": {}},
                "f:finalizers": {".": {}, "v:\"f\"": {}}},
            "f:spec": {
                "f:either": {}, "f:free": {".": {}, "f:x": {".": {}, "f:y": {}}}, "f:plain": {},
                "f:ports": {".": {}, "k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}, "f:name": {}, "f:port": {}}},
                "f:set": {".": {}, "v:\"a\"": {}}, "f:whole": {}}});
        let text = String::from_utf8(write_fields(&added)).expect("text");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).expect("JSON"), want);
    }
}
