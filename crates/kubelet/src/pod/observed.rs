//! What the runtime shows of one pod.

use super::names::{CONTAINER_NAME, POD_UID, SPEC_IMAGE};
use corten_node_api::cri::{
    ContainerEventResponse, ContainerEventType, ContainerFilter, ContainerState, ContainerStatus,
    ContainerStatusRequest, LinuxContainerUser, ListContainersRequest, ListPodSandboxRequest,
    PodSandboxFilter, PodSandboxNetworkStatus, PodSandboxState, PodSandboxStatusRequest,
};
use corten_node_api::{CriClient, CriResult};
use jiff::Timestamp;
use std::collections::HashMap;

/// A pod's sandboxes and containers, the newest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    pub sandboxes: Vec<Sandbox>,
    pub containers: Vec<Seen>,
}

/// One sandbox.
#[derive(Clone, Debug, PartialEq)]
pub struct Sandbox {
    pub id: String,
    pub attempt: u32,
    pub ready: bool,
    /// Empty before the network is up, and for pods on the host's network.
    pub ips: Vec<String>,
}

/// One container, dead or alive.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    pub id: String,
    pub sandbox: String,
    pub name: String,
    pub attempt: u32,
    pub state: SeenState,
    pub image: String,
    pub image_id: String,
    pub annotations: HashMap<String, String>,
    /// Whom its first process runs as, if the runtime tells.
    pub user: Option<LinuxContainerUser>,
}

/// How a container is.
#[derive(Clone, Debug, PartialEq)]
pub enum SeenState {
    Created,
    Running { since: Timestamp },
    Exited { code: i32, reason: String, message: String, started: Option<Timestamp>, finished: Timestamp },
    Unknown,
}

impl Observed {
    /// The sandbox that is in use: the newest, if it is ready.
    pub fn sandbox(&self) -> Option<&Sandbox> {
        self.sandboxes.first().filter(|s| s.ready)
    }

    /// The newest attempt of a container.
    pub fn latest(&self, name: &str) -> Option<&Seen> {
        self.containers.iter().filter(|c| c.name == name).max_by_key(|c| c.attempt)
    }

    /// The attempt before the newest.
    pub fn previous(&self, name: &str) -> Option<&Seen> {
        let newest = self.latest(name)?.attempt;
        self.containers.iter().filter(|c| c.name == name && c.attempt < newest).max_by_key(|c| c.attempt)
    }

    /// Takes up what is known of one sandbox. One that has ended does not come back.
    pub fn take_sandbox(&mut self, new: Sandbox) {
        match self.sandboxes.iter_mut().find(|s| s.id == new.id) {
            Some(old) => {
                old.ready &= new.ready;
                if !new.ips.is_empty() {
                    old.ips = new.ips;
                }
            }
            None => {
                self.sandboxes.insert(0, new);
                self.sandboxes.sort_by_key(|s| std::cmp::Reverse(s.attempt));
            }
        }
    }

    /// Takes up what is known of one container, unless it is older than what was known before.
    pub fn take_container(&mut self, new: Seen) {
        match self.containers.iter_mut().find(|c| c.id == new.id) {
            Some(old) if old.state.step() <= new.state.step() => *old = new,
            Some(_) => {}
            None => self.containers.push(new),
        }
    }

    /// Takes up an event of the runtime; false if it does not tell enough and the runtime is to be asked.
    pub fn hear(&mut self, event: ContainerEventResponse) -> bool {
        if event.container_event_type == ContainerEventType::ContainerDeletedEvent as i32 {
            self.sandboxes.retain(|s| s.id != event.container_id);
            self.containers.retain(|c| c.id != event.container_id);
            return true;
        }
        let Some(sandbox) = event.pod_sandbox_status else { return false };
        let ready = sandbox.state == PodSandboxState::SandboxReady as i32;
        let told = event.container_id == sandbox.id
            || event.containers_statuses.iter().any(|c| c.id == event.container_id);
        self.take_sandbox(Sandbox {
            id: sandbox.id.clone(),
            attempt: sandbox.metadata.map_or(0, |m| m.attempt),
            ready,
            ips: if ready { ips(sandbox.network) } else { Vec::new() },
        });
        for status in event.containers_statuses {
            self.take_container(Seen::of(status, &sandbox.id));
        }
        told
    }

