//! The documents against upstream's published one, and against what clients need of them.

use super::*;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

fn upstream() -> Option<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/openapi-v2-v1.35.json");
    let Ok(bytes) = std::fs::read(path) else {
        println!("skipped: no {path}");
        return None;
    };
    Some(serde_json::from_slice(&bytes).expect("upstream's document is JSON"))
}

fn ours() -> Value {
    serde_json::from_slice(&v2_json().bytes).expect("ours is JSON")
}

/// Places and reasons of `differences.txt`.
fn known() -> Vec<(&'static str, &'static str)> {
    let lines = include_str!("differences.txt").lines().filter(|l| !l.is_empty() && !l.starts_with('#'));
    lines.map(|line| line.split_once(" | ").unwrap_or_else(|| panic!("no reason: {line}"))).collect()
}

/// Whether a place fits a pattern, in which `*` is anything.
fn fits(pattern: &str, place: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == place,
        Some((start, rest)) => place.strip_prefix(start).is_some_and(|place| {
            place.char_indices().map(|(at, _)| at).chain([place.len()]).any(|at| fits(rest, &place[at..]))
        }),
    }
}

/// A part of a document in a form that can be compared: without descriptions, parameters written out and by
/// name, lists of names as sets.
fn bare(document: &Value, value: &Value) -> Value {
    match value {
        Value::Object(object) => {
            let mut out = Map::new();
            for (key, value) in object {
                let of = |item: &Value| bare(document, item);
                let bare = match (key.as_str(), value) {
                    ("description", Value::String(_)) => continue,
                    ("parameters", Value::Array(list)) => {
                        list.iter().map(|p| parameter(document, p)).collect()
                    }
                    (
                        "required" | "consumes" | "produces" | "x-kubernetes-group-version-kind",
                        Value::Array(list),
                    ) => list.iter().map(|v| (v.as_str().map_or(v.to_string(), Into::into), of(v))).collect(),
                    _ => of(value),
                };
                out.insert(key.clone(), bare);
            }
            out.into()
        }
        Value::Array(items) => items.iter().map(|item| bare(document, item)).collect(),
        other => other.clone(),
    }
}

/// A parameter and its name, looked up where it is only referred to.
fn parameter(document: &Value, parameter: &Value) -> (String, Value) {
    let reference = parameter["$ref"].as_str().map(|r| r.trim_start_matches('#'));
    let found = reference.map_or(parameter, |at| document.pointer(at).expect("a parameter"));
    let name = format!("{} {}", found["in"], found["name"]);
    (name, bare(document, found))
}

/// A document to compare; parameters of a path are told to each of its operations.
fn comparable(document: &Value) -> Value {
    let mut out = bare(document, document);
    out.as_object_mut().expect("a document").remove("parameters");
    for (_, item) in out["paths"].as_object_mut().expect("paths") {
        let item = item.as_object_mut().expect("a path");
        let shared = item.remove("parameters");
        let shared = shared.as_ref().and_then(Value::as_object).cloned().unwrap_or_default();
        for (_, operation) in item.iter_mut() {
            let operation = operation.as_object_mut().expect("an operation");
            let own = operation.entry("parameters").or_insert_with(|| json!({}));
            for (name, parameter) in &shared {
                own.as_object_mut().expect("parameters").entry(name.clone()).or_insert(parameter.clone());
            }
        }
    }
    out
}

/// Where two documents differ, and how.
fn differences(at: &str, ours: &Value, theirs: &Value, out: &mut Vec<(String, String)>) {
    match (ours, theirs) {
        (Value::Object(a), Value::Object(b)) => {
            for key in a.keys().chain(b.keys()).collect::<BTreeSet<_>>() {
                let slash = ["consumes", "produces"].iter().any(|list| at.ends_with(list));
                let at = match (at, slash) {
                    ("", _) => key.clone(),
                    (at, true) => format!("{at}/{key}"),
                    (at, false) => format!("{at}.{key}"),
                };
                differences(&at, a.get(key).unwrap_or(&Value::Null), b.get(key).unwrap_or(&Value::Null), out);
            }
        }
        _ if ours != theirs => {
            let short = |v: &Value| v.to_string().chars().take(200).collect::<String>();
            out.push((at.to_string(), format!("ours {}, upstream's {}", short(ours), short(theirs))));
        }
        _ => {}
    }
}

