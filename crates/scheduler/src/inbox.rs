//! What changed since the scheduler last looked: each object stands here once, however often it changed,
//! so that the inbox never holds more than the cluster has.

use corten_client::Key;
use parking_lot::Mutex;
use std::collections::{HashSet, VecDeque};
use tokio::sync::Notify;

/// An object that changed; its state is read from the informer when its turn comes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    Node(Key),
    Pod(Key),
}

/// Filled by informers, emptied by the scheduler.
#[derive(Default)]
pub struct Inbox {
    waiting: Mutex<(VecDeque<Subject>, HashSet<Subject>)>,
    filled: Notify,
}

impl Inbox {
    /// Notes a change.
    pub fn put(&self, subject: Subject) {
        let mut waiting = self.waiting.lock();
        if waiting.1.insert(subject.clone()) {
            waiting.0.push_back(subject);
            self.filled.notify_one();
        }
    }

    /// The oldest change.
    pub fn take(&self) -> Option<Subject> {
        let mut waiting = self.waiting.lock();
        let subject = waiting.0.pop_front()?;
        waiting.1.remove(&subject);
        Some(subject)
    }

    /// Waits for a change.
    pub async fn filled(&self) {
        self.filled.notified().await
    }
}
