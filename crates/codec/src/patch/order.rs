//! The order of a merged list: what the patch names keeps the patch's order, what only the server has
//! keeps the server's, and the two are woven together by the server's order as far as that goes.

use serde_json::Value;

/// How items are told apart: by a key of theirs, or as they are.
#[derive(Clone, Copy)]
pub enum Identity<'a> {
    Key(&'a str),
    Whole,
}

impl Identity<'_> {
    /// What identifies `item`.
    pub fn of<'v>(&self, item: &'v Value) -> Option<&'v Value> {
        match self {
            Identity::Key(key) => item.get(*key),
            Identity::Whole => Some(item),
        }
    }

    /// Where `item` stands in `list`.
    pub fn position(&self, list: &[Value], item: &Value) -> Option<usize> {
        let id = self.of(item)?;
        list.iter().position(|other| self.of(other) == Some(id))
    }
}

/// Puts `merged` in order: `wanted` is the order of the patch, `server` the list as it was.
pub fn ordered(merged: Vec<Value>, wanted: &[Value], server: &[Value], id: Identity<'_>) -> Vec<Value> {
    let (mut named, rest): (Vec<Value>, Vec<Value>) =
        merged.into_iter().partition(|item| id.position(wanted, item).is_some());
    named.sort_by_key(|item| id.position(wanted, item));
    let mut place = 0;
    for item in rest {
        let rank = id.position(server, &item);
        while place < named.len() && !goes_before(rank, id.position(server, &named[place])) {
            place += 1;
        }
        named.insert(place, item);
        place += 1;
    }
    named
}

/// Whether an item of this rank goes before one of that rank; what the server does not know says nothing.
// So an item new to the server comes first, as upstream has it.
fn goes_before(rank: Option<usize>, other: Option<usize>) -> bool {
    matches!((rank, other), (Some(a), Some(b)) if a < b)
}
