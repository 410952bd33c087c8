//! Owners of a number of replicas, as the `scale` subresource shows them and takes them (upstream's
//! `ScaleHandler`).

use super::element::Element;
use super::managed::{Managed, Manager};
use super::set::Set;
use corten_api::meta::v1::ManagedFieldsEntry;

/// Where replicas are, in the object and in its scale alike.
const REPLICAS: [Element; 2] = [Element::field("spec"), Element::field("replicas")];
const SCALE_VERSION: &str = "autoscaling/v1";

/// Where an object has its replicas.
pub struct Replicas<'a> {
    /// The path's steps, after the object's root.
    pub path: &'a [Element],
    /// The versions in which it is so.
    pub versions: &'a [String],
}

/// The place of replicas in built-in kinds.
pub fn usual_replicas() -> &'static [Element] {
    const { &REPLICAS }
}

fn steps(path: &[Element]) -> Vec<&Element> {
    path.iter().collect()
}

fn one(path: &[Element]) -> Set {
    let mut set = Set::default();
    set.insert(path);
    set
}

/// The owners of a scale, from those of its object.
pub fn owners_of_scale(
    object: &[ManagedFieldsEntry],
    replicas: &Replicas<'_>,
) -> Result<Vec<ManagedFieldsEntry>, String> {
    let mut managed = Managed::read(object)?;
    managed.managers.retain(|m| replicas.versions.contains(&m.version) && m.set().has(&steps(replicas.path)));
    for manager in &mut managed.managers {
        manager.version = SCALE_VERSION.to_string();
        manager.own(one(&REPLICAS));
    }
    Ok(managed.write())
}

/// The owners of an object after its scale was written in the given version.
pub fn owners_after_scale(
    object: &[ManagedFieldsEntry],
    scale: &[ManagedFieldsEntry],
    replicas: &Replicas<'_>,
    version: &str,
) -> Result<Vec<ManagedFieldsEntry>, String> {
    let path = steps(replicas.path);
    let mut scale = Managed::read(scale)?;
    let parent = Managed::read(object)?;
    let mut out = Managed::default();
    for mut manager in parent.managers {
        if !replicas.versions.contains(&manager.version) {
            continue;
        }
        if manager.set().has(&path) {
            let before = scale.managers.len();
            // Those who update are known by version, which is the scale's there.
            scale.managers.retain(|m| !same_writer(m, &manager));
            if scale.managers.len() == before {
                let left = manager.set().difference(&one(replicas.path));
                manager.own(left);
            }
        }
        if !manager.set().is_empty() {
            out.put(manager);
        }
    }
    for mut manager in scale.managers {
        if manager.set().has(&steps(&REPLICAS)) {
            manager.version = version.to_string();
            if !manager.id.applied {
                manager.id.api_version = version.to_string();
            }
            manager.own(one(replicas.path));
            out.put(manager);
        }
    }
    Ok(out.write())
}

fn same_writer(a: &Manager, b: &Manager) -> bool {
    a.id.manager == b.id.manager && a.id.applied == b.id.applied && a.id.subresource == b.id.subresource
}
