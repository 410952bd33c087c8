//! `/logs/`: the files below the machine's `/var/log`, as a file server shows them.

use super::response::{Answer, Refusal, full};
use std::path::{Component, Path, PathBuf};

const ROOT: &str = "/var/log";
/// The most bytes of a file that are sent: its end.
const MOST: u64 = 16 << 20;

/// Answers with a file, or with the names in a directory.
pub async fn answer(path: &str) -> Answer {
    let path = path.to_string();
    let read = tokio::task::spawn_blocking(move || read(Path::new(ROOT), &path)).await;
    match read.map_err(Refusal::internal)? {
        Ok((text, kind)) => Ok(full(text, kind)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Err(Refusal::not_found("404 page not found")),
        Err(e) => Err(Refusal::internal(e)),
    }
}

fn read(root: &Path, path: &str) -> std::io::Result<(Vec<u8>, &'static str)> {
    use std::io::{Read, Seek, SeekFrom};
    let absent = || std::io::Error::from(std::io::ErrorKind::NotFound);
    let inner = Path::new(path);
    if !inner.components().all(|c| matches!(c, Component::Normal(_))) {
        return Err(absent());
    }
    // Links may lead anywhere: what they lead to must be below the root, too.
    let (root, found): (PathBuf, PathBuf) = (root.canonicalize()?, root.join(inner).canonicalize()?);
    if !found.starts_with(&root) {
        return Err(absent());
    }
    if found.is_dir() {
        return Ok((listing(&found)?, "text/html; charset=utf-8"));
    }
    if !found.is_file() {
        return Err(absent());
    }
    let mut file = std::fs::File::open(found)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(MOST)))?;
    let mut text = Vec::new();
    file.take(MOST).read_to_end(&mut text)?;
    Ok((text, "text/plain; charset=utf-8"))
}

fn listing(dir: &Path) -> std::io::Result<Vec<u8>> {
    let mut names: Vec<String> = std::fs::read_dir(dir)?
        .flatten()
        .map(|e| {
            let end = if e.path().is_dir() { "/" } else { "" };
            format!("{}{end}", e.file_name().to_string_lossy())
        })
        .collect();
    names.sort();
    let escape = |t: &str| t.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&#34;");
    let line = |n: &String| format!("<a href=\"{0}\">{0}</a>\n", escape(n));
    Ok(format!("<pre>\n{}</pre>\n", names.iter().map(line).collect::<String>()).into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_outside_is_shown() {
        let dir = tempfile::tempdir().expect("directory");
        std::fs::create_dir(dir.path().join("sub")).expect("made");
        std::fs::write(dir.path().join("sub/a<b"), "text").expect("written");
        std::os::unix::fs::symlink("/etc/passwd", dir.path().join("leak")).expect("linked");
        let text = |path: &str| read(dir.path(), path).map(|(t, _)| String::from_utf8_lossy(&t).into_owned());
        assert_eq!(text("sub/a<b").expect("read"), "text");
        assert_eq!(text("sub").expect("read"), "<pre>\n<a href=\"a&lt;b\">a&lt;b</a>\n</pre>\n");
        for path in ["leak", "../etc/passwd", "sub/../../x", "/etc/passwd", "none"] {
            assert!(text(path).is_err(), "{path}");
        }
    }
}
