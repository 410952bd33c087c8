//! Priority: a pod's priority follows from its PriorityClass, and one class at most is the default.

use crate::check::{Check, Context, Operation};
use async_trait::async_trait;
use corten_api::Object;
use corten_api::core::v1::Pod;
use corten_api::meta::v1::ObjectMeta;
use corten_api::scheduling::v1::PriorityClass;
use corten_semantics::ApiResult;
use std::sync::Arc;

const PREEMPT_LOWER: &str = "PreemptLowerPriority";

pub(crate) struct Priority;

/// The classes that every cluster has.
pub fn system_classes() -> [PriorityClass; 2] {
    let class = |name: &str, value, description: &str| PriorityClass {
        metadata: ObjectMeta { name: name.into(), ..ObjectMeta::default() },
        value,
        description: description.into(),
        preemption_policy: Some(PREEMPT_LOWER.into()),
        ..PriorityClass::default()
    };
    [
        class(
            "system-node-critical",
            2_000_001_000,
            "Used for system critical pods that must not be moved from their current node.",
        ),
        class(
            "system-cluster-critical",
            2_000_000_000,
            "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
        ),
    ]
}

#[async_trait]
impl Check for Priority {
    fn name(&self) -> &'static str {
        "Priority"
    }

    fn handles(&self, context: &Context<'_>) -> bool {
        matches!(context.operation, Operation::Create | Operation::Update)
            && (context.is_whole::<Pod>() || context.is_whole::<PriorityClass>())
    }

    async fn admit(&self, context: &Context<'_>, object: &mut dyn Object) -> ApiResult<()> {
        let Some(pod) = object.downcast_mut::<Pod>() else { return Ok(()) };
        if context.operation == Operation::Update {
            // Neither can change; who leaves them out means them as they are.
            if let Some(old) = context.old::<Pod>() {
                pod.spec.priority = pod.spec.priority.or(old.spec.priority);
                if pod.spec.preemption_policy.is_none() {
                    pod.spec.preemption_policy.clone_from(&old.spec.preemption_policy);
                }
            }
            return Ok(());
        }
        let (class, value, policy) = resolve(context, pod)?;
        if let Some(given) = pod.spec.priority.filter(|given| *given != value) {
            let why = format!(
                "the integer value of priority ({given}) must not be provided in pod spec; \
                 priority admission controller computed {value} from the given PriorityClass name"
            );
            return Err(context.forbidden(Some(pod), &why));
        }
        if let (Some(given), Some(policy)) = (&pod.spec.preemption_policy, &policy)
            && given != policy
        {
            let why = format!(
                "the string value of PreemptionPolicy ({given}) must not be provided in pod spec; \
                 priority admission controller computed {policy} from the given PriorityClass name"
            );
            return Err(context.forbidden(Some(pod), &why));
        }
        pod.spec.priority_class_name = class;
        pod.spec.priority = Some(value);
        pod.spec.preemption_policy = policy.or(pod.spec.preemption_policy.take());
        Ok(())
    }

    async fn validate(&self, context: &Context<'_>, object: &dyn Object) -> ApiResult<()> {
        let Some(class) = object.downcast_ref::<PriorityClass>().filter(|c| c.global_default) else {
            return Ok(());
        };
        match default_class(context) {
            Some(other)
                if context.operation == Operation::Create || other.metadata.name != class.metadata.name =>
            {
                let why = format!(
                    "PriorityClass {} is already marked as default. Only one default can exist",
                    other.metadata.name
                );
                Err(context.forbidden(Some(class), &why))
            }
            _ => Ok(()),
        }
    }
}

/// Class, priority and preemption policy of a new pod.
fn resolve(context: &Context<'_>, pod: &Pod) -> ApiResult<(String, i32, Option<String>)> {
    let name = &pod.spec.priority_class_name;
    let class = if name.is_empty() {
        match default_class(context) {
            Some(class) => class,
            None => return Ok((String::new(), 0, Some(PREEMPT_LOWER.into()))),
        }
    } else {
        context.objects.get::<PriorityClass>("", name).ok_or_else(|| {
            context.forbidden(Some(pod), &format!("no PriorityClass with name {name} was found"))
        })?
    };
    Ok((class.metadata.name.clone(), class.value, class.preemption_policy.clone()))
}

