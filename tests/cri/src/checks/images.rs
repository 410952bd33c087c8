//! Images: pull, list, status, removal, use of the disk.

use anyhow::{Context, Result, ensure};
use corten_node_api::cri::*;

use super::checks;
use crate::world::{World, same};

checks![
    images_are_pulled_listed_and_removed,
    images_are_filtered,
    an_image_tells_its_user,
    credentials_are_taken,
    a_missing_image_cannot_be_pulled,
    layers_lie_over_each_other,
    images_use_the_disk
];

fn named(image: &ImageSpec) -> ImageStatusRequest {
    ImageStatusRequest { image: Some(image.clone()), verbose: false }
}

async fn images_are_pulled_listed_and_removed(w: &World) -> Result<()> {
    let image = w.image("other").await?;
    let found = w.probe.image_status(named(&image)).await?.image.context("pulled, not there")?;
    ensure!(found.repo_tags.contains(&image.image), "{found:?}");
    ensure!(found.repo_digests.iter().any(|d| d.contains("@sha256:")), "{found:?}");
    ensure!(found.id.starts_with("sha256:") && found.size > 0, "{found:?}");
    let by_id = ImageSpec { image: found.id.clone(), ..ImageSpec::default() };
    same("by id", w.probe.image_status(named(&by_id)).await?.image.map(|i| i.id), Some(found.id.clone()))?;
    let verbose = ImageStatusRequest { image: Some(image.clone()), verbose: true };
    ensure!(!w.probe.image_status(verbose).await?.info.is_empty(), "no verbose information");
    let all = w.probe.list_images(ListImagesRequest { filter: None }).await?.images;
    ensure!(all.iter().any(|i| i.id == found.id), "not in the list");
    for _ in 0..2 {
        w.probe.remove_image(RemoveImageRequest { image: Some(image.clone()) }).await.context("remove")?;
    }
    ensure!(w.probe.image_status(named(&image)).await?.image.is_none(), "removed, still there");
    Ok(())
}

async fn images_are_filtered(w: &World) -> Result<()> {
    w.image("plain").await?;
    let image = w.image("other").await?;
    let filter = Some(ImageFilter { image: Some(image.clone()) });
    let some = w.probe.list_images(ListImagesRequest { filter }).await?.images;
    same("filtered", some.len(), 1)?;
    Ok(())
}

async fn an_image_tells_its_user(w: &World) -> Result<()> {
    let by_name = w.image("user").await?;
    let found = w.probe.image_status(named(&by_name)).await?.image.context("not there")?;
    same("user name", found.username.as_str(), "kim")?;
    let by_number = w.image("numbers").await?;
    let found = w.probe.image_status(named(&by_number)).await?.image.context("not there")?;
    same("user id", found.uid.map(|u| u.value), Some(4321))
}

async fn credentials_are_taken(w: &World) -> Result<()> {
    let image = ImageSpec {
        image: w.registry.image("plain"),
        annotations: [("a".to_owned(), "b".to_owned())].into(),
        user_specified_image: w.registry.image("plain"),
        runtime_handler: String::new(),
    };
    let own = |text: &str| text.to_owned();
    for auth in [
        AuthConfig { username: own("ann"), password: own("tree"), ..AuthConfig::default() },
        AuthConfig { auth: own("YW5uOnRyZWU="), server_address: own("127.0.0.1"), ..AuthConfig::default() },
        AuthConfig { identity_token: own("leaf"), ..AuthConfig::default() },
        AuthConfig { registry_token: own("bark"), ..AuthConfig::default() },
    ] {
        let request = PullImageRequest {
            image: Some(image.clone()),
            auth: Some(auth),
            sandbox_config: Some(w.sandbox()),
        };
        let reply = w.probe.pull_image(request).await?;
        ensure!(reply.image_ref.contains("sha256:"), "{reply:?}");
    }
    Ok(())
}

async fn a_missing_image_cannot_be_pulled(w: &World) -> Result<()> {
    let missing = ImageSpec { image: w.registry.image("missing"), ..ImageSpec::default() };
    let request = PullImageRequest { image: Some(missing.clone()), ..PullImageRequest::default() };
    let error = w.probe.pull_image(request).await.err().context("pulled")?;
    ensure!(error.is_not_found(), "{error}");
    let status = w.probe.image_status(named(&missing)).await?;
    ensure!(status.image.is_none(), "there");
    let nonsense = ImageSpec { image: "NOT/a:good:name".into(), ..ImageSpec::default() };
    let request = PullImageRequest { image: Some(nonsense), ..PullImageRequest::default() };
    ensure!(w.probe.pull_image(request).await.is_err(), "pulled a name that is none");
    Ok(())
}

async fn layers_lie_over_each_other(w: &World) -> Result<()> {
    let image = w.image("full").await?;
    let pod = w.pod().await?;
    let script = "cat /etc/below; ls /etc/gone 2>/dev/null || echo -n ' gone '; stat -c %u:%a /etc/owned";
    let output = pod
        .output(script, |c| {
            c.image = Some(image);
            c.args = std::mem::take(&mut c.command).split_off(2);
            c.command = vec!["sh".into(), "-c".into()];
        })
        .await?;
    same("files", output.as_str(), "below gone 1234:640")
}

async fn images_use_the_disk(w: &World) -> Result<()> {
    w.image("plain").await?;
    // A runtime may count now and then only.
    let mut counted = FilesystemUsage::default();
    for _ in 0..60 {
        let info = w.probe.image_fs_info(ImageFsInfoRequest {}).await?;
        counted = info.image_filesystems.first().context("no file system")?.clone();
        if counted.used_bytes.is_some_and(|b| b.value > 1 << 20) {
            break;
        }
        corten_rt::sleep(std::time::Duration::from_millis(250)).await;
    }
    ensure!(counted.fs_id.as_ref().is_some_and(|f| f.mountpoint.starts_with('/')), "{counted:?}");
    ensure!(counted.timestamp > 0, "{counted:?}");
    ensure!(counted.used_bytes.is_some_and(|b| b.value > 1 << 20), "{counted:?}");
    ensure!(counted.inodes_used.is_some_and(|i| i.value > 5), "{counted:?}");
    Ok(())
}
