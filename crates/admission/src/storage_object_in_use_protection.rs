//! StorageObjectInUseProtection: volumes, claims and volume classes stay until nobody uses them.

use crate::check::{Check, Context, Operation};
use async_trait::async_trait;
use corten_api::Object;
use corten_api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use corten_api::storage::v1::VolumeAttributesClass;
use corten_semantics::ApiResult;

pub(crate) struct StorageObjectInUseProtection;

#[async_trait]
impl Check for StorageObjectInUseProtection {
    fn name(&self) -> &'static str {
        "StorageObjectInUseProtection"
    }

    fn handles(&self, context: &Context<'_>) -> bool {
        context.operation == Operation::Create
            && (context.is_whole::<PersistentVolumeClaim>()
                || context.is_whole::<PersistentVolume>()
                || context.is_whole::<VolumeAttributesClass>())
    }

    async fn admit(&self, context: &Context<'_>, object: &mut dyn Object) -> ApiResult<()> {
        let finalizer = match context.kind.plural {
            "persistentvolumes" => "kubernetes.io/pv-protection",
            "persistentvolumeclaims" => "kubernetes.io/pvc-protection",
            _ => "kubernetes.io/vac-protection",
        };
        let finalizers = &mut object.meta_mut().finalizers;
        if !finalizers.iter().any(|f| f == finalizer) {
            finalizers.push(finalizer.into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{Request, meta};

    #[tokio::test]
    async fn claims_are_protected_once() {
        let request = Request::of::<PersistentVolumeClaim>(Operation::Create, "ns", "c");
        let mut claim =
            PersistentVolumeClaim { metadata: meta("ns", "c"), ..PersistentVolumeClaim::default() };
        for _ in 0..2 {
            request.admit(&StorageObjectInUseProtection, &mut claim).await.expect("admitted");
        }
        assert_eq!(claim.metadata.finalizers, ["kubernetes.io/pvc-protection"]);
    }
}
