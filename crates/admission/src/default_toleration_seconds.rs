//! DefaultTolerationSeconds: a pod stays five minutes on a node that is not ready or not reachable.

use crate::check::{Check, Context, Operation};
use async_trait::async_trait;
use corten_api::Object;
use corten_api::core::v1::{Pod, Toleration};
use corten_semantics::ApiResult;

const KEYS: [&str; 2] = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"];
const SECONDS: i64 = 300;
const NO_EXECUTE: &str = "NoExecute";

pub(crate) struct DefaultTolerationSeconds;

#[async_trait]
impl Check for DefaultTolerationSeconds {
    fn name(&self) -> &'static str {
        "DefaultTolerationSeconds"
    }

    fn handles(&self, context: &Context<'_>) -> bool {
        matches!(context.operation, Operation::Create | Operation::Update) && context.is_whole::<Pod>()
    }

    async fn admit(&self, _: &Context<'_>, object: &mut dyn Object) -> ApiResult<()> {
        let Some(pod) = object.downcast_mut::<Pod>() else { return Ok(()) };
        let has = |list: &[Toleration], key: &str| {
            list.iter().any(|t| {
                (t.key == key || t.key.is_empty()) && (t.effect == NO_EXECUTE || t.effect.is_empty())
            })
        };
        let missing = KEYS.map(|key| !has(&pod.spec.tolerations, key));
        for (key, _) in KEYS.into_iter().zip(missing).filter(|(_, missing)| *missing) {
            pod.spec.tolerations.push(Toleration {
                key: key.into(),
                operator: "Exists".into(),
                effect: NO_EXECUTE.into(),
                toleration_seconds: Some(SECONDS),
                ..Toleration::default()
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{self, Request};

    #[tokio::test]
    async fn what_is_not_tolerated_yet_is_for_five_minutes() {
        let [not_ready, unreachable] = KEYS;
        for (key, effect, added) in [
            ("other", "", vec![not_ready, unreachable]),
            ("", "", vec![]),
            ("", "NoSchedule", vec![not_ready, unreachable]),
            (not_ready, "NoExecute", vec![unreachable]),
            (not_ready, "NoSchedule", vec![not_ready, unreachable]),
            (unreachable, "", vec![not_ready]),
        ] {
            let mut pod = sample::pod("p");
            let (key, effect) = (key.to_string(), effect.to_string());
            pod.spec.tolerations = vec![Toleration { key, effect, ..Toleration::default() }];
            let request = Request::of::<Pod>(Operation::Create, "ns", "p");
            for _ in 0..2 {
                request.admit(&DefaultTolerationSeconds, &mut pod).await.expect("admitted");
                let keys: Vec<&str> = pod.spec.tolerations[1..].iter().map(|t| t.key.as_str()).collect();
                assert_eq!(keys, added);
            }
            assert!(pod.spec.tolerations[1..].iter().all(|t| t.toleration_seconds == Some(300)));
        }
    }
}
