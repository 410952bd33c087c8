//! Where a call's object lies: its kind, its storage key, its strategy.

use std::sync::Arc;

use corten_api::admissionregistration::v1beta1;
use corten_api::{Kind, KindInfo, Object, autoscaling, core};
use corten_kinds::StrategyRef;
use corten_semantics::{ApiError, ApiResult};

use super::{Registry, Target};
use crate::cache::{Entry, Resource, convert};

/// What an object of another namespace than the request's is told.
pub(crate) const OTHER_NAMESPACE: &str =
    "the namespace of the provided object does not match the namespace sent on the request";

/// An object's (or a collection's) place.
pub(crate) struct Place {
    /// The kind that the client speaks.
    pub kind: &'static KindInfo,
    /// The kind that is stored, of another version perhaps.
    pub stored: &'static KindInfo,
    pub strategy: StrategyRef,
    pub resource: Arc<Resource>,
    /// Empty for cluster-scoped kinds, and for all namespaces.
    pub namespace: String,
    /// Empty for collections.
    pub name: String,
}

impl Place {
    /// What every key of the place's collection begins with.
    pub fn prefix(&self) -> String {
        match self.namespace.as_str() {
            "" => self.resource.prefix.clone(),
            namespace => format!("{}{namespace}/", self.resource.prefix),
        }
    }

    /// The storage key.
    pub fn key(&self) -> Arc<str> {
        Arc::from(format!("{}{}", self.prefix(), self.name))
    }

    /// Refuses an object that names itself otherwise than the place is named; fills its namespace.
    pub fn check_name(&self, object: &mut dyn Object) -> ApiResult<()> {
        let meta = object.meta_mut();
        if !self.kind.namespaced {
            meta.namespace.clear();
        } else if meta.namespace.is_empty() {
            meta.namespace.clone_from(&self.namespace);
        } else if meta.namespace != self.namespace {
            return Err(ApiError::bad_request(OTHER_NAMESPACE));
        }
        let name = &self.name;
        if meta.name.is_empty() {
            return Err(ApiError::bad_request(format!(
                "the name of the object ({name} based on URL) was undeterminable: name must be provided"
            )));
        }
        if meta.name != *name {
            return Err(ApiError::bad_request(format!(
                "the name of the object ({}) does not match the name on the URL ({name})",
                meta.name
            )));
        }
        Ok(())
    }

    /// 404 for this object.
    pub fn not_found(&self) -> ApiError {
        ApiError::not_found(self.kind, &self.name)
    }

    /// 409: changed since it was read.
    pub fn modified(&self) -> ApiError {
        ApiError::modified(self.kind, &self.name)
    }
}

/// Whether objects of the kind are kept: those that can only be created (reviews, bindings) or only be read
/// are made on the spot.
pub(crate) fn is_stored(kind: &KindInfo) -> bool {
    kind.new.is_some() && (kind.verbs.is_empty() || kind.verbs.split(',').all(|v| v.starts_with('-')))
}

/// The kind in whose version objects of this one's storage path are kept.
pub(crate) fn stored_as(kind: &'static KindInfo) -> &'static KindInfo {
    match (kind.group, kind.plural) {
        ("events.k8s.io", "events") => core::v1::Event::INFO,
        ("autoscaling", "horizontalpodautoscalers") => autoscaling::v2::HorizontalPodAutoscaler::INFO,
        ("admissionregistration.k8s.io", "mutatingadmissionpolicies") => {
            v1beta1::MutatingAdmissionPolicy::INFO
        }
        ("admissionregistration.k8s.io", "mutatingadmissionpolicybindings") => {
            v1beta1::MutatingAdmissionPolicyBinding::INFO
        }
        _ => kind,
    }
}

impl Registry {
    /// The place a target names; 404 when objects of the kind are not stored.
    pub(crate) fn place(&self, target: &Target) -> ApiResult<Place> {
        let kind = target.kind;
        let namespace = target.namespace.clone().filter(|_| kind.namespaced).unwrap_or_default();
        let name = target.name.clone();
        if kind.custom {
            // Custom objects are worked on in the version that the client speaks; what is stored is the
            // transaction's business.
            let (resource, strategy) = self.custom.place(kind).ok_or_else(ApiError::no_such_path)?;
            return Ok(Place { kind, stored: kind, strategy, resource, namespace, name });
        }
        let stored = stored_as(kind);
        let resource = self.cache.resource(stored).ok_or_else(ApiError::no_such_path)?;
        // Events are checked more strictly in the newer group.
        let strategy = self.strategy(if kind.group == "events.k8s.io" { kind } else { stored });
        Ok(Place { kind, stored, strategy, resource, namespace, name })
    }

    /// The object as the place stores it; 400 when it is of another kind.
    pub(crate) fn convert(
        &self,
        object: Box<dyn Object>,
        to: &'static KindInfo,
    ) -> ApiResult<Box<dyn Object>> {
        convert::convert(object, to).map_err(|object| {
            let given = object.info();
            ApiError::bad_request(format!("the object provided is a {given:?}, but this path takes {to:?}"))
        })
    }

    /// The entry in the version that the client speaks.
    pub(crate) fn in_version(&self, entry: Arc<Entry>, kind: &'static KindInfo) -> Arc<Entry> {
        convert::in_version(entry, kind)
    }

    /// The place of one object, which must be named in full.
    pub(crate) fn place_of_object(&self, target: &Target) -> ApiResult<Place> {
        let place = self.place(target)?;
        if place.name.is_empty() {
            return Err(ApiError::bad_request("name must be provided"));
        }
        if place.kind.namespaced && place.namespace.is_empty() {
            return Err(ApiError::bad_request("namespace must be provided"));
        }
        Ok(place)
    }
}
