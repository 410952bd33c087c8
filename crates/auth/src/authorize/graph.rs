//! Which objects belong to which node: those that the pods bound to it name, the volumes behind their claims,
//! and what names the node itself (upstream's node authorizer's graph).

use corten_api::Object;
use corten_api::core::v1::{PersistentVolume, Pod};
use corten_api::resource::v1::ResourceSlice;
use corten_api::storage::v1::VolumeAttachment;
use corten_semantics::pod_references::{MIRROR_ANNOTATION, Referenced, references};
use parking_lot::RwLock;
use std::collections::{HashMap, HashSet};

type Name = (String, String);
type Key = (Referenced, String, String);

#[derive(Default)]
struct Graph {
    /// The node of each pod, and what the pod names.
    pods: HashMap<Name, (String, Vec<Key>)>,
    /// How many pods on each node name the object.
    named: HashMap<Key, HashMap<String, usize>>,
    /// The claim of each volume and the secrets it needs on the node.
    volumes: HashMap<String, (Key, Vec<Name>)>,
    /// The volumes that need a secret.
    volume_secrets: HashMap<Name, HashSet<String>>,
    attachments: HashMap<String, String>,
    slices: HashMap<String, String>,
}

/// Which objects belong to which node, as they are now.
#[derive(Default)]
pub struct NodeGraph(RwLock<Graph>);

impl NodeGraph {
    /// Takes note of a pod, volume, attachment or resource slice; other kinds are ignored.
    pub fn observe(&self, object: &dyn Object) {
        if let Some(pod) = object.downcast_ref::<Pod>() {
            self.0.write().set_pod(pod);
        } else if let Some(volume) = object.downcast_ref::<PersistentVolume>() {
            self.0.write().set_volume(volume);
        } else if let Some(attachment) = object.downcast_ref::<VolumeAttachment>() {
            let (name, node) = (attachment.metadata.name.clone(), attachment.spec.node_name.clone());
            self.0.write().attachments.insert(name, node);
        } else if let Some(slice) = object.downcast_ref::<ResourceSlice>() {
            let (name, node) = (slice.metadata.name.clone(), slice.spec.node_name.clone());
            self.0.write().slices.insert(name, node.unwrap_or_default());
        }
    }

    /// Takes note that an object is gone.
    pub fn forget(&self, object: &dyn Object) {
        let meta = object.meta();
        if object.downcast_ref::<Pod>().is_some() {
            self.0.write().remove_pod(&(meta.namespace.clone(), meta.name.clone()));
        } else if object.downcast_ref::<PersistentVolume>().is_some() {
            self.0.write().remove_volume(&meta.name);
        } else if object.downcast_ref::<VolumeAttachment>().is_some() {
            self.0.write().attachments.remove(&meta.name);
        } else if object.downcast_ref::<ResourceSlice>().is_some() {
            self.0.write().slices.remove(&meta.name);
        }
    }

    pub(super) fn has_pod(&self, node: &str, namespace: &str, name: &str) -> bool {
        let key = (namespace.to_string(), name.to_string());
        self.0.read().pods.get(&key).is_some_and(|(bound, _)| bound == node)
    }

    pub(super) fn has_attachment(&self, node: &str, name: &str) -> bool {
        self.0.read().attachments.get(name).is_some_and(|n| n == node)
    }

    pub(super) fn has_slice(&self, node: &str, name: &str) -> bool {
        self.0.read().slices.get(name).is_some_and(|n| n == node)
    }

    pub(super) fn has_volume(&self, node: &str, name: &str) -> bool {
        let graph = self.0.read();
        graph.volumes.get(name).is_some_and(|(claim, _)| graph.is_named(claim, node))
    }

    /// Whether a pod on the node names the object, or a volume of such a pod needs the secret.
    pub(super) fn has_named(&self, node: &str, kind: Referenced, namespace: &str, name: &str) -> bool {
        let graph = self.0.read();
        graph.is_named(&(kind, namespace.to_string(), name.to_string()), node)
            || (kind == Referenced::Secret
                && graph.volume_secrets.get(&(namespace.to_string(), name.to_string())).is_some_and(
                    |volumes| {
                        let claims = volumes.iter().filter_map(|v| graph.volumes.get(v));
                        claims.into_iter().any(|(claim, _)| graph.is_named(claim, node))
                    },
                ))
    }
}

