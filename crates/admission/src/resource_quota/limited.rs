//! What nobody may use unless a quota covers it: `limitedResources` of the plugin's configuration
//! (`resourcequota.admission.k8s.io/v1`).

use corten_api::Object;
use corten_api::core::v1::ScopedResourceSelectorRequirement as Scope;
use corten_semantics::quota::Measure;
use corten_semantics::resources::ResourceList;
use serde_json::Value;
use std::collections::BTreeSet;

/// All that is limited by default.
#[derive(Default)]
pub struct Limited(Vec<LimitedResource>);

struct LimitedResource {
    /// As in `pods` or `deployments.apps`.
    resource: String,
    /// A quota has to cover what objects use whose name contains one of these.
    contains: Vec<String>,
    /// A quota has to be about each of these scopes that an object is in.
    scopes: Vec<Scope>,
}

impl Limited {
    /// From a `ResourceQuotaConfiguration`.
    ///
    /// # Errors
    /// A resource without a name.
    pub fn configured(configuration: &Value) -> Result<Self, String> {
        let listed = configuration.get("limitedResources").and_then(Value::as_array);
        let parsed = listed.into_iter().flatten().enumerate().map(|(i, one)| {
            let resource = text(one, "resource");
            if resource.is_empty() {
                return Err(format!("limitedResources[{i}].resource: Required value"));
            }
            let group = text(one, "apiGroup");
            Ok(LimitedResource {
                resource: if group.is_empty() { resource } else { format!("{resource}.{group}") },
                contains: texts(one, "matchContains"),
                scopes: items(one, "matchScopes").map(scope).collect(),
            })
        });
        parsed.collect::<Result<_, _>>().map(Limited)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names of what is used of `resource` that a quota has to cover.
    pub(super) fn names<'a>(&self, resource: &str, used: &'a ResourceList) -> BTreeSet<&'a str> {
        let limiting = self.0.iter().filter(|limited| limited.resource == resource);
        let parts: Vec<&String> = limiting.flat_map(|limited| &limited.contains).collect();
        let positive = used.iter().filter(|(_, amount)| !amount.is_zero() && !amount.is_negative());
        let names = positive.map(|(name, _)| name.as_str());
        names.filter(|name| parts.iter().any(|part| name.contains(part.as_str()))).collect()
    }

    /// The scopes of the object that a quota has to be about; whatever the resource, as upstream.
    pub(super) fn scopes(&self, measure: Measure<'_>, object: &dyn Object) -> Vec<&Scope> {
        let all = self.0.iter().flat_map(|limited| &limited.scopes);
        all.filter(|scope| measure.in_scope(scope, object)).collect()
    }
}

/// Scopes as Go prints them.
pub(super) fn listed(scopes: &[&Scope]) -> String {
    let one = |s: &&Scope| format!("{{{} {} [{}]}}", s.scope_name, s.operator, s.values.join(" "));
    scopes.iter().map(one).collect::<Vec<_>>().join(" ")
}

fn scope(value: &Value) -> Scope {
    Scope {
        scope_name: text(value, "scopeName"),
        operator: text(value, "operator"),
        values: texts(value, "values"),
    }
}

fn text(value: &Value, key: &str) -> String {
    value.get(key).and_then(Value::as_str).unwrap_or_default().to_string()
}

fn items<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

fn texts(value: &Value, key: &str) -> Vec<String> {
    items(value, key).filter_map(Value::as_str).map(str::to_string).collect()
}
