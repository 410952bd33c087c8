//! Variables that are in a file of a volume: `NAME='value'`, where what is between the quotes stands as it is,
//! over several lines if need be (upstream's strict part of the shell's syntax).

use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2};
use nix::sys::stat::Mode;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// A larger file is none of variables.
const MOST: u64 = 1 << 20;

/// The value of `key` in the file `path` of a volume; empty if the file does not name it.
///
/// # Errors
/// The file cannot be read, or is malformed up to there.
pub fn lookup(volume: &Path, path: &str, key: &str) -> Result<String, String> {
    let text = read(volume, path).map_err(|e| format!("couldn't parse env file: {path}: {e}"))?;
    parse(&text, key).map_err(|why| format!("couldn't parse env file: {why}"))
}

/// Reads a file beneath the volume, whatever links its containers made.
fn read(volume: &Path, path: &str) -> std::io::Result<String> {
    let root = open(volume, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?;
    let how = OpenHow::new()
        .flags(OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    let file = File::from(openat2(&root, path, how)?);
    let mut text = String::new();
    file.take(MOST).read_to_string(&mut text)?;
    Ok(text)
}

fn parse(text: &str, key: &str) -> Result<String, String> {
    let mut lines = (1..).zip(text.lines());
    while let Some((number, line)) = lines.next() {
        let line = line.trim_start_matches([' ', '\t']);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = |why: &str| Err(format!("invalid environment variable format at line {number}: {why}"));
        let Some((name, rest)) = line.split_once('=') else { return wrong("missing '='") };
        if name.trim_end_matches([' ', '\t']).is_empty() {
            return wrong("empty variable name");
        }
        if name.ends_with([' ', '\t']) {
            return wrong("whitespace before '=' is not allowed");
        }
        if rest.starts_with([' ', '\t']) {
            // To a shell the variable is empty, and what follows a command.
            if name == key {
                return Ok(String::new());
            }
            continue;
        }
        let Some(mut rest) = rest.strip_prefix('\'') else {
            return wrong("value must be enclosed in single quotes");
        };
        let mut value = String::new();
        let after = loop {
            if let Some((last, after)) = rest.split_once('\'') {
                value.push_str(last);
                break after;
            }
            value.push_str(rest);
            value.push('\n');
            rest = match lines.next() {
                Some((_, line)) => line,
                None => {
                    return Err(format!(
                        "invalid environment variable format starting at line {number}: unclosed single quote"
                    ));
                }
            };
        };
        let after = after.trim_start_matches([' ', '\t']);
        if !after.is_empty() && !after.starts_with('#') {
            return wrong("unexpected content after closing quote");
        }
        if name == key {
            return Ok(value);
        }
    }
    Ok(String::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_in_single_quotes() {
        for (text, want) in [
            ("A='1'", Ok("1")),
            ("# a remark\n\n  A='1' # one\n", Ok("1")),
            ("B='2'\nA='x y\n$z'\n", Ok("x y\n$z")),
            ("A= '1'", Ok("")),
            ("B='2'", Ok("")),
            ("A ='1'", Err("at line 1: whitespace before '=' is not allowed")),
            ("B='2'\nA=1", Err("at line 2: value must be enclosed in single quotes")),
            ("A", Err("at line 1: missing '='")),
            ("A='1' x", Err("at line 1: unexpected content after closing quote")),
            ("A='1", Err("starting at line 1: unclosed single quote")),
        ] {
            let want = want.map(str::to_string);
            let want = want.map_err(|w| format!("invalid environment variable format {w}"));
            assert_eq!(parse(text, "A"), want, "{text:?}");
        }
    }

    #[test]
    fn a_link_does_not_lead_out_of_the_volume() {
        let dir = tempfile::tempdir().expect("a directory");
        let volume = dir.path().join("volume");
        std::fs::create_dir(&volume).expect("made");
        std::fs::write(dir.path().join("secret"), "A='host'").expect("written");
        std::os::unix::fs::symlink(dir.path().join("secret"), volume.join("env")).expect("linked");
        assert!(lookup(&volume, "env", "A").is_err());
        std::fs::write(volume.join("own"), "A='pod'").expect("written");
        assert_eq!(lookup(&volume, "own", "A").as_deref(), Ok("pod"));
    }
}
