//! Every active namespace has a ServiceAccount `default`.

use crate::Context;
use crate::shell::{Controller, wake_by};
use async_trait::async_trait;
use corten_api::core::v1::{Namespace, ServiceAccount};
use corten_client::{Client, Informer, Key, WorkQueue};
use corten_semantics::ApiResult;
use std::time::Duration;

const NAME: &str = "default";

/// The controller.
pub struct ServiceAccounts {
    client: Client,
    namespaces: Informer<Namespace>,
    accounts: Informer<ServiceAccount>,
}

impl ServiceAccounts {
    pub fn new(context: &Context) -> Self {
        ServiceAccounts {
            client: context.client.clone(),
            namespaces: context.informers.of(),
            accounts: context.informers.of(),
        }
    }
}

#[async_trait]
impl Controller for ServiceAccounts {
    fn watch(&self, queue: &WorkQueue<Key>) {
        wake_by(&self.namespaces, queue, |n| vec![Key::new("", &n.metadata.name)]);
        wake_by(&self.accounts, queue, |a| match a.metadata.name.as_str() {
            NAME => vec![Key::new("", &a.metadata.namespace)],
            _ => vec![],
        });
    }

    async fn synced(&self) {
        self.namespaces.synced().await;
        self.accounts.synced().await;
    }

    async fn reconcile(&self, key: &Key) -> ApiResult<Option<Duration>> {
        let active = self.namespaces.get(key).is_some_and(|n| n.metadata.deletion_timestamp.is_none());
        if !active || self.accounts.get(&Key::new(&key.name, NAME)).is_some() {
            return Ok(None);
        }
        let mut account = ServiceAccount::default();
        account.metadata.name = NAME.into();
        account.metadata.namespace = key.name.clone();
        match self.client.beside(&account).create(account).await {
            Err(e) if e.is_already_exists() || e.is_not_found() || e.code() == 403 => Ok(None),
            other => other.map(|_| None),
        }
    }
}
