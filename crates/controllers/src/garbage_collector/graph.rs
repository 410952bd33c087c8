//! Who owns whom, over all kinds.

use corten_api::meta::v1::OwnerReference;
use corten_api::{KindInfo, Object};
use corten_client::Key;
use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher, RandomState};

const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";

/// What the graph keeps of one object.
#[derive(Clone, Debug)]
pub struct Item {
    pub kind: &'static KindInfo,
    pub key: Key,
    pub owners: Vec<OwnerReference>,
    pub deleting: bool,
    /// Waits for its dependents to go first.
    pub foreground: bool,
    /// Waits until its dependents have let go of it.
    pub orphan: bool,
}

impl Item {
    fn of(object: &dyn Object) -> Self {
        let meta = object.meta();
        let has = |name: &str| meta.finalizers.iter().any(|f| f == name);
        Item {
            kind: object.info(),
            key: Key::of(object),
            owners: meta.owner_references.clone(),
            deleting: meta.deletion_timestamp.is_some(),
            foreground: has(FOREGROUND),
            orphan: has(ORPHAN),
        }
    }

    /// Whether it is being deleted and waits for its dependents.
    pub fn is_waiting(&self) -> bool {
        self.deleting && self.foreground
    }
}

/// What is kept of an object that has no owners and is not being deleted, as are nearly all: enough to know it
/// as an owner.
#[derive(Clone, Copy, Debug)]
struct Free {
    kind: &'static KindInfo,
    /// Of its name.
    hash: u64,
}

/// All objects by UID, and the dependents of each owner.
#[derive(Default)]
pub struct Graph {
    items: HashMap<String, Item>,
    free: HashMap<u128, Free>,
    hasher: RandomState,
    dependents: HashMap<String, BTreeSet<String>>,
}

/// A UID as the server writes them, as a number.
fn number(uid: &str) -> Option<u128> {
    let bytes = uid.as_bytes();
    if bytes.len() != 36 {
        return None;
    }
    let mut number = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let digit = match byte {
            b'-' if matches!(at, 8 | 13 | 18 | 23) => continue,
            b'0'..=b'9' if !matches!(at, 8 | 13 | 18 | 23) => byte - b'0',
            b'a'..=b'f' if !matches!(at, 8 | 13 | 18 | 23) => byte - b'a' + 10,
            _ => return None,
        };
        number = number << 4 | u128::from(digit);
    }
    Some(number)
}

