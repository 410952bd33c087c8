//! Policies that change what is written, as clients see them.

use corten_admission::{Chain, Settings};
use corten_api::builtin::OPTIONAL;
use corten_apiserver::Config;
use corten_apiserver::http::Limits;
use serde_json::{Value, json};
use std::sync::Arc;

use crate::world::{Call, World};

const GROUP: &str = "/apis/admissionregistration.k8s.io";
const POLICIES: &str = "mutatingadmissionpolicies";
const BINDINGS: &str = "mutatingadmissionpolicybindings";

async fn world() -> World {
    let settings = Settings { mutating_policies: true, ..Settings::default() };
    let chain = Chain::configured(&settings).expect("a chain");
    let config = Config { admission: Arc::new(chain), optional: OPTIONAL.to_vec(), ..Config::default() };
    let world = World::configured(config, Limits::default(), |_, _| ()).await;
    world.furnish().await;
    world
}

fn policy(name: &str, resource: [&str; 3], mutations: Value) -> Value {
    let [group, version, plural] = resource;
    let rule =
        json!({"apiGroups": [group], "apiVersions": [version], "operations": ["*"], "resources": [plural]});
    json!({"metadata": {"name": name}, "spec": {
        "matchConstraints": {"resourceRules": [rule]}, "mutations": mutations, "reinvocationPolicy": "IfNeeded",
    }})
}

fn apply(expression: &str) -> Value {
    json!({"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression}})
}

async fn make(world: &World, path: &str, body: &Value) -> Value {
    let made = world.admin("POST", path, &body.to_string()).await;
    assert_eq!(made.code, 201, "{path}: {}", made.text());
    made.json()
}

/// Makes the policy and its binding.
async fn enforce(world: &World, policy: &Value) {
    make(world, &format!("{GROUP}/v1beta1/{POLICIES}"), policy).await;
    let name = &policy["metadata"]["name"];
    let binding = json!({"metadata": {"name": name}, "spec": {"policyName": name}});
    make(world, &format!("{GROUP}/v1beta1/{BINDINGS}"), &binding).await;
}

#[tokio::test]
async fn policies_change_what_is_written() {
    let world = world().await;
    let label = apply("Object{metadata: Object.metadata{labels: {'by': request.userInfo.username}}}");
    let data = json!({"patchType": "JSONPatch", "jsonPatch": {
        "expression": "has(object.data) ? [JSONPatch{op: 'add', path: '/data/size', value: string(object.data.size())}] : []",
    }});
    enforce(&world, &policy("maps", ["", "v1", "configmaps"], json!([label, data]))).await;
    let limits = "Object{spec: Object.spec{template: Object.spec.template{spec: Object.spec.template.spec{
        containers: object.spec.template.spec.containers.filter(c, !has(c.imagePullPolicy) || c.imagePullPolicy != 'Always')
            .map(c, Object.spec.template.spec.containers{name: c.name, imagePullPolicy: 'Always'})
    }}}}";
    enforce(&world, &policy("pull", ["apps", "v1", "deployments"], json!([apply(limits)]))).await;

    let maps = "/api/v1/namespaces/default/configmaps";
    let map = make(&world, maps, &json!({"metadata": {"name": "a"}, "data": {"x": "y"}})).await;
    assert_eq!(map["metadata"]["labels"], json!({"by": "kubernetes-admin"}));
    assert_eq!(map["data"]["x"], "y");
    // A policy that changes anything is asked again in the second round.
    assert_eq!(map["data"]["size"], "2");
    let patched = world.admin("PATCH", &format!("{maps}/a"), r#"{"metadata":{"labels":{"by":null}}}"#).await;
    assert_eq!(patched.json()["metadata"]["labels"], json!({"by": "kubernetes-admin"}), "{}", patched.text());

    let containers = json!([{"name": "a", "image": "x"}, {"name": "b", "image": "y"}]);
    let deployment = json!({"metadata": {"name": "d"}, "spec": {
        "selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": containers}},
    }});
    let made = make(&world, "/apis/apps/v1/namespaces/default/deployments", &deployment).await;
    let containers = &made["spec"]["template"]["spec"]["containers"];
    for (i, (name, image)) in [("a", "x"), ("b", "y")].into_iter().enumerate() {
        let container = &containers[i];
        let shown = [&container["name"], &container["image"], &container["imagePullPolicy"]];
        assert_eq!(shown, [name, image, "Always"], "{containers}");
    }

    let deleted = world.admin("DELETE", &format!("{GROUP}/v1beta1/{BINDINGS}/maps"), "").await;
    assert_eq!(deleted.code, 200, "{}", deleted.text());
    let map = make(&world, maps, &json!({"metadata": {"name": "b"}})).await;
    assert_eq!(map["metadata"]["labels"], Value::Null);
    let metrics = world.admin("GET", "/metrics", "").await.text().to_string();
    let counted = "apiserver_mutating_admission_policy_check_total{error_type=\"no_error\",policy=\"maps\"";
    assert!(metrics.contains(counted), "{metrics}");
    world.end().await;
}

