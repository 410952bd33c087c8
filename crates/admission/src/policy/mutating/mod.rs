//! MutatingAdmissionPolicy: expressions that change what is written (upstream's `policy/mutating`). Which policies
//! are asked is settled before the first of them changes anything; [`change`] is what their expressions come to.

mod change;
mod compiled;
mod denials;
#[cfg(test)]
mod tests;

use super::checks::Checks;
use super::source::Source;
use super::{QUESTIONS, decide, is_policy, matching, params};
use crate::body::{Body, New, read_options};
use crate::check::{Check, Context, Operation};
use crate::expressions::{Asker, Scene};
use crate::webhook::call::Exhibits;
use crate::webhook::matching::{Invocation, Subject};
use async_trait::async_trait;
use change::{Change, Evaluation};
use compiled::{Binding, Mutating, Mutation, Policy};
use corten_api::admissionregistration::v1beta1::MutatingAdmissionPolicyBinding;
use corten_api::{Kind, KindInfo, Object};
use corten_codec::{Problems, json};
use corten_rt::Instant;
use corten_semantics::{ApiError, ApiResult};
use denials::Denials;
use serde_json::Value;

/// The check.
pub(crate) struct MutatingAdmissionPolicies {
    source: Source<Mutating>,
    checks: Checks,
}

/// A policy that is to be asked, by one of its bindings, with these parameters.
struct Turn<'p> {
    policy: &'p Policy,
    binding: &'p Binding,
    invocation: Invocation,
    params: Value,
}

/// Why a mutation was not done.
enum Trouble {
    /// What that means is the policy's failure policy's business.
    Failed(String),
    /// The request fails.
    Refused(ApiError),
}

impl Turn<'_> {
    fn binding(&self) -> &str {
        &self.binding.binding.metadata.name
    }

    /// Unlike all others'.
    fn key(&self) -> String {
        let text = |name: &str| self.params["metadata"][name].as_str().unwrap_or_default();
        format!("{}/{}/{}/{}", self.policy.name(), self.binding(), text("namespace"), text("name"))
    }
}

impl MutatingAdmissionPolicies {
    pub fn new() -> Self {
        MutatingAdmissionPolicies { source: Source::default(), checks: Checks::new("mutating") }
    }

    /// Asks those whose turn it is in this round.
    async fn round(&self, subject: &Subject<'_>, mut body: Body<'_>) -> ApiResult<()> {
        let policies = self.source.policies(subject.context.objects);
        let rounds = subject.context.rounds;
        if let Some(rounds) = rounds
            && rounds.is_second()
            && rounds.policies.differs(|| body.json())
        {
            rounds.policies.changed();
        }
        let mut denials = Denials::default();
        let turns = turns(&policies, subject, body.object(), &mut denials).await;
        if !turns.is_empty() {
            self.run(&turns, subject, &mut body, &mut denials).await?;
        }
        if let Some(rounds) = rounds {
            rounds.policies.leave(|| body.json());
        }
        denials.into_result(subject.context, body.object())
    }

