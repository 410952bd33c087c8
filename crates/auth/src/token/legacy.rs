//! Tokens of Secrets of type `kubernetes.io/service-account-token`: without end and audience, good as long as
//! the Secret holds them.

use super::{Claims, Reference, Subject, TokenError, TokenSigner};
use corten_semantics::identity;
use serde::{Deserialize, Serialize};

/// Who issues them, in every cluster.
pub(super) const ISSUER: &str = "kubernetes/serviceaccount";

#[derive(Serialize, Deserialize)]
struct Payload {
    iss: String,
    #[serde(rename = "kubernetes.io/serviceaccount/namespace", default)]
    namespace: String,
    #[serde(rename = "kubernetes.io/serviceaccount/secret.name", default)]
    secret: String,
    #[serde(rename = "kubernetes.io/serviceaccount/service-account.name", default)]
    account: String,
    #[serde(rename = "kubernetes.io/serviceaccount/service-account.uid", default)]
    uid: String,
    #[serde(default)]
    sub: String,
}

impl TokenSigner {
    /// The token that the Secret of that name holds for a service account.
    ///
    /// # Errors
    /// When signing fails.
    pub fn issue_legacy(
        &self,
        namespace: &str,
        account: &Reference,
        secret: &str,
    ) -> Result<String, TokenError> {
        self.sign(&Payload {
            iss: ISSUER.into(),
            namespace: namespace.into(),
            secret: secret.into(),
            account: account.name.clone(),
            uid: account.uid.clone(),
            sub: identity::service_account_user(namespace, &account.name),
        })
    }

    pub(super) fn verify_legacy(&self, token: &str) -> Result<Claims, TokenError> {
        let payload: Payload = self.decode(token)?;
        let said = [&payload.namespace, &payload.secret, &payload.account, &payload.uid];
        let subject = identity::service_account_user(&payload.namespace, &payload.account);
        if said.iter().any(|text| text.is_empty()) || payload.sub != subject {
            return Err(TokenError::Malformed);
        }
        let secret = Some(Reference { name: payload.secret, uid: String::new() });
        let serviceaccount = Reference { name: payload.account, uid: payload.uid };
        Ok(Claims {
            audiences: Vec::new(),
            id: String::new(),
            subject: Subject { namespace: payload.namespace, secret, serviceaccount, ..Subject::default() },
            expires: None,
            not_before: None,
            issued: None,
            legacy: true,
        })
    }
}
