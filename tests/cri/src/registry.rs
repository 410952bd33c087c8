//! A registry on loopback with the images that the checks need, assembled from the machine's static busybox.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result};
use corten_rt::Tasks;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// What is served: by path, its media type and bytes.
type Content = BTreeMap<String, (&'static str, Vec<u8>)>;

/// A registry that serves until its tasks stop.
pub struct Registry {
    address: SocketAddr,
}

/// An image to assemble.
struct Recipe {
    name: &'static str,
    config: Value,
    /// The layers, each a list of files.
    layers: Vec<Vec<File>>,
}

/// A file of a layer: its path, its content, mode, owner.
struct File(&'static str, Vec<u8>, u32, u64);

impl Registry {
    /// Serves the images at `address`; port 0 is any free one.
    pub async fn start(address: SocketAddr, tasks: &Tasks) -> Result<Self> {
        let content = Arc::new(content()?);
        let listener = TcpListener::bind(address).await.with_context(|| format!("listen on {address}"))?;
        let address = listener.local_addr()?;
        let inner = tasks.clone();
        tasks.spawn_until_stopped("registry", async move {
            while let Ok((stream, _)) = listener.accept().await {
                let content = content.clone();
                inner.spawn_until_stopped("registry connection", async move {
                    let _ = serve(stream, &content).await;
                });
            }
        });
        Ok(Registry { address })
    }

    /// The full name of an image: `full`, `user`.
    pub fn image(&self, name: &str) -> String {
        format!("{}/suite/{name}:1", self.address)
    }
}

/// Answers GET and HEAD requests until the client leaves.
async fn serve(mut stream: TcpStream, content: &Content) -> Result<()> {
    let (read, mut write) = stream.split();
    let mut lines = BufReader::new(read).lines();
    while let Some(first) = lines.next_line().await? {
        while lines.next_line().await?.is_some_and(|line| !line.is_empty()) {}
        let mut words = first.split(' ');
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let path = path.split('?').next().unwrap_or_default();
        let found = match path {
            "/v2/" => Some(&("application/json", Vec::new())),
            _ => content.get(path),
        };
        let (status, kind, body) = match found {
            Some((kind, body)) => ("200 OK", *kind, body.as_slice()),
            None => {
                ("404 Not Found", "application/json", &b"{\"errors\":[{\"code\":\"MANIFEST_UNKNOWN\"}]}"[..])
            }
        };
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nDocker-Content-Digest: {}\r\n\r\n",
            body.len(),
            digest(body)
        );
        write.write_all(head.as_bytes()).await?;
        if method != "HEAD" {
            write.write_all(body).await?;
        }
    }
    Ok(())
}

fn content() -> Result<Content> {
    let busybox = ["/bin/busybox", "/usr/bin/busybox"]
        .iter()
        .find_map(|path| std::fs::read(path).ok())
        .context("read /bin/busybox: install busybox-static")?;
    let base = || vec![File("bin/busybox", busybox.clone(), 0o755, 0)];
    let users = b"root:x:0:0:root:/root:/bin/sh\nkim:x:1234:1234::/home/kim:/bin/sh\n".to_vec();
    let groups = b"root:x:0:\nkim:x:1234:\nextra:x:50000:kim\n".to_vec();
    let plain = json!({"Env": ["PATH=/bin", "FROM=image"], "Cmd": ["sleep", "3600"]});
    let full = json!({
        "Env": ["PATH=/bin", "FROM=image"], "Entrypoint": ["sh", "-c"], "Cmd": ["pwd; echo $FROM; sleep 3600"],
        "WorkingDir": "/work", "StopSignal": "SIGUSR1", "Labels": {"suite": "full"}
    });
    let recipes = vec![
        Recipe { name: "plain", config: plain.clone(), layers: vec![base()] },
        Recipe {
            name: "full",
            config: full,
            layers: vec![
                base(),
                vec![
                    File("etc/below", b"below".to_vec(), 0o644, 0),
                    File("etc/gone", b"x".to_vec(), 0o644, 0),
                ],
                vec![
                    File("etc/.wh.gone", Vec::new(), 0o644, 0),
                    File("etc/owned", b"mine".to_vec(), 0o640, 1234),
                ],
            ],
        },
        Recipe {
            name: "user",
            config: with(&plain, "User", json!("kim")),
            layers: vec![
                base(),
                vec![File("etc/passwd", users, 0o644, 0), File("etc/group", groups, 0o644, 0)],
            ],
        },
        Recipe { name: "numbers", config: with(&plain, "User", json!("4321:54321")), layers: vec![base()] },
        Recipe { name: "other", config: with(&plain, "Labels", json!({"a": "b"})), layers: vec![base()] },
    ];
    let mut content = Content::new();
    for recipe in &recipes {
        add(&mut content, recipe)?;
    }
    Ok(content)
}

fn with(config: &Value, key: &str, value: Value) -> Value {
    let mut config = config.clone();
    config[key] = value;
    config
}

fn add(content: &mut Content, recipe: &Recipe) -> Result<()> {
    let blob = |content: &mut Content, kind: &'static str, bytes: Vec<u8>| -> Value {
        let (digest, size) = (digest(&bytes), bytes.len());
        content.insert(format!("/v2/suite/{}/blobs/{digest}", recipe.name), (kind, bytes));
        json!({"mediaType": kind, "digest": digest, "size": size})
    };
    let (mut layers, mut plain) = (Vec::new(), Vec::new());
    for (at, files) in recipe.layers.iter().enumerate() {
        let archive = archive(files, at == 0)?;
        plain.push(digest(&archive));
        layers.push(blob(content, LAYER, gzip(&archive)?));
    }
    let config = json!({
        "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
        "os": "linux",
        "config": recipe.config,
        "rootfs": {"type": "layers", "diff_ids": plain},
    });
    let config = blob(content, CONFIG, config.to_string().into_bytes());
    let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers});
    let manifest = manifest.to_string().into_bytes();
    for reference in ["1".to_owned(), digest(&manifest)] {
        let path = format!("/v2/suite/{}/manifests/{reference}", recipe.name);
        content.insert(path, (MANIFEST, manifest.clone()));
    }
    Ok(())
}

/// A layer; the first also has busybox' links and the usual directories.
fn archive(files: &[File], first: bool) -> Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    let header = |kind: tar::EntryType, mode: u32| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(0);
        header
    };
    if first {
        for dir in ["bin", "etc", "tmp", "proc", "sys", "dev", "root"] {
            let mode = if dir == "tmp" { 0o1777 } else { 0o755 };
            archive.append_data(&mut header(tar::EntryType::Directory, mode), dir, &[][..])?;
        }
    }
    for File(path, bytes, mode, owner) in files {
        let mut header = header(tar::EntryType::Regular, *mode);
        header.set_size(bytes.len() as u64);
        header.set_uid(*owner);
        header.set_gid(*owner);
        archive.append_data(&mut header, path, bytes.as_slice())?;
    }
    if first {
        for name in COMMANDS.split_whitespace() {
            let mut header = header(tar::EntryType::Symlink, 0o777);
            archive.append_link(&mut header, format!("bin/{name}"), "busybox")?;
        }
    }
    Ok(archive.into_inner()?)
}

const COMMANDS: &str = "sh sleep cat echo id ls mount touch true false head tail grep env pwd hostname stat wc \
    dd kill ps nc mkdir rm ln chmod chown unshare date seq readlink trap yes nproc ip sync test printf umount df";

fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}

fn digest(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}
