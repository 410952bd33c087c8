//! Policies over requests, from their JSON on.

use super::ValidatingAdmissionPolicies;
use crate::check::Operation;
use crate::sample::{Request, meta};
use corten_api::Kind;
use corten_api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
};
use corten_api::core::v1::{ConfigMap, Namespace};
use corten_codec::{Problems, json};
use corten_semantics::ApiResult;
use serde_json::{Value, json};

fn read<K: Kind + Default>(value: &Value) -> K {
    let mut object = K::default();
    json::decode(value.to_string().as_bytes(), &mut object, &mut Problems::ignore()).expect("an object");
    object
}

/// The binding does what `binding` says, to all ConfigMaps that are written.
fn request(operation: Operation, spec: Value, binding: Value) -> Request {
    let rule = json!({
        "apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["configmaps"],
    });
    let mut policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": "policy", "uid": "1", "generation": 1},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {
                "resourceRules": [rule], "namespaceSelector": {}, "objectSelector": {}, "matchPolicy": "Equivalent",
            },
        },
    });
    let mut bound = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": "binding"}, "spec": {"policyName": "policy", "validationActions": ["Deny"]},
    });
    for (object, more) in [(&mut policy, spec), (&mut bound, binding)] {
        for (key, value) in more.as_object().expect("an object") {
            object["spec"][key] = value.clone();
        }
    }
    let mut request = Request::of::<ConfigMap>(operation, "ns", "map");
    request.has(read::<ValidatingAdmissionPolicy>(&policy));
    request.has(read::<ValidatingAdmissionPolicyBinding>(&bound));
    let mut namespace = Namespace { metadata: meta("", "ns"), ..Namespace::default() };
    namespace.metadata.labels.insert("tier".into(), "low".into());
    request.has(namespace);
    request
}

fn map() -> ConfigMap {
    let mut map = ConfigMap { metadata: meta("ns", "map"), ..ConfigMap::default() };
    map.data.insert("size".into(), "7".into());
    map
}

/// Code, reason and message of the answer.
fn told(answer: ApiResult<()>) -> Option<(i32, String, String)> {
    let status = answer.err()?.status().clone();
    let message = status.message.strip_prefix("configmaps \"map\" is forbidden: ").unwrap_or(&status.message);
    assert_eq!(status.details.expect("details").causes[0].message, message);
    Some((status.code, status.reason, message.to_owned()))
}

async fn write(spec: Value, binding: Value) -> (Request, Option<(i32, String, String)>) {
    let request = request(Operation::Create, spec, binding);
    let answer = request.validate(&ValidatingAdmissionPolicies::new(), &map()).await;
    (request, told(answer))
}

const BY: &str = "ValidatingAdmissionPolicy 'policy' with binding 'binding' denied request: ";

#[tokio::test]
async fn rules_are_judged_and_messages_made() {
    let no = "object.data.size == '1'";
    let cases = [
        (json!([{"expression": "object.data.size == '7'"}]), None),
        (json!([{"expression": no}]), Some((422, "Invalid", "failed expression: object.data.size == '1'"))),
        (json!([{"expression": no, "message": " too big "}]), Some((422, "Invalid", "too big"))),
        (
            json!([{"expression": no, "messageExpression": "'not ' + object.data.size", "reason": "Forbidden"}]),
            Some((403, "Forbidden", "not 7")),
        ),
        (
            json!([{"expression": no, "message": "usual", "messageExpression": "object.nope"}]),
            Some((422, "Invalid", "usual")),
        ),
        (
            json!([{"expression": "object.nope == 1"}]),
            Some((422, "Invalid", "expression 'object.nope == 1' resulted in error: no such key: nope")),
        ),
        (
            json!([{"expression": "nope"}]),
            Some((
                422,
                "Invalid",
                "compilation error: compilation failed: ERROR: <input>:1:1: undeclared reference to 'nope' (in \
                 container '')\n | nope\n | ^",
            )),
        ),
        (json!([{"expression": "namespaceObject.metadata.labels.tier == 'low'"}]), None),
        (
            json!([{"expression": "request.userInfo.username == 'jane' && request.operation == 'CREATE'"}]),
            None,
        ),
        (
            json!([{"expression": "oldObject == null && params == null"}]),
            Some((422, "Invalid", "undeclared")),
        ),
        (json!([{"expression": "!authorizer.group('').resource('pods').check('get').allowed()"}]), None),
    ];
    for (validations, expected) in cases {
        let (_, answer) = write(json!({"validations": validations}), json!({})).await;
        match (&answer, expected) {
            (None, None) => {}
            (Some((code, reason, message)), Some((want, because, text))) => {
                assert_eq!((*code, reason.as_str()), (want, because), "{validations}");
                assert!(message.starts_with(BY) && message.contains(text), "{validations}: {message}");
            }
            (answer, expected) => panic!("{validations}: {answer:?}, not {expected:?}"),
        }
    }
}

