//! Policies that change ConfigMaps, from their JSON on; the cases are those of upstream's integration tests.

use super::MutatingAdmissionPolicies;
use crate::chain::Chain;
use crate::check::Operation;
use crate::sample::{Request, meta};
use corten_api::admissionregistration::v1beta1::{MutatingAdmissionPolicy, MutatingAdmissionPolicyBinding};
use corten_api::apps::v1::Deployment;
use corten_api::core::v1::{ConfigMap, Namespace, Pod};
use corten_api::{Kind, Object};
use corten_codec::{Problems, json};
use corten_semantics::ApiResult;
use serde_json::{Value, json};

fn read<K: Kind + Default>(value: &Value) -> K {
    let mut object = K::default();
    json::decode(value.to_string().as_bytes(), &mut object, &mut Problems::ignore()).expect("an object");
    object
}

fn apply(expression: &str) -> Value {
    json!({"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression}})
}

fn patch(expression: &str) -> Value {
    json!({"patchType": "JSONPatch", "jsonPatch": {"expression": expression}})
}

fn annotate(annotations: &str) -> Value {
    apply(&format!("Object{{metadata: Object.metadata{{annotations: {annotations}}}}}"))
}

/// Adds one to the annotation `foo`, and says who did.
fn count(who: &str) -> Value {
    let foo = "?'foo': optional.of(string(int(object.metadata.annotations['foo']) + 1))";
    annotate(&format!("{{{foo}, '{who}': 'true'}}"))
}

/// A request with a policy for each specification, each with a binding of its name.
fn request<K: Kind>(plural: &str, specs: &[Value], binding: &Value) -> Request {
    let mut request = Request::of::<K>(Operation::Create, "ns", "map");
    let rule = json!({
        "apiGroups": [K::INFO.group], "apiVersions": ["v1"], "operations": ["*"], "resources": [plural],
    });
    for (number, more) in specs.iter().enumerate() {
        let name = format!("policy-{number}");
        let mut spec = json!({
            "failurePolicy": "Fail", "reinvocationPolicy": "Never",
            "matchConstraints": {"resourceRules": [rule], "matchPolicy": "Equivalent"},
        });
        let mut bound = json!({"policyName": name});
        for (object, more) in [(&mut spec, more), (&mut bound, binding)] {
            for (key, value) in more.as_object().expect("an object") {
                object[key] = value.clone();
            }
        }
        let metadata = json!({"name": name, "uid": name, "generation": 1});
        request.has(read::<MutatingAdmissionPolicy>(&json!({"metadata": metadata, "spec": spec})));
        request.has(read::<MutatingAdmissionPolicyBinding>(&json!({"metadata": metadata, "spec": bound})));
    }
    let mut namespace = Namespace { metadata: meta("", "ns"), ..Namespace::default() };
    namespace.metadata.labels.insert("tier".into(), "low".into());
    request.has(namespace);
    for (name, labels) in
        [("one", json!({"all": "yes"})), ("two", json!({"all": "yes"})), ("three", json!({}))]
    {
        let metadata = json!({"name": name, "namespace": "ns", "labels": labels});
        request.has(read::<ConfigMap>(&json!({"metadata": metadata, "data": {name: "1"}})));
    }
    request
}

async fn written(request: &Request, object: Value) -> ApiResult<Value> {
    let chain = Chain::new(vec![Box::new(MutatingAdmissionPolicies::new())]);
    let mut object: Box<dyn Object> = match request.kind == Deployment::INFO {
        true => Box::new(read::<Deployment>(&object)),
        false => Box::new(read::<ConfigMap>(&object)),
    };
    chain.admit(&request.context(), &mut object).await?;
    Ok(serde_json::from_slice(&json::encode(&*object)).expect("JSON"))
}

/// A ConfigMap after these policies: its annotations, or code, reason and message of the refusal.
async fn annotations(specs: &[Value], binding: Value) -> Result<Value, (i32, String, String)> {
    let request = request::<ConfigMap>("configmaps", specs, &binding);
    let map = json!({"metadata": {"name": "map", "namespace": "ns", "annotations": {"foo": "0"}}});
    match written(&request, map).await {
        Ok(object) => Ok(object["metadata"]["annotations"].clone()),
        Err(error) => {
            let status = error.status().clone();
            assert_eq!(status.details.expect("details").causes[0].message, status.message);
            Err((status.code, status.reason, status.message))
        }
    }
}

#[tokio::test]
async fn policies_change_what_is_written() {
    let param_kind = json!({"apiVersion": "v1", "kind": "ConfigMap"});
    let none = json!({});
    let cases = [
        (
            vec![json!({"mutations": [annotate("{'my': 'own'}")]})],
            none.clone(),
            json!({"foo": "0", "my": "own"}),
        ),
        (
            vec![
                json!({"mutations": [annotate("{'a': '1'}")]}),
                json!({"mutations": [annotate("{'b': object.metadata.annotations.a}")]}),
            ],
            none.clone(),
            json!({"foo": "0", "a": "1", "b": "1"}),
        ),
        (
            vec![json!({"mutations": [annotate("params.data")], "paramKind": param_kind})],
            json!({"paramRef": {"name": "one", "parameterNotFoundAction": "Deny"}}),
            json!({"foo": "0", "one": "1"}),
        ),
        (
            vec![json!({"mutations": [annotate("params.data")], "paramKind": param_kind})],
            json!({"paramRef": {"selector": {"matchLabels": {"all": "yes"}}, "parameterNotFoundAction": "Allow"}}),
            json!({"foo": "0", "one": "1", "two": "1"}),
        ),
        (
            vec![json!({"mutations": [annotate("params.data")], "paramKind": param_kind})],
            json!({"paramRef": {"name": "none", "parameterNotFoundAction": "Allow"}}),
            json!({"foo": "0"}),
        ),
        (
            vec![json!({
                "variables": [
                    {"name": "one", "expression": "'one' + 'Value'"},
                    {"name": "two", "expression": "variables.one.replace('one', 'two')"},
                ],
                "mutations": [
                    annotate("{'one': variables.one}"),
                    patch(
                        "[JSONPatch{op: 'test', path: '/metadata/annotations/one', value: variables.one},
                          JSONPatch{op: 'add', path: '/metadata/annotations/two', value: variables.two},
                          JSONPatch{op: 'remove', path: '/metadata/annotations/' + jsonpatch.escapeKey('foo')}]",
                    ),
                    patch(
                        "[JSONPatch{op: 'add', path: '/metadata/annotations/no', value: 'no'},
                          JSONPatch{op: 'test', path: '/metadata/annotations/one', value: 'other'}]",
                    ),
                ],
            })],
            none.clone(),
            json!({"one": "oneValue", "two": "twoValue"}),
        ),
        (
            vec![
                json!({
                    "mutations": [annotate("{'no': 'no'}")],
                    "matchConditions": [{"name": "a", "expression": "request.operation == 'UPDATE'"}],
                }),
                json!({
                    "mutations": [annotate("{'yes': namespaceObject.metadata.labels.tier}")],
                    "matchConditions": [{"name": "a", "expression": "object.metadata.annotations.foo == '0'"}],
                }),
            ],
            none.clone(),
            json!({"foo": "0", "yes": "low"}),
        ),
        (
            vec![
                json!({"mutations": [count("first")], "reinvocationPolicy": "IfNeeded"}),
                json!({"mutations": [count("second")], "reinvocationPolicy": "IfNeeded"}),
                json!({"mutations": [count("third")]}),
            ],
            none.clone(),
            json!({"foo": "5", "first": "true", "second": "true", "third": "true"}),
        ),
        (
            vec![json!({"mutations": [annotate("{'no': 'no'}")]})],
            json!({"matchResources": {"namespaceSelector": {"matchLabels": {"tier": "high"}}}}),
            json!({"foo": "0"}),
        ),
        // What fails is passed over, and what did not stays.
        (
            vec![json!({
                "failurePolicy": "Ignore",
                "mutations": [apply("Object{spec: Object.spec{nope: 1}}"), annotate("{'a': '1'}")],
            })],
            none,
            json!({"foo": "0", "a": "1"}),
        ),
    ];
    for (specs, binding, expected) in cases {
        assert_eq!(annotations(&specs, binding).await, Ok(expected), "{specs:?}");
    }
}

