//! Prints what the embedded engine does on this disk: durable and relaxed writes per second with 1 and 64
//! writers, with and without quick repair, and how long opening takes after an unclean end.
//!
//! `cargo run --release -p corten-store --example store_bench [DIRECTORY]`

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use corten_rt::{Instant, Stop, Tasks};
use corten_store::{Durability, EmbeddedOptions, EmbeddedStore, Op, Result, Store, Txn};

const VALUE: usize = 1024;
const RUN: Duration = Duration::from_secs(2);
/// What lies in the store when opening is timed.
const LOADED_BYTES: usize = 64 << 20;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<()> {
    let parent = std::env::args().nth(1).unwrap_or_else(|| ".".into());
    for quick_repair in [false, true] {
        for durability in [Durability::Durable, Durability::Relaxed] {
            for writers in [1, 64] {
                let directory = scratch(Path::new(&parent));
                let options = EmbeddedOptions { quick_repair, ..Default::default() };
                let rate = writes_per_second(directory.path(), options, writers, durability).await?;
                println!(
                    "{durability:?}, quick repair {quick_repair}, {writers} writers: {rate:.0} writes/s"
                );
            }
        }
        let directory = scratch(Path::new(&parent));
        let options = EmbeddedOptions { quick_repair, ..Default::default() };
        let (bytes, took) = open_after_unclean_end(directory.path(), options).await?;
        println!(
            "quick repair {quick_repair}: opening {} MiB after an unclean end took {took:?}",
            bytes >> 20
        );
    }
    Ok(())
}

fn scratch(parent: &Path) -> tempfile::TempDir {
    tempfile::tempdir_in(parent).expect("the directory can be written to")
}

/// Each writer updates 100 keys of its own in turn.
async fn writes_per_second(
    directory: &Path,
    options: EmbeddedOptions,
    writers: usize,
    durability: Durability,
) -> Result<f64> {
    let tasks = Tasks::new(Stop::new());
    let store = Arc::new(EmbeddedStore::open(directory, options, &tasks).await?);
    let (start, first) = (Instant::now(), store.current_revision().await?);
    let group = Tasks::new(Stop::new());
    for writer in 0..writers {
        let store = store.clone();
        group.spawn("writes", async move {
            for i in 0.. {
                let op = Op::put(format!("/registry/things/{writer}/{}", i % 100), vec![i as u8; VALUE]);
                let written = store.txn(Txn::new(vec![], vec![op]).with(durability)).await;
                if written.is_err() || start.elapsed() > RUN {
                    return;
                }
            }
        });
    }
    corten_rt::sleep(RUN).await;
    group.shutdown(Duration::from_secs(60)).await;
    let (written, took) = (store.current_revision().await? - first, start.elapsed());
    store.close().await?;
    Ok(written as f64 / took.as_secs_f64())
}

/// The file is copied while open, which is what a crash leaves behind.
async fn open_after_unclean_end(directory: &Path, options: EmbeddedOptions) -> Result<(u64, Duration)> {
    let tasks = Tasks::new(Stop::new());
    let store = EmbeddedStore::open(directory, options.clone(), &tasks).await?;
    let value = vec![7; VALUE];
    for batch in 0..LOADED_BYTES / value.len() / 64 {
        let put = |i| Op::put(format!("/registry/things/{batch}/{i}"), value.clone());
        store.txn(Txn::new(vec![], (0..64).map(put).collect())).await?;
    }
    let copy = scratch(directory);
    std::fs::copy(directory.join("store.redb"), copy.path().join("store.redb")).expect("room for a copy");
    let bytes = store.size().await?.disk_bytes;
    store.close().await?;
    let start = Instant::now();
    let store = EmbeddedStore::open(copy.path(), options, &tasks).await?;
    let took = start.elapsed();
    store.close().await?;
    Ok((bytes, took))
}
