//! Validating values by a schema, with the findings of kube-openapi's `validate`, in its words. What an update
//! does not change may stay wrong (ratcheting), where upstream can tell that it is the same.

use super::Path;
use super::format::fits;
use super::number::{Num, cut, is_whole};
use super::pattern::matches;
use super::same::{old_item as old_keyed, same};
use crate::finding::{error, shown};
use crate::schema::{Additional, Checks, ListType, Ref, Type};
use corten_codec::go_float;
use corten_semantics::field::{FieldError, Mistake};
use serde_json::{Map, Value};

/// What a value was before, where that can be told.
#[derive(Clone, Copy, Debug)]
pub enum Old<'a> {
    Unknown,
    Was(&'a Value),
}

/// What is wrong with `value`. `base` stands in front of all paths that errors name, not of those in their
/// messages.
pub fn validate(base: &str, value: &Value, old: Old<'_>, schema: Ref<'_>) -> Vec<FieldError> {
    let outcome = check(&Path::Root, value, old, schema);
    outcome.problems.into_iter().map(|p| p.into_error(base)).collect()
}

/// A finding and the text by which equal ones are told.
#[derive(Debug)]
struct Problem {
    path: String,
    mistake: Mistake,
    value: String,
    detail: String,
    message: String,
}

impl Problem {
    fn into_error(self, base: &str) -> FieldError {
        let path = self.path.strip_prefix('.').unwrap_or(&self.path);
        let path = match (base.is_empty(), path.is_empty()) {
            (true, true) => "<nil>".to_string(),
            (true, false) => path.to_string(),
            (false, true) => base.to_string(),
            (false, false) => format!("{base}.{path}"),
        };
        error(path, self.mistake, self.value, self.detail)
    }
}

/// The findings of one schema on one value, and how many checks it came through.
#[derive(Debug, Default)]
struct Outcome {
    problems: Vec<Problem>,
    matched: usize,
}

impl Outcome {
    fn add(&mut self, problem: Problem) {
        if self.problems.iter().all(|known| known.message != problem.message) {
            self.problems.push(problem);
        }
    }

    fn merge(&mut self, other: Outcome) {
        self.matched += other.matched;
        other.problems.into_iter().for_each(|p| self.add(p));
    }

    fn is_valid(&self) -> bool {
        self.problems.is_empty()
    }
}

/// A finding whose detail is its message.
fn wrong(path: &Path<'_>, value: &Value, why: &str) -> Problem {
    let path = path.dotted();
    let message = format!("{path} in body {why}");
    Problem { path, mistake: Mistake::Invalid, value: shown(value), detail: message.clone(), message }
}

/// A finding about the value as a whole.
fn about(message: String) -> Problem {
    Problem {
        path: String::new(),
        mistake: Mistake::Invalid,
        value: "\"\"".into(),
        detail: message.clone(),
        message,
    }
}

fn wrong_type(path: &Path<'_>, wanted: &str, found: &str) -> Problem {
    let path = path.dotted();
    let message = format!("{path} in body must be of type {wanted}: {found:?}");
    Problem {
        path,
        mistake: Mistake::TypeInvalid,
        value: format!("{found:?}"),
        detail: message.clone(),
        message,
    }
}

fn check(path: &Path<'_>, value: &Value, old: Old<'_>, schema: Ref<'_>) -> Outcome {
    let mut outcome = unratcheted(path, value, old, schema);
    let unchanged = || matches!(old, Old::Was(old) if same(value, old, schema));
    if !outcome.is_valid() && unchanged() {
        outcome.problems.clear();
    }
    outcome
}

