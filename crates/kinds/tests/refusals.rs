//! What upstream says of objects that are nearly right: each row is a change of a good object and what is told then.

use corten_api::builtin::KINDS;
use corten_api::{Object, Time};
use corten_codec::{Problems, json};
use corten_kinds::{before_create, before_update, strategy_for};
use serde_json::{Value, json};

fn read(manifest: &Value) -> Box<dyn Object> {
    let version =
        |k: &&corten_api::KindInfo| k.api_version() == manifest["apiVersion"].as_str().unwrap_or_default();
    let mut kinds = KINDS.iter().copied().filter(version);
    let kind = kinds.find(|k| manifest["kind"] == k.kind).expect("a kind");
    let mut object = kind.new.expect("an object")();
    json::decode(manifest.to_string().as_bytes(), &mut *object, &mut Problems::strict()).expect("readable");
    strategy_for(kind).default(&mut *object);
    let meta = object.meta_mut();
    meta.creation_timestamp = Some(Time::default());
    meta.resource_version = "1".into();
    object
}

/// What is told of the create, or of the update from `old`: nothing if all is well.
fn told(new: &Value, old: Option<&Value>) -> String {
    let mut object = read(new);
    let strategy = strategy_for(object.info());
    let result = match old {
        None => before_create(strategy, &mut *object),
        Some(old) => before_update(strategy, "", &mut *object, &*read(old)),
    };
    let error = result.err().map(|e| e.to_string()).unwrap_or_default();
    error.split_once(" is invalid: ").map_or(error.clone(), |(_, told)| told.to_owned())
}

fn with(good: &Value, path: &str, value: &Value) -> Value {
    let mut object = good.clone();
    let (parent, name) = path.rsplit_once('/').expect("a path");
    match object.pointer_mut(parent).expect("a parent") {
        Value::Object(map) => drop(map.insert(name.into(), value.clone())),
        Value::Array(list) => list[name.parse::<usize>().expect("an index")] = value.clone(),
        other => panic!("nothing below {other}"),
    }
    object
}

fn check(good: &Value, rows: &[(&str, Value, &str)]) {
    assert_eq!(told(good, None), "", "{good}");
    for (path, value, want) in rows {
        assert_eq!(told(&with(good, path, value), None), *want, "{path} = {value}");
    }
}

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const FINALIZER: &str = "metadata.finalizers[0]: Invalid value: \"a\": name is neither a standard finalizer name nor is it fully qualified";

#[test]
fn pods() {
    let good = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "default"},
        "spec": {"containers": [{"name": "c", "image": "i"}]}});
    check(
        &good,
        &[
            (
                "/spec/runtimeClassName",
                json!(""),
                &format!("spec.runtimeClassName: Invalid value: \"\": {SUBDOMAIN}"),
            ),
            (
                "/spec/overhead",
                json!({"a": "1"}),
                "[spec.overhead.limits[a]: Invalid value: \"a\": must be a standard resource type or fully qualified, spec.overhead.limits[a]: Invalid value: \"a\": must be a standard resource for containers]",
            ),
            (
                "/spec/containers/0/resources",
                json!({"limits": {"requests.cpu": "1"}}),
                "[spec.containers[0].resources.limits[requests.cpu]: Invalid value: \"requests.cpu\": must be a standard resource for containers, spec.containers[0].resources.requests[requests.cpu]: Invalid value: \"requests.cpu\": must be a standard resource for containers]",
            ),
            (
                "/spec/containers/0/resources",
                json!({"claims": [{"name": "a"}]}),
                "spec.containers[0].resources.claims[0]: Not found: \"a\": must be one of the names in pod.spec.resourceClaims which is empty",
            ),
            (
                "/spec/os",
                json!({"name": "a"}),
                "spec.os: Unsupported value: \"a\": supported values: \"linux\", \"windows\"",
            ),
            (
                "/spec/securityContext",
                json!({"seLinuxChangePolicy": "MountOption"}),
                "spec.securityContext.seLinuxChangePolicy: Unsupported value: \"MountOption\": supported values: \"Recursive\"",
            ),
            (
                "/spec/volumes",
                json!([{"name": "a", "azureDisk": {"diskName": "a", "diskURI": "a"}}]),
                "spec.volumes[0].azureDisk.diskURI: Unsupported value: \"a\": supported values: \"https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd\"",
            ),
            (
                "/spec/volumes",
                json!([{"name": "a", "cinder": {"volumeID": "a", "secretRef": {}}}]),
                "spec.volumes[0].cinder.secretRef.name: Required value",
            ),
        ],
    );
}

