//! What admission needs of the server: webhooks called, objects converted and read.

use std::time::Duration;

use async_trait::async_trait;
use corten_admission::Server;
use corten_api::admissionregistration::v1::WebhookClientConfig;
use corten_api::authentication::v1::UserInfo;
use corten_api::selector::{FieldSelector, Selector};
use corten_api::{KindInfo, Object};
use corten_auth::Attributes;
use corten_cel as cel;
use corten_codec::apply::{TypeRef, overlay};
use corten_codec::{Problems, json};
use corten_semantics::{ApiError, ApiResult, identity};
use serde_json::Value;

use super::Registry;
use super::place::{is_stored, stored_as};
use crate::cache::form;

#[async_trait]
impl Server for Registry {
    async fn call(
        &self,
        plugin: &'static str,
        hook: &WebhookClientConfig,
        body: Vec<u8>,
        within: Duration,
    ) -> Result<Vec<u8>, String> {
        self.outbound.call(hook, self.config.credentials.get(plugin), body, within).await
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

    fn overlay(
        &self,
        kind: &'static KindInfo,
        object: &Value,
        configuration: &Value,
    ) -> Option<Result<Value, String>> {
        if !kind.custom {
            return Some(overlay(object, configuration, TypeRef::Struct((kind.schema)())));
        }
        let served = self.custom.served_as(kind)?;
        let schema = served.resource.version(kind.version).and_then(|number| served.resource.schema(number));
        let ty = schema.map_or(TypeRef::Deduced, |root| root.apply_type());
        Some(overlay(object, configuration, ty))
    }

    fn find_kind(&self, api_version: &str, kind: &str) -> Option<&'static KindInfo> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let builtin = self.kinds.iter().copied().filter(|k| is_stored(k));
        let mut all = builtin.chain(self.custom.served());
        all.find(|k| (k.group, k.version, k.kind) == (group, version, kind))
    }

    fn authorize(&self, user: &UserInfo, check: &cel::Check<'_>) -> cel::Decision {
        let account = check.service_account.map(|(namespace, name)| service_account(namespace, name));
        let user = account.as_ref().unwrap_or(user);
        let attributes = match check.of {
            cel::Checked::Path(path) => Attributes::path(user, check.verb, path),
            cel::Checked::Resource(of) => Attributes {
                version: "*",
                subresource: &of.subresource,
                namespace: &of.namespace,
                name: &of.name,
                ..Attributes::resource(user, check.verb, &of.group, &of.resource)
            },
        };
        let (fields, labels) = match check.of {
            cel::Checked::Resource(of) => (
                Some(&of.field_selector).filter(|t| !t.is_empty()).and_then(|t| FieldSelector::parse(t).ok()),
                Some(&of.label_selector).filter(|t| !t.is_empty()).and_then(|t| Selector::parse(t).ok()),
            ),
            cel::Checked::Path(_) => (None, None),
        };
        let attributes = Attributes { fields: fields.as_ref(), labels: labels.as_ref(), ..attributes };
        let decision = self.authorizer.authorize(&attributes);
        let error = (!decision.error.is_empty()).then_some(decision.error);
        cel::Decision { allowed: decision.allowed, reason: decision.reason.to_string(), error }
    }
}

/// A service account as a user.
fn service_account(namespace: &str, name: &str) -> UserInfo {
    UserInfo {
        username: identity::service_account_user(namespace, name),
        groups: identity::service_account_groups(namespace),
        ..UserInfo::default()
    }
}
