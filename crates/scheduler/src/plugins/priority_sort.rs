//! Pods of higher priority come first, then those that wait longest.

use crate::framework::QueueSort;
use crate::pod_info::PodInfo;
use std::cmp::Ordering;
use std::time::Duration;

/// The plugin.
pub struct PrioritySort;

impl QueueSort for PrioritySort {
    fn compare(&self, a: (&PodInfo, Duration), b: (&PodInfo, Duration)) -> Ordering {
        b.0.priority.cmp(&a.0.priority).then(a.1.cmp(&b.1))
    }
}
