//! Charging quotas: the quotas that a write uses more of are written in its own transaction. Writes that are
//! charged take turns, namespace by namespace, so that they need not outrun each other; others never wait.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use bytes::Bytes;
use corten_api::core::v1::ResourceQuota;
use corten_api::{Kind, Object};
use corten_semantics::{ApiError, ApiResult};
use corten_store::Revision;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::admit::Admission;
use super::commit::{Change, Committed};
use super::{Registry, Target};

/// Namespaces share this many turns.
const TURNS: usize = 64;
/// How often a charge is tried while others change the quota.
const ATTEMPTS: usize = 32;

/// Whose turn it is to be charged.
pub(crate) struct Turns(Vec<Arc<Semaphore>>);

impl Default for Turns {
    fn default() -> Self {
        Turns((0..TURNS).map(|_| Arc::new(Semaphore::new(1))).collect())
    }
}

impl Turns {
    async fn wait(&self, namespace: &str) -> ApiResult<OwnedSemaphorePermit> {
        let mut hasher = DefaultHasher::new();
        namespace.hash(&mut hasher);
        let turn = &self.0[hasher.finish() as usize % self.0.len()];
        turn.clone().acquire_owned().await.map_err(ApiError::internal)
    }
}

/// A quota that is written along.
pub(crate) struct Charge {
    pub key: Arc<str>,
    /// The revision at which its use was read.
    pub revision: Revision,
    pub value: Bytes,
    pub object: Box<dyn Object>,
}

/// What a write is charged; it has its turn until this is dropped.
#[derive(Default)]
pub(crate) struct Charges {
    pub quotas: Vec<Charge>,
    _turn: Option<OwnedSemaphorePermit>,
}

impl Registry {
    /// What the object, as it will be stored, is charged; nothing where its namespace has no quotas.
    ///
    /// # Errors
    /// 403 when a quota does not allow it.
    pub(crate) async fn charge_quotas(
        &self,
        admission: &Admission<'_>,
        object: &dyn Object,
        old: Option<&dyn Object>,
    ) -> ApiResult<Charges> {
        let context = admission.context(self, old);
        let checks = &self.config.admission;
        if !checks.charges(&context) {
            return Ok(Charges::default());
        }
        let turn = match context.dry_run {
            true => None,
            false => Some(self.turns.wait(&admission.place.namespace).await?),
        };
        let charged = checks.charge(&context, object, self.config.clock.now())?;
        let quotas = charged.into_iter().map(|quota| self.charge_of(quota)).collect::<ApiResult<Vec<_>>>()?;
        let turn = turn.filter(|_| !quotas.is_empty());
        Ok(Charges { quotas, _turn: turn })
    }

    fn charge_of(&self, quota: ResourceQuota) -> ApiResult<Charge> {
        let meta = &quota.metadata;
        let place = self.place(&Target {
            kind: ResourceQuota::INFO,
            namespace: Some(meta.namespace.clone()),
            name: meta.name.clone(),
            subresource: "",
        })?;
        let revision = meta.resource_version.parse().map_err(ApiError::internal)?;
        let value = self.encode(&quota);
        Ok(Charge { key: place.key(), revision, value, object: Box::new(quota) })
    }

    /// Commits a new object and what it is charged; `None` when its name is taken.
    pub(crate) async fn commit_new(
        &self,
        admission: &Admission<'_>,
        object: Box<dyn Object>,
        value: Bytes,
    ) -> ApiResult<Option<Committed>> {
        let place = admission.place;
        for _ in 0..ATTEMPTS {
            let charges = self.charge_quotas(admission, &*object, None).await?;
            if charges.quotas.is_empty() {
                return self.commit(place, 0, Change::Put(object, value)).await;
            }
            let change = Change::Put(object.clone_object(), value.clone());
            let committed = self.commit_charged(place, 0, change, charges).await?;
            if committed.is_some() || place.resource.get(&place.key()).is_some() {
                return Ok(committed);
            }
        }
        let why =
            "the object has been modified; please apply your changes to the latest version and try again";
        Err(ApiError::conflict(ResourceQuota::INFO, &place.namespace, why))
    }
}
