//! Definitions: one per struct that a document's paths reach.

use super::custom::Custom;
use super::paths::{Area, Content, Gvk, areas};
use super::{descriptions, is_defined, markers};
use corten_api::{Field, Form, KindInfo, ListKind, Schema, Type};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Which version of OpenAPI is written; they differ in where definitions stand and in unions of types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    V2,
    V3,
}

impl Dialect {
    fn place(self) -> &'static str {
        match self {
            Dialect::V2 => "#/definitions/",
            Dialect::V3 => "#/components/schemas/",
        }
    }
}

/// The definitions that were referred to so far.
pub struct Definitions {
    dialect: Dialect,
    all: BTreeMap<String, Value>,
}

const METADATA: &str = "Standard object's metadata: name, namespace, labels and so on.";
const LIST_METADATA: &str = "Standard metadata of lists.";
const ITEMS: &str = "The objects of the list.";
const QUANTITY: &str = "io.k8s.apimachinery.pkg.api.resource.Quantity";
const INT_OR_STRING: &str = "io.k8s.apimachinery.pkg.util.intstr.IntOrString";
const RAW_EXTENSION: &str = "io.k8s.apimachinery.pkg.runtime.RawExtension";
const VERSION_INFO: &str = "io.k8s.apimachinery.pkg.version.Info";

/// The name of a struct's definition.
pub fn name(package: &str, name: &str) -> String {
    match package {
        "meta.v1" => format!("io.k8s.apimachinery.pkg.apis.meta.v1.{name}"),
        "apiextensions.v1" => format!("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.{name}"),
        "apiregistration.v1" => format!("io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.{name}"),
        _ => format!("io.k8s.api.{package}.{name}"),
    }
}

/// What the names of our own definitions begin with.
const OWN: [&str; 4] = [
    "io.k8s.api.",
    "io.k8s.apimachinery.pkg.",
    "io.k8s.apiextensions-apiserver.pkg.",
    "io.k8s.kube-aggregator.pkg.",
];

/// The name of a definition of a custom kind: `com.example.v1.Widget`. Whose group is made up so that this is one of
/// ours has it with upstream's mark behind it.
pub fn custom_name(kind: &KindInfo, name: &str) -> String {
    let group: Vec<&str> = kind.group.rsplit('.').collect();
    let usual = format!("{}.{}.{name}", group.join("."), kind.version);
    let is_ours = OWN.iter().any(|start| usual.starts_with(start)) && is_defined(&usual);
    if is_ours { usual + "_v2" } else { usual }
}

impl Definitions {
    pub fn new(dialect: Dialect) -> Self {
        Definitions { dialect, all: BTreeMap::new() }
    }

    /// All that were referred to, by name.
    pub fn into_map(self) -> Map<String, Value> {
        self.all.into_iter().collect()
    }

    /// What an operation takes or gives.
    pub fn content(&mut self, content: Content) -> Value {
        match content {
            Content::Struct(schema) => self.of_struct(schema),
            Content::Custom(kind) => self.reference(&custom_name(kind, kind.kind)),
            Content::ListOf(kind) if kind.custom => self.reference(&custom_name(kind, &kind.list_kind())),
            Content::ListOf(kind) => self.list(kind),
            Content::Patch => self.plain(
                &name("meta.v1", "Patch"),
                "The body of a PATCH request.",
                json!({"type": "object"}),
            ),
            Content::Version => self.plain(VERSION_INFO, "The server's version.", version_info()),
            Content::Text | Content::Document(_) => json!({"type": "string"}),
        }
    }

    /// Describes a custom kind and its lists; their definitions' names. `schema` is what its definition says of
    /// objects, `None` when that cannot be published.
    pub fn custom(&mut self, custom: Custom) -> [String; 2] {
        let Custom { kind, schema, selectable } = custom;
        let mut own = schema.map_or_else(|| json!({"type": "object"}), |schema| self.native(schema));
        let selectable: Vec<Value> =
            selectable.iter().map(|path| json!({ "fieldPath": path.trim_start_matches('.') })).collect();
        let list_kind = kind.list_kind();
        let names = [custom_name(kind, kind.kind), custom_name(kind, &list_kind)];
        let doc = format!(
            "List of {}. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md",
            kind.plural
        );
        let mut list = json!({
            "type": "object",
            "description": format!("{list_kind} is a list of {}", kind.kind),
            "required": ["items"],
            "properties": {
                "apiVersion": described(json!({"type": "string"}), descriptions::API_VERSION),
                "kind": described(json!({"type": "string"}), descriptions::KIND),
                "metadata": self.described_struct(corten_api::meta::v1::ListMeta::schema(), LIST_METADATA),
                "items": {"type": "array", "description": doc, "items": self.reference(&names[0])},
            },
        });
        for (definition, kind_name) in [(&mut own, kind.kind), (&mut list, list_kind.as_str())] {
            definition[GVK] = json!([gvk_value((kind.group, kind.version, kind_name))]);
            if !selectable.is_empty() {
                definition["x-kubernetes-selectable-fields"] = selectable.clone().into();
            }
        }
        for (name, definition) in names.iter().zip([own, list]) {
            self.all.insert(name.clone(), definition);
        }
        names
    }

