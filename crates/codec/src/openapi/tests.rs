//! The documents against upstream's published one, and against what clients need of them.

use super::*;
use serde_json::{Map, Value};
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

/// A definition without what may differ: descriptions, the order of required fields, and kinds of other
/// group versions.
fn bare(value: &Value) -> Value {
    match value {
        Value::Object(object) => {
            let mut out = Map::new();
            for (key, value) in object {
                match (key.as_str(), value) {
                    ("description", Value::String(_)) => {}
                    ("x-kubernetes-list-type", Value::String(s)) if s == "atomic" => {}
                    ("required", Value::Array(names)) => {
                        let names: BTreeSet<_> = names.iter().filter_map(Value::as_str).collect();
                        out.insert(key.clone(), names.into_iter().collect());
                    }
                    _ => {
                        out.insert(key.clone(), bare(value));
                    }
                }
            }
            out.into()
        }
        Value::Array(items) => items.iter().map(bare).collect(),
        other => other.clone(),
    }
}

/// Where two definitions differ.
fn differences(at: &str, ours: &Value, theirs: &Value, out: &mut Vec<String>) {
    match (ours, theirs) {
        (Value::Object(a), Value::Object(b)) => {
            for key in a.keys().chain(b.keys()).collect::<BTreeSet<_>>() {
                let at = format!("{at}.{key}");
                differences(&at, a.get(key).unwrap_or(&Value::Null), b.get(key).unwrap_or(&Value::Null), out);
            }
        }
        _ if ours != theirs => out.push(format!("{at}: ours {ours}, upstream {theirs}")),
        _ => {}
    }
}

#[test]
fn definitions_are_upstreams() {
    let Some(upstream) = upstream() else { return };
    let ours = ours();
    let (ours, theirs) = (&ours["definitions"], &upstream["definitions"]);
    let (mut same, mut differ) = (0, Vec::new());
    for (name, definition) in ours.as_object().expect("definitions") {
        let before = differ.len();
        let (mut a, mut b) = (bare(definition), bare(&theirs[name]));
        if name.ends_with(".DeleteOptions") || name.ends_with(".WatchEvent") {
            for side in [&mut a, &mut b] {
                side.as_object_mut().expect("an object").remove("x-kubernetes-group-version-kind");
            }
        }
        differences(name, &a, &b, &mut differ);
        same += usize::from(differ.len() == before);
    }
    // Upstream publishes versions that are not on by default too.
    let stable = |name: &str| {
        // A resource's name alone appears in storage migrations only.
        !name.contains("alpha") && !name.contains("beta") && !name.ends_with(".GroupResource")
    };
    let missing: Vec<_> = theirs
        .as_object()
        .expect("definitions")
        .keys()
        .filter(|name| stable(name) && ours.get(name.as_str()).is_none())
        .collect();
    println!("{same} definitions are the same; {} differences; missing: {missing:?}", differ.len());
    assert!(differ.is_empty() && missing.is_empty(), "{differ:#?}");
}

#[test]
fn operations_are_upstreams() {
    let Some(upstream) = upstream() else { return };
    let ours = ours();
    let (ours, theirs) = (&ours["paths"], &upstream["paths"]);
    let (mut same, mut differ) = (0, Vec::new());
    for (path, item) in ours.as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("a path") {
            let known = &theirs[path][method];
            if method == "parameters" {
                continue;
            }
            let body = |o: &Value| {
                let list = o["parameters"].as_array().cloned().unwrap_or_default();
                list.into_iter().find(|p| p["in"] == "body").map(|p| p["schema"]["$ref"].clone())
            };
            for key in ["operationId", "x-kubernetes-action", "x-kubernetes-group-version-kind", "tags"] {
                if operation[key] != known[key] {
                    differ.push(format!("{path} {method}: {} for {}", operation[key], known[key]));
                }
            }
            for (code, answer) in operation["responses"].as_object().expect("responses") {
                if answer["schema"] != known["responses"][code]["schema"] {
                    differ.push(format!("{path} {method} {code}: {answer}"));
                }
            }
            if ["post", "put"].contains(&method.as_str()) && body(operation) != body(known) {
                differ.push(format!("{path} {method}: body {:?} for {:?}", body(operation), body(known)));
            }
            same += 1;
        }
    }
    let missing: Vec<_> = theirs
        .as_object()
        .expect("paths")
        .keys()
        .filter(|p| {
            ours.get(p.as_str()).is_none()
                && !p.contains("/watch/")
                && !p.contains("alpha")
                && !p.contains("beta")
                && p.as_str() != "/apis/internal.apiserver.k8s.io/"
                && p.as_str() != "/apis/storagemigration.k8s.io/"
        })
        .collect();
    println!("{same} operations; {} differences; missing: {missing:?}", differ.len());
    assert!(differ.is_empty(), "{differ:#?}");
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
            },
        }},
        "definitions": {"D": {
            "type": "object",
            "required": ["m"],
            "properties": {
                "l": {"type": "array", "items": {"$ref": "#/definitions/D"}},
                "m": {
                    "type": "object",
                    "additionalProperties": {"type": "string", "format": "byte", "description": "d"},
                },
                "s": {"type": "integer", "format": "int32", "x-kubernetes-list-map-keys": ["a"]},
            },
        }},
        "parameters": {"p": {"name": "p", "in": "query", "type": "string"}},
        "securityDefinitions": {"B": {"type": "apiKey", "name": "a", "in": "header", "description": "k"}},
        "security": [{"B": []}],
    });
    let hex: String = gnostic::encode(&document).iter().map(|b| format!("{b:02x}")).collect();
    let expected = "\
        0a03322e3012060a015412013142da0112d7010a092f612f7b6e616d657d12c9011a91010a01742a01693203782f793a\
        032a2f2a42250a230a211204626f64791a04626f647920012a110a0f232f646566696e6974696f6e732f44421c0a1a12\
        181a16120571756572792201713207626f6f6c65616ea001014a330a220a03323030121b0a190a024f4b12130a110a0f\
        232f646566696e6974696f6e732f440a0d0a0334303112060a040a026e6f520568747470734a1f0a1d121b2219080112\
        047061746822046e616d652a06737472696e679801014a1212100a0e232f706172616d65746572732f704ab1010aae01\
        0a014412a8019a01016db201080a066f626a656374ca0195010a250a016c1220b201070a056172726179ba01130a110a\
        0f232f646566696e6974696f6e732f440a290a016d1224aa01160a14120462797465220164b201080a06737472696e67\
        b201080a066f626a6563740a410a0173123c1205696e743332b201090a07696e7465676572fa01260a1a782d6b756265\
        726e657465732d6c6973742d6d61702d6b657973120812065b2261225d0a521d0a1b0a0170121612141a121205717565\
        72792201703206737472696e6762070a050a014212006a1f0a1d0a0142121812160a066170694b65791201611a066865\
        6164657222016b";
    assert_eq!(hex, expected);
}
