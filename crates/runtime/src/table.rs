//! The sandboxes and containers that there are, by id, and the names that are taken.

use crate::network::{Attachment, namespace_of};
use crate::record::{ContainerRecord, SandboxRecord};
use crate::state::State;
use crate::supervisor::Supervisor;
use corten_node_api::cri::{
    ContainerMetadata, NamespaceMode, PodSandboxConfig, PodSandboxMetadata, PodSandboxState,
};
use parking_lot::{Mutex, RwLock};
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::watch;
use tonic::Status;

/// A sandbox.
pub struct Sandbox {
    /// Its id.
    pub id: String,
    /// Its directory.
    pub dir: PathBuf,
    /// What is on record. Written to disk after each change.
    pub record: Mutex<SandboxRecord>,
    /// Who holds its namespaces; `None` once it is stopped or lost.
    pub supervisor: Mutex<Option<Arc<Supervisor>>>,
    /// Whether its supervisor lives, or what it left is not cleaned up yet.
    pub alive: watch::Sender<bool>,
    /// Held while it is stopped or removed.
    pub gate: tokio::sync::Mutex<()>,
}

impl Sandbox {
    /// A sandbox as it is on record.
    pub fn new(record: SandboxRecord, dir: PathBuf, supervisor: Option<Arc<Supervisor>>) -> Sandbox {
        Sandbox {
            id: record.id.clone(),
            dir,
            alive: watch::Sender::new(supervisor.is_some()),
            supervisor: Mutex::new(supervisor),
            record: Mutex::new(record),
            gate: tokio::sync::Mutex::new(()),
        }
    }

    /// What was asked for.
    pub fn config(&self) -> PodSandboxConfig {
        self.record.lock().config.clone().unwrap_or_default()
    }

    /// Whose it is.
    pub fn metadata(&self) -> PodSandboxMetadata {
        let record = self.record.lock();
        record.config.as_ref().and_then(|c| c.metadata.clone()).unwrap_or_default()
    }

    /// As CRI names it.
    pub fn state(&self) -> PodSandboxState {
        if self.supervisor.lock().is_some() && !self.record.lock().stopped {
            PodSandboxState::SandboxReady
        } else {
            PodSandboxState::SandboxNotready
        }
    }

    /// Its supervisor, while the sandbox is ready.
    pub fn ready(&self) -> Option<Arc<Supervisor>> {
        let supervisor = self.supervisor.lock().clone();
        supervisor.filter(|_| self.state() == PodSandboxState::SandboxReady)
    }

    /// Whether it has a network of its own.
    pub fn has_network(&self) -> bool {
        let record = self.record.lock();
        has_network(record.config.as_ref())
    }

    /// What its network is told.
    pub fn attachment(&self) -> Attachment {
        let record = self.record.lock();
        attachment(&record)
    }
}

/// Whether a sandbox of this configuration has a network of its own.
pub fn has_network(config: Option<&PodSandboxConfig>) -> bool {
    let linux = config.and_then(|c| c.linux.as_ref()).and_then(|l| l.security_context.as_ref());
    let options = linux.and_then(|s| s.namespace_options.as_ref());
    options.is_none_or(|o| o.network != NamespaceMode::Node as i32)
}

/// What the network is told of a recorded sandbox.
pub fn attachment(record: &SandboxRecord) -> Attachment {
    let config = record.config.as_ref();
    Attachment {
        sandbox: record.id.clone(),
        netns: if record.pid == 0 { PathBuf::new() } else { namespace_of(record.pid) },
        metadata: config.and_then(|c| c.metadata.clone()).unwrap_or_default(),
        ports: config.map(|c| c.port_mappings.clone()).unwrap_or_default(),
    }
}

/// A container.
pub struct Container {
    /// Its id.
    pub id: String,
    /// Its directory.
    pub dir: PathBuf,
    /// Its sandbox.
    pub sandbox: Arc<Sandbox>,
    /// What is on record. Written to disk after each change.
    pub record: Mutex<ContainerRecord>,
    /// Where it stands.
    pub state: watch::Sender<State>,
}

