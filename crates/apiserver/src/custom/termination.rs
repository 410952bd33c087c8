//! The end of a definition: first its objects go, then its finalizer, and with it the definition.

use std::time::Duration;

use corten_api::Time;
use corten_api::apiextensions::v1::CustomResourceDefinition;
use corten_client::Target;
use corten_semantics::{ApiError, ApiResult};

use super::definitions::Definitions;
use super::status;
use crate::registry::{DeleteOptions, ListOptions};

/// Keeps a definition until its objects are gone.
pub(crate) const FINALIZER: &str = "customresourcecleanup.apiextensions.k8s.io";
/// How soon it is looked for objects again that wait for finalizers of their own.
const AGAIN: Duration = Duration::from_millis(500);
const APPROVAL: &str = "api-approved.kubernetes.io";

/// A definition that somebody deletes: it stays until its objects are gone.
pub(crate) fn marked(crd: &CustomResourceDefinition, now: Time) -> CustomResourceDefinition {
    let mut crd = crd.clone();
    crd.metadata.deletion_timestamp = Some(now);
    if crd.metadata.finalizers.iter().all(|f| f != FINALIZER) {
        crd.metadata.finalizers.push(FINALIZER.into());
    }
    let pending = status::condition(
        "Terminating",
        true,
        "InstanceDeletionPending",
        "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon",
    );
    status::set(&mut crd, pending, now);
    crd
}

impl Definitions {
    /// One step on a definition's way out.
    pub(super) async fn terminate(
        &mut self,
        mut crd: CustomResourceDefinition,
    ) -> ApiResult<Option<Duration>> {
        if crd.metadata.finalizers.iter().all(|f| f != FINALIZER) {
            return Ok(None);
        }
        let now = Time::new(self.registry.clock().now());
        let going =
            status::find(&crd, "Terminating").is_some_and(|c| c.reason == "InstanceDeletionInProgress");
        if status::is_true(&crd, "Terminating") && !going {
            let message = "CustomResource deletion is in progress";
            let condition = status::condition("Terminating", true, "InstanceDeletionInProgress", message);
            status::set(&mut crd, condition, now);
            return missing_is_fine(self.update_status(crd).await);
        }
        if status::is_true(&crd, "Terminating") {
            let condition = if !status::is_true(&crd, "Established") {
                status::condition("Terminating", false, "NeverEstablished", "resource was never established")
            } else if self.clear(&crd).await? {
                status::condition("Terminating", false, "InstanceDeletionCompleted", "removed all instances")
            } else {
                return Ok(Some(AGAIN));
            };
            status::set(&mut crd, condition, now);
            return missing_is_fine(self.update_status(crd).await);
        }
        crd.metadata.finalizers.retain(|f| f != FINALIZER);
        missing_is_fine(self.write(crd, "").await)
    }

    /// Deletes the objects; whether none is left.
    async fn clear(&self, crd: &CustomResourceDefinition) -> ApiResult<bool> {
        // As they are stored: nobody needs to convert what goes.
        let Some(kind) = self.registry.custom.stored_of(&crd.metadata.name) else { return Ok(true) };
        let all = Target { kind, namespace: None, name: String::new(), subresource: "" };
        let (list, delete) = (ListOptions::default(), DeleteOptions::default());
        self.registry.delete_collection(&self.context, &all, &list, &delete).await?;
        let left = self.registry.list(&self.context, &all, &ListOptions { limit: 1, ..list }).await?;
        Ok(left.items.is_empty())
    }
}

/// What somebody else has changed meanwhile comes as a change of its own.
fn missing_is_fine(outcome: ApiResult<()>) -> ApiResult<Option<Duration>> {
    match outcome {
        Err(e) if e.is_conflict() || e.is_not_found() => Ok(None),
        other => other.map(|()| None).map_err(|e: ApiError| e),
    }
}

/// Groups of the community need an approval, and say whether they have it.
pub(super) fn conformance(crd: &mut CustomResourceDefinition, now: Time) {
    let group = crd.spec.group.as_str();
    let protected =
        ["k8s.io", "kubernetes.io"].iter().any(|g| group == *g || group.ends_with(&format!(".{g}")));
    if !protected {
        return;
    }
    let type_ = "KubernetesAPIApprovalPolicyConformant";
    let told = crd.metadata.annotations.get(APPROVAL).map_or("", String::as_str);
    let new = if told.is_empty() {
        let message = "protected groups must have approval annotation \"api-approved.kubernetes.io\", see https://github.com/kubernetes/enhancements/pull/1111";
        status::condition(type_, false, "MissingAnnotation", message)
    } else if told.starts_with("unapproved") {
        status::condition(type_, false, "UnapprovedAnnotation", &format!("not approved: {told:?}"))
    } else {
        status::condition(type_, true, "ApprovedAnnotation", &format!("approved in {told}"))
    };
    let same = status::find(crd, type_)
        .is_some_and(|c| (&c.status, &c.reason, &c.message) == (&new.status, &new.reason, &new.message));
    if !same {
        status::set(crd, new, now);
    }
}
