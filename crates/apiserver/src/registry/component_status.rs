//! ComponentStatuses, stored nowhere: how the parts of the control plane are (deprecated upstream since v1.19, but
//! `kubectl get componentstatuses` still asks). Scheduler and controllers are tasks of the process that answers.

use std::sync::Arc;

use corten_api::core::v1::{ComponentCondition, ComponentStatus};
use corten_api::{Kind, KindInfo, Object};
use corten_semantics::ApiError;

use super::Registry;

pub(super) fn is_component_status(kind: &KindInfo) -> bool {
    *kind == *ComponentStatus::INFO
}

/// Upstream's answer to a name that is no component: not a 404.
pub(super) fn no_such_component(name: &str) -> ApiError {
    ApiError::new(500, "", format!("Component not found: {name}"))
}

impl Registry {
    pub(super) async fn component_statuses(&self) -> Vec<Arc<dyn Object>> {
        let store = self.store().oldest_revision().await.map(drop).map_err(|e| e.to_string());
        vec![
            component("controller-manager", Ok(())),
            component("etcd-0", store),
            component("scheduler", Ok(())),
        ]
    }
}

fn component(name: &str, outcome: Result<(), String>) -> Arc<dyn Object> {
    let mut component = ComponentStatus::default();
    component.metadata.name = name.to_string();
    let healthy = if outcome.is_ok() { "True" } else { "False" };
    component.conditions.push(ComponentCondition {
        type_: "Healthy".to_string(),
        status: healthy.to_string(),
        message: if outcome.is_ok() { "ok".to_string() } else { String::new() },
        error: outcome.err().unwrap_or_default(),
    });
    Arc::new(component)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_says_why() {
        let seen = component("etcd-0", Err("disk full".into()));
        let text = format!("{seen:?}");
        assert!(text.contains(r#"status: "False""#) && text.contains("disk full"), "{text}");
    }
}
