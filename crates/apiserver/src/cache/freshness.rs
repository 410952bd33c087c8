//! Waiting until the cache has caught up with a revision.

use std::time::Duration;

use corten_rt::timeout;
use corten_semantics::{ApiError, ApiResult};
use corten_store::Revision;

use super::WatchCache;

/// How long a read waits for the revision it asks for.
const PATIENCE: Duration = Duration::from_secs(3);

impl WatchCache {
    /// Waits until the cache knows everything up to `revision`, a few seconds at most; then 504.
    pub async fn wait_for(&self, revision: Revision) -> ApiResult<()> {
        if *self.applied.borrow() >= revision {
            return Ok(());
        }
        let mut applied = self.applied.subscribe();
        self.behind.notify_one();
        let caught_up = timeout(PATIENCE, applied.wait_for(|now| *now >= revision)).await;
        match caught_up {
            Some(Ok(_)) => Ok(()),
            _ => Err(too_large(revision, self.revision())),
        }
    }

    /// Waits until the cache knows everything that is committed now, and tells up to where that is.
    pub async fn wait_until_fresh(&self) -> ApiResult<Revision> {
        let now = self.store.current_revision().await.map_err(store_failed)?;
        self.wait_for(now).await?;
        Ok(now)
    }
}

/// 504: the revision asked for lies in the future.
fn too_large(wanted: Revision, current: Revision) -> ApiError {
    let message = format!("Timeout: Too large resource version: {wanted}, current: {current}");
    ApiError::timeout(message, 1).with_cause("ResourceVersionTooLarge", "Too large resource version", "")
}

/// What a failing store makes of a request.
pub(crate) fn store_failed(error: corten_store::Error) -> ApiError {
    use corten_store::Error;
    match error {
        Error::Compacted { .. } => ApiError::expired("The resourceVersion for the provided list is too old."),
        Error::FutureRevision { current } => too_large(current + 1, current),
        Error::TooLarge(_) | Error::InvalidKey(_) => ApiError::too_large(error.to_string()),
        Error::Closed => ApiError::unavailable("the server is shutting down"),
        other => ApiError::internal(other),
    }
}
