//! Policies: what a cluster's own rules, written as expressions, say about a write. What applies
//! to a request is [`matching`], the parameters of a binding are [`params`], the expressions are compiled once a
//! generation ([`compiled`]), [`decide`] evaluates them, and [`verdict`] is what becomes of what they say. Nothing
//! is done where there are no bindings. Those that change objects are [`mutating`].

mod checks;
mod compiled;
mod decide;
mod matching;
mod mutating;
mod params;
mod source;
mod verdict;

#[cfg(test)]
mod tests;

use crate::check::{Check, Context};
use crate::expressions::{Asker, Scene};
use crate::webhook::call::Exhibits;
use crate::webhook::matching::{Invocation, Subject};
use async_trait::async_trait;
use compiled::{Policy, Validating};
use corten_api::admissionregistration::v1::ValidatingAdmissionPolicyBinding;
use corten_api::{Kind, Object};
use corten_semantics::ApiResult;
use decide::Judgement;
use serde_json::Value;
use source::Source;
use std::sync::Arc;
use verdict::Verdicts;

pub use checks::Checks;
pub(crate) use checks::write as write_metrics;
pub(crate) use mutating::MutatingAdmissionPolicies;

/// ValidatingAdmissionPolicy, the check.
pub(crate) struct ValidatingAdmissionPolicies {
    source: Source<Validating>,
    checks: Checks,
}

impl ValidatingAdmissionPolicies {
    pub fn new() -> Self {
        ValidatingAdmissionPolicies { source: Source::default(), checks: Checks::new("validating") }
    }

    async fn judge(
        &self,
        subject: &Subject<'_>,
        object: Option<&dyn Object>,
        options: Option<&Value>,
    ) -> ApiResult<()> {
        let policies = self.source.policies(subject.context.objects);
        let mut hearing = Hearing {
            subject,
            object,
            options,
            asker: Asker::new(subject.context),
            exhibits: Exhibits::new(subject),
            scenes: Vec::new(),
            namespace: None,
            verdicts: Verdicts::new(subject, &self.checks),
        };
        for policy in policies.iter() {
            hearing.ask(policy).await?;
        }
        hearing.verdicts.into_result(object)
    }
}

/// One request before all policies.
struct Hearing<'a> {
    subject: &'a Subject<'a>,
    object: Option<&'a dyn Object>,
    options: Option<&'a Value>,
    asker: Asker<'a>,
    exhibits: Exhibits<'a>,
    /// The request as expressions see it, for each way in which rules match it.
    scenes: Vec<(Invocation, Arc<Scene>)>,
    namespace: Option<Arc<Value>>,
    verdicts: Verdicts<'a>,
}

impl Hearing<'_> {
    /// Asks one policy, by each of its bindings.
    async fn ask(&mut self, policy: &Policy) -> ApiResult<()> {
        let subject = self.subject;
        let invocation = match matching::find(&policy.matching, subject, self.object) {
            Ok(None) => return Ok(()),
            Ok(Some(invocation)) => invocation,
            Err(why) => {
                self.verdicts.misconfigured(policy, None, &why);
                return Ok(());
            }
        };
        let kind = match params::kind(policy.policy.spec.param_kind.as_deref(), subject) {
            Ok(kind) => kind,
            Err(why) => {
                self.verdicts.misconfigured(policy, None, &why);
                return Ok(());
            }
        };
        for bound in &policy.bindings {
            let binding = &bound.binding;
            let found = match &bound.matching {
                Some(matching) => matching::find(matching, subject, self.object),
                None => Ok(Some(invocation.clone())),
            };
            let params = match found {
                Ok(None) => continue,
                Ok(Some(_)) => params::collect(kind, binding.spec.param_ref.as_deref(), subject).await,
                Err(why) => Err(why),
            };
            let params = match params {
                Ok(params) if params.is_empty() => continue,
                Ok(params) => params,
                Err(why) => {
                    self.verdicts.misconfigured(policy, Some(binding), &why);
                    continue;
                }
            };
            let scene = match self.scene(&invocation).await {
                Ok(scene) => scene,
                Err(why) => {
                    self.verdicts.misconfigured(policy, Some(binding), &why);
                    continue;
                }
            };
            let namespace = self.namespace()?;
            let judgement = Judgement { policy, scene: &scene, namespace: &namespace, asker: &self.asker };
            for params in &params {
                self.verdicts.add(policy, binding, judgement.judge(params));
            }
        }
        self.verdicts.publish(policy);
        Ok(())
    }

    async fn scene(&mut self, invocation: &Invocation) -> Result<Arc<Scene>, String> {
        if let Some((_, known)) = self.scenes.iter().find(|(known, _)| known == invocation) {
            return Ok(known.clone());
        }
        let shown = match self.options {
            Some(options) => self.exhibits.show(invocation, options),
            None => self.exhibits.make(invocation, self.object).await,
        };
        let shown =
            shown.map_err(|error| format!("failed to convert object version: {}", error.status().message))?;
        let scene = Arc::new(Scene::new(self.subject, invocation, shown));
        self.scenes.push((invocation.clone(), scene.clone()));
        Ok(scene)
    }

    fn namespace(&mut self) -> ApiResult<Arc<Value>> {
        let namespace = match self.namespace.take() {
            Some(known) => known,
            None => Arc::new(decide::namespace(self.subject)?),
        };
        Ok(self.namespace.insert(namespace).clone())
    }
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

/// The kinds that policies consist of.
const POLICIES: [&str; 4] = [
    "MutatingAdmissionPolicy",
    "MutatingAdmissionPolicyBinding",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
];

/// Whether the write is of a policy or a binding: none stands in the way of its own removal.
pub(crate) fn is_policy(context: &Context<'_>) -> bool {
    context.kind.group == ValidatingAdmissionPolicyBinding::INFO.group
        && POLICIES.contains(&context.kind.kind)
}

#[async_trait]
impl Check for ValidatingAdmissionPolicies {
    fn name(&self) -> &'static str {
        "ValidatingAdmissionPolicy"
    }

    fn checks(&self) -> Option<&Checks> {
        Some(&self.checks)
    }

    fn handles(&self, context: &Context<'_>) -> bool {
        !context.objects.objects(ValidatingAdmissionPolicyBinding::INFO, "").is_empty()
            && !is_policy(context)
            && !QUESTIONS.contains(&context.kind.kind)
    }

    async fn validate(&self, context: &Context<'_>, object: &dyn Object) -> ApiResult<()> {
        self.judge(&Subject::new(context, Some(object)), Some(object), None).await
    }

    async fn delete(&self, context: &Context<'_>) -> ApiResult<()> {
        self.judge(&Subject::new(context, None), None, None).await
    }

    async fn connect(&self, context: &Context<'_>, options: &mut Value) -> ApiResult<()> {
        self.judge(&Subject::connection(context, options), None, Some(options)).await
    }
}
