//! The table of checks.

use crate::check::{Check, Context};
use crate::{
    certificate_subject_restriction, default_ingress_class, default_storage_class,
    default_toleration_seconds, limit_ranger, namespace_lifecycle, node_restriction,
    persistent_volume_claim_resize, priority, runtime_class, service_account, taint_nodes,
};
use corten_api::Object;
use corten_semantics::ApiResult;

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
            Box::new(priority::Priority),
            Box::new(default_toleration_seconds::DefaultTolerationSeconds),
            Box::new(default_storage_class::DefaultStorageClass),
            Box::new(persistent_volume_claim_resize::PersistentVolumeClaimResize),
            Box::new(runtime_class::RuntimeClassCheck),
            Box::new(certificate_subject_restriction::CertificateSubjectRestriction),
            Box::new(default_ingress_class::DefaultIngressClass),
        ])
    }

    /// Upstream's names of the checks, in order.
    pub fn names(&self) -> Vec<&'static str> {
        self.0.iter().map(|check| check.name()).collect()
    }

    fn handling<'a>(&'a self, context: &'a Context<'_>) -> impl Iterator<Item = &'a dyn Check> {
        self.0.iter().map(AsRef::as_ref).filter(|check| check.handles(context))
    }

    /// Lets the checks change a new or changed object; before validation.
    ///
    /// # Errors
    /// The first refusal.
    pub async fn admit(&self, context: &Context<'_>, object: &mut dyn Object) -> ApiResult<()> {
        for check in self.handling(context) {
            check.admit(context, object).await?;
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
                "Priority",
                "DefaultTolerationSeconds",
                "DefaultStorageClass",
                "PersistentVolumeClaimResize",
                "RuntimeClass",
                "CertificateSubjectRestriction",
                "DefaultIngressClass"
            ]
        );
    }
}