#[test]
fn names_and_owners() {
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "a"}});
    let owner = json!([{"apiVersion": "/etc/x/y", "kind": "a", "name": "a", "uid": "a"}]);
    let version =
        "metadata.ownerReferences.apiVersion: Invalid value: \"/etc/x/y\": version must not be empty";
    check(
        &role,
        &[
            ("/metadata/finalizers", json!(["a"]), FINALIZER),
            (
                "/metadata/generateName",
                json!("."),
                "metadata.generateName: Invalid value: \".\": may not be '.'",
            ),
            ("/metadata/ownerReferences", owner, version),
        ],
    );
    let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": "a", "namespace": "default", "finalizers": ["a"]},
        "spec": {"preferredHolder": "left out: leaders are not chosen by a coordinator"}});
    check(&lease, &[]);
    let event = json!({"apiVersion": "v1", "kind": "Event", "involvedObject": {"namespace": "default"},
        "metadata": {"name": "Any_Name", "namespace": "default", "finalizers": ["a"]}});
    check(&event, &[]);
    let budget = json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
        "metadata": {"name": "Any_Name", "namespace": "default", "finalizers": ["a"]}, "spec": {"minAvailable": 1}});
    check(&budget, &[]);
}

#[test]
fn what_is_scaled_is_of_a_group() {
    let scaled = |version: &str, kind: &str| {
        json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "a", "namespace": "default"},
            "spec": {"maxReplicas": 2, "scaleTargetRef": {"apiVersion": version, "kind": kind, "name": "a"}}})
    };
    let at = "spec.scaleTargetRef.apiVersion: Invalid value";
    for (version, kind, want) in [
        ("apps/v1", "Deployment", String::new()),
        ("v1", "ReplicationController", String::new()),
        ("v1", "Deployment", format!("{at}: \"v1\": apiVersion must specify API group")),
        ("a/b/c", "Deployment", format!("{at}: \"a/b/c\": unexpected GroupVersion string: a/b/c")),
    ] {
        assert_eq!(told(&scaled(version, kind), None), want, "{version} {kind}");
    }
    // What was wrong before may stay so.
    assert_eq!(told(&scaled("v1", "Deployment"), Some(&scaled("v1", "Deployment"))), "");
}

#[test]
fn workloads_volumes_and_nodes() {
    let set = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "a", "namespace": "default"},
        "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}},
            "spec": {"containers": [{"name": "c", "image": "i"}]}}}});
    check(
        &set,
        &[(
            "/spec/template/metadata",
            json!({}),
            "spec.template.metadata.labels: Invalid value: null: `selector` does not match template `labels`",
        )],
    );
    let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": "a", "namespace": "default"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}},
            "dataSource": {"kind": "Strange", "name": "a"}}});
    check(&claim, &[]);
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "a"},
        "spec": {"podCIDR": "10.0.0.0/24", "podCIDRs": ["another"]}});
    check(&node, &[]);
    let range = |max: Value| {
        json!({"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "a", "namespace": "default"},
            "spec": {"limits": [{"type": "PersistentVolumeClaim", "max": max}]}})
    };
    assert_eq!(told(&range(json!({"storage": "1Gi"})), None), "");
    assert_eq!(
        told(&range(json!({"storage": "1Gi", "A": "1"})), None),
        "spec.limits[0].max[A]: Invalid value: \"A\": must be a standard resource type or fully qualified"
    );
}
