//! The table of checks.

use crate::check::{Check, Context};
use crate::durations::{self, Durations, Step};
use crate::plugins::ByServer;
use crate::reinvocation::Reinvocation;
use crate::{
    certificate_subject_restriction, default_ingress_class, default_storage_class,
    default_toleration_seconds, limit_ranger, namespace_lifecycle, node_restriction,
    persistent_volume_claim_resize, pod_security, pod_topology_labels, policy, priority, resource_quota,
    runtime_class, service_account, taint_nodes, webhook,
};
use corten_api::core::v1::ResourceQuota;
use corten_api::{Kind, Object};
use corten_metrics::Text;
use corten_rt::Instant;
use corten_semantics::ApiResult;
use jiff::Timestamp;
use serde_json::Value;

/// Checks in the order in which they run.
pub struct Chain {
    checks: Vec<Timed>,
    steps: Durations,
}

/// A check, and how long it takes.
struct Timed {
    check: Box<dyn Check>,
    admits: bool,
    validates: bool,
    times: Durations,
}

impl Timed {
    fn new(check: Box<dyn Check>) -> Self {
        let takes_part = |step| durations::takes_part(check.name(), step);
        let (admits, validates) = (takes_part(Step::Admit), takes_part(Step::Validate));
        Timed { check, admits, validates, times: Durations::default() }
    }

    /// Counts its part in a step.
    fn told(
        &self,
        step: Step,
        context: &Context<'_>,
        begun: Instant,
        result: ApiResult<()>,
    ) -> ApiResult<()> {
        if if step == Step::Admit { self.admits } else { self.validates } {
            self.times.count(step, context.operation, result.is_err(), begun);
        }
        result
    }
}

impl Chain {
    /// These checks in this order.
    pub fn new(checks: Vec<Box<dyn Check>>) -> Self {
        Chain { checks: checks.into_iter().map(Timed::new).collect(), steps: Durations::default() }
    }

    /// The checks that are on by default, in upstream's order.
    pub fn standard() -> Self {
        Chain::new(vec![
            Box::new(namespace_lifecycle::NamespaceLifecycle),
            Box::new(limit_ranger::LimitRanger),
            Box::new(service_account::ServiceAccountCheck),
            Box::new(node_restriction::NodeRestriction),
            Box::new(taint_nodes::TaintNodesByCondition),
            Box::new(pod_security::PodSecurity::default()),
            Box::new(priority::Priority),
            Box::new(default_toleration_seconds::DefaultTolerationSeconds),
            Box::new(default_storage_class::DefaultStorageClass),
            Box::new(persistent_volume_claim_resize::PersistentVolumeClaimResize),
            Box::new(runtime_class::RuntimeClassCheck),
            Box::new(ByServer("CertificateApproval")),
            Box::new(ByServer("CertificateSigning")),
            Box::new(certificate_subject_restriction::CertificateSubjectRestriction),
            Box::new(default_ingress_class::DefaultIngressClass),
            Box::new(pod_topology_labels::PodTopologyLabels),
            Box::new(webhook::MutatingWebhooks::new()),
            Box::new(policy::ValidatingAdmissionPolicies::new()),
            Box::new(webhook::ValidatingWebhooks::new()),
            Box::new(resource_quota::ResourceQuotaCheck::default()),
        ])
    }

    pub(crate) fn into_checks(self) -> Vec<Box<dyn Check>> {
        self.checks.into_iter().map(|timed| timed.check).collect()
    }

    fn all(&self) -> impl Iterator<Item = &dyn Check> {
        self.checks.iter().map(|timed| &*timed.check)
    }

    /// Whether a check of this name is among them.
    pub fn has(&self, name: &str) -> bool {
        self.all().any(|check| check.name() == name)
    }

