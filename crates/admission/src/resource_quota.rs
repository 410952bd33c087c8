//! ResourceQuota: what a write uses is charged to the quotas of its namespace, or the write is refused. The
//! charge is a set of quotas to be written in the object's own transaction; so nothing is ever used that was
//! not charged, and nothing is charged that was not written.

use crate::check::{Check, Context, Operation};
use corten_api::Object;
use corten_api::core::v1::{PersistentVolumeClaim, Pod, ResourceQuota};
use corten_semantics::quota::{
    Measure, add, attributes_classes, exceeded, increase, mask, missing_constraints, negative, resource_of,
    same,
};
use corten_semantics::resources::ResourceList;
use corten_semantics::{ApiError, ApiResult};
use jiff::Timestamp;
use std::sync::Arc;

pub(crate) const NAME: &str = "ResourceQuota";

/// Stands in the table, last; the registry asks for the charge when all checks are done.
pub(crate) struct ResourceQuotaCheck;

impl Check for ResourceQuotaCheck {
    fn name(&self) -> &'static str {
        NAME
    }

    fn handles(&self, _: &Context<'_>) -> bool {
        false
    }
}

/// The quotas to be written along with the object, their use raised by what it uses.
///
/// # Errors
/// 403 when a quota does not allow it.
pub(crate) fn charge(
    context: &Context<'_>,
    object: &dyn Object,
    now: Timestamp,
) -> ApiResult<Vec<ResourceQuota>> {
    if !may_use(context) {
        return Ok(Vec::new());
    }
    let quotas = context.objects.list::<ResourceQuota>(context.namespace);
    if quotas.is_empty() {
        return Ok(Vec::new());
    }
    let resource = resource_of(context.kind);
    match Measure::of(&resource) {
        Some(measure) if changes_use(context, measure, object) => {
            Charge { context, measure, object, now }.to(&quotas)
        }
        _ => Ok(Vec::new()),
    }
}

/// Whether a write of this sort can use more of a namespace's quotas, as far as that is known without
/// looking at any object.
pub(crate) fn may_use(context: &Context<'_>) -> bool {
    if context.namespace.is_empty() || context.kind.plural == "namespaces" {
        return false;
    }
    match (context.operation, context.subresource) {
        (Operation::Create, "") => true,
        (Operation::Update, "") => {
            matches!(context.kind.plural, "pods" | "services" | "persistentvolumeclaims" | "resourceclaims")
        }
        (Operation::Update, "resize") => context.kind.plural == "pods",
        (Operation::Update, "status") => context.kind.plural == "persistentvolumeclaims",
        _ => false,
    }
}

/// Whether the change is one that quotas are asked about.
fn changes_use(context: &Context<'_>, measure: Measure<'_>, object: &dyn Object) -> bool {
    if context.operation == Operation::Create {
        return true;
    }
    match (measure, context.subresource) {
        (Measure::Pods, "") => {
            let ends = |p: &Pod| p.spec.active_deadline_seconds.is_some_and(|s| s >= 0);
            let (new, old) = (object.downcast_ref::<Pod>(), context.old::<Pod>());
            new.zip(old).is_some_and(|(new, old)| ends(new) != ends(old))
        }
        (Measure::Pods, "resize") => true,
        (Measure::VolumeClaims, "status") => {
            let (new, old) =
                (object.downcast_ref::<PersistentVolumeClaim>(), context.old::<PersistentVolumeClaim>());
            new.zip(old).is_some_and(|(new, old)| {
                new.status.allocated_resources != old.status.allocated_resources
                    || attributes_classes(new) != attributes_classes(old)
            })
        }
        (Measure::VolumeClaims | Measure::Services | Measure::DeviceClaims, "") => true,
        _ => false,
    }
}

struct Charge<'a> {
    context: &'a Context<'a>,
    measure: Measure<'a>,
    object: &'a dyn Object,
    now: Timestamp,
}

