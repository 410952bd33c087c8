//! A pod's row in a table: ready containers, the status in one word, restarts.

use crate::columns::{self, AGE, Column, NAME, or_none, row};
use corten_api::Time;
use corten_api::core::v1::{ContainerState, ContainerStateTerminated, ContainerStatus, Pod};
use jiff::Timestamp;
use serde_json::Value;

pub(super) const COLUMNS: &[Column] = &[
    NAME,
    Column::text("Ready"),
    Column::text("Status"),
    Column::text("Restarts"),
    AGE,
    Column::text("IP").wide(),
    Column::text("Node").wide(),
    Column::text("Nominated Node").wide(),
    Column::text("Readiness Gates").wide(),
];

/// Restarts and when the last one was.
#[derive(Clone, Copy, Default)]
struct Restarts {
    count: i32,
    last: Option<Time>,
}

impl Restarts {
    fn add(&mut self, status: &ContainerStatus) {
        self.count += status.restart_count;
        self.last = self.last.max(status.last_state.terminated.as_ref().and_then(|t| t.finished_at));
    }
}

/// What the containers say together.
struct Summary {
    reason: String,
    ready: usize,
    restarts: Restarts,
}

pub(super) fn row(pod: &Pod, now: Timestamp) -> Vec<Value> {
    let sidecars = pod.spec.init_containers.iter().filter(|c| is_sidecar(pod, &c.name)).count();
    let total = pod.spec.containers.len() + sidecars;
    let Summary { reason, ready, restarts } = summary(pod);
    let restarts = match restarts.last.filter(|_| restarts.count != 0) {
        Some(last) => format!("{} ({} ago)", restarts.count, columns::age(Some(last), now)),
        None => restarts.count.to_string(),
    };
    let ip = pod.status.pod_ips.first().map_or("", |ip| &ip.ip);
    row![
        pod.metadata.name.as_str(),
        format!("{ready}/{total}"),
        reason,
        restarts,
        columns::age(pod.metadata.creation_timestamp, now),
        or_none(ip),
        or_none(pod.spec.node_name.as_str()),
        or_none(pod.status.nominated_node_name.as_str()),
        readiness_gates(pod),
    ]
}

fn is_sidecar(pod: &Pod, name: &str) -> bool {
    let found = pod.spec.init_containers.iter().find(|c| c.name == name);
    found.is_some_and(|c| c.restart_policy.as_deref() == Some("Always"))
}

fn has_condition(pod: &Pod, type_: &str) -> bool {
    pod.status.conditions.iter().any(|c| c.type_ == type_ && c.status == "True")
}

fn summary(pod: &Pod) -> Summary {
    let gated = |reason: String| {
        let has = |c: &corten_api::core::v1::PodCondition| {
            c.type_ == "PodScheduled" && c.reason == "SchedulingGated"
        };
        if pod.status.conditions.iter().any(has) { "SchedulingGated".into() } else { reason }
    };
    let told = if pod.status.reason.is_empty() { &pod.status.phase } else { &pod.status.reason };
    let mut out = Summary { reason: gated(told.clone()), ready: 0, restarts: Restarts::default() };
    let initializing = initialization(pod, &mut out);
    if !initializing || has_condition(pod, "Initialized") {
        running(pod, &mut out);
    }
    let ended = matches!(pod.status.phase.as_str(), "Failed" | "Succeeded");
    if pod.metadata.deletion_timestamp.is_some() {
        if pod.status.reason == "NodeLost" {
            out.reason = "Unknown".into();
        } else if !ended {
            out.reason = "Terminating".into();
        }
    }
    out
}

/// Looks at the init containers; tells whether they still run. Once they are through, only sidecars' restarts
/// count.
fn initialization(pod: &Pod, out: &mut Summary) -> bool {
    let mut all = Restarts::default();
    let mut of_sidecars = Restarts::default();
    let mut waiting = None;
    for (i, status) in pod.status.init_container_statuses.iter().enumerate() {
        let sidecar = is_sidecar(pod, &status.name);
        all.add(status);
        if sidecar {
            of_sidecars.add(status);
        }
        let ContainerState { waiting: wait, terminated, .. } = &status.state;
        let wait = wait.as_ref().map_or("", |w| w.reason.as_str());
        match terminated.as_deref() {
            Some(t) if t.exit_code == 0 => continue,
            _ if sidecar && status.started == Some(true) => {
                out.ready += usize::from(status.ready);
                continue;
            }
            Some(t) => waiting = Some(format!("Init:{}", end(t))),
            None if !wait.is_empty() && wait != "PodInitializing" => waiting = Some(format!("Init:{wait}")),
            None => waiting = Some(format!("Init:{i}/{}", pod.spec.init_containers.len())),
        }
        break;
    }
    let initializing = waiting.is_some();
    if let Some(reason) = waiting {
        out.reason = reason;
    }
    out.restarts = if initializing && !has_condition(pod, "Initialized") { all } else { of_sidecars };
    initializing
}

