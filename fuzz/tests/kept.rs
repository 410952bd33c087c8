//! What is kept is fed again: the seeds, and what was ever found.

use corten_fuzz::TARGETS;
use std::path::{Path, PathBuf};

fn kept(folder: &str, target: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(target);
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("readable").path()).collect();
    files.sort();
    files
}

#[test]
fn seeds_and_findings_do_no_harm() {
    for (name, target) in TARGETS {
        let seeds = kept("seeds", name);
        assert!(!seeds.is_empty(), "{name} has no seeds");
        for file in seeds.into_iter().chain(kept("findings", name)) {
            println!("{}", file.display());
            target(&std::fs::read(&file).expect("readable"));
        }
    }
}

/// Noise that is the same each time; what is worth keeping, libFuzzer finds.
#[test]
fn noise_does_no_harm() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for (_, target) in TARGETS {
        for length in 0..64 {
            let noise: Vec<u8> = (0..length).map(|_| next().to_le_bytes()[0]).collect();
            target(&noise);
        }
    }
}
