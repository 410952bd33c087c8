//! Images as volumes: their layers, read-only, or a part of them.

use std::path::{Component, Path, PathBuf};

use corten_pod::protocol::{FileSystem, Source};

use super::refusal::{invalid, missing, unsupported};
use super::{FileKind, Files, Refusal};

/// The kernel takes one page of options.
const MAX_OPTIONS: usize = 4095;

/// The layers (lowest first), or what is at `sub_path` in them.
pub(super) fn source(layers: &[PathBuf], sub_path: &str, files: &dyn Files) -> Result<Source, Refusal> {
    match part(layers, sub_path, files)? {
        Part::Nothing => Err(missing(format!("image volume: path {sub_path:?} is not in the image"))),
        Part::File(path) => Ok(bind(&path)),
        Part::Directories(lower) if lower.len() == 1 => Ok(bind(&lower[0])),
        Part::Directories(lower) => overlay(&lower, None),
    }
}

/// What is at a path of an image.
pub(super) enum Part {
    /// Nothing.
    Nothing,
    /// A file of this layer.
    File(PathBuf),
    /// A directory, in all layers that have a part in it, the topmost first.
    Directories(Vec<PathBuf>),
}

pub(super) fn part(layers: &[PathBuf], sub_path: &str, files: &dyn Files) -> Result<Part, Refusal> {
    let mut lower = Vec::new();
    for layer in layers.iter().rev() {
        match within(layer, sub_path, files)? {
            Found::Nothing => {}
            Found::File(path) if lower.is_empty() => return Ok(Part::File(path)),
            // Hidden by a directory in a layer above, and all below it.
            Found::File(_) | Found::Removed => break,
            Found::Directory { path, hides } => {
                lower.push(path);
                if hides {
                    break;
                }
            }
        }
    }
    Ok(if lower.is_empty() { Part::Nothing } else { Part::Directories(lower) })
}

enum Found {
    Nothing,
    /// This layer takes away what is below.
    Removed,
    File(PathBuf),
    Directory {
        path: PathBuf,
        /// Whether nothing of lower layers shows through.
        hides: bool,
    },
}

/// Looks a path up in one layer. A link could lead out of the layer, into another or to the machine's files,
/// and is refused.
fn within(layer: &Path, sub_path: &str, files: &dyn Files) -> Result<Found, Refusal> {
    let failed = |path: &Path, e: std::io::Error| Refusal::Internal(format!("{}: {e}", path.display()));
    let mut path = layer.to_owned();
    let mut hides = false;
    let mut found = FileKind::Directory;
    for component in Path::new(sub_path).components() {
        match component {
            Component::Normal(name) => path.push(name),
            Component::CurDir => continue,
            _ => {
                return Err(invalid(format!(
                    "image volume: sub path {sub_path:?} must be relative, without \"..\""
                )));
            }
        }
        if found == FileKind::File {
            return Ok(Found::Removed);
        }
        found = match files.kind(&path, false) {
            Ok(kind) => kind,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(if hides { Found::Removed } else { Found::Nothing });
            }
            Err(error) => return Err(failed(&path, error)),
        };
        match found {
            FileKind::Whiteout => return Ok(Found::Removed),
            FileKind::Symlink => {
                return Err(invalid(format!(
                    "image volume: sub path {sub_path:?} leads through a symbolic link"
                )));
            }
            FileKind::Directory => hides |= files.is_opaque(&path).map_err(|e| failed(&path, e))?,
            FileKind::File => {}
        }
    }
    Ok(match found {
        FileKind::File => Found::File(path),
        _ => Found::Directory { path, hides },
    })
}

fn bind(path: &Path) -> Source {
    Source::Bind(path.display().to_string())
}

/// An overlay of directories, the topmost first, that is written to a directory `upper` beside its `work`, if
/// at all.
pub(super) fn overlay(lower: &[PathBuf], own: Option<(&Path, &Path)>) -> Result<Source, Refusal> {
    let escape = |path: &Path| {
        path.display().to_string().replace('\\', "\\\\").replace(':', "\\:").replace(',', "\\,")
    };
    let lowers: Vec<String> = lower.iter().map(|path| escape(path)).collect();
    let mut options = format!("lowerdir={}", lowers.join(":"));
    if let Some((upper, work)) = own {
        options += &format!(",upperdir={},workdir={}", escape(upper), escape(work));
    }
    if options.len() > MAX_OPTIONS {
        return Err(unsupported(format!(
            "image volume: the paths of its {} layers are too long for the kernel; use an image of fewer layers",
            lower.len()
        )));
    }
    Ok(Source::Type(FileSystem { kind: "overlay".to_owned(), device: "overlay".to_owned(), options }))
}

#[cfg(test)]
mod tests {
    use super::super::FakeFiles;
    use super::*;

    #[test]
    fn layers_and_parts_of_them() {
        let files = FakeFiles {
            files: [
                "/l/1/etc/a",
                "/l/1/opt/x/f",
                "/l/2/etc/b",
                "/l/3/opt/x/g",
                "/l/1/gone/h",
                "/l/1/d/f",
                "/l/2/d",
                "/c:1,x/a",
                "/c:2/a",
            ]
            .map(|p| (p.into(), Vec::new()))
            .into(),
            whiteouts: vec!["/l/2/gone".into()],
            opaque: vec!["/l/3/opt/x".into()],
            links: [("/l/3/link".into(), "/etc".into())].into(),
            ..FakeFiles::default()
        };
        let layers: Vec<PathBuf> = ["/l/1", "/l/2", "/l/3"].map(PathBuf::from).to_vec();
        let show = |source: Result<Source, Refusal>| match source {
            Ok(Source::Bind(path)) => path,
            Ok(Source::Type(system)) => system.options,
            other => other.expect_err("no other source").to_string(),
        };
        for (sub_path, expected) in [
            ("", "lowerdir=/l/3:/l/2:/l/1"),
            ("etc", "lowerdir=/l/2/etc:/l/1/etc"),
            ("./etc/a", "/l/1/etc/a"),
            ("opt/x", "/l/3/opt/x"),
            ("opt/x/f", "image volume: path \"opt/x/f\" is not in the image"),
            ("opt", "lowerdir=/l/3/opt:/l/1/opt"),
            ("gone", "image volume: path \"gone\" is not in the image"),
            ("d/f", "image volume: path \"d/f\" is not in the image"),
            ("link", "image volume: sub path \"link\" leads through a symbolic link"),
            ("../x", "image volume: sub path \"../x\" must be relative, without \"..\""),
            ("/etc", "image volume: sub path \"/etc\" must be relative, without \"..\""),
        ] {
            assert_eq!(show(source(&layers, sub_path, &files)), expected, "{sub_path}");
        }
        assert_eq!(show(source(&layers[..1], "", &files)), "/l/1");
        let odd = ["/c:1,x", "/c:2"].map(PathBuf::from);
        assert_eq!(show(source(&odd, "", &files)), "lowerdir=/c\\:2:/c\\:1\\,x");
        let many: Vec<PathBuf> = (0..400).map(|n| format!("/layers/{n:08}").into()).collect();
        assert!(show(source(&many, "", &files)).contains("too long for the kernel"));
    }
}
