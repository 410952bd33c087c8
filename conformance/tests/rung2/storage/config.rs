//! ConfigMaps and Secrets, plain and projected, as files: their text and mode, paths, users and groups.

use super::sources::Source::{self, ConfigMap, ProjectedConfigMap, ProjectedSecret, Secret};
use anyhow::Result;
use corten_conformance::{Cluster, pods, spec};
use serde_json::{Value, json};

/// How the volume is asked for, and by whom it is read.
#[derive(Clone, Copy, Default)]
struct Case {
    default_mode: Option<u32>,
    item_mode: Option<u32>,
    /// `data-2` at a path of its own, nothing else.
    mapped: bool,
    user: Option<u32>,
    fs_group: Option<u32>,
    /// Two volumes of the object.
    twice: bool,
}

const NOBODY: Option<u32> = Some(1000);
const PLAIN: Case =
    Case { default_mode: None, item_mode: None, mapped: false, user: None, fs_group: None, twice: false };

impl Case {
    /// The mode that the file must have.
    fn mode(self) -> u32 {
        self.item_mode.or(self.default_mode).unwrap_or(0o644)
    }

    /// The pod that reads the object `origin`, and what it prints.
    fn pod(self, source: Source) -> (Value, [String; 2]) {
        let (file, text) = if self.mapped { ("path/to/data-2", "value-2") } else { ("data-1", "value-1") };
        let line = match self.twice {
            true => format!(
                "stat -L -c %a /etc/first/{file} && cmp /etc/first/{file} /etc/second/{file} && cat /etc/first/{file}"
            ),
            false => format!("stat -L -c %a /etc/first/{file} && cat /etc/first/{file}"),
        };
        let mut more = json!({});
        if self.mapped {
            more["items"] = json!([{"key": "data-2", "path": file}]);
        }
        if let Some(mode) = self.item_mode {
            more["items"][0]["mode"] = json!(mode);
        }
        let volume = source.volume("origin", more, self.default_mode);
        let mut mounts = vec![("first", "/etc/first")];
        let mut volumes = vec![("first", volume.clone())];
        if self.twice {
            mounts.push(("second", "/etc/second"));
            volumes.push(("second", volume));
        }
        let container = pods::mounting(pods::shell("reader", &line), &mounts);
        let mut pod = pods::with_volumes(pods::pod("reader", &[container]), &volumes);
        if let Some(user) = self.user {
            pod["spec"]["securityContext"] = json!({"runAsUser": user, "runAsNonRoot": true});
        }
        if let Some(group) = self.fs_group {
            pod["spec"]["securityContext"]["fsGroup"] = json!(group);
        }
        (pod, [format!("{:o}", self.mode()), text.to_string()])
    }
}

fn data() -> Value {
    json!({"data-1": "value-1", "data-2": "value-2", "data-3": "value-3"})
}

async fn reads(cluster: &Cluster, source: Source, case: Case) -> Result<()> {
    source.create(cluster, "origin", data()).await?;
    let (pod, lines) = case.pod(source);
    cluster.prints(pod, &lines).await
}

#[tokio::test]
async fn configmapvolume_non_root() -> Result<()> {
    spec(async |cluster| reads(cluster, ConfigMap, Case { user: NOBODY, ..PLAIN }).await).await
}

#[tokio::test]
async fn configmapvolume_defaultmode() -> Result<()> {
    spec(async |cluster| reads(cluster, ConfigMap, Case { default_mode: Some(0o400), ..PLAIN }).await).await
}

#[tokio::test]
async fn configmapvolume_mappings() -> Result<()> {
    spec(async |cluster| reads(cluster, ConfigMap, Case { mapped: true, ..PLAIN }).await).await
}

#[tokio::test]
async fn configmapvolume_item_mode() -> Result<()> {
    spec(async |cluster| {
        reads(cluster, ConfigMap, Case { mapped: true, item_mode: Some(0o400), ..PLAIN }).await
    })
    .await
}

#[tokio::test]
async fn configmapvolume_mappings_non_root() -> Result<()> {
    spec(async |cluster| reads(cluster, ConfigMap, Case { mapped: true, user: NOBODY, ..PLAIN }).await).await
}

#[tokio::test]
async fn configmapvolume_multiple_volumes() -> Result<()> {
    spec(async |cluster| reads(cluster, ConfigMap, Case { twice: true, ..PLAIN }).await).await
}

#[tokio::test]
async fn projectedconfigmap_basic() -> Result<()> {
    spec(async |cluster| reads(cluster, ProjectedConfigMap, PLAIN).await).await
}

