//! The status of ValidatingAdmissionPolicies: what their expressions get wrong about the types of the objects that
//! they are for (upstream's `validatingadmissionpolicystatus` controller and `validating/typechecking`).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use corten_api::admissionregistration::v1::{Rule, ValidatingAdmissionPolicy};
use corten_api::{Kind, KindInfo};
use corten_cel::Declared;
use corten_cel::admission::{Compiler, Visible};
use corten_client::Target;
use corten_codec::openapi::{resolved, resolved_custom};
use corten_rt::{Tasks, sleep};
use corten_semantics::{ApiResult, identity};
use serde_json::{Value, json};

use crate::Registry;
use crate::cache::Resource;
use crate::registry::{PatchType, RequestContext, WriteOptions};

/// Who owns the status.
const MANAGER: &str = "validatingadmissionpolicy-status";
/// How many kinds the expressions of one policy are checked against.
const MOST_KINDS: usize = 10;
/// How soon a policy whose status could not be written is looked at again.
const AGAIN: Duration = Duration::from_secs(1);

/// Keeps the status of all policies by a task of `tasks`.
pub(crate) fn start(registry: &Arc<Registry>, tasks: &Tasks) {
    let cache = registry.lookup_cache();
    let cache = cache.resource(ValidatingAdmissionPolicy::INFO).unwrap_or_else(|| cache.no_resource());
    tasks.spawn_until_stopped("policy status", follow(registry.clone(), cache));
}

async fn follow(registry: Arc<Registry>, cache: Arc<Resource>) {
    let context = RequestContext {
        user: Arc::new(identity::api_server()),
        agent: MANAGER.into(),
        ..Default::default()
    };
    let mut grown = cache.grown();
    loop {
        let (snapshot, end) = cache.snapshot_and_end();
        let mut settled = true;
        for entry in snapshot.range(&cache.prefix, "") {
            let object = entry.object();
            let Some(policy) = object.downcast_ref::<ValidatingAdmissionPolicy>() else { continue };
            if policy.metadata.generation <= policy.status.observed_generation {
                continue;
            }
            if let Err(error) = settle(&registry, &context, policy).await
                && !error.is_not_found()
            {
                tracing::debug!(policy = policy.metadata.name, %error, "a policy's status could not be written");
                settled = false;
            }
        }
        if !settled {
            sleep(AGAIN).await;
        } else if grown.wait_for(|now| *now > end).await.is_err() {
            return;
        }
    }
}

/// Checks the policy, and says so in its status.
async fn settle(
    registry: &Registry,
    context: &RequestContext,
    policy: &ValidatingAdmissionPolicy,
) -> ApiResult<()> {
    let mut checking = json!({});
    let warnings = warnings(registry, policy);
    if !warnings.is_empty() {
        checking["expressionWarnings"] = warnings.into();
    }
    let kind = ValidatingAdmissionPolicy::INFO;
    let name = policy.metadata.name.clone();
    let patch = json!({
        "apiVersion": kind.api_version(),
        "kind": kind.kind,
        "metadata": {"name": name},
        "status": {"observedGeneration": policy.metadata.generation, "typeChecking": checking},
    });
    let target = Target { kind, namespace: None, name, subresource: "status" };
    let options = WriteOptions { field_manager: MANAGER.into(), force: true, ..WriteOptions::default() };
    let patch = patch.to_string();
    registry.patch(context, &target, (PatchType::Apply, patch.as_bytes()), &options).await.map(drop)
}

/// What is suspicious about each expression.
fn warnings(registry: &Registry, policy: &ValidatingAdmissionPolicy) -> Vec<Value> {
    let spec = &policy.spec;
    let typed = |kind: &'static KindInfo| Some((kind, declared(registry, kind)?));
    let kinds: Vec<_> = kinds(registry, policy).into_iter().filter_map(typed).collect();
    let params = spec.param_kind.as_ref().and_then(|of| {
        let (group, version) = of.api_version.split_once('/').unwrap_or(("", &of.api_version));
        let mut all = registry.kinds().into_iter();
        declared(registry, all.find(|k| (k.group, k.version, k.kind) == (group, version, of.kind.as_str()))?)
    });
    let visible = Visible { params: params.is_some(), authorizer: true, patches: false };
    let compilers: Vec<_> = kinds
        .into_iter()
        .map(|(kind, object)| {
            let mut compiler = Compiler::composing().typed(Some(object), params.clone());
            for variable in &spec.variables {
                // What is wrong with a variable is told where it is used.
                let _ = compiler.add_variable(&variable.name, &variable.expression, visible);
            }
            (kind, compiler)
        })
        .collect();
    let mut warnings = Vec::new();
    let mut check = |path: String, expression: &str| {
        let wrong = compilers.iter().filter_map(|(kind, compiler)| {
            let why = compiler.compile(expression, &[], visible).err()?;
            let why = why.strip_prefix("compilation failed: ").unwrap_or(&why);
            Some(format!("{}/{}, Kind={}: {why}\n", kind.group, kind.version, kind.kind))
        });
        let wrong: Vec<String> = wrong.collect();
        if !wrong.is_empty() {
            warnings.push(json!({"fieldRef": path, "warning": wrong.join("\n")}));
        }
    };
    for (i, validation) in spec.validations.iter().enumerate() {
        check(format!("spec.validations[{i}].expression"), &validation.expression);
        if !validation.message_expression.is_empty() {
            check(format!("spec.validations[{i}].messageExpression"), &validation.message_expression);
        }
    }
    warnings
}

/// The kinds that the policy names one by one, in the order of group, version and kind.
fn kinds(registry: &Registry, policy: &ValidatingAdmissionPolicy) -> Vec<&'static KindInfo> {
    let rules = policy.spec.match_constraints.iter().flat_map(|matching| &matching.resource_rules);
    let mut found: Vec<&'static KindInfo> = Vec::new();
    for rule in rules {
        for (group, version, plural) in named(&rule.rule_with_operations.rule) {
            let Some(kind) = registry.kind(group, version, plural) else { continue };
            if found.len() < MOST_KINDS && !found.contains(&kind) {
                found.push(kind);
            }
        }
    }
    found.sort_by_key(|kind| (kind.group, kind.version, kind.kind));
    found
}

/// The resources that a rule names in full.
fn named(rule: &Rule) -> BTreeSet<(&str, &str, &str)> {
    let is_wild = |list: &[String]| list.iter().any(|name| name.contains('*'));
    let mut found = BTreeSet::new();
    if is_wild(&rule.api_groups) || is_wild(&rule.api_versions) {
        return found;
    }
    for group in &rule.api_groups {
        for version in &rule.api_versions {
            for resource in rule.resources.iter().filter(|name| !name.contains(['*', '/'])) {
                found.insert((group.as_str(), version.as_str(), resource.as_str()));
            }
        }
    }
    found
}

/// The type of a kind's objects, if it has a schema.
fn declared(registry: &Registry, kind: &'static KindInfo) -> Option<Declared> {
    let schema = if kind.custom {
        let served = registry.custom.served_as(kind)?;
        let mut published = served.resource.published(Some(kind.version), false);
        resolved_custom(published.pop()?)
    } else {
        resolved((kind.schema)())
    };
    Declared::of_schema(&schema, kind.kind, true)
}
