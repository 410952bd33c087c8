//! Strategic merge patch (k8s.io/apimachinery `strategicpatch`): a merge patch that knows from the schema
//! which lists merge and by which key, with the directives `$patch`, `$retainKeys`,
//! `$deleteFromPrimitiveList/...` and `$setElementOrder/...`.

use super::PatchError;
use super::order::{Identity, ordered};
use corten_api::{Field, Schema, Type};
use serde_json::{Map, Value};

const DIRECTIVE: &str = "$patch";
const RETAIN: &str = "$retainKeys";
const DELETE_FROM: &str = "$deleteFromPrimitiveList/";
const SET_ORDER: &str = "$setElementOrder/";

type Result<T> = std::result::Result<T, PatchError>;

/// Merges `patch` into `document`, whose root has the shape of `schema`.
pub fn apply_strategic_merge_patch(document: &mut Value, patch: Value, schema: &Schema) -> Result<()> {
    let (Value::Object(original), Value::Object(patch)) = (document, patch) else {
        return Err(PatchError::Malformed("error decoding patch: it is not an object".into()));
    };
    merge_map(original, patch, Shape::Struct(schema))
}

/// What the schema knows of a JSON object.
#[derive(Clone, Copy)]
enum Shape<'a> {
    Struct(&'a Schema),
    MapOf(&'static Type),
    /// Outside the schema: plain merging.
    Free,
}

impl<'a> Shape<'a> {
    fn of(ty: &'static Type) -> Shape<'static> {
        match ty {
            Type::Struct(schema) => Shape::Struct(schema()),
            Type::Map(values) => Shape::MapOf(values),
            _ => Shape::Free,
        }
    }

    fn field(&self, name: &str) -> Option<&'static Field> {
        match self {
            Shape::Struct(schema) => schema.lookup(name),
            _ => None,
        }
    }

    fn below(&self, name: &str) -> Shape<'static> {
        match self {
            Shape::Struct(_) => self.field(name).map_or(Shape::Free, |f| Shape::of(f.ty)),
            Shape::MapOf(ty) => Shape::of(ty),
            Shape::Free => Shape::Free,
        }
    }
}

fn merge_map(
    original: &mut Map<String, Value>,
    mut patch: Map<String, Value>,
    shape: Shape<'_>,
) -> Result<()> {
    match patch.remove(DIRECTIVE) {
        None => {}
        Some(Value::String(s)) if s == "replace" => {
            *original = patch;
            return Ok(());
        }
        Some(Value::String(s)) if s == "delete" => {
            original.clear();
            return Ok(());
        }
        Some(Value::String(s)) if s == "merge" => {}
        Some(other) => return Err(PatchError::Malformed(format!("Unknown patch type found: {other}"))),
    }
    if let Some(keys) = patch.remove(RETAIN) {
        retain(original, &patch, keys)?;
    }
    let orders: Vec<(String, Value)> = take_prefixed(&mut patch, SET_ORDER);
    for (field, values) in take_prefixed(&mut patch, DELETE_FROM) {
        delete_from_list(original, &field, values)?;
    }
    for (key, change) in patch {
        let order = orders.iter().find(|(field, _)| *field == key).map(|(_, order)| order);
        merge_key(original, &key, change, order, shape)?;
    }
    for (key, order) in &orders {
        reorder(original, key, order, shape)?;
    }
    Ok(())
}

fn merge_key(
    original: &mut Map<String, Value>,
    key: &str,
    change: Value,
    order: Option<&Value>,
    shape: Shape<'_>,
) -> Result<()> {
    if change.is_null() {
        original.remove(key);
        return Ok(());
    }
    let Some(present) = original.get_mut(key) else {
        original.insert(key.to_string(), without_directives(change));
        return Ok(());
    };
    let field = shape.field(key);
    match (present, change) {
        (Value::Object(present), Value::Object(change)) => merge_map(present, change, shape.below(key)),
        (Value::Array(present), Value::Array(change)) if field.is_some_and(|f| f.merge) => {
            let wanted = match order {
                Some(Value::Array(wanted)) => Some(wanted.as_slice()),
                Some(_) => return Err(PatchError::Malformed(format!("{SET_ORDER}{key} is not a list"))),
                None => None,
            };
            *present = merge_list(std::mem::take(present), change, wanted, field)?;
            Ok(())
        }
        (present, change) => {
            *present = without_directives(change);
            Ok(())
        }
    }
}