    /// Containers that run.
    pub fn running(&self) -> impl Iterator<Item = &Seen> {
        self.containers.iter().filter(|c| c.is_running())
    }
}

impl SeenState {
    /// How far a container has come.
    fn step(&self) -> u8 {
        match self {
            SeenState::Unknown => 0,
            SeenState::Created => 1,
            SeenState::Running { .. } => 2,
            SeenState::Exited { .. } => 3,
        }
    }
}

impl Seen {
    /// From what the runtime says of a container.
    pub fn of(s: ContainerStatus, sandbox: &str) -> Self {
        let state = match ContainerState::try_from(s.state) {
            Ok(ContainerState::ContainerCreated) => SeenState::Created,
            Ok(ContainerState::ContainerRunning) => {
                SeenState::Running { since: time(s.started_at).unwrap_or(Timestamp::UNIX_EPOCH) }
            }
            Ok(ContainerState::ContainerExited) => SeenState::Exited {
                code: s.exit_code,
                reason: s.reason,
                message: s.message,
                started: time(s.started_at),
                finished: time(s.finished_at).unwrap_or(Timestamp::UNIX_EPOCH),
            },
            _ => SeenState::Unknown,
        };
        let metadata = s.metadata.unwrap_or_default();
        let image = s.image.as_ref().map_or_else(String::new, |i| {
            if i.user_specified_image.is_empty() { i.image.clone() } else { i.user_specified_image.clone() }
        });
        Seen {
            id: s.id,
            sandbox: sandbox.to_string(),
            name: s.labels.get(CONTAINER_NAME).cloned().unwrap_or(metadata.name),
            attempt: metadata.attempt,
            state,
            image,
            image_id: s.image_ref,
            annotations: s.annotations,
            user: s.user.and_then(|u| u.linux),
        }
    }

    /// Whether it runs.
    pub fn is_running(&self) -> bool {
        matches!(self.state, SeenState::Running { .. })
    }

    /// Since when it runs.
    pub fn since(&self) -> Option<Timestamp> {
        match self.state {
            SeenState::Running { since } => Some(since),
            _ => None,
        }
    }

    /// The exit code of an ended container.
    pub fn exit_code(&self) -> Option<i32> {
        match self.state {
            SeenState::Exited { code, .. } => Some(code),
            _ => None,
        }
    }

    /// The image that the spec named when the container was made; `None` if it was not noted.
    pub fn spec_image(&self) -> Option<&str> {
        self.annotations.get(SPEC_IMAGE).map(String::as_str)
    }

    /// When it ended.
    pub fn finished(&self) -> Option<Timestamp> {
        match self.state {
            SeenState::Exited { finished, .. } => Some(finished),
            _ => None,
        }
    }
}

fn time(nanos: i64) -> Option<Timestamp> {
    (nanos > 0).then(|| Timestamp::from_nanosecond(i128::from(nanos)).ok()).flatten()
}

/// Asks the runtime. Containers known to have ended are taken from `known`: their story is over.
pub async fn observe(cri: &CriClient, uid: &str, known: &Observed) -> CriResult<Observed> {
    let selector = HashMap::from([(POD_UID.to_string(), uid.to_string())]);
    let filter = PodSandboxFilter { label_selector: selector.clone(), ..Default::default() };
    let listed = cri.list_pod_sandbox(ListPodSandboxRequest { filter: Some(filter) }).await?.items;
    let mut sandboxes = Vec::new();
    for s in listed {
        let ready = s.state == PodSandboxState::SandboxReady as i32;
        let same = known.sandboxes.iter().find(|k| k.id == s.id && k.ready == ready && !k.ips.is_empty());
        let ips = match same {
            Some(same) => same.ips.clone(),
            None if ready => addresses(cri, &s.id).await?,
            None => Vec::new(),
        };
        sandboxes.push((
            s.created_at,
            Sandbox { id: s.id, attempt: s.metadata.map_or(0, |m| m.attempt), ready, ips },
        ));
    }
    sandboxes.sort_by_key(|(at, s)| std::cmp::Reverse((s.attempt, *at)));
    let filter = ContainerFilter { label_selector: selector, ..Default::default() };
    let listed = cri.list_containers(ListContainersRequest { filter: Some(filter) }).await?.containers;
    let mut containers = Vec::new();
    for c in listed {
        match known.containers.iter().find(|k| k.id == c.id && k.finished().is_some()) {
            Some(ended) => containers.push(ended.clone()),
            None => containers.extend(container(cri, &c.id, &c.pod_sandbox_id).await?),
        }
    }
    Ok(Observed { sandboxes: sandboxes.into_iter().map(|(_, s)| s).collect(), containers })
}