#[tokio::test]
async fn failures_refuse_what_is_written() {
    const BY: &str = "policy 'policy-0' with binding 'policy-0' denied request: ";
    let missing = json!({"paramRef": {"name": "none", "parameterNotFoundAction": "Deny"}});
    let none = json!({});
    let cases = [
        (
            json!({"mutations": [annotate("{'a': object.nope}")]}),
            &none,
            "Invalid",
            "expression 'Object{metadata: Object.metadata{annotations: {'a': object.nope}}}' resulted in error: no such \
             key: nope",
        ),
        (
            json!({"mutations": [apply("Object{spec: Object.spec{nope: 1}}")]}),
            &none,
            "Invalid",
            "error applying patch: failed to convert patch object to typed object: .spec: field not declared in schema",
        ),
        (
            json!({"mutations": [apply("Object{metadata: Object.wrong{name: 'a'}}")]}),
            &none,
            "Invalid",
            "type mismatch: unexpected type name \"Object.wrong\", expected \"Object.metadata\", which matches field \
             name path from root Object type",
        ),
        (
            json!({"mutations": [patch("[JSONPatch{op: 'add', path: '/spec/x', value: 1}]")]}),
            &none,
            "Invalid",
            "JSON Patch: add operation does not apply: doc is missing path: \"/spec/x\": missing value",
        ),
        (
            json!({
                "mutations": [annotate("{'a': '1'}")], "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"},
            }),
            &missing,
            "Forbidden",
            "failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction",
        ),
    ];
    for (spec, binding, reason, why) in cases {
        let told = annotations(&[spec], binding.clone()).await;
        assert_eq!(told, Err((403, reason.to_owned(), format!("{BY}{why}"))));
    }
    let spec = json!({"mutations": [patch("[JSONPatch{op: 'add', path: '/data2', value: {'a': 'b'}}]")]});
    let request = request::<ConfigMap>("configmaps", &[spec], &none);
    let told = written(&request, json!({"metadata": {"name": "map", "namespace": "ns"}})).await;
    let status = told.expect_err("an unknown field").status().clone();
    let message = "Internal error occurred: strict decoding error: unknown field \"data2\"";
    assert_eq!((status.code, status.message.as_str()), (500, message));
}

