//! The end of a pod: what it held is given back, and the API forgets it if it was deleted.

use super::*;

impl Worker {
    /// Everything has ended.
    pub(super) async fn finish(&mut self) -> Next {
        if let Some(operation) = &self.operation {
            operation.stop();
            return Next::Wait(None);
        }
        if !self.finished {
            if let Err(error) = self.give_back().await {
                tracing::debug!(pod = self.pod.metadata.name, %error, "a pod's resources were not all given back");
                // Said once, and tried until it succeeds.
                if self.trouble.as_ref() != Some(&error) {
                    let message = format!("error killing pod: {error}");
                    self.shared.events.warning(&*self.pod, "FailedKillPod", message);
                    self.trouble = Some(error);
                }
                return Next::Wait(Some(TROUBLE));
            }
            self.finished = true;
        }
        if !is_terminating(&self.pod) {
            return Next::Wait(None);
        }
        if !self.reporter.settled {
            // The last status comes before the end.
            return Next::Wait(None);
        }
        match self.forget().await {
            Ok(()) => Next::Over,
            Err(error) => {
                tracing::debug!(pod = self.pod.metadata.name, %error, "a pod was not removed yet");
                Next::Wait(Some(TROUBLE))
            }
        }
    }

    pub(super) async fn give_back(&self) -> Result<(), String> {
        for s in &self.observed.sandboxes {
            let request = StopPodSandboxRequest { pod_sandbox_id: s.id.clone() };
            self.shared.cri.stop_pod_sandbox(request).await.map_err(|e| e.to_string())?;
        }
        self.shared.volumes.unmount(&self.pod.metadata.uid).await.map_err(|e| e.to_string())?;
        let (cgroups, group) = (self.shared.cgroups.clone(), pod_cgroup(&self.shared.cgroup_root, &self.pod));
        let removed = tokio::task::spawn_blocking(move || cgroups.remove(&group)).await;
        removed.map_err(|e| e.to_string())?.map_err(|e| e.to_string())
    }

    /// Removes what is left of the pod here, and then from the API.
    pub(super) async fn forget(&self) -> Result<(), String> {
        for s in &self.observed.sandboxes {
            let request = RemovePodSandboxRequest { pod_sandbox_id: s.id.clone() };
            self.shared.cri.remove_pod_sandbox(request).await.map_err(|e| e.to_string())?;
        }
        for directory in
            [self.shared.places.pod_logs(&self.pod), self.shared.places.pod(&self.pod.metadata.uid)]
        {
            match std::fs::remove_dir_all(&directory) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                    return Err(format!("{}: {e}", directory.display()));
                }
                _ => {}
            }
        }
        self.shared.allocations.forget(&self.pod.metadata.uid);
        self.shared.user_namespaces.release(&self.pod.metadata.uid);
        if self.forgotten {
            return Ok(());
        }
        let options = DeleteOptions {
            grace_period_seconds: Some(0),
            preconditions: Some(Preconditions {
                uid: Some(self.pod.metadata.uid.clone()),
                ..Preconditions::default()
            }),
            ..DeleteOptions::default()
        };
        match self.shared.client.beside(&*self.pod).delete(&self.pod.metadata.name, options).await {
            Err(e) if !e.is_not_found() && !e.is_conflict() => Err(e.to_string()),
            _ => Ok(()),
        }
    }
}
