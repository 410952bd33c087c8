//! From version to version: by changing `apiVersion` alone, or by asking the definition's webhook.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use corten_api::apiextensions::v1::WebhookClientConfig;
use corten_api::{DynamicObject, KindInfo, Object};
use corten_rt::{Instant, random};
use corten_semantics::{ApiError, ApiResult};
use serde_json::Value;
use uuid::Builder;

use super::review::{self, CALL, Failure};
use super::{CustomKinds, Served};
use crate::cache::{Entry, Reader, Translator};

/// The most objects that a webhook is asked to convert at once.
const TOGETHER: usize = 500;

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

    /// The same for many entries at once. Each is converted once, however many wait for it.
    pub(crate) async fn all_shown(
        &self,
        mut entries: Vec<Arc<Entry>>,
        kind: &'static KindInfo,
    ) -> ApiResult<Vec<Arc<Entry>>> {
        loop {
            let mut open = Vec::new();
            for entry in entries.iter_mut().filter(|entry| !same_version(entry.kind(), kind)) {
                match entry.known_conversion(kind) {
                    Some(known) => *entry = known,
                    None => open.push(entry.clone()),
                }
            }
            if open.is_empty() {
                return Ok(entries);
            }
            let (claim, others) = self.under_way.claim(open, kind);
            match self.convert_entries(claim.entries(), kind).await {
                Ok(made) => entries.iter_mut().for_each(|entry| {
                    if let Some(made) = made.get(&Arc::as_ptr(entry)) {
                        *entry = made.clone();
                    }
                }),
                Err(error) => {
                    claim.failed(&error);
                    return Err(error);
                }
            }
            drop(claim);
            for mut other in others {
                if let Ok(error) = other.wait_for(Option::is_some).await
                    && let Some(error) = error.clone()
                {
                    return Err(error);
                }
            }
        }
    }

    /// What becomes of entries, by what they were; each keeps it for a while, too.
    async fn convert_entries(
        &self,
        entries: &[Arc<Entry>],
        kind: &'static KindInfo,
    ) -> ApiResult<HashMap<*const Entry, Arc<Entry>>> {
        let objects = entries.iter().map(|entry| entry.object_in_passing().clone_object()).collect();
        let both = entries.iter().zip(self.convert_all(objects, kind).await?);
        let made = both.map(|(entry, object)| {
            let converted = entry.with_object(Arc::from(object));
            entry.keep_conversion(&converted);
            (Arc::as_ptr(entry), converted)
        });
        Ok(made.collect())
    }

    /// Who brings stored objects into the version of `kind`, when they may be of another.
    pub(crate) fn translator(self: &Arc<Self>, kind: &'static KindInfo) -> Option<Arc<dyn Translator>> {
        let served = self.served_as(kind)?;
        let by_webhook = served.resource.webhook.is_some();
        let translates = served.resource.versions.len() > 1;
        translates
            .then(|| Arc::new(Towards { kind, by_webhook, custom: self.clone() }) as Arc<dyn Translator>)
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
            Some(_) => {
                let mut all = Vec::with_capacity(objects.len());
                for some in objects.chunks(TOGETHER) {
                    all.extend(self.ask(&served, some, to).await?);
                }
                all
            }
        };
        let strategy = self.strategy(to);
        // Defaults are those of the version that an object was written or stored in.
        let settled = converted.into_iter().map(|object| {
            let mut object: Box<dyn Object> = Box::new(object);
            strategy.prune(&mut *object, &mut Vec::new()).map_err(ApiError::internal)?;
            Ok(object)
        });
        settled.collect()
    }

    async fn ask(
        &self,
        served: &Served,
        objects: &[Box<dyn Object>],
        to: &'static KindInfo,
    ) -> ApiResult<Vec<DynamicObject>> {
        let given: Vec<&DynamicObject> = objects.iter().filter_map(|o| o.as_any().downcast_ref()).collect();
        let Some(first) = given.first() else { return Ok(Vec::new()) };
        let from = first.info();
        let begun = Instant::now();
        let converted = self.review(served, &given, to).await;
        let failure = converted.as_ref().err().map(|failure| failure.kind);
        self.conversions.count(&served.resource.name, from.version, to.version, begun.elapsed(), failure);
        converted.map_err(|failure| {
            let kind = format!("{}, Kind={}", from.api_version(), to.kind);
            ApiError::internal(format!("conversion webhook for {kind} {}", failure.message))
        })
    }

    async fn review(
        &self,
        served: &Served,
        given: &[&DynamicObject],
        to: &'static KindInfo,
    ) -> Result<Vec<DynamicObject>, Failure> {
        let fail = |why: String| Failure::new(CALL, format!("failed: {why}"));
        let webhook = served.resource.webhook.as_deref();
        let client = webhook
            .and_then(|w| w.client_config.as_deref())
            .ok_or_else(|| fail("no client configuration".into()))?;
        let version = webhook
            .and_then(|w| review::version(&w.conversion_review_versions))
            .ok_or_else(|| fail("no supported conversion review versions".into()))?;
        let converter = self.converter.get().ok_or_else(|| fail("the server calls no webhooks".into()))?;
        let uid = Builder::from_random_bytes(random::bytes16()).into_uuid().to_string();
        let question = review::question(version, &uid, given, to);
        let answer = converter.review(client, &question).await.map_err(fail)?;
        review::answered(&answer, version, &uid, given, to)
    }
}

/// Brings entries into one version.
struct Towards {
    kind: &'static KindInfo,
    by_webhook: bool,
    custom: Arc<CustomKinds>,
}

#[async_trait]
impl Translator for Towards {
    async fn translated(&self, entries: Vec<Arc<Entry>>) -> ApiResult<Vec<Arc<Entry>>> {
        self.custom.all_shown(entries, self.kind).await
    }

    fn changes_labels(&self) -> bool {
        self.by_webhook
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

/// Reads entries by what the definition says now of the version that they were written in.
pub(super) struct Settled(pub Arc<corten_custom::Resource>);

impl Settled {
    /// The number of the version that an entry was written in; the stored one's if it is none of those declared.
    fn written(&self, entry: &Entry) -> usize {
        let json = entry.json();
        let mut all = self.0.versions.iter().map(|version| version.info);
        let found = all.position(|info| {
            let begins = format!("{{\"kind\":\"{}\",\"apiVersion\":\"{}\"", info.kind, info.api_version());
            json.starts_with(begins.as_bytes())
        });
        found.unwrap_or(self.0.storage)
    }
}

impl Reader for Settled {
    fn read(&self, entry: Arc<Entry>) -> Arc<Entry> {
        // One of another version stays what it is, and is converted for those who read it.
        let version = self.written(&entry);
        let kind = self.0.versions[version].info;
        let strategy = corten_custom::CustomStrategy::new(self.0.clone(), version);
        let read = entry.as_kind(kind);
        let was = read.object_in_passing();
        let mut object = was.clone_object();
        corten_kinds::Strategy::default(&strategy, &mut *object);
        if object.meta().generation == 0 {
            object.meta_mut().generation = 1;
        }
        // Most are as they would be written now.
        let says = |text: &str| entry.json().windows(text.len()).any(|w| w == text.as_bytes());
        let current = says(&format!("\"apiVersion\":\"{}\"", kind.api_version()));
        let same = current && object.as_any().downcast_ref::<DynamicObject>() == was.as_any().downcast_ref();
        if same { read } else { entry.with_object(Arc::from(object)) }
    }

    fn reads_writes(&self) -> bool {
        self.0.versions.len() > 1
    }
}
