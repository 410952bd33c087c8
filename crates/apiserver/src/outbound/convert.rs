//! Conversion webhooks of custom resources.

use std::time::Duration;

use async_trait::async_trait;
use corten_api::apiextensions::v1::WebhookClientConfig;
use serde_json::Value;

use super::{Hook, Outbound};
use crate::custom::Converter;

/// How long a conversion may take, as upstream's.
const TIME: Duration = Duration::from_secs(30);
/// The most bytes of an answer: all objects of a list come in one.
const BYTES: usize = 256 << 20;

#[async_trait]
impl Converter for Outbound {
    async fn review(&self, client: &WebhookClientConfig, review: &Value) -> Result<Value, String> {
        let hook = Hook::conversion(client)?;
        let answer = self.post(&hook, None, review.to_string().into_bytes(), TIME, BYTES).await?;
        serde_json::from_slice(&answer)
            .map_err(|e| format!("couldn't get version/kind; json parse error: {e}"))
    }
}
