//! The mirrors of static pods in the API.

use crate::Shared;
use crate::pod::names::{CONFIG_HASH, CONFIG_MIRROR, is_mirror};
use corten_api::core::v1::{Node, Pod};
use corten_api::meta::v1::{OwnerReference, Preconditions};
use corten_client::{DeleteOptions, Key};
use corten_semantics::ApiResult;
use std::collections::HashMap;
use std::sync::Arc;

/// What is to be done in the API.
#[derive(Debug, PartialEq)]
enum Step {
    Create(Arc<Pod>),
    Delete(Arc<Pod>),
}

/// Sees to it that each static pod has its mirror, and that there is no other.
pub async fn keep(shared: &Shared) -> ApiResult<()> {
    let mirrors: Vec<Arc<Pod>> = shared.pods.list().into_iter().filter(|p| is_mirror(p)).collect();
    let steps = plan(&shared.static_pods.list(), &mirrors);
    if steps.is_empty() {
        return Ok(());
    }
    let node = shared.client.all::<Node>().find(&shared.node_name).await?;
    for step in steps {
        match step {
            Step::Create(pod) => {
                let mirror = mirror_of(&pod, node.as_deref());
                match shared.client.beside(&mirror).create(mirror).await {
                    Err(e) if !e.is_already_exists() => return Err(e),
                    _ => {}
                }
            }
            Step::Delete(pod) => {
                let options = DeleteOptions {
                    grace_period_seconds: Some(0),
                    preconditions: Some(Preconditions {
                        uid: Some(pod.metadata.uid.clone()),
                        ..Preconditions::default()
                    }),
                    ..DeleteOptions::default()
                };
                match shared.client.beside(&*pod).delete(&pod.metadata.name, options).await {
                    Err(e) if !e.is_not_found() && !e.is_conflict() => return Err(e),
                    _ => {}
                }
            }
        }
    }
    Ok(())
}

fn plan(pods: &[Arc<Pod>], mirrors: &[Arc<Pod>]) -> Vec<Step> {
    let wanted: HashMap<Key, &Arc<Pod>> = pods.iter().map(|p| (Key::of(&**p), p)).collect();
    let hash = |pod: &Pod, note: &str| pod.metadata.annotations.get(note).cloned();
    let fits = |mirror: &Pod| {
        let pod = wanted.get(&Key::of(mirror));
        mirror.metadata.deletion_timestamp.is_none()
            && pod.is_some_and(|p| hash(mirror, CONFIG_MIRROR) == hash(p, CONFIG_HASH))
    };
    let unfit = mirrors.iter().filter(|m| !fits(m)).cloned().map(Step::Delete);
    let has = |pod: &Arc<Pod>| mirrors.iter().any(|m| Key::of(&**m) == Key::of(&**pod) && fits(m));
    unfit.chain(pods.iter().filter(|p| !has(p)).cloned().map(Step::Create)).collect()
}

/// What the API is shown of a static pod.
fn mirror_of(pod: &Pod, node: Option<&Node>) -> Pod {
    let mut mirror = pod.clone();
    let m = &mut mirror.metadata;
    m.uid = String::new();
    m.resource_version = String::new();
    m.generation = 0;
    let hash = m.annotations.get(CONFIG_HASH).cloned().unwrap_or_default();
    m.annotations.insert(CONFIG_MIRROR.into(), hash);
    m.owner_references = node
        .map(|node| OwnerReference {
            api_version: "v1".into(),
            kind: "Node".into(),
            name: node.metadata.name.clone(),
            uid: node.metadata.uid.clone(),
            controller: Some(true),
            ..OwnerReference::default()
        })
        .into_iter()
        .collect();
    mirror
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(name: &str, note: &str, hash: &str) -> Arc<Pod> {
        let mut pod = Pod::default();
        pod.metadata.name = name.into();
        pod.metadata.annotations.insert(note.into(), hash.into());
        Arc::new(pod)
    }

    #[test]
    fn every_pod_has_the_mirror_of_its_definition() {
        let pods = [pod("a", CONFIG_HASH, "1"), pod("b", CONFIG_HASH, "2"), pod("c", CONFIG_HASH, "3")];
        let mut leaving = (*pod("a", CONFIG_MIRROR, "1")).clone();
        leaving.metadata.deletion_timestamp = Some(Default::default());
        let leaving = Arc::new(leaving);
        let old = pod("b", CONFIG_MIRROR, "0");
        let stray = pod("d", CONFIG_MIRROR, "4");
        let mirrors = [leaving.clone(), old.clone(), pod("c", CONFIG_MIRROR, "3"), stray.clone()];
        let want = [
            Step::Delete(leaving),
            Step::Delete(old),
            Step::Delete(stray),
            Step::Create(pods[0].clone()),
            Step::Create(pods[1].clone()),
        ];
        assert_eq!(plan(&pods, &mirrors), want);
    }

    #[test]
    fn a_mirror_belongs_to_its_node() {
        let mut node = Node::default();
        node.metadata.name = "n".into();
        node.metadata.uid = "u".into();
        let mirror = mirror_of(&pod("a", CONFIG_HASH, "1"), Some(&node));
        assert_eq!(mirror.metadata.annotations[CONFIG_MIRROR], "1");
        assert_eq!(mirror.metadata.owner_references[0].uid, "u");
    }
}
