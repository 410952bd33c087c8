//! Expressions over claims and users.

use corten_cel::{Bindings, Budget, Declared, Env, List, ObjectType, Program, RUNTIME_BUDGET, Type, Value};
use corten_semantics::field::FieldError;
use serde_json::Value as Json;
use std::sync::LazyLock;

static CLAIMS: LazyLock<Declared> = LazyLock::new(|| Declared::map(Declared::DYN));
static USER: LazyLock<Declared> = LazyLock::new(|| {
    let texts = Declared::list(Declared::STRING);
    let fields = [
        ("username", Declared::STRING),
        ("uid", Declared::STRING),
        ("groups", texts.clone()),
        ("extra", Declared::map(texts)),
    ];
    Declared::Object(ObjectType::new(
        "kubernetes.UserInfo",
        fields.map(|(name, declared)| (name.to_string(), declared)),
    ))
});
static OVER_CLAIMS: LazyLock<Env> = LazyLock::new(|| Env::new().variable("claims", CLAIMS.clone()));
static OVER_USER: LazyLock<Env> = LazyLock::new(|| Env::new().variable("user", USER.clone()));

/// What an expression is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    Claims,
    User,
}

/// A compiled expression.
#[derive(Clone, Debug)]
pub(super) struct Expression {
    program: Program,
    about: About,
}

impl Expression {
    /// Compiles; rules must say true or false.
    ///
    /// # Errors
    /// What is wrong, at `path`.
    pub fn compile(text: &str, about: About, is_rule: bool, path: &str) -> Result<Self, FieldError> {
        let env = if about == About::Claims { &OVER_CLAIMS } else { &OVER_USER };
        match env.compile(text) {
            Err(wrong) => Err(FieldError::invalid(path, text, format!("compilation failed: {wrong}"))),
            Ok(program) if is_rule && *program.result_type() != Type::Bool => {
                Err(FieldError::invalid(path, text, "must evaluate to bool"))
            }
            Ok(program) => Ok(Expression { program, about }),
        }
    }

    /// The text.
    pub fn source(&self) -> &str {
        self.program.source()
    }

    fn evaluate<T>(
        &self,
        subject: &Json,
        read: impl FnOnce(Value<'_>) -> Result<T, String>,
    ) -> Result<T, String> {
        let (name, declared) = match self.about {
            About::Claims => ("claims", &*CLAIMS),
            About::User => ("user", &*USER),
        };
        let subject = corten_cel::typed(subject, declared).map_err(|e| e.to_string())?;
        let bindings = Bindings::new().with(name, subject);
        let value = self.program.evaluate(&bindings, &mut Budget::new(RUNTIME_BUDGET));
        let failed =
            |e: corten_cel::EvalError| format!("expression '{}' resulted in error: {e}", self.source());
        read(value.map_err(failed)?)
    }

    /// Whether a rule holds.
    ///
    /// # Errors
    /// When it cannot be evaluated.
    pub fn holds(&self, subject: &Json) -> Result<bool, String> {
        self.evaluate(subject, |value| match value {
            Value::Bool(holds) => Ok(holds),
            _ => Err("validation expression must return a boolean".into()),
        })
    }

    /// A text; `otherwise` is said of anything else.
    ///
    /// # Errors
    /// When it cannot be evaluated, or is no text.
    pub fn text(&self, subject: &Json, otherwise: &str) -> Result<String, String> {
        self.evaluate(subject, |value| match value {
            Value::String(text) => Ok(text.to_string()),
            _ => Err(otherwise.to_string()),
        })
    }

    /// A text or a list of texts, without empty ones; nothing for null.
    ///
    /// # Errors
    /// When it cannot be evaluated, or is something else.
    pub fn texts(&self, subject: &Json) -> Result<Vec<String>, String> {
        self.evaluate(subject, |value| {
            let mut found = Vec::new();
            match &value {
                Value::Null => {}
                Value::String(text) => found.push(text.to_string()),
                Value::List(list) => collect(list, &mut found)?,
                _ => return Err(NO_TEXTS.to_string()),
            }
            found.retain(|text: &String| !text.is_empty());
            Ok(found)
        })
    }
}

const NO_TEXTS: &str = "expression must return a string or a list of strings";

fn collect(list: &List<'_>, found: &mut Vec<String>) -> Result<(), String> {
    match list {
        List::Json(items, ..) => {
            for item in *items {
                found.push(item.as_str().ok_or(NO_TEXTS)?.to_string());
            }
        }
        List::Values(items) => {
            for item in items.iter() {
                let Value::String(text) = item else { return Err(NO_TEXTS.into()) };
                found.push(text.to_string());
            }
        }
        List::Joined(both) => {
            collect(&both.0, found)?;
            collect(&both.1, found)?;
        }
    }
    Ok(())
}