#[test]
fn the_document_is_upstreams() {
    let Some(upstream) = upstream() else { return };
    let (ours, theirs) = (comparable(&ours()), comparable(&upstream));
    let mut differ = Vec::new();
    differences("", &ours, &theirs, &mut differ);
    let known = known();
    let mut needed = BTreeSet::new();
    let mut told = Vec::new();
    for (place, how) in &differ {
        match known.iter().position(|(pattern, _)| fits(pattern, place)) {
            Some(n) => drop(needed.insert(n)),
            None => told.push(format!("{place}: {how}")),
        }
    }
    assert!(told.is_empty(), "{} differences that no reason is given for: {told:#?}", told.len());
    let stale: Vec<_> = (0..known.len()).filter(|n| !needed.contains(n)).map(|n| known[n]).collect();
    assert!(stale.is_empty(), "reasons without a difference: {stale:#?}");
    let operations = ours["paths"].as_object().expect("paths").values();
    let operations: usize = operations.map(|item| item.as_object().map_or(0, Map::len)).sum();
    assert!(operations > 700, "{operations} operations");
}

/// Whether a schema, or a reference to one, says in its own words what it is.
fn is_described(value: &Value) -> bool {
    value["description"].as_str().is_some_and(|text| text.len() > 3)
}

/// What lacks a description among definitions and their fields.
fn undescribed(definitions: &Value, out: &mut BTreeSet<String>) {
    for (name, definition) in definitions.as_object().expect("definitions") {
        if !is_described(definition) {
            out.insert(name.clone());
        }
        let properties = definition["properties"].as_object().into_iter().flatten();
        let without = properties.filter(|(_, property)| !is_described(property));
        out.extend(without.map(|(field, _)| format!("{name}.{field}")));
    }
}

#[test]
fn every_definition_and_every_field_is_described() {
    let mut without = BTreeSet::new();
    undescribed(&ours()["definitions"], &mut without);
    for (path, _) in v3_hashes() {
        let bytes = v3_at(path).expect("a document").bytes;
        let document: Value = serde_json::from_slice(&bytes).expect("JSON");
        // Some documents are of paths alone.
        if let Some(schemas) = document.pointer("/components/schemas").filter(|s| s.is_object()) {
            undescribed(schemas, &mut without);
        }
    }
    for version in ["v1beta1", "v1alpha1"] {
        let document = v3_of_optional("admissionregistration.k8s.io", version);
        let document: Value = serde_json::from_slice(&document).expect("JSON");
        undescribed(&document["components"]["schemas"], &mut without);
        assert!(document["paths"].as_object().is_some_and(|paths| paths.len() == 9), "{document}");
    }
    assert!(without.is_empty(), "{} without a description: {without:#?}", without.len());
}

#[test]
fn versions_that_are_turned_on_are_added() {
    let optional = corten_api::builtin::OPTIONAL;
    let with: Value = serde_json::from_slice(&v2_json_with(optional, [])).expect("JSON");
    let without = ours();
    let count = |document: &Value, part: &str| document[part].as_object().map_or(0, |part| part.len());
    assert_eq!(count(&with, "paths") - count(&without, "paths"), 18);
    let new: BTreeSet<&String> = with["definitions"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, _)| name)
        .filter(|name| without["definitions"].get(name.as_str()).is_none())
        .collect();
    assert!(new.iter().all(|name| name.contains("admissionregistration.v1")), "{new:?}");
    assert!(
        new.contains(&"io.k8s.api.admissionregistration.v1beta1.MutatingAdmissionPolicyList".to_string())
    );
    let mut count = 0;
    references(&with, &with, &mut count);
    assert!(count > 1000);
}

