//! The first process of a PID namespace that a pod's containers share: it reaps what they leave behind, and
//! holds nothing.

use super::{Channel, Note, rootfs};
use crate::kernel::process::Side;
use crate::kernel::{files, mounts, process, sockets};
use crate::trouble::{Tell, refused};
use corten_pod::protocol::{Cause, Failure};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// What `ps` shows.
const NAME: &str = "pause";

/// Starts it, in the pod's user namespace if there is one, where there is nothing to see but what is in the mount
/// namespace. Its id.
pub fn start(users: Option<&OwnedFd>, namespace: Option<&OwnedFd>) -> Result<i32, Failure> {
    let what = || "start the pod's first process";
    let Some(users) = users else {
        return match process::fork(libc::CLONE_NEWPID, None).tell(what)? {
            Side::Parent(pid) => Ok(pid),
            Side::Child => reap_for_ever(namespace),
        };
    };
    let (ours, theirs) = sockets::message_pair().tell(what)?;
    let maker = match process::fork(0, None).tell(what)? {
        Side::Parent(pid) => pid,
        Side::Child => {
            drop(ours);
            let channel = Channel(theirs);
            if let Err(failure) = make_within(users, namespace, &channel) {
                let _ = channel.say(&Note::Failed(failure));
            }
            process::exit(1)
        }
    };
    drop(theirs);
    let note = Note::receive(&ours);
    process::reap(maker, true);
    match note.tell(what)? {
        Some((Note::Pid(pid), _)) => Ok(pid),
        Some((Note::Failed(failure), _)) => Err(failure),
        _ => Err(refused(Cause::Kernel, "the pod's first process did not start")),
    }
}

fn make_within(users: &OwnedFd, namespace: Option<&OwnedFd>, channel: &Channel) -> Result<(), Failure> {
    // The machine's root joins what the namespace's root may not.
    process::set_name(NAME);
    if let Some(namespace) = namespace {
        mounts::join(namespace, libc::CLONE_NEWNS).tell(|| "leave the machine's mounts")?;
    }
    rootfs::become_mapped_root(users.as_fd())?;
    match process::fork_sibling(libc::CLONE_NEWPID).tell(|| "start the pod's first process")? {
        Side::Parent(pid) => {
            channel.say(&Note::Pid(pid))?;
            process::exit(0)
        }
        Side::Child => reap_for_ever(None),
    }
}

fn reap_for_ever(namespace: Option<&OwnedFd>) -> ! {
    process::set_name(NAME);
    for number in 0..3 {
        if let Ok(null) = files::open("/dev/null", libc::O_RDWR, 0) {
            let _ = files::place(null, number);
        }
    }
    files::close_all_but(&namespace.map(AsRawFd::as_raw_fd).into_iter().collect::<Vec<_>>());
    if let Some(namespace) = namespace {
        let _ = mounts::join(namespace, libc::CLONE_NEWNS);
    }
    files::close_all_but(&[]);
    process::hide();
    process::new_session();
    process::die_with_parent();
    process::block_child_signal();
    loop {
        while process::reap(-1, false).is_some() {}
        process::wait_for_child();
    }
}
