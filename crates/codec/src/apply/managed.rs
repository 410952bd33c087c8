//! Who owns which fields: `metadata.managedFields`, read and written (upstream's `managedfields/internal`).

use super::element::{Element, path_text};
use super::fields_v1;
use super::reflect::UNOWNED;
use super::set::Set;
use corten_api::meta::v1::ManagedFieldsEntry;
use corten_api::{Raw, Time};
use std::cell::OnceCell;
use std::collections::BTreeMap;

/// How many entries of updates an object has at most; older ones become one.
const MOST_UPDATERS: usize = 10;
/// The manager of what was updated too long ago to remember by whom.
const ANCIENT: &str = "ancient-changes";

/// What tells managers apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub manager: String,
    pub applied: bool,
    /// Empty for those who apply: they stay the same in another version.
    pub api_version: String,
    pub subresource: String,
}

impl Identity {
    /// Of a writer; without a name it is `unknown`.
    pub fn new(manager: &str, applied: bool, api_version: &str, subresource: &str) -> Self {
        Identity {
            manager: if manager.is_empty() { "unknown" } else { manager }.to_string(),
            applied,
            api_version: if applied { "" } else { api_version }.to_string(),
            subresource: subresource.to_string(),
        }
    }

    /// Upstream's text for the same, by which conflicts are sorted.
    pub(super) fn sort_key(&self) -> String {
        let Identity { manager, applied, api_version, subresource } = self;
        let operation = if *applied { "Apply" } else { "Update" };
        format!("{manager:?},{operation},{api_version:?},{subresource:?}")
    }

    /// As conflicts name it.
    pub(super) fn shown(&self) -> String {
        let mut text = crate::quote::quoted(&self.manager);
        if !self.subresource.is_empty() {
            text += &format!(" with subresource {}", crate::quote::quoted(&self.subresource));
        }
        if !self.applied {
            text += &format!(" using {}", self.api_version);
        }
        text
    }
}

/// One manager's fields. They stay text until somebody looks at them, and are read once.
#[derive(Clone, Debug)]
struct Fields {
    /// Absent when the set was made here.
    text: Option<Vec<u8>>,
    set: OnceCell<Set>,
}

impl Fields {
    fn of(set: Set) -> Self {
        Fields { text: None, set: OnceCell::from(set) }
    }

    fn set(&self) -> &Set {
        let text = self.text.as_deref().unwrap_or_default();
        self.set.get_or_init(|| fields_v1::read(text).unwrap_or_default())
    }
}

/// What one manager owns.
#[derive(Clone, Debug)]
pub struct Manager {
    pub id: Identity,
    /// The version that the fields' names are of.
    pub version: String,
    pub time: Option<Time>,
    fields: Fields,
}

impl Manager {
    /// With a set of fields.
    pub fn new(id: Identity, version: &str, time: Option<Time>, set: Set) -> Self {
        Manager { id, version: version.to_string(), time, fields: Fields::of(set) }
    }

    /// The fields. What cannot be read (it was looked at before) is empty.
    pub fn set(&self) -> &Set {
        self.fields.set()
    }

    /// Whether it owns a member of the set.
    pub(super) fn meets(&self, set: &Set) -> bool {
        match (&self.fields.text, self.fields.set.get()) {
            (Some(text), None) => fields_v1::meets(text, set),
            _ => self.set().meets(set),
        }
    }

    /// Whether it owns nothing.
    pub(super) fn is_idle(&self) -> bool {
        match (&self.fields.text, self.fields.set.get()) {
            (Some(text), None) => text == b"{}",
            _ => self.set().is_empty(),
        }
    }

    /// Owns this from now on.
    pub fn own(&mut self, set: Set) {
        self.fields = Fields::of(set);
    }