fn retain(original: &mut Map<String, Value>, patch: &Map<String, Value>, keys: Value) -> Result<()> {
    let Value::Array(keys) = keys else {
        return Err(PatchError::Malformed(format!("{RETAIN} is not a list")));
    };
    let listed = |name: &str| keys.iter().any(|k| k.as_str() == Some(name));
    if let Some(extra) = patch.iter().find(|(k, v)| !v.is_null() && !k.starts_with('$') && !listed(k)) {
        return Err(PatchError::Malformed(format!("{RETAIN} lacks the field {} of the patch", extra.0)));
    }
    original.retain(|k, _| listed(k));
    Ok(())
}

fn take_prefixed(patch: &mut Map<String, Value>, prefix: &str) -> Vec<(String, Value)> {
    let keys: Vec<String> = patch.keys().filter(|k| k.starts_with(prefix)).cloned().collect();
    keys.into_iter().filter_map(|k| patch.remove(&k).map(|v| (k[prefix.len()..].to_string(), v))).collect()
}

fn delete_from_list(original: &mut Map<String, Value>, field: &str, values: Value) -> Result<()> {
    let Value::Array(values) = values else {
        return Err(PatchError::Malformed(format!("{DELETE_FROM}{field} is not a list")));
    };
    if let Some(Value::Array(list)) = original.get_mut(field) {
        list.retain(|v| !values.contains(v));
    }
    Ok(())
}

fn reorder(original: &mut Map<String, Value>, key: &str, order: &Value, shape: Shape<'_>) -> Result<()> {
    let (Some(Value::Array(list)), Value::Array(wanted)) = (original.get_mut(key), order) else {
        return Ok(());
    };
    let Some(field) = shape.field(key).filter(|f| f.merge) else { return Ok(()) };
    let server = list.clone();
    *list = ordered(std::mem::take(list), wanted, &server, identity(field, &server));
    Ok(())
}

fn identity<'f>(field: &'f Field, items: &[Value]) -> Identity<'f> {
    match items.first() {
        Some(Value::Object(_)) if !field.merge_key.is_empty() => Identity::Key(field.merge_key),
        _ => Identity::Whole,
    }
}

fn merge_list(
    server: Vec<Value>,
    patch: Vec<Value>,
    wanted: Option<&[Value]>,
    field: Option<&'static Field>,
) -> Result<Vec<Value>> {
    let Some(field) = field else { return Ok(patch) };
    let objects = server.iter().chain(&patch).any(Value::is_object);
    if !objects {
        let mut merged = server.clone();
        let new: Vec<Value> = patch.iter().filter(|p| !server.contains(p)).cloned().collect();
        merged.extend(new);
        return Ok(ordered(merged, wanted.unwrap_or(&patch), &server, Identity::Whole));
    }
    if field.merge_key.is_empty() {
        return Err(PatchError::Unprocessable(format!("the list {} declares no merge key", field.name)));
    }
    let id = Identity::Key(field.merge_key);
    let (mut merged, patch) = match special_items(server.clone(), patch, id, field.merge_key)? {
        Special::Replaced(list) => return Ok(list),
        Special::Left { server, patch } => (server, patch),
    };
    let shape = field.ty.element().map_or(Shape::Free, Shape::of);
    for item in &patch {
        if id.of(item).is_none() {
            return Err(PatchError::Unprocessable(format!(
                "map: {item} does not contain declared merge key: {}",
                field.merge_key
            )));
        }
        match (id.position(&merged, item), item) {
            (Some(at), Value::Object(change)) => {
                if let Value::Object(present) = &mut merged[at] {
                    merge_map(present, change.clone(), shape)?;
                }
            }
            _ => merged.push(without_directives(item.clone())),
        }
    }
    Ok(ordered(merged, wanted.unwrap_or(&patch), &server, id))
}

/// A list after its `$patch` items have been obeyed.
enum Special {
    Replaced(Vec<Value>),
    Left { server: Vec<Value>, patch: Vec<Value> },
}

fn special_items(mut server: Vec<Value>, patch: Vec<Value>, id: Identity<'_>, key: &str) -> Result<Special> {
    let mut plain = Vec::new();
    let mut replace = false;
    for item in patch {
        match item.get(DIRECTIVE).and_then(Value::as_str) {
            None => plain.push(item),
            Some("replace") => replace = true,
            Some("delete") => {
                let Some(name) = id.of(&item) else {
                    return Err(PatchError::Malformed(format!(
                        "delete patch type with no merge key defined: {key}"
                    )));
                };
                server.retain(|s| id.of(s) != Some(name));
            }
            Some("merge") => {
                return Err(PatchError::Malformed(
                    "merging lists cannot yet be specified in the patch".into(),
                ));
            }
            Some(other) => return Err(PatchError::Malformed(format!("Unknown patch type found: {other}"))),
        }
    }
    if replace {
        return Ok(Special::Replaced(plain.into_iter().map(without_directives).collect()));
    }
    Ok(Special::Left { server, patch: plain })
}

