//! Manifests as people write them are accepted; what comes out of it stays the same when written again.

use corten_api::builtin::KINDS;
use corten_api::{KindInfo, Object, Time};
use corten_codec::{Problems, json, yaml};
use corten_kinds::{before_create, before_update, strategy_for};

fn kind_of(manifest: &serde_json::Value) -> &'static KindInfo {
    let text = |name: &str| manifest[name].as_str().unwrap_or_default().to_string();
    let (version, kind) = (text("apiVersion"), text("kind"));
    let found = KINDS.iter().find(|k| k.api_version() == version && k.kind == kind);
    found.unwrap_or_else(|| panic!("unknown kind {version} {kind}"))
}

/// The documents of a file, each as an object with the system's metadata.
fn objects(file: &str) -> Vec<(&'static KindInfo, Box<dyn Object>)> {
    let documents = yaml::documents_to_json(file.as_bytes()).expect("readable");
    let read = |bytes: &Vec<u8>| {
        let kind = kind_of(&serde_json::from_slice(bytes).expect("JSON"));
        let mut object = kind.new.expect("an object")();
        let mut problems = Problems::strict();
        json::decode(bytes, &mut *object, &mut problems).expect("decodes");
        let meta = object.meta_mut();
        meta.uid = "11111111-2222-3333-4444-555555555555".into();
        meta.creation_timestamp = Some(Time::default());
        if kind.namespaced && meta.namespace.is_empty() {
            meta.namespace = "default".into();
        }
        (kind, object)
    };
    documents.iter().map(read).collect()
}

fn accepted(file: &str) {
    for (kind, mut object) in objects(file) {
        let strategy = strategy_for(kind);
        let name = object.meta().name.clone();
        strategy.default(&mut *object);
        before_create(strategy, &mut *object).unwrap_or_else(|e| panic!("{kind:?} {name}: {e}"));

        let created = object.clone_object();
        strategy.default(&mut *object);
        let text = |o: &dyn Object| String::from_utf8_lossy(&json::encode(o)).into_owned();
        assert_eq!(text(&*object), text(&*created), "{kind:?} {name}: defaults are not stable");

        let mut stored = created;
        stored.meta_mut().resource_version = "1".into();
        let mut written = stored.clone_object();
        before_update(strategy, "", &mut *written, &*stored)
            .unwrap_or_else(|e| panic!("{kind:?} {name}, written again: {e}"));
        assert_eq!(text(&*written), text(&*stored), "{kind:?} {name}: writing again changes it");
        if kind.subresources.contains(&"status") {
            before_update(strategy, "status", &mut *written, &*stored)
                .unwrap_or_else(|e| panic!("{kind:?} {name}, status: {e}"));
        }
    }
}

#[test]
fn pods_are_accepted() {
    accepted(include_str!("manifests/pods.yaml"));
}

#[test]
fn workloads_are_accepted() {
    accepted(include_str!("manifests/workloads.yaml"));
}

#[test]
fn network_kinds_are_accepted() {
    accepted(include_str!("manifests/network.yaml"));
}

#[test]
fn other_kinds_are_accepted() {
    accepted(include_str!("manifests/others.yaml"));
}
