//! Logs over HTTP.

use super::response::{Answer, Body, Refusal, full};
use super::route::Target;
use super::{Node, pods};
use crate::logs::{self, LogOptions, Running};
use crate::server::query::Query;
use corten_api::core::v1::Pod;
use futures::StreamExt;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use std::io;
use std::sync::Arc;

/// Answers with a container's log.
pub async fn answer(node: &Arc<Node>, target: &Target, query: &Query) -> Answer {
    let options = LogOptions::parse(query.pairs(), node.clock.now())
        .map_err(|message| Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, message))?;
    let pod = pods::pod(node, target)?;
    let (name, container) = (&target.pod, &target.container);
    if !pods::has_container(&pod, container) {
        return Err(Refusal::not_found(format!("Container {container:?} not found in Pod {name:?}")));
    }
    let found = node.directory.container(&target.namespace, name, container, options.previous).await;
    let Some(found) = found else {
        return Err(Refusal::bad_request(if options.previous {
            format!("previous terminated container {container:?} in pod {name:?} not found")
        } else {
            absent(&pod, container)
        }));
    };
    let running = still_running(node, target, found.id);
    let chunks = match logs::open(found.log_path, options, running).await {
        Ok(chunks) => chunks,
        // A container that was made but never wrote.
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(full("", "text/plain")),
        Err(e) => return Err(Refusal::internal(format!("failed to open log file: {e}"))),
    };
    let body: Body = StreamBody::new(chunks.map(|chunk| chunk.map(Frame::data))).boxed_unsync();
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    Ok(response)
}

/// Asks after the very container that the log is of.
fn still_running(node: &Arc<Node>, target: &Target, id: String) -> Running {
    let (node, target) = (node.clone(), target.clone());
    Box::new(move || {
        let (node, target, id) = (node.clone(), target.clone(), id.clone());
        Box::pin(async move {
            let now =
                node.directory.container(&target.namespace, &target.pod, &target.container, false).await;
            now.is_some_and(|c| c.id == id && c.running)
        })
    })
}

/// Why there is no log yet, as upstream tells it.
fn absent(pod: &Pod, container: &str) -> String {
    let status = &pod.status;
    let all =
        [&status.container_statuses, &status.init_container_statuses, &status.ephemeral_container_statuses];
    let state = all.into_iter().flatten().find(|s| s.name == container).map(|s| &s.state);
    let waiting = state.and_then(|s| s.waiting.as_ref());
    let name = &pod.metadata.name;
    match waiting {
        Some(w) if matches!(w.reason.as_str(), "ErrImagePull" | "ImagePullBackOff" | "ErrImageNeverPull") => {
            let why = if w.reason == "ErrImagePull" {
                "image can't be pulled"
            } else {
                "trying and failing to pull image"
            };
            format!("container {container:?} in pod {name:?} is waiting to start: {why}")
        }
        Some(w) if !w.reason.is_empty() => {
            format!("container {container:?} in pod {name:?} is waiting to start: {}", w.reason)
        }
        _ => format!("container {container:?} in pod {name:?} is not available"),
    }
}