/// A value that is new to the document: nulls and directives mean nothing in it.
fn without_directives(value: Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(
            map.into_iter()
                .filter(|(k, v)| !v.is_null() && !is_directive(k))
                .map(|(k, v)| (k, without_directives(v)))
                .collect(),
        ),
        Value::Array(list) => Value::Array(
            list.into_iter()
                .filter(|v| v.get(DIRECTIVE).and_then(Value::as_str) != Some("delete"))
                .map(without_directives)
                .collect(),
        ),
        other => other,
    }
}

fn is_directive(key: &str) -> bool {
    key == DIRECTIVE || key == RETAIN || key.starts_with(DELETE_FROM) || key.starts_with(SET_ORDER)
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::apps::v1::Deployment;
    use corten_api::core::v1::{Pod, Service};
    use serde_json::json;

    fn patched(schema: &Schema, mut doc: Value, patch: Value) -> Value {
        apply_strategic_merge_patch(&mut doc, patch, schema).expect("applies");
        doc
    }

    #[test]
    fn containers_merge_by_name_and_keep_their_place() {
        let doc = json!({"spec": {"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "1"}]}});
        let patch = json!({"spec": {"containers": [{"name": "b", "image": "2"}]}});
        let want =
            json!({"spec": {"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "2"}]}});
        assert_eq!(patched(Pod::schema(), doc, patch), want);
    }

    #[test]
    fn directives_delete_replace_and_order() {
        let doc = || json!({"spec": {"containers": [{"name": "a"}, {"name": "b"}]}});
        for (patch, want) in [
            (json!([{"name": "a", "$patch": "delete"}]), json!([{"name": "b"}])),
            (json!([{"$patch": "replace"}, {"name": "c"}]), json!([{"name": "c"}])),
            (json!([{"name": "c", "image": null}]), json!([{"name": "c"}, {"name": "a"}, {"name": "b"}])),
        ] {
            let got = patched(Pod::schema(), doc(), json!({"spec": {"containers": patch}}));
            assert_eq!(got["spec"]["containers"], want);
        }
        let order = json!({"spec": {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}], "containers": [{"name": "a", "tty": true}]}});
        let got = patched(Pod::schema(), doc(), order);
        assert_eq!(got["spec"]["containers"], json!([{"name": "b"}, {"name": "a", "tty": true}]));
    }

    #[test]
    fn primitive_lists_unite_and_lose_what_is_named() {
        let doc = || json!({"metadata": {"finalizers": ["a", "b"]}});
        let got = patched(Pod::schema(), doc(), json!({"metadata": {"finalizers": ["c", "b"]}}));
        assert_eq!(got["metadata"]["finalizers"], json!(["c", "a", "b"]));
        let got = patched(
            Pod::schema(),
            doc(),
            json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}}),
        );
        assert_eq!(got["metadata"]["finalizers"], json!(["b"]));
    }

    #[test]
    fn retain_keys_drops_the_rest() {
        let doc = json!({"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}});
        let patch = json!({"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}});
        let got = patched(Deployment::schema(), doc, patch);
        assert_eq!(got["spec"]["strategy"], json!({"type": "Recreate"}));
    }

    #[test]
    fn service_ports_merge_by_port_and_maps_by_key() {
        let doc = json!({"metadata": {"labels": {"a": "1", "b": "2"}}, "spec": {"ports": [{"port": 80, "name": "x"}]}});
        let patch = json!({"metadata": {"labels": {"b": null, "c": "3"}}, "spec": {"ports": [{"port": 80, "name": "y"}, {"port": 81}]}});
        let got = patched(Service::schema(), doc, patch);
        assert_eq!(got["metadata"]["labels"], json!({"a": "1", "c": "3"}));
        assert_eq!(got["spec"]["ports"], json!([{"port": 80, "name": "y"}, {"port": 81}]));
    }

    #[test]
    fn a_list_item_without_its_key_is_refused() {
        let mut doc = json!({"spec": {"containers": [{"name": "a"}]}});
        let patch = json!({"spec": {"containers": [{"image": "x"}]}});
        let failed = apply_strategic_merge_patch(&mut doc, patch, Pod::schema());
        assert!(matches!(failed, Err(PatchError::Unprocessable(_))), "{failed:?}");
    }
}
