//! Processes and signals.

use super::{checked, owned, text};
use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

/// Which side of a `fork` one is on.
pub enum Side {
    /// The new process.
    Child,
    /// The old one; the new one's id.
    Parent(i32),
}

/// Makes a process with namespaces of its own (`CLONE_NEW*`), and in a control group, if one is given.
pub fn fork(namespaces: i32, cgroup: Option<BorrowedFd<'_>>) -> io::Result<Side> {
    clone(namespaces as u64, libc::SIGCHLD as u64, cgroup)
}

/// Makes a sibling: a process whose parent is this one's parent.
pub fn fork_sibling(namespaces: i32) -> io::Result<Side> {
    clone(namespaces as u64 | libc::CLONE_PARENT as u64, 0, None)
}

fn clone(flags: u64, signal: u64, cgroup: Option<BorrowedFd<'_>>) -> io::Result<Side> {
    // SAFETY: all zero is a valid value of this struct.
    let mut how: libc::clone_args = unsafe { std::mem::zeroed() };
    how.flags = flags;
    how.exit_signal = signal;
    if let Some(cgroup) = cgroup {
        how.flags |= 0x2_0000_0000; // CLONE_INTO_CGROUP
        how.cgroup = cgroup.as_raw_fd() as u64;
    }
    // SAFETY: there is one thread and no new stack, so the child is a full copy that may go on; the size is
    // the struct's.
    let result = unsafe { libc::syscall(libc::SYS_clone3, &raw const how, size_of::<libc::clone_args>()) };
    Ok(match checked(result)? {
        0 => Side::Child,
        pid => Side::Parent(pid as i32),
    })
}

/// A process that has ended: its id, its exit code and its signal, or 0.
pub struct Ended {
    /// Which process.
    pub pid: i32,
    /// Its exit code; 128 and the signal's number when a signal ended it.
    pub code: i32,
    /// The signal, or 0.
    pub signal: i32,
}

/// A child that has ended, if there is one: any for -1. Without `wait` it does not wait for one to end.
pub fn reap(pid: i32, wait: bool) -> Option<Ended> {
    let mut status = 0;
    loop {
        let flags = if wait { 0 } else { libc::WNOHANG };
        // SAFETY: the kernel writes one number.
        let found = unsafe { libc::waitpid(pid, &mut status, flags) };
        if found < 0 && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted {
            continue;
        }
        if found <= 0 {
            return None;
        }
        let signal = if libc::WIFSIGNALED(status) { libc::WTERMSIG(status) } else { 0 };
        let code = if signal > 0 { 128 + signal } else { libc::WEXITSTATUS(status) };
        return Some(Ended { pid: found, code, signal });
    }
}

/// Sends a signal to one process.
pub fn kill(pid: i32, signal: i32) -> io::Result<()> {
    if pid <= 0 {
        return Err(io::Error::from_raw_os_error(libc::ESRCH));
    }
    // SAFETY: no pointers.
    checked(unsafe { libc::kill(pid, signal) }.into())?;
    Ok(())
}

/// This process' id.
pub fn own_id() -> i32 {
    std::process::id() as i32
}

/// Ends at once.
pub fn exit(code: i32) -> ! {
    // SAFETY: no pointers; nothing of ours waits to be flushed.
    unsafe { libc::_exit(code) }
}

/// Leads a session of its own, without a terminal.
pub fn new_session() {
    // SAFETY: no pointers. It fails for a leader only, who has one.
    unsafe { libc::setsid() };
}

/// Becomes the parent of what descendants leave behind.
pub fn adopt_orphans() {
    // SAFETY: no pointers.
    unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) };
}

/// Dies when the parent dies.
pub fn die_with_parent() {
    // SAFETY: no pointers.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0) };
}

/// Closes this process' `/proc` files to others of the same user.
pub fn hide() {
    // SAFETY: no pointers.
    unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) };
}

/// Sets the name that `ps` shows.
pub fn set_name(name: &str) {
    if let Ok(name) = text(name) {
        // SAFETY: the name ends in a zero byte.
        unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr(), 0, 0, 0) };
    }
    overwrite_arguments(name);
}

