//! OwnerReferencesPermissionEnforcement: who changes an object's owners must be allowed to delete the object,
//! and who lets it hold up an owner's deletion, to finalize that owner. Off unless enabled.

use corten_admission::Operation;
use corten_api::meta::v1::OwnerReference;
use corten_api::{KindInfo, Object};
use corten_auth::{Attributes, Decision};
use corten_semantics::{ApiError, ApiResult};

use super::Registry;
use super::admit::Admission;

impl Registry {
    /// Refuses owners that the caller may not set.
    pub(crate) fn check_owner_references(
        &self,
        admission: &Admission<'_>,
        new: &dyn Object,
        old: Option<&dyn Object>,
    ) -> ApiResult<()> {
        let place = admission.place;
        let of_status = place.stored.plural == "pods" && admission.subresource == "status";
        let (now, before) = (&new.meta().owner_references, old.map(|o| o.meta().owner_references.as_slice()));
        if of_status || now.as_slice() == before.unwrap_or_default() {
            return Ok(());
        }
        let refused = |why: String| {
            let name = if place.name.is_empty() { "Unknown" } else { &place.name };
            ApiError::forbidden(place.stored, name, &why)
        };
        let user = &admission.ctx.user;
        if admission.operation != Operation::Create {
            let delete = Attributes {
                version: place.kind.version,
                subresource: admission.subresource,
                namespace: &place.namespace,
                name: &place.name,
                ..Attributes::resource(user, "delete", place.kind.group, place.kind.plural)
            };
            let Decision { allowed, reason, .. } = self.authorizer.authorize(&delete);
            if !allowed {
                let why = format!("cannot set an ownerRef on a resource you can't delete: {reason}, <nil>");
                return Err(refused(why));
            }
        }
        let blocks = |r: &&OwnerReference| r.block_owner_deletion == Some(true);
        let had =
            |r: &OwnerReference| before.unwrap_or_default().iter().filter(blocks).any(|o| o.uid == r.uid);
        let blocking: Vec<&OwnerReference> = now.iter().filter(blocks).filter(|r| !had(r)).collect();
        let any = Attributes {
            version: "*",
            subresource: "finalizers",
            name: "*",
            ..Attributes::resource(user, "update", "*", "*")
        };
        if blocking.is_empty() || self.authorizer.authorize(&any).allowed {
            return Ok(());
        }
        for reference in blocking {
            let kind = self.kind_of(reference).ok_or_else(|| {
                let OwnerReference { api_version, kind, .. } = reference;
                refused(format!(
                    "cannot set blockOwnerDeletion in this case because cannot find RESTMapping for APIVersion {api_version} Kind {kind}: no matches for kind {kind:?} in version {api_version:?}"
                ))
            })?;
            let finalize = Attributes {
                version: kind.version,
                subresource: "finalizers",
                namespace: if kind.namespaced { &place.namespace } else { "" },
                name: &reference.name,
                ..Attributes::resource(user, "update", kind.group, kind.plural)
            };
            let Decision { allowed, reason, .. } = self.authorizer.authorize(&finalize);
            if !allowed {
                return Err(refused(format!(
                    "cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on: {reason}, <nil>"
                )));
            }
        }
        Ok(())
    }

    fn kind_of(&self, reference: &OwnerReference) -> Option<&'static KindInfo> {
        self.kinds()
            .into_iter()
            .find(|k| k.kind == reference.kind && k.api_version() == reference.api_version)
    }
}