    fn entry(self) -> ManagedFieldsEntry {
        let Fields { text, set } = self.fields;
        let text = text.unwrap_or_else(|| fields_v1::write(&set.into_inner().unwrap_or_default()));
        ManagedFieldsEntry {
            manager: self.id.manager,
            operation: if self.id.applied { "Apply" } else { "Update" }.to_string(),
            api_version: self.version,
            time: self.time,
            fields_type: "FieldsV1".to_string(),
            fields_v1: Some(Raw(text)),
            subresource: self.id.subresource,
        }
    }
}

/// All managers of an object.
#[derive(Clone, Debug, Default)]
pub struct Managed {
    pub managers: Vec<Manager>,
}

/// What is wrong with `managedFields`; `None` if nothing is.
pub fn check(entries: &[ManagedFieldsEntry]) -> Option<String> {
    Managed::read(entries).err()
}

impl Managed {
    /// Reads entries. The error is upstream's.
    pub fn read(entries: &[ManagedFieldsEntry]) -> Result<Managed, String> {
        Managed::of_entries(entries, true)
    }

    /// Entries whose fields are looked at when they are needed, unless they are to be checked.
    fn of_entries(entries: &[ManagedFieldsEntry], checked: bool) -> Result<Managed, String> {
        let mut managed = Managed { managers: Vec::with_capacity(entries.len() + 1) };
        for (at, entry) in entries.iter().enumerate() {
            let manager = read_entry(at, entry, checked)?;
            // Of two for the same manager the later one counts.
            managed.managers.retain(|m| m.id != manager.id);
            managed.managers.push(manager);
        }
        Ok(managed)
    }

    /// Those that an update starts from: what the request says, unless it says nothing or what cannot be
    /// read. A subresource has no say.
    pub fn of_update(live: &[ManagedFieldsEntry], new: &[ManagedFieldsEntry], subresource: &str) -> Managed {
        // They were read when they were written.
        let was = || Managed::of_entries(live, false).unwrap_or_default();
        if !subresource.is_empty() || new == live {
            return was();
        }
        if let [only] = new
            && *only == ManagedFieldsEntry::default()
        {
            return Managed::default();
        }
        match Managed::read(new) {
            Ok(managed) if !managed.managers.is_empty() => managed,
            _ => was(),
        }
    }

    /// Whether nobody owns anything.
    pub fn is_empty(&self) -> bool {
        self.managers.is_empty()
    }

    /// The manager.
    pub fn get(&self, id: &Identity) -> Option<&Manager> {
        self.managers.iter().find(|m| m.id == *id)
    }

    pub(super) fn get_mut(&mut self, id: &Identity) -> Option<&mut Manager> {
        self.managers.iter_mut().find(|m| m.id == *id)
    }

    /// Puts a manager in the place of its former self.
    pub(super) fn put(&mut self, manager: Manager) {
        match self.get_mut(&manager.id) {
            Some(old) => *old = manager,
            None => self.managers.push(manager),
        }
    }

    /// The entries as they are written: in upstream's order.
    pub fn write(self) -> Vec<ManagedFieldsEntry> {
        let mut entries: Vec<ManagedFieldsEntry> = self.managers.into_iter().map(Manager::entry).collect();
        let seconds = |e: &ManagedFieldsEntry| e.time.map_or(0, |t| t.seconds());
        entries.sort_by(|p, q| {
            p.operation
                .cmp(&q.operation)
                .then_with(|| seconds(p).cmp(&seconds(q)))
                .then_with(|| p.manager.cmp(&q.manager))
                .then_with(|| p.api_version.cmp(&q.api_version))
                .then_with(|| p.subresource.cmp(&q.subresource))
        });
        entries
    }

