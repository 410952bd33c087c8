//! What nodes may read of the cluster: its ranges.

use super::cluster_dns;
use crate::config::Server;
use anyhow::Result;
use corten_api::Kind;
use corten_api::core::v1::ConfigMap;
use corten_api::rbac::v1::{PolicyRule, Role, RoleBinding, RoleRef, Subject};
use corten_client::Client;
use corten_semantics::identity;

const NAMESPACE: &str = "kube-public";
const NAME: &str = "corten-cluster";

/// Writes the ranges, and the right of nodes to read them.
pub async fn ranges(client: &Client, flags: &Server) -> Result<()> {
    let mut map = ConfigMap::default();
    map.metadata.namespace = NAMESPACE.into();
    map.metadata.name = NAME.into();
    for (key, value) in [
        ("clusterCIDR", flags.cluster_cidr.clone()),
        ("serviceCIDR", flags.node_services()),
        ("clusterDNS", cluster_dns(&flags.service_cidr)),
    ] {
        map.data.insert(key.into(), value);
    }
    let mut role = Role::default();
    role.metadata.namespace = NAMESPACE.into();
    role.metadata.name = NAME.into();
    role.rules = vec![PolicyRule {
        verbs: vec!["get".into()],
        api_groups: vec![String::new()],
        resources: vec!["configmaps".into()],
        resource_names: vec![NAME.into()],
        ..PolicyRule::default()
    }];
    let group = "rbac.authorization.k8s.io";
    let mut binding = RoleBinding {
        role_ref: RoleRef { api_group: group.into(), kind: "Role".into(), name: NAME.into() },
        subjects: vec![Subject {
            kind: "Group".into(),
            api_group: group.into(),
            name: identity::NODES.into(),
            ..Subject::default()
        }],
        ..RoleBinding::default()
    };
    binding.metadata.namespace = NAMESPACE.into();
    binding.metadata.name = NAME.into();
    put(client, map, |old, new| old.data == new.data).await?;
    put(client, role, |old, new| old.rules == new.rules).await?;
    put(client, binding, |_, _| true).await
}

async fn put<K: Kind>(client: &Client, wanted: K, same: impl Fn(&K, &K) -> bool) -> Result<()> {
    let api = client.beside(&wanted);
    match api.find(&wanted.meta().name).await.map_err(anyhow::Error::from)? {
        Some(old) if same(&old, &wanted) => Ok(()),
        Some(_) => api.update(wanted).await.map(|_| ()).map_err(anyhow::Error::from),
        None => api.create(wanted).await.map(|_| ()).map_err(anyhow::Error::from),
    }
}
