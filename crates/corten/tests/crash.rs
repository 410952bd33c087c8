//! `kill -9` of the real process under write load, many times: what was acknowledged is there afterwards,
//! and no revision is given twice. `CORTEN_CRASH_ROUNDS` sets how often (100).

use anyhow::{Context, Result, bail};
use corten_api::core::v1::ConfigMap;
use corten_client::{Client, HttpTransport, ListOptions};
use corten_rt::{Instant, Stop, Tasks, random};
use std::collections::{BTreeMap, HashSet};
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

const WRITERS: usize = 8;

/// What the server has acknowledged: value and revision by name, and every revision ever seen.
#[derive(Default)]
struct Acknowledged {
    objects: BTreeMap<String, (String, u64)>,
    revisions: HashSet<u64>,
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_writes_survive_kill_9() -> Result<()> {
    let rounds = std::env::var("CORTEN_CRASH_ROUNDS").ok().and_then(|r| r.parse().ok()).unwrap_or(100);
    let dir = tempfile::tempdir()?;
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let known = Arc::new(Mutex::new(Acknowledged::default()));
    for round in 0..rounds {
        let mut server = start(dir.path(), port).await.with_context(|| format!("start of round {round}"))?;
        let tasks = Tasks::new(Stop::new());
        let client =
            Client::new(Arc::new(HttpTransport::from_kubeconfig(&dir.path().join("kubeconfig"), &tasks)?));
        verify(&client, &known).await.with_context(|| format!("after crash {round}"))?;
        for writer in 0..WRITERS {
            tasks.spawn_until_stopped("writer", write(client.clone(), known.clone(), round, writer));
        }
        corten_rt::sleep(Duration::from_millis(20 + random::below(150) as u64)).await;
        server.start_kill()?;
        server.wait().await?;
        tasks.shutdown(Duration::from_secs(5)).await;
    }
    let known = known.lock().map_err(|_| anyhow::anyhow!("a writer panicked"))?;
    println!("{rounds} crashes, {} writes acknowledged, none lost", known.revisions.len());
    assert!(known.revisions.len() > rounds, "the load was too small to mean anything");
    Ok(())
}

async fn start(data_dir: &Path, port: u16) -> Result<Child> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_corten"))
        .args(["server", "--address", "127.0.0.1", "--port", &port.to_string(), "--data-dir"])
        .arg(data_dir)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let output = child.stdout.take().context("the server's output")?;
    let mut lines = BufReader::new(output).lines();
    let deadline = Instant::now() + Duration::from_secs(30);
    while let Some(line) =
        corten_rt::timeout(deadline - Instant::now(), lines.next_line()).await.context("in time")??
    {
        if line.starts_with("ready") {
            return Ok(child);
        }
    }
    bail!("the server ended before it was ready")
}

/// Everything acknowledged is there as it was written, or as a later write left it.
async fn verify(client: &Client, known: &Mutex<Acknowledged>) -> Result<()> {
    let list = client.namespaced::<ConfigMap>("default").list(&ListOptions::default()).await?;
    let present: BTreeMap<&str, (&str, u64)> = list
        .items
        .iter()
        .map(|m| {
            let value = m.data.get("value").map_or("", String::as_str);
            (m.metadata.name.as_str(), (value, m.metadata.resource_version.parse().unwrap_or(0)))
        })
        .collect();
    let known = known.lock().map_err(|_| anyhow::anyhow!("a writer panicked"))?;
    for (name, (value, revision)) in &known.objects {
        let Some((found, at)) = present.get(name.as_str()) else { bail!("{name} at {revision} is lost") };
        if at < revision || (at == revision && found != value) {
            bail!("{name} was acknowledged at {revision} as {value} and is {found} at {at}");
        }
    }
    Ok(())
}

async fn write(client: Client, known: Arc<Mutex<Acknowledged>>, round: usize, writer: usize) {
    let api = client.namespaced::<ConfigMap>("default");
    for n in 0.. {
        let mut map = ConfigMap::default();
        map.metadata.namespace = "default".into();
        map.metadata.name = format!("w{writer}-{}", n % 20);
        map.data.insert("value".into(), format!("{round}.{n}"));
        let written = match api.update(map.clone()).await {
            Err(e) if e.is_not_found() => api.create(map.clone()).await,
            other => other,
        };
        let Ok(written) = written else { return };
        let revision = written.metadata.resource_version.parse().unwrap_or(0);
        if let Ok(mut known) = known.lock() {
            assert!(known.revisions.insert(revision), "revision {revision} was given twice");
            known.objects.insert(map.metadata.name, (map.data["value"].clone(), revision));
        }
    }
}
