//! Certificate signing requests: approves those of nodes, and has approved ones signed (upstream's
//! `csrapproving` and `csrsigning`).

use crate::Context;
use crate::shell::{Controller, wake_on};
use async_trait::async_trait;
use corten_api::certificates::v1::{CertificateSigningRequest, CertificateSigningRequestCondition};
use corten_api::{Kind, Time};
use corten_client::{Call, Client, Informer, Key, Target, WorkQueue, WriteOptions};
use corten_rt::Clock;
use corten_semantics::ApiResult;
use std::sync::Arc;
use std::time::Duration;

/// The authority behind the controller.
pub trait Signer: Send + Sync {
    /// Why a waiting request may be approved without a person, if it may.
    fn approve(&self, request: &CertificateSigningRequest) -> Option<String>;
    /// The certificate (PEM) of an approved request, or why there is none; `None` when the request is not
    /// this authority's business or not approved.
    fn sign(&self, request: &CertificateSigningRequest) -> Option<Result<String, String>>;
}

/// The controller.
pub struct Certificates {
    client: Client,
    clock: Clock,
    signer: Option<Arc<dyn Signer>>,
    requests: Informer<CertificateSigningRequest>,
}

impl Certificates {
    pub fn new(context: &Context) -> Self {
        Certificates {
            client: context.client.clone(),
            clock: context.clock,
            signer: context.settings.signer.clone(),
            requests: context.informers.of(),
        }
    }

    fn condition(&self, kind: &str, reason: &str, message: String) -> CertificateSigningRequestCondition {
        let now = Some(Time::new(self.clock.now()));
        CertificateSigningRequestCondition {
            type_: kind.into(),
            status: "True".into(),
            reason: reason.into(),
            message,
            last_update_time: now,
            last_transition_time: now,
        }
    }

    async fn write(&self, changed: CertificateSigningRequest, subresource: &'static str) -> ApiResult<()> {
        let target = Target {
            kind: CertificateSigningRequest::INFO,
            namespace: None,
            name: changed.metadata.name.clone(),
            subresource,
        };
        let call = Call::Update(Arc::new(changed), WriteOptions::default());
        match self.client.call(target, call).await {
            // The cache is behind; its next change wakes the request again.
            Err(e) if e.is_conflict() || e.is_not_found() => Ok(()),
            other => other.map(|_| ()),
        }
    }
}

#[async_trait]
impl Controller for Certificates {
    fn name(&self) -> &'static str {
        "certificates"
    }

    fn workers(&self) -> usize {
        1
    }

    fn watch(&self, queue: &WorkQueue<Key>) {
        wake_on(&self.requests, queue);
    }

    async fn synced(&self) {
        self.requests.synced().await;
    }

    async fn reconcile(&self, key: &Key) -> ApiResult<Option<Duration>> {
        let (Some(signer), Some(request)) = (&self.signer, self.requests.get(key)) else { return Ok(None) };
        if let Some(message) = signer.approve(&request) {
            let mut changed = (*request).clone();
            changed.status.conditions.push(self.condition("Approved", "AutoApproved", message));
            return self.write(changed, "approval").await.map(|()| None);
        }
        let mut changed = (*request).clone();
        match signer.sign(&request) {
            Some(Ok(certificate)) => changed.status.certificate = certificate.into_bytes(),
            Some(Err(why)) => {
                changed.status.conditions.push(self.condition("Failed", "SignerValidationFailure", why));
            }
            None => return Ok(None),
        }
        self.write(changed, "status").await.map(|()| None)
    }
}
