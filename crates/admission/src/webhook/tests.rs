//! Webhooks asked through a server that answers from a table.

use super::{MutatingWebhooks, ValidatingWebhooks};
use crate::check::{Check, Context, Operation};
use crate::notes::Notes;
use crate::sample::{Alone, meta};
use crate::server::Server;
use crate::{Chain, Reinvocation};
use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use corten_api::admissionregistration::v1::*;
use corten_api::authentication::v1::UserInfo;
use corten_api::core::v1::{ConfigMap, Namespace};
use corten_api::{Kind, KindInfo, Object};
use corten_semantics::{ApiError, ApiResult};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

type Answer = fn(&Value) -> Result<Value, String>;
type Answers = BTreeMap<String, Box<dyn Fn(&Value) -> Result<Value, String> + Send + Sync>>;

/// Answers by the hook's URL, and keeps what it was asked.
#[derive(Default)]
struct Table {
    answers: Answers,
    asked: Mutex<Vec<(String, Value)>>,
}

impl Table {
    fn with(
        mut self,
        url: &str,
        answer: impl Fn(&Value) -> Result<Value, String> + Send + Sync + 'static,
    ) -> Self {
        self.answers.insert(url.into(), Box::new(answer));
        self
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("a lock").iter().map(|(url, _)| url.clone()).collect()
    }
}

#[async_trait]
impl Server for Table {
    async fn call(
        &self,
        _: &'static str,
        hook: &WebhookClientConfig,
        body: Vec<u8>,
        _: Duration,
    ) -> Result<Vec<u8>, String> {
        let url = hook.url.clone().unwrap_or_default();
        let review: Value = serde_json::from_slice(&body).expect("JSON");
        self.asked.lock().expect("a lock").push((url.clone(), review.clone()));
        let answer = self.answers.get(&url).ok_or("nobody is there")?;
        answer(&review).map(|a| a.to_string().into_bytes())
    }

    fn equivalents(&self, kind: &'static KindInfo) -> Vec<&'static KindInfo> {
        Alone.equivalents(kind)
    }

    async fn convert(&self, object: Box<dyn Object>, to: &'static KindInfo) -> ApiResult<Box<dyn Object>> {
        Alone.convert(object, to).await
    }

    fn decode(&self, kind: &'static KindInfo, json: &[u8]) -> ApiResult<Box<dyn Object>> {
        Alone.decode(kind, json)
    }
}

fn review(asked: &Value, response: Value) -> Value {
    let mut response = response;
    if response["uid"].is_null() {
        response["uid"] = asked["request"]["uid"].clone();
    }
    json!({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "response": response})
}

fn yes(asked: &Value) -> Result<Value, String> {
    Ok(review(asked, json!({"allowed": true})))
}

/// Adds `"key": "value"` to the data, unless it is there.
fn adds(key: &'static str, value: &'static str) -> impl Fn(&Value) -> Result<Value, String> + Send + Sync {
    move |asked| {
        if asked["request"]["object"]["data"][key] == value {
            return yes(asked);
        }
        let patch = json!([{"op": "add", "path": format!("/data/{key}"), "value": value}]);
        let patch = STANDARD.encode(patch.to_string());
        Ok(review(asked, json!({"allowed": true, "patchType": "JSONPatch", "patch": patch})))
    }
}

fn everything() -> Vec<RuleWithOperations> {
    let any = || vec!["*".to_string()];
    vec![RuleWithOperations {
        operations: any(),
        rule: Rule { api_groups: any(), api_versions: any(), resources: any(), scope: None },
    }]
}

fn mutating(name: &str, url: &str) -> MutatingWebhook {
    MutatingWebhook {
        name: name.into(),
        client_config: WebhookClientConfig { url: Some(url.into()), ..WebhookClientConfig::default() },
        rules: everything(),
        failure_policy: Some("Fail".into()),
        match_policy: Some("Equivalent".into()),
        namespace_selector: Some(Box::default()),
        object_selector: Some(Box::default()),
        side_effects: Some("None".into()),
        admission_review_versions: vec!["v1".into()],
        ..MutatingWebhook::default()
    }
}

fn validating(name: &str, url: &str) -> ValidatingWebhook {
    let m = mutating(name, url);
    ValidatingWebhook {
        name: m.name,
        client_config: m.client_config,
        rules: m.rules,
        failure_policy: m.failure_policy,
        match_policy: m.match_policy,
        namespace_selector: m.namespace_selector,
        object_selector: m.object_selector,
        side_effects: m.side_effects,
        admission_review_versions: m.admission_review_versions,
        ..ValidatingWebhook::default()
    }
}

struct Try {
    objects: Vec<Arc<dyn Object>>,
    notes: Notes,
    user: UserInfo,
    dry_run: bool,
    operation: Operation,
    old: Option<ConfigMap>,
}

impl Try {
    fn new() -> Self {
        let mut namespace = Namespace { metadata: meta("", "ns"), ..Namespace::default() };
        namespace.metadata.labels.insert("hooks".into(), "on".into());
        Try {
            objects: vec![Arc::new(namespace)],
            notes: Notes::default(),
            user: UserInfo { username: "jane".into(), ..UserInfo::default() },
            dry_run: false,
            operation: Operation::Create,
            old: None,
        }
    }

