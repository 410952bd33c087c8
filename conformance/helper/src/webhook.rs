//! Webhooks for admission and for conversion, each at a path.

use crate::web::{Answer, Request, serve as serve_web, tls};
use crate::{base64, convert};
use serde_json::{Value, json};
use std::io::Result;
use std::thread::sleep;
use std::time::Duration;

pub fn serve(port: &str, certificate: &str, key: &str) -> Result<()> {
    serve_web(port, tls(certificate, key, None)?, answer)
}

fn answer(request: &Request) -> Answer {
    if request.path == "/readyz" {
        return (200, json!("ok"));
    }
    let review: Value = match serde_json::from_slice(&request.body) {
        Ok(review) => review,
        Err(e) => return (400, json!(format!("no review: {e}"))),
    };
    if request.path == "/crdconvert" {
        return (200, convert::answer(&review));
    }
    match verdict(&request.path, &review["request"]) {
        None => (404, json!("no such webhook")),
        Some(mut response) => {
            response["uid"] = review["request"]["uid"].clone();
            let (version, kind) = (&review["apiVersion"], &review["kind"]);
            (200, json!({"apiVersion": version, "kind": kind, "response": response}))
        }
    }
}

fn allow() -> Value {
    json!({"allowed": true})
}

fn deny(message: &str) -> Value {
    json!({"allowed": false, "status": {"message": message}})
}

fn patch(operations: Value) -> Value {
    json!({"allowed": true, "patchType": "JSONPatch", "patch": base64::encode(operations.to_string().as_bytes())})
}

/// What the webhook at a path says of a request.
fn verdict(path: &str, request: &Value) -> Option<Value> {
    let object = &request["object"];
    Some(match path {
        "/always-deny" => deny("this webhook denies all requests"),
        "/always-allow-delay-5s" => {
            sleep(Duration::from_secs(5));
            allow()
        }
        "/add-label" => label(object),
        "/pods" => pods(object),
        "/pods/attach" => attach(request),
        "/mutating-pods" => init_container(object),
        "/configmaps" => data(request, "configmap contains unwanted key and value", "configmap"),
        "/custom-resource" => data(request, "custom resource contains unwanted data", "custom resource"),
        "/mutating-configmaps" | "/mutating-custom-resource" => stages(object),
        "/crd" if object["metadata"]["labels"]["webhook-e2e-test"] == "webhook-disallow" => {
            deny("the crd contains unwanted label")
        }
        "/crd" => allow(),
        _ => return None,
    })
}

fn label(object: &Value) -> Value {
    match &object["metadata"]["labels"] {
        Value::Null => {
            patch(json!([{"op": "add", "path": "/metadata/labels", "value": {"added-label": "yes"}}]))
        }
        _ => patch(json!([{"op": "add", "path": "/metadata/labels/added-label", "value": "yes"}])),
    }
}

fn pods(pod: &Value) -> Value {
    let mut complaints = Vec::new();
    match pod["metadata"]["labels"]["webhook-e2e-test"].as_str() {
        Some("webhook-disallow") => complaints.push("the pod contains unwanted label; "),
        Some("wait-forever") => loop {
            sleep(Duration::from_secs(3600));
        },
        _ => {}
    }
    let containers = pod["spec"]["containers"].as_array().into_iter().flatten();
    let mut names = containers.filter_map(|container| container["name"].as_str());
    if names.any(|name| name.contains("webhook-disallow")) {
        complaints.push("the pod contains unwanted container name; ");
    }
    if complaints.is_empty() { allow() } else { deny(complaints.concat().trim()) }
}

fn attach(request: &Value) -> Value {
    let (object, sub) = (&request["object"], &request["subResource"]);
    if request["name"] != "to-be-attached-pod" {
        return allow();
    }
    if request["resource"]["resource"] != "pods" || sub != "attach" || object["kind"] != "PodAttachOptions" {
        return deny(&format!("expected the attachment to a pod, not {request}"));
    }
    if object["stdin"] == true && object["container"] == "container1" {
        return deny("attaching to pod 'to-be-attached-pod' is not allowed");
    }
    allow()
}

fn init_container(pod: &Value) -> Value {
    const NAME: &str = "webhook-added-init-container";
    let mut present = pod["spec"]["initContainers"].as_array().into_iter().flatten();
    if pod["metadata"]["name"] != "webhook-to-be-mutated"
        || present.any(|container| container["name"] == NAME)
    {
        return allow();
    }
    let container = json!({"image": "webhook-added-image", "name": NAME, "resources": {}});
    patch(json!([{"op": "add", "path": "/spec/initContainers", "value": [container]}]))
}

/// Refusals whose words are a reason, not a message.
fn data(request: &Value, unwanted: &str, what: &str) -> Value {
    let deleted = request["operation"] == "DELETE";
    let object = if deleted { &request["oldObject"] } else { &request["object"] };
    let reason = match (deleted, object["data"]["webhook-e2e-test"].as_str()) {
        (false, Some("webhook-disallow")) => format!("the {unwanted}"),
        (true, Some("webhook-nondeletable")) => {
            format!("the {what} cannot be deleted because it contains unwanted key and value")
        }
        _ => return allow(),
    };
    json!({"allowed": false, "status": {"reason": reason}})
}

fn stages(object: &Value) -> Value {
    let yes = |stage: &str| object["data"][stage] == "yes";
    let add = |stage: u8| {
        patch(json!([{"op": "add", "path": format!("/data/mutation-stage-{stage}"), "value": "yes"}]))
    };
    match (yes("mutation-start"), yes("mutation-stage-1")) {
        (_, true) => add(2),
        (true, false) => add(1),
        (false, false) => allow(),
    }
}
