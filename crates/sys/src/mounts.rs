//! Mounting, unmounting, and what is mounted.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use nix::mount::{MntFlags, MsFlags};

use crate::Result;
use crate::error::Context;

/// One line of `/proc/self/mountinfo`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountInfo {
    /// The mount's number.
    pub id: u32,
    /// The number of the mount it sits on.
    pub parent: u32,
    /// The directory of the file system that is mounted (`/` unless bind mounted).
    pub root: PathBuf,
    /// Where it is mounted.
    pub target: PathBuf,
    /// Options of the mount, such as `ro` and `nosuid`.
    pub options: Vec<String>,
    /// Propagation tags, such as `shared:1`; empty for a private mount.
    pub propagation: Vec<String>,
    /// The file system's type.
    pub fs_type: String,
    /// The device, or a name the file system chose.
    pub source: String,
    /// Options of the file system.
    pub super_options: Vec<String>,
}

/// How events pass between a mount and its copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    /// Nothing passes.
    Private,
    /// Mounts made elsewhere appear here.
    Slave,
    /// Both ways.
    Shared,
}

/// What to do to the mount table.
pub trait Mounts: Send + Sync {
    /// Mounts `source` of type `fs_type` on `target`, which must exist. Options are those of mount(8):
    /// flags such as `ro` and `nosuid` are understood, the rest goes to the file system.
    fn mount(&self, source: &str, target: &Path, fs_type: &str, options: &[String]) -> Result<()>;
    /// Shows `source` (a directory or file) also at `target`, which must exist, with what is mounted below.
    fn bind(&self, source: &Path, target: &Path, read_only: bool) -> Result<()>;
    /// Changes how mounts below `target` propagate, recursively.
    fn set_propagation(&self, target: &Path, propagation: Propagation) -> Result<()>;
    /// Detaches what is mounted on `target`, all layers of it; not mounted is fine.
    fn unmount(&self, target: &Path) -> Result<()>;
    /// All mounts at or below `prefix`, in the order they were made.
    fn list(&self, prefix: &Path) -> Result<Vec<MountInfo>>;

    /// A file system in memory of at most `bytes` (half of the machine's memory when `None`).
    fn tmpfs(&self, target: &Path, bytes: Option<u64>) -> Result<()> {
        let size = bytes.map(|b| format!("size={b}"));
        self.mount("tmpfs", target, "tmpfs", &size.into_iter().collect::<Vec<_>>())
    }

    /// Whether something is mounted exactly on `target`.
    fn is_mounted(&self, target: &Path) -> Result<bool> {
        Ok(self.list(target)?.iter().any(|m| m.target == target))
    }

    /// Detaches everything at and below `prefix`, the innermost first.
    fn unmount_under(&self, prefix: &Path) -> Result<()> {
        for mount in self.list(prefix)?.into_iter().rev() {
            self.unmount(&mount.target)?;
        }
        Ok(())
    }
}

/// The mount table of this process.
#[derive(Clone, Copy, Debug, Default)]
pub struct KernelMounts;

impl Mounts for KernelMounts {
    fn mount(&self, source: &str, target: &Path, fs_type: &str, options: &[String]) -> Result<()> {
        let (flags, data) = split_options(options);
        nix::mount::mount(Some(source), target, Some(fs_type), flags, Some(data.as_str()))
            .context("mount", format!("{fs_type} on {}", target.display()))
    }

    fn bind(&self, source: &Path, target: &Path, read_only: bool) -> Result<()> {
        let subject = format!("{} on {}", source.display(), target.display());
        let none: Option<&str> = None;
        let bind = MsFlags::MS_BIND | MsFlags::MS_REC;
        nix::mount::mount(Some(source), target, none, bind, none).context("bind mount", &subject)?;
        if read_only {
            let flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
            let kept = self.kept_flags(target)?;
            nix::mount::mount(none, target, none, flags | kept, none).context("make read-only", &subject)?;
        }
        Ok(())
    }

