//! Declared types from structural schemas, with the sizes that the cost estimate assumes where a schema sets no
//! bounds: the most that fits into one request.

use crate::declared::{Declared, Field, ListIdentity, ListType, MapType, ObjectType};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The largest request.
const REQUEST: u64 = 3 * 1024 * 1024;
/// The deepest a schema is followed.
const DEEPEST: usize = 200;

impl Declared {
    /// The type of an OpenAPI v3 schema, as JSON, or `None` if expressions do not see such data (of unknown type,
    /// or of unknown items). `name` names the object's type, and its fields' types after it; `root` adds
    /// `apiVersion`, `kind`, `metadata.name` and `metadata.generateName`, as a resource always has them.
    pub fn of_schema(schema: &Json, name: &str, root: bool) -> Option<Declared> {
        Some(declare(schema, name, root, DEEPEST)?.0)
    }

    /// The fewest bytes that JSON needs for data of such a schema.
    pub fn least_size(schema: &Json, root: bool) -> Option<u64> {
        Some(declare(schema, "", root, DEEPEST)?.1)
    }
}

fn flag(schema: &Json, name: &str) -> bool {
    schema.get(name).and_then(Json::as_bool).unwrap_or_default()
}

fn number(schema: &Json, name: &str) -> Option<u64> {
    let number = schema.get(name)?;
    Some(number.as_u64().unwrap_or_else(|| number.as_f64().map_or(0, |number| number.max(0.0) as u64)))
}

fn text<'a>(schema: &'a Json, name: &str) -> &'a str {
    schema.get(name).and_then(Json::as_str).unwrap_or_default()
}

/// The type and the fewest bytes that JSON needs for it.
fn declare(schema: &Json, name: &str, root: bool, depth: usize) -> Option<(Declared, u64)> {
    let depth = depth.checked_sub(1)?;
    if flag(schema, "x-kubernetes-int-or-string") {
        let max = number(schema, "maxLength").map_or(REQUEST - 2, |max| max.saturating_mul(4));
        return Some((Declared::Dyn { max_size: Some(max) }, 1));
    }
    let kind = text(schema, "type");
    if root || kind == "object" {
        return object(schema, name, root, depth);
    }
    match kind {
        "array" => {
            let items = schema.get("items")?;
            let embedded = flag(items, "x-kubernetes-embedded-resource");
            let (items, least) = declare(items, &format!("{name}.@idx"), embedded, depth)?;
            let max_items = number(schema, "maxItems").unwrap_or((REQUEST - 2) / (least + 1));
            let list = ListType { items, max_items: Some(max_items), identity: identity(schema) };
            Some((Declared::List(Arc::new(list)), 2))
        }
        "string" => Some(string(schema)),
        "boolean" => Some((Declared::Bool, 4)),
        "number" => Some((Declared::Double, 1)),
        "integer" => Some((Declared::Int, 1)),
        _ => None,
    }
}

fn identity(schema: &Json) -> ListIdentity {
    match text(schema, "x-kubernetes-list-type") {
        "set" => ListIdentity::Set,
        "map" => {
            let keys = schema.get("x-kubernetes-list-map-keys").and_then(Json::as_array);
            let keys = keys.into_iter().flatten().filter_map(Json::as_str);
            ListIdentity::Map(keys.map(str::to_owned).collect())
        }
        _ => ListIdentity::Atomic,
    }
}

fn string(schema: &Json) -> (Declared, u64) {
    let max = number(schema, "maxLength");
    match text(schema, "format") {
        "byte" => (Declared::Bytes { max_length: Some(max.unwrap_or(REQUEST - 2)) }, 2),
        "duration" => (Declared::Duration { max_length: 32 }, 3),
        "date" => (Declared::Timestamp { max_length: 12 }, 12),
        "date-time" => (Declared::Timestamp { max_length: 32 }, 21),
        _ => {
            let values = schema.get("enum").and_then(Json::as_array).filter(|values| !values.is_empty());
            let longest = values.map(|values| {
                values.iter().filter_map(Json::as_str).map(|value| value.len() as u64).max().unwrap_or(0)
            });
            let max = max.map(|max| max.saturating_mul(4)).or(longest).unwrap_or(REQUEST - 2);
            (Declared::String { max_length: Some(max) }, 2)
        }
    }
}

fn object(schema: &Json, name: &str, root: bool, depth: usize) -> Option<(Declared, u64)> {
    let values = schema.get("additionalProperties").filter(|values| values.is_object());
    if let Some(values) = values.filter(|_| !root) {
        let embedded = flag(values, "x-kubernetes-embedded-resource");
        let (values, least) = declare(values, &format!("{name}.@elem"), embedded, depth)?;
        let most = number(schema, "maxProperties").unwrap_or((REQUEST - 2) / (least + 6));
        return Some((Declared::Map(Arc::new(MapType { values, max_properties: Some(most) })), 2));
    }
    let mut fields = BTreeMap::new();
    let mut size = 2;
    let required = schema.get("required").and_then(Json::as_array);
    let is_required =
        |name: &str| required.is_some_and(|required| required.iter().any(|own| own.as_str() == Some(name)));
    let properties = schema.get("properties").and_then(Json::as_object);
    for (property, schema) in properties.into_iter().flatten() {
        let escaped = crate::escape(property);
        let of = format!("{name}.{}", escaped.as_deref().unwrap_or(property));
        let embedded = flag(schema, "x-kubernetes-embedded-resource");
        let Some((declared, least)) = declare(schema, &of, embedded, depth) else { continue };
        if is_required(property) && schema.get("default").is_none_or(Json::is_null) {
            size += property.len() as u64 + least + 4;
        }
        if let Some(escaped) = escaped {
            fields.insert(escaped, Field { property: property.clone(), declared });
        }
    }
    if root {
        add_meta(&mut fields, name);
    }
    Some((Declared::Object(Arc::new(ObjectType { name: name.to_owned(), fields })), size))
}

/// What every resource has; taken as upstream does: all of it, unless the schema says all of it.
fn add_meta(fields: &mut BTreeMap<String, Field>, name: &str) {
    let text = || Declared::String { max_length: Some(REQUEST - 2) };
    let is_text =
        |field: Option<&Field>| matches!(field, Some(Field { declared: Declared::String { .. }, .. }));
    let metadata = match fields.get("metadata") {
        Some(Field { declared: Declared::Object(metadata), .. }) => {
            is_text(metadata.fields.get("name")) && is_text(metadata.fields.get("generateName"))
        }
        _ => false,
    };
    if metadata && is_text(fields.get("kind")) && is_text(fields.get("apiVersion")) {
        return;
    }
    let metadata = ["name", "generateName"].map(|property| (property.to_owned(), text()));
    let metadata = Declared::Object(ObjectType::new(&format!("{name}.metadata"), metadata));
    for (property, declared) in [("kind", text()), ("apiVersion", text()), ("metadata", metadata)] {
        fields.insert(property.to_owned(), Field { property: property.to_owned(), declared });
    }
}