    fn mutating(mut self, configuration: &str, hooks: Vec<MutatingWebhook>) -> Self {
        self.objects.push(Arc::new(MutatingWebhookConfiguration {
            metadata: meta("", configuration),
            webhooks: hooks,
        }));
        self
    }

    fn validating(mut self, configuration: &str, hooks: Vec<ValidatingWebhook>) -> Self {
        self.objects.push(Arc::new(ValidatingWebhookConfiguration {
            metadata: meta("", configuration),
            webhooks: hooks,
        }));
        self
    }

    fn context<'a>(&'a self, server: &'a Table) -> Context<'a> {
        Context {
            kind: ConfigMap::INFO,
            requested: ConfigMap::INFO,
            subresource: "",
            operation: self.operation,
            namespace: "ns",
            name: "map",
            user: &self.user,
            dry_run: self.dry_run,
            old: self.old.as_ref().map(|o| o as &dyn Object),
            objects: &self.objects,
            notes: &self.notes,
            options: &(),
            server,
            rounds: None,
            deadline: None,
        }
    }

    async fn admit(&self, server: &Table) -> Result<BTreeMap<String, String>, ApiError> {
        let mut map = ConfigMap { metadata: meta("ns", "map"), ..ConfigMap::default() };
        map.data.insert("a".into(), "b".into());
        let mut object: Box<dyn Object> = Box::new(map);
        Chain::new(vec![Box::new(MutatingWebhooks::new())]).admit(&self.context(server), &mut object).await?;
        Ok(object.downcast_ref::<ConfigMap>().expect("a ConfigMap").data.clone())
    }