/// Every reference in a document leads somewhere.
fn references(document: &Value, value: &Value, count: &mut usize) {
    match value {
        Value::Object(object) => {
            if let Some(Value::String(to)) = object.get("$ref") {
                let pointer = to.trim_start_matches('#');
                assert!(document.pointer(pointer).is_some_and(|v| !v.is_null()), "nothing at {to}");
                *count += 1;
            }
            object.values().for_each(|v| references(document, v, count));
        }
        Value::Array(items) => items.iter().for_each(|v| references(document, v, count)),
        _ => {}
    }
}

#[test]
fn references_lead_somewhere() {
    let mut count = 0;
    let document = ours();
    references(&document, &document, &mut count);
    for (path, _) in v3_hashes() {
        let bytes = v3_at(path).expect("a document").bytes;
        let document: Value = serde_json::from_slice(&bytes).expect("JSON");
        references(&document, &document, &mut count);
    }
    assert!(count > 5000, "{count} references");
}

#[test]
fn clients_find_field_validation() {
    let document: Value =
        serde_json::from_slice(&v3_document("apps", "v1").expect("apps/v1").bytes).expect("JSON");
    let patch = &document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"];
    assert_eq!(patch["x-kubernetes-group-version-kind"]["kind"], "Deployment");
    let named = |p: &Value| p["name"] == "fieldValidation" && p["in"] == "query";
    assert!(patch["parameters"].as_array().expect("parameters").iter().any(named));

    let spec = &document["components"]["schemas"]["io.k8s.api.apps.v1.DeploymentSpec"]["properties"];
    assert_eq!(spec["strategy"]["x-kubernetes-patch-strategy"], "retainKeys");
    assert_eq!(
        spec["strategy"]["allOf"][0]["$ref"],
        "#/components/schemas/io.k8s.api.apps.v1.DeploymentStrategy"
    );
    assert!(v3_document("apps", "v2").is_none());
}

#[test]
fn the_index_tells_hashes() {
    let index: Value = serde_json::from_slice(&v3_index().bytes).expect("JSON");
    let core = v3_document("", "v1").expect("api/v1");
    assert_eq!(
        index["paths"]["api/v1"]["serverRelativeURL"],
        format!("/openapi/v3/api/v1?hash={}", core.hash)
    );
    for path in ["apis/apps", "apis/rbac.authorization.k8s.io/v1", "version", "api", "apis"] {
        assert!(index["paths"][path].is_object(), "{path}");
    }
    println!("v2 {} bytes, {} as protobuf", v2_json().bytes.len(), v2_protobuf().bytes.len());
    println!("v3 {} bytes", v3_hashes().filter_map(|(p, _)| v3_at(p)).map(|d| d.bytes.len()).sum::<usize>());
}

