//! `corten image`: the images of a data directory belong to one process. Where one runs, it is asked over a
//! socket, a line of JSON each way; otherwise the work is done here.

use super::containerd::Containerd;
use super::embedded::{Layout, listen, open_images};
use crate::images::demo;
use anyhow::{Context, Result, bail};
use corten_rt::Tasks;
use corten_runtime::images::{Image, Images};
use serde_json::{Value, json};
use std::path::Path;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

/// Far more than any request.
const MOST: u64 = 1 << 16;

/// Answers on a socket until `tasks` stop.
pub fn serve(socket: &Path, images: Images, tasks: &Tasks) -> Result<()> {
    let listener = listen(socket)?;
    let inner = tasks.clone();
    tasks.spawn_until_stopped("image commands", async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let images = images.clone();
            inner.spawn_until_stopped("image command", async move {
                if let Err(error) = converse(stream, &images).await {
                    tracing::debug!(%error, "an image command was not answered");
                }
            });
        }
    });
    Ok(())
}

async fn converse(mut stream: UnixStream, images: &Images) -> Result<()> {
    let mut text = Vec::new();
    (&mut stream).take(MOST).read_to_end(&mut text).await?;
    let answer = match answer(images, &serde_json::from_slice(&text)?).await {
        Ok(answer) => answer,
        Err(error) => json!({"error": format!("{error:#}")}),
    };
    Ok(stream.write_all(answer.to_string().as_bytes()).await?)
}

async fn answer(images: &Images, request: &Value) -> Result<Value> {
    let field = |name: &str| request.get(name).and_then(Value::as_str);
    if let Some(file) = field("import") {
        return Ok(json!({"imported": images.import(Path::new(file)).await?}));
    }
    if let Some(name) = field("pull") {
        return Ok(json!({"images": [shown(&*images.pull(name, None).await?)]}));
    }
    let list: Vec<Value> = images.list().iter().map(|image| shown(image)).collect();
    Ok(json!({"images": list}))
}

fn shown(image: &Image) -> Value {
    json!({"id": image.id, "tags": image.tags, "digests": image.digests, "size": image.size})
}

/// Asks the process that has the images, or does it here where none has.
async fn ask(data_dir: &Path, request: Value) -> Result<Value> {
    let layout = Layout::new(data_dir);
    let answer = match UnixStream::connect(layout.image_socket()).await {
        Ok(mut stream) => {
            stream.write_all(request.to_string().as_bytes()).await?;
            stream.shutdown().await?;
            let mut text = Vec::new();
            stream.read_to_end(&mut text).await?;
            serde_json::from_slice(&text).context("read the answer of the running corten")?
        }
        Err(_) => {
            let images = tokio::task::spawn_blocking(move || open_images(&layout)).await??;
            answer(&images, &request).await?
        }
    };
    if let Some(error) = answer.get("error").and_then(Value::as_str) {
        bail!("{error}");
    }
    Ok(answer)
}

/// The containerd that we started for this data directory, if one runs.
async fn containerd(data_dir: &Path) -> Result<Option<Containerd>> {
    let socket = super::containerd::Layout::new(data_dir).socket();
    if !socket.exists() || UnixStream::connect(&socket).await.is_err() {
        return Ok(None);
    }
    Containerd::external(&format!("unix://{}", socket.display())).map(Some)
}

/// `corten image import`.
pub async fn import(data_dir: &Path, file: &Path) -> Result<()> {
    import_quietly(data_dir, file).await?;
    println!("imported {}", file.display());
    Ok(())
}

async fn import_quietly(data_dir: &Path, file: &Path) -> Result<()> {
    if let Some(containerd) = containerd(data_dir).await? {
        return containerd.import(file).await;
    }
    let absolute = file.canonicalize().with_context(|| format!("open {}", file.display()))?;
    ask(data_dir, json!({"import": absolute})).await.map(drop)
}

/// `corten image demo`.
pub async fn import_demo(data_dir: &Path, name: &str) -> Result<()> {
    std::fs::create_dir_all(data_dir)?;
    let file = data_dir.join("demo.tar");
    demo(name, &file)?;
    let imported = import_quietly(data_dir, &file).await;
    std::fs::remove_file(&file)?;
    imported?;
    println!("imported {name}");
    Ok(())
}

/// `corten image pull`.
pub async fn pull(data_dir: &Path, name: &str) -> Result<()> {
    print_images(&ask(data_dir, json!({"pull": name})).await?);
    Ok(())
}

/// `corten image list`.
pub async fn list(data_dir: &Path) -> Result<()> {
    print_images(&ask(data_dir, json!({"list": true})).await?);
    Ok(())
}

fn print_images(answer: &Value) {
    let empty = Vec::new();
    let images = answer.get("images").and_then(Value::as_array).unwrap_or(&empty);
    images.iter().flat_map(lines).for_each(|line| println!("{line}"));
}

/// A line for each name of an image: the name, the beginning of its id, its size.
fn lines(image: &Value) -> Vec<String> {
    let id = image.get("id").and_then(Value::as_str).unwrap_or_default();
    let short = id.trim_start_matches("sha256:").get(..12).unwrap_or(id);
    let size = image.get("size").and_then(Value::as_u64).unwrap_or_default() as f64 / 1e6;
    let names = |key: &str| -> Vec<&str> {
        image.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
    };
    let mut shown = names("tags");
    if shown.is_empty() {
        shown = names("digests");
    }
    if shown.is_empty() {
        shown.push("<none>");
    }
    shown.iter().map(|name| format!("{name:<60} {short:<12} {size:>9.1} MB")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_shown_by_each_of_its_names() {
        let image = json!({"id": "sha256:0123456789abcdef", "tags": ["a:1", "b:2"], "size": 1_500_000});
        let lines = lines(&image);
        assert_eq!(lines.len(), 2);
        assert!(lines[0].starts_with("a:1 ") && lines[0].ends_with("0123456789ab       1.5 MB"), "{lines:?}");
        assert!(super::lines(&json!({"id": "x"}))[0].starts_with("<none>"));
    }
}
