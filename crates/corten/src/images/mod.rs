//! Images without a registry: the one that holds pods open, the one of the README's tour, and archives that
//! a user brings.

pub mod archive;
mod pause;

use crate::runtime::containerd::Containerd;
use anyhow::{Context, Result, bail};
use archive::{Content, Recipe};
use std::path::{Path, PathBuf};

/// The image of pods' sandboxes.
pub const PAUSE: &str = "corten.local/pause:1";
/// The image of the tour.
pub const DEMO: &str = "corten.local/demo:1";

/// Sees to it that sandboxes can start: makes and imports their image if the runtime has none.
pub async fn ensure_pause(containerd: &Containerd, data_dir: &Path) -> Result<()> {
    if containerd.has_image(PAUSE).await? {
        return Ok(());
    }
    let recipe = Recipe {
        name: PAUSE.into(),
        files: vec![("pause".into(), Content::File(pause::executable(), 0o755))],
        entrypoint: vec!["/pause".into()],
        command: Vec::new(),
    };
    let file = data_dir.join("pause.tar");
    archive::write(&recipe, &file).with_context(|| format!("write {}", file.display()))?;
    let imported = containerd.import(&file).await;
    std::fs::remove_file(&file)?;
    imported
}

/// Makes the tour's image from the machine's static busybox into `target`.
pub fn demo(name: &str, target: &Path) -> Result<()> {
    let busybox = find_busybox()?;
    let bytes = std::fs::read(&busybox).with_context(|| format!("read {}", busybox.display()))?;
    let listed = std::process::Command::new(&busybox).arg("--list").output().context("run busybox --list")?;
    let mut files =
        vec![("bin".into(), Content::Directory(0o755)), ("bin/busybox".into(), Content::File(bytes, 0o755))];
    for applet in String::from_utf8_lossy(&listed.stdout).lines().filter(|a| *a != "busybox") {
        files.push((PathBuf::from("bin").join(applet), Content::Link("busybox".into())));
    }
    for (directory, mode) in [
        ("tmp", 0o1777),
        ("etc", 0o755),
        ("root", 0o700),
        ("www", 0o755),
        ("proc", 0o555),
        ("sys", 0o555),
        ("dev", 0o755),
    ] {
        files.push((directory.into(), Content::Directory(mode)));
    }
    files.push((
        "etc/passwd".into(),
        Content::File(
            b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n".to_vec(),
            0o644,
        ),
    ));
    files.push(("etc/group".into(), Content::File(b"root:x:0:\nnogroup:x:65534:\n".to_vec(), 0o644)));
    files.push(("www/index.html".into(), Content::File(b"hello from corten\n".to_vec(), 0o644)));
    let command = ["/bin/httpd", "-f", "-v", "-p", "80", "-h", "/www"].map(str::to_string).to_vec();
    let recipe = Recipe { name: name.into(), files, entrypoint: Vec::new(), command };
    archive::write(&recipe, target).with_context(|| format!("write {}", target.display()))
}

/// The static busybox: a dynamic one would find no libraries in its image.
fn find_busybox() -> Result<PathBuf> {
    let found = ["/bin/busybox", "/usr/bin/busybox"].map(PathBuf::from).into_iter().find(|p| p.exists());
    let Some(path) = found else { bail!("no busybox on this machine: apt-get install busybox-static") };
    let dynamic = needs_interpreter(&std::fs::read(&path)?);
    if dynamic {
        bail!("{} needs libraries: apt-get install busybox-static", path.display());
    }
    Ok(path)
}

/// Whether an ELF executable (64 bits, little endian) names an interpreter, that is, a dynamic linker.
fn needs_interpreter(elf: &[u8]) -> bool {
    const PT_INTERP: u32 = 3;
    let number = |at: usize, width: usize| {
        let bytes = elf.get(at..at + width)?;
        Some(bytes.iter().rev().fold(0u64, |n, b| n << 8 | u64::from(*b)))
    };
    let (Some(start), Some(size), Some(count)) = (number(32, 8), number(54, 2), number(56, 2)) else {
        return false;
    };
    (0..count).any(|i| number((start + i * size) as usize, 4) == Some(u64::from(PT_INTERP)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dynamic_executable_is_told_from_a_static_one() {
        let own = std::fs::read("/proc/self/exe").expect("this test");
        assert!(needs_interpreter(&own));
        assert!(!needs_interpreter(&pause::executable()));
        assert!(!needs_interpreter(b"#!/bin/sh"));
    }
}
