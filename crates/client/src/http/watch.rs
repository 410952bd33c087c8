//! Watches over HTTP: events as lines of JSON.

use bytes::{Buf, BytesMut};
use corten_api::KindInfo;
use corten_codec::watch as frames;
use corten_rt::random;
use corten_semantics::{ApiError, ApiResult};
use futures::StreamExt;
use http::Method;
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::exchange::{Exchange, Message, object, status};
use crate::transport::{Event, Target, WatchOptions, WatchStream};

/// Watches are asked to end by themselves after this many seconds to twice as many, so that servers can be
/// replaced and load spreads.
const SHORTEST: usize = 290;
/// The annotation of the bookmark that closes the initial events.
const INITIAL_END: &str = "k8s.io/initial-events-end";

/// Opens a watch. An error while it runs ends it.
pub async fn open(exchange: &Exchange, target: &Target, options: &WatchOptions) -> ApiResult<WatchStream> {
    let message = Message { query: query(options), ..Message::default() };
    let response = exchange.send(Method::GET, target, message).await?;
    let lines = Lines { body: response.into_body(), buffer: BytesMut::new(), scanned: 0, kind: target.kind };
    let events = futures::stream::unfold(Some(lines), |lines| async move {
        let mut lines = lines?;
        match lines.next().await {
            Some(Ok(event)) => Some((Ok(event), Some(lines))),
            Some(Err(error)) => Some((Err(error), None)),
            None => None,
        }
    });
    Ok(events.boxed())
}

fn query(options: &WatchOptions) -> Vec<(&'static str, String)> {
    let seconds = SHORTEST + random::below(SHORTEST);
    let mut query = vec![
        ("watch", "1".to_string()),
        ("allowWatchBookmarks", "true".into()),
        ("timeoutSeconds", seconds.to_string()),
    ];
    if options.initial_events {
        query.push(("sendInitialEvents", "true".into()));
        query.push(("resourceVersionMatch", "NotOlderThan".into()));
    }
    for (key, value) in [
        ("labelSelector", &options.label_selector),
        ("fieldSelector", &options.field_selector),
        ("resourceVersion", &options.resource_version),
    ] {
        if !value.is_empty() {
            query.push((key, value.clone()));
        }
    }
    query
}

struct Lines {
    body: Incoming,
    buffer: BytesMut,
    /// How much of the buffer is known to hold no line's end.
    scanned: usize,
    kind: &'static KindInfo,
}

impl Lines {
    async fn next(&mut self) -> Option<ApiResult<Event>> {
        loop {
            if let Some(at) = self.buffer[self.scanned..].iter().position(|b| *b == b'\n') {
                let line = self.buffer.split_to(self.scanned + at);
                self.buffer.advance(1);
                self.scanned = 0;
                if line.is_empty() {
                    continue;
                }
                return Some(event(&line, self.kind));
            }
            self.scanned = self.buffer.len();
            if self.scanned > frames::MAX_FRAME {
                return Some(Err(ApiError::internal("a watch event is too long")));
            }
            match self.body.frame().await? {
                Ok(frame) => self.buffer.extend_from_slice(frame.data_ref().map_or(&[], |data| data)),
                Err(e) => return Some(Err(ApiError::unavailable(format!("the watch broke off: {e}")))),
            }
        }
    }
}

fn event(line: &[u8], kind: &'static KindInfo) -> ApiResult<Event> {
    let read = frames::decode_json(line).map_err(ApiError::internal)?;
    if read.kind == "ERROR" {
        let why = status(read.object).map(ApiError::from);
        return Err(why.unwrap_or_else(|| ApiError::internal("the watch ended with an error")));
    }
    let object = object(read.object, Some(kind))?;
    Ok(match &*read.kind {
        "ADDED" => Event::Added(object),
        "MODIFIED" => Event::Modified(object),
        "DELETED" => Event::Deleted(object),
        "BOOKMARK" => {
            let meta = object.meta();
            let initial_end = meta.annotations.get(INITIAL_END).is_some_and(|v| v == "true");
            Event::Bookmark { resource_version: meta.resource_version.clone(), initial_end }
        }
        other => return Err(ApiError::internal(format!("a watch event of unknown type {other:?}"))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::Kind;
    use corten_api::core::v1::ConfigMap;

    #[test]
    fn lines_become_events() {
        let read = |line: &str| event(line.as_bytes(), ConfigMap::INFO);
        let added = read(
            r#"{"type":"ADDED","object":{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"a"}}}"#,
        );
        assert!(matches!(added, Ok(Event::Added(o)) if o.meta().name == "a"));
        let end = read(
            r#"{"type":"BOOKMARK","object":{"kind":"ConfigMap","apiVersion":"v1","metadata":{"resourceVersion":"7","annotations":{"k8s.io/initial-events-end":"true"}}}}"#,
        );
        assert!(
            matches!(end, Ok(Event::Bookmark { resource_version, initial_end: true }) if resource_version == "7")
        );
        let gone = read(
            r#"{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","code":410,"reason":"Expired"}}"#,
        );
        assert!(gone.is_err_and(|e| e.is_expired()));
        assert!(read("{").is_err());
    }
}
