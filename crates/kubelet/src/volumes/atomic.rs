//! Replacing the files of a volume in one step, as upstream's atomic writer: the files lie in a directory
//! named after the time, `..data` links to it, and each visible name links into `..data`. Whoever reads sees
//! either all old files or all new ones.

use super::content::Files;
use super::ownership::{give_file, set_mode};
use corten_rt::Timestamp;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, chown, symlink};
use std::path::{Path, PathBuf};

const DATA: &str = "..data";
const NEXT: &str = "..data_tmp";

/// Makes `target` show exactly `files`, owned by `group` if given. Returns whether anything changed.
pub fn write(target: &Path, files: &Files, group: Option<u32>, now: Timestamp) -> io::Result<bool> {
    let current = fs::read_link(target.join(DATA)).ok();
    let changed = !current.as_ref().is_some_and(|dir| same(&target.join(dir), files));
    let shown = if changed {
        let fresh = fresh_dir(target, now)?;
        fill(&target.join(&fresh), files, group)?;
        swap(target, &fresh)?;
        fresh
    } else {
        current.unwrap_or_default()
    };
    let visible: BTreeSet<&str> = files.keys().filter_map(|path| path.split('/').next()).collect();
    show(target, &visible)?;
    clean(target, &visible, &shown)?;
    Ok(changed)
}

fn fresh_dir(target: &Path, now: Timestamp) -> io::Result<PathBuf> {
    let stamp = now.strftime("..%Y_%m_%d_%H_%M_%S").to_string();
    loop {
        let name = PathBuf::from(format!("{stamp}.{:09}", corten_rt::random::below(1_000_000_000)));
        match fs::create_dir(target.join(&name)) {
            Ok(()) => return Ok(name),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(e),
        }
    }
}

fn fill(dir: &Path, files: &Files, group: Option<u32>) -> io::Result<()> {
    let mut directories = BTreeSet::from([dir.to_path_buf()]);
    for (name, file) in files {
        let path = dir.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
            directories.extend(parent.ancestors().take_while(|a| *a != dir).map(Path::to_path_buf));
        }
        fs::write(&path, &file.data)?;
        give_file(&path, file.owner, group)?;
        // Last: a change of owner clears bits.
        set_mode(&path, file.mode)?;
    }
    for directory in directories {
        chown(&directory, None, group)?;
        set_mode(&directory, if group.is_some() { 0o2755 } else { 0o755 })?;
    }
    Ok(())
}

fn swap(target: &Path, fresh: &Path) -> io::Result<()> {
    let next = target.join(NEXT);
    remove_if_there(&next)?;
    symlink(fresh, &next)?;
    fs::rename(next, target.join(DATA))
}

fn show(target: &Path, visible: &BTreeSet<&str>) -> io::Result<()> {
    for name in visible {
        match symlink(Path::new(DATA).join(name), target.join(name)) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
            _ => {}
        }
    }
    Ok(())
}

/// Removes names that nothing stands behind any more, and former directories.
fn clean(target: &Path, visible: &BTreeSet<&str>, shown: &Path) -> io::Result<()> {
    for entry in fs::read_dir(target)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(text) = name.to_str() else { continue };
        if entry.file_type()?.is_dir() {
            // Anything else here is a mount point that the runtime made for a nested mount.
            if text.starts_with("..") && Path::new(text) != shown {
                fs::remove_dir_all(entry.path())?;
            }
        } else if entry.file_type()?.is_symlink() && !visible.contains(text) && !text.starts_with("..") {
            remove_if_there(&entry.path())?;
        }
    }
    Ok(())
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

/// Whether `dir` holds exactly `files`.
fn same(dir: &Path, files: &Files) -> bool {
    let equal = |(name, file): (&String, &super::content::File)| {
        let path = dir.join(name);
        let mode = |m: fs::Metadata| m.is_file() && m.mode() & 0o7777 == file.mode;
        fs::symlink_metadata(&path).is_ok_and(mode) && fs::read(&path).is_ok_and(|data| data == file.data)
    };
    files.iter().all(equal) && count(dir).is_ok_and(|count| count == files.len())
}

/// How many files are in `dir` and below.
fn count(dir: &Path) -> io::Result<usize> {
    let mut total = 0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        total += if entry.file_type()?.is_dir() { count(&entry.path())? } else { 1 };
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::super::content::File;
    use super::*;

    fn files(list: &[(&str, &str, u32)]) -> Files {
        list.iter().map(|(path, data, mode)| ((*path).into(), File::new(*data, *mode))).collect()
    }

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).expect("directory").flatten();
        let mut names: Vec<String> = entries
            .filter_map(|e| e.file_name().into_string().ok())
            .filter(|n| !n.starts_with("..19"))
            .collect();
        names.sort();
        names
    }

    #[test]
    fn files_are_replaced_as_a_whole_and_only_when_they_differ() {
        let dir = tempfile::tempdir().expect("directory");
        let now = Timestamp::UNIX_EPOCH;
        let root = dir.path();
        let first = files(&[("a", "1", 0o644), ("d/e/f", "2", 0o400)]);
        assert!(write(root, &first, None, now).expect("written"));
        assert!(!write(root, &first, None, now).expect("unchanged"));
        assert_eq!(names(root), ["..data", "a", "d"]);
        assert_eq!(fs::read_to_string(root.join("d/e/f")).expect("file"), "2");
        let before = fs::read_link(root.join(DATA)).expect("link");

        for next in [
            files(&[("a", "1", 0o644), ("d/e/f", "2", 0o440)]),
            files(&[("a", "1", 0o644), ("d/e/g", "2", 0o440)]),
            files(&[("a", "3", 0o644)]),
            Files::new(),
        ] {
            assert!(write(root, &next, None, now).expect("written"));
            assert!(!root.join(&before).exists());
            assert!(!write(root, &next, None, now).expect("unchanged"));
        }
        assert_eq!(names(root), ["..data"]);
    }

    #[test]
    fn what_a_crash_left_is_put_right() {
        let dir = tempfile::tempdir().expect("directory");
        let root = dir.path();
        let wanted = files(&[("a", "1", 0o644)]);
        write(root, &wanted, None, Timestamp::UNIX_EPOCH).expect("written");
        fs::remove_file(root.join("a")).expect("removed");
        fs::create_dir(root.join("..2020_01_01_00_00_00.1")).expect("made");
        symlink("..2020_01_01_00_00_00.1", root.join(NEXT)).expect("made");
        assert!(!write(root, &wanted, None, Timestamp::UNIX_EPOCH).expect("unchanged"));
        assert_eq!(fs::read_to_string(root.join("a")).expect("file"), "1");
        assert!(!root.join("..2020_01_01_00_00_00.1").exists());
    }
}
