//! Subresources that are no part of the object: `scale`, `binding`.

use corten_api::authentication::v1::TokenRequest;
use corten_api::autoscaling::v1::Scale;
use corten_api::core::v1::{Binding, Pod, PodCondition};
use corten_api::meta::v1::Status;
use corten_api::policy::v1::Eviction;
use corten_api::{Kind, Object, Time};
use corten_semantics::field::FieldError;
use corten_semantics::{ApiError, ApiResult};
use std::sync::Arc;

use super::managed::Owners;
use super::modify::{Modification, is_meant};
use super::place::Place;
use super::{Body, Registry, Reply, RequestContext, Target, WriteOptions};
use crate::cache::Entry;

/// What a scale that is to be changed shows where its object has no replicas.
pub(super) const NO_REPLICAS: i32 = i32::MIN;

impl Registry {
    /// The `scale` of an object.
    pub(crate) fn scale_of(&self, place: &Place, object: &dyn Object) -> ApiResult<Scale> {
        place.strategy.scale(object).ok_or_else(ApiError::no_such_path)
    }

    /// The `scale` of an object for who reads it.
    pub(crate) fn readable_scale(&self, place: &Place, object: &dyn Object) -> ApiResult<Scale> {
        let scale = self.scale_of(place, object)?;
        match place.strategy.missing_replicas(object) {
            Some(path) => Err(ApiError::internal(format!("the spec replicas field {path:?} does not exist"))),
            None => Ok(scale),
        }
    }

    /// The object after its scale was set.
    pub(crate) fn rescaled(
        &self,
        place: &Place,
        object: &dyn Object,
        scale: &dyn Object,
    ) -> ApiResult<Box<dyn Object>> {
        let scale: &Scale =
            scale.downcast_ref().ok_or_else(|| ApiError::bad_request("expected a Scale in the body"))?;
        if scale.spec.replicas == NO_REPLICAS
            && let Some(path) = place.strategy.missing_replicas(object)
        {
            let why = format!("the spec replicas field {path:?} cannot be empty");
            return Err(ApiError::bad_request(why));
        }
        if scale.spec.replicas < 0 {
            let detail = "must be greater than or equal to 0";
            let error = FieldError::invalid("spec.replicas", scale.spec.replicas, detail);
            return Err(ApiError::invalid("autoscaling", "Scale", &place.name, &[error]));
        }
        let (meta, was) = (&scale.metadata, object.meta());
        is_meant(place, scale, object)?;
        if !matches!(meta.resource_version.as_str(), "" | "0")
            && meta.resource_version != was.resource_version
        {
            return Err(place.modified());
        }
        let owners = self.owners_after_scale(place, object, scale)?;
        let mut object = object.clone_object();
        place.strategy.set_replicas(&mut *object, scale.spec.replicas);
        object.meta_mut().managed_fields = owners;
        Ok(object)
    }

    pub(crate) async fn update_scale(
        &self,
        ctx: &RequestContext,
        place: &Place,
        scale: Box<dyn Object>,
        o: &WriteOptions,
    ) -> ApiResult<Reply> {
        let m = Modification { ctx, place, subresource: "scale", options: o, owners: Owners::Settled };
        let propose = |entry: &Arc<Entry>| {
            let object = entry.object();
            let mut scale = scale.clone_object();
            self.own_scale_changes((ctx, o), &mut *scale, &self.owned_scale(place, &*object)?);
            self.rescaled(place, &*object, &*scale)
        };
        let reply = self.modify(&m, propose).await?;
        self.reply_scale(place, reply)
    }

    /// Answers with the scale of the object that a reply carries.
    pub(crate) fn reply_scale(&self, place: &Place, reply: Reply) -> ApiResult<Reply> {
        match &reply.body {
            Body::Object(entry) => {
                let scale = self.scale_of(place, &*entry.object())?;
                Ok(Reply { body: Body::Object(Entry::made(Arc::new(scale))), ..reply })
            }
            Body::Status(_) => Ok(reply),
        }
    }

