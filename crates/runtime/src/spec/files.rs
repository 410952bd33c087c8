//! What lies on the machine now, behind a trait so that plans can be tested without it.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use corten_sys::mounts::parse_mountinfo;

/// Largest file that a plan reads: profiles and specifications are far smaller.
const MAX_READ: u64 = 8 << 20;

/// What a path is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A directory.
    Directory,
    /// A symbolic link, where links are not followed.
    Symlink,
    /// A device that says that overlayfs is to show nothing here.
    Whiteout,
    /// Anything else.
    File,
}

/// A device of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceNode {
    /// Where it is.
    pub path: String,
    /// Type and permissions, as in `st_mode`.
    pub mode: u32,
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
}

impl DeviceNode {
    /// Whether it is a block device; a character device otherwise.
    pub fn is_block(&self) -> bool {
        self.mode & nix::libc::S_IFMT == nix::libc::S_IFBLK
    }
}

/// How the mount that holds a path passes events on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peers {
    /// Where it is mounted.
    pub mountpoint: PathBuf,
    /// Whether both ways.
    pub shared: bool,
    /// Whether it receives them.
    pub slave: bool,
}

/// The machine's files.
pub trait Files: Send + Sync {
    /// A file's content.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// What a path is; links are followed if `follow`.
    fn kind(&self, path: &Path, follow: bool) -> io::Result<FileKind>;
    /// The path without links.
    fn resolve(&self, path: &Path) -> io::Result<PathBuf>;
    /// The paths in a directory, sorted.
    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>>;
    /// The device at a path, links followed; `None` for what is none.
    fn device(&self, path: &Path) -> io::Result<Option<DeviceNode>>;
    /// The mount that holds a path.
    fn peers(&self, path: &Path) -> io::Result<Peers>;
    /// Whether overlayfs shows nothing of lower layers in this directory.
    fn is_opaque(&self, dir: &Path) -> io::Result<bool>;
}

/// The files of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct HostFiles;

