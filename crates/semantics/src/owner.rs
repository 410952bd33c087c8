//! Who owns what (k8s.io/apimachinery `metav1.GetControllerOf`).

use corten_api::Object;
use corten_api::meta::v1::{ObjectMeta, OwnerReference};

/// The owner that controls an object, if one does.
pub fn controller_of(meta: &ObjectMeta) -> Option<&OwnerReference> {
    meta.owner_references.iter().find(|r| r.controller == Some(true))
}

/// Whether `owner` controls the object of this metadata.
pub fn is_controlled_by(meta: &ObjectMeta, owner: &dyn Object) -> bool {
    controller_of(meta).is_some_and(|r| r.uid == owner.meta().uid)
}

/// A reference that makes `owner` the controller.
pub fn controller_reference(owner: &dyn Object) -> OwnerReference {
    let info = owner.info();
    OwnerReference {
        api_version: info.api_version(),
        kind: info.kind.into(),
        name: owner.meta().name.clone(),
        uid: owner.meta().uid.clone(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}
