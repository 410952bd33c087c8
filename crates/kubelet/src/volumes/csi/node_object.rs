//! What the API learns of the drivers on this node: the CSINode, an annotation of the Node, and labels that
//! tell where the drivers see it.

use corten_api::Kind;
use corten_api::core::v1::Node;
use corten_api::storage::v1::{CSINode, CSINodeDriver, VolumeNodeResources};
use corten_client::{Api, Client, DeleteOptions};
use corten_node_api::csi::NodeGetInfoResponse;
use corten_semantics::ApiResult;
use corten_semantics::owner::controller_reference;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The annotation with the drivers' names of this node, as JSON.
const NODE_IDS: &str = "csi.volume.kubernetes.io/nodeid";

/// Sees to it that the node's CSINode exists and belongs to this Node, not to one that had its name before.
pub async fn ensure(client: &Client, node_name: &str) -> ApiResult<Arc<CSINode>> {
    let node = client.all::<Node>().get(node_name).await?;
    let api = client.all::<CSINode>();
    loop {
        match api.find(node_name).await? {
            Some(found) if belongs(&found, &node) => return Ok(found),
            Some(_) => match api.delete(node_name, DeleteOptions::default()).await {
                Err(e) if !e.is_not_found() => return Err(e),
                _ => {}
            },
            None => match api.create(fresh(&node)).await {
                Err(e) if e.is_already_exists() => {}
                other => return other,
            },
        }
    }
}

fn fresh(node: &Node) -> CSINode {
    let mut made = CSINode::default();
    made.metadata.name = node.metadata.name.clone();
    let mut owner = controller_reference(node);
    owner.controller = None;
    owner.block_owner_deletion = None;
    made.metadata.owner_references = vec![owner];
    made
}

fn belongs(found: &CSINode, node: &Node) -> bool {
    found.metadata.owner_references.iter().any(|o| o.kind == "Node" && o.uid == node.metadata.uid)
}

/// Tells the API that the driver is here.
pub async fn install(
    client: &Client,
    node_name: &str,
    driver: &str,
    info: &NodeGetInfoResponse,
) -> Result<(), String> {
    change(&client.all::<Node>(), node_name, |node| describe(node, driver, info))
        .await
        .map_err(|e| format!("error updating Node object with CSI driver node info: {e}"))?;
    ensure(client, node_name).await.map_err(|e| format!("failed to initialize CSINode: {e}"))?;
    change(&client.all::<CSINode>(), node_name, |object| Ok(enter(object, driver, info)))
        .await
        .map_err(|e| format!("error updating CSINode object with CSI driver node info: {e}"))
}

/// Tells the API that the driver has gone.
pub async fn uninstall(client: &Client, node_name: &str, driver: &str) -> Result<(), String> {
    change(&client.all::<CSINode>(), node_name, |object| Ok(strike(object, driver)))
        .await
        .map_err(|e| format!("error uninstalling CSI driver from CSINode object {e}"))?;
    change(&client.all::<Node>(), node_name, |node| forget(node, driver))
        .await
        .map_err(|e| format!("error removing CSI driver node info from Node object {e}"))
}

/// Changes an object as often as others come first; `how` says whether there was anything to change. A missing
/// object is fine.
async fn change<K: Kind>(
    api: &Api<K>,
    name: &str,
    how: impl Fn(&mut K) -> Result<bool, String>,
) -> Result<(), String> {
    loop {
        let Some(found) = api.find(name).await.map_err(|e| e.to_string())? else { return Ok(()) };
        let mut changed = (*found).clone();
        if !how(&mut changed)? {
            return Ok(());
        }
        match api.update(changed).await {
            Err(e) if e.is_conflict() => {}
            Err(e) => return Err(e.to_string()),
            Ok(_) => return Ok(()),
        }
    }
}

fn node_ids(node: &Node) -> Result<BTreeMap<String, String>, String> {
    let Some(text) = node.metadata.annotations.get(NODE_IDS).filter(|t| !t.is_empty()) else {
        return Ok(BTreeMap::new());
    };
    serde_json::from_str(text)
        .map_err(|e| format!("failed to parse node's {NODE_IDS:?} annotation value ({text:?}) err={e}"))
}

