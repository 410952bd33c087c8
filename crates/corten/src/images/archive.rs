//! Image archives (OCI layout in a tar), made without tools.

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::json;
use std::path::{Path, PathBuf};

/// One file of an image.
pub enum Content {
    File(Vec<u8>, u32),
    Link(String),
    Directory(u32),
}

/// What an image is made of.
pub struct Recipe {
    /// The full name, `docker.io/library/demo:1`.
    pub name: String,
    pub files: Vec<(PathBuf, Content)>,
    pub entrypoint: Vec<String>,
    pub command: Vec<String>,
}

/// Writes the archive to `target`.
pub fn write(recipe: &Recipe, target: &Path) -> std::io::Result<()> {
    let layer = layer(&recipe.files)?;
    let layer_digest = hex(&layer);
    let config = json!({
        "architecture": architecture(), "os": "linux",
        "config": {
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            "Entrypoint": recipe.entrypoint, "Cmd": recipe.command,
        },
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{layer_digest}")]},
    })
    .to_string();
    let config_digest = hex(config.as_bytes());
    let manifest = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json",
                   "digest": format!("sha256:{config_digest}"), "size": config.len()},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar",
                    "digest": format!("sha256:{layer_digest}"), "size": layer.len()}],
    })
    .to_string();
    let manifest_digest = hex(manifest.as_bytes());
    let index = json!({
        "schemaVersion": 2,
        "manifests": [{"mediaType": "application/vnd.oci.image.manifest.v1+json",
                       "digest": format!("sha256:{manifest_digest}"), "size": manifest.len(),
                       "platform": {"architecture": architecture(), "os": "linux"},
                       "annotations": {"io.containerd.image.name": recipe.name,
                                       "org.opencontainers.image.ref.name": recipe.name}}],
    })
    .to_string();
    let mut archive = tar::Builder::new(std::fs::File::create(target)?);
    let mut add = |path: &str, bytes: &[u8]| append(&mut archive, Path::new(path), bytes, 0o644);
    add("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    add("index.json", index.as_bytes())?;
    for (digest, bytes) in [
        (layer_digest, layer.as_slice()),
        (config_digest, config.as_bytes()),
        (manifest_digest, manifest.as_bytes()),
    ] {
        add(&format!("blobs/sha256/{digest}"), bytes)?;
    }
    archive.finish()
}

fn layer(files: &[(PathBuf, Content)]) -> std::io::Result<Vec<u8>> {
    let mut layer = tar::Builder::new(Vec::new());
    for (path, content) in files {
        match content {
            Content::File(bytes, mode) => append(&mut layer, path, bytes, *mode)?,
            Content::Link(target) => {
                let mut header = header(0, 0o777);
                header.set_entry_type(tar::EntryType::Symlink);
                layer.append_link(&mut header, path, target)?;
            }
            Content::Directory(mode) => {
                let mut header = header(0, *mode);
                header.set_entry_type(tar::EntryType::Directory);
                layer.append_data(&mut header, path, std::io::empty())?;
            }
        }
    }
    layer.into_inner()
}

fn append<W: std::io::Write>(
    archive: &mut tar::Builder<W>,
    path: &Path,
    bytes: &[u8],
    mode: u32,
) -> std::io::Result<()> {
    archive.append_data(&mut header(bytes.len() as u64, mode), path, bytes)
}

/// Time and owner are fixed, so that equal images have equal digests.
fn header(size: u64, mode: u32) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_size(size);
    header.set_mode(mode);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header
}

fn hex(bytes: &[u8]) -> String {
    digest(&SHA256, bytes).as_ref().iter().map(|b| format!("{b:02x}")).collect()
}

fn architecture() -> &'static str {
    if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_holds_what_its_index_names() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("image.tar");
        let recipe = Recipe {
            name: "corten.local/x:1".into(),
            files: vec![
                ("a".into(), Content::File(b"hello".to_vec(), 0o755)),
                ("b".into(), Content::Link("a".into())),
            ],
            entrypoint: vec!["/a".into()],
            command: vec![],
        };
        write(&recipe, &file).expect("written");
        let mut archive = tar::Archive::new(std::fs::File::open(&file).expect("there"));
        let names: Vec<String> = archive
            .entries()
            .expect("entries")
            .map(|e| e.expect("an entry").path().expect("a path").to_string_lossy().into_owned())
            .collect();
        assert_eq!(names.len(), 5);
        assert!(names.contains(&"index.json".to_string()));
    }
}
