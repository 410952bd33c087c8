//! What rules find in a value. What an update leaves as it was is told, but not refused (ratcheting).

use super::{Rule, Rules};
use crate::finding::shown;
use crate::schema::Ref;
use crate::value::{Path, old_item, same};
use corten_cel::{Bindings, Budget, EvalError, RUNTIME_BUDGET, Value as Cel, typed};
use corten_semantics::field::{FieldError, Mistake};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// How long a message that an expression makes may be, in bytes.
const LONGEST_MESSAGE: usize = 5 * 1024;
const OUT_OF_BUDGET: &str =
    "validation failed due to running out of cost budget, no further validation rules will be run";

/// What rules found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub errors: Vec<FieldError>,
    /// What would be an error, were it not as it was before.
    pub ratcheted: Vec<FieldError>,
}

/// What a value was before, for rules that ask, and whether its faults may stay.
#[derive(Clone, Copy)]
pub(crate) struct Change<'a> {
    /// Before the update; for `oldSelf`.
    pub old: Option<&'a Value>,
    ratchet: Ratchet<'a>,
}

/// What a fault is judged by.
#[derive(Clone, Copy)]
enum Ratchet<'a> {
    /// Nothing: every fault is one.
    Never,
    /// The value here, and the one that it was.
    Pair(&'a Value, &'a Value, Ref<'a>),
    /// The same of the nearest place above where it can be told.
    Above(&'a Value, &'a Value, Ref<'a>),
}

impl<'a> Change<'a> {
    /// A value that is new.
    pub const NONE: Change<'static> = Change { old: None, ratchet: Ratchet::Never };

    /// A value that is judged as if it had been there before.
    pub fn kept(old: &'a Value) -> Self {
        Change { old: Some(old), ratchet: Ratchet::Never }
    }

    /// An update of an object.
    pub fn update(new: &'a Value, old: &'a Value, schema: Ref<'a>) -> Self {
        Change { old: Some(old), ratchet: Ratchet::Pair(new, old, schema) }
    }

    fn below(self, old: Option<&'a Value>, child: Option<(&'a Value, Ref<'a>)>) -> Self {
        let ratchet = match self.ratchet {
            Ratchet::Pair(new, was, schema) => match old.zip(child) {
                Some((old, (value, schema))) => Ratchet::Pair(value, old, schema),
                None => Ratchet::Above(new, was, schema),
            },
            other => other,
        };
        Change { old: old.filter(|old| !old.is_null()), ratchet }
    }

    fn tolerates(self) -> bool {
        match self.ratchet {
            Ratchet::Never => false,
            Ratchet::Pair(new, old, schema) | Ratchet::Above(new, old, schema) => same(new, old, schema),
        }
    }
}

/// What the rules of a schema find in a value. `base` is the path of the value itself.
pub(crate) fn evaluate<'a>(
    rules: &'a Rules,
    schema: Ref<'a>,
    base: &str,
    value: &'a Value,
    change: Change<'a>,
) -> Findings {
    let mut run = Run { budget: Budget::new(RUNTIME_BUDGET), found: Findings::default(), base };
    // Whether all could be asked shows in the findings.
    let _ = run.place(rules, schema, &Path::Root, value, change);
    run.found
}

/// No rule is asked any more.
struct Stop;

struct Run<'r> {
    budget: Budget,
    found: Findings,
    base: &'r str,
}

