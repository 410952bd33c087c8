//! The default roles and bindings: what was taken from them is added again, what was added stays (upstream's
//! auto-reconciliation), unless the object opts out.

use std::collections::BTreeMap;
use std::sync::Arc;

use corten_api::Object;
use corten_api::meta::v1::ObjectMeta;
use corten_api::rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, Subject};
use corten_auth::authorize::{aggregated_rules, missing};
use corten_semantics::ApiResult;

use super::System;

const AUTO_UPDATE: &str = "rbac.authorization.kubernetes.io/autoupdate";

impl System {
    /// Lets aggregated roles show the rules that they gather. The authorizer does not wait for it.
    pub(super) async fn show_aggregated(&self) -> ApiResult<()> {
        let lookup = self.registry.lookup();
        let roles: BTreeMap<String, Arc<ClusterRole>> =
            lookup.list::<ClusterRole>("").into_iter().map(|r| (r.metadata.name.clone(), r)).collect();
        for role in roles.values().filter(|r| r.aggregation_rule.is_some()) {
            let rules = aggregated_rules(role, &roles);
            if rules != role.rules {
                self.update(Box::new(ClusterRole { rules, ..ClusterRole::clone(role) }), "").await?;
            }
        }
        Ok(())
    }

    /// Creates or completes one default object.
    pub(super) async fn ensure_policy(&self, wanted: Arc<dyn Object>) -> ApiResult<()> {
        let Some(found) = self.find(&*wanted).await? else { return self.create_missing(wanted).await };
        match completed(&*found, &*wanted) {
            Some(object) => self.update(object, "").await,
            None => Ok(()),
        }
    }
}

/// The object with what it lacks; `None` when it lacks nothing, or wants to be left alone.
fn completed(found: &dyn Object, wanted: &dyn Object) -> Option<Box<dyn Object>> {
    if found.meta().annotations.get(AUTO_UPDATE).is_some_and(|v| v == "false") {
        return None;
    }
    let mut object = found.clone_object();
    let mut changed = add_metadata(object.meta_mut(), wanted.meta());
    if let (Some(role), Some(wanted)) =
        (object.downcast_mut::<ClusterRole>(), wanted.downcast_ref::<ClusterRole>())
    {
        // The rules of an aggregated role come from other roles.
        let aggregated = wanted.aggregation_rule.is_some();
        changed |= !aggregated && add_rules(&mut role.rules, &wanted.rules);
        if aggregated && role.aggregation_rule != wanted.aggregation_rule {
            role.aggregation_rule.clone_from(&wanted.aggregation_rule);
            changed = true;
        }
    } else if let (Some(role), Some(wanted)) = (object.downcast_mut::<Role>(), wanted.downcast_ref::<Role>())
    {
        changed |= add_rules(&mut role.rules, &wanted.rules);
    } else if let (Some(binding), Some(wanted)) =
        (object.downcast_mut::<ClusterRoleBinding>(), wanted.downcast_ref::<ClusterRoleBinding>())
    {
        changed |= add_subjects(&mut binding.subjects, &wanted.subjects);
    } else if let (Some(binding), Some(wanted)) =
        (object.downcast_mut::<RoleBinding>(), wanted.downcast_ref::<RoleBinding>())
    {
        changed |= add_subjects(&mut binding.subjects, &wanted.subjects);
    }
    changed.then_some(object)
}

fn add_metadata(meta: &mut ObjectMeta, wanted: &ObjectMeta) -> bool {
    let add = |have: &mut BTreeMap<String, String>, wanted: &BTreeMap<String, String>| {
        let before = have.len();
        for (key, value) in wanted {
            have.entry(key.clone()).or_insert_with(|| value.clone());
        }
        have.len() > before
    };
    let labels = add(&mut meta.labels, &wanted.labels);
    add(&mut meta.annotations, &wanted.annotations) || labels
}

fn add_rules(have: &mut Vec<PolicyRule>, wanted: &[PolicyRule]) -> bool {
    let lacking: Vec<PolicyRule> =
        wanted.iter().filter(|rule| !missing(have, std::slice::from_ref(rule)).is_empty()).cloned().collect();
    have.extend_from_slice(&lacking);
    !lacking.is_empty()
}

fn add_subjects(have: &mut Vec<Subject>, wanted: &[Subject]) -> bool {
    let lacking: Vec<Subject> = wanted.iter().filter(|s| !have.contains(s)).cloned().collect();
    have.extend_from_slice(&lacking);
    !lacking.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(verbs: &[&str]) -> PolicyRule {
        PolicyRule {
            verbs: verbs.iter().map(ToString::to_string).collect(),
            api_groups: vec![String::new()],
            resources: vec!["pods".into()],
            ..PolicyRule::default()
        }
    }

    #[test]
    fn what_is_lacking_is_added_and_what_was_added_stays() {
        for (have, wanted, want) in [
            (vec![rule(&["get", "list"])], vec![rule(&["get"])], None),
            (vec![rule(&["list"])], vec![rule(&["get"])], Some(2)),
            (vec![], vec![rule(&["get"])], Some(1)),
        ] {
            let found = Role { rules: have, ..Role::default() };
            let wanted = Role { rules: wanted, ..Role::default() };
            let got = completed(&found, &wanted);
            assert_eq!(got.map(|o| o.downcast_ref::<Role>().expect("a Role").rules.len()), want);
            let mut alone = found.clone();
            alone.metadata.annotations.insert(AUTO_UPDATE.into(), "false".into());
            assert!(completed(&alone, &wanted).is_none());
        }
    }
}