    fn set_propagation(&self, target: &Path, propagation: Propagation) -> Result<()> {
        let flag = match propagation {
            Propagation::Private => MsFlags::MS_PRIVATE,
            Propagation::Slave => MsFlags::MS_SLAVE,
            Propagation::Shared => MsFlags::MS_SHARED,
        };
        let none: Option<&str> = None;
        nix::mount::mount(none, target, none, flag | MsFlags::MS_REC, none)
            .context("change the propagation of", target.display())
    }

    fn unmount(&self, target: &Path) -> Result<()> {
        loop {
            match nix::mount::umount2(target, MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW) {
                Ok(()) => continue,
                Err(nix::Error::EINVAL | nix::Error::ENOENT) => return Ok(()),
                Err(error) => return Err(error).context("unmount", target.display()),
            }
        }
    }

    fn list(&self, prefix: &Path) -> Result<Vec<MountInfo>> {
        let path = "/proc/self/mountinfo";
        let mut mounts = parse_mountinfo(&std::fs::read_to_string(path).context("read", path)?);
        mounts.retain(|m| m.target.starts_with(prefix));
        Ok(mounts)
    }
}

impl KernelMounts {
    /// Flags a remount must repeat, or a container without privileges would be seen to drop them.
    fn kept_flags(&self, target: &Path) -> Result<MsFlags> {
        let mounts = self.list(target)?;
        let options = mounts.iter().rfind(|m| m.target == target).map(|m| m.options.clone());
        Ok(split_options(&options.unwrap_or_default()).0)
    }
}

/// Parts the options of mount(8) into the kernel's flags and what the file system is told.
fn split_options(options: &[String]) -> (MsFlags, String) {
    let mut flags = MsFlags::empty();
    let mut data = Vec::new();
    for option in options {
        match option.as_str() {
            "ro" => flags |= MsFlags::MS_RDONLY,
            "nosuid" => flags |= MsFlags::MS_NOSUID,
            "nodev" => flags |= MsFlags::MS_NODEV,
            "noexec" => flags |= MsFlags::MS_NOEXEC,
            "noatime" => flags |= MsFlags::MS_NOATIME,
            "nodiratime" => flags |= MsFlags::MS_NODIRATIME,
            "relatime" => flags |= MsFlags::MS_RELATIME,
            "sync" => flags |= MsFlags::MS_SYNCHRONOUS,
            "rw" | "defaults" | "" => {}
            other => data.push(other),
        }
    }
    (flags, data.join(","))
}

/// Reads the format of `/proc/self/mountinfo` (see proc(5)); lines it does not understand are left out.
pub fn parse_mountinfo(text: &str) -> Vec<MountInfo> {
    text.lines().filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<MountInfo> {
    let (left, right) = line.split_once(" - ")?;
    let mut left = left.split(' ');
    let mut right = right.split(' ');
    let list = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
    Some(MountInfo {
        id: left.next()?.parse().ok()?,
        parent: left.next()?.parse().ok()?,
        root: unescape(left.nth(1)?),
        target: unescape(left.next()?),
        options: list(left.next()?),
        propagation: left.map(str::to_owned).collect(),
        fs_type: right.next()?.to_owned(),
        source: right.next()?.to_owned(),
        super_options: list(right.next().unwrap_or_default()),
    })
}

/// The kernel writes space, tab, newline and backslash as `\` and three octal digits.
fn unescape(text: &str) -> PathBuf {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let octal = after.get(..3).and_then(|d| std::str::from_utf8(d).ok());
        match octal.and_then(|d| u8::from_str_radix(d, 8).ok()) {
            Some(byte) if first == b'\\' => {
                out.push(byte);
                rest = &after[3..];
            }
            _ => {
                out.push(first);
                rest = after;
            }
        }
    }
    use std::os::unix::ffi::OsStringExt;
    PathBuf::from(std::ffi::OsString::from_vec(out))
}

/// A mount table in memory that remembers what it was told.
#[derive(Debug, Default)]
pub struct FakeMounts {
    mounts: Mutex<Vec<MountInfo>>,
}

