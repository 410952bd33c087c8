//! File systems on disks: finding out what is there, and making one where nothing is.

use std::path::Path;
use std::process::Output;
use tokio::process::Command;

/// Sees to it that the disk holds a file system; one that holds anything else is left as it is, and the mount
/// that follows tells what is wrong.
pub async fn ensure(disk: &Path, fs_type: &str) -> Result<(), String> {
    // To blkid, what is not there is the same as what is blank.
    let cannot = |why: &str| format!("cannot tell what is on {}: {why}", disk.display());
    std::fs::File::open(disk).map_err(|e| cannot(&e.to_string()))?;
    let mut probe = Command::new("blkid");
    let found = run(probe.args(["-p", "-s", "TYPE", "-s", "PTTYPE", "-o", "export"]).arg(disk)).await?;
    match found.status.code() {
        // Something is there.
        Some(0) => return Ok(()),
        // Nothing was found.
        Some(2) => {}
        _ => return Err(cannot(&words(&found))),
    }
    let mut make = Command::new(format!("mkfs.{fs_type}"));
    if matches!(fs_type, "ext3" | "ext4") {
        // No blocks are kept for root, as upstream.
        make.args(["-F", "-m0"]);
    }
    let made = run(make.arg(disk)).await?;
    match made.status.success() {
        true => Ok(()),
        false => Err(format!("mkfs.{fs_type} on {} failed: {}", disk.display(), words(&made))),
    }
}

/// Runs a program to its end.
pub(super) async fn run(command: &mut Command) -> Result<Output, String> {
    command.stdin(std::process::Stdio::null()).kill_on_drop(true);
    command.output().await.map_err(|e| {
        let name = command.as_std().get_program().to_string_lossy().into_owned();
        format!("{name}: {e}; install it on the node")
    })
}

/// What a program said.
pub(super) fn words(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_string();
    match text(&output.stderr) {
        words if words.is_empty() => text(&output.stdout),
        words => words,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_blank_disk_gets_a_file_system_and_a_full_one_keeps_its_own() {
        let dir = tempfile::tempdir().expect("directory");
        let disk = dir.path().join("disk");
        std::fs::File::create(&disk).and_then(|f| f.set_len(32 << 20)).expect("made");
        if run(Command::new("blkid").arg("-V")).await.is_err() {
            return eprintln!("skipped: no blkid");
        }
        ensure(&disk, "ext4").await.expect("made");
        let before = std::fs::read(&disk).expect("read");
        assert_eq!(u16::from_le_bytes([before[1080], before[1081]]), 0xef53, "ext4's mark");
        ensure(&disk, "xfs").await.expect("kept");
        assert!(std::fs::read(&disk).expect("read") == before);
        let error = ensure(&dir.path().join("none"), "ext4").await.expect_err("no disk");
        assert!(error.contains("cannot tell what is on"), "{error}");
    }
}
