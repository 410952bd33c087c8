//! Network namespaces: opened, made, and entered on a thread of their own.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::mount::{MntFlags, MsFlags};
use nix::sched::CloneFlags;

use crate::error::Context;
use crate::{Error, Result};

/// Where `ip netns` keeps its names, and so do we.
pub const NAMED: &str = "/run/netns";

/// An open network namespace; it lives at least as long as this handle.
#[derive(Clone, Debug)]
pub struct NetNs {
    file: Arc<File>,
    path: PathBuf,
}

impl NetNs {
    /// Opens the namespace at a path such as `/proc/42/ns/net` or `/run/netns/blue`.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let file = File::open(path).context("open the network namespace", path.display())?;
        Ok(NetNs { file: Arc::new(file), path: path.to_owned() })
    }

    /// The namespace of the calling thread.
    pub fn current() -> Result<Self> {
        Self::open("/proc/thread-self/ns/net")
    }

    /// Makes a namespace and names it as `ip netns add` does, so that both see each other's. An existing
    /// name is an error.
    pub fn create_named(name: &str) -> Result<Self> {
        std::fs::create_dir_all(NAMED).context("create", NAMED)?;
        Self::create_at(&Path::new(NAMED).join(name))
    }

    /// Makes a namespace and binds it to a new file at `path`.
    pub fn create_at(path: &Path) -> Result<Self> {
        File::create_new(path).context("create", path.display())?;
        let target = path.to_owned();
        let made = on_a_thread(move || {
            nix::sched::unshare(CloneFlags::CLONE_NEWNET).context("create", "a network namespace")?;
            let none: Option<&str> = None;
            let own = Some("/proc/thread-self/ns/net");
            nix::mount::mount(own, &target, none, MsFlags::MS_BIND, none)
                .context("bind the network namespace to", target.display())
        });
        if let Err(error) = made.and_then(|inner| inner) {
            let _ = std::fs::remove_file(path);
            return Err(error);
        }
        Self::open(path)
    }

    /// Unnames a namespace made by [`NetNs::create_named`]; it ends with its last user. Missing is fine.
    pub fn delete_named(name: &str) -> Result<()> {
        Self::delete_at(&Path::new(NAMED).join(name))
    }

    /// Unbinds and removes the file of [`NetNs::create_at`]. Missing is fine.
    pub fn delete_at(path: &Path) -> Result<()> {
        match nix::mount::umount2(path, MntFlags::MNT_DETACH) {
            Ok(()) | Err(nix::Error::EINVAL | nix::Error::ENOENT) => {}
            Err(error) => return Err(error).context("unmount", path.display()),
        }
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).context("remove", path.display())
            }
            _ => Ok(()),
        }
    }

    /// The path it was opened by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The descriptor's number, for a message that hands an interface over.
    pub fn raw_fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }

    /// Runs `work` inside the namespace on a thread made for it, and waits. Sockets opened there stay in
    /// the namespace and may be carried out.
    pub fn run<T, F>(&self, work: F) -> Result<T>
    where
        T: Send,
        F: FnOnce() -> T + Send,
    {
        on_a_thread(|| {
            nix::sched::setns(&*self.file, CloneFlags::CLONE_NEWNET)
                .context("enter the network namespace", self.path.display())?;
            Ok(work())
        })?
    }
}

/// By path: two handles of one name are the same namespace to their holder.
impl PartialEq for NetNs {
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path
    }
}

impl Eq for NetNs {}

impl AsFd for NetNs {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// Runs `work` on a thread whose namespaces may be changed, since it ends right after.
fn on_a_thread<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("netns".to_owned())
            .spawn_scoped(scope, work)
            .context("start", "a thread for a network namespace")?;
        thread.join().map_err(|_| {
            Error::new("run in", "a network namespace", std::io::Error::other("the work panicked"))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links() -> Vec<String> {
        let text = std::fs::read_to_string("/proc/thread-self/net/dev").expect("net/dev");
        text.lines().filter_map(|l| l.split_once(':')).map(|(name, _)| name.trim().to_owned()).collect()
    }

    #[test]
    fn a_named_namespace_is_made_entered_and_deleted() {
        if !crate::is_root() {
            return eprintln!("skipped: needs root");
        }
        let name = format!("corten-test-{}", std::process::id());
        let ns = NetNs::create_named(&name).expect("create");
        assert!(NetNs::create_named(&name).is_err(), "a taken name is refused");
        let inside = ns.run(links).expect("run");
        NetNs::delete_named(&name).expect("delete");
        NetNs::delete_named(&name).expect("deleting twice is fine");
        assert_eq!(inside, ["lo"]);
        assert!(!Path::new(NAMED).join(&name).exists());
        assert_eq!(ns.run(|| 7).expect("an open namespace outlives its name"), 7);
    }

    #[test]
    fn a_missing_namespace_says_which() {
        let error = NetNs::open("/run/netns/there-is-none").expect_err("missing");
        assert!(error.is_not_found());
        assert!(error.to_string().contains("/run/netns/there-is-none"));
    }
}
