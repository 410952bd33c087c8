//! Roots: kinds that have a URL of their own.

use crate::meta::v1::ObjectMeta;
use crate::{Reflect, Schema, Struct, Typed};
use std::any::Any;
use std::sync::Arc;

/// What is declared of a kind; routes, discovery, storage and OpenAPI follow from it.
pub struct KindInfo {
    /// The group; empty for the core group.
    pub group: &'static str,
    pub version: &'static str,
    pub kind: &'static str,
    /// The kind of lists; empty for the kind with `List` behind it.
    pub list_kind: &'static str,
    /// The resource's name in URLs; empty when the kind has none (it is a body only).
    pub plural: &'static str,
    /// The name of one; empty for the kind in lower case.
    pub singular: &'static str,
    /// The part of the storage key between `/registry/` and the namespace.
    pub storage: &'static str,
    pub namespaced: bool,
    pub short_names: &'static [&'static str],
    pub categories: &'static [&'static str],
    /// `status`, `scale` and so on.
    pub subresources: &'static [&'static str],
    /// Verbs when they are not the usual ones: `create` for reviews, `-deletecollection` to take one away.
    pub verbs: &'static str,
    pub schema: fn() -> &'static Schema,
    /// Makes an empty object of the kind; `None` for bodies without object metadata (options, `Status`).
    pub new: Option<fn() -> Box<dyn Object>>,
    /// Declared while the server runs; its objects are [`DynamicObject`](crate::DynamicObject)s.
    pub custom: bool,
}

impl KindInfo {
    /// `v1` or `apps/v1`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_string()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// The singular name that clients may use.
    pub fn singular(&self) -> String {
        if self.singular.is_empty() { self.kind.to_ascii_lowercase() } else { self.singular.to_string() }
    }

    /// The kind of lists.
    pub fn list_kind(&self) -> String {
        if self.list_kind.is_empty() { format!("{}List", self.kind) } else { self.list_kind.to_string() }
    }

    /// An empty object; `None` for bodies without object metadata.
    pub fn blank(&'static self) -> Option<Box<dyn Object>> {
        if self.custom {
            return Some(Box::new(crate::DynamicObject::new(self)));
        }
        self.new.map(|new| new())
    }

    /// `pods` or `deployments.apps`, as error messages name the resource.
    pub fn group_resource(&self) -> String {
        if self.group.is_empty() {
            self.plural.to_string()
        } else {
            format!("{}.{}", self.plural, self.group)
        }
    }
}

impl std::fmt::Debug for KindInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.api_version(), self.kind)
    }
}

impl PartialEq for KindInfo {
    fn eq(&self, other: &Self) -> bool {
        (self.group, self.version, self.kind) == (other.group, other.version, other.kind)
    }
}

/// A root object whose kind is known only at run time.
pub trait Object: Reflect {
    fn info(&self) -> &'static KindInfo;
    fn meta(&self) -> &ObjectMeta;
    fn meta_mut(&mut self) -> &mut ObjectMeta;
    fn as_struct(&self) -> &dyn Struct;
    fn as_struct_mut(&mut self) -> &mut dyn Struct;
    fn clone_object(&self) -> Box<dyn Object>;
    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
    fn into_any_box(self: Box<Self>) -> Box<dyn Any>;
    fn as_any(&self) -> &dyn Any;
    fn as_any_mut(&mut self) -> &mut dyn Any;
}

impl dyn Object {
    /// This object as a `K`.
    pub fn downcast_ref<K: Kind>(&self) -> Option<&K> {
        self.as_any().downcast_ref()
    }

    /// This object as a `K`, to be changed.
    pub fn downcast_mut<K: Kind>(&mut self) -> Option<&mut K> {
        self.as_any_mut().downcast_mut()
    }

    /// A shared object as a shared `K`, without copying.
    pub fn downcast_arc<K: Kind>(self: Arc<Self>) -> Option<Arc<K>> {
        self.into_any().downcast().ok()
    }

    /// An owned object as a `K`.
    pub fn downcast_box<K: Kind>(self: Box<Self>) -> Option<Box<K>> {
        self.into_any_box().downcast().ok()
    }
}

/// A root type.
pub trait Kind: Object + Typed + Clone + Default + PartialEq + std::fmt::Debug {
    const INFO: &'static KindInfo;
}
