//! `xtask tidy`: the rules of the repository that no compiler knows, as ARCHITECTURE.md states them.
//!
//! It reads every Rust file and every manifest below `crates`, `conformance` and `xtask`, prints one line per
//! finding, and fails when there is one. The rules on text are in [`source`], those on who uses whom in
//! [`dependencies`].

mod blank;
mod dependencies;
mod source;

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};

/// One broken rule: where (relative to the repository), and what to do about it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    path: String,
    line: usize,
    text: String,
}

/// Checks the repository at `repository`.
pub fn run(repository: &Path) -> Result<()> {
    let mut findings = Vec::new();
    let mut files = 0;
    for path in rust_files(repository)? {
        let text = std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        findings.extend(source::check(&relative(repository, &path), &text));
        files += 1;
    }
    for path in manifests(repository)? {
        let text = std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        findings.extend(dependencies::check(&relative(repository, &path), &text));
    }
    findings.sort();
    for Finding { path, line, text } in &findings {
        println!("{path}:{line}: {text}");
    }
    if !findings.is_empty() {
        bail!("{} findings in {files} files", findings.len());
    }
    println!("tidy: {files} files in order");
    Ok(())
}

fn rust_files(repository: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = ["crates", "conformance", "fuzz", "xtask"].map(|name| repository.join(name)).to_vec();
    folders.retain(|folder| folder.is_dir());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| format!("list {}", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() && !path.ends_with("target") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    Ok(found)
}

fn manifests(repository: &Path) -> Result<Vec<PathBuf>> {
    let crates = repository.join("crates");
    let mut found = vec![repository.join("conformance/Cargo.toml"), repository.join("xtask/Cargo.toml")];
    for entry in std::fs::read_dir(&crates).with_context(|| format!("list {}", crates.display()))? {
        found.push(entry?.path().join("Cargo.toml"));
    }
    found.retain(|path| path.is_file());
    Ok(found)
}

fn relative(repository: &Path, path: &Path) -> String {
    path.strip_prefix(repository).unwrap_or(path).to_string_lossy().into_owned()
}
