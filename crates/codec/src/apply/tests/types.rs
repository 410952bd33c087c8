//! Types from OpenAPI schemas, for scenes.

use crate::apply::{ApplyTypes, Dynamic, Keys, List, Scalar, TypeRef};
use corten_api::ListKind;
use serde_json::Value;
use std::collections::BTreeMap;

#[derive(Default)]
pub struct Types(Vec<Node>);

#[derive(Default)]
struct Node {
    scalar: Option<Scalar>,
    list: Option<(ListKind, Vec<Box<str>>, u64)>,
    map: bool,
    atomic: bool,
    other: Option<u64>,
    fields: BTreeMap<String, (u64, Option<Value>)>,
}

impl Types {
    pub fn read(schema: &Value) -> Self {
        let mut types = Types::default();
        types.add(schema);
        types
    }

    pub fn root(&self) -> TypeRef<'_> {
        TypeRef::Custom(self, 0)
    }

    fn add(&mut self, schema: &Value) -> u64 {
        let at = self.0.len();
        self.0.push(Node::default());
        let mut node = Node::default();
        match schema["type"].as_str().unwrap_or_default() {
            "string" => node.scalar = Some(Scalar::String),
            "integer" => node.scalar = Some(Scalar::Number),
            "boolean" => node.scalar = Some(Scalar::Bool),
            "array" => {
                let kind = match schema["x-kubernetes-list-type"].as_str() {
                    Some("map") => ListKind::Map,
                    Some("set") => ListKind::Set,
                    _ => ListKind::Atomic,
                };
                let keys = schema["x-kubernetes-list-map-keys"].as_array().into_iter().flatten();
                let keys = keys.filter_map(Value::as_str).map(Into::into).collect();
                node.list = Some((kind, keys, self.add(&schema["items"])));
            }
            _ => {
                node.map = true;
                node.atomic = schema["x-kubernetes-map-type"] == "atomic";
                for (name, property) in schema["properties"].as_object().into_iter().flatten() {
                    let default = property.get("default").cloned();
                    node.fields.insert(name.clone(), (self.add(property), default));
                }
                node.other = schema.get("additionalProperties").map(|other| self.add(other));
            }
        }
        self.0[at] = node;
        at as u64
    }
}

impl ApplyTypes for Types {
    fn scalar(&self, node: u64) -> Option<Scalar> {
        self.0[node as usize].scalar
    }

    fn list(&self, node: u64) -> Option<List<'_>> {
        let (kind, keys, item) = self.0[node as usize].list.as_ref()?;
        Some(List { kind: *kind, keys: Keys::Custom(keys), item: TypeRef::Custom(self, *item) })
    }

    fn map(&self, node: u64) -> Option<Dynamic<'_>> {
        let node = &self.0[node as usize];
        let other = node.other.map(|at| TypeRef::Custom(self, at));
        node.map.then_some(Dynamic { atomic: node.atomic, other })
    }

    fn field(&self, node: u64, name: &str) -> Option<TypeRef<'_>> {
        let (at, _) = self.0[node as usize].fields.get(name)?;
        Some(TypeRef::Custom(self, *at))
    }

    fn default_of(&self, node: u64, field: &str) -> Option<Value> {
        self.0[node as usize].fields.get(field)?.1.clone()
    }
}
