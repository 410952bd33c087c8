//! NamespaceAutoProvision: what is created in a namespace that is not there creates that too. Off unless
//! enabled.

use corten_admission::Operation;
use corten_api::Kind;
use corten_api::core::v1::Namespace;
use corten_api::meta::v1::ObjectMeta;
use corten_semantics::{ApiResult, Lookup};
use futures::future::BoxFuture;

use super::admit::Admission;
use super::{Registry, Reply, RequestContext, Target, WriteOptions};

impl Registry {
    /// Creates the namespace of a new object, if it is missing.
    pub(crate) async fn provide_namespace(&self, admission: &Admission<'_>) -> ApiResult<()> {
        let name = &admission.place.namespace;
        let wanted = admission.operation == Operation::Create
            && !name.is_empty()
            && admission.place.stored != Namespace::INFO
            && !admission.asked.dry_run();
        let lookup: &dyn Lookup = &*self.cache;
        if !wanted || lookup.get::<Namespace>("", name).is_some() {
            return Ok(());
        }
        let namespace = Namespace {
            metadata: ObjectMeta { name: name.clone(), ..ObjectMeta::default() },
            ..Namespace::default()
        };
        let target = Target { kind: Namespace::INFO, namespace: None, name: String::new(), subresource: "" };
        match self.create_within(admission.ctx, &target, namespace).await {
            Err(error) if !error.is_already_exists() => Err(error),
            _ => Ok(()),
        }
    }

    /// A creation inside another one.
    fn create_within<'a>(
        &'a self,
        ctx: &'a RequestContext,
        target: &'a Target,
        namespace: Namespace,
    ) -> BoxFuture<'a, ApiResult<Reply>> {
        Box::pin(async move { self.create(ctx, target, Box::new(namespace), &WriteOptions::default()).await })
    }
}
