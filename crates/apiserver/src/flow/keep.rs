//! Follows the objects of flow control, and tells in each FlowSchema's status whether its level is there.

use std::sync::Arc;
use std::time::Duration;

use corten_api::flowcontrol::v1::{FlowSchema, FlowSchemaCondition, PriorityLevelConfiguration};
use corten_api::{Kind, Time};
use corten_client::Target;
use corten_rt::{Backoff, Timestamp, sleep};
use corten_semantics::ApiResult;

use super::FlowControl;
use crate::Registry;
use crate::cache::WatchEvent;
use crate::registry::{RequestContext, WatchOptions, WriteOptions};

/// How long further changes are waited for before they are taken over.
const GATHER: Duration = Duration::from_millis(20);

/// Keeps `flow` as the objects say; to be run until the server ends.
pub async fn keep(flow: Arc<FlowControl>, registry: Arc<Registry>, ctx: RequestContext) {
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(30));
    loop {
        if let Err(error) = follow(&flow, &registry, &ctx).await {
            tracing::warn!(%error, "flow control cannot follow its objects");
        }
        sleep(backoff.step()).await;
    }
}

/// Takes over what there is, and every change, until a watch ends.
async fn follow(flow: &FlowControl, registry: &Arc<Registry>, ctx: &RequestContext) -> ApiResult<()> {
    let all = |kind| Target { kind, namespace: None, name: String::new(), subresource: "" };
    let options = WatchOptions { resource_version: "0".into(), ..WatchOptions::default() };
    let mut schemas = registry.watch(ctx, &all(FlowSchema::INFO), &options).await?;
    let mut levels = registry.watch(ctx, &all(PriorityLevelConfiguration::INFO), &options).await?;
    take_over(flow, registry, ctx).await;
    loop {
        let event = tokio::select! {
            event = schemas.next() => event,
            event = levels.next() => event,
        };
        match event {
            None => return Ok(()),
            Some(WatchEvent::Error(error)) => return Err(error),
            Some(WatchEvent::Bookmark { .. }) => continue,
            Some(_) => {}
        }
        sleep(GATHER).await;
        let mut more = true;
        while more {
            more = tokio::select! {
                biased;
                Some(WatchEvent::Added(_) | WatchEvent::Modified(_) | WatchEvent::Deleted(_)) = schemas.next() => true,
                Some(WatchEvent::Added(_) | WatchEvent::Modified(_) | WatchEvent::Deleted(_)) = levels.next() => true,
                () = std::future::ready(()) => false,
            };
        }
        take_over(flow, registry, ctx).await;
    }
}

fn present<K: Kind>(registry: &Registry) -> Vec<Arc<K>> {
    let objects = registry.lookup().objects(K::INFO, "");
    objects.into_iter().filter_map(|object| object.downcast_arc()).collect()
}

async fn take_over(flow: &FlowControl, registry: &Arc<Registry>, ctx: &RequestContext) {
    let levels: Vec<Arc<PriorityLevelConfiguration>> = present(registry);
    let schemas: Vec<Arc<FlowSchema>> = present(registry);
    let now = registry.clock().now();
    let stale: Vec<FlowSchema> = schemas
        .iter()
        .filter_map(|schema| {
            let wanted = &schema.spec.priority_level_configuration.name;
            told(schema, levels.iter().any(|level| level.metadata.name == *wanted), now)
        })
        .collect();
    flow.configure(levels, schemas);
    for schema in stale {
        let name = schema.metadata.name.clone();
        let target = Target { kind: FlowSchema::INFO, namespace: None, name, subresource: "status" };
        let told = registry.update(ctx, &target, Box::new(schema), &WriteOptions::default()).await;
        // Whoever was faster leads to another look.
        if let Err(error) = told.map(|_| ())
            && !error.is_conflict()
            && !error.is_not_found()
        {
            tracing::warn!(%error, "a FlowSchema's status cannot be written");
        }
    }
}

/// The schema with its condition put right; `None` if it is right already.
fn told(schema: &FlowSchema, exists: bool, now: Timestamp) -> Option<FlowSchema> {
    let level = &schema.spec.priority_level_configuration.name;
    let what = format!("This FlowSchema references the PriorityLevelConfiguration object named {level:?}");
    let (status, reason, message) = match exists {
        true => ("False", "Found", format!("{what} and it exists")),
        false => ("True", "NotFound", format!("{what} but there is no such object")),
    };
    let found = schema.status.conditions.iter().find(|c| c.type_ == "Dangling");
    if found.is_some_and(|c| c.status == status && c.reason == reason && c.message == message) {
        return None;
    }
    let since = found.filter(|c| c.status == status).and_then(|c| c.last_transition_time);
    let condition = FlowSchemaCondition {
        type_: "Dangling".into(),
        status: status.into(),
        last_transition_time: Some(since.unwrap_or(Time::new(now))),
        reason: reason.into(),
        message,
    };
    let mut schema = schema.clone();
    schema.status.conditions.retain(|c| c.type_ != "Dangling");
    schema.status.conditions.push(condition);
    Some(schema)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_without_its_level_dangles() {
        let now = Timestamp::UNIX_EPOCH;
        let mut schema = FlowSchema::default();
        schema.spec.priority_level_configuration.name = "high".into();
        let first = told(&schema, false, now).expect("a change");
        let condition = &first.status.conditions[0];
        assert_eq!((condition.status.as_str(), condition.reason.as_str()), ("True", "NotFound"));
        assert_eq!(told(&first, false, now), None);
        let second = told(&first, true, now).expect("a change");
        assert_eq!(
            second.status.conditions[0].message,
            "This FlowSchema references the PriorityLevelConfiguration object named \"high\" and it exists"
        );
        assert_eq!(second.status.conditions.len(), 1);
    }
}
