//! What a write does to the owners of fields (upstream's `merge.Updater` and the managers around it).

use super::compare::{Comparison, compare};
use super::last_applied::{KUBECTL, renewed, taken_over};
use super::managed::{Conflict, Conflicts, Identity, Managed, Manager, strip};
use super::set::Set;
use super::types::TypeRef;
use super::validate::{Misfits, validate};
use super::value::{field_set, merge, reconcile, remove};
use corten_api::Time;
use serde_json::Value;
use std::collections::BTreeMap;

/// The manager of what an object held before anybody applied.
const BEFORE_FIRST_APPLY: &str = "before-first-apply";

/// The fields that a request through some path cannot change, and so cannot own.
#[derive(Clone, Copy, Debug)]
pub enum Reset {
    /// All but these and what is below them.
    Except(&'static [&'static [&'static str]]),
    /// These and what is below them; `*` is any step.
    Only(&'static [&'static [&'static str]]),
}

impl Reset {
    /// Nothing is out of reach.
    pub const NOTHING: Reset = Reset::Except(&[]);

    fn filter(self, mut set: Set) -> Set {
        match self {
            Reset::Except(paths) => {
                paths.iter().for_each(|path| set.exclude(path));
                set
            }
            Reset::Only(paths) => set.include(paths),
        }
    }
}

/// One write.
#[derive(Clone, Copy)]
pub struct Write<'a> {
    /// Who writes; may be empty.
    pub manager: &'a str,
    pub api_version: &'a str,
    pub subresource: &'a str,
    pub reset: Reset,
    pub now: Time,
}

impl Write<'_> {
    fn id(&self, applied: bool) -> Identity {
        Identity::new(self.manager, applied, self.api_version, self.subresource)
    }
}

/// An object in the versions of its kind.
pub trait Versions {
    /// The object in another version; `None` when there is no such version any more.
    fn convert(&self, object: &Value, version: &str) -> Result<Option<Value>, String>;
    /// The type of a version.
    fn type_of(&self, version: &str) -> Option<TypeRef<'_>>;
}

/// Why apply failed.
#[derive(Debug, PartialEq, Eq)]
pub enum ApplyError {
    Conflicts(Conflicts),
    /// What is told as it is.
    Failed(String),
}

impl From<String> for ApplyError {
    fn from(why: String) -> Self {
        ApplyError::Failed(why)
    }
}

/// What two objects differ in, in a version that other managers use; `None` when it is gone.
pub type AtVersion<'a> = &'a mut dyn FnMut(&str) -> Option<Comparison>;

/// Takes from all managers but `writer` what changed. Without `force`, a change of what they own is refused.
fn settle(
    managed: &mut Managed,
    writer: Option<&Identity>,
    here: (&str, &Comparison),
    at: AtVersion<'_>,
    reset: Reset,
    force: bool,
) -> Result<(), Conflicts> {
    if managed.managers.iter().all(|m| writer == Some(&m.id)) {
        managed.managers.retain(|m| !m.is_idle());
        return Ok(());
    }
    let mut others: BTreeMap<String, Option<(Set, Set)>> = BTreeMap::new();
    let parts = |c: Comparison| (c.modified.union(&c.added), c.removed);
    others.insert(here.0.to_string(), Some(parts(here.1.clone())));
    let mut conflicts = Vec::new();
    managed.managers.retain(|m| {
        let known = others.entry(m.version.clone());
        writer == Some(&m.id)
            || known.or_insert_with(|| at(&m.version).map(|c| parts(c.map(|s| reset.filter(s))))).is_some()
    });
    for manager in &mut managed.managers {
        if writer == Some(&manager.id) {
            continue;
        }
        let Some(Some((changed, removed))) = others.get(&manager.version) else { continue };
        if !manager.meets(changed) && !manager.meets(removed) {
            continue;
        }
        let set = manager.set();
        if !force {
            let taken = set.intersection(changed);
            taken.each(&mut |path| {
                let path = path.iter().map(|e| (*e).clone()).collect();
                conflicts.push(Conflict { manager: manager.id.clone(), path });
            });
        }
        let left = set.difference(changed).difference(removed);
        manager.own(left);
    }
    if !conflicts.is_empty() {
        conflicts.sort_by_key(|c: &Conflict| c.manager.sort_key());
        return Err(Conflicts(conflicts));
    }
    managed.managers.retain(|m| !m.is_idle());
    Ok(())
}

/// The owners after an update, from those before and what it changed. An object without owners, that is
/// there already (`exists`), stays without.
pub fn update(
    mut managed: Managed,
    write: &Write<'_>,
    exists: bool,
    changes: Comparison,
    at: AtVersion<'_>,
) -> Managed {
    if managed.is_empty() && exists {
        return managed;
    }
    let changes = changes.map(|set| write.reset.filter(set));
    if changes.is_same() {
        managed.cap();
        return managed;
    }
    // Upstream lets updates win: there are no conflicts.
    let _ = settle(&mut managed, None, (write.api_version, &changes), at, write.reset, true);
    let mut own = match changes.modified.is_empty() {
        true => changes.added,
        false => changes.modified.union(&changes.added),
    };
    strip(&mut own);
    if !own.is_empty() {
        let id = write.id(false);
        match managed.get_mut(&id) {
            Some(before) => {
                if !before.set().covers(&own) {
                    let both = before.set().union(&own);
                    before.own(both);
                }
                before.version = write.api_version.to_string();
                before.time = Some(write.now);
            }
            None => managed.put(Manager::new(id, write.api_version, Some(write.now), own)),
        }
    }
    managed.cap();
    managed
}

/// What apply makes.
#[derive(Debug)]
pub struct Applied {
    /// The object; `None` when it stays as it is.
    pub object: Option<Value>,
    pub managed: Managed,
    /// The annotation of what was applied last, where it is to be set, or (`Some(None)`) taken away.
    pub last_applied: Option<Option<String>>,
}

/// One application of a configuration to an object (without its `managedFields`).
pub struct Application<'a> {
    pub live: &'a Value,
    /// An object of the kind with nothing in it.
    pub blank: &'a Value,
    pub config: &'a Value,
    /// How errors name the configuration: `namespace/name; group/version, Kind=kind`.
    pub config_name: &'a str,
    pub live_name: &'a str,
    pub versions: &'a dyn Versions,
    pub write: Write<'a>,
    pub force: bool,
}

impl Application<'_> {
    fn ty(&self) -> Result<TypeRef<'_>, ApplyError> {
        let version = self.write.api_version;
        let missing = || format!("no corresponding type for {version}");
        self.versions.type_of(version).ok_or_else(missing).map_err(ApplyError::Failed)
    }

    /// Applies, and makes the applier the owner of all it gave.
    pub fn run(&self, managed: Managed) -> Result<Applied, ApplyError> {
        if self.write.manager != KUBECTL {
            return self.once(managed, self.force);
        }
        let mut applied = match self.once(managed.clone(), self.force) {
            Err(ApplyError::Conflicts(conflicts)) => {
                let conflicts = self.with_others(conflicts)?;
                if !conflicts.0.is_empty() {
                    return Err(ApplyError::Conflicts(conflicts));
                }
                self.once(managed, true)?
            }
            done => done?,
        };
        applied.last_applied = renewed(applied.object.as_ref().unwrap_or(self.live), self.config);
        Ok(applied)
    }

    /// The conflicts that are not with what kubectl itself applied from the client.
    fn with_others(&self, mut conflicts: Conflicts) -> Result<Conflicts, ApplyError> {
        if let Some(own) = taken_over(self.live, self.ty()?, self.write.api_version) {
            conflicts.0.retain(|c| !own.has(&c.path.iter().collect::<Vec<_>>()));
        }
        Ok(conflicts)
    }

    fn once(&self, mut managed: Managed, force: bool) -> Result<Applied, ApplyError> {
        let ty = self.ty()?;
        if managed.is_empty() {
            managed = self.before_first_apply(ty);
        }
        let typed = |what: &str, name: &str, misfits: Misfits| {
            misfits.verdict().map_err(|why| format!("failed to create typed {what} ({name}): {why}"))
        };
        typed("patch object", self.config_name, validate(self.config, ty, false))?;
        typed("live object", self.live_name, validate(self.live, ty, true))?;
        self.reconcile(&mut managed);
        let id = self.write.id(true);
        let last = managed.get(&id).cloned();
        let merged = merge(Some(self.live), Some(self.config), ty)
            .map_err(|why| format!("failed to merge config: {why}"))?
            .unwrap_or(Value::Null);
        let own = self.write.reset.filter(field_set(self.config, ty));
        let time = last.as_ref().and_then(|m| m.time);
        managed.put(Manager::new(id.clone(), self.write.api_version, time, own));
        // Who gives all that it gave before takes nothing back.
        let gave = last.as_ref().filter(|last| {
            last.version != self.write.api_version
                || managed.get(&id).is_none_or(|now| !now.set().covers(last.set()))
        });
        let merged = self.prune(merged, &managed, gave)?;
        let changes = compare(self.live, &merged, ty).map(|set| self.write.reset.filter(set));
        let (live, reset) = (self.live, self.write.reset);
        let mut at = |version: &str| compare_at(self.versions, live, &merged, version);
        settle(&mut managed, Some(&id), (self.write.api_version, &changes), &mut at, reset, force)
            .map_err(ApplyError::Conflicts)?;
        if let Some(manager) = managed.get_mut(&id) {
            let mut own = manager.set().clone();
            strip(&mut own);
            manager.own(own);
        }
        managed.managers.retain(|m| m.id != id || !m.set().is_empty());
        let changed = !super::element::same(self.live, &merged);
        if changed && let Some(manager) = managed.get_mut(&id) {
            manager.time = Some(self.write.now);
        }
        Ok(Applied { object: changed.then_some(merged), managed, last_applied: None })
    }

    /// Whoever wrote the object so far was not recorded; what it holds belongs to a stand-in.
    fn before_first_apply(&self, ty: TypeRef<'_>) -> Managed {
        let changes = compare(self.blank, self.live, ty);
        let write = Write { manager: BEFORE_FIRST_APPLY, ..self.write };
        update(Managed::default(), &write, false, changes, &mut |_| None)
    }

    /// Follows types that became atomic.
    fn reconcile(&self, managed: &mut Managed) {
        for manager in &mut managed.managers {
            let ty = self.versions.type_of(&manager.version);
            if let Some(set) = ty.and_then(|ty| reconcile(manager.set(), ty)) {
                manager.own(set);
            }
        }
    }

    fn convert(&self, object: &Value, version: &str) -> Result<Option<Value>, ApplyError> {
        self.versions.convert(object, version).map_err(ApplyError::Failed)
    }

    /// Takes out what the applier gave before and gives no more, unless somebody else owns it.
    fn prune(&self, merged: Value, managed: &Managed, last: Option<&Manager>) -> Result<Value, ApplyError> {
        let Some(last) = last.filter(|l| !l.set().is_empty()) else { return Ok(merged) };
        let Some(ty) = self.versions.type_of(&last.version) else { return Ok(merged) };
        let Some(there) = self.convert(&merged, &last.version)? else { return Ok(merged) };
        let before = last.set().with_named_fields(Some(ty));
        let pruned = remove(&there, &before, ty);
        let pruned = self.add_back_owned(&there, pruned, &last.version, managed)?;
        // Nothing goes but what the applier owned.
        let Some(pruned) = self.convert(&pruned, &last.version)? else { return Ok(merged) };
        let left = field_set(&pruned, ty).with_named_fields(Some(ty));
        let all = field_set(&there, ty).with_named_fields(Some(ty));
        let kept = remove(&there, &all.difference(&left).intersection(&before), ty);
        Ok(self.convert(&kept, self.write.api_version)?.unwrap_or(merged))
    }

    /// Puts back what is owned in any version.
    fn add_back_owned(
        &self,
        merged: &Value,
        pruned: Value,
        first: &str,
        managed: &Managed,
    ) -> Result<Value, ApplyError> {
        let mut owned: BTreeMap<&str, Set> = BTreeMap::new();
        for manager in &managed.managers {
            let all = owned.entry(&manager.version).or_default();
            *all = all.union(manager.set());
        }
        let (mut merged, mut pruned) = (merged.clone(), pruned);
        let own = owned.remove(first).map(|set| (first, set));
        for (version, set) in own.into_iter().chain(owned) {
            let Some(ty) = self.versions.type_of(version) else { continue };
            let (Some(m), Some(p)) = (self.convert(&merged, version)?, self.convert(&pruned, version)?)
            else {
                continue;
            };
            let all = field_set(&m, ty).with_named_fields(Some(ty));
            let kept = field_set(&p, ty).with_named_fields(Some(ty));
            let kept = kept.union(&set.with_named_fields(Some(ty)));
            pruned = remove(&m, &all.difference(&kept), ty);
            merged = m;
        }
        Ok(pruned)
    }
}

/// What two objects differ in, in another version.
pub fn compare_at(versions: &dyn Versions, left: &Value, right: &Value, version: &str) -> Option<Comparison> {
    let ty = versions.type_of(version)?;
    let convert = |object| versions.convert(object, version).ok().flatten();
    Some(compare(&convert(left)?, &convert(right)?, ty))
}
