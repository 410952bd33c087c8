//! A configuration laid over an object, with nobody's fields minded: what mutating policies do (upstream's
//! `mutating/patch/smd.go`).

use super::element::{Element, Name, path_text};
use super::types::TypeRef;
use super::validate::validate;
use super::value::merge;
use corten_api::ListKind;
use serde_json::Value;

/// The object with what the configuration says.
///
/// # Errors
/// In upstream's words, when one of the two does not fit its type, or the configuration says anything of what
/// could only be replaced as a whole.
pub fn overlay(live: &Value, config: &Value, ty: TypeRef<'_>) -> Result<Value, String> {
    let fits = |value, duplicates, what: &str| {
        let verdict = validate(value, ty, duplicates).verdict();
        verdict.map_err(|why| format!("failed to convert {what} object to typed object: {why}"))
    };
    fits(config, false, "patch")?;
    let mut atomics = Vec::new();
    find_atomics(&mut Vec::new(), ty, config, &mut atomics);
    if !atomics.is_empty() {
        let atomics = atomics.join(", ");
        return Err(format!(
            "invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: {atomics}"
        ));
    }
    fits(live, true, "original")?;
    let merged =
        merge(Some(live), Some(config), ty).map_err(|why| format!("failed to merge patch: {why}"))?;
    Ok(merged.unwrap_or(Value::Null))
}

/// The paths of all that is given of atomic lists and maps.
fn find_atomics(path: &mut Vec<Element>, ty: TypeRef<'_>, value: &Value, found: &mut Vec<String>) {
    let atom = ty.resolve();
    let here = |path: &[Element]| path_text(&path.iter().collect::<Vec<_>>());
    if let (Value::Object(entries), Some(map)) = (value, atom.map) {
        if map.atomic {
            found.push(here(path));
        }
        for (key, value) in entries {
            let Some(ty) = map.field(key) else { continue };
            path.push(Element::Field(Name::Owned(key.clone())));
            find_atomics(path, ty, value, found);
            path.pop();
        }
    }
    if let (Value::Array(items), Some(list)) = (value, atom.list) {
        if list.kind == ListKind::Atomic {
            found.push(here(path));
        }
        for (at, item) in items.iter().enumerate() {
            path.push(Element::Index(i64::try_from(at).unwrap_or(i64::MAX)));
            find_atomics(path, list.item, item, found);
            path.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::Kind;
    use corten_api::apps::v1::Deployment;
    use serde_json::json;

    #[test]
    fn what_is_said_is_merged_and_what_is_atomic_refused() {
        let ty = TypeRef::Struct((Deployment::INFO.schema)());
        let pod = |containers: Value| json!({"spec": {"template": {"spec": {"containers": containers}}}});
        let live = pod(json!([{"name": "a", "image": "x"}, {"name": "b", "args": ["1"]}]));
        let cases = [
            (
                pod(json!([{"name": "c"}, {"name": "a", "image": "y"}])),
                Ok(pod(json!([
                    {"name": "b", "args": ["1"]}, {"name": "c"}, {"name": "a", "image": "y"},
                ]))),
            ),
            (
                pod(json!([{"name": "b", "args": ["2"]}])),
                Err("invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: \
                     .spec.template.spec.containers[0].args"),
            ),
            (
                json!({"spec": {"selector": {"matchLabels": {"a": "b"}}}}),
                Err(
                    "invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: .spec.selector",
                ),
            ),
            (
                json!({"spec": {"invalidField": "x"}}),
                Err(
                    "failed to convert patch object to typed object: .spec.invalidField: field not declared in \
                     schema",
                ),
            ),
        ];
        for (config, expected) in cases {
            let told = overlay(&live, &config, ty);
            match (&told, expected) {
                // The order of merged items is the merge's own affair.
                (Ok(merged), Ok(expected)) => {
                    let sorted = |value: &Value| {
                        let mut items: Vec<String> = value["spec"]["template"]["spec"]["containers"]
                            .as_array()
                            .into_iter()
                            .flatten()
                            .map(Value::to_string)
                            .collect();
                        items.sort();
                        items
                    };
                    assert_eq!(sorted(merged), sorted(&expected), "{config}");
                }
                (told, expected) => {
                    assert_eq!(told.clone().map(drop), expected.map(drop).map_err(str::to_owned), "{config}");
                }
            }
        }
    }
}
