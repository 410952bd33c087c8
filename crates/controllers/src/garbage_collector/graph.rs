//! Who owns whom, over all kinds.

use corten_api::meta::v1::OwnerReference;
use corten_api::{KindInfo, Object};
use corten_client::Key;
use std::collections::{BTreeSet, HashMap};

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

/// All objects by UID, and the dependents of each owner.
#[derive(Default)]
pub struct Graph {
    items: HashMap<String, Item>,
    dependents: HashMap<String, BTreeSet<String>>,
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

    /// The object of this UID.
    pub fn get(&self, uid: &str) -> Option<&Item> {
        self.items.get(uid)
    }

    /// The objects that name this UID as an owner.
    pub fn dependents_of(&self, uid: &str) -> Vec<String> {
        self.dependents.get(uid).into_iter().flatten().cloned().collect()
    }

    /// The objects of one kind that are not among `present`.
    pub fn missing(&self, kind: &'static KindInfo, present: &BTreeSet<String>) -> Vec<String> {
        self.items
            .iter()
            .filter(|(uid, i)| i.kind == kind && !present.contains(*uid))
            .map(|(uid, _)| uid.clone())
            .collect()
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
                None => owners.unknown.push(reference.clone()),
            }
        }
        owners
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
}