    async fn validate(&self, server: &Table) -> ApiResult<()> {
        let map = ConfigMap { metadata: meta("ns", "map"), ..ConfigMap::default() };
        let check = ValidatingWebhooks::new();
        let context = self.context(server);
        if !check.handles(&context) {
            return Ok(());
        }
        match self.operation {
            Operation::Delete => check.delete(&context).await,
            _ => check.validate(&context, &map).await,
        }
    }
}

#[tokio::test]
async fn webhooks_change_the_object_in_order() {
    let server = Table::default().with("one", adds("x", "1")).with("two", adds("y", "2"));
    let tried = Try::new()
        .mutating("b", vec![mutating("two.ex.io", "two")])
        .mutating("a", vec![mutating("one.ex.io", "one")]);
    let data = tried.admit(&server).await.expect("allowed");
    assert_eq!((data["a"].as_str(), data["x"].as_str(), data["y"].as_str()), ("b", "1", "2"));
    assert_eq!(server.asked(), ["one", "two"]);
    let asked = server.asked.lock().expect("a lock");
    let request = &asked[1].1["request"];
    assert_eq!(asked[1].1["apiVersion"], "admission.k8s.io/v1");
    assert_eq!(request["object"]["data"]["x"], "1", "the second sees the first's change");
    for (key, want) in [
        ("kind", json!({"group": "", "version": "v1", "kind": "ConfigMap"})),
        ("resource", json!({"group": "", "version": "v1", "resource": "configmaps"})),
        ("requestKind", json!({"group": "", "version": "v1", "kind": "ConfigMap"})),
        ("name", json!("map")),
        ("namespace", json!("ns")),
        ("operation", json!("CREATE")),
        ("oldObject", Value::Null),
        ("dryRun", json!(false)),
    ] {
        assert_eq!(request[key], want, "{key}");
    }
    assert_eq!(request["userInfo"]["username"], "jane");
    let annotation = &tried.notes.annotations()[0];
    assert_eq!(annotation.0, "mutation.webhook.admission.k8s.io/round_0_index_0");
}

#[tokio::test]
async fn who_wishes_is_asked_again_about_later_changes() {
    let server = Table::default().with("one", adds("x", "1")).with("two", adds("y", "2")).with("three", yes);
    let again = |mut hook: MutatingWebhook| {
        hook.reinvocation_policy = Some("IfNeeded".into());
        hook
    };
    let tried = Try::new().mutating(
        "a",
        vec![
            again(mutating("one.ex.io", "one")),
            mutating("two.ex.io", "two"),
            again(mutating("three.ex.io", "three")),
        ],
    );
    tried.admit(&server).await.expect("allowed");
    assert_eq!(server.asked(), ["one", "two", "three", "one"]);
    assert!(!Reinvocation::default().is_second());
}

#[tokio::test]
async fn refusals_are_worded_as_upstreams() {
    let deny =
        |status: Value| move |asked: &Value| Ok(review(asked, json!({"allowed": false, "status": status})));
    let by = "admission webhook \"h.ex.io\" denied the request";
    for (status, code, message) in [
        (json!({"message": "no", "code": 403, "reason": "Forbidden"}), 403, format!("{by}: no")),
        (json!({"reason": "Because"}), 400, format!("{by}: Because")),
        (json!({"code": 200, "status": "Success"}), 400, format!("{by} without explanation")),
        (Value::Null, 400, format!("{by} without explanation")),
    ] {
        let server = Table::default().with("u", deny(status));
        let refused = Try::new().validating("a", vec![validating("h.ex.io", "u")]).validate(&server).await;
        let refused = refused.expect_err("a refusal");
        assert_eq!((refused.code(), refused.to_string()), (code, message));
        assert_eq!(refused.status().status, "Failure");
    }
}

#[tokio::test]
async fn answers_that_are_none_fail_the_write() {
    let prefix = "Internal error occurred: failed calling webhook \"h.ex.io\": ";
    let cases: Vec<(Answer, &str)> = vec![
        (|_| Err("Post \"x\": EOF".into()), "failed to call webhook: Post \"x\": EOF"),
        (|_| Ok(json!({})), "received invalid webhook response: webhook response was absent"),
        (
            |a| Ok(review(a, json!({"allowed": true, "uid": "other"}))),
            "received invalid webhook response: expected response.uid=",
        ),
        (
            |a| Ok(json!({"response": {"allowed": true, "uid": a["request"]["uid"]}})),
            "received invalid webhook response: expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got /, Kind=",
        ),
        (
            |a| Ok(review(a, json!({"allowed": true, "patchType": "JSONPatch", "patch": "W10="}))),
            "received invalid webhook response: validating webhook may not return response.patch",
        ),
    ];
    for (answer, want) in cases {
        let server = Table::default().with("u", answer);
        let refused = Try::new().validating("a", vec![validating("h.ex.io", "u")]).validate(&server).await;
        let refused = refused.expect_err("a refusal");
        assert_eq!(refused.code(), 500);
        assert!(refused.to_string().starts_with(&format!("{prefix}{want}")), "{refused}");
        let ignoring =
            ValidatingWebhook { failure_policy: Some("Ignore".into()), ..validating("h.ex.io", "u") };
        let tried = Try::new().validating("a", vec![ignoring]);
        assert_eq!(tried.validate(&server).await, Ok(()), "{want}");
        let key = "failed-open.validating.webhook.admission.k8s.io/round_0_index_0".to_string();
        assert_eq!(tried.notes.annotations(), [(key, "h.ex.io".to_string())]);
    }
}

#[tokio::test]
async fn dry_runs_are_for_webhooks_without_side_effects() {
    for (effects, want) in [
        ("None", None),
        ("NoneOnDryRun", None),
        ("Some", Some("admission webhook \"h.ex.io\" does not support dry run")),
    ] {
        let server = Table::default().with("u", yes);
        let hook = ValidatingWebhook { side_effects: Some(effects.into()), ..validating("h.ex.io", "u") };
        let mut tried = Try::new().validating("a", vec![hook]);
        tried.dry_run = true;
        let refused = tried.validate(&server).await.err();
        assert_eq!(refused.map(|e| (e.code(), e.to_string())), want.map(|w| (400, w.to_string())));
    }
}

#[tokio::test]
async fn selectors_choose_the_requests() {
    use corten_api::meta::v1::LabelSelector;
    let selector = |key: &str, value: &str| {
        let match_labels = BTreeMap::from([(key.to_string(), value.to_string())]);
        Some(Box::new(LabelSelector { match_labels, ..LabelSelector::default() }))
    };
    for (namespaces, objects, want) in [
        (None, None, 1),
        (selector("hooks", "on"), None, 1),
        (selector("hooks", "off"), None, 0),
        (None, selector("any", "thing"), 0),
    ] {
        let server = Table::default().with("u", yes);
        let mut hook = validating("h.ex.io", "u");
        hook.namespace_selector = namespaces.or(hook.namespace_selector);
        hook.object_selector = objects.or(hook.object_selector);
        Try::new().validating("a", vec![hook]).validate(&server).await.expect("allowed");
        assert_eq!(server.asked().len(), want);
    }
}

#[tokio::test]
async fn deletions_show_the_old_object() {
    let server = Table::default().with("u", yes);
    let mut tried = Try::new().validating("a", vec![validating("h.ex.io", "u")]);
    tried.operation = Operation::Delete;
    tried.old = Some(ConfigMap { metadata: meta("ns", "map"), ..ConfigMap::default() });
    tried.validate(&server).await.expect("allowed");
    let asked = server.asked.lock().expect("a lock");
    assert_eq!(asked[0].1["request"]["object"], Value::Null);
    assert_eq!(asked[0].1["request"]["oldObject"]["kind"], "ConfigMap");
}

#[tokio::test]
async fn warnings_and_annotations_are_noted() {
    let server = Table::default().with("u", |asked: &Value| {
        Ok(review(asked, json!({"allowed": true, "warnings": ["careful"], "auditAnnotations": {"k": "v"}})))
    });
    let tried = Try::new().validating("a", vec![validating("h.ex.io", "u")]);
    tried.validate(&server).await.expect("allowed");
    assert_eq!(tried.notes.take_warnings(), ["careful"]);
    assert_eq!(tried.notes.annotations(), [("h.ex.io/k".to_string(), "v".to_string())]);
}

#[tokio::test]
async fn connections_are_changed() {
    let server = Table::default().with("one", |asked| {
        assert_eq!(asked["request"]["object"]["kind"], "PodExecOptions");
        let patch = json!([{"op": "replace", "path": "/command", "value": ["true"]}]);
        let patch = STANDARD.encode(patch.to_string());
        Ok(review(asked, json!({"allowed": true, "patchType": "JSONPatch", "patch": patch})))
    });
    let mut tried = Try::new().mutating("m", vec![mutating("a.ex.io", "one")]);
    tried.operation = Operation::Connect;
    let mut options = json!({"kind": "PodExecOptions", "apiVersion": "v1", "command": ["sh"], "stdin": true});
    let chain = Chain::new(vec![Box::new(MutatingWebhooks::new())]);
    chain.connect(&tried.context(&server), &mut options).await.expect("allowed");
    assert_eq!((&options["command"], &options["stdin"]), (&json!(["true"]), &json!(true)));
    let mutated = "{\"configuration\":\"m\",\"webhook\":\"a.ex.io\",\"mutated\":true}".to_string();
    let key = |what: &str| format!("{what}.webhook.admission.k8s.io/round_0_index_0");
    assert_eq!(tried.notes.annotations(), [(key("mutation"), mutated)]);
    let patch = "{\"configuration\":\"m\",\"webhook\":\"a.ex.io\",\"patch\":[{\"op\":\"replace\",\"path\":\"/command\",\
                 \"value\":[\"true\"]}],\"patchType\":\"JSONPatch\"}";
    assert_eq!(tried.notes.details(), [(key("patch"), patch.to_string())]);
}
