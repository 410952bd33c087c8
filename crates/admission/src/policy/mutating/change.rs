//! What the expressions of a mutating policy make of an object (upstream's `mutating/patch`).

use super::compiled::Mutation;
use crate::expressions::{Asker, Composed, Expression, OUT_OF_BUDGET, Scene, Trouble, bindings};
use corten_cel::{Budget, MadeObject, Map, RUNTIME_BUDGET, Value};
use corten_codec::patch::try_json_patch;
use serde_json::{Value as Json, json};
use std::rc::Rc;

/// One evaluation of one mutation.
pub(super) struct Evaluation<'a> {
    pub scene: &'a Scene,
    pub namespace: &'a Json,
    pub params: &'a Json,
    pub asker: &'a Asker<'a>,
    pub variables: &'a [(String, Expression)],
}

/// What an expression wants changed.
#[derive(Debug, PartialEq)]
pub(super) enum Change {
    /// To be laid over the object.
    Configuration(Json),
    /// Operations of a JSON patch.
    Operations(Vec<Json>),
}

impl Evaluation<'_> {
    /// What the mutation comes to.
    ///
    /// # Errors
    /// In upstream's words.
    pub fn run(&self, mutation: &Mutation) -> Result<Change, String> {
        let expression = match mutation {
            Mutation::Apply(expression) | Mutation::Patch(expression) => expression,
        };
        if let Err(why) = &expression.program {
            return Err(why.clone());
        }
        let base = bindings(self.scene, self.namespace, self.params, Some(self.asker));
        let composed = Composed::over(base, self.variables);
        let value = composed.evaluate(expression, &mut Budget::new(RUNTIME_BUDGET));
        let value = value.map_err(|trouble| match trouble {
            Trouble::Failed(why) => why,
            Trouble::OutOfBudget => OUT_OF_BUDGET.to_owned(),
        })?;
        match mutation {
            Mutation::Apply(_) => configuration(&value).map(Change::Configuration),
            Mutation::Patch(_) => operations(&value).map(Change::Operations),
        }
    }
}

fn check_names(made: &Rc<MadeObject<'_>>) -> Result<(), String> {
    made.check_names().map_err(|why| format!("type mismatch: {why}"))
}

fn configuration(value: &Value<'_>) -> Result<Json, String> {
    let Value::Map(Map::Made(made)) = value else {
        let of = value.type_of();
        return Err(format!("unsupported return type from ApplyConfiguration expression: {}", of.name()));
    };
    check_names(made)?;
    value.to_json().map_err(|why| format!("invalid return type: {why}"))
}

fn operations(value: &Value<'_>) -> Result<Vec<Json>, String> {
    let Value::List(list) = value else {
        return Err("type mismatch: JSONPatchType.expression should evaluate to array".to_owned());
    };
    let items = list.items().map_err(|error| error.to_string())?;
    items.iter().map(operation).collect()
}

fn operation(value: &Value<'_>) -> Result<Json, String> {
    let Value::Map(Map::Made(made)) = value else {
        return Err(
            "type mismatch: JSONPatchType.expression should evaluate to array of JSONPatch".to_owned()
        );
    };
    let mut operation = json!({"op": "", "path": ""});
    for (name, value) in &made.fields {
        if let Value::Map(Map::Made(made)) = value {
            check_names(made)?;
        }
        let value = value.to_json().map_err(|why| {
            format!("JSONPath valueExpression evaluated to a type that could not marshal to JSON: {why}")
        })?;
        if name != "from" || value != "" {
            operation[name] = value;
        }
    }
    Ok(operation)
}

/// The document after the operations; as it was when a `test` among them says no.
///
/// # Errors
/// In upstream's words.
pub(super) fn patched(mut document: Json, operations: &[Json]) -> Result<Json, String> {
    // Whether tests held makes no difference: if not, nothing was done.
    let told = try_json_patch(&mut document, operations);
    told.map(|_| document).map_err(|why| format!("JSON Patch: {why}"))
}