    /// Upstream's names of the checks, in order.
    pub fn names(&self) -> Vec<&'static str> {
        self.all().map(Check::name).collect()
    }

    /// Writes what has come of calls to webhooks and of policies, and how long each check took.
    pub fn write_metrics(&self, out: &mut Text) {
        durations::write(
            &self.steps,
            self.checks.iter().map(|timed| (timed.check.name(), &timed.times)),
            out,
        );
        let calls: Vec<_> = self.all().filter_map(Check::calls).collect();
        webhook::write_metrics(&calls, out);
        let checks: Vec<_> = self.all().filter_map(Check::checks).collect();
        policy::write_metrics(&checks, out);
        self.all().for_each(|check| check.write_metrics(out));
    }

    fn handling<'a>(&'a self, context: &'a Context<'_>) -> impl Iterator<Item = &'a Timed> {
        self.checks.iter().filter(|timed| timed.check.handles(context))
    }

    /// Counts a whole step.
    fn told(
        &self,
        step: Step,
        context: &Context<'_>,
        begun: Instant,
        result: ApiResult<()>,
    ) -> ApiResult<()> {
        self.steps.count(step, context.operation, result.is_err(), begun);
        result
    }

    /// Lets the checks change a new or changed object; before validation.
    ///
    /// # Errors
    /// The first refusal.
    pub async fn admit(&self, context: &Context<'_>, object: &mut Box<dyn Object>) -> ApiResult<()> {
        let begun = Instant::now();
        let rounds = Reinvocation::default();
        let context = Context { rounds: Some(&rounds), ..*context };
        let mut result = self.round(&context, object).await;
        if result.is_ok() && rounds.begin_second() {
            result = self.round(&context, object).await;
        }
        self.told(Step::Admit, &context, begun, result)
    }

    async fn round(&self, context: &Context<'_>, object: &mut Box<dyn Object>) -> ApiResult<()> {
        for timed in self.handling(context) {
            let begun = Instant::now();
            let result = match timed.check.replaces() {
                true => timed.check.replace(context, object).await,
                false => timed.check.admit(context, &mut **object).await,
            };
            timed.told(Step::Admit, context, begun, result)?;
        }
        Ok(())
    }

    /// Asks the checks about the object as it is to be stored; after validation.
    ///
    /// # Errors
    /// The first refusal.
    pub async fn validate(&self, context: &Context<'_>, object: &dyn Object) -> ApiResult<()> {
        let begun = Instant::now();
        let result = self.judge(context, object).await;
        self.told(Step::Validate, context, begun, result)
    }

    async fn judge(&self, context: &Context<'_>, object: &dyn Object) -> ApiResult<()> {
        for timed in self.handling(context) {
            let begun = Instant::now();
            let result = timed.check.validate(context, object).await;
            timed.told(Step::Validate, context, begun, result)?;
        }
        Ok(())
    }

    /// Whether quotas are charged, and this write can use more of its namespace's.
    pub fn charges(&self, context: &Context<'_>) -> bool {
        resource_quota::may_use(context)
            && self.limited().is_some_and(|limited| {
                !limited.is_empty()
                    || !context.objects.objects(ResourceQuota::INFO, context.namespace).is_empty()
            })
    }

    /// What needs a quota to cover it; `None` where quotas are not asked about.
    fn limited(&self) -> Option<&resource_quota::Limited> {
        self.all().find_map(Check::limited)
    }

    /// The quotas to be written along with the object, charged for it; after all checks.
    ///
    /// # Errors
    /// 403 when a quota does not allow it.
    pub fn charge(
        &self,
        context: &Context<'_>,
        object: &dyn Object,
        now: Timestamp,
    ) -> ApiResult<Vec<ResourceQuota>> {
        let Some(limited) = self.limited().filter(|_| self.charges(context)) else { return Ok(Vec::new()) };
        let begun = Instant::now();
        let charged = resource_quota::charge(context, object, limited, now);
        if let Some(quotas) = self.checks.iter().find(|timed| timed.check.limited().is_some()) {
            quotas.times.count(Step::Validate, context.operation, charged.is_err(), begun);
        }
        charged
    }

    /// Asks the checks about a deletion; those that may change writes first.
    ///
    /// # Errors
    /// The first refusal.
    pub async fn delete(&self, context: &Context<'_>) -> ApiResult<()> {
        for step in [Step::Admit, Step::Validate] {
            let begun = Instant::now();
            let result = self.judge_deletion(context, step).await;
            self.told(step, context, begun, result)?;
        }
        Ok(())
    }

    async fn judge_deletion(&self, context: &Context<'_>, step: Step) -> ApiResult<()> {
        let first = step == Step::Admit;
        for timed in self.handling(context).filter(|timed| timed.validates != first) {
            let begun = Instant::now();
            let result = timed.check.delete(context).await;
            timed.told(step, context, begun, result)?;
        }
        Ok(())
    }

    /// Asks the checks about a connection; those that may change it first.
    ///
    /// # Errors
    /// The first refusal.
    pub async fn connect(&self, context: &Context<'_>, options: &mut Value) -> ApiResult<()> {
        let rounds = Reinvocation::default();
        let context = Context { rounds: Some(&rounds), ..*context };
        let begun = Instant::now();
        let mut result = self.judge_connection(&context, options, Step::Admit).await;
        if result.is_ok() && rounds.begin_second() {
            result = self.judge_connection(&context, options, Step::Admit).await;
        }
        self.told(Step::Admit, &context, begun, result)?;
        let begun = Instant::now();
        let result = self.judge_connection(&context, options, Step::Validate).await;
        self.told(Step::Validate, &context, begun, result)
    }

    async fn judge_connection(
        &self,
        context: &Context<'_>,
        options: &mut Value,
        step: Step,
    ) -> ApiResult<()> {
        let changes = step == Step::Admit;
        for timed in self.handling(context).filter(|timed| timed.check.replaces() == changes) {
            let begun = Instant::now();
            let result = timed.check.connect(context, options).await;
            timed.told(step, context, begun, result)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_upstreams() {
        assert_eq!(
            Chain::standard().names(),
            [
                "NamespaceLifecycle",
                "LimitRanger",
                "ServiceAccount",
                "NodeRestriction",
                "TaintNodesByCondition",
                "PodSecurity",
                "Priority",
                "DefaultTolerationSeconds",
                "DefaultStorageClass",
                "PersistentVolumeClaimResize",
                "RuntimeClass",
                "CertificateApproval",
                "CertificateSigning",
                "CertificateSubjectRestriction",
                "DefaultIngressClass",
                "PodTopologyLabels",
                "MutatingAdmissionWebhook",
                "ValidatingAdmissionPolicy",
                "ValidatingAdmissionWebhook",
                "ResourceQuota"
            ]
        );
    }
}
