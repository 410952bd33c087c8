//! Archives as the tools write them, and broken ones.

use super::fake::{Layer, config, manifest, tar_of};
use super::*;
use crate::images::Digest;
use std::io::Write;

/// An OCI layout with one image, with these annotations.
fn layout(layers: &[Layer], annotations: &str) -> Vec<(String, Vec<u8>)> {
    let config = config(layers);
    let manifest = manifest(&Digest::of(config.as_bytes()), config.len(), layers);
    let digest = Digest::of(manifest.as_bytes());
    let index = format!(
        r#"{{"schemaVersion":2,"manifests":[{{"digest":"{digest}","size":{},"annotations":{{{annotations}}}}}]}}"#,
        manifest.len()
    );
    let mut files = vec![
        ("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()),
        ("index.json".to_owned(), index.into_bytes()),
    ];
    let blobs = layers.iter().map(|l| l.packed.clone()).chain([config.into_bytes(), manifest.into_bytes()]);
    files.extend(blobs.map(|bytes| (format!("blobs/sha256/{}", Digest::of(&bytes).hex()), bytes)));
    files
}

fn saved(layers: &[Layer], tags: &str) -> Vec<(String, Vec<u8>)> {
    let config = config(layers);
    let names: Vec<String> = (0..layers.len()).map(|n| format!("\"{n}/layer.tar\"")).collect();
    let index = format!(r#"[{{"Config":"config.json","RepoTags":{tags},"Layers":[{}]}}]"#, names.join(","));
    let mut files = vec![
        ("manifest.json".to_owned(), index.into_bytes()),
        ("config.json".to_owned(), config.into_bytes()),
    ];
    files.extend(layers.iter().enumerate().map(|(n, layer)| (format!("{n}/layer.tar"), layer.plain.clone())));
    files
}

fn archive(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let files: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (name.as_str(), &bytes[..])).collect();
    tar_of(&files)
}

async fn import(bytes: &[u8]) -> (super::super::Result<Vec<String>>, Images, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("archive");
    std::fs::write(&file, bytes).unwrap();
    let images = open(&directory.path().join("images"));
    (images.import(&file).await, images, directory)
}

#[tokio::test]
async fn archives_of_all_tools() {
    if !root() {
        return;
    }
    let layers = [Layer::of(&[("app", b"one")]), Layer::zstd(&[("more", b"two")])];
    let id = Digest::of(config(&layers).as_bytes()).to_string();
    let gzipped = |bytes: Vec<u8>| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&bytes).unwrap();
        encoder.finish().unwrap()
    };
    let both = {
        // Docker 25 and later write one archive that is both.
        let mut files = layout(&layers, r#""org.opencontainers.image.ref.name":"1.0""#);
        files.extend(saved(&layers, r#"["app:1.0","other.io/app:1.0"]"#));
        files
    };
    let containerd =
        r#""io.containerd.image.name":"docker.io/library/app:1.0","org.opencontainers.image.ref.name":"1.0""#;
    let full: &[&str] = &["docker.io/library/app:1.0"];
    let by_id = [id.as_str()];
    let table: Vec<(&str, Vec<u8>, &[&str])> = vec![
        ("containerd", archive(&layout(&layers, containerd)), full),
        (
            "podman",
            archive(&layout(&layers, r#""org.opencontainers.image.ref.name":"docker.io/library/app:1.0""#)),
            full,
        ),
        ("a bare tag", archive(&layout(&layers, r#""org.opencontainers.image.ref.name":"1.0""#)), &by_id),
        ("docker", archive(&saved(&layers, r#"["app:1.0"]"#)), full),
        ("docker without names", archive(&saved(&layers, "null")), &by_id),
        ("gzipped", gzipped(archive(&saved(&layers, r#"["app:1.0"]"#))), full),
        ("both", archive(&both), &["docker.io/library/app:1.0", "other.io/app:1.0"]),
    ];
    for (what, bytes, names) in table {
        let (imported, images, _directory) = import(&bytes).await;
        assert_eq!(imported.unwrap_or_else(|error| panic!("{what}: {error}")), names, "{what}");
        let image = images.resolve(names[0]).unwrap();
        assert_eq!((image.id.as_str(), image.layers.len()), (id.as_str(), 2), "{what}");
        assert_eq!(read(&image.layers[1].path, "more"), "two", "{what}");
        assert_clean(images.root(), what).await;
    }
}

#[tokio::test]
async fn a_layout_may_be_a_directory_and_layers_may_be_links() {
    if !root() {
        return;
    }
    let layers = [Layer::of(&[("app", b"one")])];
    let directory = tempfile::tempdir().unwrap();
    for (name, bytes) in layout(&layers, "") {
        let path = directory.path().join("layout").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    let images = open(&directory.path().join("images"));
    assert_eq!(images.import(&directory.path().join("layout")).await.unwrap().len(), 1);

    let twice = [layers[0].clone(), layers[0].clone()];
    let files: Vec<_> =
        saved(&twice, r#"["twice"]"#).into_iter().filter(|(name, _)| name != "1/layer.tar").collect();
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in &files {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        builder.append_data(&mut header, name, &bytes[..]).unwrap();
    }
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    builder.append_link(&mut header, "1/layer.tar", "../0/layer.tar").unwrap();
    let file = directory.path().join("twice.tar");
    std::fs::write(&file, builder.into_inner().unwrap()).unwrap();
    images.import(&file).await.unwrap();
    assert_eq!(images.resolve("twice").unwrap().layers.len(), 2);
}

#[tokio::test]
async fn broken_archives_leave_nothing() {
    if !root() {
        return;
    }
    let layers = [Layer::of(&[("app", b"one")]), Layer::of(&[("more", b"two")])];
    let whole = layout(&layers, "");
    let without = |part: usize| -> Vec<_> {
        whole.iter().enumerate().filter(|(n, _)| *n != part).map(|(_, f)| f.clone()).collect()
    };
    let mut damaged = whole.clone();
    damaged[3].1[30] ^= 1;
    let mut foreign = saved(&layers, r#"["app"]"#);
    foreign[3].1 = foreign[2].1.clone();
    let table = [
        ("nothing", Vec::new(), "neither index.json nor manifest.json"),
        ("noise", vec![7; 5000], "no archive of images"),
        ("cut off", archive(&whole)[..2000].to_vec(), ""),
        ("a layer is missing", archive(&without(3)), "incomplete"),
        ("a manifest is missing", archive(&without(5)), "incomplete"),
        ("a damaged layer", archive(&damaged), "damages data"),
        ("another layer", archive(&foreign), "built wrongly"),
        ("a bad name", archive(&saved(&layers, r#"["Bad Name"]"#)), "invalid reference"),
    ];
    for (what, bytes, text) in table {
        let (result, images, _directory) = import(&bytes).await;
        let error = result.expect_err(what).to_string();
        assert!(error.contains(text), "{what}: {error}");
        assert!(images.list().is_empty(), "{what}");
        assert_clean(images.root(), what).await;
    }
}
