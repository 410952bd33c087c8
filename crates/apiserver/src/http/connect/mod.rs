//! Streams to pods, services and nodes: logs, exec, attach, port-forward through the node's kubelet, and
//! plain HTTP by the `proxy` subresources. The bytes of an upgraded connection are passed on unread.

mod backend;
mod fetch;
mod html;
mod kubelet;
mod links;
mod log;
mod options;
mod proxy;

use corten_api::core::v1::{Node, Pod};
use corten_api::{Kind, KindInfo};
use corten_client::Target;
use corten_semantics::status::Resource;
use corten_semantics::{ApiError, ApiResult};
use corten_streaming::upgrade::{UpgradeError, wants_upgrade};
use std::sync::Arc;

use super::chain::Exchange;
use super::response::Response;
use crate::registry::GetOptions;
pub use backend::KubeletTls;

/// Passing requests on.
pub mod forwarding {
    pub use super::backend::{Backend, onward, remove_hops, upgrade};
}

/// A refused upgrade as a status.
pub fn refusal(error: UpgradeError) -> ApiError {
    let reason = if error.status.as_u16() == 403 { "Forbidden" } else { "BadRequest" };
    ApiError::new(error.status.as_u16(), reason, error.to_string())
}

/// Joins the client with what the target names.
pub async fn answer(mut exchange: Exchange, target: Target) -> ApiResult<Response> {
    if exchange.query.get("dryRun").is_some() {
        return Err(ApiError::bad_request("dryRun is not supported"));
    }
    if matches!(target.subresource, "exec" | "attach" | "portforward") {
        may_create(&exchange)?;
    }
    let mut path = String::new();
    if target.subresource != "log" {
        let asked = options::path(&exchange.info.rest, exchange.request.uri().path());
        let asked = options::of(&target, &exchange.query, &asked);
        let mut options = asked.clone();
        exchange.api.registry.admit_connection(&exchange.context, &target, &mut options).await?;
        if options != asked {
            exchange.query = options::query(&options);
        }
        path = options["path"].as_str().unwrap_or_default().to_owned();
    }
    match target.subresource {
        "log" => log::answer(exchange, target).await,
        "proxy" => proxy::answer(exchange, target, &path).await,
        _ => command(exchange, target).await,
    }
}

/// WebSockets begin with a GET. Who may only read must not run anything, so the verb that others begin with is asked
/// for, too (upstream's `AuthorizePodWebsocketUpgradeCreatePermission`).
fn may_create(exchange: &Exchange) -> ApiResult<()> {
    let info = &exchange.info;
    if info.verb == "create" {
        return Ok(());
    }
    let decision = exchange.api.authorizer.authorize(&info.attributes(&exchange.context.user, "create"));
    if decision.allowed {
        return Ok(());
    }
    let resource = Resource { group: &info.group, plural: &info.resource };
    Err(ApiError::forbidden(resource, &info.name, &decision.reason.to_string()))
}

/// Exec, attach and port-forward: the connection is handed to the kubelet.
async fn command(exchange: Exchange, target: Target) -> ApiResult<Response> {
    let pod = object::<Pod>(&exchange, target.namespace.as_deref().unwrap_or_default(), &target.name).await?;
    let path = kubelet::stream_path(&pod, target.subresource, &exchange.query)?;
    if !wants_upgrade(exchange.headers()) {
        return Err(ApiError::bad_request("Upgrade request required"));
    }
    let node = object::<Node>(&exchange, "", &pod.spec.node_name).await?;
    let connection = backend::kubelet(&exchange.api, kubelet::address(&node)?).await?;
    backend::upgrade(exchange, connection, &path).await
}

/// Reads an object that a stream leads to.
async fn object<K: Kind>(exchange: &Exchange, namespace: &str, name: &str) -> ApiResult<Arc<K>> {
    let kind: &'static KindInfo = K::INFO;
    let namespace = kind.namespaced.then(|| namespace.to_string());
    let target = Target { kind, namespace, name: name.to_string(), subresource: "" };
    let options = GetOptions { resource_version: "0".into() };
    let entry = exchange.api.registry.get(&exchange.context, &target, &options).await?;
    entry.object().downcast_arc().ok_or_else(|| ApiError::internal("the object is of another kind"))
}
