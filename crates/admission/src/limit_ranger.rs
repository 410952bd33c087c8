//! LimitRanger: a namespace's LimitRanges give containers their default requests and limits, and bound what
//! containers, pods and claims ask for.

use crate::check::{Check, Context, Operation};
use async_trait::async_trait;
use corten_api::core::v1::{Container, LimitRange, LimitRangeItem, PersistentVolumeClaim, Pod};
use corten_api::{Object, Quantity};
use corten_semantics::ApiResult;
use corten_semantics::resources::{RequestOptions, ResourceList, pod_limits, pod_requests};

const ANNOTATION: &str = "kubernetes.io/limit-ranger";
/// Above this, thousandths do not fit.
const MOST_MILLI: i64 = i64::MAX / 1000;

pub(crate) struct LimitRanger;

#[async_trait]
impl Check for LimitRanger {
    fn name(&self) -> &'static str {
        "LimitRanger"
    }

    fn handles(&self, context: &Context<'_>) -> bool {
        let concerns = match (context.operation, context.subresource) {
            (Operation::Create, "") => context.is_for::<Pod>() || context.is_for::<PersistentVolumeClaim>(),
            (Operation::Update, "") => context.is_for::<PersistentVolumeClaim>(),
            // A pod's containers change by this subresource only.
            (Operation::Update, "resize") => context.is_for::<Pod>(),
            _ => false,
        };
        concerns && context.old.is_none_or(|old| old.meta().deletion_timestamp.is_none())
    }

    async fn admit(&self, context: &Context<'_>, object: &mut dyn Object) -> ApiResult<()> {
        if let Some(pod) = object.downcast_mut::<Pod>() {
            for range in context.objects.list::<LimitRange>(context.namespace) {
                fill(pod, &range);
            }
        }
        Ok(())
    }

    async fn validate(&self, context: &Context<'_>, object: &dyn Object) -> ApiResult<()> {
        for range in context.objects.list::<LimitRange>(context.namespace) {
            let mut errors = Vec::new();
            for limit in &range.spec.limits {
                if let Some(pod) = object.downcast_ref::<Pod>() {
                    check_pod(limit, pod, &mut errors);
                } else if let Some(claim) = object.downcast_ref::<PersistentVolumeClaim>()
                    && limit.type_ == "PersistentVolumeClaim"
                {
                    check_claim(limit, claim, &mut errors);
                }
            }
            // The same fault of several containers is told once.
            errors.dedup();
            let why = match errors.as_slice() {
                [] => continue,
                [one] => one.clone(),
                many => format!("[{}]", many.join(", ")),
            };
            return Err(context.forbidden(Some(object), &why));
        }
        Ok(())
    }
}

/// Gives containers the range's defaults for what they do not say, and notes that on the pod.
fn fill(pod: &mut Pod, range: &LimitRange) {
    let (mut requests, mut limits) = (ResourceList::new(), ResourceList::new());
    for limit in range.spec.limits.iter().filter(|l| l.type_ == "Container") {
        requests.extend(limit.default_request.clone());
        limits.extend(limit.default_.clone());
    }
    let mut notes = Vec::new();
    let containers = pod.spec.containers.iter_mut().map(|c| ("container", c));
    let starting = pod.spec.init_containers.iter_mut().map(|c| ("init container", c));
    for (what, container) in containers.chain(starting) {
        let set = merge(&mut container.resources.requests, &requests);
        let limited = merge(&mut container.resources.limits, &limits);
        for (set, sort) in [(set, "request"), (limited, "limit")] {
            if !set.is_empty() {
                notes.push(format!("{} {sort} for {what} {}", set.join(", "), container.name));
            }
        }
    }
    if !notes.is_empty() {
        let note = format!("LimitRanger plugin set: {}", notes.join("; "));
        pod.metadata.annotations.insert(ANNOTATION.into(), note);
    }
}

/// Adds what is absent; gives the names added.
fn merge(into: &mut ResourceList, defaults: &ResourceList) -> Vec<String> {
    let absent: Vec<String> = defaults.keys().filter(|name| !into.contains_key(*name)).cloned().collect();
    into.extend(absent.iter().filter_map(|name| Some((name.clone(), *defaults.get(name)?))));
    absent
}

fn check_pod(limit: &LimitRangeItem, pod: &Pod, errors: &mut Vec<String>) {
    match limit.type_.as_str() {
        "Container" => {
            let all = pod.spec.containers.iter().chain(&pod.spec.init_containers);
            for Container { resources, .. } in all {
                check(limit, &resources.requests, &resources.limits, errors);
            }
        }
        "Pod" => {
            // What the runtime needs beside the containers is not the user's to bound.
            let mut bare = pod.clone();
            bare.spec.overhead.clear();
            check(limit, &pod_requests(&bare, &RequestOptions::default()), &pod_limits(&bare), errors);
        }
        _ => {}
    }
}

