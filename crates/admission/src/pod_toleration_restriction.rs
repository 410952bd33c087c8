//! PodTolerationRestriction: a namespace's annotations give its pods tolerations, and say which they may
//! have. Off unless enabled.

use crate::check::{Check, Context, Operation};
use crate::tolerations;
use async_trait::async_trait;
use corten_api::core::v1::{Namespace, Pod, Toleration};
use corten_api::{Kind, Object};
use corten_semantics::pod::qos_class;
use corten_semantics::{ApiError, ApiResult};
use serde_json::Value;

const DEFAULTS: &str = "scheduler.alpha.kubernetes.io/defaultTolerations";
const ALLOWED: &str = "scheduler.alpha.kubernetes.io/tolerationsWhitelist";
const MEMORY_PRESSURE: &str = "node.kubernetes.io/memory-pressure";

/// What holds for namespaces that say nothing.
#[derive(Default)]
pub(crate) struct PodTolerationRestriction {
    defaults: Vec<Toleration>,
    allowed: Vec<Toleration>,
}

impl PodTolerationRestriction {
    /// From the check's configuration; `None` when that is malformed.
    pub fn configured(configuration: &Value) -> Option<Self> {
        let list = |key: &str| tolerations::parse(configuration.get(key).unwrap_or(&Value::Null));
        Some(PodTolerationRestriction { defaults: list("default")?, allowed: list("whitelist")? })
    }

    fn judge(&self, context: &Context<'_>, pod: &Pod) -> ApiResult<()> {
        let own = of_namespace(context, ALLOWED)?;
        let scope = if own.is_some() { "namespace" } else { "cluster" };
        let allowed = own.unwrap_or_else(|| self.allowed.clone());
        let fits = |t: &Toleration| allowed.iter().any(|a| tolerations::covers(a, t));
        if allowed.is_empty() || pod.spec.tolerations.iter().all(fits) {
            return Ok(());
        }
        Err(ApiError::internal(format!(
            "pod tolerations (possibly merged with namespace default tolerations) conflict with its {scope} whitelist"
        )))
    }
}

/// The tolerations that an annotation of the namespace lists.
fn of_namespace(context: &Context<'_>, annotation: &str) -> ApiResult<Option<Vec<Toleration>>> {
    let Some(namespace) = context.objects.get::<Namespace>("", context.namespace) else {
        return Err(ApiError::not_found(Namespace::INFO, context.namespace));
    };
    match namespace.metadata.annotations.get(annotation).map(String::as_str) {
        None => Ok(None),
        Some("") => Ok(Some(Vec::new())),
        Some(text) => {
            let value: Value = serde_json::from_str(text).map_err(ApiError::internal)?;
            let wrong = || ApiError::internal(format!("the annotation {annotation} lists no tolerations"));
            tolerations::parse(&value).map(Some).ok_or_else(wrong)
        }
    }
}

#[async_trait]
impl Check for PodTolerationRestriction {
    fn name(&self) -> &'static str {
        "PodTolerationRestriction"
    }

    fn handles(&self, context: &Context<'_>) -> bool {
        matches!(context.operation, Operation::Create | Operation::Update) && context.is_whole::<Pod>()
    }

    async fn admit(&self, context: &Context<'_>, object: &mut dyn Object) -> ApiResult<()> {
        let Some(pod) = object.downcast_mut::<Pod>() else { return Ok(()) };
        let mut extra = Vec::new();
        if context.operation == Operation::Create {
            extra = of_namespace(context, DEFAULTS)?.unwrap_or_else(|| self.defaults.clone());
        }
        if qos_class(pod) != "BestEffort" {
            extra.push(Toleration {
                key: MEMORY_PRESSURE.into(),
                operator: "Exists".into(),
                effect: "NoSchedule".into(),
                ..Toleration::default()
            });
        }
        if !extra.is_empty() {
            pod.spec.tolerations = tolerations::merge(&pod.spec.tolerations, &extra);
        }
        self.judge(context, pod)
    }

    async fn validate(&self, context: &Context<'_>, object: &dyn Object) -> ApiResult<()> {
        let Some(pod) = object.downcast_ref::<Pod>() else { return Ok(()) };
        self.judge(context, pod)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{self, Request, meta};
    use serde_json::json;

    #[tokio::test]
    async fn namespaces_give_and_restrict_tolerations() {
        let mut namespace = Namespace { metadata: meta("", "ns"), ..Namespace::default() };
        let given = json!([{"key": "team", "operator": "Exists"}]).to_string();
        namespace.metadata.annotations.insert(DEFAULTS.into(), given.clone());
        let mut request = Request::of::<Pod>(Operation::Create, "ns", "p");
        request.has(namespace.clone());
        let mut pod = sample::pod("p");
        request.admit(&PodTolerationRestriction::default(), &mut pod).await.expect("admitted");
        assert_eq!(pod.spec.tolerations[0].key, "team");
        let strict = json!({"whitelist": [{"key": "other", "operator": "Exists"}]});
        let strict = PodTolerationRestriction::configured(&strict).expect("valid");
        let refused = request.validate(&strict, &pod).await.expect_err("refused").to_string();
        assert!(refused.contains("conflict with its cluster whitelist"), "{refused}");
        namespace.metadata.annotations.insert(ALLOWED.into(), given);
        let mut request = Request::of::<Pod>(Operation::Create, "ns", "p");
        request.has(namespace);
        request.validate(&strict, &pod).await.expect("the namespace's own list counts");
    }
}
