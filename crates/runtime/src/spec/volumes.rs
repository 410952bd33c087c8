//! The volumes that an image names. A container's own layer keeps what is written there, as all the rest; only
//! where the root is read-only do they need a layer of their own.

use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use corten_pod::protocol::{Mount, Source};

use super::image_mounts::{Part, overlay, part};
use super::{ContainerInput, ContainerPlan, Refusal, mounts};

/// A layer for a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// What is written.
    pub upper: PathBuf,
    /// Overlayfs' directory beside it; none where the image has nothing at the volume's path.
    pub work: Option<PathBuf>,
    /// The image's directory, whose owner and permissions it has.
    pub like: Option<PathBuf>,
}

/// Adds the mounts of the image's volumes. What is at or below a mount of the configuration is that
/// mount's.
pub(super) fn add(
    input: &ContainerInput<'_>,
    places: &[String],
    out: &mut Vec<Mount>,
) -> Result<Vec<Volume>, Refusal> {
    let mut volumes = Vec::new();
    for (number, path) in input.image.volumes.iter().enumerate() {
        let target = mounts::clean(path);
        if target == "/" || places.iter().any(|place| Path::new(&target).starts_with(place)) {
            continue;
        }
        let dir = input.dir.join("volumes").join(number.to_string());
        let (upper, work) = (dir.join("upper"), dir.join("work"));
        // A path that leads through a link is the supervisor's to find: it begins empty.
        let (source, volume) = match part(input.layers, target.trim_start_matches('/'), input.files) {
            Ok(Part::Directories(lower)) => {
                let source = overlay(&lower, Some((&upper, &work)))?;
                (source, Volume { upper, work: Some(work), like: lower.into_iter().next() })
            }
            Ok(Part::File(_)) => continue,
            Ok(Part::Nothing) | Err(Refusal::InvalidArgument(_)) => {
                let source = Source::Bind(upper.display().to_string());
                (source, Volume { upper, work: None, like: None })
            }
            Err(error) => return Err(error),
        };
        out.push(Mount { source, target, ..Mount::default() });
        volumes.push(volume);
    }
    Ok(volumes)
}

impl ContainerPlan {
    /// Makes the directories that the mounts need. Blocks on the disk.
    pub fn make_directories(&self) -> io::Result<()> {
        self.directories.iter().try_for_each(std::fs::create_dir_all)?;
        for volume in &self.volumes {
            std::fs::create_dir_all(&volume.upper)?;
            if let Some(work) = &volume.work {
                std::fs::create_dir_all(work)?;
            }
            if let Some(like) = &volume.like {
                let data = like.symlink_metadata()?;
                std::fs::set_permissions(&volume.upper, PermissionsExt::from_mode(data.mode() & 0o7777))?;
                chown(&volume.upper, Some(data.uid()), Some(data.gid()))?;
            }
        }
        Ok(())
    }
}
