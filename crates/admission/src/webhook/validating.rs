//! ValidatingAdmissionWebhook: all webhooks are asked at the same time, and each may refuse.

use super::call::{Exhibits, Trouble, ask, failed, is_wanted};
use super::calls::{Calls, End};
use super::hook::{Hook, Source};
use super::matching::{Invocation, Subject, invocation};
use super::{VALIDATING, is_exempt};
use crate::check::{Check, Context};
use async_trait::async_trait;
use corten_api::Object;
use corten_api::admissionregistration::v1::ValidatingWebhookConfiguration;
use corten_rt::Instant;
use corten_semantics::ApiResult;
use futures::future::join_all;
use serde_json::Value;

/// The check.
pub(crate) struct ValidatingWebhooks {
    source: Source<ValidatingWebhookConfiguration>,
    calls: Calls,
}

impl ValidatingWebhooks {
    pub fn new() -> Self {
        ValidatingWebhooks { source: Source::new(), calls: Calls::new("validating") }
    }
}

#[async_trait]
impl Check for ValidatingWebhooks {
    fn name(&self) -> &'static str {
        VALIDATING
    }

    fn calls(&self) -> Option<&Calls> {
        Some(&self.calls)
    }

    fn handles(&self, context: &Context<'_>) -> bool {
        !is_exempt(context) && Source::<ValidatingWebhookConfiguration>::is_any(context.objects)
    }

    async fn validate(&self, context: &Context<'_>, object: &dyn Object) -> ApiResult<()> {
        let hooks = self.source.hooks(context.objects);
        self.run(&hooks, &Subject::new(context, Some(object)), Some(object), None).await
    }

    async fn delete(&self, context: &Context<'_>) -> ApiResult<()> {
        let hooks = self.source.hooks(context.objects);
        self.run(&hooks, &Subject::new(context, None), None, None).await
    }

    async fn connect(&self, context: &Context<'_>, options: &mut Value) -> ApiResult<()> {
        let hooks = self.source.hooks(context.objects);
        self.run(&hooks, &Subject::connection(context, options), None, Some(options)).await
    }
}

impl ValidatingWebhooks {
    async fn run(
        &self,
        hooks: &[Hook],
        subject: &Subject<'_>,
        object: Option<&dyn Object>,
        options: Option<&Value>,
    ) -> ApiResult<()> {
        let mut exhibits = Exhibits::new(subject);
        let mut asked: Vec<(&Hook, Invocation)> = Vec::new();
        for hook in hooks {
            let Some(invocation) = invocation(hook, subject, object)? else { continue };
            let shown = match options {
                Some(options) => exhibits.show(&invocation, options)?,
                None => exhibits.make(&invocation, object).await?,
            };
            if is_wanted(hook, subject, &invocation, shown)? {
                asked.push((hook, invocation));
            }
        }
        let exhibits = &exhibits;
        let calls = asked.iter().enumerate().map(|(index, (hook, invocation))| async move {
            let shown = exhibits.get(invocation)?;
            let begun = Instant::now();
            let told = ask(hook, subject, invocation, shown, false).await;
            let end = End::of(hook, told.as_ref().map(drop));
            self.calls.ended(&hook.name, subject.context.operation, begun.elapsed(), end);
            match told {
                Ok(_) => Ok(()),
                Err(Trouble::Refused(error) | Trouble::Broken(error)) => Err(error),
                Err(Trouble::Calling(why)) if hook.ignore => {
                    tracing::warn!(
                        webhook = hook.name,
                        why,
                        "a webhook could not be asked, and is passed over"
                    );
                    let key =
                        format!("failed-open.validating.webhook.admission.k8s.io/round_0_index_{index}");
                    subject.context.notes.annotate(key, hook.name.as_str());
                    Ok(())
                }
                Err(Trouble::Calling(why)) => Err(failed(hook, &why)),
            }
        });
        let begun = Instant::now();
        let told = join_all(calls).await;
        subject.context.notes.asked(begun.elapsed());
        told.into_iter().collect()
    }
}
