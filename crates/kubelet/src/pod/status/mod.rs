//! A pod's status, from what the runtime shows and the worker remembers (upstream's
//! `generateAPIPodStatus`). Pure; the phase never goes back.

mod conditions;
mod container;
mod phase;

use self::conditions::conditions;
use self::container::container_status;
use self::phase::set_phase;
use super::ephemeral;
use super::memory::{Memory, ProbeState};
use super::names::{TERMINATION_FILE, TERMINATION_POLICY};
use super::observed::{Observed, Seen, SeenState};
use crate::orders::PREEMPTED;
use corten_api::core::v1::*;
use corten_api::{Kind, Time};
use corten_semantics::pod::is_sidecar;
use jiff::Timestamp;

/// What the node adds.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    pub host_ip: String,
    /// The runtime's name: the scheme of containers' ids.
    pub runtime: String,
    /// Reads the last words of an ended container: the file's path, and whether logs may stand in.
    pub last_words: std::collections::HashMap<String, String>,
    /// The runtime can make mounts read-only with all that is mounted below.
    pub recursive_read_only: bool,
}

impl Surroundings {
    fn container_id(&self, id: &str) -> String {
        format!("{}://{id}", self.runtime)
    }
}

/// Tells that an order ends the pod, where it is no fault of the pod's.
fn disruption(pod: &Pod, out: &mut PodStatus, memory: &Memory, now: Timestamp) {
    let Some(order) = memory.order.as_ref().filter(|o| o.disruption) else { return };
    let is_it = |c: &&PodCondition| c.type_ == "DisruptionTarget" && c.status == "True";
    let since = pod.status.conditions.iter().find(is_it).and_then(|c| c.last_transition_time);
    out.conditions.retain(|c| c.type_ != "DisruptionTarget");
    out.conditions.push(PodCondition {
        type_: "DisruptionTarget".into(),
        status: "True".into(),
        reason: "TerminationByKubelet".into(),
        message: match order.reason.as_str() {
            PREEMPTED => "Pod was preempted by Kubelet to accommodate a critical pod.".into(),
            _ => order.message.clone(),
        },
        observed_generation: pod.metadata.generation,
        last_transition_time: since.or(Some(Time::new(now))),
        ..PodCondition::default()
    });
}

/// The status to write.
pub fn status(
    pod: &Pod,
    observed: &Observed,
    memory: &Memory,
    around: &Surroundings,
    now: Timestamp,
) -> PodStatus {
    let mut out = pod.status.clone();
    if observed.containers.is_empty() {
        if corten_semantics::pod::is_terminal(pod) {
            return out;
        }
        if let (true, Some((reason, message))) = (memory.rejected, &memory.failed) {
            out.phase = "Failed".into();
            out.reason = reason.clone();
            out.message = format!("Pod was rejected: {message}");
            out.start_time = Some(Time::new(memory.started));
            out.observed_generation = pod.metadata.generation;
            out.qos_class = corten_semantics::pod::qos_class(pod).into();
            return out;
        }
    }
    out.observed_generation = pod.metadata.generation;
    out.start_time = out.start_time.or(Some(Time::new(memory.started)));
    out.host_ip = around.host_ip.clone();
    out.host_ips = vec![HostIP { ip: around.host_ip.clone() }];
    let ips = pod_ips(pod, observed, around);
    if !ips.is_empty() {
        out.pod_ip = ips[0].clone();
        out.pod_ips = ips.into_iter().map(|ip| PodIP { ip }).collect();
    }
    out.qos_class = corten_semantics::pod::qos_class(pod).into();
    let one = |c: &Container, init: bool| container_status(pod, c, observed, memory, around, init);
    out.init_container_statuses = pod.spec.init_containers.iter().map(|c| one(c, true)).collect();
    let looking = pod.spec.ephemeral_containers.iter().map(ephemeral::container);
    out.ephemeral_container_statuses =
        looking.map(|c| ContainerStatus { ready: false, started: None, ..one(&c, false) }).collect();
    out.container_statuses = pod.spec.containers.iter().map(|c| one(c, false)).collect();
    set_phase(pod, &mut out, observed, memory);
    disruption(pod, &mut out, memory, now);
    conditions(pod, &mut out, observed, now);
    conditions::resize(&mut out, &memory.resize, now);
    out
}

/// What the pod's status tells of the probes of a container that has been running since an earlier kubelet.
pub fn known_probes(pod: &Pod, id: &str) -> ProbeState {
    let status = &pod.status;
    let mut all = status.container_statuses.iter().chain(&status.init_container_statuses);
    match all.find(|s| s.state.running.is_some() && s.container_id.ends_with(&format!("://{id}"))) {
        Some(s) => ProbeState {
            started: s.started.filter(|started| *started),
            ready: s.ready.then_some(true),
            restart: None,
        },
        None => ProbeState::default(),
    }
}

fn pod_ips(pod: &Pod, observed: &Observed, around: &Surroundings) -> Vec<String> {
    if pod.spec.host_network {
        return observed.sandbox().map(|_| vec![around.host_ip.clone()]).unwrap_or_default();
    }
    observed.sandbox().map(|s| s.ips.clone()).unwrap_or_default()
}

/// What the status says of a container so far.
pub fn former<'a>(pod: &'a Pod, name: &str) -> Option<&'a ContainerStatus> {
    let status = &pod.status;
    let usual = status.container_statuses.iter().chain(&status.init_container_statuses);
    usual.chain(&status.ephemeral_container_statuses).find(|s| s.name == name)
}

/// The last words of an ended container as the pod's status already has them.
pub fn known_words(pod: &Pod, id: &str) -> Option<String> {
    let status = &pod.status;
    let usual = status.container_statuses.iter().chain(&status.init_container_statuses);
    let all = usual.chain(&status.ephemeral_container_statuses);
    let mut ends = all.flat_map(|s| s.state.terminated.iter().chain(&s.last_state.terminated));
    ends.find(|t| t.container_id.ends_with(&format!("://{id}"))).map(|t| t.message.clone())
}

/// Which file holds an ended container's last words, and whether its log may stand in for it.
pub fn last_words_of(seen: &Seen) -> Option<(&str, bool)> {
    let file = seen.annotations.get(TERMINATION_FILE)?;
    let logs = seen.annotations.get(TERMINATION_POLICY).is_some_and(|p| p == "FallbackToLogsOnError");
    Some((file, logs && seen.exit_code() != Some(0)))
}

/// The reference of an event about one container.
pub fn container_reference(pod: &Pod, container: &str) -> ObjectReference {
    let init = pod.spec.init_containers.iter().any(|c| c.name == container);
    let list = match (init, pod.spec.containers.iter().any(|c| c.name == container)) {
        (true, _) => "initContainers",
        (_, true) => "containers",
        _ => "ephemeralContainers",
    };
    ObjectReference {
        kind: Pod::INFO.kind.into(),
        api_version: "v1".into(),
        namespace: pod.metadata.namespace.clone(),
        name: pod.metadata.name.clone(),
        uid: pod.metadata.uid.clone(),
        resource_version: pod.metadata.resource_version.clone(),
        field_path: format!("spec.{list}{{{container}}}"),
    }
}

#[cfg(test)]
mod tests;
