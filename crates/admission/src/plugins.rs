//! Which checks run: those that are on by default, and what an operator turns on or off, in upstream's order.

use crate::chain::Chain;
use crate::check::{Check, Context};
use crate::pod_security::{Level, LevelVersion, PodSecurity, Version};
use crate::policy::MutatingAdmissionPolicies;
use crate::resource_quota::{self, Limited, ResourceQuotaCheck};
use crate::{
    always_pull_images, deny_service_external_ips, event_rate_limit, extended_resource_toleration,
    limit_pod_hard_anti_affinity_topology, namespace_exists, pod_node_selector, pod_toleration_restriction,
    storage_object_in_use_protection,
};
use serde_json::Value;
use std::collections::BTreeMap;

/// All names, as ordered by upstream. AlwaysAdmit does nothing, and NodeDeclaredFeatureValidator nothing without its
/// feature gate.
const ORDER: [&str; 35] = [
    "AlwaysAdmit",
    "NamespaceAutoProvision",
    "NamespaceLifecycle",
    "NamespaceExists",
    "LimitPodHardAntiAffinityTopology",
    "LimitRanger",
    "ServiceAccount",
    "NodeRestriction",
    "TaintNodesByCondition",
    "AlwaysPullImages",
    "PodSecurity",
    "PodNodeSelector",
    "Priority",
    "DefaultTolerationSeconds",
    "PodTolerationRestriction",
    "EventRateLimit",
    "ExtendedResourceToleration",
    "DefaultStorageClass",
    "StorageObjectInUseProtection",
    "OwnerReferencesPermissionEnforcement",
    "PersistentVolumeClaimResize",
    "RuntimeClass",
    "CertificateApproval",
    "CertificateSigning",
    "ClusterTrustBundleAttest",
    "CertificateSubjectRestriction",
    "DefaultIngressClass",
    "DenyServiceExternalIPs",
    "PodTopologyLabels",
    "NodeDeclaredFeatureValidator",
    "MutatingAdmissionPolicy",
    "MutatingAdmissionWebhook",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionWebhook",
    "ResourceQuota",
];

/// What an operator sets.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// `--enable-admission-plugins`
    pub enable: Vec<String>,
    /// `--disable-admission-plugins`
    pub disable: Vec<String>,
    /// Configuration by the check's name, from `--admission-control-config-file`.
    pub configuration: BTreeMap<String, Value>,
    /// Whether MutatingAdmissionPolicies are followed, which is a feature to be turned on.
    pub mutating_policies: bool,
}

/// A check that the API server makes itself, since it needs authorization or creates objects. Here it has its
/// name and its place, so that it can be turned on and off.
pub(crate) struct ByServer(pub &'static str);

impl Check for ByServer {
    fn name(&self) -> &'static str {
        self.0
    }

    fn handles(&self, _: &Context<'_>) -> bool {
        false
    }
}

/// The checks that run only when they are enabled.
fn optional(settings: &Settings) -> Result<Vec<Box<dyn Check>>, String> {
    let configuration = |name: &str| settings.configuration.get(name).unwrap_or(&Value::Null);
    let mut checks: Vec<Box<dyn Check>> = vec![
        Box::new(ByServer("NamespaceAutoProvision")),
        Box::new(namespace_exists::NamespaceExists),
        Box::new(limit_pod_hard_anti_affinity_topology::LimitPodHardAntiAffinityTopology),
        Box::new(always_pull_images::AlwaysPullImages),
        Box::new(pod_node_selector::PodNodeSelector::configured(configuration("PodNodeSelector"))),
        Box::new(extended_resource_toleration::ExtendedResourceToleration),
        // Upstream has it on by default; here nobody takes the finalizers off yet.
        Box::new(storage_object_in_use_protection::StorageObjectInUseProtection),
        Box::new(ByServer("OwnerReferencesPermissionEnforcement")),
        Box::new(deny_service_external_ips::DenyServiceExternalIPs),
    ];
    let name = "PodTolerationRestriction";
    let restriction = pod_toleration_restriction::PodTolerationRestriction::configured(configuration(name));
    checks.push(Box::new(restriction.ok_or(format!("{name}: its configuration lists no tolerations"))?));
    if settings.enable.iter().any(|name| name == "EventRateLimit") {
        let limit = event_rate_limit::EventRateLimit::configured(configuration("EventRateLimit"));
        checks.push(Box::new(limit.map_err(|why| format!("EventRateLimit: {why}"))?));
    }
    Ok(checks)
}

