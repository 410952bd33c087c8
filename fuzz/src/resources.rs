//! Custom resources. Input is two JSON texts with a zero byte between: a definition's schema, and an object of it.

use corten_api::apiextensions::v1::{CustomResourceDefinition, JSONSchemaProps};
use corten_codec::{Problems, json};
use corten_custom::DefinitionStrategy;
use corten_custom::schema::Builder;
use corten_custom::value::{Old, check_lists, drop_nulls, prune, set_defaults, validate};
use corten_kinds::{Strategy, before_create};
use serde_json::{Value, json as value};

/// The definition is judged; under its schema the object is pruned, completed and judged.
pub fn schema(input: &[u8]) {
    let Some(end) = input.iter().position(|byte| *byte == 0) else { return };
    let (Ok(of), Ok(Value::Object(mut object))) =
        (serde_json::from_slice::<Value>(&input[..end]), serde_json::from_slice::<Value>(&input[end + 1..]))
    else {
        return;
    };
    let mut props = JSONSchemaProps::default();
    let read = json::decode_struct(&input[..end], &mut props, &mut Problems::ignore()).is_ok();
    if !read || !judged(&of) {
        return;
    }
    let mut builder = Builder::default();
    let root = builder.add(&props);
    let schema = builder.finish();
    let node = schema.at(root).expect("the root");
    prune(&mut object, Some(node), Some(&mut Vec::new()));
    drop_nulls(&mut object, Some(node));
    set_defaults(&mut object, node);
    let once = object.clone();
    prune(&mut object, Some(node), None);
    set_defaults(&mut object, node);
    assert_eq!(object, once, "what is pruned and completed stays so");
    let object = Value::Object(object);
    let _ = check_lists(&object, node);
    let judged = validate("", &object, Old::Unknown, node).len();
    assert!(
        validate("", &object, Old::Was(&object), node).len() <= judged,
        "what did not change is judged less"
    );
}

/// Whether a definition with this schema is accepted.
fn judged(schema: &Value) -> bool {
    let definition = value!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced",
            "names": {"plural": "things", "kind": "Thing"},
            "versions": [{
                "name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}
            }]
        }
    });
    let mut crd = CustomResourceDefinition::default();
    let mut problems = Problems::ignore();
    if json::decode(definition.to_string().as_bytes(), &mut crd, &mut problems).is_err() {
        return false;
    }
    let strategy: &'static dyn Strategy = &DefinitionStrategy;
    strategy.default(&mut crd);
    before_create(strategy, &mut crd).is_ok()
}
