//! OwnerReferencesPermissionEnforcement: who changes an object's owners must be allowed to delete the object,
//! and who lets it hold up an owner's deletion, to finalize that owner. Off unless enabled.

use corten_admission::{Notes, Operation};
use corten_api::meta::v1::OwnerReference;
use corten_api::{KindInfo, Object};
use corten_auth::{Attributes, Decision};
use corten_semantics::{ApiError, ApiResult};

use super::Registry;
use super::admit::Admission;

/// Drops owners that an object names twice, and tells the client; `when` is put behind the first words.
pub(crate) fn drop_repeated(object: &mut dyn Object, notes: &Notes, when: &str) {
    let owners = &mut object.meta_mut().owner_references;
    if owners.len() < 2 {
        return;
    }
    let mut kept: Vec<OwnerReference> = Vec::with_capacity(owners.len());
    let mut repeated: Vec<String> = Vec::new();
    for owner in std::mem::take(owners) {
        if kept.contains(&owner) {
            repeated.push(owner.uid);
        } else {
            kept.push(owner);
        }
    }
    *owners = kept;
    if !repeated.is_empty() {
        notes.warn(format!(
            ".metadata.ownerReferences contains duplicate entries{when}; API server dedups owner references in \
             1.20+, and may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) \
             observed: {}",
            repeated.join(", ")
        ));
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::core::v1::ConfigMap;

    #[test]
    fn owners_are_named_once() {
        let owner = |uid: &str, name: &str| OwnerReference {
            uid: uid.into(),
            name: name.into(),
            ..OwnerReference::default()
        };
        for (owners, kept, told) in [
            (vec![], 0, ""),
            (vec![owner("1", "a"), owner("1", "b")], 2, ""),
            (vec![owner("1", "a"), owner("2", "b"), owner("1", "a"), owner("2", "b")], 2, "observed: 1, 2"),
        ] {
            let notes = Notes::default();
            let mut object = ConfigMap::default();
            object.metadata.owner_references = owners;
            drop_repeated(&mut object, &notes, " after mutating admission happens");
            assert_eq!(object.metadata.owner_references.len(), kept);
            let warnings = notes.take_warnings();
            assert_eq!(warnings.len(), usize::from(!told.is_empty()), "{warnings:?}");
            assert!(warnings.iter().all(|warning| warning.ends_with(told)
                && warning.contains("duplicate entries after mutating admission happens; API")));
        }
    }
}