#[tokio::test]
async fn what_fails_is_ignored_when_it_may_be() {
    let rules = json!([{"expression": "object.nope == 1"}, {"expression": "object.data.size == '7'"}]);
    let (_, answer) = write(json!({"validations": rules, "failurePolicy": "Ignore"}), json!({})).await;
    assert_eq!(answer, None);
    // A rule that does not hold is no failure.
    let rules = json!([{"expression": "false", "message": "no"}]);
    let (_, answer) = write(json!({"validations": rules, "failurePolicy": "Ignore"}), json!({})).await;
    assert_eq!(answer.map(|(code, ..)| code), Some(422));
}

#[tokio::test]
async fn conditions_choose_and_variables_are_shared() {
    let rules =
        json!([{"expression": "variables.twice > 20", "messageExpression": "string(variables.twice)"}]);
    let variables = json!([
        {"name": "size", "expression": "int(object.data.size)"},
        {"name": "twice", "expression": "variables.size * 2"},
        {"name": "all", "expression": "variables"},
    ]);
    for (condition, expected) in [
        ("object.metadata.name == 'other'", None),
        ("object.metadata.name == 'map'", Some("14")),
        ("object.nope == 1", Some("expression 'object.nope == 1' resulted in error: no such key: nope")),
    ] {
        let spec = json!({
            "validations": rules, "variables": variables,
            "matchConditions": [{"name": "a", "expression": condition}],
        });
        let (_, answer) = write(spec, json!({})).await;
        assert_eq!(
            answer.map(|(.., message)| message),
            expected.map(|text| format!("{BY}{text}")),
            "{condition}"
        );
    }
}

#[tokio::test]
async fn actions_are_the_bindings() {
    let spec = json!({
        "validations": [{"expression": "true"}, {"expression": "false", "message": "no"}],
        "auditAnnotations": [
            {"key": "size", "valueExpression": "'is ' + object.data.size"},
            {"key": "none", "valueExpression": "null"},
        ],
    });
    let (request, answer) = write(spec, json!({"validationActions": ["Warn", "Audit"]})).await;
    assert_eq!(answer, None);
    assert_eq!(
        request.notes.take_warnings(),
        ["Validation failed for ValidatingAdmissionPolicy 'policy' with binding 'binding': no"]
    );
    let failure = "[{\"message\":\"no\",\"policy\":\"policy\",\"binding\":\"binding\",\"expressionIndex\":1,\
                   \"validationActions\":[\"Warn\",\"Audit\"]}]";
    let annotations =
        [("validation.policy.admission.k8s.io/validation_failure", failure), ("policy/size", "is 7")];
    assert_eq!(request.notes.annotations(), annotations.map(|(key, value)| (key.into(), value.into())));
}

#[tokio::test]
async fn bindings_narrow_and_misconfiguration_is_told() {
    let deny = json!([{"expression": "false", "message": "no"}]);
    let away = json!({"matchResources": {
        "namespaceSelector": {"matchLabels": {"tier": "high"}}, "objectSelector": {}, "matchPolicy": "Exact",
    }});
    let (_, answer) = write(json!({"validations": deny}), away).await;
    assert_eq!(answer, None);
    let spec = json!({"validations": deny, "paramKind": {"apiVersion": "v1", "kind": "Nope"}});
    let (_, answer) = write(spec, json!({})).await;
    let why = "failed to configure policy: failed to find resource referenced by paramKind: '/v1, Kind=Nope'";
    let message = format!("ValidatingAdmissionPolicy 'policy' denied request: {why}");
    assert_eq!(answer, Some((422, "Invalid".into(), message)));
}

#[tokio::test]
async fn parameters_may_be_null() {
    let own = "object.metadata.name.startsWith(params.metadata.name)";
    let guarded = "has(params.metadata) && has(params.metadata.name) && object.metadata.name.endsWith(params.metadata.name)";
    let asked = "params != null && object.metadata.name.endsWith(params.metadata.name)";
    for (rule, why) in [
        (own, format!("expression '{own}' resulted in error: no such key: metadata")),
        (guarded, format!("failed expression: {guarded}")),
        (asked, format!("failed expression: {asked}")),
    ] {
        let spec = json!({
            "validations": [{"expression": rule}], "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"},
        });
        let (_, answer) = write(spec, json!({})).await;
        assert_eq!(answer.map(|(.., message)| message), Some(format!("{BY}{why}")));
    }
}

#[tokio::test]
async fn deletions_show_what_was() {
    let rules =
        json!([{"expression": "object == null && oldObject.data.size == '8'", "message": "not eight"}]);
    let request = request(Operation::Delete, json!({"validations": rules}), json!({})).old(map());
    let answer = told(request.delete(&ValidatingAdmissionPolicies::new()).await);
    assert_eq!(answer.map(|(.., message)| message), Some(format!("{BY}not eight")));
}

#[tokio::test]
async fn policies_are_beyond_policies() {
    let check = ValidatingAdmissionPolicies::new();
    for (kind, is_seen) in [
        (ConfigMap::INFO, true),
        (MutatingWebhookConfiguration::INFO, true),
        (ValidatingAdmissionPolicy::INFO, false),
        (ValidatingAdmissionPolicyBinding::INFO, false),
    ] {
        let mut request = request(Operation::Create, json!({}), json!({}));
        request.kind = kind;
        assert_eq!(crate::check::Check::handles(&check, &request.context()), is_seen, "{kind:?}");
    }
}
