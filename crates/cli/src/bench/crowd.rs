//! Ten thousand watches: what they hold, how soon a change reaches them all, what that costs, and how others are
//! served meanwhile. They share connections, as those of a process do. Then the same of clients that never read.

use std::time::Duration;

use anyhow::{Result, anyhow};
use clap::Args;
use hyper::Method;

use super::api::Runner;
use super::fan_out::{self, Fan, Over};
use super::http::{Call, Connection, Lines, Server};
use super::load::Load;
use super::memory::{Held, settled};
use super::objects::config_map;

/// The time between two writes that all follow, and between two reads of somebody else.
const BETWEEN_WRITES: Duration = Duration::from_millis(500);
const BETWEEN_READS: Duration = Duration::from_millis(10);
/// Watches of one process, which share a connection.
const OF_A_PROCESS: usize = 200;
/// The number of the first write: no other run makes as many.
const FIRST: usize = 1_000_000;

/// Writes that nobody reads about, and reads after them.
const UNREAD: usize = 1000;

/// How large the crowd is.
#[derive(Args, Clone, Debug)]
pub struct CrowdArgs {
    /// Watches of a crowd, over shared connections; 0 leaves it away.
    #[arg(long, default_value_t = 10_000, value_name = "COUNT")]
    crowd: usize,
    /// Writes that the crowd follows, two each second.
    #[arg(long, default_value_t = 20, value_name = "COUNT")]
    crowd_writes: usize,
}

/// Measures the crowd on `objects` objects that are there; what it holds.
pub async fn measure(
    args: &CrowdArgs,
    objects: usize,
    server: &Server,
    runner: &mut Runner,
) -> Result<Vec<Held>> {
    let (watchers, writes) = (args.crowd, args.crowd_writes);
    if watchers == 0 {
        return Ok(Vec::new());
    }
    let over = Over::shared(watchers, watchers.div_ceil(OF_A_PROCESS));
    let path = runner.namespace.path("configmaps");
    // As much for each as is wanted of a thousand.
    let aim = (watchers as u64 * 30).div_ceil(1000);
    let version = runner.namespace.version(&mut server.connect().await?, "configmaps").await?;
    let before = settled(&runner.groups).await;
    let watches = fan_out::open(server, &path, &version, watchers, over).await?;
    let after = settled(&runner.groups).await;
    let held = Held::added(format!("{watchers} watches over {over}: add"), aim, &before, &after);
    if writes == 0 {
        return Ok(vec![held]);
    }
    let reads = writes * usize::try_from(BETWEEN_WRITES.as_millis() / BETWEEN_READS.as_millis())?;
    let of = path.clone();
    let read = move |n: usize| Call::new(Method::GET, format!("{of}/cm-{}", n % objects));
    let load = Load { count: reads, pace: BETWEEN_READS, call: read };
    let (mut connections, tasks) = (server.connect_many(8).await?, runner.tasks.clone());
    let operation = format!("{watchers} watches, 2 writes/s, {over}");
    let pace = BETWEEN_WRITES;
    let fan = Fan { operation, watchers, over, writes, first: FIRST, pace, objects };
    let (followed, read) = tokio::join!(runner.follow(fan, watches), load.run(&mut connections, &tasks));
    followed?;
    let read = read?;
    if read.latencies.is_empty() {
        return Err(anyhow!("nothing could be read: {}", read.first_error.unwrap_or_default()));
    }
    runner.meanwhile("get, meanwhile", read);
    let before = settled(&runner.groups).await;
    let unread = unread(server, &path, watchers).await?;
    let changed = path.clone();
    let change = move |n: usize| {
        let map = config_map(n % objects, &format!("unread-{n}"));
        Call::with(Method::PUT, format!("{changed}/cm-{}", n % objects), map)
    };
    runner.run(&format!("update, {watchers} watches unread"), UNREAD, change).await?;
    let read = move |n: usize| Call::new(Method::GET, format!("{path}/cm-{}", n % objects));
    runner.run(&format!("get, {watchers} watches unread"), UNREAD, read).await?;
    let after = settled(&runner.groups).await;
    drop(unread);
    let what = format!("{watchers} watches that nobody reads, after {UNREAD} writes: add");
    Ok(vec![held, Held::added(what, aim, &before, &after)])
}

/// Watches whose events nobody reads.
async fn unread(server: &Server, path: &str, count: usize) -> Result<Vec<Lines>> {
    let mut connections: Vec<Connection> = Vec::new();
    for _ in 0..count.div_ceil(OF_A_PROCESS) {
        connections.push(server.connect_slow().await?);
    }
    let mut watches = Vec::with_capacity(count);
    for connection in connections.iter().flat_map(|one| std::iter::repeat_n(one, OF_A_PROCESS)).take(count) {
        let Some(share) = connection.another() else { continue };
        watches.push(share.watch(format!("{path}?watch=1&timeoutSeconds=600&resourceVersion=0")).await?);
    }
    Ok(watches)
}
