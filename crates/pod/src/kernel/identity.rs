//! As whom a process runs, and what it may do.

use super::checked;
use std::io;

/// Sets of capabilities, a bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sets {
    /// What is used.
    pub effective: u64,
    /// What may be used.
    pub permitted: u64,
    /// What is kept over an execution.
    pub inheritable: u64,
}

/// The highest capability that could ever be.
const HIGHEST: u32 = 63;

#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Data {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

const VERSION_3: u32 = 0x2008_0522;

/// The capabilities of this process.
pub fn capabilities() -> io::Result<Sets> {
    let mut header = Header { version: VERSION_3, pid: 0 };
    let mut data = [Data::default(); 2];
    // SAFETY: version 3 has two parts, for which there is room.
    checked(unsafe { libc::syscall(libc::SYS_capget, &raw mut header, data.as_mut_ptr()) })?;
    let whole = |part: fn(&Data) -> u32| u64::from(part(&data[0])) | u64::from(part(&data[1])) << 32;
    Ok(Sets {
        effective: whole(|d| d.effective),
        permitted: whole(|d| d.permitted),
        inheritable: whole(|d| d.inheritable),
    })
}

/// Changes them.
pub fn set_capabilities(sets: Sets) -> io::Result<()> {
    let mut header = Header { version: VERSION_3, pid: 0 };
    let part = |shift: u32| Data {
        effective: (sets.effective >> shift) as u32,
        permitted: (sets.permitted >> shift) as u32,
        inheritable: (sets.inheritable >> shift) as u32,
    };
    let data = [part(0), part(32)];
    // SAFETY: version 3 has two parts, which are given.
    checked(unsafe { libc::syscall(libc::SYS_capset, &raw mut header, data.as_ptr()) })?;
    Ok(())
}

fn prctl(option: i32, a: u64, b: u64) -> io::Result<()> {
    // SAFETY: the options below take numbers.
    checked(unsafe { libc::prctl(option, a, b, 0u64, 0u64) }.into())?;
    Ok(())
}

/// Gives up for ever what is not in `keep`.
pub fn bound_capabilities(keep: u64) -> io::Result<()> {
    for number in (0..=HIGHEST).filter(|number| keep & (1 << number) == 0) {
        // SAFETY: the option takes a number.
        match unsafe { libc::prctl(libc::PR_CAPBSET_READ, u64::from(number), 0, 0, 0) } {
            1 => prctl(libc::PR_CAPBSET_DROP, number.into(), 0)?,
            0 => {}
            // The kernel knows none higher.
            _ => break,
        }
    }
    Ok(())
}

/// Keeps those of `wanted` over any execution; those that may not be kept are left out.
pub fn keep_over_execution(wanted: u64) -> io::Result<()> {
    prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL as u64, 0)?;
    for number in (0..=HIGHEST).filter(|number| wanted & (1 << number) != 0) {
        prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_RAISE as u64, number.into())?;
    }
    Ok(())
}

/// Whether what is permitted stays so when the user changes.
pub fn keep_over_user_change(keep: bool) -> io::Result<()> {
    prctl(libc::PR_SET_KEEPCAPS, keep.into(), 0)
}

/// Gives up gaining privileges by execution.
pub fn no_new_privileges() -> io::Result<()> {
    prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0)
}

/// Becomes another user, for this process of one thread.
pub fn become_user(uid: u32, gid: u32, groups: &[u32]) -> io::Result<()> {
    // The library's functions would signal other threads: of which there are none.
    // SAFETY: the kernel reads as many groups as there are.
    checked(unsafe { libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) })?;
    // SAFETY: no pointers.
    checked(unsafe { libc::syscall(libc::SYS_setresgid, gid, gid, gid) })?;
    // SAFETY: no pointers.
    checked(unsafe { libc::syscall(libc::SYS_setresuid, uid, uid, uid) })?;
    Ok(())
}

/// Puts a system-call filter over this process: instructions of eight bytes each.
pub fn filter_calls(instructions: &[u8], flags: u32) -> io::Result<()> {
    // The kernel reads them wherever they lie, but a struct wants them aligned.
    let program: Vec<libc::sock_filter> = instructions
        .as_chunks::<8>()
        .0
        .iter()
        .map(|b| libc::sock_filter {
            code: u16::from_ne_bytes([b[0], b[1]]),
            jt: b[2],
            jf: b[3],
            k: u32::from_ne_bytes([b[4], b[5], b[6], b[7]]),
        })
        .collect();
    let length = u16::try_from(program.len()).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
    let filter = libc::sock_fprog { len: length, filter: program.as_ptr().cast_mut() };
    let mode = libc::SECCOMP_SET_MODE_FILTER;
    // SAFETY: the kernel reads the program, whose length is given.
    checked(unsafe { libc::syscall(libc::SYS_seccomp, mode, flags, &raw const filter) })?;
    Ok(())
}

/// Sets a resource limit. Where a hard limit may not be raised, as much as may be had.
pub fn limit(resource: u32, soft: u64, hard: u64) -> io::Result<()> {
    let set = |soft: u64, hard: u64| {
        let limit = libc::rlimit64 { rlim_cur: soft, rlim_max: hard };
        // SAFETY: the kernel reads one struct; the old limit is not asked for.
        checked(unsafe { libc::syscall(libc::SYS_prlimit64, 0, resource, &raw const limit, 0usize) })
    };
    let Err(error) = set(soft, hard) else { return Ok(()) };
    let mut had = libc::rlimit64 { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel writes one struct.
    checked(unsafe { libc::syscall(libc::SYS_prlimit64, 0, resource, 0usize, &raw mut had) })?;
    if error.raw_os_error() != Some(libc::EPERM) || hard <= had.rlim_max {
        return Err(error);
    }
    set(soft.min(had.rlim_max), had.rlim_max)?;
    Ok(())
}
