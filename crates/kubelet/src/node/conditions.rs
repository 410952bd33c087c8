//! The node's conditions, and whether its status is worth writing.

use corten_api::Time;
use corten_api::core::v1::{NodeCondition, NodeStatus};
use jiff::Timestamp;

/// Each kind of pressure: reason and message where there is some, and where there is none.
const PRESSURE: [(&str, [&str; 2], [&str; 2]); 3] = [
    (
        "MemoryPressure",
        ["KubeletHasInsufficientMemory", "kubelet has insufficient memory available"],
        ["KubeletHasSufficientMemory", "kubelet has sufficient memory available"],
    ),
    (
        "DiskPressure",
        ["KubeletHasDiskPressure", "kubelet has disk pressure"],
        ["KubeletHasNoDiskPressure", "kubelet has no disk pressure"],
    ),
    (
        "PIDPressure",
        ["KubeletHasInsufficientPID", "kubelet has insufficient PID available"],
        ["KubeletHasSufficientPID", "kubelet has sufficient PID available"],
    ),
];

/// The conditions, given why the node is not ready (if it is not) and what it lacks. Times of those that did
/// not change stay.
pub fn conditions(
    old: &[NodeCondition],
    trouble: Option<&str>,
    pressure: &[&str],
    now: Timestamp,
) -> Vec<NodeCondition> {
    let now = Time::new(now);
    let ready = match trouble {
        None => ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
        Some(why) => ("Ready", "False", "KubeletNotReady", why),
    };
    let lacks = PRESSURE.iter().map(|(kind, some, none)| {
        let (status, words) = if pressure.contains(kind) { ("True", some) } else { ("False", none) };
        (*kind, status, words[0], words[1])
    });
    let wanted: Vec<_> = lacks.chain([ready]).collect();
    let mut out: Vec<NodeCondition> =
        old.iter().filter(|o| wanted.iter().all(|w| w.0 != o.type_)).cloned().collect();
    for (kind, status, reason, message) in wanted {
        let same = old.iter().find(|o| o.type_ == kind && o.status == status);
        out.push(NodeCondition {
            type_: kind.into(),
            status: status.into(),
            reason: reason.into(),
            message: message.into(),
            last_heartbeat_time: Some(now),
            last_transition_time: same.and_then(|s| s.last_transition_time).or(Some(now)),
        });
    }
    out
}

/// Whether the node is ready.
pub fn is_ready(conditions: &[NodeCondition]) -> bool {
    conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True")
}

/// The reasons of the events that a change of conditions is worth.
pub fn events(before: &[NodeCondition], after: &[NodeCondition]) -> Vec<&'static str> {
    let changed = |c: &&NodeCondition| {
        let was = before.iter().find(|b| b.type_ == c.type_).map(|b| b.status.as_str());
        was != Some(c.status.as_str())
    };
    let reason = |c: &NodeCondition| match (c.type_.as_str(), c.status.as_str()) {
        ("MemoryPressure", "True") => Some("NodeHasInsufficientMemory"),
        ("MemoryPressure", _) => Some("NodeHasSufficientMemory"),
        ("DiskPressure", "True") => Some("NodeHasDiskPressure"),
        ("DiskPressure", _) => Some("NodeHasNoDiskPressure"),
        ("PIDPressure", "True") => Some("NodeHasInsufficientPID"),
        ("PIDPressure", _) => Some("NodeHasSufficientPID"),
        ("Ready", "True") => Some("NodeReady"),
        ("Ready", _) => Some("NodeNotReady"),
        _ => None,
    };
    after.iter().filter(changed).filter_map(reason).collect()
}

/// Whether two statuses differ in more than the times of heartbeats.
pub fn changed(before: &NodeStatus, after: &NodeStatus) -> bool {
    let still = |status: &NodeStatus| {
        let mut status = status.clone();
        status.conditions.iter_mut().for_each(|c| c.last_heartbeat_time = None);
        status.conditions.sort_by(|a, b| a.type_.cmp(&b.type_));
        status
    };
    still(before) != still(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: i64) -> Timestamp {
        Timestamp::from_second(s).expect("in range")
    }

    #[test]
    fn conditions_keep_the_time_of_their_last_change() {
        let first = conditions(&[], Some("runtime is down"), &[], at(1));
        let of =
            |c: &[NodeCondition], kind: &str| c.iter().find(|c| c.type_ == kind).cloned().expect("there");
        assert_eq!(of(&first, "Ready").reason, "KubeletNotReady");
        assert!(!is_ready(&first));
        let second = conditions(&first, None, &["DiskPressure"], at(2));
        let third = conditions(&second, None, &["DiskPressure"], at(3));
        assert_eq!(of(&third, "Ready").last_transition_time, Some(at(2).into()));
        assert_eq!(of(&third, "Ready").last_heartbeat_time, Some(at(3).into()));
        assert_eq!(of(&third, "DiskPressure").message, "kubelet has disk pressure");
        assert_eq!(of(&third, "MemoryPressure").last_transition_time, Some(at(1).into()));
        assert_eq!(events(&first, &second), ["NodeHasDiskPressure", "NodeReady"]);
        assert!(events(&second, &third).is_empty());
    }

    #[test]
    fn a_heartbeat_alone_is_no_change() {
        let with = |c| NodeStatus { conditions: c, ..NodeStatus::default() };
        let first = conditions(&[], None, &[], at(1));
        let second = conditions(&first, None, &[], at(9));
        assert!(!changed(&with(first.clone()), &with(second)));
        let third = conditions(&first, None, &["PIDPressure"], at(9));
        assert!(changed(&with(first), &with(third)));
    }
}
