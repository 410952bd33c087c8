//! What the checks that leave this crate (webhooks, policies) need of the server around them. This crate
//! itself does no input or output.

use async_trait::async_trait;
use corten_api::admissionregistration::v1::WebhookClientConfig;
use corten_api::authentication::v1::UserInfo;
use corten_api::{KindInfo, Object};
use corten_cel as cel;
use corten_codec::apply::{self, TypeRef};
use corten_semantics::ApiResult;
use serde_json::Value;
use std::time::Duration;

/// The server, as a check sees it.
#[async_trait]
pub trait Server: Send + Sync {
    /// Posts JSON to a webhook, in the name of the check `plugin`, and gives its answer. An error's text is that of
    /// upstream's client, as it follows `failed to call webhook: `.
    async fn call(
        &self,
        plugin: &'static str,
        hook: &WebhookClientConfig,
        body: Vec<u8>,
        within: Duration,
    ) -> Result<Vec<u8>, String>;

    /// The other kinds under which objects of this one are served: versions, and groups for the few kinds
    /// that have moved.
    fn equivalents(&self, kind: &'static KindInfo) -> Vec<&'static KindInfo>;

    /// The object in another version.
    async fn convert(&self, object: Box<dyn Object>, to: &'static KindInfo) -> ApiResult<Box<dyn Object>>;

    /// An object from its JSON, with its defaults, and without what its kind does not know.
    fn decode(&self, kind: &'static KindInfo, json: &[u8]) -> ApiResult<Box<dyn Object>>;

    /// The object with the configuration laid over it; `None` when nobody knows the kind's type.
    fn overlay(
        &self,
        kind: &'static KindInfo,
        object: &Value,
        configuration: &Value,
    ) -> Option<Result<Value, String>> {
        let ty = TypeRef::Struct((kind.schema)());
        (!kind.custom).then(|| apply::overlay(object, configuration, ty))
    }

    /// The kind that is served under this name; nothing is, where nobody says otherwise.
    fn find_kind(&self, _api_version: &str, _kind: &str) -> Option<&'static KindInfo> {
        None
    }

    /// Whether the user, or the service account of the question, may do what an expression asks about; nobody
    /// may, where nobody says otherwise.
    fn authorize(&self, _user: &UserInfo, _check: &cel::Check<'_>) -> cel::Decision {
        cel::Decision::default()
    }
}

/// What a request asks beside its object.
pub trait Options: Send + Sync {
    /// As the API's own message: `CreateOptions`, `UpdateOptions` or `DeleteOptions`; null when there is none.
    fn value(&self) -> Value;
}

/// Of a request without any.
impl Options for () {
    fn value(&self) -> Value {
        Value::Null
    }
}
