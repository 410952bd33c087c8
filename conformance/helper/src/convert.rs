//! Conversion between two versions: one field `hostPort`, and two fields `host` and `port`.

use serde_json::{Value, json};

/// The review with its response.
pub fn answer(review: &Value) -> Value {
    let request = &review["request"];
    let wanted = request["desiredAPIVersion"].as_str().unwrap_or_default();
    let objects = request["objects"].as_array().into_iter().flatten();
    let converted: Result<Vec<Value>, String> = objects.map(|object| convert(object, wanted)).collect();
    let response = match converted {
        Ok(objects) => {
            json!({"uid": request["uid"], "convertedObjects": objects, "result": {"status": "Success"}})
        }
        Err(message) => {
            json!({"uid": request["uid"], "result": {"status": "Failure", "message": message}})
        }
    };
    json!({"apiVersion": review["apiVersion"], "kind": review["kind"], "response": response})
}

fn convert(object: &Value, wanted: &str) -> Result<Value, String> {
    let has = object["apiVersion"].as_str().unwrap_or_default();
    if has == wanted {
        return Err(format!("conversion from a version to itself should not call the webhook: {wanted}"));
    }
    let mut converted = object.clone();
    let fields = converted.as_object_mut().ok_or("no object")?;
    match (version(has), version(wanted)) {
        ("v1", "v2") => {
            if let Some(both) = fields.remove("hostPort") {
                let both = both.as_str().unwrap_or_default();
                let (host, port) = both.split_once(':').ok_or(format!("invalid hostPort value `{both}`"))?;
                fields.insert("host".into(), json!(host));
                fields.insert("port".into(), json!(port));
            }
        }
        ("v2", "v1") => {
            let (host, port) = (fields.remove("host"), fields.remove("port"));
            if host.is_some() || port.is_some() {
                let text = |value: Option<Value>| {
                    value.and_then(|v| v.as_str().map(str::to_string)).unwrap_or_default()
                };
                fields.insert("hostPort".into(), json!(format!("{}:{}", text(host), text(port))));
            }
        }
        _ => return Err(format!("unexpected conversion from {has:?} to {wanted:?}")),
    }
    fields.insert("apiVersion".into(), json!(wanted));
    Ok(converted)
}

fn version(api_version: &str) -> &str {
    api_version.rsplit('/').next().unwrap_or_default()
}
