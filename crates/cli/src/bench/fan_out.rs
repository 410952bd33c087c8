//! Many watches on one collection, and how soon each hears of each write.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use hyper::Method;
use tokio::sync::mpsc;

use corten_rt::{Instant, Tasks, timeout};

use super::http::{Call, Connection, Lines, Server};
use super::load::{Load, Outcome};
use super::objects::config_map;

/// How long the last deliveries may take after the last write was answered.
const PATIENCE: Duration = Duration::from_secs(60);
/// What stands before the number of a write in an event.
const MARK: &[u8] = b"\"seq\":\"";

/// A run of writes that all watches follow.
pub struct Fan {
    /// What the figures call it.
    pub operation: String,
    /// How many watches.
    pub watchers: usize,
    /// Over how many connections.
    pub over: Over,
    /// How many writes.
    pub writes: usize,
    /// The number of the first write. No two runs share numbers, since a write that changes nothing is no
    /// event.
    pub first: usize,
    /// The time between two writes; zero for as fast as can be.
    pub pace: Duration,
    /// How many objects there are to write to, `cm-0` and on.
    pub objects: usize,
}

/// How watches reach the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// Each by HTTP/1.1 over a connection of its own.
    Own,
    /// By HTTP/2 over so many connections, as a process with client-go has one for all its watches.
    Shared(usize),
}

/// Requests that a connection carries at a time: clients open another one beyond what servers allow, which is 250
/// in Go's and ours.
const STREAMS: usize = 250;

impl Over {
    /// So many watches over so many connections, or as few more as can carry them.
    pub fn shared(watches: usize, connections: usize) -> Over {
        Over::Shared(connections.max(watches.div_ceil(STREAMS)))
    }
}

impl std::fmt::Display for Over {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Over::Own => f.write_str("a connection each"),
            Over::Shared(1) => f.write_str("1 connection"),
            Over::Shared(count) => write!(f, "{count} connections"),
        }
    }
}

/// When each write was sent; empty until it was.
type Sent = Arc<Vec<OnceLock<Instant>>>;

/// Opens `count` watches on the collection at `path`, from `version` on.
///
/// # Errors
/// When one cannot be opened.
pub async fn open(
    server: &Server,
    path: &str,
    version: &str,
    count: usize,
    over: Over,
) -> Result<Vec<Lines>> {
    let path = format!("{path}?watch=1&resourceVersion={version}&timeoutSeconds=600");
    let mut shared: Vec<Connection> = Vec::new();
    if let Over::Shared(connections) = over {
        for _ in 0..connections {
            shared.push(server.connect_shared().await?);
        }
    }
    let mut watches = Vec::with_capacity(count);
    for number in 1..=count {
        let connection = match shared.get(number % shared.len().max(1)).and_then(Connection::another) {
            Some(connection) => connection,
            None => server.connect().await?,
        };
        let watch = connection.watch(path.clone()).await;
        watches.push(watch.with_context(|| format!("watch {number} of {count}"))?);
    }
    Ok(watches)
}

/// Writes, and waits until every watch has seen every write. The outcome's latencies are from the sending
/// of a write to its arrival at one watch; writes and deliveries that failed are its errors.
///
/// # Errors
/// When the run is stopped from outside.
pub async fn run(
    fan: Fan,
    watches: Vec<Lines>,
    path: &str,
    connections: &mut Vec<Connection>,
    tasks: &Tasks,
) -> Result<Outcome> {
    let (start, first) = (Instant::now(), fan.first);
    let sent: Sent = Arc::new((0..fan.writes).map(|_| OnceLock::new()).collect());
    let (results, mut finished) = mpsc::channel(fan.watchers.max(1));
    for watch in watches {
        let (sent, results) = (sent.clone(), results.clone());
        tasks.spawn_until_stopped("watch", async move {
            if results.send(follow(watch, &sent, first).await).await.is_err() {
                tracing::debug!("nobody waits for this watch");
            }
        });
    }
    drop(results);
    let (path, objects, marks) = (path.to_owned(), fan.objects, sent.clone());
    let call = move |n: usize| {
        let call = Call::with(
            Method::PUT,
            format!("{path}/cm-{}", n % objects),
            config_map(n % objects, &(first + n).to_string()),
        );
        marks[n].get_or_init(Instant::now);
        call
    };
    let writes = Load { count: fan.writes, pace: fan.pace, call }.run(connections, tasks).await?;
    let mut total = Outcome { errors: writes.errors, first_error: writes.first_error, ..Outcome::default() };
    for _ in 0..fan.watchers {
        let seen = timeout(PATIENCE, finished.recv()).await;
        let seen = super::late(seen, "watches have not seen every write")?;
        let (latencies, error) = seen.ok_or_else(|| anyhow!("the run was stopped"))?;
        total.errors += fan.writes.saturating_sub(latencies.len() + writes.errors);
        total.latencies.extend(latencies);
        total.first_error = total.first_error.take().or(error);
    }
    total.wall = start.elapsed();
    Ok(total)
}

/// Notes when each write arrives, until all have or the watch ends, and why it ended.
async fn follow(mut watch: Lines, sent: &Sent, first: usize) -> (Vec<Duration>, Option<String>) {
    let mut latencies = Vec::with_capacity(sent.len());
    while latencies.len() < sent.len() {
        // Nothing at all for so long means that a write failed or was lost; what was seen still counts.
        let line = match timeout(PATIENCE / 2, watch.next()).await {
            Some(Ok(Some(line))) => line,
            Some(Ok(None)) => return (latencies, Some("the server ended a watch".to_owned())),
            Some(Err(error)) => return (latencies, Some(format!("{error:#}"))),
            None => return (latencies, Some("a watch heard nothing for long".to_owned())),
        };
        let begun = write_of(&line).and_then(|number| sent.get(number.checked_sub(first)?)?.get());
        if let Some(begun) = begun {
            latencies.push(begun.elapsed());
        }
    }
    (latencies, None)
}

/// The number of the write that an event tells of. Searched from the end, where servers put data.
fn write_of(event: &[u8]) -> Option<usize> {
    let at = event.windows(MARK.len()).rposition(|window| window == MARK)? + MARK.len();
    let digits: Vec<u8> = event[at..].iter().copied().take_while(u8::is_ascii_digit).collect();
    std::str::from_utf8(&digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_tells_its_write() {
        for (event, expected) in [
            (r#"{"object":{"data":{"payload":"x","seq":"17"}}}"#, Some(17)),
            (r#"{"object":{"data":{"seq":"0","payload":"x"},"metadata":{"f:seq":{}}}}"#, Some(0)),
            (r#"{"object":{"data":{"seq":"update-3"}}}"#, None),
            (r#"{"type":"BOOKMARK"}"#, None),
            ("", None),
        ] {
            assert_eq!(write_of(event.as_bytes()), expected, "{event}");
        }
        let event = [b"{\"object\":", &config_map(4, "123")[..], b"}"].concat();
        assert_eq!(write_of(&event), Some(123));
    }
}
