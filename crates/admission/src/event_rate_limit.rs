//! EventRateLimit: so many Events in a time, in all, by namespace, by user, or by source and object. Off
//! unless enabled and configured.

use crate::check::{Check, Context, Operation};
use async_trait::async_trait;
use corten_api::Object;
use corten_api::core::v1::Event;
use corten_rt::Instant;
use corten_semantics::{ApiError, ApiResult};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

const DEFAULT_SIZE: usize = 4096;

/// The limits, each of which an Event must keep.
pub(crate) struct EventRateLimit(Vec<Limit>);

struct Limit {
    kind: String,
    per_second: f64,
    burst: f64,
    /// How many keys are remembered; the one unused for longest is forgotten first.
    size: usize,
    buckets: Mutex<HashMap<String, Bucket>>,
}

struct Bucket {
    left: f64,
    at: Instant,
}

impl EventRateLimit {
    /// From the check's configuration, which must list a limit.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn configured(configuration: &Value) -> Result<Self, String> {
        let limits = configuration.get("limits").and_then(Value::as_array);
        let limits =
            limits.filter(|l| !l.is_empty()).ok_or("limits: Invalid value: []: must not be empty")?;
        limits.iter().map(Limit::parse).collect::<Result<Vec<_>, _>>().map(EventRateLimit)
    }
}

impl Limit {
    fn parse(value: &Value) -> Result<Self, String> {
        let kind = value.get("type").and_then(Value::as_str).unwrap_or_default();
        if !["Server", "Namespace", "User", "SourceAndObject"].contains(&kind) {
            return Err(format!(
                "limits.type: Unsupported value: {kind:?}: supported values: \"Namespace\", \"Server\", \"SourceAndObject\", \"User\""
            ));
        }
        let number = |key: &str| value.get(key).and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok());
        let positive =
            |key: &str| number(key).filter(|n| *n > 0).ok_or(format!("limits.{key}: must be positive"));
        Ok(Limit {
            kind: kind.into(),
            per_second: positive("qps")?.into(),
            burst: positive("burst")?.into(),
            size: number("cacheSize").filter(|n| *n > 0).map_or(DEFAULT_SIZE, |n| n as usize),
            buckets: Mutex::default(),
        })
    }

    fn key(&self, context: &Context<'_>, event: &Event) -> String {
        match self.kind.as_str() {
            "Namespace" => context.namespace.into(),
            "User" => context.user.username.clone(),
            "SourceAndObject" => {
                let (source, object) = (&event.source, &event.involved_object);
                [
                    &source.component,
                    &source.host,
                    &object.kind,
                    &object.namespace,
                    &object.name,
                    &object.uid,
                    &object.api_version,
                ]
                .map(String::as_str)
                .concat()
            }
            _ => String::new(),
        }
    }

    fn accepts(&self, key: &str, now: Instant) -> bool {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if !buckets.contains_key(key) && buckets.len() >= self.size {
            let oldest = buckets.iter().min_by_key(|(_, b)| b.at).map(|(key, _)| key.clone());
            oldest.and_then(|key| buckets.remove(&key));
        }
        let bucket = buckets.entry(key.into()).or_insert(Bucket { left: self.burst, at: now });
        let gained = now.saturating_duration_since(bucket.at).as_secs_f64() * self.per_second;
        bucket.left = (bucket.left + gained).min(self.burst);
        bucket.at = now;
        let accepted = bucket.left >= 1.0;
        if accepted {
            bucket.left -= 1.0;
        }
        accepted
    }
}

#[async_trait]
impl Check for EventRateLimit {
    fn name(&self) -> &'static str {
        "EventRateLimit"
    }

    fn handles(&self, context: &Context<'_>) -> bool {
        matches!(context.operation, Operation::Create | Operation::Update)
            && context.is_for::<Event>()
            && !context.dry_run
    }

    async fn validate(&self, context: &Context<'_>, object: &dyn Object) -> ApiResult<()> {
        let Some(event) = object.downcast_ref::<Event>() else { return Ok(()) };
        let now = Instant::now();
        let refused = self.0.iter().filter_map(|limit| {
            let key = limit.key(context, event);
            let kind = &limit.kind;
            (!limit.accepts(&key, now)).then(|| format!("limit reached on type {kind} for key {key}"))
        });
        match &refused.collect::<Vec<_>>()[..] {
            [] => Ok(()),
            [one] => Err(ApiError::too_many_requests(one, 0)),
            all => Err(ApiError::too_many_requests(format!("[{}]", all.join(", ")), 0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Request;
    use corten_rt::sleep;
    use serde_json::json;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn a_namespace_has_so_many_events_and_no_more() {
        let limits = json!({"limits": [{"type": "Namespace", "qps": 1, "burst": 2, "cacheSize": 2}]});
        let check = EventRateLimit::configured(&limits).expect("valid");
        let request = Request::of::<Event>(Operation::Create, "ns", "e");
        let event = Event::default();
        for allowed in [true, true, false] {
            assert_eq!(request.validate(&check, &event).await.is_ok(), allowed);
        }
        let refused = request.validate(&check, &event).await.expect_err("refused");
        assert_eq!(
            (refused.code(), refused.to_string().as_str()),
            (429, "limit reached on type Namespace for key ns")
        );
        let other = Request::of::<Event>(Operation::Create, "other", "e");
        other.validate(&check, &event).await.expect("others have their own");
        sleep(Duration::from_secs(1)).await;
        request.validate(&check, &event).await.expect("time has passed");
    }

    #[test]
    fn limits_must_make_sense() {
        for wrong in [
            json!({}),
            json!({"limits": [{"type": "Moon"}]}),
            json!({"limits": [{"type": "User", "qps": 0}]}),
        ] {
            assert!(EventRateLimit::configured(&wrong).is_err(), "{wrong}");
        }
    }
}
