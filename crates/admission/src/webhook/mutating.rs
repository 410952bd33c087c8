//! MutatingAdmissionWebhook: one webhook after the other may change the object.

use super::call::{Exhibits, Trouble, ask, failed, is_wanted};
use super::calls::{Calls, End};
use super::hook::{Hook, Source};
use super::matching::{Invocation, Subject, invocation};
use super::{MUTATING, is_exempt};
use crate::body::{Body, New, read_options};
use crate::check::{Check, Context};
use async_trait::async_trait;
use corten_api::Object;
use corten_api::admissionregistration::v1::MutatingWebhookConfiguration;
use corten_codec::patch::{PatchError, apply_json_patch};
use corten_codec::{Problems, json};
use corten_rt::Instant;
use corten_semantics::{ApiError, ApiResult};
use serde_json::{Value, json};

/// The check.
pub(crate) struct MutatingWebhooks {
    source: Source<MutatingWebhookConfiguration>,
    calls: Calls,
}

impl MutatingWebhooks {
    pub fn new() -> Self {
        MutatingWebhooks { source: Source::new(), calls: Calls::new("admit") }
    }
}

#[async_trait]
impl Check for MutatingWebhooks {
    fn name(&self) -> &'static str {
        MUTATING
    }

    fn handles(&self, context: &Context<'_>) -> bool {
        !is_exempt(context) && Source::<MutatingWebhookConfiguration>::is_any(context.objects)
    }

    fn calls(&self) -> Option<&Calls> {
        Some(&self.calls)
    }

    fn replaces(&self) -> bool {
        true
    }

    async fn replace(&self, context: &Context<'_>, object: &mut Box<dyn Object>) -> ApiResult<()> {
        let subject = Subject::new(context, Some(&**object));
        self.round(&subject, Body::Object(object)).await
    }

    async fn delete(&self, context: &Context<'_>) -> ApiResult<()> {
        self.round(&Subject::new(context, None), Body::Nothing).await
    }

    async fn connect(&self, context: &Context<'_>, options: &mut Value) -> ApiResult<()> {
        let subject = Subject::connection(context, options);
        self.round(&subject, Body::Connection(options)).await
    }
}

impl MutatingWebhooks {
    /// Asks those whose turn it is in this round.
    async fn round(&self, subject: &Subject<'_>, mut body: Body<'_>) -> ApiResult<()> {
        let hooks = self.source.hooks(subject.context.objects);
        let Some(rounds) = subject.context.rounds else { return self.run(&hooks, subject, &mut body).await };
        if rounds.is_second() && rounds.webhooks.differs(|| body.json()) {
            rounds.webhooks.changed();
        }
        self.run(&hooks, subject, &mut body).await?;
        rounds.webhooks.leave(|| body.json());
        Ok(())
    }

    async fn run(&self, hooks: &[Hook], subject: &Subject<'_>, body: &mut Body<'_>) -> ApiResult<()> {
        let context = subject.context;
        let round = usize::from(context.rounds.is_some_and(|r| r.is_second()));
        let mut exhibits = Exhibits::new(subject);
        for (index, hook) in hooks.iter().enumerate() {
            let place = Place { hook, round, index };
            let Some(invocation) = invocation(hook, subject, body.object())? else { continue };
            // A second round is for those alone that were asked in the first.
            if round == 1 && !context.rounds.is_some_and(|r| r.webhooks.again(&hook.uid)) {
                continue;
            }
            let shown = body.show(&mut exhibits, &invocation).await?;
            if !is_wanted(hook, subject, &invocation, shown)? {
                continue;
            }
            let asked = Instant::now();
            let told = match ask(hook, subject, &invocation, shown, true).await {
                Ok(verdict) => {
                    patched(subject, place, &invocation, &verdict.patch, shown.object.as_deref(), body).await
                }
                Err(trouble) => Err(trouble),
            };
            let end = End::of(hook, told.as_ref().map(drop));
            let took = asked.elapsed();
            context.notes.asked(took);
            self.calls.ended(&hook.name, context.operation, took, end);
            let changed = matches!(told, Ok(Some((_, true))));
            place.annotate_mutation(subject, changed);
            if changed && let Some(rounds) = context.rounds {
                rounds.webhooks.changed();
                rounds.ask();
            }
            if hook.again
                && let Some(rounds) = context.rounds
            {
                rounds.webhooks.ran(&hook.uid);
            }
            match told {
                Ok(None) => {}
                Ok(Some((new, _))) => {
                    body.put(new);
                    exhibits.changed();
                }
                Err(Trouble::Refused(error) | Trouble::Broken(error)) => return Err(error),
                Err(Trouble::Calling(why)) if hook.ignore => {
                    tracing::warn!(
                        webhook = hook.name,
                        why,
                        "a webhook could not be asked, and is passed over"
                    );
                    context.notes.annotate(place.key("failed-open.mutation"), hook.name.as_str());
                }
                Err(Trouble::Calling(why)) => return Err(failed(hook, &why)),
            }
        }
        Ok(())
    }
}

