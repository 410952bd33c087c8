//! MutatingAdmissionWebhook: one webhook after the other may change the object.

use super::call::{Exhibits, Trouble, ask, failed, is_wanted};
use super::calls::{Calls, End};
use super::hook::{Hook, Source};
use super::is_exempt;
use super::matching::{Invocation, Subject, invocation};
use crate::check::{Check, Context};
use async_trait::async_trait;
use corten_api::Object;
use corten_api::admissionregistration::v1::MutatingWebhookConfiguration;
use corten_codec::json;
use corten_codec::patch::{PatchError, apply_json_patch};
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

/// What a request carries.
enum Body<'a> {
    Object(&'a mut Box<dyn Object>),
    Connection(&'a Value),
    /// A deletion.
    Nothing,
}

impl Body<'_> {
    fn object(&self) -> Option<&dyn Object> {
        match self {
            Body::Object(object) => Some(&***object),
            _ => None,
        }
    }
}

#[async_trait]
impl Check for MutatingWebhooks {
    fn name(&self) -> &'static str {
        "MutatingAdmissionWebhook"
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
        let hooks = self.source.hooks(context.objects);
        if let Some(rounds) = context.rounds
            && rounds.is_second()
            && rounds.webhooks.differs(|| json::encode(&**object))
        {
            rounds.webhooks.changed();
        }
        let subject = Subject::new(context, Some(&**object));
        self.run(&hooks, &subject, Body::Object(object)).await?;
        if let Some(rounds) = context.rounds {
            rounds.webhooks.leave(|| json::encode(&**object));
        }
        Ok(())
    }

    async fn delete(&self, context: &Context<'_>) -> ApiResult<()> {
        let hooks = self.source.hooks(context.objects);
        self.run(&hooks, &Subject::new(context, None), Body::Nothing).await
    }

    async fn connect(&self, context: &Context<'_>, options: &Value) -> ApiResult<()> {
        let hooks = self.source.hooks(context.objects);
        let kind = options["kind"].as_str().unwrap_or_default();
        self.run(&hooks, &Subject::connection(context, kind), Body::Connection(options)).await
    }
}

impl MutatingWebhooks {
    async fn run(&self, hooks: &[Hook], subject: &Subject<'_>, mut body: Body<'_>) -> ApiResult<()> {
        let context = subject.context;
        let round = usize::from(context.rounds.is_some_and(|r| r.is_second()));
        let mut exhibits = Exhibits::new(subject);
        for (index, hook) in hooks.iter().enumerate() {
            let Some(invocation) = invocation(hook, subject, body.object())? else { continue };
            // A second round is for those alone that were asked in the first.
            if round == 1 && !context.rounds.is_some_and(|r| r.webhooks.again(&hook.uid)) {
                continue;
            }
            let shown = match &body {
                Body::Connection(options) => exhibits.show(&invocation, options)?,
                body => exhibits.make(&invocation, body.object()).await?,
            };
            if !is_wanted(hook, subject, &invocation, shown)? {
                continue;
            }
            let asked = Instant::now();
            let told = match ask(hook, subject, &invocation, shown, true).await {
                Ok(verdict) => {
                    patched(subject, hook, &invocation, &verdict.patch, shown.object.as_deref(), &body).await
                }
                Err(trouble) => Err(trouble),
            };
            let end = End::of(hook, told.as_ref().map(drop));
            self.calls.ended(&hook.name, context.operation, asked.elapsed(), end);
            let changed = matches!(told, Ok(Some((_, true))));
            annotate(subject, hook, (round, index), changed);
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
                    if let Body::Object(object) = &mut body {
                        **object = new;
                    }
                    exhibits.changed();
                }
                Err(Trouble::Refused(error)) => return Err(error),
                Err(Trouble::Calling(why)) if hook.ignore => {
                    tracing::warn!(
                        webhook = hook.name,
                        why,
                        "a webhook could not be asked, and is passed over"
                    );
                    let key =
                        format!("failed-open.mutation.webhook.admission.k8s.io/round_{round}_index_{index}");
                    context.notes.annotate(key, hook.name.as_str());
                }
                Err(Trouble::Calling(why)) => return Err(failed(hook, &why)),
            }
        }
        Ok(())
    }
}

/// Says in the audit log whether the webhook changed anything.
fn annotate(subject: &Subject<'_>, hook: &Hook, (round, index): (usize, usize), mutated: bool) {
    let value = json!({"configuration": hook.configuration, "webhook": hook.name, "mutated": mutated});
    let key = format!("mutation.webhook.admission.k8s.io/round_{round}_index_{index}");
    subject.context.notes.annotate(key, value.to_string());
}

/// The object after the webhook's patch, in the version that is stored, and whether it differs from before;
/// nothing without a patch.
async fn patched(
    subject: &Subject<'_>,
    hook: &Hook,
    invocation: &Invocation,
    patch: &[u8],
    shown: Option<&[u8]>,
    body: &Body<'_>,
) -> Result<Option<(Box<dyn Object>, bool)>, Trouble> {
    if patch.is_empty() {
        return Ok(None);
    }
    let undecodable =
        |why: String| Trouble::Calling(format!("received undecodable patch in webhook response: {why}"));
    let operations: Vec<Value> = serde_json::from_slice(patch).map_err(|e| undecodable(e.to_string()))?;
    if operations.is_empty() {
        return Ok(None);
    }
    let (Some(object), Some(shown)) = (body.object(), shown) else {
        let why = format!(
            "admission webhook {:?} attempted to modify the object, which is not supported for this operation",
            hook.name
        );
        return Err(Trouble::Refused(ApiError::internal(why)));
    };
    let internal = |why: String| Trouble::Refused(ApiError::internal(why));
    let mut document: Value = serde_json::from_slice(shown).map_err(|e| internal(e.to_string()))?;
    apply_json_patch(&mut document, patch).map_err(|e| match e {
        PatchError::Malformed(why) => undecodable(why),
        PatchError::Unprocessable(why) => internal(why),
    })?;
    let kind = invocation.version.unwrap_or(object.info());
    let server = subject.context.server;
    let new = server.decode(kind, document.to_string().as_bytes()).map_err(|e| internal(e.to_string()))?;
    let changed = json::encode(&*new) != shown;
    let stored = if kind == object.info() { Ok(new) } else { server.convert(new, object.info()).await };
    Ok(Some((stored.map_err(Trouble::Refused)?, changed)))
}
