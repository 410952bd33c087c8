//! Built-in objects, by their tables.

use super::*;
use corten_api::apps::v1::Deployment;
use corten_api::core::v1::{ConfigMap, Container, ContainerPort, Pod};
use corten_api::{Kind, Object};

fn added(new: &dyn Object) -> String {
    let blank = (new.info().new.expect("has objects"))();
    let changes = compare_objects(blank.as_struct(), new.as_struct());
    assert!(changes.removed.is_empty());
    String::from_utf8(write_fields(&changes.added.union(&changes.modified))).expect("text")
}

#[test]
fn what_a_creator_owns_is_upstreams() {
    let mut map = ConfigMap::default();
    map.metadata.name = "a".into();
    map.metadata.labels.insert("app".into(), "x".into());
    map.data.insert("key".into(), "value".into());
    assert_eq!(
        added(&map),
        r#"{"f:data":{".":{},"f:key":{}},"f:metadata":{"f:labels":{".":{},"f:app":{}}}}"#
    );
    let mut pod = Pod::default();
    let port = ContainerPort { container_port: 80, protocol: "TCP".into(), ..ContainerPort::default() };
    pod.spec.containers.push(Container {
        name: "main".into(),
        image: "i".into(),
        ports: vec![port],
        args: vec!["a".into()],
        ..Container::default()
    });
    pod.spec.security_context = Some(Box::default());
    let container = r#"{".":{},"f:args":{},"f:image":{},"f:name":{},"f:ports":{".":{},"k:{\"containerPort\":80,\"protocol\":\"TCP\"}":{".":{},"f:containerPort":{},"f:protocol":{}}},"f:resources":{}}"#;
    assert_eq!(
        added(&pod),
        format!(
            r#"{{"f:spec":{{"f:containers":{{"k:{{\"name\":\"main\"}}":{container}}},"f:securityContext":{{}}}}}}"#
        )
    );
    let mut deployment = Deployment::default();
    deployment.spec.replicas = Some(1);
    deployment.spec.selector = Some(Box::default());
    assert_eq!(added(&deployment), r#"{"f:spec":{"f:replicas":{},"f:selector":{}}}"#);
}

#[test]
fn objects_and_their_json_differ_alike() {
    let mut old = Pod::default();
    old.metadata.labels = [("a".to_string(), "1".to_string())].into();
    let container = |name: &str| Container { name: name.into(), image: "i".into(), ..Container::default() };
    old.spec.containers = vec![container("a"), container("b")];
    old.spec.node_selector = [("x".to_string(), "y".to_string())].into();
    let mut new = old.clone();
    new.spec.containers = vec![container("b"), container("c")];
    new.spec.containers[0].image = "j".into();
    new.spec.node_selector.clear();
    new.metadata.labels.insert("b".into(), "2".into());
    new.metadata.finalizers = vec!["f/g".into()];
    new.spec.active_deadline_seconds = Some(5);
    let value = |pod: &Pod| {
        let value: Value = serde_json::from_slice(&crate::json::encode(pod)).expect("JSON");
        value
    };
    let typed = compare_objects(&old, &new);
    let plain = compare(&value(&old), &value(&new), TypeRef::Struct((Pod::INFO.schema)()));
    assert_eq!(typed, plain);
    assert!(compare_objects(&old, &old).is_same());
    assert!(same_objects(&old, &old) && !same_objects(&old, &new));
}
