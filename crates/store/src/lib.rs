//! Revisioned bytes: get, range, transaction, watch, compaction
