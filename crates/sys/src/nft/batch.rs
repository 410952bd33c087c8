//! A list of changes to tables, chains, sets and rules.

use super::{Element, Expr, Family, Set};

/// A table's family and name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Table {
    /// Which packets it sees.
    pub family: Family,
    /// Its name.
    pub name: &'static str,
}

/// Where in a packet's way a chain is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookKind {
    /// On arrival, before routing.
    Prerouting,
    /// For this machine.
    Input,
    /// Passing through.
    Forward,
    /// Sent by this machine.
    Output,
    /// On leaving.
    Postrouting,
}

/// What calls a base chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hook {
    /// `filter` or `nat`.
    pub chain_type: &'static str,
    /// Where.
    pub at: HookKind,
    /// Lower comes first; destination NAT is -100, filters 0, source NAT 100.
    pub priority: i32,
}

/// A chain; without a hook it is reached from other chains only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Its name, unique in its table.
    pub name: String,
    /// What calls it.
    pub hook: Option<Hook>,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Makes a table; an existing one stays.
    AddTable(Table),
    /// Removes a table with all in it; missing is fine.
    DeleteTable(Table),
    /// Makes a chain; an existing one stays.
    AddChain(Table, Chain),
    /// Makes a set or map; an existing one stays.
    AddSet(Table, Set),
    /// Adds elements; one that is there with other data is an error.
    AddElements(Table, Set, Vec<Element>),
    /// Removes elements; a missing one is an error.
    DeleteElements(Table, Set, Vec<Element>),
    /// Removes all elements.
    FlushSet(Table, String),
    /// Adds a rule at a chain's end.
    AddRule(Table, String, Vec<Expr>),
}

/// Changes in order, done at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch(Vec<Change>);

impl Batch {
    /// Appends a change; empty lists of elements are left out.
    pub fn push(&mut self, change: Change) {
        match change {
            Change::AddElements(_, _, e) | Change::DeleteElements(_, _, e) if e.is_empty() => {}
            change => self.0.push(change),
        }
    }

    /// The changes.
    pub fn changes(&self) -> &[Change] {
        &self.0
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many elements it adds and removes.
    pub fn element_count(&self) -> usize {
        let count = |change: &Change| match change {
            Change::AddElements(_, _, e) | Change::DeleteElements(_, _, e) => e.len(),
            _ => 0,
        };
        self.0.iter().map(count).sum()
    }
}