/// The default class; should there be several by a race, the lowest.
fn default_class(context: &Context<'_>) -> Option<Arc<PriorityClass>> {
    let classes = context.objects.list::<PriorityClass>("");
    classes.into_iter().filter(|c| c.global_default).min_by_key(|c| c.value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{self, Request, meta};

    fn class(name: &str, value: i32, global_default: bool) -> PriorityClass {
        let preemption_policy = (name == "polite").then(|| "Never".to_string());
        PriorityClass {
            metadata: meta("", name),
            value,
            global_default,
            preemption_policy,
            ..PriorityClass::default()
        }
    }

    async fn admit(
        class_name: &str,
        priority: Option<i32>,
        policy: Option<&str>,
        with_default: bool,
    ) -> Result<Pod, String> {
        let mut request = Request::of::<Pod>(Operation::Create, "ns", "p");
        request.has(class("high", 1000, false)).has(class("polite", 5, false));
        if with_default {
            request.has(class("usual", 7, true)).has(class("other", 9, true));
        }
        let mut pod = sample::pod("p");
        pod.spec.priority_class_name = class_name.into();
        pod.spec.priority = priority;
        pod.spec.preemption_policy = policy.map(String::from);
        request.admit(&Priority, &mut pod).await.map(|()| pod).map_err(|e| e.to_string())
    }

    #[tokio::test]
    async fn the_class_gives_the_priority() {
        for (name, priority, policy, with_default, expected) in [
            ("", None, None, false, ("", 0, Some("PreemptLowerPriority"))),
            ("", Some(0), None, false, ("", 0, Some("PreemptLowerPriority"))),
            ("", None, None, true, ("usual", 7, None)),
            ("high", None, None, true, ("high", 1000, None)),
            ("high", Some(1000), Some("Never"), false, ("high", 1000, Some("Never"))),
            ("polite", None, None, false, ("polite", 5, Some("Never"))),
        ] {
            let pod = admit(name, priority, policy, with_default).await.expect(name);
            let spec = &pod.spec;
            let found = (spec.priority_class_name.as_str(), spec.priority, spec.preemption_policy.as_deref());
            assert_eq!(found, (expected.0, Some(expected.1), expected.2), "{name}");
        }
        let refused = [
            ("none", None, None, "no PriorityClass with name none was found"),
            (
                "high",
                Some(1),
                None,
                "the integer value of priority (1) must not be provided in pod spec; priority admission controller computed 1000 from the given PriorityClass name",
            ),
            (
                "polite",
                None,
                Some("PreemptLowerPriority"),
                "the string value of PreemptionPolicy (PreemptLowerPriority) must not be provided in pod spec; priority admission controller computed Never from the given PriorityClass name",
            ),
        ];
        for (name, priority, policy, why) in refused {
            let error = admit(name, priority, policy, false).await.expect_err(name);
            assert_eq!(error, format!("pods \"p\" is forbidden: {why}"));
        }
    }

    #[tokio::test]
    async fn an_update_keeps_the_priority() {
        let mut old = sample::pod("p");
        (old.spec.priority, old.spec.preemption_policy) = (Some(5), Some("Never".into()));
        let mut new = sample::pod("p");
        let request = Request::of::<Pod>(Operation::Update, "ns", "p").old(old.clone());
        request.admit(&Priority, &mut new).await.expect("admitted");
        assert_eq!(new, old);
    }

    #[tokio::test]
    async fn one_class_is_the_default() {
        for (operation, name, allowed) in [
            (Operation::Create, "new", false),
            (Operation::Update, "other", false),
            (Operation::Update, "usual", true),
        ] {
            let mut request = Request::of::<PriorityClass>(operation, "", name);
            request.has(class("usual", 7, true));
            let result = request.validate(&Priority, &class(name, 1, true)).await;
            assert_eq!(result.is_ok(), allowed, "{name}");
            assert_eq!(request.validate(&Priority, &class(name, 1, false)).await, Ok(()));
        }
    }
}