/// Overwrites the arguments, which `/proc/<pid>/cmdline` shows.
fn overwrite_arguments(name: &str) {
    let Ok(stat) = std::fs::read_to_string("/proc/self/stat") else { return };
    // Behind the name in brackets comes field 3; the arguments' bounds are 48 and 49.
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let bound = |at: usize| fields.get(at - 3).and_then(|field| field.parse::<usize>().ok()).unwrap_or(0);
    let (start, end) = (bound(48), bound(49));
    if start == 0 || end <= start {
        return;
    }
    // SAFETY: the kernel says that these bytes of our stack hold the arguments, and nobody reads them here
    // any more.
    let arguments = unsafe { std::slice::from_raw_parts_mut(start as *mut u8, end - start) };
    arguments.fill(0);
    let length = name.len().min(arguments.len() - 1);
    arguments[..length].copy_from_slice(&name.as_bytes()[..length]);
}

fn child_signal() -> libc::sigset_t {
    // SAFETY: all zero is a valid value; the calls fill the set that is given.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        libc::sigaddset(&mut set, libc::SIGCHLD);
        set
    }
}

/// A descriptor that can be read whenever a child ends. What would end the process is ignored from now on.
pub fn child_events() -> io::Result<OwnedFd> {
    for signal in [
        libc::SIGHUP,
        libc::SIGINT,
        libc::SIGQUIT,
        libc::SIGPIPE,
        libc::SIGALRM,
        libc::SIGTERM,
        libc::SIGUSR1,
        libc::SIGUSR2,
        libc::SIGXFSZ,
    ] {
        // SAFETY: ignoring needs no handler.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
    let set = block_child_signal();
    // SAFETY: the set is valid.
    unsafe { owned(libc::signalfd(-1, &set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK).into()) }
}

/// Blocks `SIGCHLD` and nothing else.
pub fn block_child_signal() -> libc::sigset_t {
    let set = child_signal();
    // SAFETY: the set is valid; the old one is not asked for.
    unsafe { libc::sigprocmask(libc::SIG_SETMASK, &set, std::ptr::null_mut()) };
    set
}

/// Waits until a child ends, in a process that has blocked `SIGCHLD`.
pub fn wait_for_child() {
    let set = child_signal();
    // SAFETY: the set is valid; details are not asked for.
    unsafe { libc::sigwaitinfo(&set, std::ptr::null_mut()) };
}

/// Gives a child the signals of a new process: nothing ignored, nothing blocked.
pub fn reset_signals() {
    for signal in 1..=64 {
        if signal != libc::SIGKILL && signal != libc::SIGSTOP {
            // SAFETY: the default needs no handler. Numbers that the C library keeps for itself are refused.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
    }
    // SAFETY: an empty set is valid; the old one is not asked for.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        libc::sigprocmask(libc::SIG_SETMASK, &set, std::ptr::null_mut());
    }
}

/// Texts in the form in which `execve` takes them, made before the system-call filter is there.
pub struct Image {
    path: CString,
    arguments: Vec<CString>,
    environment: Vec<CString>,
}

impl Image {
    /// An executable with its arguments and environment.
    pub fn new(path: &str, arguments: &[String], environment: &[String]) -> io::Result<Self> {
        let texts = |from: &[String]| from.iter().map(|item| text(item)).collect::<io::Result<Vec<_>>>();
        Ok(Image { path: text(path)?, arguments: texts(arguments)?, environment: texts(environment)? })
    }

    /// Becomes it; returns only what went wrong.
    pub fn execute(&self) -> io::Error {
        let pointers = |texts: &[CString]| {
            texts.iter().map(|text| text.as_ptr()).chain([std::ptr::null()]).collect::<Vec<_>>()
        };
        let (arguments, environment) = (pointers(&self.arguments), pointers(&self.environment));
        // SAFETY: the path ends in a zero byte, both lists in a null pointer.
        unsafe { libc::execve(self.path.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
        io::Error::last_os_error()
    }
}

/// Gives memory that is free back to the kernel.
pub fn trim_memory() {
    // SAFETY: no pointers.
    unsafe { libc::malloc_trim(0) };
}

/// Has large pieces of memory given back as soon as they are free.
pub fn tune_memory() {
    // SAFETY: no pointers.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 64 << 10);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 64 << 10);
    }
}