impl Charge<'_> {
    fn to(&self, quotas: &[Arc<ResourceQuota>]) -> ApiResult<Vec<ResourceQuota>> {
        let concerned: Vec<_> = quotas.iter().filter(|q| self.measure.concerns(q, self.object)).collect();
        for quota in &concerned {
            self.check_constraints(quota)?;
        }
        let used = self.measure.usage(self.object, self.now);
        let below_zero = negative(&used);
        if !below_zero.is_empty() {
            let why = format!("quota usage is negative for resource(s): {}", below_zero.join(","));
            return Err(self.refused(&why));
        }
        let before = self.context.old.filter(|_| self.context.operation == Operation::Update);
        let more = before.map(|old| increase(&used, &self.measure.usage(old, self.now)));
        let mut charged = Vec::new();
        for quota in concerned {
            // What the old object used is charged already, if the quota was concerned by that.
            let had = before.is_some_and(|old| self.measure.concerns(quota, old));
            let wanted = if had { more.as_ref().unwrap_or(&used) } else { &used };
            charged.extend(self.charged(quota, wanted)?);
        }
        Ok(charged)
    }

    fn check_constraints(&self, quota: &ResourceQuota) -> ApiResult<()> {
        let name = &quota.metadata.name;
        let status = &quota.status;
        let missing = self.object.downcast_ref().and_then(|pod: &Pod| missing_constraints(pod, &status.hard));
        if let Some(missing) = missing {
            return Err(self.refused(&format!("failed quota: {name}: {missing}")));
        }
        let tracked: Vec<&str> =
            status.hard.keys().map(String::as_str).filter(|n| self.measure.matches(n)).collect();
        if tracked.iter().any(|n| !status.used.contains_key(*n)) {
            let why = format!("status unknown for quota: {name}, resources: {}", tracked.join(","));
            return Err(self.refused(&why));
        }
        Ok(())
    }

    /// The quota after the charge; `None` when there is nothing to charge.
    fn charged(&self, quota: &ResourceQuota, wanted: &ResourceList) -> ApiResult<Option<ResourceQuota>> {
        let status = &quota.status;
        let mut wanted = mask(wanted, &status.hard);
        wanted.retain(|_, amount| !amount.is_zero());
        let used = add(&status.used, &wanted);
        let over = exceeded(&mask(&used, &wanted), &status.hard);
        if !over.is_empty() && self.context.subresource != "status" {
            let why = format!(
                "exceeded quota: {}, requested: {}, used: {}, limited: {}",
                quota.metadata.name,
                listed(&wanted, &over),
                listed(&status.used, &over),
                listed(&status.hard, &over)
            );
            return Err(self.refused(&why));
        }
        if same(&used, &status.used) {
            return Ok(None);
        }
        let mut charged = quota.clone();
        charged.status.used = used;
        Ok(Some(charged))
    }

    fn refused(&self, why: &str) -> ApiError {
        self.context.forbidden(Some(self.object), why)
    }
}