impl Run<'_> {
    fn path(&self, path: &Path<'_>) -> String {
        match (self.base, path.text()) {
            ("", text) if text.is_empty() => "<nil>".to_string(),
            ("", text) => text,
            (base, text) if text.is_empty() => base.to_string(),
            (base, text) if text.starts_with('[') => format!("{base}{text}"),
            (base, text) => format!("{base}.{text}"),
        }
    }

    fn refuse(&mut self, path: &Path<'_>, schema: Ref<'_>, detail: String) {
        let (path, value) = (self.path(path), format!("{:?}", type_name(schema)));
        self.found.errors.push(FieldError { path, mistake: Mistake::Invalid, value, detail });
    }

    fn place<'a>(
        &mut self,
        rules: &'a Rules,
        schema: Ref<'a>,
        path: &Path<'_>,
        value: &'a Value,
        change: Change<'a>,
    ) -> Result<(), Stop> {
        if value.is_null() {
            return Ok(());
        }
        self.own(rules, schema, path, value, change)?;
        match value {
            Value::Array(list) => self.list(rules, schema, path, list, change),
            Value::Object(fields) => self.fields(rules, schema, path, fields, change),
            _ => Ok(()),
        }
    }

    fn list<'a>(
        &mut self,
        rules: &'a Rules,
        schema: Ref<'a>,
        path: &Path<'_>,
        list: &'a [Value],
        change: Change<'a>,
    ) -> Result<(), Stop> {
        let (Some(rules), Some(items)) = (&rules.items, schema.items()) else { return Ok(()) };
        let before = change.old.and_then(Value::as_array);
        for (at, item) in list.iter().enumerate() {
            let old = before.and_then(|before| old_item(before, item, schema.list_keys()));
            self.place(rules, items, &path.index(at), item, change.below(old, Some((item, items))))?;
        }
        Ok(())
    }

    fn fields<'a>(
        &mut self,
        rules: &'a Rules,
        schema: Ref<'a>,
        path: &Path<'_>,
        fields: &'a Map<String, Value>,
        change: Change<'a>,
    ) -> Result<(), Stop> {
        for (key, value) in fields {
            let named = schema.property(key);
            let (below, place) = match rules.properties.get(key.as_str()) {
                Some(below) => (below, path.field(key)),
                None => match rules.additional.as_deref().filter(|_| named.is_none()) {
                    Some(below) => (below, path.key(key)),
                    None => continue,
                },
            };
            let Some(child) = named.or_else(|| schema.child(key)) else { continue };
            let old = change.old.and_then(|old| old.get(key));
            let root = matches!(path, Path::Root) && self.base.is_empty();
            let mut change = change.below(old, Some((value, child)));
            if root && matches!(key.as_str(), "apiVersion" | "kind") {
                change.ratchet = Ratchet::Never;
            }
            self.place(below, child, &place, value, change)?;
        }
        Ok(())
    }

    fn own<'a>(
        &mut self,
        rules: &'a Rules,
        schema: Ref<'a>,
        path: &Path<'_>,
        value: &'a Value,
        change: Change<'a>,
    ) -> Result<(), Stop> {
        for rule in &rules.own {
            let optional = rule.said.optional_old_self == Some(true);
            let program = match &rule.compiled.program {
                None => continue,
                Some(Ok(program)) => program,
                Some(Err(why)) => {
                    let what = if rules.declared.is_some() {
                        "compile error"
                    } else {
                        "compiler initialization error"
                    };
                    self.refuse(path, schema, format!("rule {what}: {why}"));
                    continue;
                }
            };
            if self.budget.remaining().is_none_or(|left| left == 0) {
                self.refuse(path, schema, OUT_OF_BUDGET.into());
                return Err(Stop);
            }
            if rule.compiled.uses_old && change.old.is_none() && !optional {
                continue;
            }
            let Some(declared) = &rules.declared else { continue };
            let outcome = bindings(value, change.old, declared, optional)
                .and_then(|bindings| program.evaluate(&bindings, &mut self.budget));
            if self.budget.is_exhausted() {
                self.refuse(path, schema, OUT_OF_BUDGET.into());
                return Err(Stop);
            }
            match outcome {
                Ok(outcome) if outcome.as_bool() == Some(true) => {}
                Ok(_) => self.failed(rule, rules, schema, path, value, change)?,
                Err(error) => {
                    let (last, detail) = failure(&error, rule);
                    self.refuse(path, schema, detail);
                    if last {
                        return Err(Stop);
                    }
                }
            }
        }
        Ok(())
    }

    /// Tells of a rule that does not hold.
    fn failed<'a>(
        &mut self,
        rule: &'a Rule,
        rules: &'a Rules,
        schema: Ref<'a>,
        path: &Path<'_>,
        value: &'a Value,
        change: Change<'a>,
    ) -> Result<(), Stop> {
        let mut place = self.path(path);
        if !rule.field.is_empty() {
            place = match place.as_str() {
                "<nil>" => rule.field.clone(),
                parent => format!("{parent}.{}", rule.field),
            };
        }
        let (detail, stop) = match self.message(rule, rules, value, change) {
            Ok(Some(message)) => (Cow::Owned(message), false),
            Ok(None) if rule.said.message.is_empty() => {
                (Cow::Owned(format!("failed rule: {}", named(rule))), false)
            }
            Ok(None) => (Cow::Borrowed(rule.said.message.trim()), false),
            Err(why) => (Cow::Owned(why), true),
        };
        let (mistake, value) = match rule.said.reason.as_deref().filter(|_| !stop) {
            _ if stop => (Mistake::Invalid, format!("{:?}", type_name(schema))),
            Some("FieldValueForbidden") => (Mistake::Forbidden, String::new()),
            Some("FieldValueRequired") => (Mistake::Required, String::new()),
            reason => {
                let duplicate = reason == Some("FieldValueDuplicate");
                let shown = match type_name(schema) {
                    "object" | "array" => String::new(),
                    _ => shown(value),
                };
                (if duplicate { Mistake::Duplicate } else { Mistake::Invalid }, shown)
            }
        };
        let detail = if mistake == Mistake::Duplicate { String::new() } else { detail.into_owned() };
        let error = FieldError { path: place, mistake, value, detail };
        if !rule.compiled.uses_old && change.tolerates() {
            self.found.ratcheted.push(error);
        } else {
            self.found.errors.push(error);
        }
        if stop { Err(Stop) } else { Ok(()) }
    }

    /// The message that the rule's expression makes; none when it makes none that can be shown.
    ///
    /// # Errors
    /// When it costs too much.
    fn message<'a>(
        &mut self,
        rule: &'a Rule,
        rules: &'a Rules,
        value: &'a Value,
        change: Change<'a>,
    ) -> Result<Option<String>, String> {
        let (Some(Ok(program)), Some(declared)) = (&rule.compiled.message, &rules.declared) else {
            return Ok(None);
        };
        let made = bindings(value, change.old, declared, false)
            .and_then(|bindings| program.evaluate(&bindings, &mut self.budget));
        if self.budget.is_exhausted() {
            return Err("messageExpression evaluation failed due to running out of cost budget, no further validation rules will be run".into());
        }
        if matches!(made, Err(EvalError::CallLimit)) {
            return Err(format!(
                "no further validation rules will be run due to call cost exceeds limit for messageExpression: {:?}",
                program.source()
            ));
        }
        let text = made.ok().as_ref().and_then(Cel::as_str).map(|text| text.trim().to_string());
        let fits = |text: &String| !text.is_empty() && text.len() <= LONGEST_MESSAGE && !text.contains('\n');
        Ok(text.filter(fits))
    }
}

