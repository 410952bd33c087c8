//! Conditions that a request must meet before an authorizer outside is asked.

use corten_cel::{
    Bindings, Budget, Declared, Env, MATCH_CONDITIONS_BUDGET, ObjectType, Program, Type, Value,
};
use corten_semantics::field::FieldError;
use serde_json::Value as Json;
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// The most conditions of one authorizer.
const MOST: usize = 64;

/// The conditions of one authorizer, compiled.
#[derive(Clone, Debug, Default)]
pub struct MatchConditions(Vec<Program>);

static REQUEST: LazyLock<Declared> = LazyLock::new(request);
static ENV: LazyLock<Env> = LazyLock::new(|| Env::new().variable("request", REQUEST.clone()));

fn object(name: &str, fields: &[(&str, Declared)]) -> Declared {
    let fields = fields.iter().map(|(property, declared)| ((*property).to_owned(), declared.clone()));
    Declared::Object(ObjectType::new(name, fields))
}

/// The type of a SubjectAccessReview's spec.
fn request() -> Declared {
    let text = || Declared::STRING;
    let texts = || Declared::list(text());
    let requirement = || {
        let fields = [("key", text()), ("operator", text()), ("values", texts())];
        Declared::list(object("kubernetes.SelectorRequirement", &fields))
    };
    let selector = |name: &str| object(name, &[("rawSelector", text()), ("requirements", requirement())]);
    let resource = object(
        "kubernetes.ResourceAttributes",
        &[
            ("namespace", text()),
            ("verb", text()),
            ("group", text()),
            ("version", text()),
            ("resource", text()),
            ("subresource", text()),
            ("name", text()),
            ("fieldSelector", selector("kubernetes.FieldSelectorAttributes")),
            ("labelSelector", selector("kubernetes.LabelSelectorAttributes")),
        ],
    );
    object(
        "kubernetes.SubjectAccessReviewSpec",
        &[
            ("resourceAttributes", resource),
            (
                "nonResourceAttributes",
                object("kubernetes.NonResourceAttributes", &[("path", text()), ("verb", text())]),
            ),
            ("user", text()),
            ("groups", texts()),
            ("extra", Declared::map(texts())),
            ("uid", text()),
        ],
    )
}

impl MatchConditions {
    /// Compiles expressions; what is wrong with them is said at `path`.
    ///
    /// # Errors
    /// All that is wrong.
    pub fn compile(expressions: &[String], path: &str) -> Result<Self, Vec<FieldError>> {
        if expressions.len() > MOST {
            return Err(vec![FieldError::too_many(path, expressions.len(), MOST)]);
        }
        let (mut programs, mut errors, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
        for (i, text) in expressions.iter().enumerate() {
            let path = format!("{path}[{i}].expression");
            if text.trim().is_empty() {
                errors.push(FieldError::required(path, ""));
                continue;
            }
            if !seen.insert(text) {
                errors.push(FieldError::duplicate(path, text));
                continue;
            }
            match ENV.compile(text) {
                Err(wrong) => {
                    errors.push(FieldError::invalid(path, text, format!("compilation failed: {wrong}")))
                }
                Ok(program) if *program.result_type() != Type::Bool => {
                    let why = format!("must evaluate to bool but got {}", program.result_type());
                    errors.push(FieldError::invalid(path, text, why));
                }
                Ok(program) => programs.push(program),
            }
        }
        if errors.is_empty() { Ok(MatchConditions(programs)) } else { Err(errors) }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the spec meets all. One that is not met outweighs errors in others.
    ///
    /// # Errors
    /// What went wrong in upstream's words.
    pub fn hold(&self, spec: &Json) -> Result<bool, String> {
        let request = corten_cel::typed(spec, &REQUEST).map_err(|e| e.to_string())?;
        let bindings = Bindings::new().with("request", request);
        let mut budget = Budget::new(MATCH_CONDITIONS_BUDGET);
        let mut wrong = Vec::new();
        for program in &self.0 {
            match program.evaluate(&bindings, &mut budget) {
                Ok(Value::Bool(false)) => return Ok(false),
                Ok(_) => {}
                Err(why) => wrong.push(format!(
                    "cel evaluation error: expression '{}' resulted in error: {why}",
                    program.source()
                )),
            }
        }
        match wrong.as_slice() {
            [] => Ok(true),
            [one] => Err(one.clone()),
            several => Err(format!("[{}]", several.join(", "))),
        }
    }
}
