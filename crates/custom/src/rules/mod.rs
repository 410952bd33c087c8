//! `x-kubernetes-validations`: the expressions of a schema ([`compile`]), and their evaluation ([`evaluate`]).
//! Expressions are priced by crate `cel`; what a definition's may cost is judged where definitions are.

mod compile;
mod evaluate;

pub(crate) use compile::{Compiled, Scope, declared_child, encoded};
pub(crate) use evaluate::{Change, evaluate};

use corten_api::apiextensions::v1::{JSONSchemaProps, ValidationRule};
use corten_cel::Declared;
use serde_json::Value;
use std::collections::BTreeMap;

/// A rule, ready to be evaluated.
#[derive(Debug)]
struct Rule {
    /// As the definition has it, for messages.
    said: ValidationRule,
    compiled: Compiled,
    /// The field that findings name, below the rule's own place.
    field: String,
}

/// The rules of a place in a schema, and of what lies below it.
#[derive(Debug)]
pub(crate) struct Rules {
    declared: Option<Declared>,
    own: Box<[Rule]>,
    items: Option<Box<Rules>>,
    additional: Option<Box<Rules>>,
    properties: BTreeMap<Box<str>, Rules>,
}

impl Rules {
    /// The rules in a schema; `None` when it has none. `root` tells that the schema is a resource's.
    pub fn of(schema: &JSONSchemaProps, root: bool) -> Option<Rules> {
        if !has_rules(schema) {
            return None;
        }
        let json = encoded(schema);
        let declared = Declared::of_schema(&json, compile::NAME, root);
        Self::below(schema, &json, declared)
    }

    fn below(schema: &JSONSchemaProps, json: &Value, declared: Option<Declared>) -> Option<Rules> {
        let items =
            schema.items.as_ref().and_then(|i| i.schema.as_deref()).and_then(|items| {
                Self::below(items, &json["items"], declared_child(declared.as_ref(), None))
            });
        let additional = schema.additional_properties.as_ref().and_then(|a| a.schema.as_deref());
        let additional = additional.and_then(|all| {
            Self::below(all, &json["additionalProperties"], declared_child(declared.as_ref(), None))
        });
        let mut properties = BTreeMap::new();
        for (name, property) in schema.properties.iter().filter(|(_, p)| has_rules(p)) {
            let json = &json["properties"][name];
            let child = match corten_cel::escape(name) {
                Some(_) => declared_child(declared.as_ref(), Some(name)),
                None => Declared::of_schema(json, compile::NAME, property.x_kubernetes_embedded_resource),
            };
            // Expressions do not see fields of unknown types at all.
            let Some(child) = child else { continue };
            properties
                .extend(Self::below(property, json, Some(child)).map(|rules| (name.as_str().into(), rules)));
        }
        let scope = declared.as_ref().map(Scope::new);
        let compiled = |rule: &ValidationRule| Rule {
            compiled: scope.as_ref().map_or_else(Compiled::without_type, |scope| scope.compile(rule)),
            field: compile::normalized(&rule.field_path, schema),
            said: rule.clone(),
        };
        let own: Box<[Rule]> = schema.x_kubernetes_validations.iter().map(compiled).collect();
        let any = !own.is_empty() || items.is_some() || additional.is_some() || !properties.is_empty();
        let (items, additional) = (items.map(Box::new), additional.map(Box::new));
        any.then_some(Rules { declared, own, items, additional, properties })
    }
}

/// Whether rules stand here or below.
pub(crate) fn has_rules(schema: &JSONSchemaProps) -> bool {
    let items = schema.items.as_ref().and_then(|i| i.schema.as_deref());
    let additional = schema.additional_properties.as_ref().and_then(|a| a.schema.as_deref());
    !schema.x_kubernetes_validations.is_empty()
        || items.is_some_and(has_rules)
        || additional.is_some_and(has_rules)
        || schema.properties.values().any(has_rules)
}

#[cfg(test)]
mod tests;
