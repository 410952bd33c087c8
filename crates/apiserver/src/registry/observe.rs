//! The authorizer hears of roles, bindings and what nodes may see before a write is answered.

use std::sync::Arc;

use corten_api::{Kind, KindInfo, Object, core, rbac, resource, storage};
use corten_auth::Authorizer;

use crate::cache::Observer;

/// Passes objects on to the authorizer.
pub(crate) struct AuthorizerFeed(pub Arc<Authorizer>);

/// The kinds that the authorizer looks into.
static OBSERVED: &[&KindInfo] = &[
    rbac::v1::Role::INFO,
    rbac::v1::RoleBinding::INFO,
    rbac::v1::ClusterRole::INFO,
    rbac::v1::ClusterRoleBinding::INFO,
    core::v1::Pod::INFO,
    core::v1::PersistentVolume::INFO,
    storage::v1::VolumeAttachment::INFO,
    resource::v1::ResourceSlice::INFO,
];

impl Observer for AuthorizerFeed {
    fn wants(&self, kind: &KindInfo) -> bool {
        OBSERVED.contains(&kind)
    }

    fn observe(&self, object: &dyn Object) {
        self.0.observe(object);
    }

    fn forget(&self, object: &dyn Object) {
        self.0.forget(object);
    }
}
