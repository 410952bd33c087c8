//! Large lists, written piece by piece while they are sent: their items are there already, and need not be
//! there twice.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use corten_codec::list as lists;
use hyper::body::{Body, Frame, SizeHint};

use super::formats;
use crate::registry::List;

/// Lists below this many bytes are made in one go.
const WHOLE: usize = 256 * 1024;
/// The size of a piece, in bytes; a larger item makes a larger one.
const PIECE: usize = 32 * 1024;

/// A JSON list that is still to be written.
pub struct Pieces {
    /// What every item begins with and a list's items do not repeat.
    prefix: Vec<u8>,
    head: Vec<u8>,
    items: std::vec::IntoIter<Bytes>,
    begun: bool,
    ended: bool,
    /// Bytes that are still to come.
    left: u64,
}

impl Pieces {
    /// A list in plain JSON; `None` when it is small.
    pub fn of(list: &List) -> Option<Pieces> {
        let items: Vec<Bytes> = list.items.iter().map(|entry| entry.json()).collect();
        if items.iter().map(Bytes::len).sum::<usize>() < WHOLE {
            return None;
        }
        let prefix = if list.kind.custom { Vec::new() } else { lists::json_prefix(list.kind) };
        let mut head = Vec::new();
        lists::open_json(&mut head, &lists::type_meta(list.kind), &formats::list_meta(list));
        let written: usize = items.iter().map(|item| item.len() - repeated(item, &prefix)).sum();
        let left = head.len() + written + items.len().saturating_sub(1) + lists::JSON_END.len();
        let items = items.into_iter();
        Some(Pieces { prefix, head, items, begun: false, ended: false, left: left as u64 })
    }
}

/// Bytes of an item that its list does not repeat; none where there is no such prefix.
fn repeated(item: &[u8], prefix: &[u8]) -> usize {
    if !prefix.is_empty() && item.starts_with(prefix) { prefix.len() - 1 } else { 0 }
}

impl Iterator for Pieces {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        if self.ended {
            return None;
        }
        let mut piece = BytesMut::with_capacity(PIECE + PIECE / 4);
        piece.extend_from_slice(&std::mem::take(&mut self.head));
        while piece.len() < PIECE {
            let Some(item) = self.items.next() else {
                piece.extend_from_slice(lists::JSON_END);
                self.ended = true;
                break;
            };
            if std::mem::replace(&mut self.begun, true) {
                piece.extend_from_slice(b",");
            }
            match repeated(&item, &self.prefix) {
                0 => piece.extend_from_slice(&item),
                repeated => {
                    piece.extend_from_slice(b"{");
                    piece.extend_from_slice(&item[repeated + 1..]);
                }
            }
        }
        self.left = self.left.saturating_sub(piece.len() as u64);
        Some(piece.freeze())
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.next().map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use corten_api::Kind;
    use corten_api::core::v1::ConfigMap;

    use super::*;
    use crate::cache::Entry;

    fn list(count: usize) -> List {
        let entry = |number: usize| {
            let mut map = ConfigMap::default();
            map.metadata.name = format!("m{number}");
            map.data.insert("text".into(), "x".repeat(number % 3000));
            Entry::made(Arc::new(map))
        };
        List {
            kind: ConfigMap::INFO,
            items: (0..count).map(entry).collect(),
            revision: 7,
            continue_: String::new(),
            remaining: None,
        }
    }

    #[test]
    fn pieces_are_the_list() {
        assert!(Pieces::of(&list(3)).is_none(), "a small one is made in one go");
        let list = list(1000);
        let whole = lists::encode_json(
            &lists::type_meta(list.kind),
            &formats::list_meta(&list),
            Some(list.kind),
            list.items.iter().map(|entry| entry.json()),
        );
        let mut pieces = Pieces::of(&list).expect("a large one");
        let (mut all, mut count) = (Vec::new(), 0);
        while let Some(piece) = pieces.next() {
            all.extend_from_slice(&piece);
            count += 1;
            assert_eq!(Body::size_hint(&pieces).exact(), Some((whole.len() - all.len()) as u64));
            assert_eq!(pieces.is_end_stream(), all.len() == whole.len());
        }
        assert_eq!(all, whole);
        assert!(count > 10, "{count}");
    }
}