    /// Makes one of the oldest entries of updates while there are too many, one for each version.
    pub(super) fn cap(&mut self) {
        let updaters = self.managers.iter().filter(|m| !m.id.applied).count();
        if updaters <= MOST_UPDATERS {
            return;
        }
        let mut excess = updaters - MOST_UPDATERS;
        let mut oldest: Vec<(i64, String, Identity)> = self
            .managers
            .iter()
            .filter(|m| !m.id.applied)
            .map(|m| (m.time.map_or(0, |t| t.seconds()), m.id.sort_key(), m.id.clone()))
            .collect();
        oldest.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        let mut first_of: BTreeMap<String, Identity> = BTreeMap::new();
        for (_, _, id) in oldest {
            if excess == 0 {
                return;
            }
            let Some(manager) = self.get(&id).cloned() else { continue };
            let Some(first) = first_of.get(&manager.version).cloned() else {
                first_of.insert(manager.version.clone(), id);
                continue;
            };
            let bucket = Identity::new(ANCIENT, false, &manager.version, "");
            if self.get(&bucket).is_none()
                && let Some(first) = self.get_mut(&first)
            {
                first.id = bucket.clone();
            }
            let time = manager.time;
            self.managers.retain(|m| m.id != id || id == bucket);
            if let Some(bucket) = self.get_mut(&bucket) {
                let both = bucket.set().union(manager.set());
                bucket.own(both);
                // The later of the two, since they come in order.
                bucket.time = time;
            }
            excess -= 1;
        }
    }
}

fn read_entry(at: usize, entry: &ManagedFieldsEntry, checked: bool) -> Result<Manager, String> {
    let applied = match entry.operation.as_str() {
        "Apply" => true,
        "Update" => false,
        _ => return Err("operation must be `Apply` or `Update`".to_string()),
    };
    if entry.api_version.is_empty() {
        return Err("apiVersion must not be empty".to_string());
    }
    match entry.fields_type.as_str() {
        "FieldsV1" => {}
        "" => return Err(format!("missing fieldsType in managed fields entry {at}")),
        other => {
            return Err(format!(
                "invalid fieldsType {} in managed fields entry {at}",
                crate::quote::quoted(other)
            ));
        }
    }
    let text = match &entry.fields_v1 {
        Some(raw) if !raw.is_empty() => raw.0.clone(),
        _ => b"{}".to_vec(),
    };
    let set = OnceCell::new();
    if checked {
        let read = fields_v1::read(&text).map_err(|e| {
            format!("error decoding versioned set from managed fields entry {at}: error decoding set: {e}")
        })?;
        let _ = set.set(read);
    }
    let id = Identity {
        manager: entry.manager.clone(),
        applied,
        api_version: if applied { String::new() } else { entry.api_version.clone() },
        subresource: entry.subresource.clone(),
    };
    Ok(Manager {
        id,
        version: entry.api_version.clone(),
        time: entry.time,
        fields: Fields { text: Some(text), set },
    })
}

/// Takes away what nobody may own.
pub(super) fn strip(set: &mut Set) {
    for name in ["apiVersion", "kind", "metadata"] {
        set.remove(&[name]);
    }
    for name in UNOWNED {
        set.remove(&["metadata", name]);
    }
}

/// A field that somebody else owns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    pub manager: Identity,
    pub path: Vec<Element>,
}

/// Why apply was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflicts(pub Vec<Conflict>);

impl Conflicts {
    /// A cause for each: its message and its field.
    pub fn causes(&self) -> Vec<(String, String)> {
        let cause = |c: &Conflict| (format!("conflict with {}", c.manager.shown()), c.field());
        self.0.iter().map(cause).collect()
    }
}

impl Conflict {
    /// The field's path as text.
    pub fn field(&self) -> String {
        path_text(&self.path.iter().collect::<Vec<_>>())
    }
}

impl std::fmt::Display for Conflicts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let [only] = self.0.as_slice() {
            let (manager, field) = (only.manager.shown(), only.field());
            return write!(f, "Apply failed with 1 conflict: conflict with {manager}: {field}");
        }
        write!(f, "Apply failed with {} conflicts: ", self.0.len())?;
        let mut lines: Vec<String> = Vec::new();
        for same in self.0.chunk_by(|a, b| a.manager == b.manager) {
            lines.push(format!("conflicts with {}:", same[0].manager.shown()));
            lines.extend(same.iter().map(|c| format!("- {}", c.field())));
        }
        f.write_str(&lines.join("\n"))
    }
}
