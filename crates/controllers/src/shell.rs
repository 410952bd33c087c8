//! Runs the controllers: queues, workers, retries.

use crate::Context;
use crate::list::CONTROLLERS;
use async_trait::async_trait;
use corten_api::Kind;
use corten_client::{Change, Informer, Key, WorkQueue};
use corten_rt::Tasks;
use corten_semantics::ApiResult;
use std::sync::Arc;
use std::time::Duration;

/// One controller.
#[async_trait]
pub trait Controller: Send + Sync + 'static {
    /// How many keys are worked on at once.
    fn workers(&self) -> usize {
        4
    }

    /// Connects the informers to the queue; called once, before the workers start.
    fn watch(&self, queue: &WorkQueue<Key>);

    /// Waits until the caches it reads are filled.
    async fn synced(&self);

    /// Brings one key to its wanted state; `Some(delay)` asks to look again then.
    async fn reconcile(&self, key: &Key) -> ApiResult<Option<Duration>>;
}

/// Starts the controllers that an operator wants as tasks of `tasks`.
pub fn start(context: &Context, tasks: &Tasks) {
    for row in CONTROLLERS.iter().filter(|row| context.settings.controllers.includes(row.name)) {
        tasks.spawn_until_stopped(row.name, run(row.name, row.begin(context)));
    }
}

async fn run(name: &'static str, controller: Arc<dyn Controller>) {
    controller.synced().await;
    let queue = WorkQueue::default();
    controller.watch(&queue);
    let workers = (0..controller.workers()).map(|_| work(name, controller.clone(), queue.clone()));
    futures::future::join_all(workers).await;
}

async fn work(name: &'static str, controller: Arc<dyn Controller>, queue: WorkQueue<Key>) {
    loop {
        let key = queue.next().await;
        let outcome = controller.reconcile(&key).await;
        queue.done(&key);
        match outcome {
            Ok(again) => {
                queue.forget(&key);
                if let Some(delay) = again {
                    queue.add_after(key, delay);
                }
            }
            Err(error) => {
                tracing::debug!(controller = name, %key, %error, "trying again");
                queue.retry(key);
            }
        }
    }
}

/// Puts the key of every changed object into the queue.
pub fn wake_on<K: Kind>(informer: &Informer<K>, queue: &WorkQueue<Key>) {
    wake_by(informer, queue, |object| vec![Key::of(object)]);
}

/// Puts the keys that `keys` derives from an object (as it was and as it is) into the queue.
pub fn wake_by<K: Kind>(
    informer: &Informer<K>,
    queue: &WorkQueue<Key>,
    keys: impl Fn(&K) -> Vec<Key> + Send + Sync + 'static,
) {
    let queue = queue.clone();
    informer.on_change(move |change: &Change<K>| {
        for object in change.old.iter().chain(&change.new) {
            keys(object).into_iter().for_each(|key| queue.add(key));
        }
    });
}