impl Container {
    /// A container as it is on record.
    pub fn new(record: ContainerRecord, dir: PathBuf, sandbox: Arc<Sandbox>, state: State) -> Container {
        Container {
            id: record.id.clone(),
            dir,
            sandbox,
            record: Mutex::new(record),
            state: watch::Sender::new(state),
        }
    }

    /// Its name and attempt.
    pub fn metadata(&self) -> ContainerMetadata {
        let record = self.record.lock();
        record.config.as_ref().and_then(|c| c.metadata.clone()).unwrap_or_default()
    }

    /// Its control group.
    pub fn cgroup(&self) -> String {
        self.record.lock().cgroup.clone()
    }

    /// Changes its state by `change`, which says whether there is news.
    pub fn advance(&self, change: impl FnOnce(&mut State) -> bool) -> bool {
        self.state.send_if_modified(change)
    }

    /// Its supervisor, while the container runs.
    pub fn running(&self) -> Result<Arc<Supervisor>, Status> {
        let state = self.state.borrow().cri();
        if state != corten_node_api::cri::ContainerState::ContainerRunning {
            return Err(Status::failed_precondition(format!(
                "container {} is in {} state",
                self.id,
                state.as_str_name()
            )));
        }
        let supervisor = self.sandbox.supervisor.lock().clone();
        supervisor.ok_or_else(|| {
            Status::failed_precondition(format!("the sandbox of container {} is not running", self.id))
        })
    }
}

/// The name that no two sandboxes have.
pub fn sandbox_name(m: &PodSandboxMetadata) -> String {
    format!("{}_{}_{}_{}", m.name, m.namespace, m.uid, m.attempt)
}

/// The name that no two containers have.
pub fn container_name(m: &ContainerMetadata, s: &PodSandboxMetadata) -> String {
    format!("{}_{}_{}_{}_{}", m.name, s.name, s.namespace, s.uid, m.attempt)
}

/// All there are.
#[derive(Default)]
pub struct Table {
    inner: RwLock<Inner>,
    names: Mutex<HashMap<String, String>>,
}

#[derive(Default)]
struct Inner {
    sandboxes: BTreeMap<String, Arc<Sandbox>>,
    containers: BTreeMap<String, Arc<Container>>,
}

/// A name that is taken until this is dropped, unless it is kept.
pub struct Reservation<'a> {
    table: &'a Table,
    name: Option<String>,
}

impl Reservation<'_> {
    /// The name stays taken.
    pub fn keep(mut self) {
        self.name = None;
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        if let Some(name) = self.name.take() {
            self.table.names.lock().remove(&name);
        }
    }
}

