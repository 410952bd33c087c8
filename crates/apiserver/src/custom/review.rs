//! The protocol of conversion webhooks: what they are asked, and what is taken of their answers.

use corten_api::{DynamicObject, KindInfo};
use corten_codec::{Problems, json};
use corten_custom::object::to_value;
use corten_kinds::metadata;
use serde_json::{Map, Value, json};

/// Why a webhook's answer is of no use, as upstream's metrics and messages tell it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub kind: &'static str,
    /// What follows `conversion webhook for KIND `.
    pub message: String,
}

/// Nothing came back that could be read.
pub(super) const CALL: &str = "conversion_webhook_call_failure";
const MALFORMED: &str = "conversion_webhook_malformed_response_failure";
const PARTIAL: &str = "conversion_webhook_partial_response_failure";
const INVALID: &str = "conversion_webhook_invalid_converted_object_failure";

impl Failure {
    pub fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Failure { kind, message: message.into() }
    }
}

/// The version that webhooks are asked in: the first of theirs that is known here.
pub(super) fn version(theirs: &[String]) -> Option<&str> {
    theirs.iter().map(String::as_str).find(|v| matches!(*v, "v1" | "v1beta1"))
}

/// The question.
pub(super) fn question(version: &str, uid: &str, given: &[&DynamicObject], to: &KindInfo) -> Value {
    json!({
        "kind": "ConversionReview",
        "apiVersion": format!("apiextensions.k8s.io/{version}"),
        "request": {
            "uid": uid,
            "desiredAPIVersion": to.api_version(),
            "objects": given.iter().map(|object| to_value(object)).collect::<Vec<_>>(),
        },
    })
}

/// The objects of an answer to a question about `given`.
pub(super) fn answered(
    answer: &Value,
    version: &str,
    uid: &str,
    given: &[&DynamicObject],
    to: &'static KindInfo,
) -> Result<Vec<DynamicObject>, Failure> {
    let converted =
        response(answer, version, uid).map_err(|why| Failure::new(MALFORMED, format!("failed: {why}")))?;
    if converted.len() != given.len() {
        let message = format!("returned {} objects, expected {}", converted.len(), given.len());
        return Err(Failure::new(PARTIAL, message));
    }
    let one = given.len() == 1;
    let both = given.iter().zip(converted).enumerate();
    both.map(|(at, (before, after))| {
        let whole = if one { "object" } else { "converted object" };
        let metadata = if one { String::new() } else { format!(" in object at index {at}") };
        let object = if one { String::new() } else { format!(" at index {at}") };
        taken(before, after, to).map_err(|wrong| {
            let message = match wrong {
                Wrong::Kind(why) => format!("returned invalid {whole} at index {at}: {why}"),
                Wrong::Object(why) => format!("returned invalid {whole}{object}: {why}"),
                Wrong::Metadata(why) => format!("returned invalid metadata{metadata}: {why}"),
            };
            Failure::new(INVALID, message)
        })
    })
    .collect()
}

fn response<'a>(answer: &'a Value, version: &str, uid: &str) -> Result<&'a [Value], String> {
    let text = |name: &str| answer[name].as_str().unwrap_or_default();
    let wanted = format!("apiextensions.k8s.io/{version}");
    // Of the older version neither kind nor uid were ever looked at.
    if version == "v1" && (text("apiVersion"), text("kind")) != (wanted.as_str(), "ConversionReview") {
        return Err(format!(
            "expected webhook response of {wanted}, Kind=ConversionReview, got {}, Kind={}",
            text("apiVersion"),
            text("kind")
        ));
    }
    let Some(response) = answer.get("response").filter(|r| r.is_object()) else {
        return Err("no response provided".into());
    };
    let given = response["uid"].as_str().unwrap_or_default();
    if version == "v1" && given != uid {
        return Err(format!("expected response.uid={uid:?}, got {given:?}"));
    }
    let result = &response["result"];
    match result["status"].as_str().unwrap_or_default() {
        "Success" => Ok(response["convertedObjects"].as_array().map(Vec::as_slice).unwrap_or_default()),
        status => Err(match result["message"].as_str().filter(|m| !m.is_empty()) {
            Some(message) => message.to_string(),
            None => format!("response.result.status was '{status}', not 'Success'"),
        }),
    }
}

