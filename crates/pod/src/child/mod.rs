//! What happens in a new process until it becomes the container's: it is a copy of the supervisor that has
//! closed everything of it, and tells through a channel how far it came. The channel closes when another
//! executable takes its place, which is how the supervisor learns that all went well.

pub mod exec;
pub mod launch;
mod mounts;
mod process;
pub mod reaper;
mod rootfs;

mod within;

pub use rootfs::root_of;

use crate::kernel::{files, sockets};
use crate::passwd::Identity;
use crate::trouble::Tell;
use corten_pod::protocol::{Failure, Launched};
use corten_pod::wire::Wire;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

/// What a child says.
pub enum Note {
    /// The container's first process is another, with this id.
    Pid(i32),
    /// As whom it runs.
    Identity(Launched),
    /// The other side of its terminal comes along.
    Terminal,
    /// It could not be started.
    Failed(Failure),
}

impl Note {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self {
            Note::Pid(pid) => {
                bytes.push(1);
                pid.put(&mut bytes);
            }
            Note::Identity(launched) => {
                bytes.push(2);
                launched.put(&mut bytes);
            }
            Note::Terminal => bytes.push(3),
            Note::Failed(failure) => {
                bytes.push(4);
                failure.put(&mut bytes);
            }
        }
        bytes
    }

    fn parse(bytes: &[u8]) -> Option<Note> {
        let (tag, rest) = bytes.split_first()?;
        match tag {
            1 => Some(Note::Pid(i32::from_bytes(rest).ok()?)),
            2 => Some(Note::Identity(Launched::from_bytes(rest).ok()?)),
            3 => Some(Note::Terminal),
            4 => Some(Note::Failed(Failure::from_bytes(rest).ok()?)),
            _ => None,
        }
    }

    /// The next note on the supervisor's end, with its descriptors; `None` when the child has gone on, or
    /// has ended.
    pub fn receive(channel: &OwnedFd) -> io::Result<Option<(Note, Vec<OwnedFd>)>> {
        let length = sockets::next_length(channel)?;
        if length == 0 {
            return Ok(None);
        }
        let mut bytes = vec![0; length];
        let (count, descriptors) = sockets::receive(channel, &mut bytes)?;
        Ok(Note::parse(&bytes[..count]).map(|note| (note, descriptors)))
    }
}

/// The child's end of the channel.
pub struct Channel(pub OwnedFd);

impl Channel {
    fn say(&self, note: &Note) -> Result<(), Failure> {
        sockets::send(&self.0, &note.bytes(), &[]).tell(|| "tell the supervisor")?;
        Ok(())
    }

    fn say_terminal(&self, master: &OwnedFd) -> Result<(), Failure> {
        sockets::send(&self.0, &Note::Terminal.bytes(), &[master.as_raw_fd()])
            .tell(|| "hand over the terminal")?;
        Ok(())
    }

    fn say_identity(&self, who: &Identity) -> Result<(), Failure> {
        // A message has its limits, and an image's group file has none.
        let groups = who.groups.iter().copied().take(16_384).collect();
        let launched = Launched { uid: who.uid, gid: who.gid, groups, ..Launched::default() };
        self.say(&Note::Identity(launched))
    }

    /// Whether the supervisor has died.
    fn is_deserted(&self) -> bool {
        files::never_wait(&self.0);
        matches!(sockets::next_length(&self.0), Ok(0))
    }
}

/// The streams of a process, unless it has a terminal: stdin, stdout, stderr.
pub type Streams = [OwnedFd; 3];

/// Joins control groups. A thread that moves itself needs no lock of the whole machine, for which the kernel
/// would wait for tens of milliseconds; the first version's hierarchies allow that by their file `tasks`.
/// The one that the process was made in is left out.
fn join_cgroups(directories: &[String], born_in: Option<&str>) -> Result<(), Failure> {
    for directory in directories.iter().filter(|directory| Some(directory.as_str()) != born_in) {
        crate::cgroups::join_self(directory).tell(|| format!("join the control group {directory}"))?;
    }
    Ok(())
}

/// Sets the OOM score; where it may not be lowered, it stays.
fn set_oom_score(score: Option<i32>) {
    if let Some(score) = score {
        let _ = std::fs::write("/proc/self/oom_score_adj", score.to_string());
    }
}
