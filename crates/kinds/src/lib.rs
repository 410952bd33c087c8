//! The table of kinds and the strategy of each: defaults, validation, columns
