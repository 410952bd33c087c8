//! PodNodeSelector: pods of a namespace stay on the nodes that its annotation selects. Off unless enabled.

use crate::check::{Check, Context, Operation};
use async_trait::async_trait;
use corten_api::core::v1::{Namespace, Pod};
use corten_api::{Kind, Object};
use corten_semantics::{ApiError, ApiResult};
use serde_json::Value;
use std::collections::BTreeMap;

const ANNOTATION: &str = "scheduler.alpha.kubernetes.io/node-selector";
const OF_ALL: &str = "clusterDefaultNodeSelector";

/// Selectors by namespace, and one for those without an annotation.
#[derive(Default)]
pub(crate) struct PodNodeSelector(BTreeMap<String, String>);

type Labels = BTreeMap<String, String>;

/// `a=b,c=d`.
fn parse(selector: &str) -> ApiResult<Labels> {
    let pair = |part: &str| {
        let (key, value) = part
            .split_once('=')
            .ok_or_else(|| ApiError::internal(format!("invalid selector: {selector}")))?;
        Ok((key.trim().to_string(), value.trim().to_string()))
    };
    selector.split(',').filter(|part| !part.trim().is_empty()).map(pair).collect()
}

impl PodNodeSelector {
    /// From `podNodeSelectorPluginConfig`.
    pub fn configured(configuration: &Value) -> Self {
        let selectors = configuration.get("podNodeSelectorPluginConfig").and_then(Value::as_object);
        let text = |(k, v): (&String, &Value)| Some((k.clone(), v.as_str()?.to_string()));
        PodNodeSelector(selectors.into_iter().flatten().filter_map(text).collect())
    }

    fn selector(&self, context: &Context<'_>) -> ApiResult<Labels> {
        let Some(namespace) = context.objects.get::<Namespace>("", context.namespace) else {
            return Err(ApiError::not_found(Namespace::INFO, context.namespace));
        };
        let of_all = self.0.get(OF_ALL);
        let selector = namespace.metadata.annotations.get(ANNOTATION).or(of_all);
        parse(selector.map_or("", String::as_str))
    }

    fn judge(&self, context: &Context<'_>, pod: &Pod) -> ApiResult<Labels> {
        let of_namespace = self.selector(context)?;
        let refused = |why| ApiError::forbidden(Pod::INFO, &pod.metadata.name, why);
        let differs =
            |(key, value): (&String, &String)| pod.spec.node_selector.get(key).is_some_and(|v| v != value);
        if of_namespace.iter().any(differs) {
            return Err(refused("pod node label selector conflicts with its namespace node label selector"));
        }
        let allowed = parse(self.0.get(context.namespace).map_or("", String::as_str))?;
        let mut all = of_namespace;
        all.extend(pod.spec.node_selector.clone());
        if !allowed.is_empty() && all.iter().any(|(key, value)| allowed.get(key) != Some(value)) {
            return Err(refused("pod node label selector labels conflict with its namespace whitelist"));
        }
        Ok(all)
    }
}

#[async_trait]
impl Check for PodNodeSelector {
    fn name(&self) -> &'static str {
        "PodNodeSelector"
    }

    fn handles(&self, context: &Context<'_>) -> bool {
        context.operation == Operation::Create && context.is_whole::<Pod>()
    }

    async fn admit(&self, context: &Context<'_>, object: &mut dyn Object) -> ApiResult<()> {
        let Some(pod) = object.downcast_mut::<Pod>() else { return Ok(()) };
        pod.spec.node_selector = self.judge(context, pod)?;
        Ok(())
    }

    async fn validate(&self, context: &Context<'_>, object: &dyn Object) -> ApiResult<()> {
        let Some(pod) = object.downcast_ref::<Pod>() else { return Ok(()) };
        self.judge(context, pod).map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{self, Request, meta};
    use serde_json::json;

    #[tokio::test]
    async fn pods_take_their_namespaces_selector() {
        for (annotation, own, want) in [
            (Some("env=test"), "", Ok("env=test")),
            (Some("env=test"), "disk=ssd", Ok("disk=ssd env=test")),
            (Some("env=test"), "env=prod", Err("conflicts with its namespace node label selector")),
            (None, "", Ok("env=dev")),
            (Some("zone=a"), "", Err("conflict with its namespace whitelist")),
        ] {
            let check = PodNodeSelector::configured(&json!({"podNodeSelectorPluginConfig": {
                "clusterDefaultNodeSelector": "env=dev",
                "strict": "env=dev",
            }}));
            let name = if annotation == Some("zone=a") { "strict" } else { "ns" };
            let mut namespace = Namespace { metadata: meta("", name), ..Namespace::default() };
            let annotations = annotation.map(|a| (ANNOTATION.to_string(), a.to_string()));
            namespace.metadata.annotations = annotations.into_iter().collect();
            let mut request = Request::of::<Pod>(Operation::Create, name, "p");
            request.has(namespace);
            let mut pod = sample::pod("p");
            pod.spec.node_selector = parse(own).expect("labels");
            let found = request.admit(&check, &mut pod).await.map_err(|e| e.to_string());
            match want {
                Ok(want) => {
                    found.expect("admitted");
                    let all = pod.spec.node_selector.iter().map(|(k, v)| format!("{k}={v}"));
                    assert_eq!(all.collect::<Vec<_>>().join(" "), want);
                }
                Err(why) => assert!(found.expect_err("refused").contains(why)),
            }
        }
    }
}
