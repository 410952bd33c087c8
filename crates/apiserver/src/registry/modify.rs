//! Changing an object that exists: the way that update, patch, status and the other subresources share.

use std::sync::Arc;
use std::time::Duration;

use corten_admission::Operation;
use corten_api::Object;
use corten_api::core::v1::Namespace;
use corten_rt::{random, sleep};
use corten_semantics::field::FieldError;
use corten_semantics::{ApiError, ApiResult};

use super::admit::{Admission, Asked};
use super::commit::Change;
use super::managed::{Owners, keep_times};
use super::place::Place;
use super::{Registry, Reply, RequestContext, WriteOptions};
use crate::cache::{Entry, form};

/// How often a change is tried when others write at the same time.
const ATTEMPTS: usize = 64;
/// From this attempt on a short pause, random so that nobody loses forever.
const PATIENT_FROM: usize = 4;

/// Who changes what, beside the change itself.
pub(crate) struct Modification<'a> {
    pub ctx: &'a RequestContext,
    pub place: &'a Place,
    pub subresource: &'static str,
    pub options: &'a WriteOptions,
    pub owners: Owners,
}

impl Modification<'_> {
    /// The part of the object that is written: a scale is a view of the whole of it.
    fn part(&self) -> &'static str {
        if self.subresource == "scale" { "" } else { self.subresource }
    }
}

/// How one attempt ended.
enum Attempt {
    Done(Reply),
    /// Somebody else was faster.
    Lost,
}

impl Registry {
    /// Makes the object what `propose` makes of it, once or as often as others interfere. The proposal's
    /// `resourceVersion`, when set, must be the current one.
    pub(crate) async fn modify(
        &self,
        m: &Modification<'_>,
        mut propose: impl FnMut(&Arc<Entry>) -> ApiResult<Box<dyn Object>> + Send,
    ) -> ApiResult<Reply> {
        let mut current = self.current(m.place).await?;
        for attempt in 0..ATTEMPTS {
            let entry = current.ok_or_else(|| m.place.not_found())?;
            let proposed = propose(&entry)?;
            match self.attempt(m, &entry, proposed).await? {
                Attempt::Done(reply) => return Ok(reply),
                Attempt::Lost => {
                    if attempt >= PATIENT_FROM {
                        sleep(Duration::from_millis(1 + random::below(attempt) as u64)).await;
                    }
                    current = self.cached(m.place).await?;
                }
            }
        }
        Err(m.place.modified())
    }

    async fn attempt(
        &self,
        m: &Modification<'_>,
        entry: &Arc<Entry>,
        mut new: Box<dyn Object>,
    ) -> ApiResult<Attempt> {
        let place = m.place;
        let old = entry.object();
        fit(&mut *new, &*old, m)?;
        let admission = Admission {
            ctx: m.ctx,
            place,
            subresource: m.subresource,
            operation: Operation::Update,
            asked: Asked::Write(m.options),
        };
        place.strategy.default(&mut *new);
        if m.owners == Owners::Follow {
            self.own_changes((m.ctx, m.options), (place, m.subresource), &mut *new, Some(&*old));
        }
        self.mutate_change(m, &admission, &mut new, &*old).await?;
        place.strategy.default(&mut *new);
        corten_kinds::before_update(&*place.strategy, m.part(), &mut *new, &*old)?;
        keep_times(&mut *new, &*old);
        let mut reservation = self.services.reserve(&*self.cache, &mut *new, Some(&*old))?;
        self.validate_change(m, &admission, &*new, &*old).await?;
        let warnings = place.strategy.warnings(&*new, Some(&*old));
        let reply = |entry| Reply { warnings, ..Reply::object(self.in_version(entry, place.kind)) };
        if m.options.dry_run {
            self.charge_quotas(&admission, &*new, Some(&*old)).await?;
            return Ok(Attempt::Done(reply(Entry::made(new.into()))));
        }
        if goes_with_this_update(&*new, &*old) {
            let gone = self.commit(place, entry.revision(), Change::Delete).await?;
            return Ok(match gone {
                Some((revision, _)) => {
                    self.services.release(&*old);
                    if let Some(service) = old.downcast_ref() {
                        self.follow_addresses(Some(service), None).await;
                    }
                    new.meta_mut().resource_version = revision.to_string();
                    Attempt::Done(reply(Entry::made(new.into())))
                }
                None => Attempt::Lost,
            });
        }
        let value = self.encode_fitting(&mut *new, m.owners)?;
        let same = form::with_revision(&value, entry.revision()) == entry.json();
        if same && !self.is_stored_stale(place).await? {
            return Ok(Attempt::Done(reply(entry.clone())));
        }
        let charges = self.charge_quotas(&admission, &*new, Some(&*old)).await?;
        reservation.start();
        match self.commit_charged(place, entry.revision(), Change::Put(new, value), charges).await? {
            Some((_, Some(entry))) => {
                reservation.keep();
                if let (Some(old), new @ Some(_)) = (old.downcast_ref(), entry.object().downcast_ref()) {
                    self.follow_addresses(Some(old), new).await;
                }
                Ok(Attempt::Done(reply(entry)))
            }
            _ => {
                reservation.give_back();
                Ok(Attempt::Lost)
            }
        }
    }
}

/// An update may say which object it means; a patch that says so wants to change what does not change.
pub(super) fn is_meant(place: &Place, new: &dyn Object, old: &dyn Object) -> ApiResult<()> {
    let (uid, was) = (&new.meta().uid, &old.meta().uid);
    if uid.is_empty() || uid == was {
        return Ok(());
    }
    let why = format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {was}");
    Err(ApiError::conflict(place.kind, &place.name, &why))
}

/// Completes the proposal's metadata from the current object, and refuses what is meant for another one.
fn fit(new: &mut dyn Object, old: &dyn Object, m: &Modification<'_>) -> ApiResult<()> {
    let place = m.place;
    let (meta, was) = (new.meta_mut(), old.meta());
    match meta.resource_version.as_str() {
        "" | "0" if !place.strategy.rules().unconditional_update => return Err(version_missing(place)),
        "" | "0" => {}
        version if version != was.resource_version => return Err(place.modified()),
        _ => {}
    }
    meta.resource_version.clone_from(&was.resource_version);
    if m.owners == Owners::Stay {
        meta.managed_fields.clone_from(&was.managed_fields);
    }
    Ok(())
}

fn version_missing(place: &Place) -> ApiError {
    let error = FieldError::invalid("metadata.resourceVersion", 0, "must be specified for an update");
    // The resource stands where else the kind does, as upstream has it.
    ApiError::invalid(place.kind.group, place.kind.plural, &place.name, &[error])
}

/// Whether the update takes away the last thing that kept a deleted object.
fn goes_with_this_update(new: &dyn Object, old: &dyn Object) -> bool {
    let was = old.meta();
    if was.deletion_timestamp.is_none() || !new.meta().finalizers.is_empty() {
        return false;
    }
    if new.downcast_ref::<Namespace>().is_some_and(|n| !n.spec.finalizers.is_empty()) {
        return false;
    }
    was.deletion_grace_period_seconds.is_none_or(|grace| grace == 0)
}
