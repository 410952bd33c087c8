//! Where admission takes part in a write.

use corten_admission::{Context, Operation};
use corten_api::Object;
use corten_semantics::ApiResult;

use super::place::Place;
use super::{Registry, RequestContext, signers};

/// A write on its way through admission.
pub(crate) struct Admission<'a> {
    pub ctx: &'a RequestContext,
    pub place: &'a Place,
    pub subresource: &'static str,
    pub operation: Operation,
    pub dry_run: bool,
}

impl Admission<'_> {
    fn context<'c>(&'c self, registry: &'c Registry, old: Option<&'c dyn Object>) -> Context<'c> {
        Context {
            kind: self.place.stored,
            subresource: self.subresource,
            operation: self.operation,
            namespace: &self.place.namespace,
            name: &self.place.name,
            user: &self.ctx.user,
            dry_run: self.dry_run,
            old,
            objects: &*registry.cache,
            notes: &self.ctx.notes,
        }
    }
}

impl Registry {
    /// Lets the checks change the object.
    pub(crate) async fn mutate(
        &self,
        admission: &Admission<'_>,
        object: &mut dyn Object,
        old: Option<&dyn Object>,
    ) -> ApiResult<()> {
        self.config.admission.admit(&admission.context(self, old), object).await
    }

    /// Asks the checks about the object as it will be stored, and whether its writer may give the rights
    /// that it gives.
    pub(crate) async fn validate(
        &self,
        admission: &Admission<'_>,
        object: &dyn Object,
        old: Option<&dyn Object>,
    ) -> ApiResult<()> {
        self.check_escalation(admission.ctx, object, old)?;
        signers::check(&self.authorizer, &admission.ctx.user, admission.subresource, object, old)?;
        self.config.admission.validate(&admission.context(self, old), object).await
    }

    /// Asks the checks about a deletion.
    pub(crate) async fn validate_delete(&self, admission: &Admission<'_>, old: &dyn Object) -> ApiResult<()> {
        self.config.admission.delete(&admission.context(self, Some(old))).await
    }
}
