//! Server-side apply and the owners of fields, through HTTP.

use serde_json::{Value, json};

use crate::world::{Answer, Call, World};

pub const MAPS: &str = "/api/v1/namespaces/default/configmaps";
pub const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";

/// Sends a body of a media type as the administrator's client `agent`.
pub async fn send(w: &World, method: &str, path: &str, media: &str, agent: &str, body: &str) -> Answer {
    let headers = [("content-type", media), ("user-agent", agent)];
    w.ask(Some(&w.pki.admin), &Call { method, path, headers: &headers, body: body.as_bytes() }).await
}

/// Applies a configuration.
pub async fn apply(w: &World, path: &str, body: &str) -> Answer {
    send(w, "PATCH", path, "application/apply-patch+yaml", "test/1", body).await
}

/// `manager operation version subresource: fields` of each entry.
pub fn owners(object: &Value) -> Vec<String> {
    let entries = object["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
    let text = |e: &Value, key: &str| e[key].as_str().unwrap_or("-").to_string();
    let line = |e: &Value| {
        let keys = ["manager", "operation", "apiVersion", "subresource"].map(|key| text(e, key));
        format!("{}: {}", keys.join(" "), e["fieldsV1"])
    };
    entries.iter().map(line).collect()
}

fn causes(answer: &Answer) -> Vec<(String, String, String)> {
    let causes = answer.json()["details"]["causes"].as_array().cloned().unwrap_or_default();
    let text = |c: &Value, key: &str| c[key].as_str().unwrap_or_default().to_string();
    causes.iter().map(|c| (text(c, "reason"), text(c, "message"), text(c, "field"))).collect()
}

#[tokio::test]
async fn an_object_is_created_changed_and_fought_for() {
    let w = World::new().await;
    w.furnish().await;
    let at = |query: &str| format!("{MAPS}/applied?{query}");
    let body = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: applied\n  labels: {app: x}\ndata:\n  a: \"1\"\n  b: \"1\"\n";
    let missing = apply(&w, &at(""), body).await;
    assert_eq!(
        missing.refusal(),
        (422, "Invalid".into(), "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch".into())
    );
    let made = apply(&w, &at("fieldManager=one"), body).await;
    assert_eq!(made.code, 201, "{}", made.text());
    assert_eq!(
        owners(&made.json()),
        [r#"one Apply v1 -: {"f:data":{"f:a":{},"f:b":{}},"f:metadata":{"f:labels":{"f:app":{}}}}"#]
    );
    // The same again changes neither revision nor time.
    let again = apply(&w, &at("fieldManager=one"), body).await;
    assert_eq!((again.code, again.json()), (200, made.json()));
    let other = body.replace("a: \"1\"\n  b: \"1\"", "a: \"2\"");
    let refused = apply(&w, &at("fieldManager=two"), &other).await;
    assert_eq!(
        refused.refusal(),
        (409, "Conflict".into(), "Apply failed with 1 conflict: conflict with \"one\": .data.a".into())
    );
    assert_eq!(
        causes(&refused),
        [("FieldManagerConflict".into(), "conflict with \"one\"".into(), ".data.a".into())]
    );
    let dry = apply(&w, &at("fieldManager=two&force=true&dryRun=All"), &other).await;
    assert_eq!((dry.code, &dry.json()["data"]["a"]), (200, &json!("2")));
    let forced = apply(&w, &at("fieldManager=two&force=true"), &other).await;
    assert_eq!(
        owners(&forced.json()),
        [
            r#"one Apply v1 -: {"f:data":{"f:b":{}},"f:metadata":{"f:labels":{"f:app":{}}}}"#,
            r#"two Apply v1 -: {"f:data":{"f:a":{}},"f:metadata":{"f:labels":{"f:app":{}}}}"#,
        ]
    );
    // What the first gives up goes, what the second has too stays.
    let less = "{apiVersion: v1, kind: ConfigMap, metadata: {name: applied}}";
    let left = apply(&w, &at("fieldManager=one"), less).await;
    assert_eq!(left.json()["data"], json!({"a": "2"}));
    assert_eq!(left.json()["metadata"]["labels"], json!({"app": "x"}));
    assert_eq!(owners(&left.json()).len(), 1);
    w.end().await;
}

#[tokio::test]
async fn configurations_are_held_to_the_kind() {
    let w = World::new().await;
    w.furnish().await;
    let map = |rest: &str| format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: m}}\n{rest}");
    let typed = "failed to create typed patch object (/m; /v1, Kind=ConfigMap): ";
    for (body, code, reason, message) in [
        (map("foo: 1"), 500, "", format!("{typed}.foo: field not declared in schema")),
        (
            map("data: {a: 1}"),
            500,
            "",
            format!("{typed}.data.a: expected string, got &value.valueUnstructured{{Value:1}}"),
        ),
        (
            "apiVersion: v1\nkind: Secret\nmetadata: {name: m}".into(),
            400,
            "BadRequest",
            "invalid object type: /v1, Kind=Secret".into(),
        ),
        (
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m, managedFields: []}".into(),
            400,
            "BadRequest",
            "metadata.managedFields must be nil".into(),
        ),
        (
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: other}".into(),
            400,
            "BadRequest",
            "the name of the object (other) does not match the name on the URL (m)".into(),
        ),
        (
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m, uid: \"1\"}".into(),
            409,
            "Conflict",
            "Operation cannot be fulfilled on configmaps \"m\": uid mismatch: the provided object specified uid 1, and no existing object was found".into(),
        ),
        (
            map("data: {a: x}\ndata: {b: z}"),
            400,
            "BadRequest",
            "error strict decoding YAML: error converting YAML to JSON: yaml: unmarshal errors:\n  line 5: key \"data\" already set in map".into(),
        ),
    ] {
        let answer = apply(&w, &format!("{MAPS}/m?fieldManager=me&fieldValidation=Strict"), &body).await;
        assert_eq!(answer.refusal(), (code, reason.to_string(), message), "{body}");
    }
    let twice = map("data: {a: x}\ndata: {b: z}");
    let warned = apply(&w, &format!("{MAPS}/m?fieldManager=me"), &twice).await;
    assert_eq!(warned.code, 201, "{}", warned.text());
    assert!(warned.headers.get("warning").is_some_and(|h| h.contains("already set in map")), "{warned:?}");
    let status = apply(
        &w,
        &format!("{DEPLOYMENTS}/none/status?fieldManager=me"),
        "{apiVersion: apps/v1, kind: Deployment, metadata: {name: none}}",
    )
    .await;
    assert_eq!(status.code, 404, "{}", status.text());
    w.end().await;
}

