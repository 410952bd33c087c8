//! The annotation of client-side apply, which kubectl keeps when it turns to server-side apply (upstream's
//! `lastAppliedManager` and `lastAppliedUpdater`).

use super::compare::compare;
use super::set::Set;
use super::types::TypeRef;
use super::validate::validate;
use super::value::field_set;
use crate::json::text::write_string;
use serde_json::Value;

/// The only manager whose annotation is looked after.
pub(super) const KUBECTL: &str = "kubectl";
/// The annotation.
pub const ANNOTATION: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// How many bytes an object's annotations may have in all.
const MOST_BYTES: usize = 256 << 10;

fn annotation(object: &Value) -> Option<&str> {
    object["metadata"]["annotations"][ANNOTATION].as_str().filter(|text| !text.is_empty())
}

/// The fields that kubectl applied before from the client, and that nobody has changed since.
pub(super) fn taken_over(live: &Value, ty: TypeRef<'_>, api_version: &str) -> Option<Set> {
    let last: Value = serde_json::from_str(annotation(live)?).ok()?;
    if last["apiVersion"] != api_version {
        return None;
    }
    for object in [live, &last] {
        validate(object, ty, false).verdict().ok()?;
    }
    let changes = compare(&last, live, ty);
    let set = field_set(&last, ty);
    Some(set.difference(&changes.modified).difference(&changes.added).difference(&changes.removed))
}

/// The annotation that says what was applied now, if the object has one; `Some(None)` when it would be too
/// large.
pub(super) fn renewed(object: &Value, config: &Value) -> Option<Option<String>> {
    annotation(object)?;
    let mut config = config.clone();
    if let Some(meta) = config.get_mut("metadata").and_then(Value::as_object_mut)
        && let Some(annotations) = meta.get_mut("annotations").and_then(Value::as_object_mut)
    {
        annotations.remove(ANNOTATION);
    }
    let mut text = Vec::new();
    write(&mut text, &config);
    text.push(b'\n');
    let text = String::from_utf8_lossy(&text).into_owned();
    let others = object["metadata"]["annotations"].as_object().into_iter().flatten();
    let size = |(key, value): (&String, &Value)| key.len() + value.as_str().map_or(0, str::len);
    let rest: usize = others.filter(|(key, _)| *key != ANNOTATION).map(size).sum();
    Some((rest + ANNOTATION.len() + text.len() <= MOST_BYTES).then_some(text))
}

/// JSON as Go writes it.
fn write(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::String(text) => write_string(out, text),
        Value::Array(items) => {
            out.push(b'[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write(out, item);
            }
            out.push(b']');
        }
        Value::Object(map) => {
            out.push(b'{');
            for (at, (key, value)) in map.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write_string(out, key);
                out.push(b':');
                write(out, value);
            }
            out.push(b'}');
        }
        other => out.extend_from_slice(other.to_string().as_bytes()),
    }
}