    /// Takes a definition out again.
    pub fn take(&mut self, name: &str) -> Option<Value> {
        self.all.remove(name)
    }

    /// A custom kind's schema with what every object has.
    fn native(&mut self, mut schema: Value) -> Value {
        self.embedded(&mut schema);
        if let Some(object) = schema.as_object_mut() {
            let properties = object.entry("properties").or_insert_with(|| json!({}));
            self.object_fields(properties, METADATA);
        }
        schema
    }

    fn object_fields(&mut self, properties: &mut Value, metadata: &str) {
        properties["apiVersion"] = described(json!({"type": "string"}), descriptions::API_VERSION);
        properties["kind"] = described(json!({"type": "string"}), descriptions::KIND);
        properties["metadata"] = self.described_struct(corten_api::meta::v1::ObjectMeta::schema(), metadata);
    }

    /// The same for objects within.
    fn embedded(&mut self, schema: &mut Value) {
        let Some(object) = schema.as_object_mut() else { return };
        if let Some(properties) = object.get_mut("properties").and_then(Value::as_object_mut) {
            properties.values_mut().for_each(|property| self.embedded(property));
        }
        for name in ["items", "additionalProperties"] {
            object.get_mut(name).into_iter().for_each(|below| self.embedded(below));
        }
        let is = |name: &str| object.get(name) == Some(&Value::Bool(true));
        let open = self.dialect == Dialect::V2 && is("x-kubernetes-preserve-unknown-fields");
        if is("x-kubernetes-embedded-resource") && !open {
            let properties = object.entry("properties").or_insert_with(|| json!({}));
            self.object_fields(properties, METADATA);
            let required = object.entry("required").or_insert_with(|| json!([]));
            for name in ["kind", "apiVersion"] {
                if let Some(list) = required.as_array_mut().filter(|list| list.iter().all(|n| n != name)) {
                    list.push(name.into());
                }
            }
        }
    }

    /// A reference with a description of its own.
    fn described_struct(&mut self, schema: &'static Schema, text: &str) -> Value {
        let reference = self.of_struct(schema);
        match self.dialect {
            Dialect::V2 => described(reference, text),
            // Version 3 allows nothing beside a reference.
            Dialect::V3 => json!({"allOf": [reference], "description": text}),
        }
    }

    fn reference(&self, name: &str) -> Value {
        json!({ "$ref": format!("{}{name}", self.dialect.place()) })
    }

    /// A definition that is no struct.
    fn plain(&mut self, name: &str, description: &str, mut definition: Value) -> Value {
        if !self.all.contains_key(name) {
            definition["description"] = description.into();
            self.all.insert(name.into(), definition);
        }
        self.reference(name)
    }

    fn list(&mut self, kind: &'static KindInfo) -> Value {
        let schema = (kind.schema)();
        let name = name(schema.package, &format!("{}List", schema.name));
        if !self.all.contains_key(&name) {
            let definition = json!({
                "type": "object",
                "description": format!("{}List is a list of objects of kind {}.", kind.kind, kind.kind),
                "required": ["items"],
                "properties": {
                    "apiVersion": described(json!({"type": "string"}), descriptions::API_VERSION),
                    "kind": described(json!({"type": "string"}), descriptions::KIND),
                    "metadata": self.described_struct(corten_api::meta::v1::ListMeta::schema(), LIST_METADATA),
                    "items": {"type": "array", "description": ITEMS, "items": self.of_struct(schema)},
                },
                GVK: [gvk_value((kind.group, kind.version, &format!("{}List", kind.kind)))],
            });
            self.all.insert(name.clone(), definition);
        }
        self.reference(&name)
    }

