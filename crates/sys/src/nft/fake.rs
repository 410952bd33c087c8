//! Packet rules that are only remembered.

use std::sync::Mutex;

use super::{Batch, Nft};
use crate::Result;

/// A record of all batches.
#[derive(Debug, Default)]
pub struct FakeNft {
    batches: Mutex<Vec<Batch>>,
}

impl FakeNft {
    /// All batches so far, in order.
    pub fn batches(&self) -> Vec<Batch> {
        self.batches.lock().unwrap_or_else(|e| e.into_inner()).clone()
    }
}

impl Nft for FakeNft {
    fn commit(&self, batch: Batch) -> Result<()> {
        self.batches.lock().unwrap_or_else(|e| e.into_inner()).push(batch);
        Ok(())
    }
}
