//! From a rule's text to a program.

use crate::definition::field_path;
use corten_api::View;
use corten_api::apiextensions::v1::{JSONSchemaProps, ValidationRule};
use corten_cel::{Declared, Env, Program, Type};
use corten_codec::json;
use serde_json::Value;

/// What the type of `self` is called.
pub(super) const NAME: &str = "selfType";

/// The programs of a rule.
#[derive(Debug)]
pub(crate) struct Compiled {
    /// `None` when the rule says nothing.
    pub program: Option<Result<Program, String>>,
    /// The message's, if the rule has one and is itself right.
    pub message: Option<Result<Program, String>>,
    /// Whether the rule speaks of `oldSelf`.
    pub uses_old: bool,
}

impl Compiled {
    /// A rule about something that expressions cannot see.
    pub fn without_type() -> Self {
        let why = "failed to convert to declType for CEL validation rules";
        Compiled { program: Some(Err(why.into())), message: None, uses_old: false }
    }
}

/// What rules at one place of a schema see.
pub(crate) struct Scope {
    plain: Env,
    /// The same when `oldSelf` may be absent.
    optional: Env,
}

impl Scope {
    pub fn new(declared: &Declared) -> Self {
        let own = || Env::new().variable("self", declared.clone());
        let optional = Declared::Other(Type::optional(declared.to_type()));
        Scope {
            plain: own().variable("oldSelf", declared.clone()),
            optional: own().variable("oldSelf", optional),
        }
    }

    /// Reads and checks a rule.
    pub fn compile(&self, rule: &ValidationRule) -> Compiled {
        let mut compiled = Compiled { program: None, message: None, uses_old: false };
        if rule.rule.trim().is_empty() {
            return compiled;
        }
        let env = if rule.optional_old_self == Some(true) { &self.optional } else { &self.plain };
        let program = match env.compile(&rule.rule) {
            Err(error) => Err(format!("compilation failed: {error}")),
            Ok(program) if *program.result_type() != Type::Bool => {
                Err("cel expression must evaluate to a bool".to_string())
            }
            Ok(program) => Ok(program),
        };
        if let Ok(program) = &program {
            compiled.uses_old = program.mentions("oldSelf");
            if !rule.message_expression.is_empty() {
                compiled.message = Some(match env.compile(&rule.message_expression) {
                    Err(error) => Err(format!("messageExpression compilation failed: {error}")),
                    Ok(program) if *program.result_type() != Type::String => {
                        Err("messageExpression must evaluate to a string".to_string())
                    }
                    Ok(program) => Ok(program),
                });
            }
        }
        compiled.program = Some(program);
        compiled
    }
}

/// The declared type of a property, or of items and values when no name is given.
pub(crate) fn declared_child(parent: Option<&Declared>, property: Option<&str>) -> Option<Declared> {
    match (parent?, property) {
        (Declared::Object(object), Some(name)) => {
            object.fields.get(&corten_cel::escape(name)?).map(|field| field.declared.clone())
        }
        (Declared::List(list), None) => Some(list.items.clone()),
        (Declared::Map(map), None) => Some(map.values.clone()),
        _ => None,
    }
}

/// The schema as JSON.
pub(crate) fn encoded(schema: &JSONSchemaProps) -> Value {
    let mut text = Vec::new();
    json::encode_value(&mut text, View::Struct(schema));
    serde_json::from_slice(&text).unwrap_or_default()
}

/// A `fieldPath` as findings write it; empty when it leads nowhere.
pub(super) fn normalized(path: &str, schema: &JSONSchemaProps) -> String {
    let Ok((steps, _)) = field_path::resolve(path, schema, true) else { return String::new() };
    let (mut text, mut at) = (String::new(), Some(schema));
    for step in &steps {
        let Some(schema) = at else { return String::new() };
        if let Some(property) = schema.properties.get(step) {
            let dot = if text.is_empty() { "" } else { "." };
            text += &format!("{dot}{step}");
            at = Some(property);
        } else {
            text += &format!("[{step}]");
            at = schema.additional_properties.as_ref().and_then(|a| a.schema.as_deref());
        }
    }
    text
}
