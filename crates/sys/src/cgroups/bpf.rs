//! Programs that the kernel asks before a group of version 2 uses a device.

#![expect(unsafe_code, reason = "bpf(2) has no safe wrapper")]

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;

use super::devices::Instruction;
use crate::Result;
use crate::error::Context;

const PROG_LOAD: libc::c_int = 5;
const PROG_ATTACH: libc::c_int = 8;
const PROG_DETACH: libc::c_int = 9;
const PROG_GET_FD_BY_ID: libc::c_int = 13;
const PROG_QUERY: libc::c_int = 16;

const TYPE_CGROUP_DEVICE: u32 = 15;
const ATTACH_CGROUP_DEVICE: u32 = 6;
/// Groups below may have programs of their own, which are asked as well.
const ALLOW_MULTI: u32 = 2;
/// The kernel takes no more programs for one group.
const MAX_PROGRAMS: usize = 64;

#[derive(Default)]
#[repr(C)]
struct Load {
    kind: u32,
    count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
    interface: u32,
    expected_attach_type: u32,
}

#[derive(Default)]
#[repr(C)]
struct Attach {
    target: u32,
    program: u32,
    kind: u32,
    flags: u32,
}

#[derive(Default)]
#[repr(C)]
struct Query {
    target: u32,
    kind: u32,
    query_flags: u32,
    attach_flags: u32,
    ids: u64,
    count: u32,
}

#[derive(Default)]
#[repr(C)]
struct ById {
    id: u32,
    next: u32,
    flags: u32,
}

/// # Safety
///
/// `attributes` must be the ones of `command`, and pointers in it valid.
unsafe fn bpf<T>(command: libc::c_int, attributes: &mut T) -> io::Result<libc::c_long> {
    // SAFETY: the pointer and size are those of a live value; the rest is the caller's.
    let result =
        unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attributes), size_of::<T>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn load(program: &[Instruction]) -> io::Result<OwnedFd> {
    let license = c"Apache-2.0";
    let mut attributes = Load {
        kind: TYPE_CGROUP_DEVICE,
        count: program.len() as u32,
        instructions: program.as_ptr() as u64,
        license: license.as_ptr() as u64,
        name: *b"corten_devices\0\0",
        expected_attach_type: ATTACH_CGROUP_DEVICE,
        ..Load::default()
    };
    // SAFETY: the attributes are those of the command; program and license outlive the call. The result is
    // a new descriptor that nobody else knows.
    unsafe { bpf(PROG_LOAD, &mut attributes).map(|fd| OwnedFd::from_raw_fd(fd as i32)) }
}

fn attached(group: &File) -> io::Result<Vec<u32>> {
    let mut ids = [0u32; MAX_PROGRAMS];
    let mut attributes = Query {
        target: group.as_raw_fd() as u32,
        kind: ATTACH_CGROUP_DEVICE,
        ids: ids.as_mut_ptr() as u64,
        count: ids.len() as u32,
        ..Query::default()
    };
    // SAFETY: the attributes are those of the command, and `ids` has room for `count`.
    unsafe { bpf(PROG_QUERY, &mut attributes)? };
    Ok(ids[..(attributes.count as usize).min(MAX_PROGRAMS)].to_vec())
}

fn detach(group: &File, id: u32) -> io::Result<()> {
    let mut by_id = ById { id, ..ById::default() };
    // SAFETY: as above; the result is a new descriptor.
    let program = unsafe { bpf(PROG_GET_FD_BY_ID, &mut by_id).map(|fd| OwnedFd::from_raw_fd(fd as i32))? };
    let mut attributes = Attach {
        target: group.as_raw_fd() as u32,
        program: program.as_raw_fd() as u32,
        kind: ATTACH_CGROUP_DEVICE,
        ..Attach::default()
    };
    // SAFETY: the attributes are those of the command; there are no pointers.
    unsafe { bpf(PROG_DETACH, &mut attributes)? };
    Ok(())
}

/// Puts the program in the place of those that the group itself has. Both are asked for an instant.
pub(super) fn replace(dir: &Path, program: &[Instruction]) -> Result<()> {
    let group = File::open(dir).context("open the control group", dir.display())?;
    let program = load(program).context("load the device program for", dir.display())?;
    // Kernels before 4.15 cannot be asked, and have no such programs.
    let old = attached(&group).context("list the device programs of", dir.display())?;
    let mut attributes = Attach {
        target: group.as_raw_fd() as u32,
        program: program.as_raw_fd() as u32,
        kind: ATTACH_CGROUP_DEVICE,
        flags: ALLOW_MULTI,
    };
    // SAFETY: the attributes are those of the command; there are no pointers.
    unsafe { bpf(PROG_ATTACH, &mut attributes) }.context("attach the device program to", dir.display())?;
    old.into_iter().try_for_each(|id| detach(&group, id)).context("detach a device program of", dir.display())
}
