//! Processors that containers have for themselves (upstream's CPU manager with the policy `static`):
//! containers of Guaranteed pods that ask for whole processors get some that no other container runs on. All
//! others share the rest.

mod allocator;
mod set;

pub use set::CpuSet;

use crate::pod::admission::Rejection;
use crate::{Settings, Shared};
use allocator::{Topology, take};
use corten_api::core::v1::{Container, Pod};
use corten_node_api::cri::{LinuxContainerResources, UpdateContainerResourcesRequest};
use corten_semantics::pod::{is_sidecar, is_terminal, qos_class};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How often running containers are held to what they were given.
const PERIOD: Duration = Duration::from_secs(10);
const FILE: &str = "cpu_manager_state";

/// By pod UID and container name.
type Given = BTreeMap<(String, String), CpuSet>;

/// The node's processors, and who has which.
#[derive(Debug)]
pub struct Cpus {
    /// Nothing is given without the policy `static`.
    is_static: bool,
    topology: Topology,
    reserved: CpuSet,
    file: PathBuf,
    given: Mutex<Given>,
}

impl Cpus {
    /// The machine's, with what an earlier process gave to containers.
    pub fn new(settings: &Settings, root: &Path) -> Self {
        let topology = Topology::read(Path::new("/sys/devices/system/cpu"));
        let file = root.join(FILE);
        let whole =
            |list: &corten_semantics::resources::ResourceList| list.get("cpu").map_or(0, |q| q.milli_value());
        let count = (whole(&settings.system_reserved) + whole(&settings.kube_reserved) + 999) / 1000;
        let reserved = match settings.reserved_cpus.is_empty() {
            false => settings.reserved_cpus.clone(),
            true => take(&topology, &topology.all(), usize::try_from(count).unwrap_or_default())
                .unwrap_or_default(),
        };
        let given = if settings.static_cpus { read(&file) } else { Given::new() };
        Cpus { is_static: settings.static_cpus, topology, reserved, file, given: Mutex::new(given) }
    }

    /// What the container has for itself.
    pub fn of(&self, uid: &str, container: &str) -> Option<CpuSet> {
        if !self.is_static {
            return None;
        }
        let given = self.given.lock();
        given.get(&(uid.to_string(), container.to_string())).cloned().or_else(|| Some(self.shared_by(&given)))
    }

    /// What everybody else runs on.
    fn shared_by(&self, given: &Given) -> CpuSet {
        given.values().fold(self.topology.all(), |left, taken| left.without(taken))
    }

    /// Gives the pod's containers the processors that they are to have for themselves.
    ///
    /// # Errors
    /// There are not enough.
    pub fn admit(&self, pods: &[Arc<Pod>], pod: &Pod) -> Result<(), Rejection> {
        if !self.is_static {
            return Ok(());
        }
        let mut given = self.given.lock();
        forget_ended(&mut given, pods);
        let mut next = given.clone();
        let mut reusable = CpuSet::default();
        for c in pod.spec.init_containers.iter().chain(&pod.spec.containers) {
            let Some(wanted) = exclusive(pod, c) else { continue };
            let key = (pod.metadata.uid.clone(), c.name.clone());
            if next.contains_key(&key) {
                continue;
            }
            let free = self.shared_by(&next).without(&self.reserved);
            let available = free.with(&reusable);
            let Some(taken) = take(&self.topology, &available, wanted) else {
                let have = available.len();
                let why = format!(
                    "not enough cpus available to satisfy request: requested={wanted}, available={have}"
                );
                return Err(Rejection {
                    reason: "UnexpectedAdmissionError".into(),
                    message: format!("Allocate failed due to {why}, which is unexpected"),
                });
            };
            let passes_on = pod.spec.init_containers.iter().any(|i| i.name == c.name) && !is_sidecar(c);
            reusable = if passes_on { reusable.with(&taken) } else { reusable.without(&taken) };
            next.insert(key, taken);
        }
        if *given != next {
            *given = next;
            self.save(&given);
        }
        Ok(())
    }

    fn save(&self, given: &Given) {
        let mut entries: BTreeMap<&str, BTreeMap<&str, String>> = BTreeMap::new();
        for ((uid, container), cpus) in given {
            entries.entry(uid).or_default().insert(container, cpus.to_string());
        }
        let text = json!({
            "policyName": "static",
            "defaultCpuSet": self.shared_by(given).to_string(),
            "entries": entries,
        });
        let unfinished = self.file.with_extension("new");
        let written = std::fs::write(&unfinished, text.to_string());
        if let Err(error) = written.and_then(|()| std::fs::rename(unfinished, &self.file)) {
            tracing::warn!(%error, "the processors given to containers were not written down");
        }
    }
}

fn forget_ended(given: &mut Given, pods: &[Arc<Pod>]) {
    given.retain(|(uid, _), _| pods.iter().any(|p| p.metadata.uid == *uid && !is_terminal(p)));
}

