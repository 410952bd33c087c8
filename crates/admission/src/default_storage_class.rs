//! DefaultStorageClass: a claim that names no class gets the default one, if there is one.

use crate::check::{Check, Context, Operation};
use async_trait::async_trait;
use corten_api::core::v1::PersistentVolumeClaim;
use corten_api::storage::v1::StorageClass;
use corten_api::{Kind, Object};
use corten_semantics::ApiResult;
use corten_semantics::storage_class::class_of;
use std::cmp::Reverse;
use std::sync::Arc;

const IS_DEFAULT: [&str; 2] =
    ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"];

pub(crate) struct DefaultStorageClass;

#[async_trait]
impl Check for DefaultStorageClass {
    fn name(&self) -> &'static str {
        "DefaultStorageClass"
    }

    fn handles(&self, context: &Context<'_>) -> bool {
        context.operation == Operation::Create && context.is_whole::<PersistentVolumeClaim>()
    }

    async fn admit(&self, context: &Context<'_>, object: &mut dyn Object) -> ApiResult<()> {
        if let Some(claim) = object.downcast_mut::<PersistentVolumeClaim>()
            && class_of(&claim.metadata, claim.spec.storage_class_name.as_deref()).is_none()
        {
            claim.spec.storage_class_name = newest_default::<StorageClass>(context, &IS_DEFAULT);
        }
        Ok(())
    }
}

/// The newest of the classes that one of these annotations marks as the default; the first by name of several.
pub(crate) fn newest_default<K: Kind>(context: &Context<'_>, marks: &[&str]) -> Option<String> {
    let is_default = |class: &Arc<K>| {
        let annotations = &class.meta().annotations;
        marks.iter().any(|mark| annotations.get(*mark).is_some_and(|v| v == "true"))
    };
    let all = context.objects.list::<K>("");
    let order = |class: &Arc<K>| (Reverse(class.meta().creation_timestamp), class.meta().name.clone());
    all.into_iter().filter(is_default).min_by_key(order).map(|class| class.meta().name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{Request, meta};

    fn class(name: &str, made: &str, default: &str) -> StorageClass {
        let mut class = StorageClass { metadata: meta("", name), ..StorageClass::default() };
        class.metadata.creation_timestamp = made.parse().ok();
        class.metadata.annotations.insert(IS_DEFAULT[0].into(), default.into());
        class
    }

    #[tokio::test]
    async fn the_newest_default_is_taken() {
        let old = class("old", "2026-01-01T00:00:00Z", "true");
        let new = class("new", "2026-01-02T00:00:00Z", "true");
        let twin = class("another", "2026-01-02T00:00:00Z", "true");
        let newer = class("newer", "2026-01-03T00:00:00Z", "false");
        for (classes, own, expected) in [
            (vec![], None, None),
            (vec![newer.clone()], None, None),
            (vec![old.clone(), new.clone(), newer], None, Some("new")),
            (vec![old.clone(), new, twin], None, Some("another")),
            (vec![old.clone()], Some("mine"), Some("mine")),
            (vec![old], Some(""), Some("")),
        ] {
            let mut request = Request::of::<PersistentVolumeClaim>(Operation::Create, "ns", "c");
            for class in classes {
                request.has(class);
            }
            let mut claim = PersistentVolumeClaim::default();
            claim.spec.storage_class_name = own.map(String::from);
            request.admit(&DefaultStorageClass, &mut claim).await.expect("admitted");
            assert_eq!(claim.spec.storage_class_name.as_deref(), expected);
        }
    }
}
