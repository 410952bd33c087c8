//! How far pulls are. CRI does not tell, so whoever set up the runtime may.

use crate::Shared;
use corten_api::core::v1::ObjectReference;
use std::convert::Infallible;
use std::time::Duration;

/// How often a pull's event is brought up to date.
const PERIOD: Duration = Duration::from_secs(10);
const MIB: u64 = 1 << 20;

/// Bytes of an image, as they come over the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pulled {
    /// Those that have come.
    pub fetched: u64,
    /// All that have to; 0 as long as that is not known.
    pub total: u64,
}

/// A runtime that tells how far its pulls are.
pub trait PullProgress: Send + Sync {
    /// How far the pull of `image` is, if there is one.
    fn progress(&self, image: &str) -> Option<Pulled>;
}

/// Tells of the pull in an event until dropped.
pub(crate) async fn tell(shared: &Shared, image: &str, about: &ObjectReference) -> Infallible {
    let Some(source) = &shared.pull_progress else { return std::future::pending().await };
    let mut told = None;
    loop {
        corten_rt::sleep(PERIOD).await;
        let now = source.progress(image).filter(|now| told != Some(*now));
        if let Some((now, words)) = now.and_then(|now| Some((now, words(image, now)?))) {
            let story = format!("progress of image \"{image}\"");
            shared.events.follow(about.clone(), "Pulling", &story, words);
            told = Some(now);
        }
    }
}

/// In words; `None` as long as nobody knows how much there is.
fn words(image: &str, now: Pulled) -> Option<String> {
    let percent = (u128::from(now.fetched.min(now.total)) * 100).checked_div(u128::from(now.total))?;
    let (fetched, total) = (now.fetched.min(now.total) / MIB, now.total.div_ceil(MIB));
    Some(format!("Pulling image \"{image}\": {percent}% ({fetched} of {total} MiB)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_told_in_words() {
        for (fetched, total, want) in [
            (0, 0, None),
            (0, 1, Some("0% (0 of 1 MiB)")),
            (12 * MIB, 35 * MIB, Some("34% (12 of 35 MiB)")),
            (36 * MIB, 35 * MIB, Some("100% (35 of 35 MiB)")),
            (u64::MAX, u64::MAX, Some("100% (17592186044415 of 17592186044416 MiB)")),
        ] {
            let got = words("a:1", Pulled { fetched, total });
            assert_eq!(got, want.map(|w| format!("Pulling image \"a:1\": {w}")));
        }
    }
}
