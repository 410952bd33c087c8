//! Who owns the number of replicas, across an object and its `scale`.

use corten_api::autoscaling::v1::Scale;
use corten_api::meta::v1::ManagedFieldsEntry;
use corten_api::{Kind, Object, Time};
use corten_codec::apply::{self, Managed, Replicas, Reset, Write};
use corten_semantics::{ApiError, ApiResult};

use super::apply::{Apply, Config};
use super::managed::{Owners, manager};
use super::modify::Modification;
use super::place::Place;
use super::subresource::NO_REPLICAS;
use super::{Registry, Reply, RequestContext, WriteOptions};
use crate::cache::Entry;

impl Registry {
    /// Where the kind has its replicas, in each of its versions that scale.
    fn replicas(&self, place: &Place) -> Vec<Replicas> {
        let Some(served) = self.custom.served_as(place.kind).filter(|_| place.kind.custom) else {
            return vec![Replicas::usual(place.kind.api_version())];
        };
        let scaling = served.resource.versions.iter().filter_map(|v| Some((v, v.scale.as_ref()?)));
        scaling.map(|(v, scale)| Replicas::at(v.info.api_version(), &scale.spec_replicas)).collect()
    }

    /// The object's scale, with the owners of its replicas.
    pub(super) fn owned_scale(&self, place: &Place, object: &dyn Object) -> ApiResult<Scale> {
        let mut scale = self.scale_of(place, object)?;
        if place.strategy.missing_replicas(object).is_some() {
            scale.spec.replicas = NO_REPLICAS;
        }
        let replicas = self.replicas(place);
        scale.metadata.managed_fields =
            apply::owners_of_scale(&object.meta().managed_fields, &replicas).map_err(ApiError::internal)?;
        Ok(scale)
    }

    /// Makes the writer the owner of what differs from the former scale.
    pub(super) fn own_scale_changes(
        &self,
        (ctx, o): (&RequestContext, &WriteOptions),
        new: &mut dyn Object,
        live: &Scale,
    ) {
        let given = std::mem::take(&mut new.meta_mut().managed_fields);
        let managed = Managed::of_update(&live.metadata.managed_fields, &given, "scale");
        let api_version = Scale::INFO.api_version();
        let write = Write {
            manager: manager(ctx, o),
            api_version: &api_version,
            subresource: "scale",
            reset: Reset::NOTHING,
            now: Time::new(self.config.clock.now()),
        };
        if new.info() != Scale::INFO {
            return;
        }
        let changes = apply::compare_objects(live, new.as_struct());
        let managed = apply::update(managed, &write, true, changes, &mut |_| None);
        new.meta_mut().managed_fields = managed.write();
    }

    /// The owners of the object's fields after its scale was written.
    pub(super) fn owners_after_scale(
        &self,
        place: &Place,
        object: &dyn Object,
        scale: &Scale,
    ) -> ApiResult<Vec<ManagedFieldsEntry>> {
        let version = place.kind.api_version();
        let replicas = self.replicas(place);
        let (object, scale) = (&object.meta().managed_fields, &scale.metadata.managed_fields);
        apply::owners_after_scale(object, scale, &replicas, &version).map_err(ApiError::internal)
    }

    /// Applies a configuration of a scale.
    pub(super) async fn apply_scale(
        &self,
        ctx: &RequestContext,
        place: &Place,
        config: &Config,
        o: &WriteOptions,
    ) -> ApiResult<Reply> {
        let apply = Apply { ctx, options: o, subresource: "scale", config, kind: Scale::INFO };
        let m = Modification { ctx, place, subresource: "scale", options: o, owners: Owners::Settled };
        let mut warnings = Vec::new();
        let reply = self
            .modify(&m, |entry| {
                let object = entry.object();
                let scale = self.owned_scale(place, &*object)?;
                let shown = Entry::made(std::sync::Arc::new(scale));
                let mut scale = self.applied(&apply, place, &*shown.object(), &shown)?;
                warnings = config.verdict(o.field_validation)?;
                place.check_name(&mut *scale)?;
                self.rescaled(place, &*object, &*scale)
            })
            .await?;
        let mut reply = self.reply_scale(place, reply)?;
        reply.warnings.splice(0..0, warnings);
        Ok(reply)
    }
}
