//! The cluster's authority, as the certificate controller uses it.

use corten_api::authentication::v1::UserInfo;
use corten_api::certificates::v1::CertificateSigningRequest;
use corten_apiserver::Registry;
use corten_auth::Attributes;
use corten_auth::csr;
use corten_auth::pki::{Inspected, Pki};
use corten_auth::token::{Reference, TokenSigner};
use corten_controllers::{Signer, TokenIssuer};
use corten_rt::Timestamp;
use std::sync::Arc;

/// Judges and signs the requests of nodes.
pub struct ClusterSigner {
    pub pki: Arc<Pki>,
    pub registry: Arc<Registry>,
}

impl Signer for ClusterSigner {
    fn approve(&self, request: &CertificateSigningRequest) -> Option<String> {
        let user = UserInfo {
            username: request.spec.username.clone(),
            uid: request.spec.uid.clone(),
            groups: request.spec.groups.clone(),
            extra: request.spec.extra.clone(),
        };
        let grounds = csr::grounds(request, &*self.registry.lookup());
        let holds = grounds.into_iter().find(|ground| {
            let attributes = Attributes {
                subresource: ground.subresource,
                ..Attributes::resource(&user, "create", "certificates.k8s.io", "certificatesigningrequests")
            };
            self.registry.authorizer().check(&attributes).is_ok()
        });
        holds.map(|ground| ground.message.to_string())
    }

    fn sign(&self, request: &CertificateSigningRequest) -> Option<Result<String, String>> {
        csr::certificate(request, &self.pki.ca, self.registry.clock().now())
    }

    fn ends(&self, certificate: &[u8]) -> Option<Timestamp> {
        let certificate = std::str::from_utf8(certificate).ok().filter(|pem| !pem.is_empty())?;
        Inspected::from_pem(certificate).ok().map(|read| read.not_after)
    }
}

/// Signs the tokens that Secrets hold.
pub struct SecretTokens(pub Arc<TokenSigner>);

impl TokenIssuer for SecretTokens {
    fn issue(&self, namespace: &str, account: (&str, &str), secret: &str) -> Result<String, String> {
        let account = Reference { name: account.0.into(), uid: account.1.into() };
        self.0.issue_legacy(namespace, &account, secret).map_err(|e| e.to_string())
    }
}
