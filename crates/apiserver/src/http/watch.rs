//! Watches: events as lines of JSON, frames of protobuf, a sequence of CBOR, or messages of a WebSocket, until one
//! side ends it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;

use bytes::{Bytes, BytesMut};
use corten_api::KindInfo;
use corten_client::Target;
use corten_semantics::ApiResult;
use corten_streaming::upgrade::{accept_watch, wants_websocket};
use corten_streaming::websocket::{Framing, WebSocketWriter};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use http::StatusCode;
use hyper_util::rt::TokioIo;

use super::Api;
use super::chain::Exchange;
use super::encode::Encoder;
use super::endless::Endless;
use super::metrics::Lasting;
use super::negotiate::{self, Accepted, Form, Format};
use super::path::RequestInfo;
use super::response::{self, BodyError, Response};
use super::window::Window;
use super::{options, verbs};
use crate::cache::{Watch, WatchEvent};
use crate::flow::Open;

/// Events that are ready are sent together up to this size, in bytes; with the last of them they mostly fit into
/// one record of TLS, or one frame of HTTP/2.
const TOGETHER: usize = 14 * 1024;

/// Opens a watch and answers with its events.
pub async fn answer(exchange: Exchange, target: Target) -> ApiResult<Response> {
    let options = options::watch(&exchange.query)?;
    let accepted =
        negotiate::stream(exchange.headers(), &exchange.query, verbs::offer(&target), exchange.gates())?;
    let accepted = negotiate::Accepted { pretty: false, ..accepted };
    if target.kind.custom {
        verbs::no_protobuf(accepted)?;
    }
    let strategy = exchange.api.registry.strategy(target.kind);
    let encoder = Encoder::new(accepted, strategy, &exchange.query, exchange.api.clock.now())?;
    let watch = exchange.api.registry.watch(&exchange.context, &target, &options).await?;
    let counted = Counted::new(&exchange.api, &exchange.info);
    let stop = exchange.api.tasks.stop().clone();
    let stopped = async move { stop.stopped().await }.boxed();
    let (form, window) = (form(accepted), Window::new());
    let events = Events { stopped, counted, kind: target.kind, encoder, form, watch, window };
    if wants_websocket(exchange.headers()) {
        let framing = match accepted.format {
            Format::Protobuf | Format::Cbor => Framing::Binary,
            Format::Json | Format::Yaml => Framing::Text,
        };
        return over_websocket(exchange, events, framing);
    }
    let content_type = match accepted.format {
        Format::Protobuf => "application/vnd.kubernetes.protobuf;stream=watch",
        Format::Cbor => negotiate::CBOR_SEQUENCE,
        Format::Json | Format::Yaml => accepted.format.media_type(),
    };
    let pieces = futures::stream::unfold(events, |mut events| async move {
        events.next(true).await.map(|bytes| (Ok::<_, BodyError>(bytes), events))
    });
    let mut answer = response::with_body(StatusCode::OK, content_type, response::streamed(pieces));
    answer.extensions_mut().insert(Endless);
    Ok(answer)
}

/// Counts a watch for as long as it is open.
struct Counted {
    _open: Open,
    _lasting: Lasting,
    /// Events sent.
    events: Arc<AtomicU64>,
}

impl Counted {
    fn new(api: &Api, info: &RequestInfo) -> Self {
        let _open = api.flow.watches.open(info);
        Counted {
            _open,
            _lasting: api.metrics.requests.lasts(info),
            events: api.metrics.requests.events(info),
        }
    }
}

/// The encoded events of one watch.
struct Events {
    stopped: BoxFuture<'static, ()>,
    counted: Counted,
    kind: &'static KindInfo,
    encoder: Encoder,
    /// What others who watch the same may have encoded already.
    form: Option<u64>,
    watch: Watch,
    window: Window,
}

impl Events {
    /// The next event, with those that are ready too if they may be sent together; `None` at the end.
    async fn next(&mut self, together: bool) -> Option<Bytes> {
        let (window, watch) = (&self.window, &mut self.watch);
        let next = async { Some((window.room().await?, watch.next().await?)) };
        let (room, first) = tokio::select! {
            biased;
            () = self.stopped.as_mut() => return None,
            next = next => next?,
        };
        let mut size = size(&first);
        let mut events = vec![first];
        while together && size < TOGETHER {
            let Poll::Ready(Some(event)) = futures::poll!(StreamExt::next(&mut self.watch)) else { break };
            size += self::size(&event);
            events.push(event);
        }
        let bytes = self.encode(events)?;
        Some(if together { room.filled(bytes) } else { bytes })
    }

    /// Events as bytes, of which others who watch the same have a share. One that cannot be encoded ends the
    /// watch; the client lists again.
    fn encode(&mut self, events: Vec<WatchEvent>) -> Option<Bytes> {
        self.counted.events.fetch_add(events.len() as u64, Ordering::Relaxed);
        let (kind, encoder) = (self.kind, &mut self.encoder);
        let mut encode = |events: &[WatchEvent]| -> ApiResult<Bytes> {
            let [first, rest @ ..] = events else { return Ok(Bytes::new()) };
            let first = encoder.event(kind, first)?;
            if rest.is_empty() {
                return Ok(first);
            }
            // As long as it will be, since a client that does not read holds it.
            let mut all =
                BytesMut::with_capacity(first.len() + rest.iter().map(|e| size(e) + FRAME).sum::<usize>());
            all.extend_from_slice(&first);
            for event in rest {
                all.extend_from_slice(&encoder.event(kind, event)?);
            }
            Ok(all.freeze())
        };
        let encoded = match self.form {
            Some(form) => self.watch.shared().encoded(form, events, encode),
            None => encode(&events),
        };
        encoded
            .inspect_err(|error| tracing::warn!(%error, kind = ?self.kind, "an event was not encoded"))
            .ok()
    }
}

/// What an event is wrapped in, in bytes.
const FRAME: usize = 64;

/// Bytes that an event will have, more or less.
fn size(event: &WatchEvent) -> usize {
    match event {
        WatchEvent::Added(entry) | WatchEvent::Modified(entry) | WatchEvent::Deleted(entry) => entry.bytes(),
        WatchEvent::Bookmark { .. } | WatchEvent::Error(_) => 0,
    }
}

/// A number for what an event looks like; none where that depends on who watches, and when.
fn form(accepted: Accepted) -> Option<u64> {
    let form = match accepted.form {
        Form::Plain => 0,
        Form::Metadata("v1") => 1,
        Form::Metadata("v1beta1") => 2,
        _ => return None,
    };
    Some(accepted.format as u64 * 4 + form)
}

fn over_websocket(mut exchange: Exchange, mut events: Events, framing: Framing) -> ApiResult<Response> {
    let granted = accept_watch(exchange.headers()).map_err(super::connect::refusal)?;
    let upgrade = hyper::upgrade::on(&mut exchange.request);
    let tasks = exchange.api.tasks.clone();
    exchange.api.tasks.spawn("websocket watch", async move {
        let Ok(upgraded) = upgrade.await else { return };
        let mut out = WebSocketWriter::start(TokioIo::new(upgraded), framing, &tasks).await;
        let gone = out.gone().clone();
        while let Some(Some(bytes)) = gone.run(events.next(false)).await {
            if out.send(bytes).await.is_err() {
                return;
            }
        }
        out.close().await;
    });
    Ok(granted.map(|()| response::full(Bytes::new())))
}
