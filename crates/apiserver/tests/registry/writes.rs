//! Creating, updating and patching.

use corten_api::Object;
use corten_api::core::v1::{ConfigMap, Namespace};
use corten_api::rbac::v1::ClusterRole;
use corten_apiserver::registry::{FieldValidation, PatchType, Reply, WriteOptions};
use corten_semantics::ApiResult;

use crate::fixture::*;

#[tokio::test(start_paused = true)]
async fn a_new_object_gets_what_only_the_server_gives() {
    let c = Cluster::new().await;
    let mut given = config("ns", "a", "x");
    given.metadata.uid = "mine".into();
    given.metadata.self_link = "/link".into();
    given.metadata.deletion_grace_period_seconds = Some(3);
    let made = c.create(given).await.expect("created");
    let meta = &made.metadata;
    assert_eq!((meta.uid.len(), meta.self_link.as_str()), (36, ""));
    assert_eq!(meta.creation_timestamp.map(|t| t.to_string()).as_deref(), Some("2026-01-01T00:00:00Z"));
    assert_eq!((meta.deletion_grace_period_seconds, meta.deletion_timestamp), (None, None));
    assert_eq!(meta.resource_version, c.revision().await.to_string());
}

#[tokio::test(start_paused = true)]
async fn creations_are_refused_as_upstream_refuses_them() {
    let c = Cluster::new().await;
    c.create(config("ns", "taken", "x")).await.expect("created");
    let with = |change: fn(&mut ConfigMap)| {
        let mut map = config("ns", "a", "x");
        change(&mut map);
        map
    };
    for (map, code, message) in [
        (config("ns", "taken", "y"), 409, "configmaps \"taken\" already exists"),
        (
            with(|m| m.metadata.name.clear()),
            422,
            "ConfigMap \"\" is invalid: metadata.name: Required value: name or generateName is required",
        ),
        (
            with(|m| m.metadata.resource_version = "7".into()),
            500,
            "resourceVersion should not be set on objects to be created",
        ),
        (with(|m| m.metadata.namespace.clear()), 400, "an empty namespace may not be set during creation"),
    ] {
        let before = c.revision().await;
        let error = c.create(map).await.expect_err(message);
        assert_eq!((error.code(), error.to_string().as_str()), (code, message));
        assert_eq!(c.revision().await, before);
    }
    let target = of::<ConfigMap>("other", "");
    let wrong =
        c.registry.create(&ctx(), &target, Box::new(config("ns", "a", "x")), &WriteOptions::default()).await;
    assert_eq!(
        wrong.expect_err("refused").to_string(),
        "the namespace of the provided object does not match the namespace sent on the request"
    );
}

#[tokio::test(start_paused = true)]
async fn generated_names_end_in_five_characters_and_fit() {
    let c = Cluster::new().await;
    for (prefix, kept) in [("web-", 4), ("x".repeat(80).as_str(), 58)] {
        let mut map = config("ns", "", "x");
        map.metadata.generate_name = prefix.into();
        let made = c.create(map).await.expect("created");
        assert_eq!(made.metadata.name.len(), kept + 5, "{}", made.metadata.name);
        assert!(made.metadata.name.starts_with(&prefix[..kept]));
    }
}

#[tokio::test(start_paused = true)]
async fn updates_need_the_state_they_are_based_on() {
    let c = Cluster::new().await;
    let first = c.create(config("ns", "a", "x")).await.expect("created");
    let mut second = ConfigMap::clone(&first);
    second.data.insert("b".into(), "c".into());
    c.update(second).await.expect("updated");
    let mut stale = ConfigMap::clone(&first);
    stale.data.insert("b".into(), "d".into());
    let error = c.update(stale.clone()).await.expect_err("stale");
    assert_eq!(
        error.to_string(),
        "Operation cannot be fulfilled on configmaps \"a\": the object has been modified; please apply your changes to the latest version and try again"
    );
    stale.metadata.resource_version.clear();
    let forced = c.update(stale.clone()).await.expect("without a version it is unconditional");
    assert_eq!(forced.data["b"], "d");
    stale.metadata.uid = "other".into();
    let error = c.update(stale).await.expect_err("another object");
    assert_eq!((error.code(), error.reason()), (409, "Conflict"));
    let error = c.update(config("ns", "absent", "x")).await.expect_err("absent");
    assert_eq!(error.code(), 404);
    let mut gone = config("ns", "absent", "x");
    gone.metadata.uid = "u".into();
    let error = c.update(gone).await.expect_err("absent, and meant by uid");
    assert!(
        error.to_string().contains("Precondition failed: UID in precondition: u, UID in object meta: "),
        "{error}"
    );
    let role = ClusterRole { metadata: meta("", "reader"), ..ClusterRole::default() };
    let target = of::<ClusterRole>("", "reader");
    let reply =
        c.registry.update(&ctx(), &target, Box::new(role), &WriteOptions::default()).await.expect("made");
    assert_eq!(reply.code, 201, "roles are created by update");
}

