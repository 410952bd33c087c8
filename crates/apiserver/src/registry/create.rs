//! Creating objects.

use corten_admission::Operation;
use corten_api::{Object, Time};
use corten_rt::random;
use corten_semantics::{ApiError, ApiResult};
use uuid::Builder;

use super::admit::{Admission, Asked};
use super::managed::Owners;
use super::owner_references::drop_repeated;
use super::place::{OTHER_NAMESPACE, Place};
use super::{Registry, Reply, RequestContext, Target, WriteOptions, requester};
use crate::cache::Entry;

/// The longest name that a generated one may have, and the length of its random end.
const MOST_GENERATED: usize = 63;
const SUFFIX: usize = 5;
/// How often a generated name that is taken is made anew.
const NAME_ATTEMPTS: usize = 8;

impl Registry {
    /// Creates an object (the target's name is empty), or posts to a subresource of one: `binding`,
    /// `eviction`.
    pub async fn create(
        &self,
        ctx: &RequestContext,
        target: &Target,
        object: Box<dyn Object>,
        o: &WriteOptions,
    ) -> ApiResult<Reply> {
        if !target.subresource.is_empty() || target.kind.plural == "bindings" {
            return self.create_subresource(ctx, target, object, o).await;
        }
        let object = match self.review(object).await {
            Ok(answered) => return answered,
            Err(object) => object,
        };
        let mut place = self.place(target)?;
        let mut object = self.convert(object, place.stored)?;
        fit_namespace(&mut place, &*object)?;
        drop_repeated(&mut *object, &ctx.notes, "");
        self.create_at(ctx, place, object, o, Owners::Follow).await
    }

    /// Creates an object at a place whose name may still be open.
    pub(crate) async fn create_at(
        &self,
        ctx: &RequestContext,
        mut place: Place,
        object: Box<dyn Object>,
        o: &WriteOptions,
        owners: Owners,
    ) -> ApiResult<Reply> {
        // What is no number is passed over, as upstream has it.
        if object.meta().resource_version.parse::<u64>().is_ok_and(|set| set != 0) {
            let message = "resourceVersion should not be set on objects to be created";
            return Err(ApiError::new(500, "", message));
        }
        let generated = object.meta().name.is_empty() && !object.meta().generate_name.is_empty();
        let attempts = if generated { NAME_ATTEMPTS } else { 1 };
        for _ in 0..attempts {
            let mut object = object.clone_object();
            let meta = object.meta_mut();
            meta.namespace.clone_from(&place.namespace);
            if generated {
                meta.name = generated_name(&meta.generate_name);
            }
            place.name.clone_from(&meta.name);
            if let Some(reply) = self.try_create((ctx, o), &place, object, owners).await? {
                return Ok(reply);
            }
        }
        let taken = ApiError::already_exists(place.kind, &place.name);
        if !generated {
            return Err(taken);
        }
        let mut status = taken.status().clone();
        status.message += ", the server was not able to generate a unique name for the object";
        Err(status.into())
    }

    /// `None` when the name is taken.
    async fn try_create(
        &self,
        (ctx, o): (&RequestContext, &WriteOptions),
        place: &Place,
        mut object: Box<dyn Object>,
        owners: Owners,
    ) -> ApiResult<Option<Reply>> {
        if place.kind.custom && self.custom.is_terminating(place.kind) {
            let why = "create not allowed while custom resource definition is terminating";
            return Err(ApiError::forbidden(place.kind, &place.name, why));
        }
        self.stamp(&mut *object);
        requester::name(&ctx.user, &mut *object);
        let admission =
            Admission { ctx, place, subresource: "", operation: Operation::Create, asked: Asked::Write(o) };
        place.strategy.default(&mut *object);
        if owners == Owners::Follow {
            self.own_changes((ctx, o), (place, ""), &mut *object, None);
        }
        self.mutate(&admission, &mut object, None).await?;
        place.strategy.default(&mut *object);
        corten_kinds::before_create(&*place.strategy, &mut *object)?;
        let mut reservation = self.services.reserve(&*self.cache, &mut *object, None)?;
        self.validate(&admission, &*object, None).await?;
        let warnings = place.strategy.warnings(&*object, None);
        if o.dry_run {
            self.charge_quotas(&admission, &*object, None).await?;
            if self.current(place).await?.is_some() {
                return Ok(None);
            }
            let entry = self.in_version(Entry::made(object.into()), place.kind);
            return Ok(Some(Reply { warnings, ..Reply::created(entry) }));
        }
        let value = self.encode_fitting(&mut *object, owners)?;
        reservation.start();
        let Some((_, Some(entry))) = self.commit_new(&admission, object, value).await? else {
            reservation.give_back();
            return Ok(None);
        };
        reservation.keep();
        if let Some(service) = entry.object().downcast_ref() {
            self.follow_addresses(None, Some(service)).await;
        }
        Ok(Some(Reply { warnings, ..Reply::created(self.in_version(entry, place.kind)) }))
    }

    /// Sets what only the server sets on a new object.
    fn stamp(&self, object: &mut dyn Object) {
        let now = Time::new(self.config.clock.now());
        let meta = object.meta_mut();
        meta.resource_version.clear();
        meta.self_link.clear();
        meta.uid = Builder::from_random_bytes(random::bytes16()).into_uuid().to_string();
        meta.creation_timestamp = Some(now);
        meta.deletion_timestamp = None;
        meta.deletion_grace_period_seconds = None;
    }
}

/// A name from its prefix, cut so that the random end fits.
fn generated_name(prefix: &str) -> String {
    let mut most = prefix.len().min(MOST_GENERATED - SUFFIX);
    while !prefix.is_char_boundary(most) {
        most -= 1;
    }
    format!("{}{}", &prefix[..most], random::name_suffix(SUFFIX))
}

/// The namespaces of request and object must agree; either may leave it to the other.
fn fit_namespace(place: &mut Place, object: &dyn Object) -> ApiResult<()> {
    let named = object.meta().namespace.as_str();
    if !place.kind.namespaced {
        return Ok(());
    }
    if place.namespace.is_empty() {
        place.namespace = named.into();
    }
    if place.namespace.is_empty() {
        return Err(ApiError::bad_request("an empty namespace may not be set during creation"));
    }
    if !named.is_empty() && named != place.namespace {
        return Err(ApiError::bad_request(OTHER_NAMESPACE));
    }
    Ok(())
}
