//! Secrets of type `kubernetes.io/service-account-token` are given the token of the service account that they
//! name, and go with it (upstream's `tokens-controller`).

use crate::Context;
use crate::shell::{Controller, wake_by, wake_on};
use async_trait::async_trait;
use corten_api::core::v1::{Secret, ServiceAccount};
use corten_api::meta::v1::Preconditions;
use corten_client::{Client, DeleteOptions, Informer, Key, WatchOptions, WorkQueue};
use corten_semantics::ApiResult;
use std::sync::Arc;
use std::time::Duration;

const TYPE: &str = "kubernetes.io/service-account-token";
const ACCOUNT: &str = "kubernetes.io/service-account.name";
const ACCOUNT_UID: &str = "kubernetes.io/service-account.uid";

/// Signs the tokens.
pub trait TokenIssuer: Send + Sync {
    /// The token of a service account, by name and UID, that the Secret of that name holds.
    ///
    /// # Errors
    /// When signing fails.
    fn issue(&self, namespace: &str, account: (&str, &str), secret: &str) -> Result<String, String>;
}

/// The controller.
pub struct ServiceAccountTokens {
    client: Client,
    issuer: Option<Arc<dyn TokenIssuer>>,
    root_ca: String,
    secrets: Informer<Secret>,
    accounts: Informer<ServiceAccount>,
}

/// What is to be done with a Secret.
#[derive(Debug, PartialEq)]
enum Plan {
    Leave,
    /// Its account is gone, or is another one of the name.
    Delete,
    Fill(Box<Secret>),
}

impl ServiceAccountTokens {
    pub fn new(context: &Context) -> Self {
        let options = WatchOptions { field_selector: format!("type={TYPE}"), ..WatchOptions::default() };
        let secrets = Informer::start(context.client.all(), options, context.informers.tasks());
        ServiceAccountTokens {
            client: context.client.clone(),
            issuer: context.settings.token_issuer.clone(),
            root_ca: context.settings.root_ca.clone(),
            secrets,
            accounts: context.informers.of(),
        }
    }
}

fn annotation<'a>(secret: &'a Secret, key: &str) -> &'a str {
    secret.metadata.annotations.get(key).map_or("", String::as_str)
}

/// Decides by the account as it is now.
fn plan(
    secret: &Secret,
    account: Option<&ServiceAccount>,
    root_ca: &str,
    issuer: &dyn TokenIssuer,
) -> Result<Plan, String> {
    let claimed = annotation(secret, ACCOUNT_UID);
    let Some(account) = account.filter(|a| claimed.is_empty() || claimed == a.metadata.uid) else {
        return Ok(Plan::Delete);
    };
    let mut filled = secret.clone();
    let namespace = &secret.metadata.namespace;
    for (key, value) in [("ca.crt", root_ca), ("namespace", namespace)] {
        let (have, want) = (filled.data.get(key), value.as_bytes());
        // What was put there as the namespace stays.
        if have.is_none() || key == "ca.crt" && have.is_some_and(|have| have != want) {
            filled.data.insert(key.into(), want.to_vec());
        }
    }
    if filled.data.get("token").is_none_or(Vec::is_empty) {
        let whose = (account.metadata.name.as_str(), account.metadata.uid.as_str());
        let token = issuer.issue(namespace, whose, &secret.metadata.name)?;
        filled.data.insert("token".into(), token.into_bytes());
    }
    filled.metadata.annotations.insert(ACCOUNT_UID.into(), account.metadata.uid.clone());
    Ok(if filled == *secret { Plan::Leave } else { Plan::Fill(Box::new(filled)) })
}

#[async_trait]
impl Controller for ServiceAccountTokens {
    fn workers(&self) -> usize {
        1
    }

    fn watch(&self, queue: &WorkQueue<Key>) {
        wake_on(&self.secrets, queue);
        let secrets = self.secrets.clone();
        wake_by(&self.accounts, queue, move |account| {
            let of = |s: &Arc<Secret>| annotation(s, ACCOUNT) == account.metadata.name;
            secrets
                .list_in(&account.metadata.namespace)
                .iter()
                .filter(|s| of(s))
                .map(|s| Key::of(&**s))
                .collect()
        });
    }

    async fn synced(&self) {
        self.secrets.synced().await;
        self.accounts.synced().await;
    }

    async fn reconcile(&self, key: &Key) -> ApiResult<Option<Duration>> {
        let (Some(issuer), Some(secret)) = (&self.issuer, self.secrets.get(key)) else { return Ok(None) };
        if secret.metadata.deletion_timestamp.is_some() {
            return Ok(None);
        }
        // Asked anew: a Secret may come before the cache knows its account.
        let api = self.client.namespaced::<ServiceAccount>(&key.namespace);
        let account = api.find(annotation(&secret, ACCOUNT)).await?;
        let planned = plan(&secret, account.as_deref(), &self.root_ca, &**issuer);
        let api = self.client.beside(&*secret);
        let done = match planned.map_err(corten_semantics::ApiError::internal)? {
            Plan::Leave => return Ok(None),
            Plan::Fill(filled) => api.update(*filled).await.map(|_| ()),
            Plan::Delete => {
                let uid = Some(secret.metadata.uid.clone());
                let preconditions = Some(Preconditions { uid, ..Preconditions::default() });
                api.delete(&key.name, DeleteOptions { preconditions, ..DeleteOptions::default() }).await
            }
        };
        match done {
            // The cache is behind; its next change wakes the Secret again.
            Err(e) if e.is_conflict() || e.is_not_found() => Ok(None),
            other => other.map(|()| None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Says;

    impl TokenIssuer for Says {
        fn issue(&self, namespace: &str, account: (&str, &str), secret: &str) -> Result<String, String> {
            Ok(format!("{namespace}/{}/{}/{secret}", account.0, account.1))
        }
    }

    #[test]
    fn secrets_are_filled_and_go_with_their_account() {
        let mut account = ServiceAccount::default();
        (account.metadata.name, account.metadata.uid) = ("robot".into(), "1".into());
        let mut secret = Secret::default();
        (secret.metadata.namespace, secret.metadata.name) = ("ns".into(), "s".into());
        secret.metadata.annotations.insert(ACCOUNT.into(), "robot".into());
        let decide = |secret: &Secret, account: Option<&ServiceAccount>| {
            plan(secret, account, "CA", &Says).expect("planned")
        };
        let Plan::Fill(filled) = decide(&secret, Some(&account)) else { panic!("to be filled") };
        let text = |key: &str| String::from_utf8_lossy(&filled.data[key]).into_owned();
        assert_eq!([text("token"), text("ca.crt"), text("namespace")], ["ns/robot/1/s", "CA", "ns"]);
        assert_eq!(annotation(&filled, ACCOUNT_UID), "1");
        assert_eq!(decide(&filled, Some(&account)), Plan::Leave);
        assert_eq!(decide(&secret, None), Plan::Delete);
        account.metadata.uid = "2".into();
        assert_eq!(decide(&filled, Some(&account)), Plan::Delete);
    }
}
