//! The CRI service, called as a client's requests arrive.

use super::fake::{Layer, Registry};
use super::*;
use crate::images::ImageService;
use corten_node_api::cri;
use corten_node_api::cri::image_service_server::ImageService as _;
use std::collections::BTreeSet;
use std::sync::Arc;
use tonic::{Code, Request};

fn spec(image: &str) -> Option<cri::ImageSpec> {
    Some(cri::ImageSpec { image: image.to_owned(), ..cri::ImageSpec::default() })
}

#[tokio::test]
async fn every_call_of_the_image_service() {
    if !root() {
        return;
    }
    let registry = Registry::start().await;
    registry.put_image("lib/app", "v1", &[Layer::of(&[("app", b"one")])]);
    let directory = tempfile::tempdir().unwrap();
    let images = open(directory.path());
    let used = Arc::new(parking_lot::Mutex::new(BTreeSet::new()));
    let in_use = used.clone();
    let service = ImageService::new(
        images.clone(),
        Arc::new(move || in_use.lock().clone()),
        corten_rt::Clock::system(),
    );
    let name = registry.name("lib/app:v1");

    let status = async |image: &str, verbose| {
        let request = cri::ImageStatusRequest { image: spec(image), verbose };
        service.image_status(Request::new(request)).await.map(tonic::Response::into_inner)
    };
    let list = async |filter: Option<&str>| {
        let filter = filter.map(|image| cri::ImageFilter { image: spec(image) });
        service
            .list_images(Request::new(cri::ListImagesRequest { filter }))
            .await
            .unwrap()
            .into_inner()
            .images
    };
    let pull = async |image: &str| {
        let request = cri::PullImageRequest { image: spec(image), ..cri::PullImageRequest::default() };
        service.pull_image(Request::new(request)).await.map(|response| response.into_inner().image_ref)
    };
    let remove = async |image: &str| {
        service.remove_image(Request::new(cri::RemoveImageRequest { image: spec(image) })).await
    };

    assert_eq!(status(&name, false).await.unwrap().image, None, "a missing image is no error");
    assert_eq!(status("", false).await.unwrap_err().code(), Code::InvalidArgument);
    let id = pull(&name).await.unwrap();
    let seen = status(&name, true).await.unwrap();
    let image = seen.image.unwrap();
    assert_eq!((&image.id, &image.repo_tags[..]), (&id, std::slice::from_ref(&name)));
    assert_eq!(
        (image.uid, image.username.as_str(), image.size > 4096),
        (Some(cri::Int64Value { value: 1000 }), "", true)
    );
    let info: serde_json::Value = serde_json::from_str(&seen.info["info"]).unwrap();
    assert_eq!(info["imageSpec"]["config"]["Cmd"][0], "sh");
    assert!(status(&id, false).await.unwrap().info.is_empty());
    assert_eq!(
        (list(None).await.len(), list(Some(&id)).await.len(), list(Some("none")).await.len()),
        (1, 1, 0)
    );

    let error = pull(&registry.name("lib/none:v1")).await.unwrap_err();
    assert_eq!(error.code(), Code::NotFound);
    assert!(
        error.message().contains("failed to resolve reference") && error.message().ends_with(": not found"),
        "{error}"
    );
    assert_eq!(pull("UPPER").await.unwrap_err().code(), Code::InvalidArgument);

    let usage = service.image_fs_info(Request::new(cri::ImageFsInfoRequest {})).await.unwrap().into_inner();
    let filesystem = &usage.image_filesystems[0];
    assert!(filesystem.used_bytes.unwrap().value > 0 && filesystem.inodes_used.unwrap().value == 2);
    assert_eq!(filesystem.fs_id.as_ref().unwrap().mountpoint, directory.path().to_string_lossy());

    let layer = images.resolve(&name).unwrap().layers[0].clone();
    used.lock().insert(layer.id.clone());
    remove(&name).await.unwrap();
    assert!(layer.path.exists(), "a container uses it");
    used.lock().clear();
    remove(&name).await.unwrap();
    assert!(!layer.path.exists(), "gone with the next removal, of whatever");
    assert!(list(None).await.is_empty());
}