/// `cpu=1,pods=2`, of these names.
fn listed(list: &ResourceList, names: &[String]) -> String {
    let one = |name: &String| list.get(name).map(|amount| format!("{name}={amount}"));
    names.iter().filter_map(one).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{Request, meta, pod};
    use corten_api::Kind;
    use corten_api::core::v1::{ConfigMap, Service, ServicePort};

    fn amounts(text: &str) -> ResourceList {
        let pair = |p: &str| {
            let (name, amount) = p.split_once('=').expect("a pair");
            (name.to_string(), amount.parse().expect("a quantity"))
        };
        text.split_whitespace().map(pair).collect()
    }

    fn quota(name: &str, hard: &str, used: &str) -> ResourceQuota {
        let mut quota = ResourceQuota { metadata: meta("ns", name), ..ResourceQuota::default() };
        quota.spec.hard = amounts(hard);
        quota.status.hard = amounts(hard);
        quota.status.used = amounts(used);
        quota
    }

    /// What the charge makes of the quotas' use, or the refusal.
    fn tried(request: &Request, object: &dyn Object) -> Result<Vec<ResourceList>, String> {
        let now = Timestamp::UNIX_EPOCH;
        match charge(&request.context(), object, now) {
            Ok(charged) => Ok(charged.into_iter().map(|q| q.status.used).collect()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn creations_are_charged_or_refused() {
        for (hard, used, requests, want) in [
            ("pods=2", "pods=1", "", Ok(vec![amounts("pods=2")])),
            (
                "pods=1",
                "pods=1",
                "",
                Err(
                    "pods \"p\" is forbidden: exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1",
                ),
            ),
            (
                "cpu=1 memory=1Gi pods=5",
                "cpu=500m memory=1Gi pods=0",
                "cpu=600m memory=1Mi",
                Err("pods \"p\" is forbidden: exceeded quota: q, requested: cpu=600m,memory=1Mi, \
                     used: cpu=500m,memory=1Gi, limited: cpu=1,memory=1Gi"),
            ),
            (
                "limits.cpu=1 requests.memory=1",
                "limits.cpu=0 requests.memory=0",
                "",
                Err(
                    "pods \"p\" is forbidden: failed quota: q: must specify limits.cpu for: main; requests.memory for: main",
                ),
            ),
            (
                "pods=1 cpu=1 services=1",
                "pods=0",
                "cpu=1",
                Err("pods \"p\" is forbidden: status unknown for quota: q, resources: cpu,pods"),
            ),
            ("services=1", "services=1", "", Ok(vec![])),
            (
                "requests.x.io/gpu=2",
                "requests.x.io/gpu=0",
                "x.io/gpu=2",
                Ok(vec![amounts("requests.x.io/gpu=2")]),
            ),
        ] {
            let mut request = Request::of::<Pod>(Operation::Create, "ns", "p");
            request.has(quota("q", hard, used));
            let mut pod = pod("p");
            pod.spec.containers[0].resources.requests = amounts(requests);
            assert_eq!(tried(&request, &pod), want.map_err(str::to_string), "{hard}");
        }
    }

    #[test]
    fn a_scope_keeps_a_quota_to_its_pods() {
        let mut request = Request::of::<Pod>(Operation::Create, "ns", "p");
        let mut best_effort = quota("b", "pods=0", "pods=0");
        best_effort.spec.scopes = vec!["BestEffort".into()];
        request.has(best_effort);
        let mut pod = pod("p");
        assert!(tried(&request, &pod).is_err());
        pod.spec.containers[0].resources.requests = amounts("cpu=1");
        assert_eq!(tried(&request, &pod), Ok(vec![]));
    }

    #[test]
    fn updates_are_charged_by_the_difference() {
        let service = |kind: &str| {
            let mut service = Service { metadata: meta("ns", "s"), ..Service::default() };
            service.spec.type_ = kind.into();
            service.spec.ports = vec![ServicePort::default()];
            service
        };
        for (from, to, ports, want) in [
            ("ClusterIP", "NodePort", "1", Ok(vec![amounts("services=1 services.nodeports=1")])),
            ("NodePort", "LoadBalancer", "1", Ok(vec![])),
            ("NodePort", "ClusterIP", "0", Ok(vec![])),
            (
                "ClusterIP",
                "NodePort",
                "0",
                Err(
                    "services \"s\" is forbidden: exceeded quota: q, requested: services.nodeports=1, used: services.nodeports=0, limited: services.nodeports=0",
                ),
            ),
        ] {
            let mut request = Request::of::<Service>(Operation::Update, "ns", "s").old(service(from));
            let hard = format!("services=1 services.nodeports={ports}");
            request.has(quota("q", &hard, "services=1 services.nodeports=0"));
            assert_eq!(tried(&request, &service(to)), want.map_err(str::to_string), "{from} {to}");
        }
    }

    #[test]
    fn a_resize_is_charged_and_other_updates_of_pods_are_not() {
        let with = |cpu: &str| {
            let mut pod = pod("p");
            pod.spec.containers[0].resources.requests = amounts(&format!("cpu={cpu}"));
            pod
        };
        for (subresource, want) in
            [("resize", Ok(vec![amounts("cpu=3")])), ("", Ok(vec![])), ("status", Ok(vec![]))]
        {
            let mut request = Request::of::<Pod>(Operation::Update, "ns", "p").on(subresource).old(with("1"));
            request.has(quota("q", "cpu=3", "cpu=2"));
            assert_eq!(tried(&request, &with("2")), want, "{subresource}");
        }
    }

    #[test]
    fn other_kinds_count_by_number() {
        let mut request = Request::of::<ConfigMap>(Operation::Create, "ns", "c");
        request.has(quota("a", "configmaps=2", "configmaps=1")).has(quota(
            "b",
            "count/configmaps=2",
            "count/configmaps=1",
        ));
        let object = ConfigMap { metadata: meta("ns", "c"), ..ConfigMap::default() };
        assert_eq!(
            tried(&request, &object),
            Ok(vec![amounts("configmaps=2"), amounts("count/configmaps=2")])
        );
        assert!(may_not_be_asked::<ConfigMap>(Operation::Update));
        assert!(may_not_be_asked::<Pod>(Operation::Delete));
    }

    fn may_not_be_asked<K: Kind>(operation: Operation) -> bool {
        let request = Request::of::<K>(operation, "ns", "x");
        !may_use(&request.context())
    }
}
