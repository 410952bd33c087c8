//! ExtendedResourceToleration: a pod that asks for a device tolerates the taint of the nodes that are kept
//! for those who do. Off unless enabled.

use crate::check::{Check, Context, Operation};
use async_trait::async_trait;
use corten_api::Object;
use corten_api::core::v1::{Pod, Toleration};
use corten_semantics::ApiResult;
use std::collections::BTreeSet;

pub(crate) struct ExtendedResourceToleration;

fn is_extended(name: &str) -> bool {
    name.contains('/') && !name.contains("kubernetes.io/") && !name.starts_with("requests.")
}

#[async_trait]
impl Check for ExtendedResourceToleration {
    fn name(&self) -> &'static str {
        "ExtendedResourceToleration"
    }

    fn handles(&self, context: &Context<'_>) -> bool {
        matches!(context.operation, Operation::Create | Operation::Update) && context.is_whole::<Pod>()
    }

    async fn admit(&self, _: &Context<'_>, object: &mut dyn Object) -> ApiResult<()> {
        let Some(pod) = object.downcast_mut::<Pod>() else { return Ok(()) };
        let containers = pod.spec.containers.iter().chain(&pod.spec.init_containers);
        let names = containers.flat_map(|c| c.resources.requests.keys()).filter(|name| is_extended(name));
        let names: BTreeSet<String> = names.cloned().collect();
        for key in names {
            let wanted = Toleration {
                key,
                operator: "Exists".into(),
                effect: "NoSchedule".into(),
                ..Toleration::default()
            };
            let same = |t: &&mut Toleration| {
                t.key == wanted.key
                    && t.effect == wanted.effect
                    && t.operator == wanted.operator
                    && t.value.is_empty()
            };
            match pod.spec.tolerations.iter_mut().find(same) {
                Some(there) => *there = wanted,
                None => pod.spec.tolerations.push(wanted),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{self, Request};
    use corten_api::Quantity;

    #[tokio::test]
    async fn who_asks_for_a_device_tolerates_its_nodes() {
        let request = Request::of::<Pod>(Operation::Create, "ns", "p");
        let mut pod = sample::pod("p");
        for name in ["cpu", "example.com/gpu", "hugepages-2Mi"] {
            pod.spec.containers[0].resources.requests.insert(name.into(), Quantity::whole(1));
        }
        for _ in 0..2 {
            request.admit(&ExtendedResourceToleration, &mut pod).await.expect("admitted");
        }
        let keys: Vec<&str> = pod.spec.tolerations.iter().map(|t| t.key.as_str()).collect();
        assert_eq!(keys, ["example.com/gpu"]);
    }
}
