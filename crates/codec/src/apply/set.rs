//! Sets of fields: a tree in which every node may be a member. Upstream keeps members and children apart
//! (`fieldpath.Set`); one sorted list of both says the same in less memory.

use super::element::Element;
use super::types::TypeRef;
use std::cmp::Ordering;

/// A set of paths to fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Set {
    nodes: Vec<Node>,
}

/// A step that is a member, or leads to members, or both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub element: Element,
    pub member: bool,
    pub below: Set,
}

impl Set {
    /// Of these paths of field names.
    pub fn of(paths: &[&[&'static str]]) -> Self {
        let mut set = Set::default();
        for path in paths {
            let path: Vec<Element> = path.iter().map(|name| Element::field(name)).collect();
            set.insert(&path);
        }
        set
    }

    /// Whether there is no member.
    pub fn is_empty(&self) -> bool {
        self.nodes.iter().all(|n| !n.member && n.below.is_empty())
    }

    /// The nodes in their order.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Adds a node behind all others; [`Set::settle`] is to be called in the end.
    pub(super) fn push(&mut self, element: Element, member: bool, below: Set) {
        if member || !below.nodes.is_empty() {
            self.nodes.push(Node { element, member, below });
        }
    }

    /// Brings pushed nodes in order; of two of the same element the later one counts.
    pub(super) fn settle(&mut self) {
        if self.nodes.windows(2).all(|w| w[0].element < w[1].element) {
            return;
        }
        self.nodes.sort_by(|a, b| a.element.cmp(&b.element));
        self.nodes.dedup_by(|later, kept| {
            let again = later.element == kept.element;
            if again {
                kept.member = later.member;
                kept.below = std::mem::take(&mut later.below);
            }
            again
        });
    }

    fn find(&self, element: &Element) -> Result<usize, usize> {
        self.nodes.binary_search_by(|n| n.element.cmp(element))
    }

    /// The node of an element.
    pub fn node(&self, element: &Element) -> Option<&Node> {
        self.find(element).ok().map(|at| &self.nodes[at])
    }

    /// The node of a field by its name.
    pub(super) fn field(&self, name: &str) -> Option<&Node> {
        let order = |node: &Node| match &node.element {
            Element::Field(n) => n.as_ref().cmp(name),
            _ => Ordering::Greater,
        };
        self.nodes.binary_search_by(order).ok().map(|at| &self.nodes[at])
    }

    fn node_mut(&mut self, element: &Element) -> &mut Node {
        let at = match self.find(element) {
            Ok(at) => at,
            Err(at) => {
                let node = Node { element: element.clone(), member: false, below: Set::default() };
                self.nodes.insert(at, node);
                at
            }
        };
        &mut self.nodes[at]
    }

    /// Makes the path a member; the empty path stands for the whole object, which nobody owns.
    pub fn insert(&mut self, path: &[Element]) {
        let Some((first, rest)) = path.split_first() else { return };
        let node = self.node_mut(first);
        match rest {
            [] => node.member = true,
            _ => node.below.insert(rest),
        }
    }

    /// Whether the path is a member.
    pub fn has(&self, path: &[&Element]) -> bool {
        let Some((first, rest)) = path.split_first() else { return false };
        let node = self.node(first);
        node.is_some_and(|n| if rest.is_empty() { n.member } else { n.below.has(rest) })
    }

    /// Walks two sets together; `join` makes the node of a pair, and nothing from `None`.
    fn zip(
        &self,
        other: &Set,
        left: bool,
        right: bool,
        join: impl Fn(&Node, &Node) -> (bool, Set) + Copy,
    ) -> Set {
        let (mut a, mut b) = (self.nodes.iter().peekable(), other.nodes.iter().peekable());
        let mut out = Set::default();
        loop {
            let order = match (a.peek(), b.peek()) {
                (None, None) => return out,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(a), Some(b)) => a.element.cmp(&b.element),
            };
            match order {
                Ordering::Less => out.nodes.extend(a.next().filter(|_| left).cloned()),
                Ordering::Greater => out.nodes.extend(b.next().filter(|_| right).cloned()),
                Ordering::Equal => {
                    if let (Some(a), Some(b)) = (a.next(), b.next()) {
                        let (member, below) = join(a, b);
                        out.push(a.element.clone(), member, below);
                    }
                }
            }
        }
    }

    /// What is in either.
    #[must_use]
    pub fn union(&self, other: &Set) -> Set {
        self.zip(other, true, true, |a, b| (a.member || b.member, a.below.union(&b.below)))
    }

    /// What is in both.
    #[must_use]
    pub fn intersection(&self, other: &Set) -> Set {
        self.zip(other, false, false, |a, b| (a.member && b.member, a.below.intersection(&b.below)))
    }

    /// What is here and not there.
    #[must_use]
    pub fn difference(&self, other: &Set) -> Set {
        self.zip(other, true, false, |a, b| (a.member && !b.member, a.below.difference(&b.below)))
    }

    /// What is here and neither there nor below a member there.
    #[must_use]
    pub fn recursive_difference(&self, other: &Set) -> Set {
        self.zip(other, true, false, |a, b| match b.member {
            true => (false, Set::default()),
            false => (a.member, a.below.recursive_difference(&b.below)),
        })
    }

    /// Whether some member is in both.
    pub fn meets(&self, other: &Set) -> bool {
        let (mut i, mut j) = (0, 0);
        while let (Some(a), Some(b)) = (self.nodes.get(i), other.nodes.get(j)) {
            match a.element.cmp(&b.element) {
                Ordering::Less => i += 1,
                Ordering::Greater => j += 1,
                Ordering::Equal if a.member && b.member || a.below.meets(&b.below) => return true,
                Ordering::Equal => (i, j) = (i + 1, j + 1),
            }
        }
        false
    }

    /// Whether every member of the other is here.
    pub fn covers(&self, other: &Set) -> bool {
        other.nodes.iter().all(|theirs| match self.node(&theirs.element) {
            Some(ours) => (ours.member || !theirs.member) && ours.below.covers(&theirs.below),
            None => !theirs.member && theirs.below.is_empty(),
        })
    }

    /// The members without members below.
    #[must_use]
    pub fn leaves(&self) -> Set {
        let mut out = Set::default();
        for node in &self.nodes {
            let below = node.below.leaves();
            out.push(node.element.clone(), node.member && node.below.nodes.is_empty(), below);
        }
        out
    }

    /// The set in which every declared field that leads to members is one.
    #[must_use]
    pub fn with_named_fields(&self, ty: Option<TypeRef<'_>>) -> Set {
        let atom = ty.map(TypeRef::resolve).unwrap_or_default();
        let mut out = Set { nodes: Vec::with_capacity(self.nodes.len()) };
        for node in &self.nodes {
            let (mut member, mut below) = (node.member, None);
            match &node.element {
                Element::Field(name) => {
                    if let Some(map) = atom.map {
                        let declared = map.field(name);
                        member |= declared.is_some() && !node.below.nodes.is_empty();
                        below = declared.or(map.other);
                    }
                }
                Element::Key(_) => below = atom.list.map(|list| list.item),
                _ => {}
            }
            out.push(node.element.clone(), member, node.below.with_named_fields(below));
        }
        out
    }

    /// Takes the path and all below away; without names nothing.
    pub fn exclude(&mut self, path: &[&str]) {
        let Some((first, rest)) = path.split_first() else { return };
        let Some(at) = self.nodes.iter().position(|n| n.element.is(first)) else { return };
        if rest.is_empty() {
            self.nodes.remove(at);
            return;
        }
        self.nodes[at].below.exclude(rest);
        self.forget(at);
    }

    /// Takes one member away, but nothing below it.
    pub fn remove(&mut self, path: &[&str]) {
        let Some((first, rest)) = path.split_first() else { return };
        let Some(at) = self.nodes.iter().position(|n| n.element.is(first)) else { return };
        match rest {
            [] => self.nodes[at].member = false,
            _ => self.nodes[at].below.remove(rest),
        }
        self.forget(at);
    }

    fn forget(&mut self, at: usize) {
        if !self.nodes[at].member && self.nodes[at].below.nodes.is_empty() {
            self.nodes.remove(at);
        }
    }

    /// What lies at or below one of the paths; `*` stands for any step.
    #[must_use]
    pub fn include(&self, paths: &[&[&str]]) -> Set {
        let mut out = Set::default();
        for node in &self.nodes {
            let matching = |path: &&&[&str]| path.first().is_some_and(|p| *p == "*" || node.element.is(p));
            let rests: Vec<&[&str]> = paths.iter().filter(matching).map(|p| &p[1..]).collect();
            if rests.iter().any(|rest| rest.is_empty()) {
                out.nodes.push(node.clone());
            } else if !rests.is_empty() {
                out.push(node.element.clone(), node.member, node.below.include(&rests));
            }
        }
        out
    }

    /// Calls `see` with every member's path: first those of a level, then those below it.
    pub fn each<'a>(&'a self, see: &mut dyn FnMut(&[&'a Element])) {
        self.each_below(&mut Vec::new(), see);
    }

    fn each_below<'a>(&'a self, path: &mut Vec<&'a Element>, see: &mut dyn FnMut(&[&'a Element])) {
        for node in self.nodes.iter().filter(|n| n.member) {
            path.push(&node.element);
            see(path);
            path.pop();
        }
        for node in &self.nodes {
            path.push(&node.element);
            node.below.each_below(path, see);
            path.pop();
        }
    }
}
