//! What checks say beside yes and no: warnings for the client, annotations for the audit log.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Collects what is said about one request. Warnings are bounded where they are sent.
#[derive(Debug, Default)]
pub struct Notes {
    said: Mutex<Said>,
    /// Microseconds.
    asking: AtomicU64,
}

#[derive(Debug, Default)]
struct Said {
    warnings: Vec<String>,
    annotations: Vec<(String, String)>,
    details: Vec<(String, String)>,
}

/// More of either than this is dropped.
const MOST: usize = 256;

impl Notes {
    /// Adds a `Warning` to the answer.
    pub fn warn(&self, text: impl Into<String>) {
        self.with(|said| {
            if said.warnings.len() < MOST {
                said.warnings.push(text.into());
            }
        });
    }

    /// Adds an annotation to the request's audit events; the first value of a key stays, as upstream.
    pub fn annotate(&self, key: impl Into<String>, value: impl Into<String>) {
        let key = key.into();
        self.with(|said| {
            if said.annotations.len() < MOST && !said.annotations.iter().any(|(k, _)| *k == key) {
                said.annotations.push((key, value.into()));
            }
        });
    }

    /// The same, for events that record what requests hold.
    pub fn annotate_detail(&self, key: impl Into<String>, value: impl Into<String>) {
        let key = key.into();
        self.with(|said| {
            if said.details.len() < MOST && !said.details.iter().any(|(k, _)| *k == key) {
                said.details.push((key, value.into()));
            }
        });
    }

    /// Others were asked for so long.
    pub fn asked(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.asking.fetch_add(micros, Ordering::Relaxed);
    }

    /// How long others were asked in all.
    pub fn asking(&self) -> Duration {
        Duration::from_micros(self.asking.load(Ordering::Relaxed))
    }

    /// Those so far.
    pub fn details(&self) -> Vec<(String, String)> {
        self.with(|said| said.details.clone())
    }

    /// The warnings so far; they are given once.
    pub fn take_warnings(&self) -> Vec<String> {
        self.with(|said| std::mem::take(&mut said.warnings))
    }

    /// The annotations so far.
    pub fn annotations(&self) -> Vec<(String, String)> {
        self.with(|said| said.annotations.clone())
    }

    fn with<R>(&self, act: impl FnOnce(&mut Said) -> R) -> R {
        act(&mut self.said.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_value_of_an_annotation_stays() {
        let notes = Notes::default();
        notes.annotate("a", "1");
        notes.annotate("a", "2");
        notes.warn("careful");
        assert_eq!(notes.annotations(), [("a".to_string(), "1".to_string())]);
        assert_eq!(notes.take_warnings(), ["careful"]);
        assert!(notes.take_warnings().is_empty());
    }
}
