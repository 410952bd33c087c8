//! Replacing objects and their subresources.

use corten_api::Object;
use corten_semantics::{ApiError, ApiResult};

use super::managed::Owners;
use super::modify::{Modification, is_meant};
use super::owner_references::drop_repeated;
use super::{Registry, Reply, RequestContext, Target, WriteOptions};

impl Registry {
    /// Replaces an object, its `status`, `scale` or other subresource.
    pub async fn update(
        &self,
        ctx: &RequestContext,
        target: &Target,
        object: Box<dyn Object>,
        o: &WriteOptions,
    ) -> ApiResult<Reply> {
        let place = self.place_of_object(target)?;
        if target.subresource == "scale" {
            return self.update_scale(ctx, &place, object, o).await;
        }
        let mut object = self.convert(object, place.stored)?;
        place.check_name(&mut *object)?;
        drop_repeated(&mut *object, &ctx.notes, "");
        if self.current(&place).await?.is_none() {
            let uid = object.meta().uid.as_str();
            if !uid.is_empty() {
                let why = format!(
                    "StorageError: invalid object, Code: 4, Key: {}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: {}, UID in object meta: ",
                    place.key(),
                    uid
                );
                return Err(ApiError::conflict(place.kind, &place.name, &why));
            }
            if target.subresource.is_empty() && place.strategy.rules().create_on_update {
                object.meta_mut().resource_version.clear();
                return self.create_at(ctx, place, object, o, Owners::Follow).await;
            }
        }
        let m = Modification {
            ctx,
            place: &place,
            subresource: target.subresource,
            options: o,
            owners: Owners::Follow,
        };
        self.modify(&m, |entry| {
            is_meant(&place, &*object, &*entry.object())?;
            Ok(object.clone_object())
        })
        .await
    }
}
