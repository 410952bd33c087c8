//! Deployments: roll a template out over ReplicaSets, one per revision. The decision is
//! [`plan::plan`]; this file carries it out.

mod plan;
mod revision;
mod rolling;
mod scaling;
mod status;

use crate::Context;
use crate::adoption;
use crate::shell::{Controller, wake_by, wake_on};
use async_trait::async_trait;
use corten_api::apps::v1::{Deployment, ReplicaSet};
use corten_api::core::v1::Pod;
use corten_api::selector::Selector;
use corten_client::{DeleteOptions, EventRecorder, Informer, Key, WorkQueue};
use corten_semantics::ApiResult;
use corten_semantics::owner::controller_of;
use plan::{Action, View, plan};
use std::sync::Arc;
use std::time::Duration;

/// The controller.
pub struct Deployments {
    context: Context,
    deployments: Informer<Deployment>,
    sets: Informer<ReplicaSet>,
    pods: Informer<Pod>,
    events: EventRecorder,
}

impl Deployments {
    pub fn new(context: &Context) -> Self {
        Deployments {
            context: context.clone(),
            deployments: context.informers.of(),
            sets: context.informers.of(),
            pods: context.informers.of(),
            events: context.events("deployment-controller"),
        }
    }

    async fn act(&self, deployment: &Arc<Deployment>, action: Action) -> ApiResult<()> {
        match action {
            Action::CreateSet(set) => self.create_set(deployment, *set).await,
            Action::UpdateSet(set) => self.context.client.beside(&*set).update(*set).await.map(|_| ()),
            Action::Scale { set, from, to } => self.scale(deployment, *set, from, to).await,
            Action::DeleteSet(set) => {
                match self
                    .context
                    .client
                    .beside(&*set)
                    .delete(&set.metadata.name, DeleteOptions::default())
                    .await
                {
                    Err(e) if e.is_not_found() => Ok(()),
                    other => other,
                }
            }
            Action::Update(changed) => {
                self.context.client.beside(&*changed).update(*changed).await.map(|_| ())
            }
            Action::UpdateStatus(changed) => {
                self.context.client.beside(&*changed).update_status(*changed).await.map(|_| ())
            }
        }
    }

    async fn create_set(&self, deployment: &Arc<Deployment>, set: ReplicaSet) -> ApiResult<()> {
        let (name, replicas) = (set.metadata.name.clone(), set.spec.replicas.unwrap_or(0));
        let template = set.spec.template.clone();
        match self.context.client.beside(&set).create(set).await {
            Ok(_) => {
                let message = format!("Scaled up replica set {name} from 0 to {replicas}");
                if replicas > 0 {
                    self.events.normal(&**deployment, "ScalingReplicaSet", message);
                }
                Ok(())
            }
            Err(e) if e.is_already_exists() => self.collision(deployment, &name, &template).await,
            Err(e) => {
                let why = format!("Failed to create new replica set \"{name}\": {e}");
                self.events.warning(&**deployment, "ReplicaSetCreateError", why);
                Err(e)
            }
        }
    }

    /// The name is taken: by our own set that the cache does not show yet, or by another template whose hash
    /// is the same, which counts as a collision.
    async fn collision(
        &self,
        deployment: &Arc<Deployment>,
        name: &str,
        template: &corten_api::core::v1::PodTemplateSpec,
    ) -> ApiResult<()> {
        let taken =
            self.context.client.namespaced::<ReplicaSet>(&deployment.metadata.namespace).get(name).await?;
        let ours = controller_of(&taken.metadata).is_some_and(|r| r.uid == deployment.metadata.uid);
        if ours && revision::same_template(&taken.spec.template, template) {
            return Ok(());
        }
        let mut changed = (**deployment).clone();
        changed.status.collision_count = Some(changed.status.collision_count.unwrap_or(0) + 1);
        self.context.client.beside(&changed).update_status(changed).await.map(|_| ())
    }

    async fn scale(
        &self,
        deployment: &Arc<Deployment>,
        set: ReplicaSet,
        from: i32,
        to: i32,
    ) -> ApiResult<()> {
        let name = set.metadata.name.clone();
        self.context.client.beside(&set).update(set).await?;
        if from != to {
            let direction = if to > from { "up" } else { "down" };
            let message = format!("Scaled {direction} replica set {name} from {from} to {to}");
            self.events.normal(&**deployment, "ScalingReplicaSet", message);
        }
        Ok(())
    }
}

#[async_trait]
impl Controller for Deployments {
    fn watch(&self, queue: &WorkQueue<Key>) {
        wake_on(&self.deployments, queue);
        let deployments = self.deployments.clone();
        wake_by(&self.sets, queue, move |set| owners_of(&deployments, set));
        let sets = self.sets.clone();
        // A pod that goes matters to a Recreate rollout, which waits for the last old one.
        wake_by(&self.pods, queue, move |pod| {
            let set = controller_of(&pod.metadata).filter(|r| r.kind == "ReplicaSet");
            let set = set.and_then(|r| sets.get(&Key::new(&pod.metadata.namespace, &r.name)));
            set.iter()
                .filter_map(|s| controller_of(&s.metadata).map(|r| Key::new(&s.metadata.namespace, &r.name)))
                .collect()
        });
    }

    async fn synced(&self) {
        self.deployments.synced().await;
        self.sets.synced().await;
        self.pods.synced().await;
    }

    async fn reconcile(&self, key: &Key) -> ApiResult<Option<Duration>> {
        let Some(deployment) = self.deployments.get(key) else { return Ok(None) };
        let Ok(selector) = Selector::from_label_selector(deployment.spec.selector.as_deref()) else {
            return Ok(None);
        };
        if selector.is_everything() {
            let why = "This deployment is selecting all pods. A non-empty selector is required.";
            self.events.warning(&*deployment, "SelectingAll", why);
            return Ok(None);
        }
        let claims = adoption::claims(&*deployment, &selector, self.sets.list_in(&key.namespace));
        let sets = adoption::settle(&self.context.client, &*deployment, claims).await?;
        let pods = self.pods.list_in(&key.namespace);
        let view = View { deployment: &deployment, sets: &sets, pods: &pods, now: self.context.clock.now() };
        let decided = plan(&view);
        for action in decided.actions {
            match self.act(&deployment, action).await {
                // The cache is behind; its next change wakes the deployment again.
                Err(e) if e.is_conflict() || e.is_not_found() => break,
                other => other?,
            }
        }
        Ok(decided.again)
    }
}

fn owners_of(deployments: &Informer<Deployment>, set: &ReplicaSet) -> Vec<Key> {
    let meta = &set.metadata;
    match controller_of(meta) {
        Some(r) if r.kind == "Deployment" => vec![Key::new(&meta.namespace, &r.name)],
        Some(_) => vec![],
        None => deployments
            .list_in(&meta.namespace)
            .iter()
            .filter(|d| {
                Selector::from_label_selector(d.spec.selector.as_deref())
                    .is_ok_and(|s| s.matches(&meta.labels))
            })
            .map(|d| Key::of(&**d))
            .collect(),
    }
}
