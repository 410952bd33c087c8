//! Validation of requests and limits.

use crate::errors::Errors;
use crate::names;
use corten_api::Quantity;
use corten_api::core::v1::{PodSpec, ResourceRequirements};
use std::collections::{BTreeMap, BTreeSet};

/// Resources without a domain that containers may ask for.
const CONTAINER_RESOURCES: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];
/// Resources without a domain that somebody knows.
const STANDARD_RESOURCES: [&str; 20] = [
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "persistentvolumeclaims",
    "configmaps",
    "storage",
    "requests.storage",
    "services.nodeports",
    "services.loadbalancers",
];
/// Resources that are counted in whole numbers.
const WHOLE: [&str; 9] = [
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "services.nodeports",
    "services.loadbalancers",
];

fn is_huge(name: &str) -> bool {
    name.starts_with("hugepages-")
}

fn is_native(name: &str) -> bool {
    !name.contains('/') || name.contains("kubernetes.io/")
}

pub(crate) fn is_extended(name: &str) -> bool {
    !is_native(name)
        && !name.starts_with("requests.")
        && names::qualified_name(&format!("requests.{name}")).is_empty()
}

fn may_overcommit(name: &str) -> bool {
    is_native(name) && !is_huge(name)
}

/// The amount of a resource: not negative, and whole where parts make no sense.
pub(crate) fn amount(errors: &mut Errors, path: &str, name: &str, amount: &Quantity) {
    if amount.is_negative() {
        errors.invalid(path, amount.to_string(), crate::metadata::NOT_NEGATIVE);
    }
    if (WHOLE.contains(&name) || is_extended(name)) && !amount.is_whole() {
        errors.invalid(path, amount.to_string(), "must be an integer");
    }
}

/// The name of a resource: qualified, or one that is known to some part. Whether it is.
pub(crate) fn standard_resource(errors: &mut Errors, path: &str, name: &str) -> bool {
    let qualified = names::qualified_name(name).is_empty();
    if !qualified {
        errors.format(path, name, names::qualified_name);
    }
    let huge = is_huge(name.strip_prefix("requests.").unwrap_or(name));
    let known = name.contains('/') || STANDARD_RESOURCES.contains(&name) || huge;
    if qualified && !known {
        errors.invalid(path, name, "must be a standard resource type or fully qualified");
    }
    qualified && known
}

/// The name of a resource that containers may ask for.
pub(crate) fn container_resource(errors: &mut Errors, path: &str, name: &str) {
    standard_resource(errors, path, name);
    if !name.contains('/') {
        if !CONTAINER_RESOURCES.contains(&name) && !is_huge(name) {
            errors.invalid(path, name, "must be a standard resource for containers");
        }
    } else if !is_native(name) && !is_extended(name) {
        errors.invalid(path, name, "doesn't follow extended resource name standard");
    }
}

fn huge_pages(errors: &mut Errors, path: &str, name: &str, amount: &Quantity) {
    let Some(size) = name.strip_prefix("hugepages-").and_then(|s| s.parse::<Quantity>().ok()) else { return };
    let (page, total) = (size.value(), amount.value());
    if page > 0 && (!amount.is_whole() || total % page != 0) {
        let detail = format!("{amount} is not positive integer multiple of {name}");
        errors.invalid(path, amount.to_string(), detail);
    }
}

/// Requests and limits of a pod as a whole: of cpu, memory and huge pages alone.
pub(super) fn of_pod(errors: &mut Errors, spec: &PodSpec, path: &str) {
    let Some(whole) = spec.resources.as_deref() else { return };
    if !whole.claims.is_empty() {
        errors.forbidden(format!("{path}.claims"), "claims may not be set for Resources at pod-level");
    }
    for (list, amounts) in [("limits", &whole.limits), ("requests", &whole.requests)] {
        for (name, quantity) in amounts {
            let at = format!("{path}.{list}[{name}]");
            if standard_resource(errors, &at, name) && !is_huge(name) {
                errors.supported(&at, name, &["cpu", "hugepages-", "memory"]);
            }
            amount(errors, &at, name, quantity);
            huge_pages(errors, &at, name, quantity);
            let limit = whole.limits.get(name).filter(|l| list == "requests" && quantity > l);
            if let Some(limit) = limit {
                let detail = format!("must be less than or equal to {name} limit of {limit}");
                errors.invalid(format!("{path}.requests"), quantity.to_string(), detail);
            }
        }
    }
    for (i, c) in spec.containers.iter().enumerate() {
        for (name, limit) in &c.resources.limits {
            if let Some(most) = whole.limits.get(name).filter(|most| limit > *most) {
                let at = format!("{path}.containers[{i}][{name}].limits");
                let detail = format!("must be less than or equal to pod limits of {most}");
                errors.invalid(at, limit.to_string(), detail);
            }
        }
    }
    for (name, sum) in super::defaults::container_requests(spec) {
        if let Some(request) = whole.requests.get(&name).filter(|r| sum > **r) {
            let detail = format!("must be greater than or equal to aggregate container requests of {sum}");
            errors.invalid(format!("{path}.requests[{name}]"), request.to_string(), detail);
        }
    }
}