/// How a container ended, in one word.
fn end(t: &ContainerStateTerminated) -> String {
    match (t.reason.is_empty(), t.signal) {
        (false, _) => t.reason.clone(),
        (true, 0) => format!("ExitCode:{}", t.exit_code),
        (true, signal) => format!("Signal:{signal}"),
    }
}

fn running(pod: &Pod, out: &mut Summary) {
    let (mut runs, mut failure) = (false, String::new());
    for status in pod.status.container_statuses.iter().rev() {
        out.restarts.add(status);
        let ContainerState { waiting, terminated, running } = &status.state;
        match (waiting.as_deref().filter(|w| !w.reason.is_empty()), terminated.as_deref()) {
            (Some(w), _) => out.reason = w.reason.clone(),
            (None, Some(t)) => {
                out.reason = end(t);
                if t.exit_code != 0 {
                    failure = out.reason.clone();
                }
            }
            (None, None) if status.ready && running.is_some() => {
                runs = true;
                out.ready += 1;
            }
            (None, None) => {}
        }
    }
    if out.reason == "Completed" {
        if runs && has_condition(pod, "Ready") {
            out.reason = "Running".into();
        } else if !failure.is_empty() {
            out.reason = failure;
        } else if runs {
            out.reason = "NotReady".into();
        }
    }
}

fn readiness_gates(pod: &Pod) -> String {
    let gates = &pod.spec.readiness_gates;
    if gates.is_empty() {
        return "<none>".into();
    }
    let open = gates.iter().filter(|g| has_condition(pod, &g.condition_type)).count();
    format!("{open}/{}", gates.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::core::v1::{
        Container, ContainerStateRunning, ContainerStateWaiting, PodCondition, PodStatus,
    };

    fn waiting(reason: &str) -> ContainerState {
        let w = ContainerStateWaiting { reason: reason.into(), ..Default::default() };
        ContainerState { waiting: Some(Box::new(w)), ..Default::default() }
    }

    fn ended(exit_code: i32, reason: &str) -> ContainerState {
        let t = ContainerStateTerminated { exit_code, reason: reason.into(), ..Default::default() };
        ContainerState { terminated: Some(Box::new(t)), ..Default::default() }
    }

    fn runs() -> ContainerState {
        ContainerState { running: Some(Box::new(ContainerStateRunning::default())), ..Default::default() }
    }

    fn status(state: ContainerState, ready: bool) -> ContainerStatus {
        ContainerStatus { name: "c".into(), state, ready, restart_count: 2, ..Default::default() }
    }

    #[test]
    fn the_status_is_one_word_as_upstreams() {
        type Rows = Vec<(&'static str, Vec<ContainerStatus>, Vec<ContainerStatus>, bool, &'static str)>;
        let rows: Rows = vec![
            ("Pending", vec![], vec![], false, "0/1 Pending 0"),
            ("Running", vec![], vec![status(runs(), true)], false, "1/1 Running 2"),
            (
                "Running",
                vec![],
                vec![status(waiting("CrashLoopBackOff"), false)],
                false,
                "0/1 CrashLoopBackOff 2",
            ),
            ("Pending", vec![status(waiting(""), false)], vec![], false, "0/1 Init:0/1 2"),
            ("Pending", vec![status(ended(1, "Error"), false)], vec![], false, "0/1 Init:Error 2"),
            ("Succeeded", vec![], vec![status(ended(0, "Completed"), false)], false, "0/1 Completed 2"),
            ("Failed", vec![], vec![status(ended(3, ""), false)], false, "0/1 ExitCode:3 2"),
            ("Running", vec![], vec![status(runs(), true)], true, "1/1 Terminating 2"),
        ];
        for (phase, init, main, dying, want) in rows {
            let mut pod = Pod::default();
            pod.spec.containers.push(Container::default());
            pod.spec.init_containers = init.iter().map(|_| Container::default()).collect();
            pod.status = PodStatus {
                phase: phase.into(),
                init_container_statuses: init,
                container_statuses: main,
                ..Default::default()
            };
            pod.status.conditions.push(PodCondition {
                type_: "Ready".into(),
                status: "True".into(),
                ..Default::default()
            });
            pod.metadata.deletion_timestamp = dying.then(Time::default);
            let cells = row(&pod, Timestamp::UNIX_EPOCH);
            let got: Vec<&str> = cells[1..4].iter().filter_map(Value::as_str).collect();
            assert_eq!(got.join(" "), want);
        }
    }
}
