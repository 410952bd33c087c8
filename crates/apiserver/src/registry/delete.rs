//! Deleting objects.

use std::sync::Arc;

use corten_admission::Operation;
use corten_api::apiextensions::v1::CustomResourceDefinition;
use corten_api::core::v1::Namespace;
use corten_api::meta::v1::{Status, StatusDetails};
use corten_api::{Object, Time};
use corten_semantics::ApiResult;

use super::admit::{Admission, Asked};
use super::commit::Change;
use super::deletion::{self, Deletion};
use super::place::Place;
use super::{Body, DeleteOptions, Registry, Reply, RequestContext, Target};
use crate::cache::Entry;
use crate::custom::termination;

/// How often a deletion is tried anew when others write at the same time.
const ATTEMPTS: usize = 20;

/// Kinds whose deletion answers with the object even when it is gone.
const ANSWERED_WITH_OBJECT: &[&str] = &[
    "csidrivers",
    "csinodes",
    "deviceclasses",
    "namespaces",
    "persistentvolumeclaims",
    "persistentvolumes",
    "pods",
    "podtemplates",
    "resourceclaims",
    "resourceclaimtemplates",
    "resourcequotas",
    "resourceslices",
    "serviceaccounts",
    "services",
    "storageclasses",
    "volumeattachments",
    "volumeattributesclasses",
];

impl Registry {
    /// Deletes an object, or asks it to end.
    pub async fn delete(&self, ctx: &RequestContext, target: &Target, o: &DeleteOptions) -> ApiResult<Reply> {
        let place = self.place_of_object(target)?;
        deletion::check_options(o)?;
        self.delete_at(ctx, &place, o).await
    }

    pub(crate) async fn delete_at(
        &self,
        ctx: &RequestContext,
        place: &Place,
        o: &DeleteOptions,
    ) -> ApiResult<Reply> {
        self.delete_asked(ctx, place, o, Asked::Delete(o)).await
    }

    /// The same; admission is told what was `asked`.
    pub(crate) async fn delete_asked(
        &self,
        ctx: &RequestContext,
        place: &Place,
        o: &DeleteOptions,
        asked: Asked<'_>,
    ) -> ApiResult<Reply> {
        let admission = Admission { ctx, place, subresource: "", operation: Operation::Delete, asked };
        let mut current = self.current(place).await?;
        for _ in 0..ATTEMPTS {
            let entry = current.ok_or_else(|| place.not_found())?;
            let object = entry.object();
            deletion::check_preconditions(place.kind, &*object, o)?;
            self.validate_delete(&admission, &*object).await?;
            if let Some(reply) = self.try_delete(place, &entry, &*object, o).await? {
                return Ok(reply);
            }
            current = self.cached(place).await?;
        }
        Err(place.modified())
    }

    /// `None` when somebody else was faster.
    async fn try_delete(
        &self,
        place: &Place,
        entry: &Arc<Entry>,
        object: &dyn Object,
        o: &DeleteOptions,
    ) -> ApiResult<Option<Reply>> {
        let now = self.config.clock.now();
        let definition = object.downcast_ref::<CustomResourceDefinition>();
        let plan = match object.downcast_ref::<Namespace>() {
            Some(namespace) => plan_namespace(namespace, o, Time::new(now)),
            None if definition.is_some_and(|d| d.metadata.deletion_timestamp.is_none()) => {
                let marked = definition.map(|d| termination::marked(d, Time::new(now)));
                Deletion::Mark(Box::new(marked.unwrap_or_default()))
            }
            None => deletion::plan(&*place.strategy, object, o, now),
        };
        // Who asks that dependents go hears that the object itself has not gone yet.
        let code = if o.orphan_dependents == Some(false) { 202 } else { 200 };
        let answer = |entry| Some(Reply { code, ..Reply::object(self.in_version(entry, place.kind)) });
        match plan {
            Deletion::Pending => Ok(answer(entry.clone())),
            Deletion::Mark(marked) if o.dry_run => Ok(answer(Entry::made(marked.into()))),
            Deletion::Mark(marked) => {
                let value = self.encode(&*marked);
                let made = self.commit(place, entry.revision(), Change::Put(marked, value)).await?;
                Ok(made.and_then(|(_, entry)| entry).and_then(answer))
            }
            Deletion::Remove if o.dry_run => Ok(Some(self.gone(place, entry))),
            Deletion::Remove => {
                if self.commit(place, entry.revision(), Change::Delete).await?.is_none() {
                    return Ok(None);
                }
                self.services.release(object);
                if let Some(service) = object.downcast_ref() {
                    self.follow_addresses(Some(service), None).await;
                }
                Ok(Some(self.gone(place, entry)))
            }
        }
    }

    fn gone(&self, place: &Place, entry: &Arc<Entry>) -> Reply {
        if ANSWERED_WITH_OBJECT.contains(&place.kind.plural) {
            let object = Reply::object(self.in_version(entry.clone(), place.kind));
            return Reply { deleted: true, ..object };
        }
        let details = StatusDetails {
            name: place.name.clone(),
            group: place.kind.group.into(),
            kind: place.kind.plural.into(),
            uid: entry.object().meta().uid.clone(),
            ..StatusDetails::default()
        };
        let status =
            Status { status: "Success".into(), details: Some(Box::new(details)), ..Status::default() };
        Reply { code: 200, body: Body::Status(Box::new(status)), warnings: Vec::new(), deleted: true }
    }
}

/// A namespace first terminates; it goes when its own and its metadata's finalizers are done.
fn plan_namespace(namespace: &Namespace, o: &DeleteOptions, now: Time) -> Deletion {
    if namespace.metadata.deletion_timestamp.is_none() {
        let mut marked = namespace.clone();
        marked.metadata.deletion_timestamp = Some(now);
        marked.status.phase = "Terminating".into();
        marked.metadata.finalizers = deletion::finalizers(namespace, o);
        return Deletion::Mark(Box::new(marked));
    }
    if namespace.spec.finalizers.is_empty() && namespace.metadata.finalizers.is_empty() {
        Deletion::Remove
    } else {
        Deletion::Pending
    }
}
