//! Archives: what `docker save`, `podman save`, `ctr images export`, `skopeo copy` and builders write, as one tar
//! file (perhaps compressed) or the directory of an OCI layout.

use super::digest::{Digest, chain_ids};
use super::error::{Error, Result};
use super::manifest::{self, Descriptor, Document, MOST_DOCUMENT, Platform};
use super::pull::{blocking, diff_ids};
use super::reference::Reference;
use super::store::{Hold, NewImage, Store, files};
use super::unpack::{self, Promise};
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Annotations of an index that name an image: containerd's, and OCI's, which may also be a bare tag.
const NAMES: [&str; 2] = ["io.containerd.image.name", "org.opencontainers.image.ref.name"];
/// A link in an archive to a link in the archive; `docker save` wrote such.
const MOST_LINKS: usize = 8;

pub(super) async fn import(store: Arc<Store>, archive: PathBuf) -> Result<Vec<String>> {
    let shown = archive.display().to_string();
    let own = store.clone();
    let imported = blocking(move || import_from(&own, &archive)).await;
    store.make_durable_later();
    imported.map_err(|error| error.during(format_args!("failed to import {shown}")))
}

fn import_from(store: &Arc<Store>, path: &Path) -> Result<Vec<String>> {
    let plain = store.temporary();
    let result =
        Members::open(path, &plain).and_then(|members| Import { store: store.clone(), members }.run());
    files::remove_all(&plain)?; // there if the archive was compressed
    result
}

/// The files of an archive, by their paths in it.
enum Members {
    Directory(PathBuf),
    Tar { file: PathBuf, places: HashMap<String, Place> },
}

enum Place {
    /// Offset and size.
    Data(u64, u64),
    Link(String),
}

impl Members {
    fn open(path: &Path, plain: &Path) -> Result<Self> {
        let failed = |error| Error::file("cannot read", path, error);
        let mut file = File::open(path).map_err(failed)?;
        if file.metadata().map_err(failed)?.is_dir() {
            return Ok(Members::Directory(path.to_owned()));
        }
        let mut start = [0; 4];
        let read = file.read(&mut start).map_err(failed)?;
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        if unpack::is_compressed(&start[..read]) {
            unpack::decompress_to(file, plain)
                .map_err(|error| Error::file("cannot decompress into", plain, error))?;
            return Self::open_tar(plain.to_owned());
        }
        Self::open_tar(path.to_owned())
    }

    fn open_tar(file: PathBuf) -> Result<Self> {
        let failed = |error: std::io::Error| {
            Error::invalid(format!("{} is no archive of images: {error}", file.display()))
        };
        let mut archive = tar::Archive::new(File::open(&file).map_err(failed)?);
        let mut places = HashMap::new();
        for entry in archive.entries_with_seek().map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = normal(&entry.path().map_err(failed)?);
            let place = match entry.header().entry_type() {
                tar::EntryType::Regular | tar::EntryType::Continuous => {
                    Place::Data(entry.raw_file_position(), entry.size())
                }
                tar::EntryType::Symlink | tar::EntryType::Link => {
                    let target = entry.link_name().map_err(failed)?.unwrap_or_default();
                    let symbolic = entry.header().entry_type() == tar::EntryType::Symlink;
                    let base = Path::new(&name).parent().filter(|_| symbolic).unwrap_or(Path::new(""));
                    Place::Link(normal(&base.join(target)))
                }
                _ => continue,
            };
            places.insert(name, place);
        }
        Ok(Members::Tar { file, places })
    }

    fn has(&self, name: &str) -> bool {
        match self {
            Members::Directory(root) => root.join(name).is_file(),
            Members::Tar { places, .. } => places.contains_key(name),
        }
    }

    fn open_member(&self, name: &str) -> Result<std::io::Take<File>> {
        let missing = || Error::NotFound { what: format!("{name} in the archive, which is incomplete") };
        let (path, offset, size) = match self {
            Members::Directory(root) => {
                let path = root.join(normal(Path::new(name)));
                let size = path.metadata().map_err(|_| missing())?.len();
                (path, 0, size)
            }
            Members::Tar { file, places } => {
                let mut place = places.get(&normal(Path::new(name)));
                for _ in 0..MOST_LINKS {
                    match place {
                        Some(Place::Link(target)) => place = places.get(target),
                        _ => break,
                    }
                }
                let Some(Place::Data(offset, size)) = place else { return Err(missing()) };
                (file.clone(), *offset, *size)
            }
        };
        let failed = |error| Error::file("cannot read", &path, error);
        let mut file = File::open(&path).map_err(failed)?;
        file.seek(SeekFrom::Start(offset)).map_err(failed)?;
        Ok(file.take(size))
    }

    fn read(&self, name: &str) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let member = self.open_member(name)?;
        if member.limit() > MOST_DOCUMENT {
            return Err(Error::invalid(format!("{name} is larger than 4 MiB")));
        }
        let mut member = member;
        member
            .read_to_end(&mut bytes)
            .map_err(|error| Error::invalid(format!("{name} cannot be read: {error}")))?;
        Ok(bytes)
    }

    fn blob(&self, digest: &Digest) -> Result<Vec<u8>> {
        let bytes = self.read(&blob_path(digest))?;
        match digest.matches(&bytes) {
            true => Ok(bytes),
            false => Err(Error::invalid(format!(
                "{} has another digest: the archive is damaged",
                blob_path(digest)
            ))),
        }
    }
}

fn blob_path(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm().name(), digest.hex())
}

/// Without `.` and `..`, the latter taken at its word.
fn normal(path: &Path) -> String {
    let mut names: Vec<String> = Vec::new();
    for component in path.components() {
        match component {
            std::path::Component::Normal(name) => names.push(name.to_string_lossy().into_owned()),
            std::path::Component::ParentDir => drop(names.pop()),
            _ => {}
        }
    }
    names.join("/")
}

