//! Asking one webhook.

use super::hook::Hook;
use super::matching::{BodyKind, Invocation, Subject};
use super::review::{self, Shown, Verdict};
use super::{MUTATING, VALIDATING};
use crate::expressions::{Asker, Scene};
use corten_api::{KindInfo, Object};
use corten_codec::json;
use corten_rt::Instant;
use corten_semantics::{ApiError, ApiResult};
use serde_json::Value;
use std::collections::BTreeMap;

/// Why a webhook did not agree.
pub(super) enum Trouble {
    /// It could not be asked; what that means is its failure policy's business.
    Calling(String),
    /// It said no.
    Refused(ApiError),
    /// The server cannot do what it said.
    Broken(ApiError),
}

/// What a failed call becomes when it is not ignored.
pub(super) fn failed(hook: &Hook, why: &str) -> ApiError {
    tracing::warn!(webhook = hook.name, why, "a webhook could not be asked, and the request fails");
    ApiError::internal(format!("failed calling webhook {:?}: {why}", hook.name))
}

/// Asks the webhook. Warnings and annotations are noted; a yes is given back.
pub(super) async fn ask(
    hook: &Hook,
    subject: &Subject<'_>,
    invocation: &Invocation,
    shown: &Shown,
    mutating: bool,
) -> Result<Verdict, Trouble> {
    let context = subject.context;
    if context.dry_run {
        match hook.harmless {
            None => return Err(Trouble::Calling("Webhook SideEffects is nil".into())),
            Some(false) => {
                let why = format!("admission webhook {:?} does not support dry run", hook.name);
                return Err(Trouble::Refused(ApiError::bad_request(why)));
            }
            Some(true) => {}
        }
    }
    let review = hook.review.ok_or_else(|| {
        let why = "webhook does not accept known AdmissionReview versions (v1, v1beta1)";
        Trouble::Calling(format!("could not create admission objects: {why}"))
    })?;
    let uid = review::uid();
    let body = review::request(review, &uid, subject, invocation, shown);
    let plugin = if mutating { MUTATING } else { VALIDATING };
    let left = context.deadline.map_or(hook.within, |at| at.saturating_duration_since(Instant::now()));
    let answer = context.server.call(plugin, &hook.client, body, hook.within.min(left)).await;
    let answer = answer.map_err(|why| Trouble::Calling(format!("failed to call webhook: {why}")))?;
    let mut verdict = review::answer(review, &uid, mutating, &answer).map_err(Trouble::Calling)?;
    for (key, value) in std::mem::take(&mut verdict.annotations) {
        context.notes.annotate(format!("{}/{key}", hook.name), value);
    }
    for warning in std::mem::take(&mut verdict.warnings) {
        context.notes.warn(warning);
    }
    if verdict.allowed {
        Ok(verdict)
    } else {
        Err(Trouble::Refused(review::denied(&hook.name, verdict.status.take())))
    }
}

/// Whether the webhook's match conditions hold for the request.
///
/// # Errors
/// 403 when a condition cannot be evaluated, and that is not to be ignored.
pub(super) fn is_wanted(
    hook: &Hook,
    subject: &Subject<'_>,
    invocation: &Invocation,
    shown: &Shown,
) -> ApiResult<bool> {
    if hook.conditions.is_empty() {
        return Ok(true);
    }
    let scene = Scene::new(subject, invocation, shown);
    let holds = hook.conditions.hold(&scene, &Asker::new(subject.context), &Value::Null, &[], hook.ignore);
    holds.map_err(|why| {
        tracing::warn!(webhook = hook.name, why, "match conditions of a webhook fail, and so the request");
        ApiError::forbidden(subject.context.requested, &subject.name, &why)
    })
}

/// What the webhooks of one request are shown, made once for each version.
pub(crate) struct Exhibits<'a> {
    subject: &'a Subject<'a>,
    made: BTreeMap<BodyKind, Shown>,
}

impl<'a> Exhibits<'a> {
    pub fn new(subject: &'a Subject<'a>) -> Self {
        Exhibits { subject, made: BTreeMap::new() }
    }

    /// The objects as that webhook sees them.
    pub async fn make(&mut self, invocation: &Invocation, object: Option<&dyn Object>) -> ApiResult<&Shown> {
        if !self.made.contains_key(&invocation.body) {
            let shown = Shown {
                object: self.shown(object, invocation.version).await?,
                old: self.shown(self.subject.context.old, invocation.version).await?,
            };
            self.made.insert(invocation.body.clone(), shown);
        }
        self.get(invocation)
    }

    /// Those made before.
    pub fn get(&self, invocation: &Invocation) -> ApiResult<&Shown> {
        self.made.get(&invocation.body).ok_or_else(|| ApiError::internal("the object was not made ready"))
    }

    /// The options of a connection, which have one version.
    pub fn show(&mut self, invocation: &Invocation, options: &Value) -> ApiResult<&Shown> {
        let shown = Shown { object: Some(options.to_string().into_bytes()), old: None };
        self.made.insert(invocation.body.clone(), shown);
        self.get(invocation)
    }

    /// The object has changed: only the old one is as it was.
    pub fn changed(&mut self) {
        self.made.clear();
    }

    async fn shown(
        &self,
        object: Option<&dyn Object>,
        version: Option<&'static KindInfo>,
    ) -> ApiResult<Option<Vec<u8>>> {
        let Some(object) = object else { return Ok(None) };
        match version.filter(|v| *v != object.info() && object.info() == self.subject.context.kind) {
            None => Ok(Some(json::encode(object))),
            Some(version) => {
                let converted = self.subject.context.server.convert(object.clone_object(), version).await?;
                Ok(Some(json::encode(&*converted)))
            }
        }
    }
}