fn unratcheted(path: &Path<'_>, value: &Value, old: Old<'_>, schema: Ref<'_>) -> Outcome {
    let mut outcome = Outcome::default();
    static NOTHING: std::sync::OnceLock<Checks> = std::sync::OnceLock::new();
    let checks = schema.checks().unwrap_or_else(|| NOTHING.get_or_init(Checks::default));
    if value.is_null() {
        outcome.merge(check_type(path, value, schema, checks));
        check_enum(path, value, checks, &mut outcome);
        return outcome;
    }
    if schema.ty() != Type::Any || !checks.format.is_empty() {
        outcome.merge(check_type(path, value, schema, checks));
        outcome.matched += 1;
    }
    outcome.merge(check_composition(path, value, old, schema, checks));
    outcome.matched += 1;
    match value {
        Value::String(text) => {
            check_text(path, value, text, checks, &mut outcome);
            outcome.matched += 1;
        }
        Value::Number(number) => {
            check_number(path, value, Num::of(number), checks, &mut outcome);
            outcome.matched += 2;
        }
        Value::Array(list) => {
            check_list(path, list, old, schema, checks, &mut outcome);
            outcome.matched += 2;
        }
        _ => {}
    }
    check_enum(path, value, checks, &mut outcome);
    outcome.matched += 1;
    if let Value::Object(fields) = value {
        check_object(path, fields, old, schema, checks, &mut outcome);
        outcome.matched += 1;
    }
    outcome.matched += 1;
    outcome
}

fn check_type(path: &Path<'_>, value: &Value, schema: Ref<'_>, checks: &Checks) -> Outcome {
    let good = Outcome { matched: 1, ..Outcome::default() };
    let bad = |problem| Outcome { problems: vec![problem], matched: 0 };
    let wanted = schema.ty();
    let (found, format) = match value {
        Value::Null => {
            let fits = wanted == Type::Any || schema.nullable();
            return if fits { good } else { bad(wrong_type(path, wanted.name(), "null")) };
        }
        Value::Bool(_) => ("boolean", ""),
        Value::String(_) => ("string", ""),
        Value::Array(_) => ("array", ""),
        Value::Object(_) => ("object", ""),
        Value::Number(n) => match Num::of(n) {
            Num::Int(_) => ("integer", "int64"),
            Num::Float(_) => ("number", "float64"),
        },
    };
    let contains = |name: &str| match wanted {
        Type::IntOrString => matches!(name, "integer" | "string"),
        other => other.name() == name,
    };
    let whole = matches!(value, Value::Number(n) if matches!(Num::of(n), Num::Float(f) if is_whole(f)));
    let as_number = (whole && contains("integer")) || (found == "integer" && contains("number"));
    let textual = matches!(value, Value::String(_) | Value::Array(_));
    let fits = contains(found) || as_number;
    if !checks.format.is_empty() {
        if !textual && !fits {
            return bad(wrong_type(path, &checks.format, format));
        }
        if textual && !contains("number") && !contains("integer") {
            return good;
        }
    }
    if fits || wanted == Type::Any { good } else { bad(wrong_type(path, wanted.name(), found)) }
}

fn check_text(path: &Path<'_>, value: &Value, text: &str, checks: &Checks, outcome: &mut Outcome) {
    let length = || i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
    if let Some(most) = checks.max_length.filter(|most| length() > *most) {
        let path = path.dotted();
        let message = format!("{path} in body should be at most {most} chars long");
        let detail = format!("may not be more than {most} bytes");
        outcome.add(Problem { path, mistake: Mistake::TooLong, value: String::new(), detail, message });
    } else if let Some(least) = checks.min_length.filter(|least| length() < *least) {
        outcome.add(wrong(path, value, &format!("should be at least {least} chars long")));
    } else if !checks.pattern.is_empty() {
        match matches(&checks.pattern, text) {
            Ok(true) => {}
            Ok(false) => outcome.add(wrong(path, value, &format!("should match '{}'", checks.pattern))),
            Err(why) => {
                let why = format!("should match '{}, but pattern is invalid: {why}'", checks.pattern);
                outcome.add(wrong(path, value, &why));
            }
        }
    }
    if !checks.format.is_empty() {
        outcome.matched += 1;
        if !fits(&checks.format, text) {
            outcome.add(wrong_type(path, &checks.format, text));
        }
    }
}

