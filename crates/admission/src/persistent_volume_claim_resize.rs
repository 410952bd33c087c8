//! PersistentVolumeClaimResize: only a bound claim grows, and only where its class says that volumes can.

use crate::check::{Check, Context, Operation};
use async_trait::async_trait;
use corten_api::Object;
use corten_api::core::v1::PersistentVolumeClaim;
use corten_api::storage::v1::StorageClass;
use corten_semantics::{ApiResult, storage_class};

pub(crate) struct PersistentVolumeClaimResize;

#[async_trait]
impl Check for PersistentVolumeClaimResize {
    fn name(&self) -> &'static str {
        "PersistentVolumeClaimResize"
    }

    fn handles(&self, context: &Context<'_>) -> bool {
        context.operation == Operation::Update && context.is_whole::<PersistentVolumeClaim>()
    }

    async fn validate(&self, context: &Context<'_>, object: &dyn Object) -> ApiResult<()> {
        let (Some(new), Some(old)) =
            (object.downcast_ref::<PersistentVolumeClaim>(), context.old::<PersistentVolumeClaim>())
        else {
            return Ok(());
        };
        let size =
            |c: &PersistentVolumeClaim| c.spec.resources.requests.get("storage").copied().unwrap_or_default();
        if size(new) <= size(old) {
            return Ok(());
        }
        if old.status.phase != "Bound" {
            let why = "Only bound persistent volume claims can be expanded";
            return Err(context.forbidden(Some(new), why));
        }
        let class = class_of(new);
        let found = context.objects.get::<StorageClass>("", class);
        let grows = !class.is_empty()
            && class == class_of(old)
            && found.is_some_and(|c| c.allow_volume_expansion == Some(true));
        if grows {
            return Ok(());
        }
        let why = "only dynamically provisioned pvc can be resized and \
                   the storageclass that provisions the pvc must support resize";
        Err(context.forbidden(Some(new), why))
    }
}

fn class_of(claim: &PersistentVolumeClaim) -> &str {
    storage_class::class_of(&claim.metadata, claim.spec.storage_class_name.as_deref()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{Request, meta};

    fn claim(size: &str, class: &str, phase: &str) -> PersistentVolumeClaim {
        let mut claim =
            PersistentVolumeClaim { metadata: meta("ns", "c"), ..PersistentVolumeClaim::default() };
        claim.spec.resources.requests.insert("storage".into(), size.parse().expect("a quantity"));
        claim.spec.storage_class_name = Some(class.into());
        claim.status.phase = phase.into();
        claim
    }

    #[tokio::test]
    async fn only_bound_claims_of_growing_classes_grow() {
        for (size, class, phase, why) in [
            ("2Gi", "growing", "Bound", None),
            ("1Gi", "fixed", "Pending", None),
            ("2Gi", "growing", "Pending", Some("Only bound persistent volume claims can be expanded")),
            (
                "2Gi",
                "fixed",
                "Bound",
                Some(
                    "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize",
                ),
            ),
            (
                "2Gi",
                "",
                "Bound",
                Some(
                    "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize",
                ),
            ),
        ] {
            let old = claim("1Gi", class, phase);
            let mut request = Request::of::<PersistentVolumeClaim>(Operation::Update, "ns", "c").old(old);
            let growing = StorageClass {
                allow_volume_expansion: Some(true),
                metadata: meta("", "growing"),
                ..StorageClass::default()
            };
            request.has(growing).has(StorageClass { metadata: meta("", "fixed"), ..StorageClass::default() });
            let result = request.validate(&PersistentVolumeClaimResize, &claim(size, class, phase)).await;
            let found = result.err().map(|e| e.to_string());
            assert_eq!(found, why.map(|w| format!("persistentvolumeclaims \"c\" is forbidden: {w}")));
        }
    }
}
