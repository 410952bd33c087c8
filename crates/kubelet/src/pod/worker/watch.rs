//! What is kept an eye on: crashes, and the probes of running containers.

use super::*;
use crate::pod::names;

impl Worker {
    pub(super) fn count_crashes(&mut self) {
        if is_terminating(&self.pod) {
            return;
        }
        let containers = self.pod.spec.containers.iter().chain(&self.pod.spec.init_containers);
        for c in containers {
            let Some(seen) = self.observed.latest(&c.name) else { continue };
            let (Some(code), Some(finished)) = (seen.exit_code(), seen.finished()) else { continue };
            let init = self.pod.spec.init_containers.iter().any(|i| i.name == c.name) && !is_sidecar(c);
            let replaced = self.memory.replaced.contains(&seen.id);
            if restarts(&self.pod, c, code) && !(init && code == 0) && !replaced {
                let started = match &seen.state {
                    observed::SeenState::Exited { started, .. } => *started,
                    _ => None,
                };
                let before = self.memory.crashes.get(&c.name).map(|k| k.counted);
                let carried = seen.annotations.get(names::CRASH_WAIT).and_then(|w| w.parse().ok());
                self.memory.count_crash(&c.name, started, finished, carried.map(Duration::from_secs));
                let wait = self.memory.crash_wait(&c.name, finished, self.shared.clock.now());
                if before != Some(finished) && wait.is_some() {
                    let about = status::container_reference(&self.pod, &c.name);
                    let m = &self.pod.metadata;
                    let message = format!(
                        "Back-off restarting failed container {} in pod {}_{}({})",
                        c.name, m.name, m.namespace, m.uid
                    );
                    self.shared.events.note(about, "Warning", "BackOff", message);
                }
            }
        }
    }

    /// Every running container has its probes, and no other.
    pub(super) fn run_probes(&mut self) {
        let running: Vec<(String, String, Timestamp)> = self
            .observed
            .running()
            .filter_map(|s| Some((s.id.clone(), s.name.clone(), s.since()?)))
            .collect();
        let ids: Vec<String> = running.iter().map(|r| r.0.clone()).collect();
        self.probes.retain(|id, probes| {
            let keep = ids.contains(id);
            if !keep {
                probes.all.stop();
            }
            keep
        });
        self.findings.keep(&ids);
        if is_terminating(&self.pod) || is_terminal(&self.pod) {
            return;
        }
        for (id, name, since) in running {
            let Some(c) = self.container(&name).cloned() else { continue };
            let any = c.startup_probe.is_some() || c.readiness_probe.is_some() || c.liveness_probe.is_some();
            if !any || self.probes.contains_key(&id) || self.memory.killing.contains_key(&id) {
                continue;
            }
            self.findings.begin(&id, status::known_probes(&self.pod, &id));
            let stop = self.tasks.stop().child();
            let deadly = stop.child();
            self.probes.insert(id.clone(), Probes { all: stop.clone(), deadly: deadly.clone() });
            let (shared, pod, findings) = (self.shared.clone(), self.with_address(), self.findings.clone());
            let watching = probe::watch(shared, pod, c, id, since, findings, deadly);
            self.tasks.spawn("probes", async move {
                stop.run(watching).await;
            });
        }
    }

    /// The pod with the address that it has here: its status may not tell of it yet.
    fn with_address(&self) -> Arc<Pod> {
        let ip = match self.pod.spec.host_network {
            true => Some(&self.shared.host_ip),
            false => self.observed.sandbox().and_then(|s| s.ips.first()),
        };
        match ip.filter(|ip| **ip != self.pod.status.pod_ip) {
            Some(ip) => {
                let mut pod = (*self.pod).clone();
                pod.status.pod_ip = ip.clone();
                Arc::new(pod)
            }
            None => self.pod.clone(),
        }
    }
}
