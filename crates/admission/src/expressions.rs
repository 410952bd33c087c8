//! What expressions see of a request, and how they are evaluated: match conditions of webhooks, and policies.

use crate::check::Context;
use crate::webhook::matching::{BodyKind, Invocation, Subject};
use crate::webhook::review::Shown;
use corten_api::View;
use corten_cel::{
    Authorizer, Bindings, Budget, Check, Checked, Decision, EvalError, Fields, Map, Program,
    ResourceCheckFields, Value,
};
use corten_codec::json::encode_value;
use serde_json::{Value as Json, json};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::{Rc, Weak};
use std::sync::{Mutex, PoisonError};

/// An expression, compiled, or why it does not compile.
#[derive(Debug)]
pub(crate) struct Expression {
    pub text: String,
    pub program: Result<Program, String>,
}

impl Expression {
    pub fn new(text: &str, program: Result<Program, String>) -> Self {
        Expression { text: text.to_owned(), program }
    }
}

/// What a request looks like to expressions, in one version of its kind.
#[derive(Debug)]
pub(crate) struct Scene {
    object: Json,
    old: Json,
    request: Json,
    resource: ResourceCheckFields,
}

impl Scene {
    /// The request as the invocation matches it; the objects as JSON, where there are any.
    pub fn new(subject: &Subject<'_>, invocation: &Invocation, shown: &Shown) -> Self {
        let read = |json: &Option<Vec<u8>>| {
            json.as_ref().and_then(|json| serde_json::from_slice(json).ok()).unwrap_or(Json::Null)
        };
        let context = subject.context;
        let resource = ResourceCheckFields {
            group: context.requested.group.to_owned(),
            resource: context.requested.plural.to_owned(),
            subresource: context.subresource.to_owned(),
            namespace: subject.namespace().to_owned(),
            name: subject.name.clone(),
            ..ResourceCheckFields::default()
        };
        Scene {
            object: read(&shown.object),
            old: read(&shown.old),
            request: request(subject, invocation),
            resource,
        }
    }
}

/// The request without its objects; what is empty is left out as in the API's own message.
fn request(subject: &Subject<'_>, invocation: &Invocation) -> Json {
    let context = subject.context;
    let kind = |body: &BodyKind| json!({"group": body.group, "version": body.version, "kind": body.kind});
    let resource = |kind: &corten_api::KindInfo| json!({"group": kind.group, "version": kind.version, "resource": kind.plural});
    let mut user = Vec::new();
    encode_value(&mut user, View::Struct(context.user));
    let mut request = json!({
        "uid": "",
        "kind": kind(&invocation.body),
        "resource": resource(invocation.resource),
        "requestKind": kind(&subject.body),
        "requestResource": resource(context.requested),
        "operation": context.operation.to_string(),
        "userInfo": serde_json::from_slice::<Json>(&user).unwrap_or_default(),
        "dryRun": context.dry_run,
        "options": context.options.value(),
    });
    for (name, text) in [
        ("subResource", context.subresource),
        ("requestSubResource", context.subresource),
        ("name", &subject.name),
        ("namespace", subject.namespace()),
    ] {
        if !text.is_empty() {
            request[name] = json!(text);
        }
    }
    request
}

/// Answers what expressions of one request ask about rights, the same question once.
pub(crate) struct Asker<'a> {
    context: &'a Context<'a>,
    known: Mutex<Vec<(Question, Decision)>>,
}

/// A service account if it is another than the request's user, the verb, and what it is about.
#[derive(PartialEq)]
struct Question(Option<(String, String)>, String, Result<ResourceCheckFields, String>);

/// Answers beyond this many are not kept.
const MOST_ANSWERS: usize = 1000;

impl<'a> Asker<'a> {
    pub fn new(context: &'a Context<'a>) -> Self {
        Asker { context, known: Mutex::default() }
    }
}

impl Authorizer for Asker<'_> {
    fn authorize(&self, check: &Check<'_>) -> Decision {
        let account = check.service_account.map(|(namespace, name)| (namespace.to_owned(), name.to_owned()));
        let about = match check.of {
            Checked::Path(path) => Err(path.to_owned()),
            Checked::Resource(fields) => Ok(fields.clone()),
        };
        let question = Question(account, check.verb.to_owned(), about);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, decision)) = known.iter().find(|(asked, _)| *asked == question) {
            return decision.clone();
        }
        let decision = self.context.server.authorize(self.context.user, check);
        if known.len() < MOST_ANSWERS {
            known.push((question, decision.clone()));
        }
        decision
    }
}