fn check_number(path: &Path<'_>, value: &Value, number: Num, checks: &Checks, outcome: &mut Outcome) {
    // A bound is cut to an integer when an integer is compared with it, as upstream does.
    let bound = |limit: f64| match number {
        Num::Int(_) => cut(limit).to_string(),
        Num::Float(_) => go_float(limit),
    };
    if let Some(factor) = checks.multiple_of.map(crate::schema::Bound::value) {
        let (usable, fits) = match number {
            Num::Int(int) => (cut(factor) > 0, cut(factor) > 0 && int % cut(factor) == 0),
            Num::Float(float) => {
                let times = if factor < 1.0 { 1.0 / factor * float } else { float / factor };
                (factor > 0.0, is_whole(times))
            }
        };
        if !usable {
            let path = path.dotted();
            let message =
                format!("factor MultipleOf declared for {path} must be positive: {}", bound(factor));
            let value = bound(factor);
            outcome.add(Problem { path, mistake: Mistake::Invalid, value, detail: message.clone(), message });
        } else if !fits {
            outcome.add(wrong(path, value, &format!("should be a multiple of {}", bound(factor))));
        }
    }
    let beyond = |limit: f64, exclusive: bool, sign: f64| match number {
        Num::Int(int) => {
            let limit = cut(limit);
            let far = if sign > 0.0 { int > limit } else { int < limit };
            far || exclusive && int == limit
        }
        Num::Float(float) => {
            let far = if sign > 0.0 { float > limit } else { float < limit };
            far || exclusive && float.to_bits() == limit.to_bits()
        }
    };
    if let Some(limit) = checks.maximum.map(crate::schema::Bound::value)
        && beyond(limit, checks.exclusive_maximum, 1.0)
    {
        let or_equal = if checks.exclusive_maximum { "" } else { " or equal to" };
        outcome.add(wrong(path, value, &format!("should be less than{or_equal} {}", bound(limit))));
    }
    if let Some(limit) = checks.minimum.map(crate::schema::Bound::value)
        && beyond(limit, checks.exclusive_minimum, -1.0)
    {
        let or_equal = if checks.exclusive_minimum { "" } else { " or equal to" };
        outcome.add(wrong(path, value, &format!("should be greater than{or_equal} {}", bound(limit))));
    }
}

fn check_enum(path: &Path<'_>, value: &Value, checks: &Checks, outcome: &mut Outcome) {
    let same = |allowed: &Value| match (allowed, value) {
        (Value::Null, _) => false,
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (Num::of(a), Num::of(b));
            a == b || a.as_f64().to_bits() == b.as_f64().to_bits()
        }
        (a, b) => a == b,
    };
    if checks.enum_.is_empty() || checks.enum_.iter().any(same) {
        return;
    }
    let listed = checks.enum_.iter().map(|allowed| match allowed {
        Value::String(text) => format!("{text:?}"),
        other => format!("{:?}", other.to_string()),
    });
    let detail = format!("supported values: {}", listed.collect::<Vec<_>>().join(", "));
    let path = path.dotted();
    let message = format!("{path} in body should be one of {detail}");
    outcome.add(Problem { path, mistake: Mistake::NotSupported, value: shown(value), detail, message });
}

fn too_many(path: &Path<'_>, have: i64, most: i64, what: &str) -> Problem {
    let path = path.dotted();
    let message = format!("{path} in body should have at most {most} {what}");
    let detail = format!("must have at most {most} items");
    Problem { path, mistake: Mistake::TooMany, value: have.to_string(), detail, message }
}

fn check_list(
    path: &Path<'_>,
    list: &[Value],
    old: Old<'_>,
    schema: Ref<'_>,
    checks: &Checks,
    outcome: &mut Outcome,
) {
    if let Some(items) = schema.items() {
        for (at, item) in list.iter().enumerate() {
            outcome.merge(check(&path.index(at), item, old_item(old, item, schema), items));
        }
    }
    let have = i64::try_from(list.len()).unwrap_or(i64::MAX);
    if let Some(least) = checks.min_items.filter(|least| have < *least) {
        outcome.add(wrong(path, &have.into(), &format!("should have at least {least} items")));
    }
    if let Some(most) = checks.max_items.filter(|most| have > *most) {
        outcome.add(too_many(path, have, most, "items"));
    }
}

/// What an item of a list map was; items of other lists cannot be told apart.
fn old_item<'a>(old: Old<'a>, item: &Value, schema: Ref<'_>) -> Old<'a> {
    let Old::Was(Value::Array(list)) = old else { return Old::Unknown };
    if schema.list_type() != Some(ListType::Map) {
        return Old::Unknown;
    }
    old_keyed(list, item, schema.list_keys()).map_or(Old::Unknown, Old::Was)
}