    /// Refers to a struct, and describes it when this is the first time.
    pub fn of_struct(&mut self, schema: &'static Schema) -> Value {
        let name = name(schema.package, schema.name);
        if !self.all.contains_key(&name) {
            // Structs may contain themselves: the name is taken before the fields are looked at.
            self.all.insert(name.clone(), Value::Null);
            let definition = self.definition(schema);
            self.all.insert(name.clone(), definition);
        }
        self.reference(&name)
    }

    fn definition(&mut self, schema: &'static Schema) -> Value {
        let mut definition = Map::new();
        if let Some(text) = descriptions::of_struct(schema) {
            definition.insert("description".into(), text.into());
        }
        if schema.form != Form::Object {
            return definition.into();
        }
        definition.insert("type".into(), "object".into());
        let (mut properties, mut required) = (Map::new(), Vec::new());
        if schema.kind.is_some() {
            properties
                .insert("apiVersion".into(), described(json!({"type": "string"}), descriptions::API_VERSION));
            properties.insert("kind".into(), described(json!({"type": "string"}), descriptions::KIND));
        }
        self.fields(schema, &mut properties, &mut required);
        if !properties.is_empty() {
            definition.insert("properties".into(), properties.into());
        }
        if !required.is_empty() {
            definition.insert("required".into(), required.into());
        }
        if markers::is_atomic(schema) {
            definition.insert("x-kubernetes-map-type".into(), "atomic".into());
        }
        if let Some(union) = markers::union(schema) {
            let members: BTreeMap<_, _> = union.members.iter().copied().collect();
            let union = json!([{"discriminator": union.discriminator, "fields-to-discriminateBy": members}]);
            definition.insert("x-kubernetes-unions".into(), union);
        }
        let kinds = kinds_of(schema);
        if !kinds.is_empty() {
            definition.insert(GVK.into(), kinds.into());
        }
        definition.into()
    }

    fn fields(
        &mut self,
        schema: &'static Schema,
        properties: &mut Map<String, Value>,
        required: &mut Vec<Value>,
    ) {
        for field in schema.fields {
            match field.ty.as_struct() {
                Some(inner) if field.inline => self.fields(inner, properties, required),
                _ => {
                    properties.insert(field.name.into(), self.property(schema, field));
                    if markers::is_required(schema, field) {
                        required.push(field.name.into());
                    }
                }
            }
        }
    }

    fn property(&mut self, schema: &'static Schema, field: &'static Field) -> Value {
        let mut property = self.of_type(field.ty, raw_name(schema));
        let Some(map) = property.as_object_mut() else { return property };
        if let Type::List(_) = field.ty {
            let (list, keys) = match field.list {
                ListKind::Atomic => ("atomic", &[][..]),
                ListKind::Set => ("set", &[][..]),
                ListKind::Map => ("map", field.keys),
            };
            map.insert("x-kubernetes-list-type".into(), list.into());
            if !keys.is_empty() {
                map.insert("x-kubernetes-list-map-keys".into(), keys.into());
            }
        }
        if let Some(kind) = markers::map_type(schema, field) {
            map.insert("x-kubernetes-map-type".into(), kind.into());
        }
        if let Some(strategy) = markers::patch_strategy(schema, field) {
            map.insert("x-kubernetes-patch-strategy".into(), strategy.into());
        }
        if !field.merge_key.is_empty() {
            map.insert("x-kubernetes-patch-merge-key".into(), field.merge_key.into());
        }
        if let Some(text) = descriptions::of_field(schema, field) {
            map.insert("description".into(), text.into());
        }
        if self.dialect == Dialect::V2 {
            return property;
        }
        if let Some(default) = field.default.and_then(|text| serde_json::from_str(text).ok()) {
            map.insert("default".into(), default);
        }
        // Version 3 allows nothing beside a reference.
        if map.len() > 1
            && let Some(reference) = map.remove("$ref")
        {
            map.insert("allOf".into(), json!([{ "$ref": reference }]));
        }
        property
    }

