//! `vol_data.json`: what is remembered of a volume on the disk, beside its mount, to take it away by.

use serde_json::{Map, Value};
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::Path;

/// The file's name.
pub const FILE: &str = "vol_data.json";

/// What the file holds; names are upstream's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VolumeData {
    /// The volume's name in its pod, or that of the PersistentVolume.
    pub spec_name: String,
    /// What the driver calls it.
    pub handle: String,
    /// The driver.
    pub driver: String,
    /// The node.
    pub node: String,
    /// The name of its VolumeAttachment.
    pub attachment: String,
    /// It was made for one pod, and is written in that pod's spec.
    pub ephemeral: bool,
}

impl VolumeData {
    /// Writes it into `dir`, which is made if it is missing. Whoever reads sees all of it or nothing.
    pub fn save(&self, dir: &Path) -> io::Result<()> {
        let fields = [
            ("specVolID", self.spec_name.as_str()),
            ("volumeHandle", &self.handle),
            ("driverName", &self.driver),
            ("nodeName", &self.node),
            ("attachmentID", &self.attachment),
            ("volumeLifecycleMode", if self.ephemeral { "Ephemeral" } else { "Persistent" }),
        ];
        let map: Map<String, Value> =
            fields.map(|(k, v)| (k.to_string(), Value::from(v))).into_iter().collect();
        fs::create_dir_all(dir)?;
        let next = dir.join(".vol_data.json.next");
        let mut file = fs::File::create(&next)?;
        file.write_all(Value::from(map).to_string().as_bytes())?;
        file.sync_all()?;
        fs::rename(next, dir.join(FILE))
    }

    /// Reads it from `dir`; `None` when there is none.
    pub fn load(dir: &Path) -> io::Result<Option<Self>> {
        let bytes = match fs::read(dir.join(FILE)) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        let value: Value = serde_json::from_slice(&bytes)?;
        let field = |name: &str| value[name].as_str().unwrap_or_default().to_string();
        Ok(Some(VolumeData {
            spec_name: field("specVolID"),
            handle: field("volumeHandle"),
            driver: field("driverName"),
            node: field("nodeName"),
            attachment: field("attachmentID"),
            ephemeral: field("volumeLifecycleMode") == "Ephemeral",
        }))
    }

    /// Removes it from `dir`; none there is fine.
    pub fn remove(dir: &Path) -> io::Result<()> {
        match fs::remove_file(dir.join(FILE)) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(e),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let dir = tempfile::tempdir().expect("directory");
        let below = dir.path().join("x/y");
        assert_eq!(VolumeData::load(&below).expect("read"), None);
        let data = VolumeData { handle: "h \"1\"".into(), ephemeral: true, ..VolumeData::default() };
        data.save(&below).expect("written");
        data.save(&below).expect("written again");
        assert_eq!(VolumeData::load(&below).expect("read"), Some(data));
        VolumeData::remove(&below).expect("removed");
        VolumeData::remove(&below).expect("removed already");
        fs::write(below.join(FILE), "{").expect("written");
        assert!(VolumeData::load(&below).is_err());
    }
}
