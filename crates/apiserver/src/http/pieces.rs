//! Large lists, written piece by piece while they are sent: their objects are there already, and need not be
//! there twice.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use corten_api::meta::v1::ListMeta;
use corten_codec::json::TypeMeta;
use corten_codec::list as lists;
use corten_semantics::ApiResult;
use hyper::body::{Body, Frame, SizeHint};

use super::formats;
use crate::cache::Entry;
use crate::registry::List;

/// Lists below this many bytes are made in one go.
const WHOLE: usize = 256 * 1024;
/// The size of a piece, in bytes; a larger item makes a larger one.
const PIECE: usize = 32 * 1024;
/// Bytes of text whose protobuf is measured in one go.
const MEASURED: usize = 64 * 1024;

/// Appends an item to a list.
type Write = Box<dyn Fn(&mut Vec<u8>, &Entry) -> ApiResult<()> + Send>;

/// A list that is still to be written.
pub struct Pieces {
    head: Head,
    items: std::vec::IntoIter<Arc<Entry>>,
    write: Write,
    /// What stands between two items.
    separator: &'static [u8],
    end: Vec<u8>,
    begun: bool,
    ended: bool,
    /// Bytes that are still to come, where that is known.
    left: Option<u64>,
}

/// What comes before the first item.
enum Head {
    Ready(Vec<u8>),
    /// Protobuf says first how long all the items are: those up to `next` take `length` bytes.
    Measured {
        list: TypeMeta<'static>,
        meta: ListMeta,
        next: usize,
        length: usize,
    },
}

impl Pieces {
    /// Whether the list is large.
    pub fn are_worth_it(list: &List) -> bool {
        let mut bytes = 0;
        list.items.iter().any(|entry| {
            bytes += entry.read_json(<[u8]>::len);
            bytes >= WHOLE
        })
    }

    /// A list in plain JSON.
    pub fn of_json(list: &List) -> Pieces {
        let prefix = if list.kind.custom { Vec::new() } else { lists::json_prefix(list.kind) };
        let mut head = Vec::new();
        lists::open_json(&mut head, &lists::type_meta(list.kind), &formats::list_meta(list));
        let length = |entry: &Arc<Entry>| entry.read_json(|item| item.len() - repeated(item, &prefix));
        let written: usize = list.items.iter().map(length).sum();
        let left = head.len() + written + list.items.len().saturating_sub(1) + lists::JSON_END.len();
        let write = move |out: &mut Vec<u8>, entry: &Entry| {
            entry.read_json(|item| match repeated(item, &prefix) {
                0 => out.extend_from_slice(item),
                repeated => {
                    out.push(b'{');
                    out.extend_from_slice(&item[repeated + 1..]);
                }
            });
            Ok(())
        };
        Pieces { left: Some(left as u64), ..Pieces::of_text(list, head, write) }
    }

    /// JSON of another shape: what comes before the items, and how each is written.
    pub fn of_text(
        list: &List,
        head: Vec<u8>,
        write: impl Fn(&mut Vec<u8>, &Entry) -> ApiResult<()> + Send + 'static,
    ) -> Pieces {
        let end = lists::JSON_END.to_vec();
        Pieces::new(list, Head::Ready(head), b",", end, Box::new(write))
    }

    /// Protobuf, of messages without envelopes.
    pub fn of_protobuf(
        list: &List,
        type_meta: TypeMeta<'static>,
        meta: ListMeta,
        message: impl Fn(&Entry) -> ApiResult<Bytes> + Send + 'static,
    ) -> Pieces {
        let head = Head::Measured { list: type_meta, meta, next: 0, length: 0 };
        let write = move |out: &mut Vec<u8>, entry: &Entry| {
            lists::put_protobuf_item(out, &message(entry)?);
            Ok(())
        };
        let mut end = Vec::new();
        lists::close_protobuf(&mut end);
        Pieces::new(list, head, b"", end, Box::new(write))
    }

    fn new(list: &List, head: Head, separator: &'static [u8], end: Vec<u8>, write: Write) -> Pieces {
        let items = list.items.clone().into_iter();
        Pieces { head, items, write, separator, end, begun: false, ended: false, left: None }
    }

    /// Looks at some more items; whether all of them have been measured.
    fn measure(&mut self) -> ApiResult<bool> {
        let Head::Measured { list, meta, next, length } = &mut self.head else { return Ok(true) };
        let (mut looked, mut item) = (0, Vec::new());
        for entry in &self.items.as_slice()[*next..] {
            if looked >= MEASURED {
                return Ok(false);
            }
            item.clear();
            (self.write)(&mut item, entry)?;
            *length += item.len();
            *next += 1;
            looked += entry.read_json(<[u8]>::len);
        }
        self.head = Head::Ready(lists::open_protobuf(list, meta, *length));
        Ok(true)
    }

    fn piece(&mut self) -> ApiResult<Vec<u8>> {
        let mut piece = Vec::new();
        if !self.measure()? {
            return Ok(piece);
        }
        piece.reserve(PIECE + PIECE / 4);
        if let Head::Ready(head) = &mut self.head {
            piece.append(head);
        }
        while piece.len() < PIECE {
            let Some(entry) = self.items.next() else {
                piece.append(&mut self.end);
                self.ended = true;
                break;
            };
            if std::mem::replace(&mut self.begun, true) {
                piece.extend_from_slice(self.separator);
            }
            (self.write)(&mut piece, &entry)?;
        }
        Ok(piece)
    }
}

/// Bytes of an item that its list does not repeat; none where there is no such prefix.
fn repeated(item: &[u8], prefix: &[u8]) -> usize {
    if !prefix.is_empty() && item.starts_with(prefix) { prefix.len() - 1 } else { 0 }
}

impl Iterator for Pieces {
    type Item = Bytes;

    /// The next piece; an empty one after work that others may want to interrupt. A list with an object that
    /// cannot be written ends before its end.
    fn next(&mut self) -> Option<Bytes> {
        if self.ended {
            return None;
        }
        match self.piece() {
            Ok(piece) => {
                self.left = self.left.map(|left| left.saturating_sub(piece.len() as u64));
                Some(piece.into())
            }
            Err(error) => {
                tracing::warn!(%error, "a list was not written to its end");
                self.ended = true;
                None
            }
        }
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.next() {
            Some(piece) if piece.is_empty() => {
                context.waker().wake_by_ref();
                Poll::Pending
            }
            next => Poll::Ready(next.map(|piece| Ok(Frame::data(piece)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

#[cfg(test)]
mod tests {
    use corten_api::Kind;
    use corten_api::core::v1::ConfigMap;

    use super::*;

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
        assert!(!Pieces::are_worth_it(&list(3)), "a small one is made in one go");
        let list = list(1000);
        assert!(Pieces::are_worth_it(&list));
        let whole = lists::encode_json(
            &lists::type_meta(list.kind),
            &formats::list_meta(&list),
            Some(list.kind),
            list.items.iter().map(|entry| entry.json()),
        );
        let mut pieces = Pieces::of_json(&list);
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

    #[test]
    fn protobuf_is_measured_before_it_is_written() {
        let list = list(1000);
        let (kind, meta) = (lists::type_meta(list.kind), formats::list_meta(&list));
        let pieces: Vec<Bytes> = Pieces::of_protobuf(&list, kind, meta, formats::item_message).collect();
        assert_eq!(pieces.concat(), formats::list_protobuf(&list).expect("a list"));
        assert!(pieces.iter().filter(|piece| piece.is_empty()).count() > 5, "it rests while it measures");
        assert!(pieces.iter().all(|piece| piece.len() < 2 * PIECE));
    }
}
