//! Images from a registry that misbehaves, and from archives.

mod archives;
mod fake;
mod faults;
mod full_disk;
mod pulls;
mod served;
mod tls;

use super::registry::Patience;
use super::{Images, ImagesConfig, Registries, RegistryConfig};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Owners and devices need root.
fn root() -> bool {
    let root = corten_sys::is_root();
    if !root {
        eprintln!("skipped: needs root");
    }
    root
}

fn patience() -> Patience {
    Patience {
        connect: Duration::from_secs(2),
        answer: Duration::from_millis(400),
        stall: Duration::from_millis(400),
        attempts: 3,
        first_wait: Duration::from_millis(5),
        most_wait: Duration::from_millis(20),
        longest_request: Duration::from_secs(2),
        parallel: 3,
    }
}

fn open(root: &Path) -> Images {
    open_with(root, [])
}

fn open_with(root: &Path, hosts: impl IntoIterator<Item = (String, RegistryConfig)>) -> Images {
    let registries = Registries { hosts: hosts.into_iter().collect(), patience: patience(), file: None };
    Images::open(ImagesConfig { root: root.to_owned(), registries, pinned: Vec::new() }).unwrap()
}

/// What lies in a directory of the store.
fn names(root: &Path, directory: &str) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(root.join(directory))
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Nothing half done is left, which a task that was told to end may need a moment for.
async fn assert_clean(root: &Path, what: &str) {
    for _ in 0..100 {
        if names(root, "tmp").is_empty() {
            return;
        }
        corten_rt::sleep(Duration::from_millis(20)).await;
    }
    panic!("{what}: left behind: {:?}", names(root, "tmp"));
}

fn read(layer: &Path, file: &str) -> String {
    std::fs::read_to_string(layer.join(file)).unwrap()
}

fn layer_files(image: &super::Image) -> Vec<PathBuf> {
    image.layers.iter().map(|layer| layer.path.clone()).collect()
}