    fn of_type(&mut self, ty: &'static Type, raw: &'static str) -> Value {
        let v3 = self.dialect == Dialect::V3;
        match ty {
            Type::Bool => json!({"type": "boolean"}),
            Type::Int32 => json!({"type": "integer", "format": "int32"}),
            Type::Int64 => json!({"type": "integer", "format": "int64"}),
            Type::Float64 => json!({"type": "number", "format": "double"}),
            Type::String => json!({"type": "string"}),
            Type::Bytes => json!({"type": "string", "format": "byte"}),
            Type::Quantity => {
                let of = match v3 {
                    true => json!({"oneOf": [{"type": "string"}, {"type": "number"}]}),
                    false => json!({"type": "string"}),
                };
                self.plain(QUANTITY, descriptions::QUANTITY, of)
            }
            Type::IntOrString => {
                let of = match v3 {
                    true => {
                        json!({"oneOf": [{"type": "integer"}, {"type": "string"}], "format": "int-or-string"})
                    }
                    false => json!({"type": "string", "format": "int-or-string"}),
                };
                self.plain(INT_OR_STRING, "A number or a text, such as a percentage or a port's name.", of)
            }
            Type::Time => {
                let of = json!({"type": "string", "format": "date-time"});
                self.plain(&name("meta.v1", "Time"), "A time to the second, as RFC 3339 writes it.", of)
            }
            Type::MicroTime => {
                let of = json!({"type": "string", "format": "date-time"});
                self.plain(&name("meta.v1", "MicroTime"), "A time to the microsecond.", of)
            }
            Type::Raw => self.raw(raw),
            Type::List(item) | Type::Items(item) => {
                json!({"type": "array", "items": self.of_type(item, raw)})
            }
            Type::Map(value) => json!({"type": "object", "additionalProperties": self.of_type(value, raw)}),
            Type::Struct(schema) => self.of_struct(schema()),
        }
    }

    fn raw(&mut self, definition: &'static str) -> Value {
        match definition {
            "JSON" => self.plain(&name("apiextensions.v1", "JSON"), "Any JSON value.", json!({})),
            "FieldsV1" => {
                let text = "A set of fields, as structured merge diff writes it.";
                self.plain(&name("meta.v1", "FieldsV1"), text, json!({"type": "object"}))
            }
            _ => self.plain(RAW_EXTENSION, "An object of any kind.", json!({"type": "object"})),
        }
    }
}

pub const GVK: &str = "x-kubernetes-group-version-kind";

/// A group, version and kind as the extension writes it.
pub fn gvk_value((group, version, kind): (&str, &str, &str)) -> Value {
    json!({"group": group, "version": version, "kind": kind})
}

fn described(mut property: Value, text: &str) -> Value {
    property["description"] = text.into();
    property
}

/// What JSON of any shape is called in a struct.
fn raw_name(schema: &Schema) -> &'static str {
    match (schema.package, schema.name) {
        ("meta.v1", "ManagedFieldsEntry") => "FieldsV1",
        ("apiextensions.v1", "JSONSchemaProps") => "JSON",
        _ => "RawExtension",
    }
}

/// The kinds a struct is known as: options and watch events belong to every group version.
fn kinds_of(schema: &'static Schema) -> Vec<Value> {
    if let ("meta.v1", "DeleteOptions" | "WatchEvent") = (schema.package, schema.name) {
        let versions = areas().into_iter().filter_map(|area| match area {
            Area::GroupVersion(group, version) => Some((group, version, schema.name)),
            _ => None,
        });
        return versions.map(gvk_value).collect();
    }
    let own: Option<Gvk> = schema.kind.map(|kind| (kind.group, kind.version, kind.kind));
    own.map(gvk_value).into_iter().collect()
}

fn version_info() -> Value {
    let required = [
        "major",
        "minor",
        "gitVersion",
        "gitCommit",
        "gitTreeState",
        "buildDate",
        "goVersion",
        "compiler",
        "platform",
    ];
    let others = ["emulationMajor", "emulationMinor", "minCompatibilityMajor", "minCompatibilityMinor"];
    let property = |name: &&str| {
        let text = descriptions::by_name("Info", name).unwrap_or_default();
        (name.to_string(), json!({"type": "string", "description": text}))
    };
    let properties: Map<String, Value> = required.iter().chain(&others).map(property).collect();
    json!({"type": "object", "properties": properties, "required": required})
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::Kind;

    #[test]
    fn custom_definitions_never_bear_the_names_of_ours() {
        for (group, name, want) in [
            ("example.com", "Pod", "com.example.v1.Pod"),
            ("core.api.k8s.io", "Pod", "io.k8s.api.core.v1.Pod_v2"),
            ("core.api.k8s.io", "Pond", "io.k8s.api.core.v1.Pond"),
            (
                "meta.apis.pkg.apimachinery.k8s.io",
                "ListMeta",
                "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta_v2",
            ),
        ] {
            let kind = KindInfo { group, ..*corten_api::core::v1::Pod::INFO };
            assert_eq!(custom_name(&kind, name), want);
        }
    }
}
