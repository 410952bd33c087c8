//! The status of one container.

use super::*;
use crate::pod::memory::Waiting;
use crate::pod::mounts::recursive_read_only;
use crate::pod::plan::{has_ended, restarts};

pub(super) fn container_status(
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
    out.volume_mounts = c.volume_mounts.iter().map(|m| mount_status(m, around)).collect();
    out.allocated_resources = c.resources.requests.clone();
    if !c.resources.requests.is_empty() || !c.resources.limits.is_empty() {
        // While a change is under way, a running container has what it had.
        let held = latest.filter(|s| s.is_running()).and_then(|s| memory.held.get(&s.id));
        out.resources = Some(Box::new(held.unwrap_or(&c.resources).clone()));
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
                    code == 0 || !restarts(pod, c, code)
                } else {
                    !restarts(pod, c, code) && !memory.replaced.contains(&seen.id)
                }
            });
            let over = is_sidecar(c) && has_ended(pod, observed, memory);
            let stopping = pod.metadata.deletion_timestamp.is_some() || memory.failed.is_some() || over;
            if done || stopping {
                out.state.terminated = Some(Box::new(ended));
                out.ready = init && seen.exit_code() == Some(0);
            } else if let Some(waiting) = waits.map(why).or_else(|| crash_wait(pod, c, seen, memory)) {
                out.state.waiting = Some(Box::new(waiting));
                out.last_state.terminated = Some(Box::new(ended));
            } else {
                // It starts again at once; until then its end says more.
                out.state.terminated = Some(Box::new(ended));
            }
            out.started = Some(false);
        }
        _ => {
            // Of the first containers too: they wait for those before them.
            let initializing = !pod.spec.init_containers.is_empty();
            let reason = if initializing { "PodInitializing" } else { "ContainerCreating" };
            out.state.waiting =
                Some(Box::new(ContainerStateWaiting { reason: reason.into(), message: String::new() }));
            out.started = Some(false);
        }
    }
    if let (Some(waits), None, false) = (waits, &out.state.terminated, latest.is_some_and(Seen::is_running)) {
        out.state.waiting = Some(Box::new(why(waits)));
    }
    if out.last_state.terminated.is_none() {
        out.last_state.terminated = observed
            .previous(&c.name)
            .filter(|p| p.exit_code().is_some())
            .map(|p| Box::new(terminated(p, around)));
    }
    out
}

fn mount_status(mount: &VolumeMount, around: &Surroundings) -> VolumeMountStatus {
    let recursive = recursive_read_only(mount, around.recursive_read_only).unwrap_or(false);
    let mode = if recursive { "Enabled" } else { "Disabled" };
    VolumeMountStatus {
        name: mount.name.clone(),
        mount_path: mount.mount_path.clone(),
        read_only: mount.read_only,
        recursive_read_only: mount.read_only.then(|| mode.into()),
    }
}

fn why(waits: &Waiting) -> ContainerStateWaiting {
    ContainerStateWaiting { reason: waits.reason.clone(), message: waits.message.clone() }
}

/// How a container waits after a crash, if it does.
fn crash_wait(pod: &Pod, c: &Container, seen: &Seen, memory: &Memory) -> Option<ContainerStateWaiting> {
    let k =
        memory.crashes.get(&c.name).filter(|k| Some(k.counted) == seen.finished() && !k.wait.is_zero())?;
    Some(ContainerStateWaiting {
        reason: "CrashLoopBackOff".into(),
        message: format!(
            "back-off {} restarting failed container={} pod={}_{}({})",
            go_duration(k.wait.as_secs()),
            c.name,
            pod.metadata.name,
            pod.metadata.namespace,
            pod.metadata.uid
        ),
    })
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
