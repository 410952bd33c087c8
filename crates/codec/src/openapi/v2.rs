//! Version 2: one document for all.

use super::definitions::{Definitions, Dialect, GVK, gvk_value};
use super::parameters::{self, PARAMETERS, Parameter, Place};
use super::paths::{Content, Operation, Path, areas};
use serde_json::{Map, Value, json};

/// Forms in which objects are taken and given.
const FORMS: [&str; 3] = ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];

/// Forms in which changes are sent besides.
const STREAMS: [&str; 2] =
    ["application/json;stream=watch", "application/vnd.kubernetes.protobuf;stream=watch"];

/// Forms of patches.
const PATCHES: [&str; 4] = [
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
];

/// The forms of bodies.
pub fn consumes(operation: &Operation) -> Vec<&'static str> {
    match operation.answers.first() {
        Some((_, Content::Version)) => return vec![FORMS[0]],
        Some((_, Content::Document(_))) => return Vec::new(),
        // What serves no resource says what it understands.
        _ if operation.action.is_none() => return FORMS.to_vec(),
        _ => {}
    }
    match (matches!(operation.body, Some(Content::Patch)), operation.custom) {
        (true, true) => vec![PATCHES[0], PATCHES[1], PATCHES[3]],
        (true, false) => PATCHES.to_vec(),
        (false, true) => FORMS[..2].to_vec(),
        (false, false) => vec!["*/*"],
    }
}

/// The whole document.
pub fn document() -> Value {
    let mut definitions = Definitions::new(Dialect::V2);
    definitions.of_struct(corten_api::meta::v1::WatchEvent::schema());
    let paths: Map<String, Value> = areas()
        .iter()
        .flat_map(|area| area.paths())
        .map(|path| (path.path.clone(), path_item(&path, &mut definitions)))
        .collect();
    let shared: Map<String, Value> =
        PARAMETERS.iter().filter(|p| !p.inline).map(|p| (p.key.into(), parameter(p))).collect();
    json!({
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": "v1.35.0"},
        "paths": paths,
        "definitions": definitions.into_map(),
        "parameters": shared,
        "securityDefinitions": {"BearerToken": {
            "description": "Bearer Token authentication",
            "type": "apiKey",
            "name": "authorization",
            "in": "header",
        }},
        "security": [{"BearerToken": []}],
    })
}

pub fn path_item(path: &Path, definitions: &mut Definitions) -> Value {
    let mut item: Map<String, Value> = path
        .operations
        .iter()
        .map(|operation| (operation.method.into(), write(operation, definitions)))
        .collect();
    let name = path.named.map(|kind| {
        json!({
            "name": "name",
            "in": "path",
            "required": true,
            "type": "string",
            "uniqueItems": true,
            "description": format!("name of the {kind}"),
        })
    });
    let parameters: Vec<Value> =
        name.into_iter().chain(path.parameters.iter().filter_map(|key| mention(key))).collect();
    if !parameters.is_empty() {
        item.insert("parameters".into(), parameters.into());
    }
    item.into()
}

fn write(operation: &Operation, definitions: &mut Definitions) -> Value {
    let answers: Map<String, Value> = operation
        .answers
        .iter()
        .map(|(code, content)| {
            let answer = json!({"description": reason(*code), "schema": definitions.content(*content)});
            (code.to_string(), answer)
        })
        .chain([("401".to_string(), json!({"description": reason(401)}))])
        .collect();
    let body = operation.body.map(|content| {
        let mut body = json!({"name": "body", "in": "body", "schema": definitions.content(content)});
        if operation.method != "delete" {
            body["required"] = true.into();
        }
        body
    });
    let parameters: Vec<Value> =
        body.into_iter().chain(operation.parameters.iter().filter_map(|key| mention(key))).collect();
    let mut out = json!({
        "operationId": operation.id,
        "description": operation.description,
        "tags": [operation.tag],
        "schemes": ["https"],
        "produces": produces(operation),
        "responses": answers,
    });
    let forms = consumes(operation);
    if !forms.is_empty() {
        out["consumes"] = forms.into();
    }
    if !parameters.is_empty() {
        out["parameters"] = parameters.into();
    }
    if let Some((action, gvk)) = operation.action {
        out["x-kubernetes-action"] = action.into();
        out[GVK] = gvk_value(gvk);
    }
    out
}

/// The forms in which an operation answers.
pub fn produces(operation: &Operation) -> Vec<&'static str> {
    match operation.answers.first() {
        Some((_, Content::Text)) if operation.action.is_some_and(|(action, _)| action == "connect") => {
            vec!["*/*"]
        }
        Some((_, Content::Text)) => ["text/plain"].into_iter().chain(FORMS).collect(),
        Some((_, Content::Document(form))) => vec![form],
        Some((_, Content::Version)) => vec!["application/json"],
        _ if operation.custom => FORMS[..2].to_vec(),
        _ if operation.action.is_some_and(|(action, _)| action.starts_with("watch")) => {
            FORMS.into_iter().chain(STREAMS).collect()
        }
        Some((_, Content::ListOf(_))) => FORMS.into_iter().chain(STREAMS).collect(),
        _ => FORMS.to_vec(),
    }
}

/// The words of a status code.
pub fn reason(code: u16) -> &'static str {
    match code {
        201 => "Created",
        202 => "Accepted",
        401 => "Unauthorized",
        _ => "OK",
    }
}

/// A parameter where it is used.
fn mention(key: &str) -> Option<Value> {
    let found = parameters::find(key)?;
    Some(if found.inline { parameter(found) } else { json!({ "$ref": format!("#/parameters/{key}") }) })
}

fn parameter(of: &Parameter) -> Value {
    let mut out = json!({
        "name": of.name,
        "in": of.place.name(),
        "type": of.ty,
        "description": of.description,
        "uniqueItems": true,
    });
    if of.place == Place::Path {
        out["required"] = true.into();
    }
    out
}
