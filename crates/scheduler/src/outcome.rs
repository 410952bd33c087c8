//! What the API is told about a pod that got no node.

use crate::pod_info::PodInfo;
use corten_api::Time;
use corten_semantics::pod::condition;
use serde_json::json;

/// Events hold no more than this many bytes of text.
const LONGEST_NOTE: usize = 1024;

/// Why a pod got no node, as its condition's reason says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The plugins turned it down.
    Unschedulable,
    /// Something went wrong.
    SchedulerError,
}

impl Reason {
    fn text(self) -> &'static str {
        match self {
            Reason::Unschedulable => "Unschedulable",
            Reason::SchedulerError => "SchedulerError",
        }
    }
}

/// The patch of the pod's status that sets `PodScheduled` to false, and the node on which room is made for
/// it where that changes; `None` when the status says all that already.
pub fn condition_patch(
    pod: &PodInfo,
    reason: Reason,
    message: &str,
    nominated: Option<&str>,
    now: Time,
) -> Option<Vec<u8>> {
    let nominated = nominated.filter(|name| **name != *pod.pod.status.nominated_node_name);
    let old = condition(&pod.pod, "PodScheduled");
    let still_false = old.filter(|c| c.status == "False");
    let same = still_false.is_some_and(|c| c.reason == reason.text() && c.message == message);
    if same && nominated.is_none() {
        return None;
    }
    let since = still_false.and_then(|c| c.last_transition_time).unwrap_or(now);
    let mut condition = json!({
        "type": "PodScheduled",
        "status": "False",
        "reason": reason.text(),
        "message": message,
        "lastProbeTime": null,
        "lastTransitionTime": since.to_string(),
    });
    if pod.pod.metadata.generation > 0 {
        condition["observedGeneration"] = pod.pod.metadata.generation.into();
    }
    // With the UID, the patch cannot reach a later pod of the same name.
    let mut patch = json!({ "metadata": { "uid": pod.uid() }, "status": { "conditions": [condition] } });
    if let Some(name) = nominated {
        let name = if name.is_empty() { serde_json::Value::Null } else { name.into() };
        patch["status"]["nominatedNodeName"] = name;
    }
    Some(patch.to_string().into_bytes())
}

/// The patch of a pod's status that says why it is removed for another one.
pub fn preempted_patch(victim: &PodInfo, preemptor: &PodInfo, now: Time) -> Vec<u8> {
    let who = &preemptor.pod.spec.scheduler_name;
    let mut condition = json!({
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "PreemptionByScheduler",
        "message": format!("{who}: preempting to accommodate a higher priority pod"),
        "lastProbeTime": null,
        "lastTransitionTime": now.to_string(),
    });
    if victim.pod.metadata.generation > 0 {
        condition["observedGeneration"] = victim.pod.metadata.generation.into();
    }
    let patch = json!({ "metadata": { "uid": victim.uid() }, "status": { "conditions": [condition] } });
    patch.to_string().into_bytes()
}

/// A text that fits into an event.
pub fn note(message: &str) -> String {
    const CUT: &str = " ...";
    if message.len() <= LONGEST_NOTE {
        return message.to_string();
    }
    let mut end = LONGEST_NOTE - CUT.len();
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{CUT}", &message[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugins::testing::pod;
    use corten_api::core::v1::PodCondition;
    use std::sync::Arc;

    fn with(conditions: Vec<PodCondition>) -> PodInfo {
        let mut pod = pod("p", 0);
        pod.metadata.generation = 2;
        pod.status.conditions = conditions;
        PodInfo::new(Arc::new(pod))
    }

    fn scheduled(status: &str, message: &str) -> PodCondition {
        PodCondition {
            type_: "PodScheduled".into(),
            status: status.into(),
            reason: "Unschedulable".into(),
            message: message.into(),
            last_transition_time: Some("2026-01-01T00:00:00Z".parse().expect("valid")),
            ..PodCondition::default()
        }
    }

    #[test]
    fn the_condition_is_written_when_it_changes_and_keeps_its_time() {
        let now: Time = "2026-01-02T00:00:00Z".parse().expect("valid");
        let written = |pod: &PodInfo| -> Option<serde_json::Value> {
            let patch = condition_patch(pod, Reason::Unschedulable, "why", Some(""), now)?;
            Some(
                serde_json::from_slice::<serde_json::Value>(&patch).expect("valid")["status"]["conditions"]
                    [0]
                .clone(),
            )
        };
        let fresh = written(&with(vec![])).expect("new");
        assert_eq!(fresh["lastTransitionTime"], "2026-01-02T00:00:00Z");
        assert_eq!((&fresh["reason"], &fresh["observedGeneration"]), (&json!("Unschedulable"), &json!(2)));
        let other = written(&with(vec![scheduled("False", "other")])).expect("changed");
        assert_eq!(other["lastTransitionTime"], "2026-01-01T00:00:00Z");
        let told = with(vec![scheduled("False", "why")]);
        assert_eq!(written(&told), None);
        let nominated = condition_patch(&told, Reason::Unschedulable, "why", Some("n1"), now).expect("new");
        assert!(String::from_utf8_lossy(&nominated).contains("\"nominatedNodeName\":\"n1\""));
    }

    #[test]
    fn long_notes_are_cut() {
        assert_eq!(note("short"), "short");
        let long = note(&"é".repeat(1000));
        assert!(long.len() <= 1024 && long.ends_with(" ..."));
    }
}