/// What is wrong with a converted object.
enum Wrong {
    Kind(String),
    Object(String),
    Metadata(String),
}

/// A converted object, which may change labels and annotations of the metadata, but no more.
fn taken(before: &DynamicObject, after: &Value, to: &'static KindInfo) -> Result<DynamicObject, Wrong> {
    let text = |name: &str| after[name].as_str().unwrap_or_default();
    let wanted = to.api_version();
    if text("apiVersion") != wanted {
        let given = text("apiVersion");
        return Err(Wrong::Kind(format!("invalid groupVersion (expected {wanted}, received {given})")));
    }
    if text("kind") != to.kind {
        return Err(Wrong::Kind(format!("invalid kind (expected {}, received {})", to.kind, text("kind"))));
    }
    let metadata = after.get("metadata").and_then(Value::as_object);
    let told = |field: &str| metadata.and_then(|m| m.get(field)?.as_str()).unwrap_or_default();
    let was = &before.metadata;
    for (field, was, is) in [
        ("name", &was.name, told("name")),
        ("namespace", &was.namespace, told("namespace")),
        ("UID", &was.uid, told("uid")),
    ] {
        if was != is {
            return Err(Wrong::Object(format!("must have the same {field}: {was} != {is}")));
        }
    }
    let metadata = metadata.ok_or_else(|| match after.get("metadata") {
        None => Wrong::Metadata("missing metadata in converted object".into()),
        Some(other) => Wrong::Metadata(format!("invalid metadata of type {} in converted object", go(other))),
    })?;
    let labels = texts(metadata, "labels").map_err(Wrong::Metadata)?;
    let annotations = texts(metadata, "annotations").map_err(Wrong::Metadata)?;
    let mut errors = Vec::new();
    if labels != was.labels {
        errors = metadata::labels(&labels, "metadata.labels");
    }
    if errors.is_empty() && annotations != was.annotations {
        errors = metadata::annotations(&annotations, "metadata.annotation");
    }
    match errors.iter().map(ToString::to_string).collect::<Vec<_>>().as_slice() {
        [] => {}
        [one] => return Err(Wrong::Metadata(one.clone())),
        many => return Err(Wrong::Metadata(format!("[{}]", many.join(", ")))),
    }
    let mut object = DynamicObject::new(to);
    let bare: Map<String, Value> =
        after.as_object().into_iter().flatten().fold(Map::new(), |mut all, (k, v)| {
            if k != "metadata" {
                all.insert(k.clone(), v.clone());
            }
            all
        });
    json::decode(Value::Object(bare).to_string().as_bytes(), &mut object, &mut Problems::ignore())
        .map_err(|e| Wrong::Object(e.to_string()))?;
    object.metadata.clone_from(was);
    object.metadata.labels = labels;
    object.metadata.annotations = annotations;
    Ok(object)
}

/// A map of texts below the metadata.
fn texts(
    metadata: &Map<String, Value>,
    field: &str,
) -> Result<std::collections::BTreeMap<String, String>, String> {
    let map = match metadata.get(field) {
        None | Some(Value::Null) => return Ok(Default::default()),
        Some(Value::Object(map)) => map,
        Some(other) => {
            return Err(format!("invalid metadata.{field} of type {} in converted object", go(other)));
        }
    };
    map.iter()
        .map(|(key, value)| match value {
            Value::String(text) => Ok((key.clone(), text.clone())),
            other => Err(format!(
                "metadata.{field}[{key}] must be a string, but is {} in converted object",
                go(other)
            )),
        })
        .collect()
}

