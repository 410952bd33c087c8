//! ValidatingAdmissionPolicy: what a cluster's own rules, written as expressions, say about a write. What applies
//! to a request is [`matching`], the parameters of a binding are [`params`], the expressions are compiled once a
//! generation ([`compiled`]), and [`decide`] evaluates them. Nothing is done where there are no bindings.

mod compiled;
mod decide;
mod matching;
mod params;
mod source;

#[cfg(test)]
mod tests;

use crate::check::{Check, Context};
use crate::webhook::call::Exhibits;
use crate::webhook::is_exempt;
use crate::webhook::matching::Subject;
use async_trait::async_trait;
use compiled::Policy;
use corten_api::admissionregistration::v1::ValidatingAdmissionPolicyBinding;
use corten_api::{Kind, Object};
use corten_semantics::ApiResult;
use decide::{Judgement, Verdicts};
use matching::Found;
use serde_json::Value;
use source::Source;

/// The check.
pub(crate) struct ValidatingAdmissionPolicies(Source);

impl ValidatingAdmissionPolicies {
    pub fn new() -> Self {
        ValidatingAdmissionPolicies(Source::default())
    }

    async fn judge(
        &self,
        subject: &Subject<'_>,
        object: Option<&dyn Object>,
        options: Option<&Value>,
    ) -> ApiResult<()> {
        let policies = self.0.policies(subject.context.objects);
        let mut verdicts = Verdicts::new(subject);
        let mut exhibits = Exhibits::new(subject);
        for policy in policies.iter() {
            judge_by(policy, subject, object, options, &mut exhibits, &mut verdicts).await?;
        }
        verdicts.into_result(object)
    }
}

/// Asks one policy, by each of its bindings.
async fn judge_by(
    policy: &Policy,
    subject: &Subject<'_>,
    object: Option<&dyn Object>,
    options: Option<&Value>,
    exhibits: &mut Exhibits<'_>,
    verdicts: &mut Verdicts<'_>,
) -> ApiResult<()> {
    let invocation = match matching::find(&policy.matching, subject, object) {
        Ok(Found::Nothing) => return Ok(()),
        Ok(Found::Request(invocation)) => invocation,
        Err(why) => {
            verdicts.misconfigured(policy, None, &why);
            return Ok(());
        }
    };
    for binding in &policy.bindings {
        let found = match &binding.matching {
            Some(matching) => matching::find(matching, subject, object),
            None => Ok(Found::Request(invocation.clone())),
        };
        let params = match found {
            Ok(Found::Nothing) => continue,
            Ok(Found::Request(_)) => params::collect(policy, &binding.binding, subject),
            Err(why) => Err(why),
        };
        let params = match params {
            Ok(params) if params.is_empty() => continue,
            Ok(params) => params,
            Err(why) => {
                verdicts.misconfigured(policy, Some(&binding.binding), &why);
                continue;
            }
        };
        let shown = match options {
            Some(options) => exhibits.show(&invocation, options),
            None => exhibits.make(&invocation, object).await,
        };
        let shown = match shown {
            Ok(shown) => shown,
            Err(error) => {
                let why = format!("failed to convert object version: {}", error.status().message);
                verdicts.misconfigured(policy, Some(&binding.binding), &why);
                continue;
            }
        };
        let judgement = Judgement::new(policy, &binding.binding, subject, &invocation, shown)?;
        for params in &params {
            verdicts.add(policy, &binding.binding, judgement.judge(params));
        }
    }
    verdicts.publish(policy);
    Ok(())
}

/// Kinds that only ask; policies do not see them.
const QUESTIONS: [&str; 6] = [
    "SelfSubjectReview",
    "TokenReview",
    "LocalSubjectAccessReview",
    "SelfSubjectAccessReview",
    "SelfSubjectRulesReview",
    "SubjectAccessReview",
];

#[async_trait]
impl Check for ValidatingAdmissionPolicies {
    fn name(&self) -> &'static str {
        "ValidatingAdmissionPolicy"
    }

    fn handles(&self, context: &Context<'_>) -> bool {
        !context.objects.objects(ValidatingAdmissionPolicyBinding::INFO, "").is_empty()
            && !is_exempt(context)
            && !QUESTIONS.contains(&context.kind.kind)
    }

    async fn validate(&self, context: &Context<'_>, object: &dyn Object) -> ApiResult<()> {
        self.judge(&Subject::new(context, Some(object)), Some(object), None).await
    }

    async fn delete(&self, context: &Context<'_>) -> ApiResult<()> {
        self.judge(&Subject::new(context, None), None, None).await
    }

    async fn connect(&self, context: &Context<'_>, options: &Value) -> ApiResult<()> {
        let kind = options["kind"].as_str().unwrap_or_default();
        self.judge(&Subject::connection(context, kind), None, Some(options)).await
    }
}