#[tokio::test]
async fn lists_are_merged_by_their_keys() {
    let expression = "Object{spec: Object.spec{template: Object.spec.template{spec: Object.spec.template.spec{
        containers: object.spec.template.spec.containers.map(c, Object.spec.template.spec.containers{
            name: c.name, imagePullPolicy: 'Always', env: [Object.spec.template.spec.containers.env{name: 'A', value: '1'}]
        })
    }}}}";
    let request =
        request::<Deployment>("deployments", &[json!({"mutations": [apply(expression)]})], &json!({}));
    let containers =
        json!([{"name": "a", "image": "x"}, {"name": "b", "image": "y", "env": [{"name": "B"}]}]);
    let object = json!({
        "metadata": {"name": "map", "namespace": "ns"},
        "spec": {"template": {"spec": {"containers": containers}}},
    });
    let object = written(&request, object).await.expect("changed");
    let got = &object["spec"]["template"]["spec"]["containers"];
    let names: Vec<_> =
        (0..2).map(|i| (&got[i]["name"], &got[i]["image"], &got[i]["imagePullPolicy"])).collect();
    assert_eq!(format!("{names:?}").matches("String(\"Always\")").count(), 2, "{got}");
    assert_eq!((&got[0]["image"], &got[1]["image"]), (&json!("x"), &json!("y")));
    let env = got[1]["env"].as_array().expect("a list");
    assert_eq!(env.len(), 2, "{got}");
}

#[tokio::test]
async fn policies_change_connections_by_patches_alone() {
    const CAPS: &str = "[JSONPatch{op: 'replace', path: '/command', value: ['true']}]";
    for (mutation, want) in [
        (patch(CAPS), Ok(json!(["true"]))),
        (
            patch("[JSONPatch{op: 'add', path: '/tall', value: true}]"),
            Err("Internal error occurred: strict decoding error: unknown field \"tall\""),
        ),
        (
            apply("Object{stdin: true}"),
            Err(
                "policy 'policy-0' with binding 'policy-0' denied request: error applying patch: failed to convert \
                 patch object to typed object: no corresponding type for /v1, Kind=PodExecOptions",
            ),
        ),
    ] {
        let spec = json!({"mutations": [mutation], "reinvocationPolicy": "IfNeeded"});
        let mut request = request::<Pod>("pods/exec", &[spec], &json!({})).on("exec");
        request.operation = Operation::Connect;
        let chain = Chain::new(vec![Box::new(MutatingAdmissionPolicies::new())]);
        let mut options = json!({"kind": "PodExecOptions", "apiVersion": "v1", "command": ["sh"]});
        let told = chain.connect(&request.context(), &mut options).await;
        let told = told.map(|()| options["command"].clone()).map_err(|error| error.status().message.clone());
        assert_eq!(told, want.map_err(str::to_owned));
    }
}
