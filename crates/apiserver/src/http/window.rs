//! How much of an endless answer may be on its way to a client at a time: who does not read costs little.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Pieces on their way: one that is being sent, and one that is being made.
const PIECES: usize = 2;

/// Room for pieces that have not reached the connection yet.
#[derive(Debug)]
pub struct Window(Arc<Semaphore>);

impl Window {
    pub fn new() -> Self {
        Window(Arc::new(Semaphore::new(PIECES)))
    }

    /// Waits until another piece may be made; `None` never comes while the window is there.
    pub async fn room(&self) -> Option<Room> {
        Arc::clone(&self.0).acquire_owned().await.ok().map(Room)
    }
}

/// Room for one piece.
#[derive(Debug)]
pub struct Room(OwnedSemaphorePermit);

impl Room {
    /// The piece, which gives its room back once it is sent (or dropped).
    pub fn filled(self, bytes: Bytes) -> Bytes {
        Bytes::from_owner(Piece { bytes, _room: self.0 })
    }
}

struct Piece {
    bytes: Bytes,
    _room: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[tokio::test]
    async fn a_piece_waits_until_an_earlier_one_is_gone() {
        let window = Window::new();
        let piece = async || window.room().await.expect("room").filled(Bytes::from_static(b"piece"));
        let mut held = Vec::from([piece().await, piece().await]);
        assert!(window.room().now_or_never().is_none(), "two are on their way");
        let mut part = held.remove(0);
        let rest = part.split_off(2);
        drop(part);
        assert!(window.room().now_or_never().is_none(), "it is sent in part only");
        assert_eq!(rest, "ece");
        drop(rest);
        assert!(window.room().now_or_never().is_some());
    }
}
