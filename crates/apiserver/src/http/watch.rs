//! Watches: events as lines of JSON, frames of protobuf, or messages of a WebSocket, until one side ends it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Bytes, BytesMut};
use corten_api::KindInfo;
use corten_client::Target;
use corten_rt::Stop;
use corten_semantics::ApiResult;
use corten_streaming::upgrade::{accept_watch, wants_websocket};
use corten_streaming::websocket::{Framing, WebSocketWriter};
use futures::FutureExt;
use http::StatusCode;
use hyper_util::rt::TokioIo;

use super::Api;
use super::chain::Exchange;
use super::encode::Encoder;
use super::metrics::Lasting;
use super::negotiate::{self, Format};
use super::path::RequestInfo;
use super::response::{self, BodyError, Response};
use super::window::Window;
use super::{options, verbs};
use crate::cache::Watch;
use crate::flow::Open;

/// Events that are ready are sent together up to this size, in bytes.
const TOGETHER: usize = 16 * 1024;

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
    let events = Events { stop, counted, kind: target.kind, encoder, watch, window: Window::new() };
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
    Ok(response::with_body(StatusCode::OK, content_type, response::streamed(pieces)))
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
        Counted { _open, _lasting: api.metrics.lasts(info), events: api.metrics.events(info) }
    }
}

/// The encoded events of one watch.
struct Events {
    stop: Stop,
    counted: Counted,
    kind: &'static KindInfo,
    encoder: Encoder,
    watch: Watch,
    window: Window,
}

impl Events {
    /// The next event, with those that are ready too if they may be sent together; `None` at the end.
    async fn next(&mut self, together: bool) -> Option<Bytes> {
        if !together {
            let event = self.stop.run(self.watch.next()).await??;
            return self.encode(&event);
        }
        let window = &self.window;
        let watch = &mut self.watch;
        let next = async { Some((window.room().await?, watch.next().await?)) };
        let (room, first) = self.stop.run(next).await??;
        let first = self.encode(&first)?;
        let mut all: Option<BytesMut> = None;
        let mut size = first.len();
        while size < TOGETHER {
            let Some(Some(event)) = self.watch.next().now_or_never() else { break };
            let Some(bytes) = self.encode(&event) else { break };
            size += bytes.len();
            all.get_or_insert_with(|| BytesMut::from(&first[..])).extend_from_slice(&bytes);
        }
        Some(room.filled(all.map_or(first, BytesMut::freeze)))
    }

    /// An event that cannot be encoded ends the watch; the client lists again.
    fn encode(&mut self, event: &crate::cache::WatchEvent) -> Option<Bytes> {
        let encoded = self.encoder.event(self.kind, event);
        self.counted.events.fetch_add(1, Ordering::Relaxed);
        encoded
            .inspect_err(|error| tracing::warn!(%error, kind = ?self.kind, "an event was not encoded"))
            .ok()
    }
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