impl Table {
    /// Takes a name.
    pub fn reserve(&self, name: String, id: &str) -> Result<Reservation<'_>, Status> {
        let mut names = self.names.lock();
        if let Some(holder) = names.get(&name) {
            return Err(Status::already_exists(format!(
                "failed to reserve name {name:?}: it is reserved for {holder:?}"
            )));
        }
        names.insert(name.clone(), id.to_owned());
        Ok(Reservation { table: self, name: Some(name) })
    }

    /// Adds a sandbox.
    pub fn add_sandbox(&self, sandbox: Arc<Sandbox>) {
        self.names.lock().insert(sandbox_name(&sandbox.metadata()), sandbox.id.clone());
        self.inner.write().sandboxes.insert(sandbox.id.clone(), sandbox);
    }

    /// Adds a container.
    pub fn add_container(&self, container: Arc<Container>) {
        let name = container_name(&container.metadata(), &container.sandbox.metadata());
        self.names.lock().insert(name, container.id.clone());
        self.inner.write().containers.insert(container.id.clone(), container);
    }

    /// Takes a sandbox out.
    pub fn drop_sandbox(&self, sandbox: &Sandbox) {
        self.inner.write().sandboxes.remove(&sandbox.id);
        self.names.lock().remove(&sandbox_name(&sandbox.metadata()));
    }

    /// Takes a container out.
    pub fn drop_container(&self, container: &Container) {
        self.inner.write().containers.remove(&container.id);
        self.names.lock().remove(&container_name(&container.metadata(), &container.sandbox.metadata()));
    }

    /// The sandbox of this id, or of the only one that begins so.
    pub fn sandbox(&self, id: &str) -> Result<Arc<Sandbox>, Status> {
        find(&self.inner.read().sandboxes, id, "sandbox")
    }

    /// The container of this id, or of the only one that begins so.
    pub fn container(&self, id: &str) -> Result<Arc<Container>, Status> {
        find(&self.inner.read().containers, id, "container")
    }

    /// All sandboxes, by id.
    pub fn sandboxes(&self) -> Vec<Arc<Sandbox>> {
        self.inner.read().sandboxes.values().cloned().collect()
    }

    /// All containers, by id.
    pub fn containers(&self) -> Vec<Arc<Container>> {
        self.inner.read().containers.values().cloned().collect()
    }

    /// The containers of a sandbox.
    pub fn containers_of(&self, sandbox: &str) -> Vec<Arc<Container>> {
        let inner = self.inner.read();
        inner.containers.values().filter(|c| c.sandbox.id == sandbox).cloned().collect()
    }
}

fn find<T>(all: &BTreeMap<String, Arc<T>>, id: &str, what: &str) -> Result<Arc<T>, Status> {
    let missing = || Status::not_found(format!("{what} {id:?}: not found"));
    if id.is_empty() {
        return Err(missing());
    }
    if let Some(found) = all.get(id) {
        return Ok(found.clone());
    }
    let mut beginning = all.range(id.to_owned()..).take_while(|(key, _)| key.starts_with(id));
    match (beginning.next(), beginning.next()) {
        (Some((_, found)), None) => Ok(found.clone()),
        (Some(_), Some(_)) => {
            Err(Status::invalid_argument(format!("{what} {id:?}: more than one begins so")))
        }
        _ => Err(missing()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic::Code;

    fn sandbox(id: &str, name: &str) -> Arc<Sandbox> {
        let metadata = PodSandboxMetadata { name: name.into(), ..Default::default() };
        let config = PodSandboxConfig { metadata: Some(metadata), ..Default::default() };
        let record = SandboxRecord { id: id.into(), config: Some(config), ..Default::default() };
        Arc::new(Sandbox::new(record, "/unused".into(), None))
    }

    #[test]
    fn ids_are_found_by_their_beginning() {
        let table = Table::default();
        for (id, name) in [("abc1", "a"), ("abd2", "b")] {
            table.add_sandbox(sandbox(id, name));
        }
        let got = |id: &str| table.sandbox(id).map(|s| s.id.clone()).map_err(|e| e.code());
        assert_eq!(got("abc1"), Ok("abc1".into()));
        assert_eq!(got("abd"), Ok("abd2".into()));
        assert_eq!(got("ab"), Err(Code::InvalidArgument));
        assert_eq!(got("x"), Err(Code::NotFound));
        assert_eq!(got(""), Err(Code::NotFound));
    }

    #[test]
    fn a_name_is_taken_once() {
        let table = Table::default();
        let first = table.reserve("n".into(), "1").expect("free");
        assert_eq!(table.reserve("n".into(), "2").err().map(|e| e.code()), Some(Code::AlreadyExists));
        drop(first);
        table.reserve("n".into(), "2").expect("free again").keep();
        assert!(table.reserve("n".into(), "3").is_err());
        let pod = sandbox("1", "p");
        table.add_sandbox(pod.clone());
        assert!(table.reserve(sandbox_name(&pod.metadata()), "2").is_err());
        table.drop_sandbox(&pod);
        assert!(table.reserve(sandbox_name(&pod.metadata()), "2").is_ok());
    }
}