/// What the expression sees.
fn bindings<'a>(
    value: &'a Value,
    old: Option<&'a Value>,
    declared: &'a corten_cel::Declared,
    optional: bool,
) -> Result<Bindings<'a>, EvalError> {
    let bindings = Bindings::new().with("self", typed(value, declared)?);
    let old = old.map(|old| typed(old, declared)).transpose()?;
    Ok(match old {
        Some(old) if optional => bindings.with("oldSelf", old.some()),
        Some(old) => bindings.with("oldSelf", old),
        None if optional => bindings.with("oldSelf", Cel::Optional(None)),
        None => bindings,
    })
}

fn type_name(schema: Ref<'_>) -> &'static str {
    match schema.ty() {
        crate::schema::Type::IntOrString => "",
        other => other.name(),
    }
}

/// How messages call the rule.
fn named(rule: &Rule) -> &str {
    match rule.said.message.trim() {
        "" => rule.said.rule.trim(),
        message => message,
    }
}

/// Why a rule has no outcome, and whether no other is asked.
fn failure(error: &EvalError, rule: &Rule) -> (bool, String) {
    let (text, rule) = (error.to_string(), named(rule));
    if *error == EvalError::CallLimit {
        let why = format!(
            "'{text}': no further validation rules will be run due to call cost exceeds limit for rule: {rule}"
        );
        return (true, why);
    }
    if text.starts_with("no such overload") {
        let why = format!(
            "'{text}': call arguments did not match a supported operator, function or macro signature for rule: {rule}"
        );
        return (false, why);
    }
    (false, format!("{text} evaluating rule: {rule}"))
}