/// The name that Go has for a value's type.
fn go(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(n) if n.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::Object;
    use corten_api::dynamic::{Declared, intern};

    fn kind(version: &str) -> &'static KindInfo {
        intern(&Declared {
            group: "reviews.example.com",
            version,
            kind: "Thing",
            list_kind: "ThingList",
            plural: "things",
            singular: "thing",
            namespaced: true,
            short_names: &[],
            categories: &[],
            status: false,
            scale: false,
        })
    }

    fn object(name: &str) -> DynamicObject {
        let mut object = DynamicObject::new(kind("v1"));
        object.metadata.name = name.into();
        object.metadata.uid = "u".into();
        object.metadata.labels.insert("a".into(), "b".into());
        object
    }

    fn answer(objects: Value) -> Value {
        json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview",
            "response": {"uid": "1", "result": {"status": "Success"}, "convertedObjects": objects},
        })
    }

    fn converted(metadata: Value) -> Value {
        json!({"apiVersion": "reviews.example.com/v2", "kind": "Thing", "metadata": metadata, "spec": {"x": 1}})
    }

    #[test]
    fn what_is_wrong_with_an_answer_is_told_in_upstreams_words() {
        let good = converted(json!({"name": "n", "uid": "u"}));
        let failed = |kind, message: &str| Err(Failure::new(kind, message));
        let mut other = good.clone();
        other["kind"] = "Other".into();
        let mut refused = answer(json!([]));
        refused["response"]["result"] = json!({"status": "Failure", "message": "not today"});
        for (answer, want) in [
            (
                json!({}),
                failed(
                    MALFORMED,
                    "failed: expected webhook response of apiextensions.k8s.io/v1, Kind=ConversionReview, got , Kind=",
                ),
            ),
            (
                json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview"}),
                failed(MALFORMED, "failed: no response provided"),
            ),
            (refused, failed(MALFORMED, "failed: not today")),
            (answer(json!([])), failed(PARTIAL, "returned 0 objects, expected 1")),
            (
                answer(json!([other])),
                failed(
                    INVALID,
                    "returned invalid object at index 0: invalid kind (expected Thing, received Other)",
                ),
            ),
            (
                answer(json!([converted(json!({"name": "m", "uid": "u"}))])),
                failed(INVALID, "returned invalid object: must have the same name: n != m"),
            ),
            (
                answer(json!([converted(json!({"name": "n"}))])),
                failed(INVALID, "returned invalid object: must have the same UID: u != "),
            ),
            (
                answer(json!([converted(json!({"name": "n", "uid": "u", "labels": {"c": 1}}))])),
                failed(
                    INVALID,
                    "returned invalid metadata: metadata.labels[c] must be a string, but is int64 in converted object",
                ),
            ),
            (
                answer(json!([converted(json!({"name": "n", "uid": "u", "labels": "c"}))])),
                failed(
                    INVALID,
                    "returned invalid metadata: invalid metadata.labels of type string in converted object",
                ),
            ),
            (answer(json!([good])), Ok(1)),
        ] {
            let was = object("n");
            let got = answered(&answer, "v1", "1", &[&was], kind("v2")).map(|all| all.len());
            assert_eq!(got, want, "{answer}");
        }
    }

    #[test]
    fn labels_and_annotations_are_the_webhooks_all_other_metadata_is_as_it_was() {
        let (a, b) = (object("a"), object("b"));
        let of = |name: &str| {
            converted(
                json!({"name": name, "uid": "u", "annotations": {"n": "m"}, "generation": 9, "finalizers": ["f"]}),
            )
        };
        let all = answered(&answer(json!([of("a"), of("b")])), "v1", "1", &[&a, &b], kind("v2"));
        let all = all.expect("two objects");
        assert_eq!(all.len(), 2);
        for object in all {
            assert!(object.metadata.labels.is_empty() && object.metadata.finalizers.is_empty());
            assert_eq!((object.metadata.generation, &*object.metadata.annotations["n"]), (0, "m"));
            assert_eq!(object.info().version, "v2");
        }
        let wrong = answered(&answer(json!([of("a"), of("c")])), "v1", "1", &[&a, &b], kind("v2"));
        let message = "returned invalid converted object at index 1: must have the same name: b != c";
        assert_eq!(wrong.map(|all| all.len()), Err(Failure::new(INVALID, message)));
    }

    #[test]
    fn only_known_versions_are_spoken() {
        for (theirs, want) in
            [(vec!["v2", "v1beta1", "v1"], Some("v1beta1")), (vec!["v1"], Some("v1")), (vec!["v3"], None)]
        {
            let theirs: Vec<String> = theirs.into_iter().map(String::from).collect();
            assert_eq!(version(&theirs), want);
        }
    }
}
