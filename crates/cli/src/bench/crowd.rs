//! Ten thousand watches: what they hold, how soon a change reaches them all, what that costs, and how others are
//! served meanwhile. They share connections, as those of a process do.

use std::time::Duration;

use anyhow::{Result, anyhow};
use clap::Args;
use hyper::Method;

use super::api::Runner;
use super::fan_out::{self, Fan, Over};
use super::http::{Call, Server};
use super::load::Load;
use super::memory::{Held, settled};

/// The time between two writes that all follow, and between two reads of somebody else.
const BETWEEN_WRITES: Duration = Duration::from_millis(500);
const BETWEEN_READS: Duration = Duration::from_millis(10);
/// Watches of one process, which share a connection.
const OF_A_PROCESS: usize = 200;
/// The number of the first write: no other run makes as many.
const FIRST: usize = 1_000_000;

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
    let version = runner.namespace.version(&mut server.connect().await?, "configmaps").await?;
    let before = settled(&runner.groups).await;
    let watches = fan_out::open(server, &path, &version, watchers, over).await?;
    let after = settled(&runner.groups).await;
    // As much for each as is wanted of a thousand.
    let aim = (watchers as u64 * 30).div_ceil(1000);
    let held = Held::added(format!("{watchers} watches over {over}: add"), aim, &before, &after);
    if writes == 0 {
        return Ok(vec![held]);
    }
    let reads = writes * usize::try_from(BETWEEN_WRITES.as_millis() / BETWEEN_READS.as_millis())?;
    let read = move |n: usize| Call::new(Method::GET, format!("{path}/cm-{}", n % objects));
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
    Ok(vec![held])
}