#[tokio::test]
async fn both_versions_show_the_same_policies() {
    let world = world().await;
    let mutations = json!([apply("Object{}")]);
    let made = make(
        &world,
        &format!("{GROUP}/v1alpha1/{POLICIES}"),
        &policy("a", ["", "v1", "configmaps"], mutations.clone()),
    )
    .await;
    assert_eq!(made["apiVersion"], "admissionregistration.k8s.io/v1alpha1");
    assert_eq!(made["spec"]["failurePolicy"], "Fail");
    assert_eq!(made["spec"]["matchConstraints"]["matchPolicy"], "Equivalent");
    let binding = json!({"metadata": {"name": "a"}, "spec": {"policyName": "a", "paramRef": {"name": "x"}}});
    make(&world, &format!("{GROUP}/v1alpha1/{BINDINGS}"), &binding).await;
    let beta = world.admin("GET", &format!("{GROUP}/v1beta1/{POLICIES}/a"), "").await.json();
    assert_eq!(
        (&beta["apiVersion"], &beta["spec"]),
        (&json!("admissionregistration.k8s.io/v1beta1"), &made["spec"])
    );
    let path = format!("{GROUP}/v1alpha1/{BINDINGS}");
    let table = world.get_with(&path, "accept", "application/json;as=Table;v=v1;g=meta.k8s.io").await.json();
    assert_eq!(
        table["rows"][0]["cells"].as_array().map(|cells| cells[..3].to_vec()),
        Some(vec![json!("a"), json!("a"), json!("*/x")])
    );
    let mut wrong = policy("wrong", ["", "v1", "configmaps"], json!([apply("1")]));
    wrong["spec"]["reinvocationPolicy"] = json!("Sometimes");
    for version in ["v1beta1", "v1alpha1"] {
        let refused = world.admin("POST", &format!("{GROUP}/{version}/{POLICIES}"), &wrong.to_string()).await;
        let message = "MutatingAdmissionPolicy.admissionregistration.k8s.io \"wrong\" is invalid: \
                       [spec.mutations[0].applyConfiguration.expression: Invalid value: \"1\": must evaluate to Object but \
                       got int, spec.reinvocationPolicy: Unsupported value: \"Sometimes\": supported values: \"IfNeeded\", \
                       \"Never\"]";
        assert_eq!(refused.refusal(), (422, "Invalid".into(), message.into()), "{version}");
        let document = world.admin("GET", &format!("/openapi/v3/{}/{version}", &GROUP[1..]), "").await;
        assert_eq!(document.code, 200);
    }
    let whole = world.admin("GET", "/openapi/v2", "").await.json();
    assert!(whole["paths"].get(format!("{GROUP}/v1beta1/{POLICIES}")).is_some());
    let index = world.admin("GET", "/openapi/v3", "").await.json();
    assert!(index["paths"].get("apis/admissionregistration.k8s.io/v1beta1").is_some());
    let group = world.admin("GET", GROUP, "").await.json();
    let versions: Vec<&Value> =
        group["versions"].as_array().into_iter().flatten().map(|version| &version["version"]).collect();
    assert_eq!(versions, ["v1", "v1beta1", "v1alpha1"]);
    world.end().await;
}

#[tokio::test]
async fn nothing_is_there_unless_it_is_turned_on() {
    let world = World::new().await;
    for version in ["v1beta1", "v1alpha1"] {
        assert_eq!(world.admin("GET", &format!("{GROUP}/{version}/{POLICIES}"), "").await.code, 404);
        assert_eq!(world.admin("GET", &format!("/openapi/v3/{}/{version}", &GROUP[1..]), "").await.code, 404);
    }
    let group = world.admin("GET", GROUP, "").await.json();
    assert_eq!(group["versions"].as_array().map(Vec::len), Some(1));
    world.end().await;
}

#[tokio::test]
async fn who_names_parameters_must_be_able_to_read_them() {
    let world = world().await;
    let rules = json!([{"apiGroups": ["admissionregistration.k8s.io"], "resources": ["*"], "verbs": ["*"]}]);
    let role = json!({"metadata": {"name": "policies"}, "rules": rules});
    make(&world, "/apis/rbac.authorization.k8s.io/v1/clusterroles", &role).await;
    let binding = json!({
        "metadata": {"name": "policies"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "policies"},
        "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "jane"}],
    });
    make(&world, "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", &binding).await;
    let mut wanted = policy("p", ["", "v1", "configmaps"], json!([apply("Object{}")]));
    wanted["spec"]["paramKind"] = json!({"apiVersion": "v1", "kind": "Secret"});
    let as_jane = async |path: &str, body: &Value| {
        let headers = [("content-type", "application/json"), ("impersonate-user", "jane")];
        let body = body.to_string();
        let call = Call { method: "POST", path, headers: &headers, body: body.as_bytes() };
        world.ask(Some(&world.pki.admin), &call).await
    };
    let refused = as_jane(&format!("{GROUP}/v1beta1/{POLICIES}"), &wanted).await;
    let message = "MutatingAdmissionPolicy.admissionregistration.k8s.io \"p\" is invalid: spec.paramKind: Forbidden: \
                   user &{jane  [system:authenticated] map[]} must have \"get\" permission on all objects of the \
                   referenced paramKind (kind=Secret, apiVersion=v1)";
    assert_eq!(refused.refusal(), (422, "Invalid".into(), message.into()));
    make(&world, &format!("{GROUP}/v1beta1/{POLICIES}"), &wanted).await;
    let reference = json!({"name": "s", "namespace": "default", "parameterNotFoundAction": "Deny"});
    let bound = json!({"metadata": {"name": "p"}, "spec": {
        "policyName": "p", "paramRef": reference, "validationActions": ["Deny"],
    }});
    let refused = as_jane(&format!("{GROUP}/v1/validatingadmissionpolicybindings"), &bound).await;
    let (code, _, message) = refused.refusal();
    let why = "unable to get policy p to determine minimum required permissions and user &{jane  \
               [system:authenticated] map[]} does not have \"get\" permission for all groups, versions and resources";
    assert!(code == 422 && message.ends_with(why), "{message}");
    world.end().await;
}