/// A webhook among those of its round.
#[derive(Clone, Copy)]
struct Place<'h> {
    hook: &'h Hook,
    round: usize,
    index: usize,
}

impl Place<'_> {
    fn key(self, what: &str) -> String {
        format!("{what}.webhook.admission.k8s.io/round_{}_index_{}", self.round, self.index)
    }

    /// What annotations begin with, in upstream's order.
    fn head(self) -> String {
        let (configuration, webhook) = (json!(self.hook.configuration), json!(self.hook.name));
        format!("{{\"configuration\":{configuration},\"webhook\":{webhook}")
    }

    /// Says in the audit log whether the webhook changed anything.
    fn annotate_mutation(self, subject: &Subject<'_>, mutated: bool) {
        let value = format!("{},\"mutated\":{mutated}}}", self.head());
        subject.context.notes.annotate(self.key("mutation"), value);
    }

    /// Says in the audit log what the webhook changed, where requests are recorded with what they hold.
    fn annotate_patch(self, subject: &Subject<'_>, operations: &[Value]) {
        let value = format!("{},\"patch\":{},\"patchType\":\"JSONPatch\"}}", self.head(), json!(operations));
        subject.context.notes.annotate_detail(self.key("patch"), value);
    }
}

/// The object after the webhook's patch, in the version that is stored, and whether it differs from before;
/// nothing without a patch.
async fn patched(
    subject: &Subject<'_>,
    place: Place<'_>,
    invocation: &Invocation,
    patch: &[u8],
    shown: Option<&[u8]>,
    body: &Body<'_>,
) -> Result<Option<(New, bool)>, Trouble> {
    if patch.is_empty() {
        return Ok(None);
    }
    let undecodable =
        |why: String| Trouble::Calling(format!("received undecodable patch in webhook response: {why}"));
    let operations: Vec<Value> = serde_json::from_slice(patch).map_err(|e| undecodable(e.to_string()))?;
    if operations.is_empty() {
        return Ok(None);
    }
    let internal = |why: String| Trouble::Broken(ApiError::internal(why));
    let Some(shown) = shown.filter(|_| !matches!(body, Body::Nothing)) else {
        let name = &place.hook.name;
        return Err(internal(format!(
            "admission webhook {name:?} attempted to modify the object, which is not supported for this operation"
        )));
    };
    let mut document: Value = serde_json::from_slice(shown).map_err(|e| internal(e.to_string()))?;
    apply_json_patch(&mut document, patch).map_err(|e| match e {
        PatchError::Malformed(why) => undecodable(why),
        PatchError::TooLarge(why) | PatchError::Unprocessable(why) | PatchError::Internal(why) => {
            internal(why)
        }
    })?;
    let Some(object) = body.object() else {
        let new = read_options(&document, &mut Problems::ignore()).map_err(internal)?;
        place.annotate_patch(subject, &operations);
        let changed = new.to_string().as_bytes() != shown;
        return Ok(Some((New::Options(new), changed)));
    };
    let kind = invocation.version.unwrap_or(object.info());
    let server = subject.context.server;
    let new = server.decode(kind, document.to_string().as_bytes()).map_err(|e| internal(e.to_string()))?;
    let changed = json::encode(&*new) != shown;
    place.annotate_patch(subject, &operations);
    let stored = if kind == object.info() { Ok(new) } else { server.convert(new, object.info()).await };
    Ok(Some((New::Object(stored.map_err(Trouble::Broken)?), changed)))
}
