//! Owners of a number of replicas, as the `scale` subresource shows them and takes them (upstream's
//! `ScaleHandler`).

use super::element::Element;
use super::managed::{Managed, Manager};
use super::set::Set;
use corten_api::meta::v1::ManagedFieldsEntry;
use std::borrow::Cow;

/// Where replicas are, in the object and in its scale alike.
const REPLICAS: [Element; 2] = [Element::field("spec"), Element::field("replicas")];
const SCALE_VERSION: &str = "autoscaling/v1";

/// Where an object has its replicas in one of its versions.
pub struct Replicas {
    version: String,
    path: Cow<'static, [Element]>,
}

impl Replicas {
    /// The place in built-in kinds.
    pub fn usual(version: String) -> Self {
        Replicas { version, path: Cow::Borrowed(const { &REPLICAS }) }
    }

    /// The place of a custom kind: `.spec.replicas`.
    pub fn at(version: String, path: &str) -> Self {
        let steps = path.trim_start_matches('.').split('.');
        let path = steps.map(|step| Element::Field(Cow::Owned(step.to_string()))).collect();
        Replicas { version, path: Cow::Owned(path) }
    }
}

fn path_in<'a>(all: &'a [Replicas], version: &str) -> Option<&'a [Element]> {
    all.iter().find(|r| r.version == version).map(|r| &*r.path)
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
    replicas: &[Replicas],
) -> Result<Vec<ManagedFieldsEntry>, String> {
    let mut managed = Managed::read(object)?;
    managed.managers.retain(|m| path_in(replicas, &m.version).is_some_and(|path| m.set().has(&steps(path))));
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
    replicas: &[Replicas],
    version: &str,
) -> Result<Vec<ManagedFieldsEntry>, String> {
    let mut scale = Managed::read(scale)?;
    let parent = Managed::read(object)?;
    let mut out = Managed::default();
    for mut manager in parent.managers {
        let Some(path) = path_in(replicas, &manager.version) else { continue };
        if manager.set().has(&steps(path)) {
            let before = scale.managers.len();
            // Those who update are known by version, which is the scale's there.
            scale.managers.retain(|m| !same_writer(m, &manager));
            if scale.managers.len() == before {
                let left = manager.set().difference(&one(path));
                manager.own(left);
            }
        }
        if !manager.set().is_empty() {
            out.put(manager);
        }
    }
    let Some(path) = path_in(replicas, version) else { return Ok(out.write()) };
    for mut manager in scale.managers {
        if manager.set().has(&steps(&REPLICAS)) {
            manager.version = version.to_string();
            if !manager.id.applied {
                manager.id.api_version = version.to_string();
            }
            manager.own(one(path));
            // Upstream does not say when, which puts them before others.
            manager.time = None;
            out.put(manager);
        }
    }
    Ok(out.write())
}

fn same_writer(a: &Manager, b: &Manager) -> bool {
    a.id.manager == b.id.manager && a.id.applied == b.id.applied && a.id.subresource == b.id.subresource
}
