//! From version to version: by changing `apiVersion` alone, or by asking the definition's webhook.

use std::sync::Arc;

use async_trait::async_trait;
use corten_api::apiextensions::v1::WebhookClientConfig;
use corten_api::{DynamicObject, KindInfo, Object};
use corten_codec::{Problems, json};
use corten_custom::object::to_value;
use corten_rt::random;
use corten_semantics::{ApiError, ApiResult};
use futures::StreamExt;
use serde_json::{Value, json};
use uuid::Builder;

use super::{CustomKinds, Served};
use crate::cache::{Entry, Reader, Watch, WatchEvent};

/// Posts reviews to webhooks.
#[async_trait]
pub trait Converter: Send + Sync {
    /// The webhook's answer to a `ConversionReview`; the error is a text about why there is none.
    async fn review(&self, client: &WebhookClientConfig, review: &Value) -> Result<Value, String>;
}

impl CustomKinds {
    /// Sets who posts reviews to webhooks; only the first counts.
    pub fn convert_with(&self, converter: Arc<dyn Converter>) {
        let _ = self.converter.set(converter);
    }

    /// The entry in the version that the client speaks.
    pub(crate) async fn shown(&self, entry: Arc<Entry>, kind: &'static KindInfo) -> ApiResult<Arc<Entry>> {
        if same_version(entry.kind(), kind) {
            return Ok(entry);
        }
        let mut shown = self.all_shown(vec![entry], kind).await?;
        shown.pop().ok_or_else(|| ApiError::internal("nothing was converted"))
    }

    /// The same for many entries at once.
    pub(crate) async fn all_shown(
        &self,
        mut entries: Vec<Arc<Entry>>,
        kind: &'static KindInfo,
    ) -> ApiResult<Vec<Arc<Entry>>> {
        let mut open = Vec::new();
        for (at, entry) in entries.iter_mut().enumerate() {
            if same_version(entry.kind(), kind) {
                continue;
            }
            match entry.known_conversion(kind) {
                Some(known) => *entry = known,
                None => open.push(at),
            }
        }
        if open.is_empty() {
            return Ok(entries);
        }
        let objects = open.iter().map(|at| entries[*at].object().clone_object()).collect();
        for (at, object) in open.into_iter().zip(self.convert_all(objects, kind).await?) {
            let converted = entries[at].with_object(Arc::from(object));
            entries[at].keep_conversion(&converted);
            entries[at] = converted;
        }
        Ok(entries)
    }

    /// The watch with every object in the version that the client speaks.
    pub(crate) fn shown_watch(self: &Arc<Self>, watch: Watch, kind: &'static KindInfo) -> Watch {
        let custom = self.clone();
        Watch::from_events(watch.then(move |event| {
            let custom = custom.clone();
            async move {
                let shown = match &event {
                    WatchEvent::Added(e) | WatchEvent::Modified(e) | WatchEvent::Deleted(e) => {
                        custom.shown(e.clone(), kind).await
                    }
                    WatchEvent::Bookmark { .. } | WatchEvent::Error(_) => return event,
                };
                match (event, shown) {
                    (WatchEvent::Added(_), Ok(e)) => WatchEvent::Added(e),
                    (WatchEvent::Modified(_), Ok(e)) => WatchEvent::Modified(e),
                    (_, Ok(e)) => WatchEvent::Deleted(e),
                    (_, Err(error)) => WatchEvent::Error(error),
                }
            }
        }))
    }

    /// The object in another version.
    pub(crate) async fn convert(
        &self,
        object: Box<dyn Object>,
        to: &'static KindInfo,
    ) -> ApiResult<Box<dyn Object>> {
        let mut converted = self.convert_all(vec![object], to).await?;
        converted.pop().ok_or_else(|| ApiError::internal("nothing was converted"))
    }

    async fn convert_all(
        &self,
        objects: Vec<Box<dyn Object>>,
        to: &'static KindInfo,
    ) -> ApiResult<Vec<Box<dyn Object>>> {
        let served = self.served_as(to).ok_or_else(ApiError::no_such_path)?;
        let converted = match &served.resource.webhook {
            None => objects.into_iter().map(|o| relabelled(o, to)).collect::<ApiResult<Vec<_>>>()?,
            Some(_) => self.ask(&served, &objects, to).await?,
        };
        let strategy = self.strategy(to);
        let settled = converted.into_iter().map(|object| {
            let mut object: Box<dyn Object> = Box::new(object);
            strategy.default(&mut *object);
            object
        });
        Ok(settled.collect())
    }

    async fn ask(
        &self,
        served: &Served,
        objects: &[Box<dyn Object>],
        to: &'static KindInfo,
    ) -> ApiResult<Vec<DynamicObject>> {
        let given: Vec<&DynamicObject> = objects.iter().filter_map(|o| o.as_any().downcast_ref()).collect();
        let from = given.first().map_or(to, |o| o.info());
        let fail = |why: String| {
            ApiError::internal(format!(
                "conversion webhook for {}, Kind={} failed: {why}",
                from.api_version(),
                to.kind
            ))
        };
        let webhook = served.resource.webhook.as_deref();
        let client = webhook
            .and_then(|w| w.client_config.as_deref())
            .ok_or_else(|| fail("no client configuration".into()))?;
        let version = webhook.and_then(|w| {
            w.conversion_review_versions.iter().find(|v| matches!(v.as_str(), "v1" | "v1beta1"))
        });
        let version = version.map_or("v1", String::as_str);
        let converter = self.converter.get().ok_or_else(|| fail("the server calls no webhooks".into()))?;
        let uid = Builder::from_random_bytes(random::bytes16()).into_uuid().to_string();
        let review = json!({
            "kind": "ConversionReview",
            "apiVersion": format!("apiextensions.k8s.io/{version}"),
            "request": {
                "uid": uid,
                "desiredAPIVersion": to.api_version(),
                "objects": given.iter().map(|o| to_value(o)).collect::<Vec<_>>(),
            },
        });
        let answer = converter.review(client, &review).await.map_err(fail)?;
        let converted = response(&answer, version, &uid).map_err(fail)?;
        if converted.len() != given.len() {
            let why = format!("webhook returned {} objects, expected {}", converted.len(), given.len());
            return Err(fail(why));
        }
        let both = given.into_iter().zip(converted).enumerate();
        both.map(|(at, (before, after))| {
            taken(before, after, to)
                .map_err(|why| fail(format!("invalid converted object at index {at}: {why}")))
        })
        .collect()
    }
}