    /// Asks one after the other.
    async fn run(
        &self,
        turns: &[Turn<'_>],
        subject: &Subject<'_>,
        body: &mut Body<'_>,
        denials: &mut Denials,
    ) -> ApiResult<()> {
        let context = subject.context;
        let namespace = decide::namespace(subject)?;
        let asker = Asker::new(context);
        let mut exhibits = Exhibits::new(subject);
        let mut changed = false;
        for turn in turns {
            let shown = body.show(&mut exhibits, &turn.invocation).await?;
            match is_wanted(turn, &Scene::new(subject, &turn.invocation, shown), &asker) {
                Ok(true) => {}
                Ok(false) => continue,
                Err(why) => {
                    denials.add(turn.policy, turn.binding(), why);
                    continue;
                }
            }
            let key = turn.key();
            if context.rounds.is_some_and(|rounds| rounds.is_second() && !rounds.policies.again(&key)) {
                continue;
            }
            let before = body.json();
            for mutation in &turn.policy.expressions.mutations {
                let begun = Instant::now();
                let told = mutate(turn, mutation, (subject, &namespace, &asker), &mut exhibits, body).await;
                let error = match &told {
                    Ok(_) => None,
                    Err(Trouble::Failed(why)) => Some(why.as_str()),
                    Err(Trouble::Refused(error)) => Some(error.status().message.as_str()),
                };
                self.checks.ended((turn.policy.name(), turn.binding()), error, "", begun.elapsed());
                match told {
                    Ok(new) => {
                        body.put(new);
                        exhibits.changed();
                        changed = true;
                    }
                    Err(Trouble::Failed(why)) => denials.add(turn.policy, turn.binding(), why),
                    Err(Trouble::Refused(error)) => return Err(error),
                }
            }
            let Some(rounds) = context.rounds else { continue };
            if before != body.json() {
                rounds.policies.changed();
                rounds.ask();
            }
            if turn.policy.again() {
                rounds.policies.ran(&key);
            }
        }
        // Who changed the object last may be asked again too, as upstream.
        if let Some(rounds) = context.rounds.filter(|_| changed) {
            rounds.policies.changed();
            rounds.ask();
        }
        Ok(())
    }
}

/// Whether the policy's match conditions hold.
fn is_wanted(turn: &Turn<'_>, scene: &Scene, asker: &Asker<'_>) -> Result<bool, String> {
    let expressions = &*turn.policy.expressions;
    let ignores = turn.policy.ignores();
    expressions.conditions.hold(scene, asker, &turn.params, &expressions.variables, ignores)
}

/// The object after the mutation, with its defaults.
async fn mutate(
    turn: &Turn<'_>,
    mutation: &Mutation,
    (subject, namespace, asker): (&Subject<'_>, &Value, &Asker<'_>),
    exhibits: &mut Exhibits<'_>,
    body: &Body<'_>,
) -> Result<New, Trouble> {
    let server = subject.context.server;
    let internal = |why: String| Trouble::Refused(ApiError::internal(why));
    let invocation = &turn.invocation;
    let shown = body.show(exhibits, invocation).await.map_err(Trouble::Refused)?;
    let document: Value = serde_json::from_slice(shown.object.as_deref().unwrap_or_default())
        .map_err(|e| internal(e.to_string()))?;
    let change = {
        let scene = Scene::new(subject, invocation, shown);
        let (params, variables) = (&turn.params, &*turn.policy.expressions.variables);
        Evaluation { scene: &scene, namespace, params, asker, variables }.run(mutation)
    };
    let Some(object) = body.object() else {
        return connected(change, document, &invocation.body.kind).map(New::Options);
    };
    let kind = invocation.version.unwrap_or(object.info());
    let new = match change.map_err(Trouble::Failed)? {
        Change::Configuration(mut configuration) => {
            for name in ["apiVersion", "kind"] {
                configuration[name] = document[name].clone();
            }
            let laid = server.overlay(kind, &document, &configuration).ok_or_else(|| unknown(kind))?;
            laid.map_err(|why| Trouble::Failed(format!("error applying patch: {why}")))?
        }
        Change::Operations(operations) => {
            let new = change::patched(document, &operations).map_err(Trouble::Failed)?;
            check_fields(kind, &new).map_err(internal)?;
            new
        }
    };
    let new = server.decode(kind, new.to_string().as_bytes()).map_err(Trouble::Refused)?;
    if kind == object.info() {
        return Ok(New::Object(new));
    }
    server.convert(new, object.info()).await.map(New::Object).map_err(Trouble::Refused)
}

/// The options of a connection after the change. There are no documents of their types, by which configurations
/// would be laid over them.
fn connected(change: Result<Change, String>, document: Value, kind: &str) -> Result<Value, Trouble> {
    let Change::Operations(operations) = change.map_err(Trouble::Failed)? else {
        return Err(Trouble::Failed(format!(
            "error applying patch: failed to convert patch object to typed object: no corresponding type for /v1, \
             Kind={kind}"
        )));
    };
    let new = change::patched(document, &operations).map_err(Trouble::Failed)?;
    let mut problems = Problems::strict();
    let read = read_options(&new, &mut problems).and_then(|new| problems.error().map_or(Ok(new), Err));
    read.map_err(|why| Trouble::Refused(ApiError::internal(why)))
}

/// The refusal where nobody knows the kind's type.
fn unknown(kind: &KindInfo) -> Trouble {
    let message = format!(
        "Resource kind {}, Kind={} not found. There can be a delay between when CustomResourceDefinitions are created \
         and when they are available.",
        kind.api_version(),
        kind.kind
    );
    Trouble::Refused(ApiError::new(503, "ServiceUnavailable", message))
}

/// Whether a built-in kind has all these fields.
fn check_fields(kind: &KindInfo, value: &Value) -> Result<(), String> {
    let Some(new) = kind.new.filter(|_| !kind.custom) else { return Ok(()) };
    let mut problems = Problems::strict();
    json::decode(value.to_string().as_bytes(), &mut *new(), &mut problems)
        .map_err(|error| error.to_string())?;
    problems.error().map_or(Ok(()), Err)
}

/// All that are to be asked about the object as it is; what cannot be followed is noted.
async fn turns<'p>(
    policies: &'p [Policy],
    subject: &Subject<'_>,
    object: Option<&dyn Object>,
    denials: &mut Denials,
) -> Vec<Turn<'p>> {
    let mut turns = Vec::new();
    for policy in policies {
        let invocation = match matching::find(&policy.matching, subject, object) {
            Ok(None) => continue,
            Ok(Some(invocation)) => invocation,
            Err(why) => {
                denials.misconfigured(policy, None, &why);
                continue;
            }
        };
        let kind = match params::kind(policy.policy.spec.param_kind.as_deref(), subject) {
            Ok(kind) => kind,
            Err(why) => {
                denials.misconfigured(policy, None, &why);
                continue;
            }
        };
        for binding in &policy.bindings {
            let found = match &binding.matching {
                Some(matching) => matching::find(matching, subject, object).map(|found| found.is_some()),
                None => Ok(true),
            };
            let params = match found {
                Ok(false) => continue,
                Ok(true) => params::collect(kind, binding.binding.spec.param_ref.as_deref(), subject).await,
                Err(why) => Err(why),
            };
            match params {
                Ok(params) => turns.extend(params.into_iter().map(|params| Turn {
                    policy,
                    binding,
                    invocation: invocation.clone(),
                    params,
                })),
                Err(why) => denials.misconfigured(policy, Some(&binding.binding.metadata.name), &why),
            }
        }
    }
    turns
}

#[async_trait]
impl Check for MutatingAdmissionPolicies {
    fn name(&self) -> &'static str {
        "MutatingAdmissionPolicy"
    }

    fn checks(&self) -> Option<&Checks> {
        Some(&self.checks)
    }

    fn handles(&self, context: &Context<'_>) -> bool {
        context.operation != Operation::Delete
            && !context.objects.objects(MutatingAdmissionPolicyBinding::INFO, "").is_empty()
            && !is_policy(context)
            && !QUESTIONS.contains(&context.kind.kind)
    }

    fn replaces(&self) -> bool {
        true
    }

    async fn replace(&self, context: &Context<'_>, object: &mut Box<dyn Object>) -> ApiResult<()> {
        let subject = Subject::new(context, Some(&**object));
        self.round(&subject, Body::Object(object)).await
    }

    async fn connect(&self, context: &Context<'_>, options: &mut Value) -> ApiResult<()> {
        let subject = Subject::connection(context, options);
        self.round(&subject, Body::Connection(options)).await
    }
}
