//! When history is forgotten: by age, and earlier when there is too much of it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use corten_rt::Instant;

use crate::{Error, Revision, Size, Store};

/// How much history a store keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompactionPolicy {
    /// Revisions younger than this can be listed and watched from, and some of up to half as old again;
    /// upstream keeps five minutes.
    pub keep: Duration,
    /// Above this many bytes of history the older half goes before its time.
    pub most_history_bytes: u64,
}

impl Default for CompactionPolicy {
    fn default() -> Self {
        CompactionPolicy { keep: Duration::from_secs(300), most_history_bytes: 256 << 20 }
    }
}

impl CompactionPolicy {
    /// How often the policy is applied.
    fn interval(&self) -> Duration {
        (self.keep / 10).clamp(Duration::from_secs(1), Duration::from_secs(30))
    }
}

/// A revision that was the current one at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sample {
    at: Instant,
    revision: Revision,
}

/// Applies `policy` to `store` until the store is closed; run it as a task.
pub async fn compact_in_background(store: Arc<dyn Store>, policy: CompactionPolicy) {
    let mut samples = VecDeque::new();
    loop {
        match step(&*store, &policy, &mut samples).await {
            Ok(()) => {}
            Err(Error::Closed) => return,
            Err(error) => tracing::warn!(%error, "compaction failed; it is tried again"),
        }
        corten_rt::sleep(policy.interval()).await;
    }
}

async fn step(
    store: &dyn Store,
    policy: &CompactionPolicy,
    samples: &mut VecDeque<Sample>,
) -> Result<(), Error> {
    let revision = store.current_revision().await?;
    let (oldest, size) = (store.oldest_revision().await?, store.size().await?);
    samples.push_back(Sample { at: Instant::now(), revision });
    let Some(target) = plan(policy, samples, oldest, &size, Instant::now()) else { return Ok(()) };
    store.compact(target).await?;
    tracing::debug!(revision = target, "compacted");
    while samples.get(1).is_some_and(|next| next.revision <= target) {
        samples.pop_front();
    }
    Ok(())
}

/// The revision to compact at, if it is time. `samples` are in order, the last one is from now.
fn plan(
    policy: &CompactionPolicy,
    samples: &VecDeque<Sample>,
    oldest: Revision,
    size: &Size,
    now: Instant,
) -> Option<Revision> {
    // Each compaction costs writes, so a whole stretch of history goes at a time.
    let due = now.duration_since(samples.front()?.at) >= policy.keep.mul_f64(1.5);
    let old_enough = |s: &&Sample| now.duration_since(s.at) >= policy.keep;
    let by_age = samples.iter().rev().find(|s| due && old_enough(s)).map(|s| s.revision);
    let current = samples.back()?.revision;
    let too_much = size.history_bytes > policy.most_history_bytes;
    let by_size = too_much.then(|| oldest + (current - oldest.min(current)).div_ceil(2));
    by_age.max(by_size).filter(|target| *target > oldest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MemoryStore, Txn};

    #[tokio::test(start_paused = true)]
    async fn age_and_size_decide_what_is_forgotten() {
        let policy = CompactionPolicy { keep: Duration::from_secs(300), most_history_bytes: 1000 };
        let start = Instant::now();
        let sample = |seconds, revision| Sample { at: start + Duration::from_secs(seconds), revision };
        let cases = [
            ("young", vec![sample(0, 5), sample(299, 9)], 1, 0, None),
            ("old enough", vec![sample(0, 5), sample(450, 9)], 1, 0, Some(5)),
            ("not yet worth it", vec![sample(0, 5), sample(449, 9)], 1, 0, None),
            ("newest of the old", vec![sample(0, 5), sample(150, 7), sample(450, 9)], 1, 0, Some(7)),
            ("forgotten already", vec![sample(0, 5), sample(450, 9)], 5, 0, None),
            ("too much", vec![sample(0, 5), sample(10, 9)], 1, 1001, Some(5)),
            ("too much and nothing left to cut", vec![sample(0, 9)], 9, 1001, None),
            ("too much, age goes further", vec![sample(0, 8), sample(450, 9)], 1, 1001, Some(8)),
            ("history cut ahead of the sample", vec![sample(0, 5)], 4096, 0, None),
            ("nothing seen yet", vec![], 1, 0, None),
        ];
        for (name, samples, oldest, history_bytes, want) in cases {
            let now = samples.last().map_or(start, |s| s.at);
            let size = Size { history_bytes, ..Size::default() };
            assert_eq!(plan(&policy, &samples.into(), oldest, &size, now), want, "{name}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_task_compacts_and_ends_with_the_store() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let tasks = corten_rt::Tasks::new(corten_rt::Stop::new());
        tasks.spawn("compaction", compact_in_background(store.clone(), CompactionPolicy::default()));
        for _ in 0..20 {
            store.txn(Txn::new(vec![], vec![crate::Op::put("/a", "x")])).await.expect("open");
            corten_rt::sleep(Duration::from_secs(60)).await;
        }
        // Twenty writes, one a minute; five minutes kept, and up to half as much again.
        let oldest = store.oldest_revision().await.expect("open");
        assert!((12..=17).contains(&oldest), "oldest {oldest}");
        store.close().await.expect("closes");
        corten_rt::sleep(Duration::from_secs(60)).await;
        assert!(tasks.is_empty());
    }
}
