//! The kernel's calls that the standard library lacks, each behind a safe function: the only unsafe code of
//! this crate. There is one thread, and processes are made by `clone3` without a new stack, so that a child
//! may go on in Rust.

#![allow(unsafe_code)]

pub mod events;
pub mod files;
pub mod identity;
pub mod mounts;
pub mod process;
pub mod sockets;
pub mod terminal;

use std::ffi::CString;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// What a system call returned, or its error.
fn checked(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// A descriptor that a system call returned.
fn owned(result: libc::c_long) -> io::Result<OwnedFd> {
    let fd = checked(result)? as RawFd;
    // SAFETY: the kernel has just made this descriptor for the caller alone.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Text as the kernel takes it.
fn text(text: &str) -> io::Result<CString> {
    CString::new(text).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))
}

/// Nanoseconds since 1970.
pub fn now() -> i64 {
    clock(libc::CLOCK_REALTIME)
}

/// Nanoseconds that only grow.
pub fn uptime() -> i64 {
    clock(libc::CLOCK_MONOTONIC)
}

fn clock(which: libc::clockid_t) -> i64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes the one struct that is given.
    unsafe { libc::clock_gettime(which, &mut time) };
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}