/// The variables of expressions. `params` is null where there are none; without `asker` nobody can be asked.
pub(crate) fn bindings<'a>(
    scene: &'a Scene,
    namespace: &'a Json,
    params: &'a Json,
    asker: Option<&'a Asker<'a>>,
) -> Bindings<'a> {
    let mut bindings = Bindings::new()
        .with("object", Value::json(&scene.object))
        .with("oldObject", Value::json(&scene.old))
        .with("request", Value::json(&scene.request))
        .with("namespaceObject", Value::json(namespace))
        .with("params", Value::json(params));
    if let Some(asker) = asker {
        bindings.set("authorizer", Value::authorizer(asker));
        let resource = Value::resource_check(asker, scene.resource.clone());
        bindings.set("authorizer.requestResource", resource);
    }
    bindings
}

/// A policy's variables, each computed when it is first asked for.
struct Composition<'a> {
    variables: &'a [(String, Expression)],
    base: Bindings<'a>,
    known: RefCell<HashMap<&'a str, Result<Value<'a>, EvalError>>>,
    /// What variables have cost since that was last asked.
    cost: Cell<u64>,
    own: Weak<Composition<'a>>,
}

impl<'a> Composition<'a> {
    fn bindings(&self) -> Bindings<'a> {
        let mut bindings = self.base.clone();
        if let Some(own) = self.own.upgrade() {
            bindings.set("variables", Value::Map(Map::Lazy(own)));
        }
        bindings
    }

    fn compute(&self, name: &str, expression: &'a Expression) -> Result<Value<'a>, EvalError> {
        let failed = |what: &str, why: &dyn std::fmt::Display| {
            EvalError::Failed(format!("composited variable {name:?} fails to {what}: {why}"))
        };
        let program = expression.program.as_ref().map_err(|why| failed("compile", why))?;
        let mut budget = Budget::new(u64::MAX);
        let value = program.evaluate(&self.bindings(), &mut budget);
        self.cost.set(self.cost.get().saturating_add(budget.spent()));
        value.map_err(|error| failed("evaluate", &error))
    }
}

impl<'a> Fields<'a> for Composition<'a> {
    fn field(&self, name: &str) -> Option<Result<Value<'a>, EvalError>> {
        let (name, expression) = self.variables.iter().find(|(known, _)| known == name)?;
        if let Some(known) = self.known.borrow().get(name.as_str()) {
            return Some(known.clone());
        }
        let value = self.compute(name, expression);
        self.known.borrow_mut().insert(name, value.clone());
        Some(value)
    }
}

/// More was spent than there was; nothing more is evaluated.
pub(crate) const OUT_OF_BUDGET: &str =
    "validation failed due to running out of cost budget, no further validation rules will be run";

/// Why an expression has no value.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// In upstream's words.
    Failed(String),
    OutOfBudget,
}

/// What expressions are evaluated over: variables of the request, and those of the policy.
pub(crate) struct Composed<'a> {
    composition: Rc<Composition<'a>>,
    bindings: Bindings<'a>,
}

impl<'a> Composed<'a> {
    /// The policy's variables over those of the request.
    pub fn over(base: Bindings<'a>, variables: &'a [(String, Expression)]) -> Self {
        let composition = Rc::new_cyclic(|own: &Weak<Composition<'a>>| Composition {
            variables,
            base,
            known: RefCell::default(),
            cost: Cell::new(0),
            own: own.clone(),
        });
        let bindings = composition.bindings();
        Composed { composition, bindings }
    }

    /// The value of the expression; what it cost is taken from the budget, and what its variables cost.
    pub fn evaluate(&self, expression: &'a Expression, budget: &mut Budget) -> Result<Value<'a>, Trouble> {
        let program = expression
            .program
            .as_ref()
            .map_err(|why| Trouble::Failed(format!("compilation error: {why}")))?;
        let value = program.evaluate(&self.bindings, budget);
        budget.spend(self.composition.cost.take());
        if budget.is_exhausted() {
            return Err(Trouble::OutOfBudget);
        }
        value.map_err(|error| {
            Trouble::Failed(format!("expression '{}' resulted in error: {error}", expression.text))
        })
    }
}

/// A variable may hold all variables, and so itself.
impl Drop for Composed<'_> {
    fn drop(&mut self) {
        self.composition.known.take();
    }
}
