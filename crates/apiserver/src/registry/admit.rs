//! Where admission takes part in a write.

use corten_api::Object;
use corten_semantics::ApiResult;

use super::place::Place;
use super::{Registry, RequestContext};

/// What is about to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Create,
    Update,
    Delete,
    Connect,
}

/// A write on its way through admission.
pub(crate) struct Admission<'a> {
    pub ctx: &'a RequestContext,
    pub place: &'a Place,
    pub subresource: &'static str,
    pub operation: Operation,
    pub dry_run: bool,
}

impl Registry {
    /// Lets the mutating checks change the object.
    pub(crate) async fn mutate(
        &self,
        _admission: &Admission<'_>,
        _object: &mut Box<dyn Object>,
        _old: Option<&dyn Object>,
    ) -> ApiResult<()> {
        Ok(())
    }

    /// Asks the validating checks. No object on deletion.
    pub(crate) async fn validate(
        &self,
        _admission: &Admission<'_>,
        _object: Option<&dyn Object>,
        _old: Option<&dyn Object>,
    ) -> ApiResult<()> {
        Ok(())
    }
}
