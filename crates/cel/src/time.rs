//! Time stamps and durations as CEL has them.

/// A point in time between the years 1 and 9999.
pub type Timestamp = jiff::Timestamp;

/// A span of time, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration(pub i64);
