//! Certificate signing requests: approves those of nodes, and has approved ones signed (upstream's
//! `csrapproving` and `csrsigning`).

use crate::Context;
use crate::shell::{Controller, wake_on};
use async_trait::async_trait;
use corten_api::certificates::v1::{CertificateSigningRequest, CertificateSigningRequestCondition};
use corten_api::meta::v1::Preconditions;
use corten_api::{Kind, Time};
use corten_client::{Call, Client, DeleteOptions, Informer, Key, Target, WorkQueue, WriteOptions};
use corten_rt::{Clock, Timestamp};
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
    /// When an issued certificate (PEM) ends.
    fn ends(&self, certificate: &[u8]) -> Option<Timestamp>;
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

    async fn remove(&self, request: &CertificateSigningRequest) -> ApiResult<()> {
        let preconditions = Preconditions { uid: Some(request.metadata.uid.clone()), ..Default::default() };
        let options = DeleteOptions { preconditions: Some(preconditions), ..DeleteOptions::default() };
        let api = self.client.all::<CertificateSigningRequest>();
        match api.delete(&request.metadata.name, options).await {
            Err(e) if e.is_conflict() || e.is_not_found() => Ok(()),
            other => other,
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

/// How long a request is kept that was answered, and one that was not, as upstream's cleaner keeps them.
const ANSWERED: Duration = Duration::from_secs(3600);
const WAITING: Duration = Duration::from_secs(24 * 3600);

/// When a request is to be removed; `end` is that of its certificate.
fn due(request: &CertificateSigningRequest, end: Option<Timestamp>) -> Option<Timestamp> {
    let status = &request.status;
    let after = |time: Option<Time>, span: Duration| time?.0.checked_add(span).ok();
    if status.conditions.is_empty() {
        return after(request.metadata.creation_timestamp, WAITING).into_iter().chain(end).min();
    }
    let by_condition = status.conditions.iter().filter_map(|condition| {
        let span = match condition.type_.as_str() {
            "Approved" if status.certificate.is_empty() => WAITING,
            "Approved" | "Denied" | "Failed" => ANSWERED,
            _ => return None,
        };
        after(condition.last_update_time, span)
    });
    by_condition.chain(end).min()
}

#[async_trait]
impl Controller for Certificates {
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
        let waits = due(&request, signer.ends(&request.status.certificate))
            .map(|due| due.duration_since(self.clock.now()).try_into().unwrap_or(Duration::ZERO));
        if waits == Some(Duration::ZERO) {
            return self.remove(&request).await.map(|()| None);
        }
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
            None => return Ok(waits),
        }
        self.write(changed, "status").await.map(|()| None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_kept_as_long_as_upstream_keeps_them() {
        let at = |second: i64| Timestamp::from_second(second).expect("a time");
        let hour = 3600;
        for (condition, issued, end, want) in [
            (None, false, None, Some(24 * hour)),
            (Some("Approved"), false, None, Some(100 + 24 * hour)),
            (Some("Approved"), true, None, Some(100 + hour)),
            (Some("Approved"), true, Some(700), Some(700)),
            (Some("Denied"), false, None, Some(100 + hour)),
            (Some("Failed"), false, None, Some(100 + hour)),
            (Some("Mine"), false, None, None),
        ] {
            let mut request = CertificateSigningRequest::default();
            request.metadata.creation_timestamp = Some(Time::new(at(0)));
            request.status.conditions.extend(condition.map(|type_| CertificateSigningRequestCondition {
                type_: type_.into(),
                last_update_time: Some(Time::new(at(100))),
                ..Default::default()
            }));
            if issued {
                request.status.certificate = b"x".to_vec();
            }
            let got = due(&request, end.map(at)).map(Timestamp::as_second);
            assert_eq!(got, want, "{condition:?} {issued}");
        }
    }
}