/// An entry of docker's `manifest.json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    #[serde(default, deserialize_with = "super::config::null_is_default")]
    repo_tags: Vec<String>,
    #[serde(default, deserialize_with = "super::config::null_is_default")]
    layers: Vec<String>,
}

/// A layer in the archive, and what is promised of it.
type LayerFile = (String, Option<(Digest, u64)>);

struct Import {
    store: Arc<Store>,
    members: Members,
}

impl Import {
    fn run(&self) -> Result<Vec<String>> {
        let docker = self.members.has("manifest.json");
        if self.members.has("index.json") {
            let Document::Index(manifests) = manifest::parse(&self.members.read("index.json")?)? else {
                return Err(Error::invalid("its index.json is no index"));
            };
            let named = manifests.iter().any(|manifest| !names(manifest).is_empty());
            if named || !docker {
                return self.import_layout(&manifests);
            }
        }
        match docker {
            true => self.import_saved(),
            false => {
                Err(Error::invalid("neither index.json nor manifest.json is in it: no OCI or docker archive"))
            }
        }
    }

    fn import_layout(&self, manifests: &[Descriptor]) -> Result<Vec<String>> {
        // What has the same name is one image for several machines.
        let mut groups: BTreeMap<Vec<String>, Vec<Descriptor>> = BTreeMap::new();
        for manifest in manifests {
            let names = names(manifest);
            let key = if names.is_empty() { vec![manifest.digest.to_string()] } else { names };
            groups.entry(key).or_default().push(manifest.clone());
        }
        let mut imported = Vec::new();
        let mut unsuitable = None;
        for group in groups.values() {
            let chosen = match Platform::of_this_machine().choose(group) {
                Ok(chosen) => chosen,
                Err(error) => {
                    unsuitable = Some(error);
                    continue;
                }
            };
            imported.extend(self.import_manifest(chosen)?);
        }
        match unsuitable {
            Some(error) if imported.is_empty() => Err(error),
            _ => Ok(imported),
        }
    }

    fn import_manifest(&self, top: &Descriptor) -> Result<Vec<String>> {
        let mut digest = top.digest.clone();
        let mut raw = self.members.blob(&digest)?;
        while let Document::Index(manifests) = manifest::parse(&raw)? {
            digest = Platform::of_this_machine().choose(&manifests)?.digest.clone();
            raw = self.members.blob(&digest)?;
        }
        let Document::Manifest(manifest) = manifest::parse(&raw)? else {
            return Err(Error::invalid("no manifest"));
        };
        let layers = manifest
            .layers
            .iter()
            .map(|l| (blob_path(&l.digest), Some((l.digest.clone(), l.size))))
            .collect();
        let tags = complete(&names(top))?;
        let digests = tags
            .iter()
            .map(|tag| Ok(Reference::parse(tag)?.at(&top.digest).to_string()))
            .collect::<Result<_>>()?;
        let new = NewImage {
            raw_config: self.members.blob(&manifest.config.digest)?,
            manifest: Some(raw),
            tags,
            digests,
        };
        self.add(new, layers)
    }

    fn import_saved(&self) -> Result<Vec<String>> {
        let saved: Vec<Saved> = serde_json::from_slice(&self.members.read("manifest.json")?)
            .map_err(|error| Error::invalid(format!("its manifest.json is malformed: {error}")))?;
        let mut imported = Vec::new();
        for image in saved {
            let layers = image.layers.iter().map(|layer| (layer.clone(), None)).collect();
            let raw_config = self.members.read(&image.config)?;
            let new = NewImage {
                raw_config,
                manifest: None,
                tags: complete(&image.repo_tags)?,
                digests: Vec::new(),
            };
            imported.extend(self.add(new, layers)?);
        }
        Ok(imported)
    }

    fn add(&self, new: NewImage, layers: Vec<LayerFile>) -> Result<Vec<String>> {
        let diff_ids = diff_ids(&new.raw_config, layers.len())?;
        let mut holds: Vec<Hold> = Vec::new();
        for ((chain, diff_id), layer) in chain_ids(&diff_ids).iter().zip(diff_ids).zip(layers) {
            holds.push(self.layer(chain, diff_id, layer, &holds)?);
        }
        let tags = new.tags.clone();
        let image = self.store.put(new)?;
        Ok(if tags.is_empty() { vec![image.id.clone()] } else { tags })
    }

    fn layer(
        &self,
        chain: &Digest,
        diff_id: Digest,
        (name, compressed): LayerFile,
        below: &[Hold],
    ) -> Result<Hold> {
        if let Some(hold) = self.store.hold(chain) {
            return Ok(hold);
        }
        let staging = self.store.stage()?;
        let member = self.members.open_member(&name)?;
        let layer = unpack::unpack(member, &Promise { compressed, diff_id }, &staging.files())?;
        let below: Vec<PathBuf> = below.iter().map(|hold| hold.path().to_owned()).collect();
        let usage = layer.settle(&below)?;
        self.store.commit_layer(staging, chain, usage)
    }
}

/// What an index calls an image.
fn names(manifest: &Descriptor) -> Vec<String> {
    let given = NAMES.iter().filter_map(|key| manifest.annotations.get(*key));
    // A bare tag names nothing by itself.
    let mut names: Vec<String> = given.filter(|name| name.contains(['/', ':'])).cloned().collect();
    names.truncate(1);
    names
}

fn complete(names: &[String]) -> Result<Vec<String>> {
    names.iter().map(|name| Reference::parse(name).map(|reference| reference.to_string())).collect()
}