fn check_claim(limit: &LimitRangeItem, claim: &PersistentVolumeClaim, errors: &mut Vec<String>) {
    let requests = &claim.spec.resources.requests;
    let none = ResourceList::new();
    let least = limit.min.iter().filter_map(|(name, least)| too_little(limit, name, least, requests, &none));
    errors.extend(least);
    for (name, most) in &limit.max {
        let start = start("maximum", limit, name, most);
        match requests.get(name) {
            None => errors.push(format!("{start}.  No request is specified")),
            Some(request) if is_more(request, most) => {
                errors.push(format!("{start}, but request is {request}"));
            }
            Some(_) => {}
        }
    }
}

fn check(limit: &LimitRangeItem, requests: &ResourceList, limits: &ResourceList, errors: &mut Vec<String>) {
    errors.extend(limit.min.iter().filter_map(|(n, least)| too_little(limit, n, least, requests, limits)));
    errors.extend(limit.max.iter().filter_map(|(n, most)| too_much(limit, n, most, requests, limits)));
    let ratios = limit.max_limit_request_ratio.iter();
    errors.extend(ratios.filter_map(|(n, ratio)| too_far_apart(limit, n, ratio, requests, limits)));
}

fn start(bound: &str, limit: &LimitRangeItem, name: &str, enforced: &Quantity) -> String {
    format!("{bound} {name} usage per {} is {enforced}", limit.type_)
}

fn too_little(
    limit: &LimitRangeItem,
    name: &str,
    least: &Quantity,
    requests: &ResourceList,
    limits: &ResourceList,
) -> Option<String> {
    let start = start("minimum", limit, name, least);
    let Some(request) = requests.get(name) else {
        return Some(format!("{start}.  No request is specified"));
    };
    if is_more(least, request) {
        return Some(format!("{start}, but request is {request}"));
    }
    let below = limits.get(name).filter(|l| is_more(least, l))?;
    Some(format!("{start}, but limit is {below}"))
}

fn too_much(
    limit: &LimitRangeItem,
    name: &str,
    most: &Quantity,
    requests: &ResourceList,
    limits: &ResourceList,
) -> Option<String> {
    let start = start("maximum", limit, name, most);
    let Some(own) = limits.get(name) else {
        return Some(format!("{start}.  No limit is specified"));
    };
    if is_more(own, most) {
        return Some(format!("{start}, but limit is {own}"));
    }
    let above = requests.get(name).filter(|r| is_more(r, most))?;
    Some(format!("{start}, but request is {above}"))
}

fn too_far_apart(
    limit: &LimitRangeItem,
    name: &str,
    most: &Quantity,
    requests: &ResourceList,
    limits: &ResourceList,
) -> Option<String> {
    let start = format!("{name} max limit to request ratio per {} is {most}", limit.type_);
    let some = |amount: Option<&Quantity>| amount.filter(|a| !a.is_zero()).map(Quantity::as_f64);
    let Some(request) = some(requests.get(name)) else {
        return Some(format!("{start}, but no request is specified or request is 0"));
    };
    let Some(own) = some(limits.get(name)) else {
        return Some(format!("{start}, but no limit is specified or limit is 0"));
    };
    let ratio = own / request;
    (ratio > most.as_f64()).then(|| format!("{start}, but provided ratio is {ratio:.6}"))
}

