//! What is kept apart by labels.

use crate::labels::labels;
use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The series of a family by their labels. There is a bound to how many are told apart, since names in labels come and
/// go; beyond it nothing new is counted.
#[derive(Debug)]
pub struct Series<T> {
    most: usize,
    all: RwLock<BTreeMap<String, Arc<T>>>,
}

impl<T> Series<T> {
    /// None yet, and never more than `most`.
    pub fn new(most: usize) -> Self {
        Series { most, all: RwLock::default() }
    }

    /// The one with these labels, `make` if it is new; none beyond the bound.
    pub fn of(&self, pairs: &[(&str, &str)], make: impl FnOnce() -> T) -> Option<Arc<T>> {
        let labels = labels(pairs);
        if let Some(found) = self.all.read().get(&labels) {
            return Some(Arc::clone(found));
        }
        let mut all = self.all.write();
        if all.len() >= self.most && !all.contains_key(&labels) {
            return None;
        }
        Some(Arc::clone(all.entry(labels).or_insert_with(|| Arc::new(make()))))
    }

    /// All of them with their labels, in order.
    pub fn each(&self, mut show: impl FnMut(&str, &T)) {
        self.all.read().iter().for_each(|(labels, series)| show(labels, series));
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.all.read().is_empty()
    }

    /// Forgets those that are not wanted any more.
    pub fn retain(&self, mut wanted: impl FnMut(&str) -> bool) {
        self.all.write().retain(|labels, _| wanted(labels));
    }
}
