//! RuntimeClass: a pod's runtime class exists, and gives the pod its overhead and where it can run.

use crate::check::{Check, Context, Operation};
use async_trait::async_trait;
use corten_api::Object;
use corten_api::core::v1::{Pod, Toleration};
use corten_api::node::v1::RuntimeClass;
use corten_semantics::ApiResult;
use std::sync::Arc;

const OTHER_OVERHEAD: &str = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead";

pub(crate) struct RuntimeClassCheck;

#[async_trait]
impl Check for RuntimeClassCheck {
    fn name(&self) -> &'static str {
        "RuntimeClass"
    }

    fn handles(&self, context: &Context<'_>) -> bool {
        context.operation == Operation::Create && context.is_whole::<Pod>()
    }

    async fn admit(&self, context: &Context<'_>, object: &mut dyn Object) -> ApiResult<()> {
        let Some(pod) = object.downcast_mut::<Pod>() else { return Ok(()) };
        let Some(class) = class(context, pod)? else { return Ok(()) };
        apply(&class, pod).map_err(|why| context.forbidden(Some(pod), &why))
    }

    async fn validate(&self, context: &Context<'_>, object: &dyn Object) -> ApiResult<()> {
        let Some(pod) = object.downcast_ref::<Pod>() else { return Ok(()) };
        let class = class(context, pod)?;
        let why = match class.as_ref().and_then(|class| class.overhead.as_ref()) {
            Some(overhead) if overhead.pod_fixed != pod.spec.overhead => OTHER_OVERHEAD,
            None if !pod.spec.overhead.is_empty() => {
                "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"
            }
            _ => return Ok(()),
        };
        Err(context.forbidden(Some(pod), why))
    }
}

fn class(context: &Context<'_>, pod: &Pod) -> ApiResult<Option<Arc<RuntimeClass>>> {
    let Some(name) = &pod.spec.runtime_class_name else { return Ok(None) };
    let found = context.objects.get::<RuntimeClass>("", name);
    let missing = || format!("pod rejected: RuntimeClass {name:?} not found");
    found.map(Some).ok_or_else(|| context.forbidden(Some(pod), &missing()))
}

fn apply(class: &RuntimeClass, pod: &mut Pod) -> Result<(), String> {
    if let Some(overhead) = &class.overhead {
        if !pod.spec.overhead.is_empty() && pod.spec.overhead != overhead.pod_fixed {
            return Err(OTHER_OVERHEAD.into());
        }
        pod.spec.overhead.clone_from(&overhead.pod_fixed);
    }
    let Some(scheduling) = &class.scheduling else { return Ok(()) };
    for (key, value) in &scheduling.node_selector {
        match pod.spec.node_selector.get(key) {
            Some(own) if own != value => {
                return Err(format!(
                    "conflict: runtimeClass.scheduling.nodeSelector[{key}] = {value}; pod.spec.nodeSelector[{key}] = {own}"
                ));
            }
            _ => drop(pod.spec.node_selector.insert(key.clone(), value.clone())),
        }
    }
    let all = [pod.spec.tolerations.as_slice(), &scheduling.tolerations].concat();
    pod.spec.tolerations = merged(&all);
    Ok(())
}

/// The tolerations without those that another one includes.
fn merged(all: &[Toleration]) -> Vec<Toleration> {
    let mut kept: Vec<Toleration> = Vec::new();
    for (i, one) in all.iter().enumerate() {
        let later = all[i + 1..].iter().any(|other| other != one && includes(other, one));
        if !later && !kept.iter().any(|other| includes(other, one)) {
            kept.push(one.clone());
        }
    }
    kept
}

