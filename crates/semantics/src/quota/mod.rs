//! What a ResourceQuota counts: which of its resources an object falls under, how much it uses of them, and
//! which scopes it is in (upstream's `pkg/quota/v1`). Admission charges by it, the controller counts by it.

mod amounts;
mod claims;
mod devices;
mod pods;
mod services;

pub use amounts::{add, exceeded, increase, mask, negative, same};
pub use claims::attributes_classes;
pub use pods::{is_charged, missing_constraints};

use crate::resources::ResourceList;
use corten_api::core::v1::{
    PersistentVolumeClaim, Pod, ResourceQuota, ResourceQuotaSpec, ScopedResourceSelectorRequirement, Service,
};
use corten_api::resource::v1::ResourceClaim;
use corten_api::{KindInfo, Object, Quantity};
use jiff::Timestamp;

/// Resources that no quota counts: they are not kept, or (events) never were counted.
const IGNORED: [&str; 10] = [
    "bindings",
    "componentstatuses",
    "events",
    "events.events.k8s.io",
    "localsubjectaccessreviews.authorization.k8s.io",
    "selfsubjectaccessreviews.authorization.k8s.io",
    "selfsubjectreviews.authentication.k8s.io",
    "selfsubjectrulesreviews.authorization.k8s.io",
    "subjectaccessreviews.authorization.k8s.io",
    "tokenreviews.authentication.k8s.io",
];

/// Resources whose number could be limited before `count/` was there, under the name itself.
const ALIASED: [&str; 4] = ["configmaps", "replicationcontrollers", "resourcequotas", "secrets"];

/// How objects of one resource are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure<'a> {
    Pods,
    Services,
    VolumeClaims,
    DeviceClaims,
    /// By their number alone; the resource as in `deployments.apps`.
    Number(&'a str),
}

impl<'a> Measure<'a> {
    /// The measure for `pods` or `deployments.apps`; `None` for what no quota counts.
    pub fn of(group_resource: &'a str) -> Option<Self> {
        match group_resource {
            "pods" => Some(Measure::Pods),
            "services" => Some(Measure::Services),
            "persistentvolumeclaims" => Some(Measure::VolumeClaims),
            "resourceclaims.resource.k8s.io" => Some(Measure::DeviceClaims),
            other if IGNORED.contains(&other) => None,
            other => Some(Measure::Number(other)),
        }
    }

    /// Whether the quota's resource `name` is about these objects.
    pub fn matches(&self, name: &str) -> bool {
        match self {
            Measure::Pods => pods::matches(name),
            Measure::Services => services::matches(name),
            Measure::VolumeClaims => claims::matches(name),
            Measure::DeviceClaims => devices::matches(name),
            Measure::Number(resource) => {
                name.strip_prefix("count/") == Some(resource)
                    || (name == *resource && ALIASED.contains(resource))
            }
        }
    }

    /// Whether the object is in the scope that the requirement tells.
    pub fn in_scope(&self, scope: &ScopedResourceSelectorRequirement, object: &dyn Object) -> bool {
        match self {
            Measure::Pods => object.downcast_ref::<Pod>().is_some_and(|pod| pods::in_scope(scope, pod)),
            Measure::VolumeClaims => {
                let claim = object.downcast_ref::<PersistentVolumeClaim>();
                claim.is_some_and(|claim| claims::in_scope(scope, claim))
            }
            _ => false,
        }
    }

    /// Whether the object is in all scopes of a quota.
    pub fn in_scopes(&self, spec: &ResourceQuotaSpec, object: &dyn Object) -> bool {
        scopes(spec).iter().all(|scope| self.in_scope(scope, object))
    }

    /// Whether the quota limits anything of this object.
    pub fn concerns(&self, quota: &ResourceQuota, object: &dyn Object) -> bool {
        quota.status.hard.keys().any(|name| self.matches(name)) && self.in_scopes(&quota.spec, object)
    }

    /// What the object uses.
    pub fn usage(&self, object: &dyn Object, now: Timestamp) -> ResourceList {
        match self {
            Measure::Pods => object.downcast_ref::<Pod>().map(|pod| pods::usage(pod, now)),
            Measure::Services => object.downcast_ref::<Service>().map(services::usage),
            Measure::VolumeClaims => object.downcast_ref::<PersistentVolumeClaim>().map(claims::usage),
            Measure::DeviceClaims => object.downcast_ref::<ResourceClaim>().map(devices::usage),
            Measure::Number(resource) => {
                let mut usage = one(&format!("count/{resource}"));
                if ALIASED.contains(resource) {
                    usage.insert((*resource).to_string(), Quantity::whole(1));
                }
                Some(usage)
            }
        }
        .unwrap_or_default()
    }
}