impl Chain {
    /// The checks as an operator wants them.
    ///
    /// # Errors
    /// Names that nobody knows, or that are both enabled and disabled; malformed configuration.
    pub fn configured(settings: &Settings) -> Result<Self, String> {
        for (flag, names) in [("enable", &settings.enable), ("disable", &settings.disable)] {
            if let Some(name) = names.iter().find(|name| !ORDER.contains(&name.as_str())) {
                return Err(format!("{flag}-admission-plugins plugin {name:?} is unknown"));
            }
        }
        let both: Vec<&str> =
            settings.enable.iter().filter(|n| settings.disable.contains(n)).map(String::as_str).collect();
        if !both.is_empty() {
            let both = both.join(" ");
            return Err(format!(
                "[{both}] in enable-admission-plugins and disable-admission-plugins overlapped"
            ));
        }
        let mut checks = Chain::standard().into_checks();
        if let Some(configuration) = settings.configuration.get("PodSecurity") {
            let configured =
                PodSecurity::configured(configuration).map_err(|why| format!("PodSecurity: {why}"))?;
            checks.retain(|check| check.name() != "PodSecurity");
            checks.push(Box::new(configured));
        }
        if let Some(configuration) = settings.configuration.get(resource_quota::NAME) {
            let limited =
                Limited::configured(configuration).map_err(|why| format!("ResourceQuota: {why}"))?;
            checks.retain(|check| check.name() != resource_quota::NAME);
            checks.push(Box::new(ResourceQuotaCheck(limited)));
        }
        if settings.mutating_policies {
            checks.push(Box::new(MutatingAdmissionPolicies::new()));
        }
        let wanted =
            optional(settings)?.into_iter().filter(|c| settings.enable.iter().any(|n| n == c.name()));
        checks.extend(wanted);
        checks.retain(|check| !settings.disable.iter().any(|name| name == check.name()));
        checks.sort_by_key(|check| ORDER.iter().position(|name| *name == check.name()));
        Ok(Chain::new(checks))
    }
}

impl PodSecurity {
    /// From a `PodSecurityConfiguration`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn configured(configuration: &Value) -> Result<Self, String> {
        let text = |of: &str, key: &str| {
            configuration
                .get(of)
                .and_then(|o| o.get(key))
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_string()
        };
        let mode = |mode: &str| {
            let level = match text("defaults", mode).as_str() {
                "" => Some(Level::Privileged),
                level => Level::parse(level),
            };
            let version = match text("defaults", &format!("{mode}-version")).as_str() {
                "" => Some(Version::Latest),
                version => Version::parse(version),
            };
            let level =
                level.ok_or(format!("defaults.{mode}: must be one of privileged, baseline, restricted"))?;
            let version =
                version.ok_or(format!("defaults.{mode}-version: must be \"latest\" or \"v1.x\""))?;
            Ok::<_, String>(LevelVersion { level, version })
        };
        let list = |key: &str| {
            let list = configuration.get("exemptions").and_then(|e| e.get(key)).and_then(Value::as_array);
            list.into_iter().flatten().filter_map(|v| v.as_str().map(str::to_string)).collect::<Vec<_>>()
        };
        let mut made = PodSecurity {
            exempt_users: list("usernames"),
            exempt_namespaces: list("namespaces"),
            exempt_runtime_classes: list("runtimeClasses"),
            ..PodSecurity::default()
        };
        made.defaults.enforce = mode("enforce")?;
        made.defaults.audit = mode("audit")?;
        made.defaults.warn = mode("warn")?;
        Ok(made)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn settings(enable: &str, disable: &str) -> Settings {
        let list = |names: &str| names.split_whitespace().map(str::to_string).collect();
        Settings { enable: list(enable), disable: list(disable), ..Settings::default() }
    }

    #[test]
    fn checks_are_turned_on_and_off_and_keep_their_order() {
        let names = |settings: &Settings| Chain::configured(settings).map(|chain| chain.names());
        assert_eq!(names(&settings("", "")).expect("known"), Chain::standard().names());
        let some =
            names(&settings("PodNodeSelector AlwaysPullImages", "Priority LimitRanger")).expect("known");
        let at = |name: &str| some.iter().position(|n| *n == name);
        assert!(at("AlwaysPullImages") < at("PodSecurity") && at("PodSecurity") < at("PodNodeSelector"));
        assert!(at("AlwaysPullImages").is_some() && at("Priority").is_none() && at("LimitRanger").is_none());
        assert_eq!(some.last(), Some(&"ResourceQuota"));
        let mutating = Settings { mutating_policies: true, ..Settings::default() };
        let mutating = names(&mutating).expect("known");
        let at = mutating.iter().position(|name| *name == "MutatingAdmissionPolicy").expect("it is there");
        assert_eq!(mutating[at + 1], "MutatingAdmissionWebhook");
        for (enable, disable, why) in [
            ("Nothing", "", "enable-admission-plugins plugin \"Nothing\" is unknown"),
            ("", "Nothing", "disable-admission-plugins plugin \"Nothing\" is unknown"),
            (
                "Priority",
                "Priority",
                "[Priority] in enable-admission-plugins and disable-admission-plugins overlapped",
            ),
            ("EventRateLimit", "", "EventRateLimit: limits: Invalid value: []: must not be empty"),
        ] {
            assert_eq!(names(&settings(enable, disable)), Err(why.to_string()));
        }
    }

    #[test]
    fn pod_security_is_configured() {
        let made = PodSecurity::configured(&json!({
            "defaults": {"enforce": "baseline", "enforce-version": "v1.30", "warn": "restricted"},
            "exemptions": {"usernames": ["admin"], "namespaces": ["kube-system"]},
        }))
        .expect("valid");
        assert_eq!(made.defaults.enforce.to_string(), "baseline:v1.30");
        assert_eq!(made.defaults.warn.to_string(), "restricted:latest");
        assert_eq!((made.exempt_users.len(), made.exempt_namespaces.len()), (1, 1));
        assert!(PodSecurity::configured(&json!({"defaults": {"audit": "none"}})).is_err());
    }
}
