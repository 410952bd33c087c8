//! One body of checks over CRI v1, run against any container runtime: every call, and every field that the
//! model of the API has. Which fields were in use is read off the wire. Runtimes may differ; each difference
//! has a line in `differences.tsv` or `fields.tsv` that says why, and any other is a failure.

mod checks;
mod explained;
mod model;
mod probe;
mod registry;
mod world;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Parser;
use corten_node_api::{CriClient, CriConfig};
use corten_rt::{Stop, Tasks};

use explained::Explained;
use model::Model;
use probe::{Probe, Used};
use registry::Registry;
use world::World;

/// Checks container runtimes against CRI v1.
#[derive(Parser)]
struct Options {
    /// A runtime: NAME=SOCKET. Repeatable.
    #[arg(long = "runtime", required_unless_present = "serve")]
    runtimes: Vec<String>,
    /// The model of the API.
    #[arg(long, default_value = "../shared/data/cri-v1-model.json")]
    model: PathBuf,
    /// Only serve the images (`suite/plain:1` and others) at this address, for other clients of a runtime.
    #[arg(long)]
    serve: Option<std::net::SocketAddr>,
    /// Where `differences.tsv` and `fields.tsv` are.
    #[arg(long, default_value = env!("CARGO_MANIFEST_DIR"))]
    explained: PathBuf,
    /// The cgroup below which pods' cgroups are made.
    #[arg(long, default_value = "/cri-suite")]
    cgroup: String,
    /// Only checks whose names contain one of these words.
    only: Vec<String>,
}

/// What came of one runtime's checks: by name, and why it failed.
struct Outcome {
    runtime: String,
    checks: BTreeMap<&'static str, Option<String>>,
    used: Used,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let options = Options::parse();
    if let Some(address) = options.serve {
        let tasks = Tasks::new(Stop::new());
        let _registry = Registry::start(address, &tasks).await?;
        tasks.stop().stopped().await;
        return Ok(ExitCode::SUCCESS);
    }
    let model = match options.model.exists() {
        true => Some(Arc::new(Model::load(&options.model)?)),
        false => {
            println!("skipped: which fields are in use, for {} is missing", options.model.display());
            None
        }
    };
    let explained = Explained::load(&options.explained)?;
    let mut outcomes = Vec::new();
    for runtime in &options.runtimes {
        outcomes.push(check(runtime, &options, &model).await?);
    }
    let mut wrong = explained.checks(&outcomes);
    if let (true, Some(model)) = (options.only.is_empty(), &model) {
        wrong.extend(explained.fields(&outcomes, model));
    }
    for line in &wrong {
        println!("UNEXPLAINED  {line}");
    }
    let names: Vec<&str> = outcomes.iter().map(|o| o.runtime.as_str()).collect();
    println!("{} unexplained differences between {} and CRI v1", wrong.len(), names.join(", "));
    Ok(if wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn check(runtime: &str, options: &Options, model: &Option<Arc<Model>>) -> Result<Outcome> {
    let (name, socket) = runtime.split_once('=').context("write --runtime NAME=SOCKET")?;
    let client = CriClient::new(&CriConfig::new(format!("unix://{socket}")))?;
    let tasks = Tasks::new(Stop::new());
    let dir = tempfile::tempdir()?;
    let world = World::new(
        Probe::new(client, model.clone()),
        Registry::start(([127, 0, 0, 1], 0).into(), &tasks).await?,
        dir.path().to_owned(),
        options.cgroup.clone(),
    );
    println!("== {name}");
    let mut checks = BTreeMap::new();
    for (check, run) in checks::all() {
        if !options.only.is_empty() && !options.only.iter().any(|word| check.contains(word)) {
            continue;
        }
        let began = corten_rt::Instant::now();
        let mut result = run(&world).await;
        if let Err(error) = world.clean().await {
            result = result.and(Err(error.context("clean up")));
        }
        let millis = began.elapsed().as_millis();
        match &result {
            Ok(()) => println!("ok      {check} ({millis} ms)"),
            Err(error) => println!("differs {check} ({millis} ms): {error:#}"),
        }
        checks.insert(check, result.err().map(|error| format!("{error:#}")));
    }
    let passed = checks.values().filter(|c| c.is_none()).count();
    println!("{name}: {passed} of {} checks passed", checks.len());
    Ok(Outcome { runtime: name.to_owned(), checks, used: world.probe.used() })
}