/// The UID of that number.
fn uid_of(number: u128) -> String {
    let hex = format!("{number:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

impl Graph {
    /// Takes in an object as it is now, and names the UIDs to look at.
    pub fn put(&mut self, object: &dyn Object) -> Vec<String> {
        let uid = object.meta().uid.clone();
        let item = Item::of(object);
        let mut wake = Vec::new();
        if let Some(old) = self.items.remove(&uid) {
            self.unlink(&uid, &old);
        }
        if let Some(number) = number(&uid) {
            if item.owners.is_empty() && !item.deleting {
                let hash = self.hasher.hash_one(&item.key.name);
                self.free.insert(number, Free { kind: item.kind, hash });
                return wake;
            }
            self.free.remove(&number);
        }
        for owner in &item.owners {
            self.dependents.entry(owner.uid.clone()).or_default().insert(uid.clone());
            // An owner that waits may be able to go on.
            if self.items.get(&owner.uid).is_some_and(Item::is_waiting) {
                wake.push(owner.uid.clone());
            }
        }
        if !item.owners.is_empty() || (item.deleting && (item.foreground || item.orphan)) {
            wake.push(uid.clone());
        }
        if item.is_waiting() {
            wake.extend(self.dependents_of(&uid));
        }
        self.items.insert(uid, item);
        wake
    }

    /// An object is gone; names the UIDs to look at.
    pub fn remove(&mut self, uid: &str) -> Vec<String> {
        let mut wake = self.dependents_of(uid);
        if let Some(number) = number(uid) {
            self.free.remove(&number);
        }
        if let Some(old) = self.items.remove(uid) {
            self.unlink(uid, &old);
            wake.extend(old.owners.iter().map(|o| o.uid.clone()).filter(|o| self.items.contains_key(o)));
        }
        wake
    }

    fn unlink(&mut self, uid: &str, item: &Item) {
        for owner in &item.owners {
            if let Some(set) = self.dependents.get_mut(&owner.uid) {
                set.remove(uid);
                if set.is_empty() {
                    self.dependents.remove(&owner.uid);
                }
            }
        }
    }

    /// The object of this UID, if it has owners or is being deleted.
    pub fn get(&self, uid: &str) -> Option<&Item> {
        self.items.get(uid)
    }

    /// The objects that name this UID as an owner.
    pub fn dependents_of(&self, uid: &str) -> Vec<String> {
        self.dependents.get(uid).into_iter().flatten().cloned().collect()
    }

    /// The objects of one kind that are not among `present`.
    pub fn missing(&self, kind: &'static KindInfo, present: &BTreeSet<String>) -> Vec<String> {
        let items = self.items.iter().filter(|(_, item)| item.kind == kind).map(|(uid, _)| uid.clone());
        let free = self.free.iter().filter(|(_, free)| free.kind == kind).map(|(uid, _)| uid_of(*uid));
        items.chain(free).filter(|uid| !present.contains(uid)).collect()
    }
}

/// How an object stands to its owners.
#[derive(Debug, Default)]
pub struct Owners {
    /// There, and not waiting for dependents.
    pub solid: Vec<OwnerReference>,
    /// There, but being deleted with their dependents first.
    pub waiting: Vec<OwnerReference>,
    /// Not in the graph: perhaps gone, perhaps not seen yet.
    pub unknown: Vec<OwnerReference>,
}

impl Graph {
    /// Sorts an object's owners.
    pub fn owners_of(&self, item: &Item) -> Owners {
        let mut owners = Owners::default();
        for reference in &item.owners {
            match self
                .items
                .get(&reference.uid)
                .filter(|o| o.kind.kind == reference.kind && o.key.name == reference.name)
            {
                Some(owner) if owner.is_waiting() => owners.waiting.push(reference.clone()),
                Some(_) => owners.solid.push(reference.clone()),
                None if self.is_free(reference) => owners.solid.push(reference.clone()),
                None => owners.unknown.push(reference.clone()),
            }
        }
        owners
    }

    fn is_free(&self, reference: &OwnerReference) -> bool {
        let free = number(&reference.uid).and_then(|number| self.free.get(&number));
        free.is_some_and(|f| f.kind.kind == reference.kind && f.hash == self.hasher.hash_one(&reference.name))
    }

    /// The dependents that hold a waiting owner back, and whether each is being deleted.
    pub fn blocking(&self, uid: &str) -> Vec<(String, bool)> {
        self.dependents_of(uid)
            .into_iter()
            .filter_map(|d| {
                let item = self.items.get(&d)?;
                let blocks = item.owners.iter().any(|o| o.uid == uid && o.block_owner_deletion == Some(true));
                blocks.then_some((d, item.deleting))
            })
            .collect()
    }
}

impl Graph {
    /// Whether a dependent waits for the object, whose owners wait for it: then nobody would ever go.
    pub fn in_circle(&self, uid: &str) -> bool {
        let dependents = self.dependents.get(uid).into_iter().flatten();
        dependents.filter_map(|d| self.items.get(d)).any(Item::is_waiting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::apps::v1::ReplicaSet;
    use corten_api::core::v1::Pod;
    use corten_semantics::owner::controller_reference;

    fn set(uid: &str) -> ReplicaSet {
        let mut rs = ReplicaSet::default();
        rs.metadata.uid = uid.into();
        rs.metadata.name = uid.into();
        rs
    }

    fn pod(uid: &str, owner: &ReplicaSet) -> Pod {
        let mut pod = Pod::default();
        pod.metadata.uid = uid.into();
        pod.metadata.name = uid.into();
        pod.metadata.owner_references = vec![controller_reference(owner)];
        pod
    }

    #[test]
    fn a_gone_owner_wakes_its_dependents() {
        let mut g = Graph::default();
        g.put(&set("rs"));
        assert_eq!(g.put(&pod("p", &set("rs"))), ["p"]);
        assert_eq!(g.owners_of(g.get("p").expect("known")).solid.len(), 1);
        assert_eq!(g.remove("rs"), ["p"]);
        assert_eq!(g.owners_of(g.get("p").expect("known")).unknown.len(), 1);
    }

    #[test]
    fn a_waiting_owner_is_held_by_blocking_dependents() {
        let mut g = Graph::default();
        let mut rs = set("rs");
        g.put(&rs);
        g.put(&pod("p", &rs));
        rs.metadata.deletion_timestamp = Some(Default::default());
        rs.metadata.finalizers = vec![FOREGROUND.into()];
        assert_eq!(g.put(&rs), ["rs", "p"]);
        assert_eq!(g.blocking("rs"), [("p".to_string(), false)]);
        assert_eq!(g.owners_of(g.get("p").expect("known")).waiting.len(), 1);
        assert_eq!(g.remove("p"), ["rs"]);
        assert!(g.blocking("rs").is_empty());
    }

    #[test]
    fn a_circle_of_owners_that_wait_is_noticed() {
        let mut g = Graph::default();
        let (mut first, mut second) = (set("a"), set("b"));
        first.metadata.owner_references = vec![controller_reference(&second)];
        second.metadata.owner_references = vec![controller_reference(&first)];
        g.put(&first);
        g.put(&second);
        assert!(!g.in_circle("b"));
        first.metadata.deletion_timestamp = Some(Default::default());
        first.metadata.finalizers = vec![FOREGROUND.into()];
        g.put(&first);
        assert!(g.in_circle("b") && !g.in_circle("a"));
    }

    #[test]
    fn a_reference_with_another_name_does_not_count() {
        let mut g = Graph::default();
        let rs = set("rs");
        g.put(&rs);
        let mut p = pod("p", &rs);
        p.metadata.owner_references[0].name = "other".into();
        g.put(&p);
        assert_eq!(g.owners_of(g.get("p").expect("known")).unknown.len(), 1);
    }

    #[test]
    fn objects_without_owners_are_known_by_little() {
        let uids = ["1b4e28ba-2fa1-11d2-883f-0016d3cca427", "00000000-0000-0000-0000-00000000000a"];
        for uid in uids {
            assert_eq!(number(uid).map(uid_of).as_deref(), Some(uid));
        }
        for other in ["rs", "1B4e28ba-2fa1-11d2-883f-0016d3cca427", "1b4e28ba02fa1-11d2-883f-0016d3cca4-7"] {
            assert_eq!(number(other), None, "{other}");
        }
        let (mut g, mut rs) = (Graph::default(), set(uids[0]));
        assert!(g.put(&rs).is_empty() && g.get(uids[0]).is_none());
        let mut other = pod("q", &rs);
        other.metadata.owner_references[0].name = "other".into();
        g.put(&pod("p", &rs));
        g.put(&other);
        let owners = |g: &Graph, uid: &str| g.owners_of(g.get(uid).expect("known"));
        assert_eq!((owners(&g, "p").solid.len(), owners(&g, "q").unknown.len()), (1, 1));
        assert_eq!(g.missing(rs.info(), &BTreeSet::new()), [uids[0]]);
        rs.metadata.deletion_timestamp = Some(Default::default());
        rs.metadata.finalizers = vec![FOREGROUND.into()];
        assert_eq!(g.put(&rs), [uids[0], "p", "q"]);
        assert_eq!(owners(&g, "p").waiting.len(), 1);
        assert_eq!(g.remove(uids[0]), ["p", "q"]);
        assert!(g.missing(rs.info(), &BTreeSet::new()).is_empty());
    }
}