/// Compares in thousandths where these fit, and whole otherwise, as upstream.
fn is_more(a: &Quantity, b: &Quantity) -> bool {
    if a.value() <= MOST_MILLI && b.value() <= MOST_MILLI {
        a.milli_value() > b.milli_value()
    } else {
        a.value() > b.value()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{self, Request, meta};

    fn amounts(text: &str) -> ResourceList {
        let pair = |p: &str| {
            let (name, amount) = p.split_once('=').expect("a pair");
            (name.to_string(), amount.parse().expect("a quantity"))
        };
        text.split_whitespace().map(pair).collect()
    }

    fn range(item: LimitRangeItem) -> LimitRange {
        let mut range = LimitRange { metadata: meta("ns", "limits"), ..LimitRange::default() };
        range.spec.limits = vec![item];
        range
    }

    fn item(kind: &str) -> LimitRangeItem {
        LimitRangeItem { type_: kind.into(), ..LimitRangeItem::default() }
    }

    #[tokio::test]
    async fn containers_get_the_defaults() {
        let mut request = Request::of::<Pod>(Operation::Create, "ns", "p");
        request.has(range(LimitRangeItem {
            default_request: amounts("cpu=100m memory=200Mi"),
            default_: amounts("cpu=500m memory=500Mi"),
            ..item("Container")
        }));
        let mut pod = sample::pod("p");
        pod.spec.containers[0].resources.requests = amounts("cpu=300m");
        pod.spec.init_containers = vec![Container { name: "first".into(), ..Container::default() }];
        for _ in 0..2 {
            request.admit(&LimitRanger, &mut pod).await.expect("admitted");
        }
        let resources = &pod.spec.containers[0].resources;
        assert_eq!(resources.requests, amounts("cpu=300m memory=200Mi"));
        assert_eq!(resources.limits, amounts("cpu=500m memory=500Mi"));
        assert_eq!(
            pod.metadata.annotations[ANNOTATION],
            "LimitRanger plugin set: memory request for container main; cpu, memory limit for container main; \
             cpu, memory request for init container first; cpu, memory limit for init container first"
        );
    }

    #[tokio::test]
    async fn bounds_hold() {
        for (item, requests, limits, why) in [
            (LimitRangeItem { min: amounts("cpu=50m"), ..item("Container") }, "cpu=50m", "", None),
            (
                LimitRangeItem { min: amounts("cpu=50m"), ..item("Container") },
                "cpu=49m",
                "",
                Some("minimum cpu usage per Container is 50m, but request is 49m"),
            ),
            (
                LimitRangeItem { min: amounts("cpu=50m"), ..item("Container") },
                "",
                "",
                Some("minimum cpu usage per Container is 50m.  No request is specified"),
            ),
            (LimitRangeItem { max: amounts("memory=1Gi"), ..item("Container") }, "", "memory=1Gi", None),
            (
                LimitRangeItem { max: amounts("memory=1Gi"), ..item("Container") },
                "",
                "memory=2Gi",
                Some("maximum memory usage per Container is 1Gi, but limit is 2Gi"),
            ),
            (
                LimitRangeItem { max: amounts("memory=1Gi"), ..item("Container") },
                "memory=1Gi",
                "",
                Some("maximum memory usage per Container is 1Gi.  No limit is specified"),
            ),
            (
                LimitRangeItem { max: amounts("cpu=1 memory=1Gi"), ..item("Pod") },
                "",
                "memory=2Gi cpu=2",
                Some(
                    "[maximum cpu usage per Pod is 1, but limit is 2, maximum memory usage per Pod is 1Gi, but limit is 2Gi]",
                ),
            ),
            (
                LimitRangeItem { max_limit_request_ratio: amounts("cpu=2"), ..item("Container") },
                "cpu=1",
                "cpu=2",
                None,
            ),
            (
                LimitRangeItem { max_limit_request_ratio: amounts("cpu=1500m"), ..item("Container") },
                "cpu=1",
                "cpu=2",
                Some("cpu max limit to request ratio per Container is 1500m, but provided ratio is 2.000000"),
            ),
        ] {
            let mut request = Request::of::<Pod>(Operation::Create, "ns", "p");
            request.has(range(item));
            let mut pod = sample::pod("p");
            pod.spec.containers[0].resources.requests = amounts(requests);
            pod.spec.containers[0].resources.limits = amounts(limits);
            let found = request.validate(&LimitRanger, &pod).await.err().map(|e| e.to_string());
            assert_eq!(found, why.map(|w| format!("pods \"p\" is forbidden: {w}")));
        }
    }

    #[tokio::test]
    async fn claims_are_bound_by_their_requests() {
        for (storage, why) in [
            ("storage=1Gi", None),
            (
                "storage=3Gi",
                Some("maximum storage usage per PersistentVolumeClaim is 2Gi, but request is 3Gi"),
            ),
            (
                "storage=1Mi",
                Some("minimum storage usage per PersistentVolumeClaim is 1Gi, but request is 1Mi"),
            ),
        ] {
            let mut request = Request::of::<PersistentVolumeClaim>(Operation::Create, "ns", "c");
            let bounds = LimitRangeItem {
                min: amounts("storage=1Gi"),
                max: amounts("storage=2Gi"),
                ..item("PersistentVolumeClaim")
            };
            request.has(range(bounds));
            let mut claim =
                PersistentVolumeClaim { metadata: meta("ns", "c"), ..PersistentVolumeClaim::default() };
            claim.spec.resources.requests = amounts(storage);
            let found = request.validate(&LimitRanger, &claim).await.err().map(|e| e.to_string());
            assert_eq!(found, why.map(|w| format!("persistentvolumeclaims \"c\" is forbidden: {w}")));
        }
    }
}