/// How many processors the container is to have for itself.
fn exclusive(pod: &Pod, c: &Container) -> Option<usize> {
    if qos_class(pod) != "Guaranteed" {
        return None;
    }
    let cpu = c.resources.requests.get("cpu").or(c.resources.limits.get("cpu"))?;
    let whole = cpu.milli_value() > 0 && cpu.milli_value() % 1000 == 0;
    usize::try_from(cpu.value()).ok().filter(|_| whole)
}

fn read(file: &Path) -> Given {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let state: Value = serde_json::from_str(&text).unwrap_or_default();
    let mut out = Given::new();
    for (uid, containers) in state["entries"].as_object().into_iter().flatten() {
        for (container, cpus) in containers.as_object().into_iter().flatten() {
            if let Some(Ok(cpus)) = cpus.as_str().map(str::parse) {
                out.insert((uid.clone(), container.clone()), cpus);
            }
        }
    }
    out
}

/// Holds running containers to what they have, until dropped.
pub(crate) async fn run(shared: Arc<Shared>) {
    if !shared.cpus.is_static {
        return;
    }
    let mut told: HashMap<String, CpuSet> = HashMap::new();
    loop {
        let pods = shared.pods.list();
        {
            let mut given = shared.cpus.given.lock();
            let before = given.len();
            forget_ended(&mut given, &pods);
            if given.len() != before {
                shared.cpus.save(&given);
            }
        }
        let mut running = HashMap::new();
        for pod in &pods {
            let statuses = pod.status.container_statuses.iter().chain(&pod.status.init_container_statuses);
            for s in statuses.filter(|s| s.state.running.is_some()) {
                let Some((_, id)) = s.container_id.split_once("://") else { continue };
                let Some(cpus) = shared.cpus.of(&pod.metadata.uid, &s.name) else { continue };
                let known = told.get(id) == Some(&cpus);
                if known || update(&shared, id, &cpus).await {
                    running.insert(id.to_string(), cpus);
                }
            }
        }
        told = running;
        corten_rt::sleep(PERIOD).await;
    }
}

async fn update(shared: &Shared, id: &str, cpus: &CpuSet) -> bool {
    let linux = LinuxContainerResources { cpuset_cpus: cpus.to_string(), ..Default::default() };
    let request = UpdateContainerResourcesRequest {
        container_id: id.to_string(),
        linux: Some(linux),
        ..UpdateContainerResourcesRequest::default()
    };
    match shared.cri.update_container_resources(request).await {
        Ok(_) => true,
        Err(error) => {
            tracing::debug!(id, %error, "a container was not given its processors");
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use allocator::Place;

    fn cpus(dir: &Path) -> Cpus {
        let place = |cpu| (cpu, Place { core: cpu, socket: 0 });
        let file = dir.join(FILE);
        Cpus {
            is_static: true,
            topology: Topology((0..4).map(place).collect()),
            reserved: "0".parse().expect("valid"),
            given: Mutex::new(read(&file)),
            file,
        }
    }

    fn pod(uid: &str, init: &[&str], containers: &[&str]) -> Arc<Pod> {
        let make = |prefix: &str, list: &[&str]| -> Vec<Container> {
            let one = |(i, cpu): (usize, &&str)| {
                let mut c = Container { name: format!("{prefix}{i}"), ..Container::default() };
                for (name, amount) in [("cpu", *cpu), ("memory", "1Mi")] {
                    c.resources.limits.insert(name.into(), amount.parse().expect("valid"));
                }
                c.resources.requests = c.resources.limits.clone();
                c
            };
            list.iter().enumerate().map(one).collect()
        };
        let mut pod = Pod::default();
        pod.metadata.uid = uid.into();
        pod.spec.init_containers = make("i", init);
        pod.spec.containers = make("c", containers);
        Arc::new(pod)
    }

    #[test]
    fn whole_processors_are_given_and_come_back() {
        let dir = tempfile::tempdir().expect("directory");
        let all = cpus(dir.path());
        let (first, second) = (pod("a", &["2"], &["2", "500m"]), pod("b", &[], &["2"]));
        let here = [first.clone(), second.clone()];
        all.admit(&here, &first).expect("room");
        let of = |uid: &str, name: &str| all.of(uid, name).map(|c| c.to_string()).unwrap_or_default();
        assert_eq!(
            (of("a", "i0"), of("a", "c0")),
            ("1-2".into(), "1-2".into()),
            "what the init container had"
        );
        assert_eq!(of("a", "c1"), "0,3", "a part of a processor is shared");
        let refused = all.admit(&here, &second).expect_err("no room");
        assert_eq!(
            refused.message,
            "Allocate failed due to not enough cpus available to satisfy request: requested=2, available=1, which is unexpected"
        );
        let again = cpus(dir.path());
        assert_eq!(again.of("a", "c0").map(|c| c.to_string()).as_deref(), Some("1-2"), "written down");
        all.admit(std::slice::from_ref(&second), &second).expect("the first has gone");
        assert_eq!(of("b", "c0"), "1-2");
        let none = Cpus { is_static: false, ..cpus(dir.path()) };
        assert_eq!(none.of("b", "c0"), None);
    }
}