#[tokio::test]
async fn writes_are_owned_by_their_client() {
    let w = World::new().await;
    w.furnish().await;
    let body = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"m"},"data":{"a":"1"}}"#;
    let made = send(&w, "POST", MAPS, "application/json", "kubectl/v1.35.0 (linux/amd64)", body).await;
    assert_eq!(owners(&made.json()), [r#"kubectl Update v1 -: {"f:data":{".":{},"f:a":{}}}"#]);
    let at = format!("{MAPS}/m");
    let patch = r#"{"data":{"b":"2"}}"#;
    let path = format!("{at}?fieldManager=me");
    let patched = send(&w, "PATCH", &path, "application/merge-patch+json", "x", patch).await;
    assert_eq!(
        owners(&patched.json()),
        [r#"kubectl Update v1 -: {"f:data":{".":{},"f:a":{}}}"#, r#"me Update v1 -: {"f:data":{"f:b":{}}}"#]
    );
    // The same again is no write.
    let same = send(&w, "PATCH", &path, "application/merge-patch+json", "x", patch).await;
    assert_eq!(same.json(), patched.json());
    // Without a name there is one all the same.
    let put = send(&w, "PUT", &at, "application/json", "", &body.replace("\"1\"", "\"3\"")).await;
    assert_eq!(
        owners(&put.json()),
        [r#"kubectl Update v1 -: {"f:data":{}}"#, r#"unknown Update v1 -: {"f:data":{"f:a":{}}}"#,]
    );
    // An empty list forgets all owners; then nobody is recorded until somebody applies.
    let mut emptied: Value = put.json();
    emptied["metadata"]["managedFields"] = json!([]);
    let put = send(&w, "PUT", &at, "application/json", "x", &emptied.to_string()).await;
    assert_eq!(owners(&put.json()), [""; 0]);
    let put = send(&w, "PUT", &at, "application/json", "x", &body.replace("\"1\"", "\"4\"")).await;
    assert_eq!(owners(&put.json()), [""; 0]);
    let config = "{apiVersion: v1, kind: ConfigMap, metadata: {name: m}, data: {b: z}}";
    let applied = apply(&w, &format!("{at}?fieldManager=me"), config).await;
    assert_eq!(
        owners(&applied.json()),
        [
            r#"me Apply v1 -: {"f:data":{"f:b":{}}}"#,
            r#"before-first-apply Update v1 -: {"f:data":{".":{},"f:a":{}}}"#,
        ]
    );
    w.end().await;
}

const DEPLOYMENT: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: web, image: nginx, ports: [{containerPort: 80}]}
";

#[tokio::test]
async fn status_and_scale_have_owners_of_their_own() {
    let w = World::new().await;
    w.furnish().await;
    let at = |rest: &str| format!("{DEPLOYMENTS}/web{rest}");
    let made = apply(&w, &at("?fieldManager=one"), DEPLOYMENT).await;
    assert_eq!(made.code, 201, "{}", made.text());
    let fields = |replicas: &str| {
        format!(
            "one Apply apps/v1 -: {}",
            format_args!(
                r#"{{"f:spec":{{{replicas}"f:selector":{{}},"f:template":{{"f:metadata":{{"f:labels":{{"f:app":{{}}}}}},"f:spec":{{"f:containers":{{"k:{{\"name\":\"web\"}}":{{".":{{}},"f:image":{{}},"f:name":{{}},"f:ports":{{"k:{{\"containerPort\":80,\"protocol\":\"TCP\"}}":{{".":{{}},"f:containerPort":{{}}}}}}}}}}}}}}}}}}"#
            )
        )
    };
    assert_eq!(owners(&made.json()), [fields("\"f:replicas\":{},")]);
    let status = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {replicas: 9}, status: {replicas: 3}}";
    let answer = apply(&w, &at("/status?fieldManager=ctl"), status).await;
    assert_eq!(answer.code, 200, "{}", answer.text());
    let object = answer.json();
    assert_eq!((&object["spec"]["replicas"], &object["status"]["replicas"]), (&json!(1), &json!(3)));
    assert_eq!(owners(&object)[0], r#"ctl Apply apps/v1 status: {"f:status":{"f:replicas":{}}}"#);
    let scale = r#"{"spec":{"replicas":5}}"#;
    let path = at("/scale?fieldManager=hpa");
    let scaled = send(&w, "PATCH", &path, "application/merge-patch+json", "x", scale).await;
    assert_eq!(scaled.code, 200, "{}", scaled.text());
    let object = w.admin("GET", &at(""), "").await.json();
    let mut want = vec![
        fields(""),
        r#"ctl Apply apps/v1 status: {"f:status":{"f:replicas":{}}}"#.to_string(),
        r#"hpa Update apps/v1 scale: {"f:spec":{"f:replicas":{}}}"#.to_string(),
    ];
    let mut have = owners(&object);
    want.sort();
    have.sort();
    assert_eq!(have, want);
    let refused = apply(&w, &at("?fieldManager=one"), DEPLOYMENT).await;
    assert_eq!(
        refused.refusal(),
        (
            409,
            "Conflict".into(),
            "Apply failed with 1 conflict: conflict with \"hpa\" with subresource \"scale\" using apps/v1: .spec.replicas".into()
        )
    );
    let config = "{apiVersion: autoscaling/v1, kind: Scale, metadata: {name: web}, spec: {replicas: 7}}";
    let refused = apply(&w, &at("/scale?fieldManager=two"), config).await;
    assert_eq!(refused.code, 409, "{}", refused.text());
    let forced = apply(&w, &at("/scale?fieldManager=two&force=true"), config).await;
    assert_eq!((forced.code, &forced.json()["spec"]["replicas"]), (200, &json!(7)), "{}", forced.text());
    let object = w.admin("GET", &at(""), "").await.json();
    assert!(
        owners(&object).contains(&r#"two Apply apps/v1 scale: {"f:spec":{"f:replicas":{}}}"#.to_string()),
        "{:?}",
        owners(&object)
    );
    w.end().await;
}
