//! Deleting what a list selects.

use futures::{StreamExt, stream};

use corten_semantics::{ApiError, ApiResult};

use super::admit::Asked;
use super::place::Place;
use super::{DeleteOptions, List, ListOptions, Registry, RequestContext, Target, deletion};

/// How many of the collection are deleted at the same time.
const AT_ONCE: usize = 16;

impl Registry {
    /// Deletes what a list selects; answers with what was selected.
    pub async fn delete_collection(
        &self,
        ctx: &RequestContext,
        target: &Target,
        list: &ListOptions,
        o: &DeleteOptions,
    ) -> ApiResult<List> {
        deletion::check_options(o)?;
        let listed = self.list(ctx, target, list).await?;
        let places: Vec<Place> = listed
            .items
            .iter()
            .map(|entry| {
                let object = entry.object();
                let meta = object.meta();
                let namespace = target.kind.namespaced.then(|| meta.namespace.clone());
                self.place(&Target { namespace, name: meta.name.clone(), ..target.clone() })
            })
            .collect::<ApiResult<_>>()?;
        let asked = Asked::DeleteCollection(o);
        let deletions =
            places.into_iter().map(|place| async move { self.delete_asked(ctx, &place, o, asked).await });
        let results: Vec<_> = stream::iter(deletions).buffer_unordered(AT_ONCE).collect().await;
        let failed = results.into_iter().filter_map(Result::err).find(|e: &ApiError| !e.is_not_found());
        failed.map_or(Ok(listed), Err)
    }
}
