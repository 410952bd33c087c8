//! A pod's status, from what the runtime shows and the worker remembers (upstream's
//! `generateAPIPodStatus`). Pure; the phase never goes back.

use super::ephemeral;
use super::memory::{Memory, ProbeState};
use super::names::{TERMINATION_FILE, TERMINATION_POLICY};
use super::observed::{Observed, Seen, SeenState};
use super::plan::{has_ended, restarts};
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
}

impl Surroundings {
    fn container_id(&self, id: &str) -> String {
        format!("{}://{id}", self.runtime)
    }
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
    conditions(pod, &mut out, observed, now);
    out
}

/// The phase never goes back, and is final only when nothing runs any more.
fn set_phase(pod: &Pod, out: &mut PodStatus, observed: &Observed, memory: &Memory) {
    let is_final = |phase: &str| matches!(phase, "Succeeded" | "Failed");
    let before = pod.status.phase.as_str();
    if is_final(before) {
        return;
    }
    let replaced =
        |c: &Container| observed.latest(&c.name).is_some_and(|seen| memory.replaced.contains(&seen.id));
    let next = match &memory.failed {
        Some(_) => "Failed",
        None if pod.spec.containers.iter().any(replaced) => "Running",
        None => phase(pod, out),
    };
    let begun = || out.container_statuses.iter().any(|s| s.state.waiting.is_none());
    out.phase = match (next, before) {
        (next, _) if is_final(next) && observed.running().next().is_some() => {
            if before == "Running" || begun() { "Running" } else { "Pending" }
        }
        ("Pending", "Running") => "Running",
        (next, _) => next,
    }
    .into();
    if let Some((reason, message)) = memory.failed.as_ref().filter(|_| is_final(&out.phase)) {
        out.reason = reason.clone();
        out.message = message.clone();
    }
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

fn container_status(
    pod: &Pod,
    c: &Container,
    observed: &Observed,
    memory: &Memory,
    around: &Surroundings,
    init: bool,
) -> ContainerStatus {
    let latest = observed.latest(&c.name);
    let former = former(pod, &c.name);
    if let (None, Some(former)) = (latest, former)
        && former.state.terminated.is_some()
        && corten_semantics::pod::is_terminal(pod)
    {
        // The runtime has forgotten a container whose story was over.
        return former.clone();
    }
    let mut out =
        ContainerStatus { name: c.name.clone(), image: c.image.clone(), ..ContainerStatus::default() };
    out.volume_mounts = c.volume_mounts.iter().map(mount_status).collect();
    out.allocated_resources = c.resources.requests.clone();
    if !c.resources.requests.is_empty() || !c.resources.limits.is_empty() {
        out.resources = Some(Box::new(c.resources.clone()));
    }
    let waits = memory.waiting.get(&c.name);
    if let Some(seen) = latest {
        out.image_id = seen.image_id.clone();
        if let Some(image) = seen.spec_image().or(Some(&seen.image)).filter(|i| !i.is_empty()) {
            out.image = image.to_string();
        }
        out.user = seen.user.as_ref().map(|u| {
            let (uid, gid, supplemental_groups) = (u.uid, u.gid, u.supplemental_groups.clone());
            Box::new(ContainerUser {
                linux: Some(Box::new(LinuxContainerUser { uid, gid, supplemental_groups })),
            })
        });
        out.container_id = around.container_id(&seen.id);
        out.restart_count = i32::try_from(seen.attempt).unwrap_or(i32::MAX);
    } else if let Some(former) = former {
        out.restart_count = former.restart_count;
        out.last_state = former.last_state.clone();
    }
    match latest.map(|s| (s, &s.state)) {
        Some((seen, SeenState::Running { since })) => {
            out.state.running = Some(Box::new(ContainerStateRunning { started_at: Some(Time::new(*since)) }));
            out.started = Some(memory.is_started(&seen.id, c));
            out.ready = memory.is_ready(&seen.id, c);
        }
        Some((seen, SeenState::Exited { .. })) => {
            let ended = terminated(seen, around);
            let done = seen.exit_code().is_some_and(|code| {
                if init && !is_sidecar(c) {
                    code == 0 || pod.spec.restart_policy == "Never"
                } else {
                    !restarts(pod, c, code) && !memory.replaced.contains(&seen.id)
                }
            });
            let over = is_sidecar(c) && has_ended(pod, observed, memory);
            let stopping = pod.metadata.deletion_timestamp.is_some() || memory.failed.is_some() || over;
            if done || stopping {
                out.state.terminated = Some(Box::new(ended));
                out.ready = init && seen.exit_code() == Some(0);
            } else {
                out.state.waiting = Some(Box::new(crash_wait(pod, c, seen, memory)));
                out.last_state.terminated = Some(Box::new(ended));
            }
            out.started = Some(false);
        }
        _ => {
            let init_pending = !init && !pod.spec.init_containers.is_empty();
            let reason = if init_pending { "PodInitializing" } else { "ContainerCreating" };
            out.state.waiting =
                Some(Box::new(ContainerStateWaiting { reason: reason.into(), message: String::new() }));
            out.started = Some(false);
        }
    }
    if let (Some(waits), None, false) = (waits, &out.state.terminated, latest.is_some_and(Seen::is_running)) {
        out.state.waiting = Some(Box::new(ContainerStateWaiting {
            reason: waits.reason.clone(),
            message: waits.message.clone(),
        }));
    }
    if out.last_state.terminated.is_none() {
        out.last_state.terminated = observed
            .previous(&c.name)
            .filter(|p| p.exit_code().is_some())
            .map(|p| Box::new(terminated(p, around)));
    }
    out
}

fn mount_status(mount: &VolumeMount) -> VolumeMountStatus {
    VolumeMountStatus {
        name: mount.name.clone(),
        mount_path: mount.mount_path.clone(),
        read_only: mount.read_only,
        recursive_read_only: mount.read_only.then(|| "Disabled".into()),
    }
}

fn crash_wait(pod: &Pod, c: &Container, seen: &Seen, memory: &Memory) -> ContainerStateWaiting {
    let crashes =
        memory.crashes.get(&c.name).filter(|k| Some(k.counted) == seen.finished() && !k.wait.is_zero());
    match crashes {
        Some(k) => ContainerStateWaiting {
            reason: "CrashLoopBackOff".into(),
            message: format!(
                "back-off {} restarting failed container={} pod={}_{}({})",
                go_duration(k.wait.as_secs()),
                c.name,
                pod.metadata.name,
                pod.metadata.namespace,
                pod.metadata.uid
            ),
        },
        None => ContainerStateWaiting { reason: "ContainerCreating".into(), message: String::new() },
    }
}

/// Seconds as Go prints a duration: `10s`, `1m20s`, `5m0s`.
pub fn go_duration(seconds: u64) -> String {
    if seconds < 60 { format!("{seconds}s") } else { format!("{}m{}s", seconds / 60, seconds % 60) }
}

fn terminated(seen: &Seen, around: &Surroundings) -> ContainerStateTerminated {
    let SeenState::Exited { code, reason, message, started, finished } = &seen.state else {
        return ContainerStateTerminated::default();
    };
    let reason = match (reason.as_str(), code) {
        ("", 0) => "Completed",
        ("", _) => "Error",
        (given, _) => given,
    };
    let words = around.last_words.get(&seen.id).filter(|w| !w.is_empty()).unwrap_or(message);
    ContainerStateTerminated {
        exit_code: *code,
        signal: 0,
        reason: reason.into(),
        message: words.clone(),
        started_at: Some(Time::new(started.unwrap_or(Timestamp::UNIX_EPOCH))),
        finished_at: Some(Time::new(*finished)),
        container_id: around.container_id(&seen.id),
    }
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

fn phase(pod: &Pod, status: &PodStatus) -> &'static str {
    let mut init_pending = false;
    for (c, s) in pod.spec.init_containers.iter().zip(&status.init_container_statuses) {
        if is_sidecar(c) {
            init_pending |= s.started != Some(true) && s.state.terminated.is_none();
            continue;
        }
        match &s.state.terminated {
            Some(t) if t.exit_code == 0 => {}
            Some(_) if pod.spec.restart_policy == "Never" => return "Failed",
            _ => init_pending = true,
        }
    }
    let (mut waiting, mut running, mut stopped, mut succeeded) = (0, 0, 0, 0);
    for s in &status.container_statuses {
        if s.state.running.is_some() {
            running += 1;
        } else if let Some(t) = &s.state.terminated {
            stopped += 1;
            succeeded += usize::from(t.exit_code == 0);
        } else if s.last_state.terminated.is_some() {
            stopped += 1;
        } else {
            waiting += 1;
        }
    }
    match (waiting, running, stopped) {
        _ if init_pending && running == 0 && stopped == 0 => "Pending",
        (w, _, _) if w > 0 => "Pending",
        (_, r, _) if r > 0 => "Running",
        (_, 0, s) if s > 0 => match pod.spec.restart_policy.as_str() {
            "Always" if pod.metadata.deletion_timestamp.is_none() => "Running",
            _ if succeeded == s => "Succeeded",
            "OnFailure" if pod.metadata.deletion_timestamp.is_none() => "Running",
            _ => "Failed",
        },
        _ => "Pending",
    }
}

fn conditions(pod: &Pod, status: &mut PodStatus, observed: &Observed, now: Timestamp) {
    let ended = matches!(status.phase.as_str(), "Succeeded" | "Failed");
    let names = |list: Vec<&str>| format!("[{}]", list.join(" "));
    let not_ready: Vec<&str> =
        status.container_statuses.iter().filter(|s| !s.ready).map(|s| s.name.as_str()).collect();
    let incomplete: Vec<&str> = pod
        .spec
        .init_containers
        .iter()
        .zip(&status.init_container_statuses)
        .filter(|(c, s)| {
            if is_sidecar(c) {
                s.started != Some(true)
            } else {
                s.state.terminated.as_ref().is_none_or(|t| t.exit_code != 0)
            }
        })
        .map(|(_, s)| s.name.as_str())
        .collect();
    let begun =
        status.container_statuses.iter().any(|s| s.state.running.is_some() || s.state.terminated.is_some());
    let initialized = if incomplete.is_empty() || begun {
        ("True", String::new(), String::new())
    } else {
        (
            "False",
            "ContainersNotInitialized".into(),
            format!("containers with incomplete status: {}", names(incomplete)),
        )
    };
    let ready = match status.phase.as_str() {
        "Succeeded" => ("False", "PodCompleted".to_string(), String::new()),
        "Failed" => ("False", "PodFailed".to_string(), String::new()),
        _ if not_ready.is_empty() => ("True", String::new(), String::new()),
        _ => (
            "False",
            "ContainersNotReady".into(),
            format!("containers with unready status: {}", names(not_ready)),
        ),
    };
    let initialized = if status.phase == "Succeeded" {
        ("True", "PodCompleted".into(), String::new())
    } else {
        initialized
    };
    let gates = gates(pod, status);
    let overall = if ready.0 == "True" && !gates.is_empty() {
        ("False", "ReadinessGatesNotReady".into(), gates)
    } else {
        ready.clone()
    };
    let sandbox = observed.sandbox().is_some_and(|s| pod.spec.host_network || !s.ips.is_empty()) && !ended;
    let sandbox = (if sandbox { "True" } else { "False" }, String::new(), String::new());
    let generation = pod.metadata.generation;
    for (kind, value) in [
        ("PodReadyToStartContainers", sandbox),
        ("Initialized", initialized),
        ("Ready", overall),
        ("ContainersReady", ready),
    ] {
        set(&mut status.conditions, kind, value, generation, now);
    }
    if !status.conditions.iter().any(|c| c.type_ == "PodScheduled") {
        set(&mut status.conditions, "PodScheduled", ("True", String::new(), String::new()), generation, now);
    }
}

fn gates(pod: &Pod, status: &PodStatus) -> String {
    let lacking: Vec<String> = pod
        .spec
        .readiness_gates
        .iter()
        .filter_map(|g| {
            let found = status.conditions.iter().find(|c| c.type_ == g.condition_type);
            match found.map(|c| c.status.as_str()) {
                Some("True") => None,
                Some(_) => Some(format!(
                    "the status of pod readiness gate \"{}\" is not \"True\", but False",
                    g.condition_type
                )),
                None => Some(format!(
                    "corresponding condition of pod readiness gate \"{}\" does not exist.",
                    g.condition_type
                )),
            }
        })
        .collect();
    lacking.join(", ")
}

fn set(
    conditions: &mut Vec<PodCondition>,
    kind: &str,
    (status, reason, message): (&str, String, String),
    generation: i64,
    now: Timestamp,
) {
    let old = conditions.iter_mut().find(|c| c.type_ == kind);
    let since = match &old {
        Some(c) if c.status == status => c.last_transition_time,
        _ => Some(Time::new(now)),
    };
    let condition = PodCondition {
        type_: kind.into(),
        status: status.into(),
        observed_generation: generation,
        last_transition_time: since,
        reason,
        message,
        ..PodCondition::default()
    };
    match old {
        Some(c) => *c = condition,
        None => conditions.push(condition),
    }
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
mod tests {
    use super::*;
    use crate::pod::observed::Sandbox;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).expect("in range")
    }

    fn pod(policy: &str) -> Pod {
        let mut pod = Pod::default();
        pod.spec.restart_policy = policy.into();
        pod.spec.containers = vec![Container { name: "a".into(), ..Container::default() }];
        pod
    }

    fn seen(attempt: u32, state: SeenState) -> Seen {
        Seen {
            id: format!("a{attempt}"),
            sandbox: "s".into(),
            name: "a".into(),
            attempt,
            state,
            image: String::new(),
            image_id: String::new(),
            annotations: Default::default(),
            user: None,
            limits: None,
            stop_signal: 0,
        }
    }

    fn exited(code: i32) -> SeenState {
        SeenState::Exited {
            code,
            reason: String::new(),
            message: String::new(),
            started: Some(at(1)),
            finished: at(2),
        }
    }

    fn look(pod: &Pod, containers: Vec<Seen>) -> PodStatus {
        let sandboxes =
            vec![Sandbox { id: "s".into(), attempt: 0, ready: true, ips: vec!["10.0.0.5".into()] }];
        let observed = Observed { sandboxes, containers };
        status(pod, &observed, &Memory::new(at(0)), &Surroundings::default(), at(10))
    }

    fn condition<'a>(s: &'a PodStatus, kind: &str) -> (&'a str, &'a str) {
        s.conditions
            .iter()
            .find(|c| c.type_ == kind)
            .map(|c| (c.status.as_str(), c.reason.as_str()))
            .expect(kind)
    }

    #[test]
    fn phases_follow_the_containers() {
        let running = SeenState::Running { since: at(1) };
        for (policy, state, want) in [
            ("Always", None, "Pending"),
            ("Always", Some(running.clone()), "Running"),
            ("Always", Some(exited(1)), "Running"),
            ("Never", Some(exited(1)), "Failed"),
            ("Never", Some(exited(0)), "Succeeded"),
            ("OnFailure", Some(exited(1)), "Running"),
            ("OnFailure", Some(exited(0)), "Succeeded"),
        ] {
            let got = look(&pod(policy), state.iter().cloned().map(|s| seen(0, s)).collect());
            assert_eq!(got.phase, want, "{policy} {state:?}");
        }
    }

    #[test]
    fn a_running_pod_is_ready_and_has_its_address() {
        let s = look(&pod("Always"), vec![seen(0, SeenState::Running { since: at(1) })]);
        assert_eq!(condition(&s, "Ready"), ("True", ""));
        assert_eq!(condition(&s, "PodReadyToStartContainers"), ("True", ""));
        assert_eq!(s.pod_ip, "10.0.0.5");
        let s = look(&pod("Always"), vec![]);
        assert_eq!(condition(&s, "Ready"), ("False", "ContainersNotReady"));
    }

    #[test]
    fn a_restarted_container_shows_its_former_end() {
        let s = look(&pod("Always"), vec![seen(1, SeenState::Running { since: at(5) }), seen(0, exited(3))]);
        let c = &s.container_statuses[0];
        assert_eq!(c.restart_count, 1);
        assert_eq!(c.last_state.terminated.as_ref().map(|t| t.exit_code), Some(3));
    }

    #[test]
    fn the_phase_never_goes_back() {
        let mut p = pod("Never");
        p.status.phase = "Failed".into();
        assert_eq!(look(&p, vec![seen(0, SeenState::Running { since: at(1) })]).phase, "Failed");
        p.status.phase = "Running".into();
        assert_eq!(look(&p, vec![]).phase, "Running");
    }

    #[test]
    fn a_phase_is_final_only_when_nothing_runs() {
        let mut memory = Memory::new(at(0));
        memory.failed = Some(("DeadlineExceeded".into(), "late".into()));
        let look = |state: SeenState| {
            let observed = Observed { sandboxes: vec![], containers: vec![seen(0, state)] };
            let s = status(&pod("Always"), &observed, &memory, &Surroundings::default(), at(10));
            (s.phase, s.reason)
        };
        assert_eq!(look(SeenState::Running { since: at(1) }), ("Running".into(), "".into()));
        assert_eq!(look(exited(137)), ("Failed".into(), "DeadlineExceeded".into()));
    }
}
