//! Sandboxes and containers in CRI's messages.

use crate::runtime::Runtime;
use crate::table::{Container, Sandbox};
use corten_node_api::cri::{
    self, ContainerAttributes, ContainerResources, ContainerStatus, ImageSpec, LinuxPodSandboxStatus,
    Namespace, PodIp, PodSandbox, PodSandboxAttributes, PodSandboxNetworkStatus, PodSandboxStatus, Signal,
};
use std::collections::HashMap;

impl Runtime {
    pub(crate) fn sandbox_status(&self, sandbox: &Sandbox) -> PodSandboxStatus {
        let state = sandbox.state() as i32;
        let record = sandbox.record.lock();
        let config = record.config.clone().unwrap_or_default();
        let options = config.linux.and_then(|l| l.security_context).and_then(|s| s.namespace_options);
        let (ip, more) = match record.addresses.split_first() {
            Some((first, rest)) => (first.clone(), rest.to_vec()),
            None => Default::default(),
        };
        PodSandboxStatus {
            id: record.id.clone(),
            metadata: config.metadata,
            state,
            created_at: record.created_at,
            network: Some(PodSandboxNetworkStatus {
                ip,
                additional_ips: more.into_iter().map(|ip| PodIp { ip }).collect(),
            }),
            linux: Some(LinuxPodSandboxStatus {
                namespaces: Some(Namespace { options: Some(options.unwrap_or_default()) }),
            }),
            labels: config.labels,
            annotations: config.annotations,
            runtime_handler: record.handler.clone(),
        }
    }

    pub(crate) fn container_status(&self, container: &Container) -> ContainerStatus {
        let state = container.state.borrow().clone();
        let record = container.record.lock();
        let config = record.config.clone().unwrap_or_default();
        let (image, image_ref) = self.shown_image(&record);
        ContainerStatus {
            id: record.id.clone(),
            metadata: config.metadata,
            state: state.cri() as i32,
            created_at: record.created_at,
            started_at: state.outcome.started_at,
            finished_at: state.outcome.finished_at,
            exit_code: state.outcome.exit_code,
            image: Some(image),
            image_ref,
            reason: state.outcome.reason.clone(),
            message: state.outcome.message.clone(),
            labels: config.labels,
            annotations: config.annotations,
            mounts: config.mounts,
            log_path: record.log_path.clone(),
            resources: Some(ContainerResources { linux: record.resources.clone(), windows: None }),
            image_id: record.image_id.clone(),
            user: state.user(),
            stop_signal: signal(record.stop_signal) as i32,
        }
    }

    /// The image by a name that it has now: the one it was asked by, if there is one, and its reference.
    fn shown_image(&self, record: &crate::record::ContainerRecord) -> (ImageSpec, String) {
        let asked = record.config.as_ref().and_then(|c| c.image.clone()).unwrap_or_default();
        let Some(image) = self.images.resolve(&record.image_id) else {
            return (asked, record.image_ref.clone());
        };
        let own = image.tags.iter().find(|t| **t == asked.user_specified_image || **t == asked.image);
        let name = own.or(image.tags.first()).or(image.digests.first());
        let reference = image.digests.first().unwrap_or(&image.id).clone();
        (ImageSpec { image: name.cloned().unwrap_or(asked.image), ..ImageSpec::default() }, reference)
    }
}

impl Sandbox {
    /// As a list shows it.
    pub(crate) fn listed(&self) -> PodSandbox {
        let state = self.state() as i32;
        let record = self.record.lock();
        let config = record.config.as_ref();
        PodSandbox {
            id: record.id.clone(),
            metadata: config.and_then(|c| c.metadata.clone()),
            state,
            created_at: record.created_at,
            labels: config.map(|c| c.labels.clone()).unwrap_or_default(),
            annotations: config.map(|c| c.annotations.clone()).unwrap_or_default(),
            runtime_handler: record.handler.clone(),
        }
    }

    /// As figures show it.
    pub(crate) fn attributes(&self) -> PodSandboxAttributes {
        let listed = self.listed();
        PodSandboxAttributes {
            id: listed.id,
            metadata: listed.metadata,
            labels: listed.labels,
            annotations: listed.annotations,
        }
    }
}

impl Container {
    /// As a list shows it.
    pub(crate) fn listed(&self) -> cri::Container {
        let state = self.state.borrow().cri() as i32;
        let record = self.record.lock();
        let config = record.config.as_ref();
        cri::Container {
            id: record.id.clone(),
            pod_sandbox_id: self.sandbox.id.clone(),
            metadata: config.and_then(|c| c.metadata.clone()),
            image: config.and_then(|c| c.image.clone()),
            image_ref: record.image_ref.clone(),
            state,
            created_at: record.created_at,
            labels: config.map(|c| c.labels.clone()).unwrap_or_default(),
            annotations: config.map(|c| c.annotations.clone()).unwrap_or_default(),
            image_id: record.image_id.clone(),
        }
    }

    /// As figures show it.
    pub(crate) fn attributes(&self) -> ContainerAttributes {
        let listed = self.listed();
        ContainerAttributes {
            id: listed.id,
            metadata: listed.metadata,
            labels: listed.labels,
            annotations: listed.annotations,
        }
    }

    /// Its labels.
    pub(crate) fn labels(&self) -> HashMap<String, String> {
        let record = self.record.lock();
        record.config.as_ref().map(|c| c.labels.clone()).unwrap_or_default()
    }
}

/// The kernel's number of a signal as CRI names it.
fn signal(number: i32) -> Signal {
    let real_time = |first: Signal, offset: i32| {
        Signal::try_from(first as i32 + offset).unwrap_or(Signal::RuntimeDefault)
    };
    match number {
        34..=49 => real_time(Signal::Sigrtmin, number - 34),
        50..=64 => real_time(Signal::Sigrtmaxminus14, number - 50),
        _ => {
            let name = nix::sys::signal::Signal::try_from(number).map(|s| s.as_str()).unwrap_or_default();
            Signal::from_str_name(name).unwrap_or(Signal::RuntimeDefault)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_their_names() {
        for (number, name) in [
            (15, Signal::Sigterm),
            (9, Signal::Sigkill),
            (34, Signal::Sigrtmin),
            (49, Signal::Sigrtminplus15),
            (50, Signal::Sigrtmaxminus14),
            (64, Signal::Sigrtmax),
            (0, Signal::RuntimeDefault),
        ] {
            assert_eq!(signal(number), name, "{number}");
        }
    }
}