/// Whether `wide` tolerates all that `narrow` does.
fn includes(wide: &Toleration, narrow: &Toleration) -> bool {
    if wide == narrow {
        return true;
    }
    let any_key = wide.key.is_empty() && wide.operator == "Exists";
    let as_long = match (wide.effect.as_str(), wide.toleration_seconds) {
        ("NoExecute", Some(most)) => narrow.toleration_seconds.is_some_and(|s| s <= most),
        _ => true,
    };
    let values = match wide.operator.as_str() {
        "Exists" => true,
        "" | "Equal" => narrow.operator == "Equal" && narrow.value == wide.value,
        _ => false,
    };
    (any_key || wide.key == narrow.key)
        && (wide.effect.is_empty() || wide.effect == narrow.effect)
        && as_long
        && values
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{self, Request, meta};
    use corten_api::node::v1::{Overhead, Scheduling};
    use std::collections::BTreeMap;

    fn toleration(key: &str, value: &str) -> Toleration {
        let operator = if value.is_empty() { "Exists" } else { "Equal" };
        let (key, value) = (key.to_string(), value.to_string());
        Toleration { key, value, operator: operator.into(), ..Toleration::default() }
    }

    fn sandboxed() -> RuntimeClass {
        let pair = |k: &str, v: &str| BTreeMap::from([(k.to_string(), v.to_string())]);
        let pod_fixed = BTreeMap::from([("cpu".to_string(), "10m".parse().expect("a quantity"))]);
        RuntimeClass {
            metadata: meta("", "sandboxed"),
            handler: "s".into(),
            overhead: Some(Box::new(Overhead { pod_fixed })),
            scheduling: Some(Box::new(Scheduling {
                node_selector: pair("kind", "vm"),
                tolerations: vec![toleration("vm", ""), toleration("vm", "x")],
            })),
        }
    }

    #[tokio::test]
    async fn a_class_shapes_its_pods() {
        let mut request = Request::of::<Pod>(Operation::Create, "ns", "p");
        request.has(sandboxed());
        let mut pod = sample::pod("p");
        pod.spec.runtime_class_name = Some("sandboxed".into());
        pod.spec.tolerations = vec![toleration("other", "y"), toleration("vm", "z")];
        for _ in 0..2 {
            request.admit(&RuntimeClassCheck, &mut pod).await.expect("admitted");
            assert_eq!(pod.spec.overhead.len(), 1);
            assert_eq!(pod.spec.node_selector["kind"], "vm");
            assert_eq!(pod.spec.tolerations, [toleration("other", "y"), toleration("vm", "")]);
        }
        assert_eq!(request.validate(&RuntimeClassCheck, &pod).await, Ok(()));
    }

    #[tokio::test]
    async fn contradictions_are_refused() {
        let mut request = Request::of::<Pod>(Operation::Create, "ns", "p");
        request.has(sandboxed());
        type Change = fn(&mut Pod);
        let cases: [(Change, &str); 4] = [
            (
                |p| p.spec.runtime_class_name = Some("none".into()),
                "pod rejected: RuntimeClass \"none\" not found",
            ),
            (
                |p| {
                    p.spec.runtime_class_name = Some("sandboxed".into());
                    p.spec.overhead.insert("cpu".into(), "1".parse().expect("a quantity"));
                },
                OTHER_OVERHEAD,
            ),
            (
                |p| {
                    p.spec.runtime_class_name = Some("sandboxed".into());
                    p.spec.node_selector.insert("kind".into(), "metal".into());
                },
                "conflict: runtimeClass.scheduling.nodeSelector[kind] = vm; pod.spec.nodeSelector[kind] = metal",
            ),
            (
                |p| p.spec.overhead.extend([("cpu".to_string(), "1".parse().expect("a quantity"))]),
                "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead",
            ),
        ];
        for (change, why) in cases {
            let mut pod = sample::pod("p");
            change(&mut pod);
            let mut result = request.admit(&RuntimeClassCheck, &mut pod).await;
            if result.is_ok() {
                result = request.validate(&RuntimeClassCheck, &pod).await;
            }
            let error = result.expect_err(why).to_string();
            assert_eq!(error, format!("pods \"p\" is forbidden: {why}"));
        }
    }
}
