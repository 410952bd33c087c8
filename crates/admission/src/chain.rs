//! The table of checks.

use crate::check::{Check, Context};
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
use corten_semantics::ApiResult;
use jiff::Timestamp;
use serde_json::Value;

/// Checks in the order in which they run.
pub struct Chain(Vec<Box<dyn Check>>);

impl Chain {
    /// These checks in this order.
    pub fn new(checks: Vec<Box<dyn Check>>) -> Self {
        Chain(checks)
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
        self.0
    }

    /// Whether a check of this name is among them.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|check| check.name() == name)
    }

    /// Upstream's names of the checks, in order.
    pub fn names(&self) -> Vec<&'static str> {
        self.0.iter().map(|check| check.name()).collect()
    }

    /// Writes what has come of calls to webhooks and of policies, as Prometheus reads it.
    pub fn write_metrics(&self, out: &mut String) {
        let calls: Vec<_> = self.0.iter().filter_map(|check| check.calls()).collect();
        webhook::write_metrics(&calls, out);
        let checks: Vec<_> = self.0.iter().filter_map(|check| check.checks()).collect();
        policy::write_metrics(&checks, out);
    }

    fn handling<'a>(&'a self, context: &'a Context<'_>) -> impl Iterator<Item = &'a dyn Check> {
        self.0.iter().map(AsRef::as_ref).filter(|check| check.handles(context))
    }

    /// Lets the checks change a new or changed object; before validation.
    ///
    /// # Errors
    /// The first refusal.
    pub async fn admit(&self, context: &Context<'_>, object: &mut Box<dyn Object>) -> ApiResult<()> {
        let rounds = Reinvocation::default();
        let context = Context { rounds: Some(&rounds), ..*context };
        self.round(&context, object).await?;
        if rounds.begin_second() { self.round(&context, object).await } else { Ok(()) }
    }

    async fn round(&self, context: &Context<'_>, object: &mut Box<dyn Object>) -> ApiResult<()> {
        for check in self.handling(context) {
            if check.replaces() {
                check.replace(context, object).await?;
            } else {
                check.admit(context, &mut **object).await?;
            }
        }
        Ok(())
    }

    /// Asks the checks about the object as it is to be stored; after validation.
    ///
    /// # Errors
    /// The first refusal.
    pub async fn validate(&self, context: &Context<'_>, object: &dyn Object) -> ApiResult<()> {
        for check in self.handling(context) {
            check.validate(context, object).await?;
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
        self.0.iter().find_map(|check| check.limited())
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
        match self.limited().filter(|_| self.charges(context)) {
            Some(limited) => resource_quota::charge(context, object, limited, now),
            None => Ok(Vec::new()),
        }
    }

    /// Asks the checks about a deletion.
    ///
    /// # Errors
    /// The first refusal.
    pub async fn delete(&self, context: &Context<'_>) -> ApiResult<()> {
        for check in self.handling(context) {
            check.delete(context).await?;
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
        loop {
            for check in self.handling(&context).filter(|check| check.replaces()) {
                check.connect(&context, options).await?;
            }
            if rounds.is_second() || !rounds.begin_second() {
                break;
            }
        }
        for check in self.handling(&context).filter(|check| !check.replaces()) {
            check.connect(&context, options).await?;
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
