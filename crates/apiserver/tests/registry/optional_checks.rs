//! The checks that the registry makes itself when they are enabled.

use std::sync::Arc;

use corten_admission::{Chain, Settings};
use corten_api::authentication::v1::UserInfo;
use corten_api::core::v1::{ConfigMap, Namespace};
use corten_api::meta::v1::OwnerReference;
use corten_api::rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule, RoleRef, Subject};
use corten_apiserver::registry::{RequestContext, WriteOptions};
use corten_store::MemoryStore;

use crate::fixture::*;

async fn with(enabled: &str) -> Cluster {
    let settings = Settings { enable: vec![enabled.into()], ..Settings::default() };
    let chain = Chain::configured(&settings).expect("known");
    Cluster::with(Arc::new(MemoryStore::new()), chain).await
}

#[tokio::test]
async fn a_missing_namespace_is_provided() {
    let c = with("NamespaceAutoProvision").await;
    let target = of::<ConfigMap>("new", "");
    let dry = WriteOptions { dry_run: true, ..WriteOptions::default() };
    assert!(c.registry.create(&ctx(), &target, Box::new(config("new", "a", "x")), &dry).await.is_err());
    c.create(config("new", "a", "x")).await.expect("created");
    assert!(c.get::<Namespace>("", "new").await.is_ok());
}

#[tokio::test]
async fn owners_want_rights() {
    let c = with("OwnerReferencesPermissionEnforcement").await;
    c.create(Namespace { metadata: meta("", "ns"), ..Namespace::default() }).await.expect("created");
    c.create(config("ns", "owner", "x")).await.expect("created");
    let text = |t: &[&str]| t.iter().map(ToString::to_string).collect::<Vec<_>>();
    let role = ClusterRole {
        metadata: meta("", "writer"),
        rules: vec![PolicyRule {
            verbs: text(&["create", "update"]),
            api_groups: text(&[""]),
            resources: text(&["configmaps"]),
            ..PolicyRule::default()
        }],
        ..ClusterRole::default()
    };
    c.create(role).await.expect("created");
    let group = "rbac.authorization.k8s.io".to_string();
    let binding = ClusterRoleBinding {
        metadata: meta("", "writers"),
        role_ref: RoleRef { api_group: group.clone(), kind: "ClusterRole".into(), name: "writer".into() },
        subjects: vec![Subject {
            kind: "User".into(),
            api_group: group,
            name: "joe".into(),
            ..Subject::default()
        }],
    };
    c.create(binding).await.expect("created");
    let joe = UserInfo { username: "joe".into(), ..UserInfo::default() };
    let joe = RequestContext { user: Arc::new(joe), ..RequestContext::default() };
    let owned = |name: &str, blocks: bool| {
        let mut map = config("ns", name, "x");
        map.metadata.owner_references = vec![OwnerReference {
            api_version: "v1".into(),
            kind: "ConfigMap".into(),
            name: "owner".into(),
            uid: "u".into(),
            block_owner_deletion: Some(blocks),
            ..OwnerReference::default()
        }];
        Box::new(map)
    };
    let options = WriteOptions::default();
    let target = of::<ConfigMap>("ns", "");
    c.registry.create(&joe, &target, owned("plain", false), &options).await.expect("blocks nobody");
    let refused = c.registry.create(&joe, &target, owned("blocking", true), &options).await;
    let refused = refused.expect_err("refused").to_string();
    assert!(refused.contains("cannot set blockOwnerDeletion if an ownerReference refers"), "{refused}");
    let bare = Box::new(config("ns", "plain", "x"));
    let refused = c.registry.update(&joe, &of::<ConfigMap>("ns", "plain"), bare, &options).await;
    let refused = refused.expect_err("refused").to_string();
    assert!(refused.contains("cannot set an ownerRef on a resource you can't delete"), "{refused}");
    c.registry.create(&ctx(), &target, owned("blocking", true), &options).await.expect("masters may");
}
