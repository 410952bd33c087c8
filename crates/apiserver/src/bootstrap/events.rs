//! Events go an hour after they were last written.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use corten_rt::{Instant, sleep};
use corten_store::Revision;

use crate::registry::Registry;

/// How often old Events are looked for.
const EVERY: Duration = Duration::from_secs(60);

/// An Event as it was written; a later write has a later line of its own.
struct Line {
    key: Arc<str>,
    revision: Revision,
    until: Instant,
}

/// Follows the Events and deletes those that nobody wrote for their time to live. Those found at the start
/// tell by their time stamps how old they are.
pub(super) async fn expire(registry: Arc<Registry>) {
    let ttl = registry.event_ttl();
    let mut lines: VecDeque<Line> = VecDeque::new();
    let mut after = 0;
    loop {
        let now = Instant::now();
        let (seen, written) = registry.events_written_after(after);
        let first = after == 0;
        after = seen;
        let mut new: Vec<Line> = Vec::with_capacity(written.len());
        for (key, revision) in written {
            let age = if first { registry.event_age(&key) } else { Duration::ZERO };
            new.push(Line { key, revision, until: now + ttl.saturating_sub(age) });
        }
        new.sort_by_key(|line| line.until);
        lines.extend(new);
        while let Some(line) = lines.pop_front_if(|line| line.until <= now) {
            if let Err(error) = registry.delete_event_at(&line.key, line.revision).await {
                tracing::warn!(key = &*line.key, %error, "an old event cannot be deleted");
            }
        }
        sleep(EVERY).await;
    }
}
