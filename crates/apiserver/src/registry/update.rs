//! Replacing objects and their subresources.

use corten_api::Object;
use corten_semantics::{ApiError, ApiResult};

use super::modify::Modification;
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
        let object = self.convert(object, place.stored)?;
        let meta = object.meta();
        if !meta.name.is_empty() && meta.name != place.name {
            return Err(ApiError::bad_request(format!(
                "the name of the object ({}) does not match the name on the URL ({})",
                meta.name, place.name
            )));
        }
        if place.kind.namespaced && !meta.namespace.is_empty() && meta.namespace != place.namespace {
            return Err(ApiError::bad_request(
                "the namespace of the object does not match the namespace on the request",
            ));
        }
        if self.current(&place).await?.is_none() {
            if !meta.uid.is_empty() {
                let why = format!(
                    "StorageError: invalid object, Code: 4, Key: {}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: {}, UID in object meta: ",
                    place.key(),
                    meta.uid
                );
                return Err(ApiError::conflict(place.kind, &place.name, &why));
            }
            if target.subresource.is_empty() && place.strategy.rules().create_on_update {
                let mut object = object;
                object.meta_mut().name.clone_from(&place.name);
                object.meta_mut().resource_version.clear();
                return self.create_at(ctx, place, object, o).await;
            }
        }
        let m = Modification { ctx, place: &place, subresource: target.subresource, dry_run: o.dry_run };
        self.modify(&m, |_| Ok(object.clone_object())).await
    }
}
