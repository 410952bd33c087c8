//! Control groups, of either version: the directories are the runtime's.

use crate::kernel::{files, process};
use std::fs;
use std::io;
use std::os::fd::OwnedFd;

/// Moves this process, which has one thread.
pub fn join_self(directory: &str) -> io::Result<()> {
    match write_existing(&format!("{directory}/tasks")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            write_existing(&format!("{directory}/cgroup.procs"))
        }
        result => result,
    }
}

/// Version 2 has no `tasks`, and answers who would make it that it may not.
fn write_existing(file: &str) -> io::Result<()> {
    use std::io::Write;
    fs::File::options().write(true).open(file)?.write_all(b"0")
}

/// The one of `directories` that is of the unified hierarchy: a process can be made in it, which costs nothing,
/// while to join it later makes the kernel wait for all processors.
pub fn unified(directories: &[String]) -> Option<(OwnedFd, &str)> {
    directories.iter().find_map(|directory| {
        let fd = files::open(directory, libc::O_PATH | libc::O_DIRECTORY, 0).ok()?;
        files::is_cgroup2(&fd).then_some((fd, directory.as_str()))
    })
}

/// The processes in the group; the groups of all hierarchies hold the same.
fn processes(directories: &[String]) -> Vec<i32> {
    let Some(directory) = directories.first() else { return Vec::new() };
    let text = fs::read_to_string(format!("{directory}/cgroup.procs")).unwrap_or_default();
    let own = process::own_id();
    text.lines().filter_map(|line| line.parse().ok()).filter(|pid| *pid != own).collect()
}

/// Kills what is left in the group; whether nothing was.
pub fn clear(directories: &[String]) -> bool {
    let empty = processes(directories).is_empty();
    if !empty {
        signal_all(directories, libc::SIGKILL);
    }
    empty
}

/// Sends a signal to every process in the group.
pub fn signal_all(directories: &[String], signal: i32) {
    if signal == libc::SIGKILL
        && directories.iter().any(|directory| fs::write(format!("{directory}/cgroup.kill"), "1").is_ok())
    {
        return;
    }
    for pid in processes(directories) {
        let _ = process::kill(pid, signal);
    }
}

/// How often the kernel has killed in the group for want of memory.
pub fn oom_kills(file: Option<&str>) -> u64 {
    let text = file.and_then(|file| fs::read_to_string(file).ok()).unwrap_or_default();
    parse_oom_kills(&text)
}

fn parse_oom_kills(text: &str) -> u64 {
    text.lines()
        .find_map(|line| line.strip_prefix("oom_kill "))
        .and_then(|count| count.trim().parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kills_are_counted() {
        for (text, count) in [
            ("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n", 3),
            ("low 0\nhigh 0\nmax 5\noom 2\noom_kill 1\noom_group_kill 0\n", 1),
            ("", 0),
            ("oom_kill x\n", 0),
        ] {
            assert_eq!(parse_oom_kills(text), count);
        }
    }
}
