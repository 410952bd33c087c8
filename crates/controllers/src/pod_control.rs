//! Creating and deleting an owner's pods, with the events that tell of it.

use crate::expectations::Expectations;
use corten_api::Object;
use corten_api::core::v1::{Pod, PodTemplateSpec};
use corten_client::{Client, DeleteOptions, EventRecorder, Key};
use corten_semantics::ApiResult;
use corten_semantics::owner::controller_reference;

/// The pod that `template` asks for in the name of `owner`.
pub fn pod_from(owner: &dyn Object, template: &PodTemplateSpec) -> Pod {
    let mut pod = Pod { spec: template.spec.clone(), ..Pod::default() };
    pod.metadata.namespace = owner.meta().namespace.clone();
    pod.metadata.generate_name = name_prefix(&owner.meta().name);
    pod.metadata.labels = template.metadata.labels.clone();
    pod.metadata.annotations = template.metadata.annotations.clone();
    pod.metadata.finalizers = template.metadata.finalizers.clone();
    pod.metadata.owner_references = vec![controller_reference(owner)];
    pod
}

fn name_prefix(owner: &str) -> String {
    format!("{owner}-")
}

/// Creates and deletes pods in the name of one controller.
pub struct PodControl {
    pub client: Client,
    pub events: EventRecorder,
    pub expectations: Expectations,
}

impl PodControl {
    /// For the controller that records with `events`.
    pub fn new(client: Client, events: EventRecorder) -> Self {
        PodControl { client, events, expectations: Expectations::default() }
    }

    /// Creates `count` pods, first one, then two, then four at a time (slow start), and stops at the first
    /// batch with a failure.
    pub async fn create(
        &self,
        owner: &dyn Object,
        template: &PodTemplateSpec,
        count: usize,
    ) -> ApiResult<()> {
        let (mut left, mut batch) = (count, 1);
        while left > 0 {
            let now = batch.min(left);
            let made = (0..now).map(|_| self.create_one(owner, template));
            for outcome in futures::future::join_all(made).await {
                outcome?;
            }
            left -= now;
            batch *= 2;
        }
        Ok(())
    }

    async fn create_one(&self, owner: &dyn Object, template: &PodTemplateSpec) -> ApiResult<()> {
        let api = self.client.namespaced::<Pod>(&owner.meta().namespace);
        match api.create(pod_from(owner, template)).await {
            Ok(pod) => {
                self.expectations.created(&Key::of(owner), &pod.metadata.name);
                let message = format!("Created pod: {}", pod.metadata.name);
                self.events.normal(owner, "SuccessfulCreate", message);
                Ok(())
            }
            Err(e) => {
                // A namespace that is going away needs no pods and no noise.
                let leaving = e
                    .status()
                    .details
                    .iter()
                    .flat_map(|d| &d.causes)
                    .any(|c| c.reason == "NamespaceTerminating");
                if leaving {
                    return Ok(());
                }
                self.events.warning(owner, "FailedCreate", format!("Error creating: {e}"));
                Err(e)
            }
        }
    }

    /// Deletes `pods`.
    pub async fn delete(&self, owner: &dyn Object, pods: &[std::sync::Arc<Pod>]) -> ApiResult<()> {
        for outcome in futures::future::join_all(pods.iter().map(|pod| self.delete_one(owner, pod))).await {
            outcome?;
        }
        Ok(())
    }

    async fn delete_one(&self, owner: &dyn Object, pod: &Pod) -> ApiResult<()> {
        let name = &pod.metadata.name;
        match self.client.beside(pod).delete(name, DeleteOptions::default()).await {
            Ok(()) => {
                self.expectations.deleted(&Key::of(owner), name);
                self.events.normal(owner, "SuccessfulDelete", format!("Deleted pod: {name}"));
                Ok(())
            }
            Err(e) if e.is_not_found() => Ok(()),
            Err(e) => {
                self.events.warning(owner, "FailedDelete", format!("Error deleting: {e}"));
                Err(e)
            }
        }
    }
}
