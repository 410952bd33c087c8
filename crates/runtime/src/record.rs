//! What is known of pods and containers after a restart: a record file in the directory of each, as protobuf,
//! so that a newer version reads what an older one wrote.
//!
//! Files are replaced by renaming, which outlives `kill -9`. They are not synced: what a power cut could take
//! from them it takes from the containers too, and a directory without a readable record is removed at start.

use corten_node_api::cri;
use prost::Message;
use std::io;
use std::path::{Path, PathBuf};

/// The record's name in a sandbox's or container's directory.
pub const RECORD: &str = "record";
/// What became of a container, beside its record.
pub const OUTCOME: &str = "outcome";
/// A container's launch, as on the wire to its supervisor.
pub const LAUNCH: &str = "launch";
/// The directory of a sandbox's containers.
pub const CONTAINERS: &str = "containers";

/// A sandbox.
#[derive(Clone, PartialEq, Message)]
pub struct SandboxRecord {
    /// Its id.
    #[prost(string, tag = "1")]
    pub id: String,
    /// What was asked for.
    #[prost(message, optional, tag = "2")]
    pub config: Option<cri::PodSandboxConfig>,
    /// The runtime handler that was asked for.
    #[prost(string, tag = "3")]
    pub handler: String,
    /// When, nanoseconds since 1970.
    #[prost(int64, tag = "4")]
    pub created_at: i64,
    /// The supervisor's control group.
    #[prost(string, tag = "5")]
    pub cgroup: String,
    /// The supervisor's process id, and when the machine says that it started; 0 before it is ready.
    #[prost(int32, tag = "6")]
    pub pid: i32,
    /// The start of the process in ticks since boot, which tells it from a later one of the same id.
    #[prost(uint64, tag = "7")]
    pub pid_start: u64,
    /// Its addresses.
    #[prost(string, repeated, tag = "8")]
    pub addresses: Vec<String>,
    /// Whether it was stopped on request.
    #[prost(bool, tag = "9")]
    pub stopped: bool,
    /// Whether it came to be whole: a record without this is of a sandbox that was never answered for.
    #[prost(bool, tag = "10")]
    pub complete: bool,
}

/// A container.
#[derive(Clone, PartialEq, Message)]
pub struct ContainerRecord {
    /// Its id.
    #[prost(string, tag = "1")]
    pub id: String,
    /// What was asked for.
    #[prost(message, optional, tag = "2")]
    pub config: Option<cri::ContainerConfig>,
    /// When, nanoseconds since 1970.
    #[prost(int64, tag = "3")]
    pub created_at: i64,
    /// The image's name with its digest, or its id.
    #[prost(string, tag = "4")]
    pub image_ref: String,
    /// The image's id.
    #[prost(string, tag = "5")]
    pub image_id: String,
    /// The layers that it stands on, by their short names.
    #[prost(string, repeated, tag = "6")]
    pub layers: Vec<String>,
    /// Its control group.
    #[prost(string, tag = "7")]
    pub cgroup: String,
    /// The signal that asks it to end.
    #[prost(int32, tag = "8")]
    pub stop_signal: i32,
    /// Its log, absolute; empty for none.
    #[prost(string, tag = "9")]
    pub log_path: String,
    /// Whether its processes are all in a PID namespace of its own, and end with the first.
    #[prost(bool, tag = "10")]
    pub own_pids: bool,
    /// Host paths whose mounts it is handed.
    #[prost(string, repeated, tag = "11")]
    pub handles: Vec<String>,
    /// Its limits now.
    #[prost(message, optional, tag = "12")]
    pub resources: Option<cri::LinuxContainerResources>,
}

/// What became of a container.
#[derive(Clone, PartialEq, Message)]
pub struct Outcome {
    /// Its first process; 0 when it never started.
    #[prost(int32, tag = "1")]
    pub pid: i32,
    /// Whose process it is.
    #[prost(uint32, tag = "2")]
    pub uid: u32,
    /// Its group.
    #[prost(uint32, tag = "3")]
    pub gid: u32,
    /// Its other groups.
    #[prost(uint32, repeated, tag = "4")]
    pub groups: Vec<u32>,
    /// When it started, nanoseconds since 1970; 0 when it did not.
    #[prost(int64, tag = "5")]
    pub started_at: i64,
    /// When it ended; 0 while it runs.
    #[prost(int64, tag = "6")]
    pub finished_at: i64,
    /// How.
    #[prost(int32, tag = "7")]
    pub exit_code: i32,
    /// Why, in one word.
    #[prost(string, tag = "8")]
    pub reason: String,
    /// Why, for a person.
    #[prost(string, tag = "9")]
    pub message: String,
}

/// Reads a message from a file.
pub fn read<M: Message + Default>(file: &Path) -> io::Result<M> {
    let bytes = std::fs::read(file)?;
    M::decode(&*bytes).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))
}

/// Writes a message to a file: whole or not at all.
pub fn write<M: Message>(file: &Path, message: &M) -> io::Result<()> {
    write_bytes(file, &message.encode_to_vec())
}

/// Writes bytes to a file: whole or not at all.
pub fn write_bytes(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = file.with_extension("new");
    std::fs::write(&new, bytes)?;
    std::fs::rename(&new, file)
}

/// Where everything of the pods is.
#[derive(Clone, Debug)]
pub struct Places {
    root: PathBuf,
}

impl Places {
    /// Below `root`; makes the directories.
    pub fn open(root: &Path) -> io::Result<Places> {
        let places = Places { root: root.to_owned() };
        for dir in [places.pods(), places.trash()] {
            make_private(&dir)?;
        }
        Ok(places)
    }

    /// The directory of all sandboxes.
    pub fn pods(&self) -> PathBuf {
        self.root.join("pods")
    }

    /// What is to be deleted. On the same file system, so that renaming moves there.
    pub fn trash(&self) -> PathBuf {
        self.root.join("trash")
    }

    /// A sandbox's directory.
    pub fn sandbox(&self, id: &str) -> PathBuf {
        self.pods().join(id)
    }

    /// Moves a directory out of sight; it is deleted later. A missing one is fine.
    pub fn discard(&self, dir: &Path) -> io::Result<Option<PathBuf>> {
        let target = self.trash().join(crate::new_id());
        match std::fs::rename(dir, &target) {
            Ok(()) => Ok(Some(target)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Makes a directory that only we enter, with its parents.
pub fn make_private(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_as_written_and_half_ones_are_refused() {
        let dir = tempfile::tempdir().expect("directory");
        let file = dir.path().join(RECORD);
        let record = SandboxRecord { id: "a".into(), created_at: 7, complete: true, ..Default::default() };
        write(&file, &record).expect("written");
        assert_eq!(read::<SandboxRecord>(&file).expect("read"), record);
        std::fs::write(&file, b"\x0a\xff").expect("written");
        assert_eq!(read::<SandboxRecord>(&file).expect_err("broken").kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn what_is_discarded_is_out_of_sight_at_once() {
        let root = tempfile::tempdir().expect("directory");
        let places = Places::open(root.path()).expect("places");
        let dir = places.sandbox("x");
        std::fs::create_dir(&dir).expect("made");
        let moved = places.discard(&dir).expect("moved").expect("was there");
        assert!(!dir.exists() && moved.exists());
        assert!(places.discard(&dir).expect("a missing one is fine").is_none());
    }
}
