//! A bound on the memory that a body makes its reader take: `[{},{},...]` is small, what it stands for is not.

use crate::DecodeError;

/// What is free of charge.
const BASE: usize = 16 << 20;
/// How many bytes of memory a byte of the body may ask for beyond that.
const FACTOR: usize = 64;

/// Bytes that may yet be taken.
pub(crate) struct Budget(usize);

impl Budget {
    /// For a body of this many bytes.
    pub fn for_input(length: usize) -> Self {
        Budget(BASE + length.saturating_mul(FACTOR))
    }

    /// Takes a part.
    pub fn take(&mut self, bytes: usize) -> Result<(), DecodeError> {
        match self.0.checked_sub(bytes) {
            Some(rest) => {
                self.0 = rest;
                Ok(())
            }
            None => Err(DecodeError::Syntax("the body has too many items for its size".to_string())),
        }
    }
}
