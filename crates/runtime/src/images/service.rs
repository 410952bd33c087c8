//! CRI's image service, with the codes and words of containerd where clients look at them.

use super::error::Error;
use super::{Image, Images};
use corten_node_api::cri;
use corten_node_api::cri::image_service_server::ImageService as Server;
use corten_rt::Clock;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use tonic::{Request, Response, Status};

/// The IDs of the layers that containers use now.
pub type InUse = Arc<dyn Fn() -> BTreeSet<String> + Send + Sync>;

/// Serves images over CRI.
#[derive(Clone)]
pub struct ImageService {
    images: Images,
    in_use: InUse,
    clock: Clock,
}

impl ImageService {
    /// Of these images. A removed image's layers go at once, except those in use.
    pub fn new(images: Images, in_use: InUse, clock: Clock) -> Self {
        Self { images, in_use, clock }
    }
}

#[tonic::async_trait]
impl Server for ImageService {
    async fn list_images(
        &self,
        request: Request<cri::ListImagesRequest>,
    ) -> Result<Response<cri::ListImagesResponse>, Status> {
        let wanted = request.into_inner().filter.and_then(|filter| filter.image).map(|spec| spec.image);
        let images = match wanted.filter(|name| !name.is_empty()) {
            Some(name) => self.images.resolve(&name).into_iter().collect(),
            None => self.images.list(),
        };
        Ok(Response::new(cri::ListImagesResponse {
            images: images.iter().map(|image| shown(image)).collect(),
        }))
    }

    async fn image_status(
        &self,
        request: Request<cri::ImageStatusRequest>,
    ) -> Result<Response<cri::ImageStatusResponse>, Status> {
        let request = request.into_inner();
        let name = name_of(request.image)?;
        // A missing image is no error.
        let Some(image) = self.images.resolve(&name) else {
            return Ok(Response::new(cri::ImageStatusResponse::default()));
        };
        let info = if request.verbose { verbose(&image) } else { HashMap::new() };
        Ok(Response::new(cri::ImageStatusResponse { image: Some(shown(&image)), info }))
    }

    async fn pull_image(
        &self,
        request: Request<cri::PullImageRequest>,
    ) -> Result<Response<cri::PullImageResponse>, Status> {
        let request = request.into_inner();
        let name = name_of(request.image)?;
        let image = self.images.pull(&name, request.auth).await.map_err(status)?;
        Ok(Response::new(cri::PullImageResponse { image_ref: image.id.clone() }))
    }

    async fn remove_image(
        &self,
        request: Request<cri::RemoveImageRequest>,
    ) -> Result<Response<cri::RemoveImageResponse>, Status> {
        let name = name_of(request.into_inner().image)?;
        let (images, in_use) = (self.images.clone(), self.in_use.clone());
        let removed = super::pull::blocking(move || {
            // One that is gone already may have left layers, if an earlier removal was interrupted.
            images.remove(&name)?;
            images.collect_beside(|| in_use())
        });
        removed.await.map_err(status)?;
        Ok(Response::new(cri::RemoveImageResponse {}))
    }

    async fn image_fs_info(
        &self,
        _: Request<cri::ImageFsInfoRequest>,
    ) -> Result<Response<cri::ImageFsInfoResponse>, Status> {
        let usage = self.images.usage();
        let filesystem = cri::FilesystemUsage {
            timestamp: i64::try_from(self.clock.now().as_nanosecond()).unwrap_or(i64::MAX),
            fs_id: Some(cri::FilesystemIdentifier {
                mountpoint: self.images.root().to_string_lossy().into_owned(),
            }),
            used_bytes: Some(cri::UInt64Value { value: usage.bytes }),
            inodes_used: Some(cri::UInt64Value { value: usage.inodes }),
        };
        Ok(Response::new(cri::ImageFsInfoResponse {
            image_filesystems: vec![filesystem.clone()],
            container_filesystems: vec![filesystem],
        }))
    }
}

fn name_of(spec: Option<cri::ImageSpec>) -> Result<String, Status> {
    let name = spec.map(|spec| spec.image).unwrap_or_default();
    if name.is_empty() { Err(Status::invalid_argument("the image's name is empty")) } else { Ok(name) }
}

fn shown(image: &Image) -> cri::Image {
    let (uid, username) = user(&image.config.user);
    cri::Image {
        id: image.id.clone(),
        repo_tags: image.tags.clone(),
        repo_digests: image.digests.clone(),
        size: image.size,
        uid: uid.map(|value| cri::Int64Value { value }),
        username,
        spec: None,
        pinned: image.pinned,
    }
}

/// A number, or a name; the group counts for nothing here.
fn user(user: &str) -> (Option<i64>, String) {
    let name = user.split(':').next().unwrap_or_default();
    match name.parse() {
        Ok(uid) => (Some(uid), String::new()),
        Err(_) => (None, name.to_owned()),
    }
}

fn verbose(image: &Image) -> HashMap<String, String> {
    let config: serde_json::Value = serde_json::from_str(&image.raw_config).unwrap_or_default();
    let layers: Vec<&str> = image.layers.iter().map(|layer| layer.id.as_str()).collect();
    let info = serde_json::json!({ "imageSpec": config, "layers": layers });
    HashMap::from([("info".to_owned(), info.to_string())])
}

/// Registries that cannot be reached are not `Unavailable`: to CRI's clients that means the runtime.
pub(super) fn status(error: Error) -> Status {
    let text = error.to_string();
    match error {
        Error::NotFound { .. } => Status::not_found(text),
        Error::Reference { .. } => Status::invalid_argument(text),
        Error::Denied { .. } => Status::permission_denied(text),
        Error::DiskFull { .. } => Status::resource_exhausted(text),
        Error::Cancelled => Status::cancelled(text),
        Error::Unavailable { .. } | Error::Invalid { .. } | Error::File { .. } => Status::unknown(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users() {
        let table = [
            ("", (None, "")),
            ("0", (Some(0), "")),
            ("10:20", (Some(10), "")),
            ("nobody:nogroup", (None, "nobody")),
        ];
        for (text, (uid, name)) in table {
            assert_eq!(user(text), (uid, name.to_owned()), "{text}");
        }
    }
}