impl Graph {
    fn is_named(&self, key: &Key, node: &str) -> bool {
        self.named.get(key).is_some_and(|nodes| nodes.contains_key(node))
    }

    fn set_pod(&mut self, pod: &Pod) {
        let meta = &pod.metadata;
        let key = (meta.namespace.clone(), meta.name.clone());
        let node = pod.spec.node_name.as_str();
        // A mirror pod is made by the node, so it must not open anything to it.
        let names: Vec<Key> = if node.is_empty() || meta.annotations.contains_key(MIRROR_ANNOTATION) {
            Vec::new()
        } else {
            references(pod).into_iter().map(|(kind, name)| (kind, meta.namespace.clone(), name)).collect()
        };
        if self.pods.get(&key).is_some_and(|(n, k)| n == node && *k == names) {
            return;
        }
        self.remove_pod(&key);
        if node.is_empty() {
            return;
        }
        for name in &names {
            *self.named.entry(name.clone()).or_default().entry(node.into()).or_default() += 1;
        }
        self.pods.insert(key, (node.into(), names));
    }

    fn remove_pod(&mut self, key: &Name) {
        let Some((node, names)) = self.pods.remove(key) else { return };
        for name in names {
            let Some(nodes) = self.named.get_mut(&name) else { continue };
            if let Some(count) = nodes.get_mut(&node) {
                *count -= 1;
                if *count == 0 {
                    nodes.remove(&node);
                }
            }
            if nodes.is_empty() {
                self.named.remove(&name);
            }
        }
    }

    fn set_volume(&mut self, volume: &PersistentVolume) {
        let name = &volume.metadata.name;
        self.remove_volume(name);
        let Some(claim) = &volume.spec.claim_ref else { return };
        let secrets = secrets(volume, &claim.namespace);
        for secret in &secrets {
            self.volume_secrets.entry(secret.clone()).or_default().insert(name.clone());
        }
        let claim = (Referenced::PersistentVolumeClaim, claim.namespace.clone(), claim.name.clone());
        self.volumes.insert(name.clone(), (claim, secrets));
    }

    fn remove_volume(&mut self, name: &str) {
        let Some((_, secrets)) = self.volumes.remove(name) else { return };
        for secret in secrets {
            if let Some(volumes) = self.volume_secrets.get_mut(&secret) {
                volumes.remove(name);
                if volumes.is_empty() {
                    self.volume_secrets.remove(&secret);
                }
            }
        }
    }
}

/// The secrets that a node needs to mount the volume; a reference without namespace means the claim's.
fn secrets(volume: &PersistentVolume, claim_namespace: &str) -> Vec<Name> {
    let source = &volume.spec.persistent_volume_source;
    let referenced = [
        source.cephfs.as_ref().and_then(|s| s.secret_ref.as_ref()),
        source.cinder.as_ref().and_then(|s| s.secret_ref.as_ref()),
        source.flex_volume.as_ref().and_then(|s| s.secret_ref.as_ref()),
        source.rbd.as_ref().and_then(|s| s.secret_ref.as_ref()),
        source.scale_io.as_ref().and_then(|s| s.secret_ref.as_ref()),
        source.iscsi.as_ref().and_then(|s| s.secret_ref.as_ref()),
        source.csi.as_ref().and_then(|s| s.node_publish_secret_ref.as_ref()),
        source.csi.as_ref().and_then(|s| s.node_stage_secret_ref.as_ref()),
        source.csi.as_ref().and_then(|s| s.node_expand_secret_ref.as_ref()),
    ];
    let in_namespace = |namespace: &str, name: &str| {
        let namespace = if namespace.is_empty() { claim_namespace } else { namespace };
        (namespace.to_string(), name.to_string())
    };
    let mut out: Vec<Name> =
        referenced.into_iter().flatten().map(|r| in_namespace(&r.namespace, &r.name)).collect();
    out.extend(
        source
            .storageos
            .as_ref()
            .and_then(|s| s.secret_ref.as_ref())
            .map(|r| in_namespace(&r.namespace, &r.name)),
    );
    out.extend(source.azure_file.as_ref().map(|azure| {
        in_namespace(azure.secret_namespace.as_deref().unwrap_or_default(), &azure.secret_name)
    }));
    out.retain(|(_, name)| !name.is_empty());
    out
}
