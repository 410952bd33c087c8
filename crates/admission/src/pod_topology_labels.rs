//! PodTopologyLabels: a pod that gets its node takes the node's zone and region as labels.

use crate::check::{Check, Context, Operation};
use async_trait::async_trait;
use corten_api::Object;
use corten_api::core::v1::{Binding, Node, Pod};
use corten_semantics::ApiResult;

const LABELS: [&str; 2] = ["topology.kubernetes.io/zone", "topology.kubernetes.io/region"];

pub(crate) struct PodTopologyLabels;

#[async_trait]
impl Check for PodTopologyLabels {
    fn name(&self) -> &'static str {
        "PodTopologyLabels"
    }

    fn handles(&self, context: &Context<'_>) -> bool {
        context.is_for::<Pod>()
            && matches!((context.operation, context.subresource), (Operation::Create, "" | "binding"))
    }

    async fn admit(&self, context: &Context<'_>, object: &mut dyn Object) -> ApiResult<()> {
        // A binding's labels become the pod's.
        let node = match (object.downcast_ref::<Pod>(), object.downcast_ref::<Binding>()) {
            (Some(pod), _) if !pod.spec.node_name.is_empty() => &pod.spec.node_name,
            (_, Some(binding)) if binding.target.kind == "Node" => &binding.target.name,
            _ => return Ok(()),
        };
        if let Some(node) = context.objects.get::<Node>("", node) {
            let labels = LABELS.iter().filter_map(|key| node.metadata.labels.get_key_value(*key));
            object.meta_mut().labels.extend(labels.map(|(key, value)| (key.clone(), value.clone())));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{self, Request, meta};

    #[tokio::test]
    async fn a_bound_pod_takes_its_nodes_zone() {
        let mut node = Node { metadata: meta("", "n"), ..Node::default() };
        for key in ["topology.kubernetes.io/zone", "kubernetes.io/arch"] {
            node.metadata.labels.insert(key.into(), "x".into());
        }
        let mut request = Request::of::<Pod>(Operation::Create, "ns", "p");
        request.has(node.clone());
        let mut pod = sample::pod("p");
        request.admit(&PodTopologyLabels, &mut pod).await.expect("admitted");
        assert!(pod.metadata.labels.is_empty(), "no node yet");
        pod.spec.node_name = "n".into();
        request.admit(&PodTopologyLabels, &mut pod).await.expect("admitted");
        assert!(pod.metadata.labels.contains_key("topology.kubernetes.io/zone"));

        let mut request = Request::of::<Pod>(Operation::Create, "ns", "p").on("binding");
        request.has(node);
        let mut binding = Binding { metadata: meta("ns", "p"), ..Binding::default() };
        (binding.target.kind, binding.target.name) = ("Node".into(), "n".into());
        request.admit(&PodTopologyLabels, &mut binding).await.expect("admitted");
        let keys: Vec<&String> = binding.metadata.labels.keys().collect();
        assert_eq!(keys, ["topology.kubernetes.io/zone"]);
    }
}
