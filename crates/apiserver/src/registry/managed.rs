//! Who owns the fields of an object after a write: `metadata.managedFields` of create, update and patch.

use bytes::Bytes;
use corten_api::meta::v1::ManagedFieldsEntry;
use corten_api::{KindInfo, Object, Time};
use corten_codec::apply::{self, Comparison, Managed, Write};
use corten_semantics::{ApiError, ApiResult};

use super::managed_reset::reset_fields;
use super::managed_versions::KindVersions;
use super::place::Place;
use super::{Registry, RequestContext, WriteOptions};
use crate::cache::{convert, form};

/// What a write does to the owners of fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owners {
    /// They follow from what changed.
    Follow,
    /// The proposal has settled them.
    Settled,
    /// They stay as they are: the server itself writes.
    Stay,
}

/// How many bytes an object may have together with the owners of its fields: what etcd takes by default.
const MOST_WITH_OWNERS: usize = 3 << 19;

/// A writer's name: what the call says, or else what its client is called.
pub(crate) fn manager<'a>(ctx: &'a RequestContext, o: &'a WriteOptions) -> &'a str {
    if o.field_manager.is_empty() { &ctx.agent } else { &o.field_manager }
}

impl Registry {
    /// What is stored of an object. Where its owners make it too large they are forgotten, as upstream does;
    /// who applies is refused, for appliers without number would make it ever larger.
    pub(crate) fn encode_fitting(&self, object: &mut dyn Object, owners: Owners) -> ApiResult<Bytes> {
        let value = self.encode(object);
        if value.len() <= MOST_WITH_OWNERS || object.meta().managed_fields.is_empty() {
            return Ok(value);
        }
        match owners {
            Owners::Stay => Ok(value),
            Owners::Follow => {
                object.meta_mut().managed_fields = Vec::new();
                Ok(self.encode(object))
            }
            Owners::Settled => Err(ApiError::too_large(format!(
                "the object would have {} bytes with metadata.managedFields, of {MOST_WITH_OWNERS}: apply fewer fields, or by fewer managers",
                value.len()
            ))),
        }
    }

    /// Makes the writer the owner of what differs from the old object (none for one that is created).
    pub(crate) fn own_changes(
        &self,
        (ctx, o): (&RequestContext, &WriteOptions),
        (place, subresource): (&Place, &str),
        new: &mut dyn Object,
        old: Option<&dyn Object>,
    ) {
        let given = std::mem::take(&mut new.meta_mut().managed_fields);
        let live = old.map_or(&[][..], |old| &old.meta().managed_fields);
        let managed = Managed::of_update(live, &given, subresource);
        if managed.is_empty() && old.is_some() {
            // Nobody was recorded so far, and nobody will be until somebody applies.
            return;
        }
        let changes = Changes { registry: self, place, new, old };
        let api_version = place.kind.api_version();
        let write = Write {
            manager: manager(ctx, o),
            api_version: &api_version,
            subresource,
            reset: reset_fields(place.kind, subresource),
            now: Time::new(self.config.clock.now()),
        };
        let here = changes.here();
        let mut at = |version: &str| changes.at(version);
        let managed = apply::update(managed, &write, old.is_some(), here, &mut at);
        new.meta_mut().managed_fields = managed.write();
    }
}

/// What a write changes, in any version of the kind.
struct Changes<'a> {
    registry: &'a Registry,
    place: &'a Place,
    new: &'a dyn Object,
    old: Option<&'a dyn Object>,
}

impl Changes<'_> {
    /// In the version of the request.
    fn here(&self) -> Comparison {
        let kind = self.place.kind;
        if kind.custom {
            return self.at(&kind.api_version()).unwrap_or_default();
        }
        self.of_kind(kind)
    }

    fn of_kind(&self, kind: &'static KindInfo) -> Comparison {
        let blank;
        let old = match self.old {
            Some(old) => old,
            None => {
                blank = form::blank(self.new.info());
                &*blank
            }
        };
        if kind == self.new.info() {
            return apply::compare_objects(old.as_struct(), self.new.as_struct());
        }
        let shown = |object: &dyn Object| convert::convert(object.clone_object(), kind).ok();
        match (shown(old), shown(self.new)) {
            (Some(old), Some(new)) => apply::compare_objects(old.as_struct(), new.as_struct()),
            _ => Comparison::default(),
        }
    }

    fn at(&self, version: &str) -> Option<Comparison> {
        let versions = KindVersions::new(self.registry, self.place);
        if !self.place.kind.custom {
            return versions.kind_of(version).map(|kind| self.of_kind(kind));
        }
        let new = versions.value_of(self.new);
        let old = self.old.map_or_else(|| versions.blank(), |old| versions.value_of(old));
        apply::compare_at(&versions, &old, &new, version)
    }
}

/// Takes the former times over where nothing but times changed, so that a write that changes nothing is none.
pub(crate) fn keep_times(new: &mut dyn Object, old: &dyn Object) {
    let was = &old.meta().managed_fields;
    let is = &new.meta().managed_fields;
    let alike = |(a, b): (&ManagedFieldsEntry, &ManagedFieldsEntry)| {
        a.manager == b.manager
            && a.operation == b.operation
            && a.api_version == b.api_version
            && a.subresource == b.subresource
            && a.fields_v1 == b.fields_v1
    };
    if is.is_empty() || is == was || is.len() != was.len() || !is.iter().zip(was).all(alike) {
        return;
    }
    if apply::same_objects(new.as_struct(), old.as_struct()) {
        new.meta_mut().managed_fields.clone_from(was);
    }
}
