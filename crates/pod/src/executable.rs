//! Which file a command means, and why it cannot be run, in the words that users of other runtimes know.

use crate::kernel::files;
use crate::trouble::{reason, refused};
use corten_pod::protocol::{Cause, Failure};
use std::io;

/// Where commands are looked for when the environment does not say.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The file for `command`: itself if it has a slash, otherwise the first in `PATH`.
pub fn find(command: &str, environment: &[String]) -> Result<String, Failure> {
    if command.contains('/') {
        return match check(command) {
            Ok(()) => Ok(command.to_owned()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(no(command, &format!("stat {command}: {}", reason(&error)), &error))
            }
            Err(error) => Err(no(command, &reason(&error), &error)),
        };
    }
    let path = environment.iter().rev().find_map(|entry| entry.strip_prefix("PATH="));
    let mut denied = None;
    for candidate in candidates(command, path.unwrap_or(DEFAULT_PATH)) {
        match check(&candidate) {
            Ok(()) => return Ok(candidate),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => denied = Some(error),
            Err(_) => {}
        }
    }
    let missing = io::Error::from_raw_os_error(libc::ENOENT);
    match denied {
        Some(error) if !command.is_empty() => Err(no(command, &reason(&error), &error)),
        _ => Err(no(command, "executable file not found in $PATH", &missing)),
    }
}

fn candidates<'a>(command: &'a str, path: &'a str) -> impl Iterator<Item = String> + 'a {
    path.split(':').filter(|_| !command.is_empty()).map(move |directory| {
        if directory.is_empty() { format!("./{command}") } else { format!("{directory}/{command}") }
    })
}

fn check(path: &str) -> io::Result<()> {
    if std::fs::metadata(path)?.is_dir() {
        return Err(io::Error::from_raw_os_error(libc::EISDIR));
    }
    files::may_execute(path)
}

fn no(command: &str, why: &str, error: &io::Error) -> Failure {
    let mut failure = refused(cause(error), format!("exec: {command:?}: {why}"));
    failure.errno = error.raw_os_error().unwrap_or(0);
    failure
}

/// Why a file that was found did not run: `no such file or directory` is its interpreter.
pub fn refusal(path: &str, error: &io::Error) -> Failure {
    let mut failure = refused(cause(error), format!("exec {path}: {}", reason(error)));
    failure.errno = error.raw_os_error().unwrap_or(0);
    failure
}

fn cause(error: &io::Error) -> Cause {
    match error.raw_os_error() {
        Some(libc::ENOENT | libc::ENOTDIR) => Cause::NoExecutable,
        Some(libc::EACCES | libc::EPERM | libc::EISDIR | libc::ENOEXEC) => Cause::NotExecutable,
        _ => Cause::Kernel,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_looked_for_in_order() {
        for (command, path, want) in [
            ("ls", "/a:/b", vec!["/a/ls", "/b/ls"]),
            ("ls", ":/b", vec!["./ls", "/b/ls"]),
            ("", "/a", vec![]),
        ] {
            assert_eq!(candidates(command, path).collect::<Vec<_>>(), want);
        }
    }

    #[test]
    fn refusals_are_those_that_users_know() {
        let environment = ["PATH=/nowhere:/etc".to_owned()];
        for (command, text, cause) in [
            ("foo", "exec: \"foo\": executable file not found in $PATH", Cause::NoExecutable),
            ("", "exec: \"\": executable file not found in $PATH", Cause::NoExecutable),
            ("/no/foo", "exec: \"/no/foo\": stat /no/foo: no such file or directory", Cause::NoExecutable),
            ("/etc/passwd", "exec: \"/etc/passwd\": permission denied", Cause::NotExecutable),
            ("passwd", "exec: \"passwd\": permission denied", Cause::NotExecutable),
            ("/etc", "exec: \"/etc\": is a directory", Cause::NotExecutable),
        ] {
            let failure = find(command, &environment).unwrap_err();
            assert_eq!((failure.message.as_str(), failure.cause), (text, cause));
        }
        assert_eq!(find("sh", &[]).unwrap().rsplit('/').next(), Some("sh"));
    }
}