    pub(crate) async fn create_subresource(
        &self,
        ctx: &RequestContext,
        target: &Target,
        body: Box<dyn Object>,
        o: &WriteOptions,
    ) -> ApiResult<Reply> {
        let is_binding = target.kind == Binding::INFO || target.subresource == "binding";
        let expected = match target.subresource {
            _ if is_binding => Binding::INFO,
            "eviction" => Eviction::INFO,
            "token" => TokenRequest::INFO,
            _ => return Err(ApiError::no_such_path()),
        };
        let wrong = || ApiError::bad_request(format!("expected a {} in the body", expected.kind));
        if body.info() != expected {
            return Err(wrong());
        }
        if is_binding {
            return self.bind(ctx, target, body, o).await;
        }
        let place = self.place_of_object(&Target { subresource: "", ..target.clone() })?;
        if let Some(eviction) = body.downcast_ref::<Eviction>() {
            super::eviction::check(eviction, &place)?;
        }
        let body = self.admit_posted(ctx, (&place, target.subresource), body, o).await?;
        if target.subresource == "eviction" {
            return self.evict(ctx, &place, *body.downcast_box().ok_or_else(wrong)?, o).await;
        }
        self.create_token(ctx, &place, *body.downcast_box().ok_or_else(wrong)?)
    }

    /// Puts a pod on a node.
    async fn bind(
        &self,
        ctx: &RequestContext,
        target: &Target,
        body: Box<dyn Object>,
        o: &WriteOptions,
    ) -> ApiResult<Reply> {
        let name = if target.name.is_empty() { &body.meta().name } else { &target.name };
        let pods = Target { kind: Pod::INFO, name: name.clone(), subresource: "", ..target.clone() };
        let place = self.place_of_object(&pods)?;
        let admitted = if target.subresource.is_empty() {
            let older = Place { kind: Binding::INFO, stored: Binding::INFO, ..self.place_of_object(&pods)? };
            self.admit_posted(ctx, (&older, ""), body, o).await?
        } else {
            self.admit_posted(ctx, (&place, "binding"), body, o).await?
        };
        let binding: Box<Binding> =
            admitted.downcast_box().ok_or_else(|| ApiError::internal("a binding became something else"))?;
        let now = Time::new(self.config.clock.now());
        let m = Modification { ctx, place: &place, subresource: "binding", options: o, owners: Owners::Stay };
        self.modify(&m, |entry| {
            let object = entry.object();
            let pod = object.downcast_ref::<Pod>().ok_or_else(|| place.not_found())?;
            Ok(Box::new(bound(pod, &binding, now)?))
        })
        .await?;
        Ok(success(201))
    }
}

pub(crate) fn success(code: u16) -> Reply {
    let status = Status { status: "Success".into(), code: i32::from(code), ..Status::default() };
    Reply { code, body: Body::Status(Box::new(status)), warnings: Vec::new(), deleted: false }
}

/// The pod on its node; refuses a second node and a pod that is going.
fn bound(pod: &Pod, binding: &Binding, now: Time) -> ApiResult<Pod> {
    let name = &pod.metadata.name;
    let conflict = |why: String| {
        let resource = corten_semantics::status::Resource { group: "", plural: "pods/binding" };
        ApiError::conflict(resource, name, &why)
    };
    if !binding.metadata.uid.is_empty() && binding.metadata.uid != pod.metadata.uid {
        return Err(conflict(format!(
            "Precondition failed: UID in precondition: {}, UID in object meta: {}",
            binding.metadata.uid, pod.metadata.uid
        )));
    }
    let node = &binding.target.name;
    if node.is_empty() {
        let error = FieldError::required("target.name", "");
        return Err(ApiError::invalid("", "Binding", name, &[error]));
    }
    if !matches!(binding.target.kind.as_str(), "" | "Node" | "Minion") {
        let error = FieldError::not_supported("target.kind", &binding.target.kind, &["Node", "<empty>"]);
        return Err(ApiError::invalid("", "Binding", name, &[error]));
    }
    if pod.metadata.deletion_timestamp.is_some() {
        return Err(conflict(format!("pod {name} is being deleted, cannot be assigned to a host")));
    }
    if !pod.spec.node_name.is_empty() {
        return Err(conflict(format!("pod {name} is already assigned to node \"{}\"", pod.spec.node_name)));
    }
    if !pod.spec.scheduling_gates.is_empty() {
        return Err(conflict(format!("pod {name} has non-empty .spec.schedulingGates")));
    }
    let mut pod = pod.clone();
    pod.spec.node_name.clone_from(node);
    pod.status.nominated_node_name.clear();
    pod.metadata.annotations.extend(binding.metadata.annotations.clone());
    pod.metadata.labels.extend(binding.metadata.labels.clone());
    let scheduled = PodCondition {
        type_: "PodScheduled".into(),
        status: "True".into(),
        last_transition_time: Some(now),
        ..PodCondition::default()
    };
    match pod.status.conditions.iter_mut().find(|c| c.type_ == scheduled.type_) {
        Some(condition) => *condition = scheduled,
        None => pod.status.conditions.push(scheduled),
    }
    Ok(pod)
}
