//! Rules in schemas, when a definition is written: they must compile, and not cost too much.

use super::spec::shown_rule;
use crate::rules::{Compiled, Scope, declared_child, encoded, has_rules};
use corten_api::apiextensions::v1::{JSONSchemaProps, ValidationRule};
use corten_cel::{Declared, Program};
use corten_semantics::field::{FieldError, Mistake};
use serde_json::Value;

/// What one expression may cost, and all of a version together.
const RULE_LIMIT: u64 = 10_000_000;
const TOTAL_LIMIT: u64 = 100_000_000;
/// The largest request.
const REQUEST: u64 = 3 * 1024 * 1024;

/// What is wrong with the rules of the schema at `path`, a version's root. Places with `known` errors, there or
/// below, are left out. `kept` tells that the schema was accepted before.
pub(super) fn check(
    path: &str,
    schema: &JSONSchemaProps,
    known: &[FieldError],
    kept: bool,
) -> Vec<FieldError> {
    if !has_rules(schema) {
        return Vec::new();
    }
    let mut checker = Checker { known, kept, total: 0, expensive: Vec::new(), errors: Vec::new() };
    let json = encoded(schema);
    let place = Place { path: path.into(), schema, json: &json, root: true };
    checker.look(&place, &Above { declared: None, times: Some(1), apart: None });
    let Checker { mut errors, mut expensive, total, .. } = checker;
    if total > TOTAL_LIMIT {
        expensive.sort_by_key(|(_, cost)| std::cmp::Reverse(*cost));
        let detail =
            "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema";
        errors.extend(expensive.into_iter().take(4).map(|(path, _)| FieldError::forbidden(path, detail)));
        let what = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema";
        errors.push(FieldError::forbidden(path, too_expensive(what, total, TOTAL_LIMIT)));
    }
    errors
}

struct Place<'a> {
    path: String,
    schema: &'a JSONSchemaProps,
    json: &'a Value,
    root: bool,
}

/// What a place inherits.
struct Above {
    /// The type here, once a rule stood above.
    declared: Option<Declared>,
    /// How often the place may be in one object; `None`: as often as fits.
    times: Option<u64>,
    /// The list whose items have no past.
    apart: Option<String>,
}

struct Checker<'a> {
    known: &'a [FieldError],
    kept: bool,
    total: u64,
    expensive: Vec<(String, u64)>,
    errors: Vec<FieldError>,
}

impl Checker<'_> {
    fn look(&mut self, place: &Place<'_>, above: &Above) {
        let (path, schema, json) = (&place.path, place.schema, place.json);
        let embedded = place.root || schema.x_kubernetes_embedded_resource;
        let own = !schema.x_kubernetes_validations.is_empty();
        let found = || Declared::of_schema(json, "selfType", embedded);
        let declared = above.declared.clone().or_else(|| if own { found() } else { None });
        let times = above.times.and_then(|times| Some(times.saturating_mul(most(schema)?)));
        let below = |this: &mut Self, name: String, schema, json, property: Option<&str>, apart| {
            let declared = declared_child(declared.as_ref(), property);
            let place = Place { path: format!("{path}.{name}"), schema, json, root: false };
            this.look(&place, &Above { declared, times, apart });
        };
        if let Some(all) = schema.additional_properties.as_ref().and_then(|a| a.schema.as_deref())
            && has_rules(all)
        {
            let name = "additionalProperties";
            below(self, name.into(), all, &json[name], None, above.apart.clone());
        }
        for (name, property) in schema.properties.iter().filter(|(_, p)| has_rules(p)) {
            let json = &json["properties"][name];
            below(self, format!("properties[{name}]"), property, json, Some(name), above.apart.clone());
        }
        if let Some(items) = schema.items.as_ref().and_then(|i| i.schema.as_deref())
            && has_rules(items)
        {
            let keyed = schema.x_kubernetes_list_type.as_deref() == Some("map");
            let apart = above.apart.clone().or_else(|| (!keyed).then(|| path.clone()));
            below(self, "items".into(), items, &json["items"], None, apart);
        }
        let wrong = self.known.iter().any(|error| {
            error
                .path
                .strip_prefix(path.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        });
        if !own || wrong {
            return;
        }
        let Some(declared) = declared else {
            self.errors.push(FieldError {
                path: format!("{path}.x-kubernetes-validations"),
                mistake: Mistake::Internal,
                value: String::new(),
                detail: "internal error: failed to construct type information for x-kubernetes-validations rules: unable to convert structural schema to CEL declarations".into(),
            });
            return;
        };
        let least = || Declared::least_size(json, embedded).unwrap_or(0);
        let times = above.times.unwrap_or_else(|| REQUEST / (least() + 1));
        let scope = Scope::new(&declared);
        for (n, rule) in schema.x_kubernetes_validations.iter().enumerate() {
            let compiled = scope.compile(rule);
            self.rule(&format!("{path}.x-kubernetes-validations[{n}]"), rule, &compiled, times, above);
        }
    }

    fn rule(&mut self, path: &str, rule: &ValidationRule, compiled: &Compiled, times: u64, above: &Above) {
        let cost = |program: &Option<Result<Program, String>>| match program {
            Some(Ok(program)) => program.cost().max,
            _ => 0,
        };
        let costs = |this: &mut Self, field: &str, what: &str, cost: u64| {
            let path = format!("{path}.{field}");
            if !this.kept && cost > RULE_LIMIT {
                this.errors.push(FieldError::forbidden(&path, too_expensive(what, cost, RULE_LIMIT)));
            }
            this.total = this.total.saturating_add(cost);
            if cost >= TOTAL_LIMIT / 100 {
                this.expensive.push((path, cost));
            }
        };
        costs(self, "rule", "estimated rule cost", cost(&compiled.program).saturating_mul(times));
        let refuse = |this: &mut Self, field: &str, value: String, detail: String| {
            let path = format!("{path}.{field}");
            this.errors.push(FieldError { path, mistake: Mistake::Invalid, value, detail });
        };
        if let Some(Err(why)) = &compiled.program {
            refuse(self, "rule", shown_rule(rule), why.clone());
        }
        match &compiled.message {
            Some(Err(why)) => refuse(self, "messageExpression", shown_rule(rule), why.clone()),
            Some(Ok(_)) => {
                costs(self, "messageExpression", "estimated messageExpression cost", cost(&compiled.message));
            }
            None => {}
        }
        if compiled.uses_old {
            if let Some(list) = &above.apart {
                let why = format!(
                    "oldSelf cannot be used on the uncorrelatable portion of the schema within {list}"
                );
                refuse(self, "rule", format!("{:?}", rule.rule), why);
            }
        } else if let Some(optional) = rule.optional_old_self {
            let why = "may not be set if oldSelf is not used in rule";
            refuse(self, "optionalOldSelf", optional.to_string(), why.into());
        }
    }
}

/// How many children of each name a value may have; `None`: any number.
fn most(schema: &JSONSchemaProps) -> Option<u64> {
    let bound = |most: Option<i64>| most.map(|most| u64::try_from(most).unwrap_or(0));
    match schema.type_.as_str() {
        "object" if schema.additional_properties.is_some() => bound(schema.max_properties),
        "array" => bound(schema.max_items),
        _ => Some(1),
    }
}

fn too_expensive(what: &str, cost: u64, limit: u64) -> String {
    let times = cost as f64 / limit as f64;
    let factor = if times > 100.0 {
        "more than 100x".to_string()
    } else if times < 1.5 {
        format!("{times:.6}x")
    } else {
        format!("{times:.1}x")
    };
    format!(
        "{what} exceeds budget by factor of {factor} (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)"
    )
}