impl FakeMounts {
    fn add(&self, source: &str, target: &Path, fs_type: &str, options: &[String]) {
        let mut mounts = self.mounts.lock().unwrap_or_else(|e| e.into_inner());
        let id = mounts.len() as u32 + 1;
        mounts.push(MountInfo {
            id,
            parent: 0,
            root: "/".into(),
            target: target.to_owned(),
            options: options.to_vec(),
            propagation: Vec::new(),
            fs_type: fs_type.to_owned(),
            source: source.to_owned(),
            super_options: Vec::new(),
        });
    }
}

impl Mounts for FakeMounts {
    fn mount(&self, source: &str, target: &Path, fs_type: &str, options: &[String]) -> Result<()> {
        self.add(source, target, fs_type, options);
        Ok(())
    }

    fn bind(&self, source: &Path, target: &Path, read_only: bool) -> Result<()> {
        let options = if read_only { vec!["ro".to_owned()] } else { Vec::new() };
        self.add(&source.to_string_lossy(), target, "bind", &options);
        Ok(())
    }

    fn set_propagation(&self, target: &Path, propagation: Propagation) -> Result<()> {
        let mut mounts = self.mounts.lock().unwrap_or_else(|e| e.into_inner());
        for mount in mounts.iter_mut().filter(|m| m.target == target) {
            mount.propagation = vec![format!("{propagation:?}").to_lowercase()];
        }
        Ok(())
    }

    fn unmount(&self, target: &Path) -> Result<()> {
        self.mounts.lock().unwrap_or_else(|e| e.into_inner()).retain(|m| m.target != target);
        Ok(())
    }

    fn list(&self, prefix: &Path) -> Result<Vec<MountInfo>> {
        let mounts = self.mounts.lock().unwrap_or_else(|e| e.into_inner());
        Ok(mounts.iter().filter(|m| m.target.starts_with(prefix)).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mountinfo_lines_are_read() {
        let text = "36 35 98:0 /mnt1 /mnt\\0402 rw,noatime shared:1 master:2 - ext3 /dev/root rw,errors=continue\n\
                    bad line\n\
                    31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n";
        let mounts = parse_mountinfo(text);
        assert_eq!(mounts.len(), 2);
        assert_eq!(mounts[0].target, Path::new("/mnt 2"));
        assert_eq!(mounts[0].root, Path::new("/mnt1"));
        assert_eq!(mounts[0].propagation, ["shared:1", "master:2"]);
        assert_eq!(mounts[0].super_options, ["rw", "errors=continue"]);
        assert!(mounts[1].propagation.is_empty());
        assert_eq!(mounts[1].fs_type, "tmpfs");
    }

    #[test]
    fn options_are_parted_into_flags_and_data() {
        let options = ["ro", "nosuid", "size=1m", "mode=700", "rw"].map(str::to_owned);
        let (flags, data) = split_options(&options);
        assert_eq!(flags, MsFlags::MS_RDONLY | MsFlags::MS_NOSUID);
        assert_eq!(data, "size=1m,mode=700");
    }

    /// Drives the real and the fake table through one body.
    fn mounts_and_unmounts(mounts: &dyn Mounts, base: &Path) {
        let (a, b) = (base.join("a"), base.join("b"));
        for dir in [&a, &b] {
            std::fs::create_dir_all(dir).expect("directory");
        }
        mounts.tmpfs(&a, Some(1 << 20)).expect("tmpfs");
        mounts.bind(&a, &b, true).expect("bind");
        assert!(mounts.is_mounted(&a).expect("list") && mounts.is_mounted(&b).expect("list"));
        assert!(mounts.list(&b).expect("list")[0].options.contains(&"ro".to_owned()));
        mounts.unmount_under(base).expect("unmount");
        assert!(mounts.list(base).expect("list").is_empty());
        mounts.unmount(&a).expect("unmounting twice is fine");
    }

    #[test]
    fn the_fake_keeps_a_table() {
        let dir = tempfile::tempdir().expect("directory");
        mounts_and_unmounts(&FakeMounts::default(), dir.path());
    }

    #[test]
    fn the_kernel_mounts_and_unmounts() {
        if !crate::is_root() {
            return eprintln!("skipped: needs root");
        }
        let dir = tempfile::tempdir().expect("directory");
        mounts_and_unmounts(&KernelMounts, dir.path());
    }
}
