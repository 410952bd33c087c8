//! Documents of kinds that definitions declare. Nothing of them is kept here: they come and go.

use super::definitions::{Definitions, Dialect};
use super::paths::{Area, Path, resource};
use super::{Whole, gnostic, is_defined, v2, v2_protobuf, v2_whole, v3};
use corten_api::KindInfo;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// A custom kind to be published.
#[derive(Clone, Debug)]
pub struct Custom {
    pub kind: &'static KindInfo,
    /// What its definition says of objects, in the dialect of the document; `None` when that cannot be
    /// published.
    pub schema: Option<Value>,
    /// Fields that selectors may name.
    pub selectable: Vec<String>,
}

fn paths(kind: &'static KindInfo) -> Vec<Path> {
    let mut paths = Vec::new();
    resource(kind, &mut paths);
    paths
}

/// The document of version 3 of one group's version.
pub fn v3_of(kinds: impl IntoIterator<Item = Custom>) -> Vec<u8> {
    let mut definitions = Definitions::new(Dialect::V3);
    let mut all = Vec::new();
    for custom in kinds {
        all.extend(paths(custom.kind));
        definitions.custom(custom);
    }
    v3::document_with(&all, definitions).to_string().into_bytes()
}

/// The document of version 3 of a version of the API that is served only where it is turned on.
pub fn v3_of_optional(group: &'static str, version: &'static str) -> Vec<u8> {
    v3::document(&Area::GroupVersion(group, version).paths()).to_string().into_bytes()
}

/// The versions of the API that some of these kinds are of.
fn versions(optional: &[&'static KindInfo]) -> BTreeSet<(&'static str, &'static str)> {
    optional.iter().map(|kind| (kind.group, kind.version)).collect()
}

/// The whole API in version 2 with what is turned on and with custom kinds, as JSON.
pub fn v2_json_with(optional: &[&'static KindInfo], kinds: impl IntoIterator<Item = Custom>) -> Vec<u8> {
    let Whole { document, definitions_end, paths_end } = v2_whole();
    let (mut definitions, mut paths) = (Vec::new(), Vec::new());
    each(optional, kinds, |part| {
        for (name, into) in [("definitions", &mut definitions), ("paths", &mut paths)] {
            let text = part[name].to_string();
            into.push(b',');
            into.extend_from_slice(&text.as_bytes()[1..text.len() - 1]);
        }
    });
    let own = &document.bytes;
    let mut out = Vec::with_capacity(own.len() + definitions.len() + paths.len());
    out.extend_from_slice(&own[..*definitions_end]);
    out.append(&mut definitions);
    out.extend_from_slice(&own[*definitions_end..*paths_end]);
    out.append(&mut paths);
    out.extend_from_slice(&own[*paths_end..]);
    out
}

/// The same as protobuf, in which messages are joined by writing one behind the other.
pub fn v2_protobuf_with(optional: &[&'static KindInfo], kinds: impl IntoIterator<Item = Custom>) -> Vec<u8> {
    let mut out = v2_protobuf().bytes.to_vec();
    each(optional, kinds, |part| out.extend(gnostic::encode(&part)));
    out
}

/// What a version that is turned on adds; definitions that the document has already are left out.
fn turned_on(optional: &[&'static KindInfo]) -> Option<Value> {
    let mut definitions = Definitions::new(Dialect::V2);
    let mut paths = Map::new();
    for (group, version) in versions(optional) {
        for path in Area::GroupVersion(group, version).paths() {
            paths.insert(path.path.clone(), v2::path_item(&path, &mut definitions));
        }
    }
    let own: Map<String, Value> =
        definitions.into_map().into_iter().filter(|(name, _)| !is_defined(name)).collect();
    (!paths.is_empty()).then(|| json!({"definitions": own, "paths": paths}))
}

/// What each kind adds to a document of version 2: never empty definitions and paths.
fn each(
    optional: &[&'static KindInfo],
    kinds: impl IntoIterator<Item = Custom>,
    mut give: impl FnMut(Value),
) {
    turned_on(optional).into_iter().for_each(&mut give);
    let mut definitions = Definitions::new(Dialect::V2);
    for custom in kinds {
        let kind = custom.kind;
        let names = definitions.custom(custom);
        let paths: Map<String, Value> = paths(kind)
            .into_iter()
            .map(|path| (path.path.clone(), v2::path_item(&path, &mut definitions)))
            .collect();
        let own: Map<String, Value> = names
            .into_iter()
            .filter_map(|name| Some((definitions.take(&name)?, name)))
            .map(|(d, n)| (n, d))
            .collect();
        give(json!({"definitions": own, "paths": paths}));
    }
}
