//! Files and directories of the node itself.

use super::{Place, Trouble, VolumeKind, ownership};
use async_trait::async_trait;
use corten_api::core::v1::HostPathVolumeSource;
use std::fs::{self, FileType, OpenOptions};
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

#[async_trait]
impl VolumeKind for HostPathVolumeSource {
    fn plugin(&self) -> &'static str {
        "kubernetes.io~host-path"
    }

    async fn set_up(&self, _: &Place<'_>) -> Result<PathBuf, Trouble> {
        let path = PathBuf::from(&self.path);
        if !path.is_absolute() || path.components().any(|c| c.as_os_str() == "..") {
            return Err(Trouble::SetUp(format!(
                "hostPath {:?} must be absolute and without '..'",
                self.path
            )));
        }
        check(&path, self.type_.as_deref().unwrap_or_default())?;
        Ok(path)
    }
}

/// Makes what the type says to make, and looks whether the path is what the type says.
fn check(path: &Path, kind: &str) -> Result<(), String> {
    let shown = path.display();
    let must = |is: fn(&FileType) -> bool, what: &str| {
        let found = fs::metadata(path).is_ok_and(|m| is(&m.file_type()));
        if found { Ok(()) } else { Err(format!("hostPath type check failed: {shown} is not {what}")) }
    };
    match kind {
        "" => Ok(()),
        "DirectoryOrCreate" => {
            make(path, directory).map_err(|e| format!("create directory {shown}: {e}"))?;
            must(FileType::is_dir, "a directory")
        }
        "Directory" => must(FileType::is_dir, "a directory"),
        "FileOrCreate" => {
            make(path, file).map_err(|e| format!("create file {shown}: {e}"))?;
            must(FileType::is_file, "a file")
        }
        "File" => must(FileType::is_file, "a file"),
        "Socket" => must(FileType::is_socket, "a socket file"),
        "CharDevice" => must(FileType::is_char_device, "a character device"),
        "BlockDevice" => must(FileType::is_block_device, "a block device"),
        other => Err(format!("{other:?} is an invalid volume type")),
    }
}

fn make(path: &Path, how: fn(&Path) -> io::Result<()>) -> io::Result<()> {
    if path.exists() { Ok(()) } else { how(path) }
}

fn directory(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)?;
    ownership::set_mode(path, 0o755)
}

fn file(path: &Path) -> io::Result<()> {
    OpenOptions::new().create(true).append(true).open(path)?;
    ownership::set_mode(path, 0o644)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_made_or_checked() {
        let dir = tempfile::tempdir().expect("directory");
        let (d, f) = (dir.path().join("x/d"), dir.path().join("f"));
        for (path, kind, good) in [
            (&d, "", true),
            (&d, "Directory", false),
            (&d, "DirectoryOrCreate", true),
            (&d, "Directory", true),
            (&d, "File", false),
            (&f, "File", false),
            (&f, "FileOrCreate", true),
            (&f, "File", true),
            (&f, "DirectoryOrCreate", false),
            (&f, "Socket", false),
            (&PathBuf::from("/dev/null"), "CharDevice", true),
            (&PathBuf::from("/dev/null"), "BlockDevice", false),
            (&f, "Nonsense", false),
        ] {
            assert_eq!(check(path, kind).is_ok(), good, "{} {kind}", path.display());
        }
        let error = check(&d, "File").expect_err("a directory");
        assert_eq!(error, format!("hostPath type check failed: {} is not a file", d.display()));
    }
}