/// What a pod costs beyond its containers. Errors name fields as those of a container's limits.
pub(crate) fn overhead(errors: &mut Errors, overhead: &BTreeMap<String, Quantity>, path: &str) {
    if !overhead.is_empty() {
        let limits = ResourceRequirements { limits: overhead.clone(), ..ResourceRequirements::default() };
        requirements(errors, &limits, &BTreeSet::new(), path);
    }
}

/// Requests and limits of a container.
pub(crate) fn requirements(
    errors: &mut Errors,
    resources: &ResourceRequirements,
    claims: &BTreeSet<&str>,
    path: &str,
) {
    let (limits, requests) = (&resources.limits, &resources.requests);
    for (name, limit) in limits {
        let at = format!("{path}.limits[{name}]");
        container_resource(errors, &at, name);
        amount(errors, &at, name, limit);
        huge_pages(errors, &at, name, limit);
    }
    for (name, request) in requests {
        let at = format!("{path}.requests[{name}]");
        container_resource(errors, &at, name);
        amount(errors, &at, name, request);
        let whole = format!("{path}.requests");
        match limits.get(name) {
            Some(limit) if request != limit && !may_overcommit(name) => {
                errors.invalid(
                    whole,
                    request.to_string(),
                    format!("must be equal to {name} limit of {limit}"),
                );
            }
            Some(limit) if request > limit => {
                let detail = format!("must be less than or equal to {name} limit of {limit}");
                errors.invalid(whole, request.to_string(), detail);
            }
            None if !may_overcommit(name) => {
                let detail = "Limit must be set for non overcommitable resources";
                errors.required(format!("{path}.limits"), detail);
            }
            _ => {}
        }
        huge_pages(errors, &at, name, request);
    }
    let all = || limits.keys().chain(requests.keys());
    if all().any(|n| is_huge(n)) && !all().any(|n| n == "cpu" || n == "memory") {
        errors.forbidden(path, "HugePages require cpu or memory");
    }
    claim_names(errors, resources, claims, path);
}

/// Claims that are used must be the pod's, and each part of one is used once.
fn claim_names(errors: &mut Errors, resources: &ResourceRequirements, claims: &BTreeSet<&str>, path: &str) {
    for (i, claim) in resources.claims.iter().enumerate() {
        let at = format!("{path}.claims[{i}]");
        let before = &resources.claims[..i];
        if claim.name.is_empty() {
            errors.required(at, "");
            continue;
        }
        if before.iter().any(|c| c.name == claim.name && c.request.is_empty()) {
            errors.duplicate(&at, &claim.name);
        } else {
            if !claim.request.is_empty() {
                errors.format(&format!("{at}.request"), &claim.request, names::dns_label);
                if before.contains(claim) {
                    errors.duplicate(&at, format!("{}/{}", claim.name, claim.request));
                }
            } else {
                for _ in before.iter().filter(|c| c.name == claim.name) {
                    errors.duplicate(&at, &claim.name);
                }
            }
        }
        if !claims.contains(claim.name.as_str()) {
            let known: Vec<&str> = claims.iter().copied().collect();
            let rest =
                if known.is_empty() { " which is empty".into() } else { format!(": {}", known.join(", ")) };
            let detail = format!("must be one of the names in pod.spec.resourceClaims{rest}");
            errors.not_found_because(at, &claim.name, detail);
        }
    }
}
