//! A container's root file system: overlayfs over the image's layers.

use crate::kernel::{files, identity, mounts};
use crate::trouble::Tell;
use corten_pod::protocol::{Failure, IdMap, Overlay};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Overlayfs' options. `volatile` leaves out waiting for the disk: a container's own layer dies with it.
fn options(overlay: &Overlay, volatile: bool) -> String {
    let lower: Vec<String> = overlay.lower.iter().map(|layer| escape(layer)).collect();
    let (upper, work) = (escape(&overlay.upper), escape(&overlay.work));
    let volatile = if volatile { ",volatile" } else { "" };
    format!("lowerdir={},upperdir={upper},workdir={work}{volatile}", lower.join(":"))
}

/// Signs that divide options and layers.
fn escape(path: &str) -> String {
    let mut escaped = String::with_capacity(path.len());
    for sign in path.chars() {
        if matches!(sign, '\\' | ':' | ',') {
            escaped.push('\\');
        }
        escaped.push(sign);
    }
    escaped
}

/// Mounts the root file system, in this mount namespace over the container's own layer, and opens it.
pub fn mount(overlay: &Overlay) -> Result<OwnedFd, Failure> {
    let what = || "mount the root file system";
    std::env::set_current_dir(&overlay.base).tell(|| format!("enter {}", overlay.base))?;
    let attempt =
        |volatile| mounts::mount("overlay", &overlay.upper, "overlay", 0, &options(overlay, volatile));
    match attempt(true) {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
            // A layer that was mounted so before is refused, for the machine might have lost parts of it. What
            // is started anew here was never told of before.
            let _ = std::fs::remove_dir_all(format!("{}/work/incompat", overlay.work));
            attempt(true).or_else(|_| attempt(false))
        }
        result => result,
    }
    .tell(what)?;
    files::open(&overlay.upper, libc::O_PATH | libc::O_DIRECTORY, 0).tell(what)
}

/// Maps the layers' owners as in a user namespace, and gives the container's own layer to its root. The
/// mapped layers lie over the machine's, in this mount namespace.
pub fn map_owners(overlay: &Overlay, map: &IdMap, namespace: BorrowedFd<'_>) -> Result<(), Failure> {
    for layer in &overlay.lower {
        let path = format!("{}/{layer}", overlay.base);
        map_layer(&path, namespace).tell(|| format!("map the owners in {path}"))?;
    }
    let (uid, gid) = root_of(map);
    files::own_at(files::here(), &overlay.upper, uid, gid).tell(|| format!("change {}", overlay.upper))
}

fn map_layer(path: &str, namespace: BorrowedFd<'_>) -> io::Result<()> {
    let tree = mounts::open_tree(files::here(), path, false)?;
    let id_map = Some(namespace);
    mounts::change(tree.as_fd(), &mounts::Change { id_map, ..Default::default() })?;
    let place = files::open(path, libc::O_PATH, 0)?;
    mounts::move_mount(tree.as_fd(), place.as_fd())
}

/// The machine's ids of the namespace's root.
pub fn root_of(map: &IdMap) -> (u32, u32) {
    let outside = |ranges: &[corten_pod::protocol::IdRange]| {
        let range = ranges.iter().find(|range| range.inside == 0 && range.count > 0);
        range.map_or(0, |range| range.outside)
    };
    (outside(&map.users), outside(&map.groups))
}

/// Becomes the root of a user namespace.
pub fn become_mapped_root(namespace: BorrowedFd<'_>) -> Result<(), Failure> {
    mounts::join(namespace, libc::CLONE_NEWUSER).tell(|| "join the user namespace")?;
    identity::become_user(0, 0, &[]).tell(|| "become the user namespace's root")
}

/// Makes the open root the process' root, and leaves the machine's behind.
pub fn pivot(root: BorrowedFd<'_>) -> Result<(), Failure> {
    let what = || "change the root";
    files::enter(root).tell(what)?;
    mounts::pivot_here().tell(what)?;
    mounts::detach(".").tell(|| "leave the machine's root")?;
    std::env::set_current_dir("/").tell(what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_pod::protocol::IdRange;

    #[test]
    fn layers_become_options() {
        let overlay = Overlay {
            lower: vec!["a".into(), "b:c".into()],
            upper: "/u,1".into(),
            work: "/w".into(),
            ..Overlay::default()
        };
        assert_eq!(options(&overlay, false), "lowerdir=a:b\\:c,upperdir=/u\\,1,workdir=/w");
        assert!(options(&overlay, true).ends_with(",volatile"));
    }

    #[test]
    fn the_maps_root_is_found() {
        let range = |inside, outside| IdRange { inside, outside, count: 10 };
        let map = IdMap { users: vec![range(10, 5), range(0, 1000)], groups: vec![range(0, 2000)] };
        assert_eq!(root_of(&map), (1000, 2000));
    }
}
