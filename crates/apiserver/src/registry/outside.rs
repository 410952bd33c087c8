//! What admission needs of the server: webhooks called, objects converted and read.

use std::time::Duration;

use async_trait::async_trait;
use corten_admission::Server;
use corten_api::admissionregistration::v1::WebhookClientConfig;
use corten_api::{KindInfo, Object};
use corten_codec::{Problems, json};
use corten_semantics::{ApiError, ApiResult};

use super::Registry;
use super::place::stored_as;
use crate::cache::form;

#[async_trait]
impl Server for Registry {
    async fn call(
        &self,
        hook: &WebhookClientConfig,
        body: Vec<u8>,
        within: Duration,
    ) -> Result<Vec<u8>, String> {
        self.outbound.call(hook, body, within).await
    }

    fn equivalents(&self, kind: &'static KindInfo) -> Vec<&'static KindInfo> {
        if kind.custom {
            let same = |k: &&'static KindInfo| *k != kind && (k.group, k.plural) == (kind.group, kind.plural);
            return self.custom.served().into_iter().filter(same).collect();
        }
        let stored = stored_as(kind);
        self.kinds().into_iter().filter(|k| *k != kind && stored_as(k) == stored).collect()
    }

    async fn convert(&self, object: Box<dyn Object>, to: &'static KindInfo) -> ApiResult<Box<dyn Object>> {
        if to.custom {
            return self.custom.convert(object, to).await;
        }
        Registry::convert(self, object, to)
    }

    fn decode(&self, kind: &'static KindInfo, bytes: &[u8]) -> ApiResult<Box<dyn Object>> {
        let mut object = form::blank(kind);
        json::decode(bytes, &mut *object, &mut Problems::ignore()).map_err(ApiError::internal)?;
        self.strategy(stored_as(kind)).default(&mut *object);
        Ok(object)
    }
}