#[tokio::test]
async fn projectedconfigmap_non_root() -> Result<()> {
    spec(async |cluster| reads(cluster, ProjectedConfigMap, Case { user: NOBODY, ..PLAIN }).await).await
}

#[tokio::test]
async fn projectedconfigmap_defaultmode() -> Result<()> {
    spec(async |cluster| {
        reads(cluster, ProjectedConfigMap, Case { default_mode: Some(0o400), ..PLAIN }).await
    })
    .await
}

#[tokio::test]
async fn projectedconfigmap_mappings() -> Result<()> {
    spec(async |cluster| reads(cluster, ProjectedConfigMap, Case { mapped: true, ..PLAIN }).await).await
}

#[tokio::test]
async fn projectedconfigmap_item_mode() -> Result<()> {
    spec(async |cluster| {
        reads(cluster, ProjectedConfigMap, Case { mapped: true, item_mode: Some(0o400), ..PLAIN }).await
    })
    .await
}

#[tokio::test]
async fn projectedconfigmap_mappings_non_root() -> Result<()> {
    spec(async |cluster| {
        reads(cluster, ProjectedConfigMap, Case { mapped: true, user: NOBODY, ..PLAIN }).await
    })
    .await
}

#[tokio::test]
async fn projectedconfigmap_multiple_volumes() -> Result<()> {
    spec(async |cluster| reads(cluster, ProjectedConfigMap, Case { twice: true, ..PLAIN }).await).await
}

#[tokio::test]
async fn secretvolume_non_root_fsgroup_0440() -> Result<()> {
    spec(async |cluster| {
        reads(
            cluster,
            Secret,
            Case { default_mode: Some(0o440), user: NOBODY, fs_group: Some(1001), ..PLAIN },
        )
        .await
    })
    .await
}

#[tokio::test]
async fn secretvolume_defaultmode() -> Result<()> {
    spec(async |cluster| reads(cluster, Secret, Case { default_mode: Some(0o400), ..PLAIN }).await).await
}

#[tokio::test]
async fn secretvolume_mappings() -> Result<()> {
    spec(async |cluster| reads(cluster, Secret, Case { mapped: true, ..PLAIN }).await).await
}

#[tokio::test]
async fn secretvolume_item_mode() -> Result<()> {
    spec(async |cluster| reads(cluster, Secret, Case { mapped: true, item_mode: Some(0o400), ..PLAIN }).await)
        .await
}

#[tokio::test]
async fn secretvolume_multiple_volumes() -> Result<()> {
    spec(async |cluster| reads(cluster, Secret, Case { twice: true, ..PLAIN }).await).await
}

#[tokio::test]
async fn projectedsecret_basic() -> Result<()> {
    spec(async |cluster| reads(cluster, ProjectedSecret, PLAIN).await).await
}

#[tokio::test]
async fn projectedsecret_non_root_fsgroup_0440() -> Result<()> {
    spec(async |cluster| {
        reads(
            cluster,
            ProjectedSecret,
            Case { default_mode: Some(0o440), user: NOBODY, fs_group: Some(1001), ..PLAIN },
        )
        .await
    })
    .await
}

#[tokio::test]
async fn projectedsecret_defaultmode() -> Result<()> {
    spec(async |cluster| reads(cluster, ProjectedSecret, Case { default_mode: Some(0o400), ..PLAIN }).await)
        .await
}

#[tokio::test]
async fn projectedsecret_mappings() -> Result<()> {
    spec(async |cluster| reads(cluster, ProjectedSecret, Case { mapped: true, ..PLAIN }).await).await
}

#[tokio::test]
async fn projectedsecret_item_mode() -> Result<()> {
    spec(async |cluster| {
        reads(cluster, ProjectedSecret, Case { mapped: true, item_mode: Some(0o400), ..PLAIN }).await
    })
    .await
}

#[tokio::test]
async fn projectedsecret_multiple_volumes() -> Result<()> {
    spec(async |cluster| reads(cluster, ProjectedSecret, Case { twice: true, ..PLAIN }).await).await
}

#[tokio::test]
async fn secretvolume_same_name_other_namespace() -> Result<()> {
    spec(async |cluster| {
        let other = format!("{}-other", cluster.namespace);
        cluster.new_namespace(&other).await?;
        let foreign = json!({"data-1": "foreign", "data-2": "foreign"});
        Secret.create_in(cluster, &other, "origin", foreign).await?;
        let read = reads(cluster, Secret, PLAIN).await;
        cluster.remove(&other).await?;
        read
    })
    .await
}
