//! What a start finds on disk. Anything that is not whole is dropped with a warning: it can be fetched again.

use super::Store;
use super::files;
use super::layers::{LayerFile, Present};
use super::record::Record;
use crate::images::digest::Digest;
use crate::images::error::{Error, Result};
use std::path::Path;

/// Tells this boot from others.
pub(super) fn boot_id() -> Result<String> {
    let path = Path::new("/proc/sys/kernel/random/boot_id");
    let text = std::fs::read_to_string(path).map_err(|error| Error::file("cannot read", path, error))?;
    Ok(text.trim().to_owned())
}

impl Store {
    pub(super) fn empty_temporary(&self) -> Result<()> {
        let directory = self.root.join("tmp");
        files::names(&directory)?.into_iter().try_for_each(|name| files::remove_all(&directory.join(name)))
    }

    pub(super) fn load(&self) -> Result<()> {
        self.load_layers()?;
        self.load_records()
    }

    fn load_layers(&self) -> Result<()> {
        let directory = self.root.join("layers");
        let mut state = self.state.lock();
        for name in files::names(&directory)? {
            let path = directory.join(&name);
            let number = name.parse::<u64>().ok();
            state.last_layer = state.last_layer.max(number.unwrap_or(0));
            let whole = read_layer(&path).and_then(|file| match &file.boot {
                Some(boot) if *boot != self.boot => {
                    Err(Error::invalid("the machine stopped before it was on the disk"))
                }
                _ if state.layers.contains_key(&file.chain) => Err(Error::invalid("it is there twice")),
                _ => Ok(file),
            });
            match (number, whole) {
                (Some(number), Ok(file)) => {
                    state.layers.insert(file.chain.clone(), Present { number, file, holds: 0 });
                }
                (_, Err(error)) => {
                    tracing::warn!(layer = name, %error, "layer removed");
                    files::remove_all(&path)?;
                }
                (None, Ok(_)) => files::remove_all(&path)?,
            }
        }
        Ok(())
    }

    fn load_records(&self) -> Result<()> {
        let directory = self.root.join("images");
        let mut records = Vec::new();
        for name in files::names(&directory)? {
            let path = directory.join(&name);
            match self.read_record(&path) {
                Ok(record) => records.push(record),
                Err(error) => {
                    tracing::warn!(record = name, %error, "image removed");
                    files::remove_all(&path)?;
                }
            }
        }
        records.sort_by_key(|(record, _)| std::cmp::Reverse(record.sequence));
        let mut state = self.state.lock();
        state.last_sequence = records.first().map_or(0, |(record, _)| record.sequence);
        for (mut record, raw_config) in records {
            record.tags.retain(|tag| !state.names.contains_key(tag));
            record.digests.retain(|digest| !state.names.contains_key(digest));
            match self.image(&state, &record, &raw_config) {
                Ok(image) => state.insert(record, image.into()),
                Err(error) => {
                    tracing::warn!(image = %record.id, %error, "image removed");
                    files::remove_all(&self.record_path(&record.id))?;
                }
            }
        }
        Ok(())
    }

    /// A record and its configuration, held against the digest that names both.
    fn read_record(&self, path: &Path) -> Result<(Record, Vec<u8>)> {
        let record: Record = parse(&files::read_bounded(path)?)?;
        if path != self.record_path(&record.id) {
            return Err(Error::invalid("its name is another image's"));
        }
        let raw_config = files::read_bounded(&self.blob(&record.id))?;
        match Digest::of(&raw_config) == record.id {
            true => Ok((record, raw_config)),
            false => Err(Error::invalid("its configuration was changed on disk")),
        }
    }
}

fn read_layer(path: &Path) -> Result<LayerFile> {
    parse(&files::read_bounded(&path.join("layer.json"))?)
}

fn parse<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|error| Error::invalid(format!("malformed: {error}")))
}
