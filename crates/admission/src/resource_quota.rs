//! ResourceQuota: what a write uses is charged to the quotas of its namespace, or the write is refused. The
//! charge is a set of quotas to be written in the object's own transaction; so nothing is ever used that was
//! not charged, and nothing is charged that was not written.

mod limited;

pub use limited::Limited;

use crate::check::{Check, Context, Operation};
use corten_api::core::v1::{
    PersistentVolumeClaim, Pod, ResourceQuota, ScopedResourceSelectorRequirement as Scope,
};
use corten_api::{Object, Quantity};
use corten_semantics::quota::{
    Measure, add, attributes_classes, exceeded, increase, mask, missing_constraints, negative, resource_of,
    same, scopes,
};
use corten_semantics::resources::ResourceList;
use corten_semantics::{ApiError, ApiResult};
use jiff::Timestamp;
use std::sync::Arc;

pub(crate) const NAME: &str = "ResourceQuota";

/// Stands in the table, last; the registry asks for the charge when all checks are done.
#[derive(Default)]
pub(crate) struct ResourceQuotaCheck(pub Limited);

impl Check for ResourceQuotaCheck {
    fn name(&self) -> &'static str {
        NAME
    }

    fn handles(&self, _: &Context<'_>) -> bool {
        false
    }

    fn limited(&self) -> Option<&Limited> {
        Some(&self.0)
    }
}

/// The quotas to be written along with the object, their use raised by what it uses.
///
/// # Errors
/// 403 when a quota does not allow it, or none covers what is `limited`.
pub(crate) fn charge(
    context: &Context<'_>,
    object: &dyn Object,
    limited: &Limited,
    now: Timestamp,
) -> ApiResult<Vec<ResourceQuota>> {
    if !may_use(context) {
        return Ok(Vec::new());
    }
    let quotas = context.objects.list::<ResourceQuota>(context.namespace);
    if quotas.is_empty() && limited.is_empty() {
        return Ok(Vec::new());
    }
    let resource = resource_of(context.kind);
    match Measure::of(&resource) {
        Some(measure) if changes_use(context, measure, object) => {
            Charge { context, measure, object, limited, now }.to(&quotas)
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
    limited: &'a Limited,
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
        self.check_covered(quotas, &concerned, (&used, more.as_ref()))?;
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

    /// What may only be used where a quota says how much.
    fn check_covered(
        &self,
        quotas: &[Arc<ResourceQuota>],
        concerned: &[&Arc<ResourceQuota>],
        (used, more): (&ResourceList, Option<&ResourceList>),
    ) -> ApiResult<()> {
        if self.limited.is_empty() || more.unwrap_or(used).values().all(Quantity::is_zero) {
            return Ok(());
        }
        let mut names = self.limited.names(&resource_of(self.context.kind), used);
        names.retain(|name| !concerned.iter().any(|q| q.status.hard.contains_key(*name)));
        if !names.is_empty() {
            let names: Vec<&str> = names.into_iter().collect();
            return Err(self.refused(&format!("insufficient quota to consume: {}", names.join(","))));
        }
        let mut uncovered = self.limited.scopes(self.measure, self.object);
        let about: Vec<_> = quotas.iter().flat_map(|quota| scopes(&quota.spec)).collect();
        let covering =
            |scope: &&_| about.iter().any(|s| covers(s, scope) && self.measure.in_scope(s, self.object));
        uncovered.retain(|scope| !covering(scope));
        if uncovered.is_empty() {
            return Ok(());
        }
        // Upstream's refusal is an error of no particular sort here.
        let why = format!("insufficient quota to match these scopes: [{}]", limited::listed(&uncovered));
        Err(ApiError::new(500, "", why))
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

/// Whether a quota's scope is of the limited one's sort.
fn covers(scope: &Scope, limited: &Scope) -> bool {
    scope.scope_name == limited.scope_name
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
    use serde_json::json;

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
        match charge(&request.context(), object, &Limited::default(), now) {
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
    fn what_is_limited_has_to_be_covered() {
        let limited = Limited::configured(&json!({"limitedResources": [
            {"resource": "pods", "matchContains": ["cpu"], "matchScopes": [
                {"scopeName": "PriorityClass", "operator": "In", "values": ["high", "higher"]}
            ]},
            {"apiGroup": "apps", "resource": "pods", "matchContains": ["memory"]}
        ]}))
        .expect("valid");
        let with_class = |name: &str, class: &str| {
            let mut quota = quota(name, "pods=5", "pods=0");
            quota.spec.scope_selector.get_or_insert_default().match_expressions = vec![Scope {
                scope_name: "PriorityClass".into(),
                operator: "In".into(),
                values: vec![class.into()],
            }];
            quota
        };
        let scopes = "insufficient quota to match these scopes: [{PriorityClass In [high higher]}]";
        for (quotas, requests, class, want) in [
            (vec![], "memory=1", "", Ok(0)),
            (
                vec![],
                "cpu=1",
                "",
                Err("pods \"p\" is forbidden: insufficient quota to consume: cpu,requests.cpu"),
            ),
            (
                vec![quota("q", "cpu=2", "cpu=0")],
                "cpu=1",
                "",
                Err("pods \"p\" is forbidden: insufficient quota to consume: requests.cpu"),
            ),
            (vec![quota("q", "cpu=2 requests.cpu=2", "cpu=0 requests.cpu=0")], "cpu=1", "", Ok(1)),
            (vec![], "", "high", Err(scopes)),
            (vec![quota("q", "pods=5", "pods=0")], "", "high", Err(scopes)),
            (vec![with_class("q", "higher")], "", "high", Err(scopes)),
            (vec![with_class("q", "high")], "", "high", Ok(1)),
        ] {
            let mut request = Request::of::<Pod>(Operation::Create, "ns", "p");
            for quota in quotas {
                request.has(quota);
            }
            let mut pod = pod("p");
            pod.spec.containers[0].resources.requests = amounts(requests);
            pod.spec.priority_class_name = class.into();
            let charged = charge(&request.context(), &pod, &limited, Timestamp::UNIX_EPOCH);
            let got = charged.map(|quotas| quotas.len()).map_err(|e| e.to_string());
            assert_eq!(got, want.map_err(str::to_string), "{requests} {class}");
        }
        let nameless = Limited::configured(&json!({"limitedResources": [{"apiGroup": "apps"}]}));
        assert_eq!(nameless.err().as_deref(), Some("limitedResources[0].resource: Required value"));
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
