//! NamespaceExists: nothing is written into, or deleted from, a namespace that is not there. Off unless
//! enabled; NamespaceLifecycle does more.

use crate::check::{Check, Context, Operation};
use async_trait::async_trait;
use corten_api::core::v1::Namespace;
use corten_api::{Kind, Object};
use corten_semantics::{ApiError, ApiResult};

pub(crate) struct NamespaceExists;

fn exists(context: &Context<'_>) -> ApiResult<()> {
    match context.objects.get::<Namespace>("", context.namespace) {
        Some(_) => Ok(()),
        None => Err(ApiError::not_found(Namespace::INFO, context.namespace)),
    }
}

#[async_trait]
impl Check for NamespaceExists {
    fn name(&self) -> &'static str {
        "NamespaceExists"
    }

    fn handles(&self, context: &Context<'_>) -> bool {
        context.operation != Operation::Connect
            && !context.namespace.is_empty()
            && !context.is_for::<Namespace>()
    }

    async fn validate(&self, context: &Context<'_>, _: &dyn Object) -> ApiResult<()> {
        exists(context)
    }

    async fn delete(&self, context: &Context<'_>) -> ApiResult<()> {
        exists(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{Request, meta, pod};
    use corten_api::core::v1::Pod;

    #[tokio::test]
    async fn the_namespace_must_be_there() {
        let mut request = Request::of::<Pod>(Operation::Delete, "ns", "p");
        assert!(request.delete(&NamespaceExists).await.is_err_and(|e| e.is_not_found()));
        request.has(Namespace { metadata: meta("", "ns"), ..Namespace::default() });
        request.delete(&NamespaceExists).await.expect("there");
        let other = Request::of::<Pod>(Operation::Create, "other", "p");
        assert!(other.validate(&NamespaceExists, &pod("p")).await.is_err());
    }
}