fn check_object(
    path: &Path<'_>,
    fields: &Map<String, Value>,
    old: Old<'_>,
    schema: Ref<'_>,
    checks: &Checks,
    outcome: &mut Outcome,
) {
    let have = i64::try_from(fields.len()).unwrap_or(i64::MAX);
    if let Some(least) = checks.min_properties.filter(|least| have < *least) {
        outcome.add(wrong(path, &have.into(), &format!("should have at least {least} properties")));
    }
    if let Some(most) = checks.max_properties.filter(|most| have > *most) {
        outcome.add(too_many(path, have, most, "properties"));
    }
    let was = |key: &str| match old {
        Old::Was(old) if !(path.is_root() && matches!(key, "kind" | "apiVersion")) => {
            old.get(key).map_or(Old::Unknown, Old::Was)
        }
        _ => Old::Unknown,
    };
    for (key, value) in fields {
        if let Some(property) = schema.property(key) {
            outcome.merge(check(&path.field(key), value, was(key), property));
            continue;
        }
        match schema.additional() {
            Additional::Schema(all) => outcome.merge(check(&path.key(key), value, was(key), all)),
            Additional::Forbidden => {
                let parent = path.dotted();
                let message = format!("{parent}.{key} in body is a forbidden property");
                outcome.add(Problem {
                    path: parent,
                    mistake: Mistake::Invalid,
                    value: format!("{key:?}"),
                    detail: message.clone(),
                    message,
                });
            }
            Additional::Unset | Additional::Allowed => {}
        }
    }
    for name in checks.required.iter().filter(|name| !fields.contains_key(&***name)) {
        let path = format!("{}.{name}", path.dotted());
        let message = format!("{path} in body is required");
        outcome.add(Problem {
            path,
            mistake: Mistake::Required,
            value: String::new(),
            detail: String::new(),
            message,
        });
    }
}

/// `anyOf`, `oneOf`, `allOf` and `not`. Of alternatives that all fail, the one that came furthest is told.
fn check_composition(
    path: &Path<'_>,
    value: &Value,
    old: Old<'_>,
    schema: Ref<'_>,
    checks: &Checks,
) -> Outcome {
    let mut outcome = Outcome { matched: 1, ..Outcome::default() };
    let try_all = |ids| schema.others(ids).map(|s| unratcheted(path, value, old, s)).collect::<Vec<_>>();
    let best = |tried: Vec<Outcome>| {
        let mut best: Option<Outcome> = None;
        for outcome in tried {
            if best.as_ref().is_none_or(|b| outcome.matched > b.matched) {
                best = Some(outcome);
            }
        }
        best.unwrap_or_default()
    };
    if !checks.any_of.is_empty() {
        let mut tried = try_all(&checks.any_of);
        match tried.iter().position(Outcome::is_valid) {
            Some(first) => outcome.merge(tried.swap_remove(first)),
            None => {
                let place = path.dotted();
                outcome.add(about(format!("{place:?} must validate at least one schema (anyOf)")));
                outcome.merge(best(tried));
            }
        }
    }
    if !checks.one_of.is_empty() {
        let mut tried = try_all(&checks.one_of);
        let valid = tried.iter().filter(|o| o.is_valid()).count();
        let place = path.dotted();
        let refuse =
            |more: String| about(format!("{place:?} must validate one and only one schema (oneOf). {more}"));
        match (valid, tried.iter().position(Outcome::is_valid)) {
            (1, Some(first)) => outcome.merge(tried.swap_remove(first)),
            (0, _) => {
                outcome.add(refuse("Found none valid".into()));
                outcome.merge(best(tried));
            }
            (n, _) => outcome.add(refuse(format!("Found {n} valid alternatives"))),
        }
    }
    if !checks.all_of.is_empty() {
        let tried = try_all(&checks.all_of);
        let valid = tried.iter().filter(|o| o.is_valid()).count();
        let all = tried.len();
        tried.into_iter().for_each(|o| outcome.merge(o));
        if valid != all {
            let more = if valid == 0 { ". None validated" } else { "" };
            outcome.add(about(format!("{:?} must validate all the schemas (allOf){more}", path.dotted())));
        }
    }
    if let Some(not) = checks.not
        && try_all(&[not]).iter().all(Outcome::is_valid)
    {
        outcome.add(about(format!("{:?} must not validate the schema (not)", path.dotted())));
    }
    outcome
}

#[cfg(test)]
mod tests;