impl Files for HostFiles {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let file = std::fs::File::open(path)?;
        io::Read::read_to_end(&mut io::Read::take(file, MAX_READ + 1), &mut bytes)?;
        if bytes.len() as u64 > MAX_READ {
            return Err(io::Error::new(ErrorKind::FileTooLarge, "the file is too large"));
        }
        Ok(bytes)
    }

    fn kind(&self, path: &Path, follow: bool) -> io::Result<FileKind> {
        let data = if follow { path.metadata() } else { path.symlink_metadata() }?;
        let kind = data.file_type();
        Ok(match () {
            () if kind.is_dir() => FileKind::Directory,
            () if kind.is_symlink() => FileKind::Symlink,
            () if kind.is_char_device() && data.rdev() == 0 => FileKind::Whiteout,
            () => FileKind::File,
        })
    }

    fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
        path.canonicalize()
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        let entries: io::Result<Vec<_>> = dir.read_dir()?.map(|e| e.map(|e| e.path())).collect();
        let mut entries = entries?;
        entries.sort();
        Ok(entries)
    }

    fn device(&self, path: &Path) -> io::Result<Option<DeviceNode>> {
        let data = path.metadata()?;
        let kind = data.file_type();
        if !kind.is_block_device() && !kind.is_char_device() {
            return Ok(None);
        }
        Ok(Some(DeviceNode {
            path: path.to_string_lossy().into_owned(),
            mode: data.mode(),
            major: nix::sys::stat::major(data.rdev()) as u32,
            minor: nix::sys::stat::minor(data.rdev()) as u32,
            uid: data.uid(),
            gid: data.gid(),
        }))
    }

    fn peers(&self, path: &Path) -> io::Result<Peers> {
        let path = path.canonicalize()?;
        let text = std::fs::read_to_string("/proc/self/mountinfo")?;
        holder(&text, &path).ok_or_else(|| io::Error::from(ErrorKind::NotFound))
    }

    fn is_opaque(&self, dir: &Path) -> io::Result<bool> {
        for name in ["trusted.overlay.opaque", "user.overlay.opaque"] {
            let mut value = [0; 4];
            match rustix::fs::getxattr(dir, name, &mut value) {
                Ok(length) if value[..length] == *b"y" => return Ok(true),
                Ok(_)
                | Err(rustix::io::Errno::NODATA | rustix::io::Errno::NOTSUP | rustix::io::Errno::RANGE) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(false)
    }
}

/// The deepest mount that holds `path`; of those on one place, the last.
fn holder(mountinfo: &str, path: &Path) -> Option<Peers> {
    let mounts = parse_mountinfo(mountinfo).into_iter().filter(|m| path.starts_with(&m.target));
    let mount = mounts.max_by_key(|m| m.target.components().count())?;
    let has = |tag: &str| mount.propagation.iter().any(|p| p.starts_with(tag));
    Some(Peers { shared: has("shared:"), slave: has("master:"), mountpoint: mount.target })
}

/// Files of a test. Parents of what is added exist as directories.
#[derive(Clone, Debug, Default)]
pub struct FakeFiles {
    /// Files and their content.
    pub files: BTreeMap<PathBuf, Vec<u8>>,
    /// Directories that need no file in them.
    pub directories: Vec<PathBuf>,
    /// Devices.
    pub devices: Vec<DeviceNode>,
    /// Links and what they lead to, absolute.
    pub links: BTreeMap<PathBuf, PathBuf>,
    /// Whiteouts.
    pub whiteouts: Vec<PathBuf>,
    /// Opaque directories.
    pub opaque: Vec<PathBuf>,
    /// How mounts pass events on, by their place; `/` is private where it is not given.
    pub peers: Vec<Peers>,
}

impl FakeFiles {
    fn paths(&self) -> impl Iterator<Item = &Path> {
        let files = self.files.keys().chain(&self.directories).chain(self.links.keys());
        let files = files.chain(&self.whiteouts).map(PathBuf::as_path);
        files.chain(self.devices.iter().map(|d| Path::new(d.path.as_str())))
    }
}

impl Files for FakeFiles {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let path = self.resolve(path)?;
        self.files.get(&path).cloned().ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn kind(&self, path: &Path, follow: bool) -> io::Result<FileKind> {
        let path = if follow { self.resolve(path)? } else { path.to_owned() };
        if self.links.contains_key(&path) {
            return Ok(FileKind::Symlink);
        }
        if self.whiteouts.contains(&path) {
            return Ok(FileKind::Whiteout);
        }
        if self.files.contains_key(&path) || self.devices.iter().any(|d| Path::new(&d.path) == path) {
            return Ok(FileKind::File);
        }
        let exists = self.paths().any(|known| known.starts_with(&path));
        exists.then_some(FileKind::Directory).ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
        let resolved = self.links.get(path).cloned().unwrap_or_else(|| path.to_owned());
        self.kind(&resolved, false).map(|_| resolved)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        self.kind(dir, true)?;
        let below = self.paths().filter_map(|p| p.strip_prefix(dir).ok()?.components().next());
        let names: std::collections::BTreeSet<_> = below.collect();
        Ok(names.into_iter().map(|name| dir.join(name)).collect())
    }

    fn device(&self, path: &Path) -> io::Result<Option<DeviceNode>> {
        let resolved = self.resolve(path)?;
        let device = self.devices.iter().find(|d| Path::new(&d.path) == resolved);
        Ok(device.map(|d| DeviceNode { path: path.to_string_lossy().into_owned(), ..d.clone() }))
    }

    fn peers(&self, path: &Path) -> io::Result<Peers> {
        let held = self.peers.iter().filter(|p| path.starts_with(&p.mountpoint));
        let deepest = held.max_by_key(|p| p.mountpoint.components().count()).cloned();
        Ok(deepest.unwrap_or(Peers { mountpoint: "/".into(), shared: false, slave: false }))
    }

    fn is_opaque(&self, dir: &Path) -> io::Result<bool> {
        Ok(self.opaque.iter().any(|o| o == dir))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_held_by_its_deepest_mount() {
        let text = "21 1 8:1 / / rw shared:1 - ext4 /dev/sda rw\n\
                    22 21 0:5 / /a rw - tmpfs tmpfs rw\n\
                    23 22 0:6 / /a/b rw master:4 - tmpfs tmpfs rw\n";
        for (path, mountpoint, shared, slave) in
            [("/x", "/", true, false), ("/a/c", "/a", false, false), ("/a/b/c", "/a/b", false, true)]
        {
            let expected = Peers { mountpoint: mountpoint.into(), shared, slave };
            assert_eq!(holder(text, Path::new(path)), Some(expected), "{path}");
        }
    }

    #[test]
    fn the_machine_and_the_fake_agree_on_what_is_what() {
        let null = HostFiles.device(Path::new("/dev/null")).expect("stat").expect("a device");
        assert_eq!((null.major, null.minor, null.is_block()), (1, 3, false));
        let fake = FakeFiles {
            devices: vec![null],
            links: [("/dev/void".into(), "/dev/null".into())].into(),
            ..FakeFiles::default()
        };
        for files in [&HostFiles as &dyn Files, &fake] {
            assert_eq!(files.kind(Path::new("/dev"), true).ok(), Some(FileKind::Directory));
            assert_eq!(files.kind(Path::new("/dev/null"), true).ok(), Some(FileKind::File));
            assert!(files.list(Path::new("/dev")).expect("list").contains(&"/dev/null".into()));
            let gone = files.kind(Path::new("/no/such"), true).expect_err("missing");
            assert_eq!(gone.kind(), ErrorKind::NotFound);
        }
        let linked = fake.device(Path::new("/dev/void")).expect("stat").expect("a device");
        assert_eq!((linked.path.as_str(), linked.minor), ("/dev/void", 3));
    }
}