#[tokio::test(start_paused = true)]
async fn an_update_that_changes_nothing_is_none() {
    let c = Cluster::new().await;
    let first = c.create(config("ns", "a", "x")).await.expect("created");
    let before = c.revision().await;
    for same in [ConfigMap::clone(&first), config("ns", "a", "x")] {
        let again = c.update(same).await.expect("fine");
        assert_eq!(again, first);
    }
    let patch = patch(&c, PatchType::Merge, r#"{"data":{"app":"x"}}"#, &WriteOptions::default()).await;
    assert_eq!(typed::<ConfigMap>(patch.expect("fine")), first);
    assert_eq!(c.revision().await, before);
}

#[tokio::test(start_paused = true)]
async fn concurrent_updates_lose_nothing() {
    let c = Cluster::new().await;
    c.create(config("ns", "a", "x")).await.expect("created");
    let writers = (0..4).map(|i| {
        let c = &c;
        async move {
            for j in 0..5 {
                let text = format!(r#"{{"data":{{"k{i}-{j}":"v"}}}}"#);
                patch(c, PatchType::Merge, &text, &WriteOptions::default()).await.expect("patched");
            }
        }
    });
    futures::future::join_all(writers).await;
    assert_eq!(c.get::<ConfigMap>("ns", "a").await.expect("there").data.len(), 21);
}

async fn patch(c: &Cluster, kind: PatchType, text: &str, o: &WriteOptions) -> ApiResult<Reply> {
    c.registry.patch(&ctx(), &of::<ConfigMap>("ns", "a"), (kind, text.as_bytes()), o).await
}

#[tokio::test(start_paused = true)]
async fn patches_of_each_type_are_applied_or_refused() {
    let c = Cluster::new().await;
    c.create(config("ns", "a", "x")).await.expect("created");
    use PatchType::{Json, Merge, Strategic};
    for (kind, text, want) in [
        (Merge, r#"{"data":{"a":"1"}}"#, Ok("1")),
        (Strategic, r#"{"data":{"a":"2"}}"#, Ok("2")),
        (Json, r#"[{"op":"replace","path":"/data/a","value":"3"}]"#, Ok("3")),
        (Json, r#"[{"op":"test","path":"/data/a","value":"9"}]"#, Err(422)),
        (Json, "{", Err(400)),
        (Merge, "{", Err(400)),
        (Merge, r#"{"data":{"a":{}}}"#, Err(422)),
        (Merge, r#"{"metadata":{"resourceVersion":"1"}}"#, Err(409)),
        (Merge, r#"{"metadata":{"uid":"other"}}"#, Err(422)),
        (Merge, r#"{"metadata":{"name":"other"}}"#, Err(400)),
        (Merge, r#"{"metadata":{"namespace":"other"}}"#, Err(400)),
        (Merge, r#"{"metadata":{"name":null}}"#, Err(400)),
        (PatchType::Apply, "{}", Err(400)),
    ] {
        let got = patch(&c, kind, text, &WriteOptions::default()).await;
        let got = got.map(|r| typed::<ConfigMap>(r).data["a"].clone()).map_err(|e| e.code());
        assert_eq!(got.as_deref(), want.as_ref().copied(), "{text}");
    }
    let unknown = r#"{"spec":1}"#;
    let with = |field_validation| WriteOptions { field_validation, ..WriteOptions::default() };
    let reply = patch(&c, Merge, unknown, &with(FieldValidation::Warn)).await.expect("warned");
    assert_eq!(reply.warnings, ["unknown field \"spec\""]);
    let reply = patch(&c, Merge, unknown, &with(FieldValidation::Ignore)).await.expect("ignored");
    assert!(reply.warnings.is_empty());
    let error = patch(&c, Merge, unknown, &with(FieldValidation::Strict)).await.expect_err("refused");
    assert!(error.to_string().contains("strict decoding error: unknown field \"spec\""), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_writes_nothing() {
    let c = Cluster::new().await;
    c.create(config("ns", "a", "x")).await.expect("created");
    let before = c.revision().await;
    let dry = WriteOptions { dry_run: true, ..WriteOptions::default() };
    let create =
        c.registry.create(&ctx(), &of::<ConfigMap>("ns", ""), Box::new(config("ns", "b", "x")), &dry).await;
    assert_eq!(typed::<ConfigMap>(create.expect("fine")).metadata.uid.len(), 36);
    let taken =
        c.registry.create(&ctx(), &of::<ConfigMap>("ns", ""), Box::new(config("ns", "a", "x")), &dry).await;
    assert_eq!(taken.expect_err("taken").reason(), "AlreadyExists");
    let update =
        c.registry.update(&ctx(), &of::<ConfigMap>("ns", "a"), Box::new(config("ns", "a", "y")), &dry).await;
    assert_eq!(typed::<ConfigMap>(update.expect("fine")).data["app"], "y");
    let patched = patch(&c, PatchType::Merge, r#"{"data":{"app":"z"}}"#, &dry).await;
    assert_eq!(typed::<ConfigMap>(patched.expect("fine")).data["app"], "z");
    let delete = corten_apiserver::registry::DeleteOptions { dry_run: true, ..Default::default() };
    c.delete::<ConfigMap>("ns", "a", delete).await.expect("fine");
    assert_eq!(c.revision().await, before);
    assert_eq!(c.get::<ConfigMap>("ns", "a").await.expect("there").data["app"], "x");
}

#[tokio::test(start_paused = true)]
async fn status_and_specification_are_kept_apart() {
    let c = Cluster::new().await;
    let made =
        c.create(Namespace { metadata: meta("", "ns"), ..Namespace::default() }).await.expect("created");
    assert_eq!(
        (made.status.phase.as_str(), made.spec.finalizers.as_slice()),
        ("Active", ["kubernetes".to_string()].as_slice())
    );
    let mut new = Namespace::clone(&made);
    new.metadata.annotations.insert("a".into(), "b".into());
    new.status.conditions.push(corten_api::core::v1::NamespaceCondition {
        type_: "T".into(),
        status: "True".into(),
        ..Default::default()
    });
    new.spec.finalizers.clear();
    let status = c.update_part(new.clone(), "status").await.expect("updated");
    assert_eq!((status.spec.finalizers.len(), status.status.conditions.len()), (1, 1));
    assert_eq!(status.meta().annotations["a"], "b");
}
