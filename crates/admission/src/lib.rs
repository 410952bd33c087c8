//! The ordered table of admission checks
