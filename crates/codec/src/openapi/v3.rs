//! Version 3: a document for each area, and the index of them.

use super::definitions::{Definitions, Dialect, GVK, gvk_value};
use super::parameters::{self, Parameter, Place};
use super::paths::{Content, Operation, Path};
use super::v2::{consumes, produces, reason};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Where each document is.
pub fn index<'a>(documents: impl Iterator<Item = (&'a str, Arc<str>)>) -> Value {
    let paths: Map<String, Value> = documents
        .map(|(path, hash)| {
            (path.to_string(), json!({ "serverRelativeURL": format!("/openapi/v3/{path}?hash={hash}") }))
        })
        .collect();
    json!({ "paths": paths })
}

/// The document of these paths.
pub fn document(paths: &[Path]) -> Value {
    document_with(paths, Definitions::new(Dialect::V3))
}

/// The same, with definitions that are there already.
pub fn document_with(paths: &[Path], definitions: Definitions) -> Value {
    let mut writer = Writer { definitions, parameters: BTreeMap::new() };
    let paths: Map<String, Value> =
        paths.iter().map(|path| (path.path.clone(), writer.path_item(path))).collect();
    let mut components = json!({
        "schemas": writer.definitions.into_map(),
        "securitySchemes": {"BearerToken": {
            "description": "Bearer Token authentication",
            "type": "apiKey",
            "name": "authorization",
            "in": "header",
        }},
    });
    if !writer.parameters.is_empty() {
        components["parameters"] = json!(writer.parameters);
    }
    json!({
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "v1.35.0"},
        "paths": paths,
        "components": components,
    })
}

/// Collects what the paths refer to.
struct Writer {
    definitions: Definitions,
    parameters: BTreeMap<&'static str, Value>,
}

impl Writer {
    fn path_item(&mut self, path: &Path) -> Value {
        let mut item = Map::new();
        for operation in &path.operations {
            item.insert(operation.method.into(), self.operation(operation));
        }
        let mut parameters = Vec::new();
        if let Some(kind) = path.named {
            parameters.push(json!({
                "name": "name",
                "in": "path",
                "required": true,
                "description": format!("name of the {kind}"),
                "schema": {"type": "string", "uniqueItems": true},
            }));
        }
        parameters.extend(path.parameters.iter().filter_map(|key| self.mention(key)));
        if !parameters.is_empty() {
            item.insert("parameters".into(), parameters.into());
        }
        item.into()
    }

    fn operation(&mut self, operation: &Operation) -> Value {
        let forms = produces(operation);
        let mut answers = Map::new();
        for (code, content) in &operation.answers {
            let answer = json!({"description": reason(*code), "content": self.content(*content, &forms)});
            answers.insert(code.to_string(), answer);
        }
        answers.insert("401".into(), json!({"description": reason(401)}));
        let mut out = json!({
            "operationId": operation.id,
            "description": operation.description,
            "tags": [operation.tag],
            "responses": answers,
        });
        if let Some(body) = operation.body {
            out["requestBody"] = json!({"content": self.content(body, &consumes(operation))});
            if operation.method != "delete" {
                out["requestBody"]["required"] = true.into();
            }
        }
        let parameters: Vec<Value> =
            operation.parameters.iter().filter_map(|key| self.mention(key)).collect();
        if !parameters.is_empty() {
            out["parameters"] = parameters.into();
        }
        if let Some((action, gvk)) = operation.action {
            out["x-kubernetes-action"] = action.into();
            out[GVK] = gvk_value(gvk);
        }
        out
    }

    fn content(&mut self, content: Content, forms: &[&str]) -> Value {
        let schema = self.definitions.content(content);
        forms.iter().map(|form| (form.to_string(), json!({ "schema": schema }))).collect::<Map<_, _>>().into()
    }

    /// A parameter where it is used; shared ones are kept for the components.
    fn mention(&mut self, key: &str) -> Option<Value> {
        let found = parameters::find(key)?;
        if found.inline {
            return Some(parameter(found));
        }
        self.parameters.entry(found.key).or_insert_with(|| parameter(found));
        Some(json!({ "$ref": format!("#/components/parameters/{key}") }))
    }
}

fn parameter(of: &Parameter) -> Value {
    let mut out = json!({
        "name": of.name,
        "in": of.place.name(),
        "description": of.description,
        "schema": {"type": of.ty, "uniqueItems": true},
    });
    if of.place == Place::Path {
        out["required"] = true.into();
    }
    out
}
