//! A small API server to aggregate: `flunders` of `wardle.example.com`, kept in memory. It believes who asks only
//! if the front proxy says so, and asks the main server what they may do.

use crate::client;
use crate::web::{Answer, Request, serve as serve_web, tls};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{Error, Result};
use std::sync::Mutex;

const GROUP: &str = "wardle.example.com";
const VERSION: &str = "wardle.example.com/v1alpha1";

/// Flunders by namespace and name, and how often something has changed.
#[derive(Default)]
struct Store {
    flunders: BTreeMap<(String, String), Value>,
    revision: u64,
}

/// Whom to believe: what the main server publishes of itself.
struct Trust {
    user: Vec<String>,
    group: Vec<String>,
}

pub fn serve(port: &str, certificate: &str, key: &str) -> Result<()> {
    let path = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication";
    let data = client::get(&format!("{}{path}", client::API))?["data"].take();
    let names = |key: &str| -> Result<Vec<String>> {
        serde_json::from_str(data[key].as_str().unwrap_or("[]")).map_err(Error::other)
    };
    let trust = Trust {
        user: names("requestheader-username-headers")?,
        group: names("requestheader-group-headers")?,
    };
    let proxies = data["requestheader-client-ca-file"].as_str().unwrap_or_default();
    let tls = tls(certificate, key, Some(proxies))?;
    let store = Mutex::new(Store::default());
    serve_web(port, tls, move |request| answer(request, &trust, &store))
}

fn refuse(code: u16, reason: &str, message: &str) -> Answer {
    let status = json!({
        "apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Failure",
        "code": code, "reason": reason, "message": message,
    });
    (code, status)
}

fn answer(request: &Request, trust: &Trust, store: &Mutex<Store>) -> Answer {
    let path = request.path.trim_end_matches('/');
    if ["/readyz", "/healthz", "/livez"].contains(&path) {
        return (200, json!("ok"));
    }
    let find = |names: &[String]| -> Vec<String> {
        names.iter().flat_map(|name| request.headers(name)).map(str::to_string).collect()
    };
    let user = find(&trust.user).into_iter().next();
    let Some(user) = user.filter(|_| request.proven) else {
        return refuse(401, "Unauthorized", "the front proxy must say who asks");
    };
    let words: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    match words[..] {
        ["apis"] => (200, json!({"apiVersion": "v1", "kind": "APIGroupList", "groups": [group()]})),
        ["apis", GROUP] => (200, group()),
        ["apis", GROUP, "v1alpha1"] => (200, resources()),
        ["apis", GROUP, "v1alpha1", "namespaces", namespace, "flunders"] => {
            allowed(request, &user, &find(&trust.group), namespace, "").unwrap_or_else(|| {
                let mut store = store.lock().unwrap_or_else(|broken| broken.into_inner());
                store.collection(request, namespace)
            })
        }
        ["apis", GROUP, "v1alpha1", "namespaces", namespace, "flunders", name] => {
            allowed(request, &user, &find(&trust.group), namespace, name).unwrap_or_else(|| {
                let mut store = store.lock().unwrap_or_else(|broken| broken.into_inner());
                store.one(request, namespace, name)
            })
        }
        _ => refuse(404, "NotFound", "the server could not find the requested resource"),
    }
}

fn group() -> Value {
    let version = json!({"groupVersion": VERSION, "version": "v1alpha1"});
    json!({"apiVersion": "v1", "kind": "APIGroup", "name": GROUP, "versions": [version], "preferredVersion": version})
}

fn resources() -> Value {
    let flunders = json!({
        "name": "flunders", "singularName": "flunder", "namespaced": true, "kind": "Flunder",
        "verbs": ["create", "delete", "get", "list"],
    });
    json!({"apiVersion": "v1", "kind": "APIResourceList", "groupVersion": VERSION, "resources": [flunders]})
}

/// The refusal of what the main server does not allow.
fn allowed(request: &Request, user: &str, groups: &[String], namespace: &str, name: &str) -> Option<Answer> {
    let verb = match (request.method.as_str(), name) {
        ("GET", "") => "list",
        ("GET", _) => "get",
        ("POST", _) => "create",
        ("DELETE", _) => "delete",
        _ => return Some(refuse(405, "MethodNotAllowed", "the server does not allow this method")),
    };
    let attributes = json!({
        "verb": verb, "group": GROUP, "version": "v1alpha1", "resource": "flunders",
        "namespace": namespace, "name": name,
    });
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
        "spec": {"user": user, "groups": groups, "resourceAttributes": attributes},
    });
    let url = format!("{}/apis/authorization.k8s.io/v1/subjectaccessreviews", client::API);
    match client::post(&url, &review) {
        Ok(reviewed) if reviewed["status"]["allowed"] == true => None,
        Ok(_) => Some(refuse(403, "Forbidden", &format!("{user} may not {verb} flunders"))),
        Err(e) => Some(refuse(500, "InternalError", &format!("who may do this cannot be asked: {e}"))),
    }
}

impl Store {
    fn collection(&mut self, request: &Request, namespace: &str) -> Answer {
        if request.method == "GET" {
            let ours = self.flunders.iter().filter(|((place, _), _)| place == namespace);
            let items: Vec<&Value> = ours.map(|(_, flunder)| flunder).collect();
            let metadata = json!({"resourceVersion": self.revision.to_string()});
            return (
                200,
                json!({"apiVersion": VERSION, "kind": "FlunderList", "metadata": metadata, "items": items}),
            );
        }
        let Ok(mut flunder) = serde_json::from_slice::<Value>(&request.body) else {
            return refuse(400, "BadRequest", "the body is no JSON");
        };
        let name = flunder["metadata"]["name"].as_str().unwrap_or_default().to_string();
        if name.is_empty() || self.flunders.contains_key(&(namespace.into(), name.clone())) {
            return refuse(409, "AlreadyExists", &format!("flunders {name:?} already exists"));
        }
        self.revision += 1;
        let metadata = &mut flunder["metadata"];
        metadata["namespace"] = json!(namespace);
        metadata["resourceVersion"] = json!(self.revision.to_string());
        metadata["uid"] = json!(format!("00000000-0000-0000-0000-{:012}", self.revision));
        self.flunders.insert((namespace.into(), name), flunder.clone());
        (201, flunder)
    }

    fn one(&mut self, request: &Request, namespace: &str, name: &str) -> Answer {
        let key = (namespace.to_string(), name.to_string());
        let found = match request.method.as_str() {
            "DELETE" => {
                self.revision += 1;
                self.flunders.remove(&key)
            }
            _ => self.flunders.get(&key).cloned(),
        };
        let missing = || refuse(404, "NotFound", &format!("flunders.{GROUP} {name:?} not found"));
        found.map_or_else(missing, |flunder| (200, flunder))
    }
}
