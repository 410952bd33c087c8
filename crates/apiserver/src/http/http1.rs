//! Connections of HTTP/1.1: one request after the other. An answer that lasts is sent without what serves requests,
//! which comes back once it has ended.

use std::convert::Infallible;
use std::error::Error;
use std::future::{pending, poll_fn};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use corten_auth::authenticate::Peer;
use corten_rt::Stop;
use http::header::CONNECTION;
use http::{HeaderMap, HeaderValue, Version};
use hyper::Request;
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

use super::endless::{self, Line};
use super::response::Response;
use super::timely::Sending;
use super::{Api, chain};

/// Who is at the other end of a connection, and where.
pub type Caller = (Arc<Peer>, Option<IpAddr>);

/// Serves requests until the client goes, or `era` ends and what is under way is done.
pub async fn serve<S>(stream: S, api: Arc<Api>, caller: Caller, era: Stop)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    if let Err(error) = in_turn(stream, api, caller, era).await {
        tracing::debug!(%error, "a connection ended early");
    }
}

async fn in_turn<S>(
    mut stream: S,
    api: Arc<Api>,
    caller: Caller,
    era: Stop,
) -> Result<(), Box<dyn Error + Send + Sync>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    loop {
        // In a box, so that nothing is left of it while an answer lasts.
        let requests = Box::pin(requests(stream, Arc::clone(&api), caller.clone(), era.clone()));
        let Some((answer, rest)) = requests.await? else { return Ok(()) };
        stream = rest;
        if !endless::send(&mut stream, answer, api.clock.now()).await? || era.is_stopped() {
            return Ok(endless::close(&mut stream).await?);
        }
    }
}

/// Serves requests until one has an answer that lasts, which is given back with the connection.
async fn requests<S>(
    stream: S,
    api: Arc<Api>,
    (peer, from): Caller,
    era: Stop,
) -> hyper::Result<Option<(Response, S)>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limits = api.limits;
    let (line, handed) = Line::new(stream);
    let hand = handed.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let (api, peer, hand) = (Arc::clone(&api), Arc::clone(&peer), hand.clone());
        async move {
            let is_alone = request.version() == Version::HTTP_11 && request.body().is_end_stream();
            let is_last = is_alone && asks_to_close(request.headers());
            // A connection keeps the room of its largest request, so that is a box's.
            let mut answer = Box::pin(chain::serve(api, peer, from, request)).await;
            if is_last {
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            match if is_alone { hand.take_over(answer) } else { Some(answer) } {
                Some(answer) => Ok::<_, Infallible>(answer),
                None => pending().await,
            }
        }
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_time)
        .max_buf_size(limits.header_bytes.max(16 * 1024))
        .serve_connection(TokioIo::new(line), service)
        .with_upgrades();
    let mut leaving = std::pin::pin!(era.stopped());
    let (mut leaves, mut sending) = (false, Sending::default());
    let left = poll_fn(|context| {
        if !leaves && leaving.as_mut().poll(context).is_ready() {
            leaves = true;
            Pin::new(&mut connection).graceful_shutdown();
        }
        let work = |context: &mut Context<'_>| Pin::new(&mut connection).poll(context);
        if let Poll::Ready(outcome) = sending.poll(context, work, || handed.is_settled()) {
            return Poll::Ready(outcome.unwrap_or(Ok(())).map(|()| None));
        }
        handed.take().map_or(Poll::Pending, |answer| Poll::Ready(Ok(Some(answer))))
    });
    let Some(mut answer) = left.await? else { return Ok(None) };
    let Some(parts) = connection.into_parts() else { return Ok(None) };
    if !parts.read_buf.is_empty() {
        // What was asked already without waiting for this answer is to be asked again.
        answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(Some((answer, parts.io.into_inner().into_inner())))
}

fn asks_to_close(headers: &HeaderMap) -> bool {
    let mut words = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    words.any(|value| value.split(',').any(|word| word.trim().eq_ignore_ascii_case("close")))
}