/// The addresses of a sandbox.
pub async fn addresses(cri: &CriClient, id: &str) -> CriResult<Vec<String>> {
    let request = PodSandboxStatusRequest { pod_sandbox_id: id.to_string(), verbose: false };
    match cri.pod_sandbox_status(request).await {
        Ok(reply) => Ok(ips(reply.status.and_then(|s| s.network))),
        Err(e) if e.is_not_found() => Ok(Vec::new()),
        Err(e) => Err(e),
    }
}

fn ips(network: Option<PodSandboxNetworkStatus>) -> Vec<String> {
    let Some(network) = network else { return Vec::new() };
    let more = network.additional_ips.into_iter().map(|i| i.ip);
    std::iter::once(network.ip).chain(more).filter(|ip| !ip.is_empty()).collect()
}

/// One container as the runtime shows it now; `None` if it is gone.
pub async fn container(cri: &CriClient, id: &str, sandbox: &str) -> CriResult<Option<Seen>> {
    let request = ContainerStatusRequest { container_id: id.to_string(), verbose: false };
    match cri.container_status(request).await {
        Ok(reply) => Ok(reply.status.map(|s| Seen::of(s, sandbox))),
        Err(e) if e.is_not_found() => Ok(None),
        Err(e) => Err(e),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_node_api::cri::{ContainerMetadata, PodSandboxStatus};

    fn status(id: &str, state: ContainerState) -> ContainerStatus {
        ContainerStatus {
            id: id.into(),
            metadata: Some(ContainerMetadata { name: "a".into(), attempt: 0 }),
            state: state as i32,
            started_at: 1,
            finished_at: 2,
            ..ContainerStatus::default()
        }
    }

    fn event(kind: ContainerEventType, id: &str, containers: Vec<ContainerStatus>) -> ContainerEventResponse {
        ContainerEventResponse {
            container_id: id.into(),
            container_event_type: kind as i32,
            pod_sandbox_status: Some(PodSandboxStatus { id: "s".into(), ..PodSandboxStatus::default() }),
            containers_statuses: containers,
            ..ContainerEventResponse::default()
        }
    }

    #[test]
    fn events_are_heard_in_their_order_only() {
        use ContainerEventType::*;
        use ContainerState::*;
        let mut seen = Observed::default();
        let state = |seen: &Observed| seen.latest("a").map(|c| c.state.step());
        assert!(seen.hear(event(ContainerStartedEvent, "c", vec![status("c", ContainerRunning)])));
        assert_eq!((state(&seen), seen.sandbox().is_some()), (Some(2), true));
        assert!(seen.hear(event(ContainerCreatedEvent, "c", vec![status("c", ContainerCreated)])));
        assert_eq!(state(&seen), Some(2), "an older event changes nothing");
        assert!(seen.hear(event(ContainerStoppedEvent, "c", vec![status("c", ContainerExited)])));
        assert_eq!(state(&seen), Some(3));
        assert!(!seen.hear(event(ContainerStartedEvent, "d", vec![])), "it does not tell enough");
        assert!(seen.hear(event(ContainerDeletedEvent, "c", vec![])));
        assert!(seen.containers.is_empty() && seen.sandboxes.len() == 1);
    }

    #[test]
    fn a_sandbox_that_ended_does_not_come_back() {
        let mut seen = Observed::default();
        let sandbox = |ready| Sandbox { id: "s".into(), attempt: 0, ready, ips: vec![] };
        for ready in [true, false, true] {
            seen.take_sandbox(sandbox(ready));
        }
        assert!(seen.sandbox().is_none());
    }
}