/// What gnostic's own reader and writer make of the same document.
#[test]
fn protobuf_is_gnostics() {
    let document = serde_json::json!({
        "swagger": "2.0",
        "info": {"title": "T", "version": "1"},
        "paths": {"/a/{name}": {
            "parameters": [
                {"name": "name", "in": "path", "required": true, "type": "string", "uniqueItems": true},
                {"$ref": "#/parameters/p"},
            ],
            "put": {
                "operationId": "i", "tags": ["t"], "schemes": ["https"],
                "consumes": ["*/*"], "produces": ["x/y"],
                "parameters": [
                    {"name": "body", "in": "body", "required": true, "schema": {"$ref": "#/definitions/D"}},
                    {"name": "q", "in": "query", "type": "boolean", "uniqueItems": true},
                ],
                "responses": {
                    "200": {"description": "OK", "schema": {"$ref": "#/definitions/D"}},
                    "401": {"description": "no"},
                },
                "x-kubernetes-group-version-kind": {"group": "", "kind": "D", "version": "v1"},
            },
        }},
        "definitions": {"D": {
            "type": "object",
            "required": ["m"],
            "properties": {
                "l": {"type": "array", "items": {"$ref": "#/definitions/D"}, "maxItems": 3, "minItems": 1},
                "m": {
                    "type": "object",
                    "additionalProperties": {"type": "string", "format": "byte", "description": "d"},
                    "maxProperties": 300, "minProperties": 2, "default": {"a": "1", "b": [], "c": null},
                },
                "n": {
                    "type": "number", "multipleOf": 0.5, "maximum": 9, "exclusiveMaximum": true,
                    "minimum": -1.5, "exclusiveMinimum": true, "default": 0, "example": 1.5,
                },
                "o": {
                    "type": "object", "additionalProperties": true, "title": "t",
                    "allOf": [{"required": ["x"]}], "externalDocs": {"description": "e", "url": "u"},
                },
                "p": {"type": "object", "additionalProperties": false},
                "s": {"type": "integer", "format": "int32", "x-kubernetes-list-map-keys": ["a"]},
                "t": {
                    "type": "string", "maxLength": 5, "minLength": 1, "pattern": "^a$",
                    "enum": ["", "true", "a: b"],
                },
                "u": {"type": "array", "uniqueItems": true, "items": {"type": "string"}},
            },
            "x-kubernetes-group-version-kind": [{"group": "", "kind": "D", "version": "v1"}],
            "x-kubernetes-unions": [{"discriminator": "type", "fields-to-discriminateBy": {"aB": "AB"}}],
        }},
        "parameters": {"p": {"name": "p", "in": "query", "type": "string"}},
        "securityDefinitions": {"B": {"type": "apiKey", "name": "a", "in": "header", "description": "k"}},
        "security": [{"B": []}],
    });
    let hex: String = gnostic::encode(&document).iter().map(|b| format!("{b:02x}")).collect();
    let expected = "\
        0a03322e3012060a0154120131429f02129c020a092f612f7b6e616d657d128e021ad6010a01742a01693203782f793a\
        032a2f2a42250a230a211204626f64791a04626f647920012a110a0f232f646566696e6974696f6e732f44421c0a1a12\
        181a16120571756572792201713207626f6f6c65616ea001014a330a220a03323030121b0a190a024f4b12130a110a0f\
        232f646566696e6974696f6e732f440a0d0a0334303112060a040a026e6f520568747470736a430a1f782d6b75626572\
        6e657465732d67726f75702d76657273696f6e2d6b696e641220121e67726f75703a2022220a6b696e643a20440a7665\
        7273696f6e3a2076310a4a1f0a1d121b2219080112047061746822046e616d652a06737472696e679801014a1212100a\
        0e232f706172616d65746572732f704ad8040ad5040a014412cf049a01016db201080a066f626a656374ca0197030a29\
        0a016c122470037801b201070a056172726179ba01130a110a0f232f646566696e6974696f6e732f440a490a016d1244\
        2a171215613a202231220a623a205b5d0a633a206e756c6c0a8801ac02900102aa01160a14120462797465220164b201\
        080a06737472696e67b201080a066f626a6563740a3e0a016e12392a041202300a31000000000000e03f390000000000\
        002240400149000000000000f8bf5001b201080a066e756d626572f201061204312e350a0a280a016f12231a0174aa01\
        021001b201080a066f626a656374c201049a010178ea01060a01651201750a150a01701210aa01021000b201080a066f\
        626a6563740a3f0a0173123a1205696e743332b201090a07696e7465676572fa01240a1a782d6b756265726e65746573\
        2d6c6973742d6d61702d6b657973120612042d20610a0a390a01741234580560016a035e6124a20105120322220aa201\
        0912072274727565220aa20109120727613a2062270ab201080a06737472696e670a220a0175121d800101b201070a05\
        6172726179ba010d0a0bb201080a06737472696e67fa01490a1f782d6b756265726e657465732d67726f75702d766572\
        73696f6e2d6b696e64122612242d2067726f75703a2022220a20206b696e643a20440a202076657273696f6e3a207631\
        0afa01560a13782d6b756265726e657465732d756e696f6e73123f123d2d206469736372696d696e61746f723a207479\
        70650a20206669656c64732d746f2d6469736372696d696e61746542793a0a2020202061423a2041420a521d0a1b0a01\
        70121612141a12120571756572792201703206737472696e6762070a050a014212006a1f0a1d0a0142121812160a0661\
        70694b65791201611a0668656164657222016b";
    assert_eq!(hex, expected);
}