/// Writes what the driver calls the node, and its labels.
fn describe(node: &mut Node, driver: &str, info: &NodeGetInfoResponse) -> Result<bool, String> {
    let mut ids = node_ids(node)?;
    let segments = || info.accessible_topology.iter().flat_map(|t| &t.segments);
    for (label, value) in segments() {
        if let Some(there) = node.metadata.labels.get(label).filter(|there| *there != value) {
            return Err(format!(
                "detected topology value collision: driver reported {label:?}:{value:?} but existing label \
                 is {label:?}:{there:?}"
            ));
        }
    }
    let mut changed = ids.insert(driver.to_string(), info.node_id.clone()).as_ref() != Some(&info.node_id);
    if changed {
        let text = serde_json::to_string(&ids).map_err(|e| e.to_string())?;
        node.metadata.annotations.insert(NODE_IDS.into(), text);
    }
    for (label, value) in segments() {
        changed |= node.metadata.labels.insert(label.clone(), value.clone()).is_none();
    }
    Ok(changed)
}

fn forget(node: &mut Node, driver: &str) -> Result<bool, String> {
    let mut ids = node_ids(node)?;
    if ids.remove(driver).is_none() {
        return Ok(false);
    }
    if ids.is_empty() {
        node.metadata.annotations.remove(NODE_IDS);
    } else {
        let text = serde_json::to_string(&ids).map_err(|e| e.to_string())?;
        node.metadata.annotations.insert(NODE_IDS.into(), text);
    }
    Ok(true)
}

/// Writes the driver into the CSINode.
fn enter(object: &mut CSINode, driver: &str, info: &NodeGetInfoResponse) -> bool {
    let mut topology_keys: Vec<String> =
        info.accessible_topology.iter().flat_map(|t| t.segments.keys().cloned()).collect();
    topology_keys.sort();
    let most = i32::try_from(info.max_volumes_per_node).unwrap_or(i32::MAX);
    let entry = CSINodeDriver {
        name: driver.to_string(),
        node_id: info.node_id.clone(),
        topology_keys,
        allocatable: (most > 0).then(|| Box::new(VolumeNodeResources { count: Some(most) })),
    };
    if object.spec.drivers.contains(&entry) {
        return false;
    }
    strike(object, driver);
    object.spec.drivers.push(entry);
    true
}

fn strike(object: &mut CSINode, driver: &str) -> bool {
    let before = object.spec.drivers.len();
    object.spec.drivers.retain(|d| d.name != driver);
    object.spec.drivers.len() != before
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_node_api::csi::Topology;

    fn info(id: &str, most: i64, zone: &str) -> NodeGetInfoResponse {
        let segments = [("zone.example".to_string(), zone.to_string())].into();
        NodeGetInfoResponse {
            node_id: id.into(),
            max_volumes_per_node: most,
            accessible_topology: Some(Topology { segments }),
        }
    }

    #[test]
    fn nodes_carry_ids_and_labels() {
        let mut node = Node::default();
        assert_eq!(describe(&mut node, "b", &info("n-1", 0, "z")), Ok(true));
        assert_eq!(describe(&mut node, "b", &info("n-1", 0, "z")), Ok(false));
        assert_eq!(describe(&mut node, "a", &info("n-2", 0, "z")), Ok(true));
        assert_eq!(node.metadata.annotations[NODE_IDS], r#"{"a":"n-2","b":"n-1"}"#);
        assert_eq!(node.metadata.labels["zone.example"], "z");
        let error = describe(&mut node, "c", &info("n-3", 0, "y")).expect_err("another zone");
        assert!(error.starts_with("detected topology value collision"), "{error}");
        assert_eq!(forget(&mut node, "b"), Ok(true));
        assert_eq!(forget(&mut node, "b"), Ok(false));
        assert_eq!(forget(&mut node, "a"), Ok(true));
        assert!(!node.metadata.annotations.contains_key(NODE_IDS));
        node.metadata.annotations.insert(NODE_IDS.into(), "nonsense".into());
        assert!(describe(&mut node, "a", &info("n-1", 0, "z")).is_err());
    }

    #[test]
    fn drivers_are_entered_once() {
        let mut object = CSINode::default();
        assert!(enter(&mut object, "d", &info("n", 16, "z")));
        assert!(!enter(&mut object, "d", &info("n", 16, "z")));
        assert!(enter(&mut object, "d", &info("n", 0, "z")));
        let [entry] = object.spec.drivers.as_slice() else { panic!("one entry") };
        assert_eq!(
            (entry.topology_keys.as_slice(), &entry.allocatable),
            (&["zone.example".to_string()][..], &None)
        );
        assert!(strike(&mut object, "d") && !strike(&mut object, "d"));
    }
}
