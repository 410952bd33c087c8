//! Work of a server's that can be measured in this process, without the rest of a request.

use std::time::Duration;

use anyhow::{Context, Result};

use super::Cpu;
use super::api::Figures;
use super::stats::{Latency, rate};

/// What is measured: it ends when all of it is done.
pub type Work = Box<dyn FnOnce() -> Result<()>>;

/// A part of a server's work.
pub struct Part {
    /// What the figures call it.
    pub operation: &'static str,
    /// Gets everything ready to do it so many times; what it gives is what is measured.
    pub ready: fn(usize) -> Result<Work>,
}

/// Times are taken of this many at once, after one run that is not counted.
const BATCH: usize = 100;

/// Does a part `count` times.
///
/// # Errors
/// When it fails.
pub fn measure(part: &Part, count: usize) -> Result<Figures> {
    let once = || -> Result<Duration> {
        let work = (part.ready)(BATCH)?;
        let before = thread_cpu()?;
        work().context(part.operation)?;
        Ok(thread_cpu()?.saturating_sub(before))
    };
    once()?;
    let times = (0..count.div_ceil(BATCH)).map(|_| once()).collect::<Result<Vec<_>>>()?;
    let (batches, all) = (times.len(), times.iter().sum::<Duration>());
    let done = batches * BATCH;
    let each = all.as_secs_f64() * 1e6 / done.max(1) as f64;
    Ok(Figures {
        operation: part.operation.to_owned(),
        errors: 0,
        first_error: None,
        per_second: rate(done, all),
        latency: Latency {
            count: done,
            ..Latency::of(times.into_iter().map(|time| time / BATCH as u32).collect())
        },
        bytes_each: None,
        cpu: vec![Cpu { name: "this process".into(), micros_each: each }],
    })
}

/// CPU time of this thread; the kernel counts it in nanoseconds.
fn thread_cpu() -> Result<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")
        .context("the kernel does not say how much CPU time a thread used")?;
    let nanos = text.split_whitespace().next().and_then(|first| first.parse().ok());
    Ok(Duration::from_nanos(nanos.context("/proc/thread-self/schedstat holds no number")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_done_in_batches_and_timed() {
        let burn = Part {
            operation: "burn",
            ready: |count| {
                Ok(Box::new(move || {
                    let sum = (0..count as u64 * 20_000).fold(1u64, |sum, n| std::hint::black_box(sum ^ n));
                    anyhow::ensure!(sum != 0, "never");
                    Ok(())
                }))
            },
        };
        let figures = measure(&burn, 150).expect("measured");
        assert_eq!((figures.operation.as_str(), figures.latency.count), ("burn", 200));
        assert!(figures.cpu[0].micros_each > 1.0, "{figures:?}");
        let fails = Part { operation: "fails", ready: |_| Ok(Box::new(|| anyhow::bail!("no"))) };
        let error = measure(&fails, 1).expect_err("it fails");
        assert_eq!(format!("{error:#}"), "fails: no");
    }
}