/// Versions of one resource, whatever else their declarations say.
fn same_version(a: &KindInfo, b: &KindInfo) -> bool {
    a.version == b.version
}

fn relabelled(object: Box<dyn Object>, to: &'static KindInfo) -> ApiResult<DynamicObject> {
    let object = object.into_any_box().downcast::<DynamicObject>();
    let object = object.map_err(|_| ApiError::internal("no custom object"))?;
    Ok(object.with_kind(to))
}

/// The objects of a webhook's answer.
fn response<'a>(answer: &'a Value, version: &str, uid: &str) -> Result<&'a Vec<Value>, String> {
    let api_version = answer["apiVersion"].as_str().unwrap_or_default();
    let kind = answer["kind"].as_str().unwrap_or_default();
    let wanted = format!("apiextensions.k8s.io/{version}");
    if (api_version, kind) != (wanted.as_str(), "ConversionReview") {
        return Err(format!(
            "expected webhook response of {wanted}, Kind=ConversionReview, got {api_version}, Kind={kind}"
        ));
    }
    let Some(response) = answer.get("response").filter(|r| r.is_object()) else {
        return Err("no response provided".into());
    };
    let given = response["uid"].as_str().unwrap_or_default();
    if version == "v1" && given != uid {
        return Err(format!("expected response.uid={uid:?}, got {given:?}"));
    }
    let result = &response["result"];
    match result["status"].as_str().unwrap_or_default() {
        "Success" => {}
        status => {
            let message = result["message"].as_str().filter(|m| !m.is_empty());
            return Err(match message {
                Some(message) => message.to_string(),
                None => format!("response.result.status was '{status}', not 'Success'"),
            });
        }
    }
    response["convertedObjects"].as_array().ok_or_else(|| "no objects were returned".to_string())
}

/// A converted object, which may change labels and annotations of the metadata, but no more.
fn taken(before: &DynamicObject, after: &Value, to: &'static KindInfo) -> Result<DynamicObject, String> {
    let text = |name: &str| after[name].as_str().unwrap_or_default();
    let wanted = to.api_version();
    if text("apiVersion") != wanted {
        return Err(format!("invalid groupVersion (expected {wanted}, received {})", text("apiVersion")));
    }
    if text("kind") != to.kind {
        return Err(format!("invalid kind (expected {}, received {})", to.kind, text("kind")));
    }
    let mut object = DynamicObject::new(to);
    let bytes = after.to_string();
    json::decode(bytes.as_bytes(), &mut object, &mut Problems::ignore()).map_err(|e| e.to_string())?;
    let (was, is) = (&before.metadata, &object.metadata);
    for (field, was, is) in [
        ("name", &was.name, &is.name),
        ("namespace", &was.namespace, &is.namespace),
        ("UID", &was.uid, &is.uid),
    ] {
        if was != is {
            return Err(format!("must have the same {field}: {was} != {is}"));
        }
    }
    let labels = std::mem::take(&mut object.metadata.labels);
    let annotations = std::mem::take(&mut object.metadata.annotations);
    object.metadata.clone_from(was);
    object.metadata.labels = labels;
    object.metadata.annotations = annotations;
    Ok(object)
}

/// Brings entries of older times to what the resource's stored version says now.
pub(super) struct Settled(pub Arc<corten_custom::Resource>);

impl Settled {
    /// The version that an entry was written in, when only the webhook can bring it to the stored one.
    fn left_behind(&self, entry: &Entry) -> Option<&'static KindInfo> {
        self.0.webhook.as_ref()?;
        let json = entry.json();
        let stored = self.0.stored();
        self.0.versions.iter().map(|version| version.info).filter(|info| !same_version(info, stored)).find(
            |info| {
                let begins =
                    format!("{{\"kind\":\"{}\",\"apiVersion\":\"{}\"", info.kind, info.api_version());
                json.starts_with(begins.as_bytes())
            },
        )
    }
}

impl Reader for Settled {
    fn read(&self, entry: Arc<Entry>) -> Arc<Entry> {
        // It stays what it is, and is converted for those who read it.
        if let Some(kind) = self.left_behind(&entry) {
            return entry.as_kind(kind);
        }
        let stored = self.0.stored();
        let strategy = corten_custom::CustomStrategy::new(self.0.clone(), self.0.storage);
        let mut object = entry.object().clone_object();
        corten_kinds::Strategy::default(&strategy, &mut *object);
        if object.meta().generation == 0 {
            object.meta_mut().generation = 1;
        }
        // Most are as they would be written now.
        let says = |text: &str| entry.json().windows(text.len()).any(|w| w == text.as_bytes());
        let current = says(&format!("\"apiVersion\":\"{}\"", stored.api_version()));
        let same = current
            && object.as_any().downcast_ref::<DynamicObject>() == entry.object().as_any().downcast_ref();
        if same { entry } else { entry.with_object(Arc::from(object)) }
    }
}