/// The resource as a quota names it after `count/`.
pub fn resource_of(kind: &KindInfo) -> String {
    kind.group_resource()
}

/// The resources (as in `deployments.apps`) whose objects decide over what a quota of these limits uses.
pub fn counted<'a>(hard: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for name in hard {
        let known = ["pods", "services", "persistentvolumeclaims", "resourceclaims.resource.k8s.io"];
        let by_name = known
            .into_iter()
            .chain(ALIASED)
            .filter(|resource| Measure::of(resource).is_some_and(|measure| measure.matches(name)));
        found.extend(by_name.map(str::to_string));
        found.extend(name.strip_prefix("count/").map(str::to_string));
    }
    found.sort();
    found.dedup();
    found.retain(|resource| Measure::of(resource).is_some());
    found
}

/// A quota's scopes, those of its selector included.
pub fn scopes(spec: &ResourceQuotaSpec) -> Vec<ScopedResourceSelectorRequirement> {
    let plain = spec.scopes.iter().map(|scope| ScopedResourceSelectorRequirement {
        scope_name: scope.clone(),
        operator: "Exists".into(),
        values: Vec::new(),
    });
    plain.chain(spec.scope_selector.iter().flat_map(|s| s.match_expressions.clone())).collect()
}

/// Whether a requirement accepts an object of whose classes (at most one, for pods) these are the names.
fn selects(requirement: &ScopedResourceSelectorRequirement, classes: &[&str]) -> bool {
    let listed = |class: &&str| requirement.values.iter().any(|v| v == class);
    match requirement.operator.as_str() {
        "Exists" => !classes.is_empty(),
        "DoesNotExist" => classes.is_empty(),
        "In" => classes.iter().any(listed),
        "NotIn" => classes.is_empty() || classes.iter().any(|class| !listed(class)),
        _ => false,
    }
}

fn one(name: &str) -> ResourceList {
    ResourceList::from([(name.to_string(), Quantity::whole(1))])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_are_measured_by_their_names() {
        for (resource, name, want) in [
            ("pods", "pods", true),
            ("pods", "count/pods", true),
            ("pods", "requests.cpu", true),
            ("pods", "requests.nvidia.com/gpu", true),
            ("pods", "nvidia.com/gpu", false),
            ("pods", "hugepages-2Mi", true),
            ("pods", "requests.hugepages-2Mi", true),
            ("pods", "requests.storage", false),
            ("services", "services.nodeports", true),
            ("services", "count/services", true),
            ("persistentvolumeclaims", "gold.storageclass.storage.k8s.io/requests.storage", true),
            ("persistentvolumeclaims", "gold.storageclass.storage.k8s.io/persistentvolumeclaims", true),
            ("persistentvolumeclaims", "gold.storageclass.storage.k8s.io/pods", false),
            ("resourceclaims.resource.k8s.io", "gpu.deviceclass.resource.k8s.io/devices", true),
            ("resourceclaims.resource.k8s.io", "count/resourceclaims.resource.k8s.io", true),
            ("secrets", "secrets", true),
            ("secrets", "count/secrets", true),
            ("deployments.apps", "count/deployments.apps", true),
            ("deployments.apps", "deployments.apps", false),
            ("widgets.example.com", "count/widgets.example.com", true),
        ] {
            let measure = Measure::of(resource).expect("measured");
            assert_eq!(measure.matches(name), want, "{resource} {name}");
        }
        assert_eq!(Measure::of("events"), None);
    }

    #[test]
    fn a_quota_tells_what_must_be_counted() {
        let names = ["pods", "requests.cpu", "count/widgets.example.com", "secrets", "count/events"];
        let names: Vec<String> = names.map(str::to_string).to_vec();
        assert_eq!(counted(names.iter()), ["pods", "secrets", "widgets.example.com"]);
    }

    #[test]
    fn classes_are_selected_as_labels_are() {
        let requirement = |operator: &str, values: &[&str]| ScopedResourceSelectorRequirement {
            scope_name: "PriorityClass".into(),
            operator: operator.into(),
            values: values.iter().map(ToString::to_string).collect(),
        };
        for (operator, values, classes, want) in [
            ("In", &["high"][..], &["high"][..], true),
            ("In", &["high"], &["low"], false),
            ("In", &["high"], &[], false),
            ("NotIn", &["high"], &["low"], true),
            ("NotIn", &["high"], &["high"], false),
            ("NotIn", &["high"], &[], true),
            ("Exists", &[], &["low"], true),
            ("Exists", &[], &[], false),
            ("DoesNotExist", &[], &[], true),
            ("DoesNotExist", &[], &["low"], false),
        ] {
            assert_eq!(selects(&requirement(operator, values), classes), want, "{operator} {classes:?}");
        }
    }
}
