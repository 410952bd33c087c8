//! TaintNodesByCondition: a new node takes no pods until it has said that it is ready.

use crate::check::{Check, Context, Operation};
use async_trait::async_trait;
use corten_api::Object;
use corten_api::core::v1::{Node, Taint};
use corten_semantics::ApiResult;

const NOT_READY: &str = "node.kubernetes.io/not-ready";
const NO_SCHEDULE: &str = "NoSchedule";

pub(crate) struct TaintNodesByCondition;

#[async_trait]
impl Check for TaintNodesByCondition {
    fn name(&self) -> &'static str {
        "TaintNodesByCondition"
    }

    fn handles(&self, context: &Context<'_>) -> bool {
        context.operation == Operation::Create && context.is_whole::<Node>()
    }

    async fn admit(&self, _: &Context<'_>, object: &mut dyn Object) -> ApiResult<()> {
        let Some(node) = object.downcast_mut::<Node>() else { return Ok(()) };
        let taints = &mut node.spec.taints;
        if !taints.iter().any(|t| t.key == NOT_READY && t.effect == NO_SCHEDULE) {
            taints.push(Taint { key: NOT_READY.into(), effect: NO_SCHEDULE.into(), ..Taint::default() });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{Request, meta};

    #[tokio::test]
    async fn a_new_node_is_tainted_once() {
        let mut node = Node { metadata: meta("", "n"), ..Node::default() };
        let create = Request::of::<Node>(Operation::Create, "", "n");
        for _ in 0..2 {
            create.admit(&TaintNodesByCondition, &mut node).await.expect("admitted");
            let taints: Vec<String> =
                node.spec.taints.iter().map(|t| format!("{}:{}", t.key, t.effect)).collect();
            assert_eq!(taints, ["node.kubernetes.io/not-ready:NoSchedule"]);
        }
        node.spec.taints.clear();
        let update = Request::of::<Node>(Operation::Update, "", "n");
        update.admit(&TaintNodesByCondition, &mut node).await.expect("admitted");
        assert!(node.spec.taints.is_empty());
    }
}
