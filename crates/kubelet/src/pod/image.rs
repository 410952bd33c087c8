//! Getting a container's image, by its pull policy.

use super::pull_progress;
use super::pull_secrets::{Credential, credentials};
use crate::Shared;
use corten_api::core::v1::{ObjectReference, Pod};
use corten_node_api::cri::{Image, ImageSpec, ImageStatusRequest, PullImageRequest};
use corten_rt::Instant;
use std::time::Duration;

/// Why there is no image: upstream's waiting reason and message.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageError {
    pub reason: &'static str,
    pub message: String,
}

/// Sees to it that the image is here, pulling it if the policy says so.
pub async fn ensure(
    shared: &Shared,
    pod: &Pod,
    name: &str,
    policy: &str,
    about: ObjectReference,
) -> Result<Image, ImageError> {
    let spec = ImageSpec { image: name.into(), user_specified_image: name.into(), ..ImageSpec::default() };
    let mut present = status(shared, &spec).await?;
    let mut secrets = None;
    if let Some(image) = present.as_ref().filter(|i| policy != "Always" && shared.pulls.has(&i.id)) {
        // It came from a registry that asked who wants it: the next one who does has to be allowed to.
        let own = credentials(shared, pod, name).await;
        if !shared.pulls.allows(&image.id, name, &own) {
            present = None;
        }
        secrets = Some(own);
    }
    match (policy, present) {
        ("Never", None) => {
            let message = format!("Container image \"{name}\" is not present with pull policy of Never");
            shared.events.note(about, "Warning", "ErrImageNeverPull", message.clone());
            Err(ImageError { reason: "ErrImageNeverPull", message })
        }
        ("Always", _) | (_, None) => {
            let secrets = match secrets {
                Some(secrets) => secrets,
                None => credentials(shared, pod, name).await,
            };
            pull(shared, secrets, name, spec, about).await
        }
        (_, Some(image)) => {
            let message = format!(
                "Container image \"{name}\" already present on machine and can be accessed by the pod"
            );
            shared.events.note(about, "Normal", "Pulled", message);
            Ok(image)
        }
    }
}

async fn status(shared: &Shared, spec: &ImageSpec) -> Result<Option<Image>, ImageError> {
    let request = ImageStatusRequest { image: Some(spec.clone()), verbose: false };
    match shared.cri.image_status(request).await {
        Ok(reply) => Ok(reply.image),
        Err(e) => Err(ImageError { reason: "ImageInspectError", message: e.to_string() }),
    }
}

async fn pull(
    shared: &Shared,
    secrets: Vec<Credential>,
    name: &str,
    spec: ImageSpec,
    about: ObjectReference,
) -> Result<Image, ImageError> {
    let events = &shared.events;
    events.note(about.clone(), "Normal", "Pulling", format!("Pulling image \"{}\"", name));
    let started = Instant::now();
    let turn = shared.pulls.turn().await;
    let begun = Instant::now();
    let mut failure = String::new();
    for with in secrets.into_iter().map(Some).chain([None]) {
        let auth = with.as_ref().map(|c| c.auth.clone());
        let request = PullImageRequest { image: Some(spec.clone()), auth, sandbox_config: None };
        let pulled = tokio::select! {
            pulled = shared.cri.pull_image(request) => pulled,
            never = pull_progress::tell(shared, name, &about) => match never {},
        };
        match pulled {
            Ok(_) => {
                drop(turn);
                let took = begun.elapsed();
                let image = status(shared, &spec).await?;
                if let Some(image) = &image
                    && let Err(error) = shared.pulls.note(&image.id, name, with.as_ref())
                {
                    tracing::warn!(image = name, %error, "it was not noted who may use an image");
                }
                let size = image.as_ref().map_or(0, |i| i.size);
                let sized = [("image_size_in_bytes", size_class(size))];
                shared.meters.observe("kubelet_image_pull_duration_seconds", &sized, took);
                let (took, waiting) = (go_seconds(took), go_seconds(started.elapsed()));
                let message = format!(
                    "Successfully pulled image \"{}\" in {took} ({waiting} including waiting). Image size: {size} bytes.",
                    name
                );
                events.note(about, "Normal", "Pulled", message);
                return image.ok_or_else(|| ImageError {
                    reason: "ErrImagePull",
                    message: "the image was pulled but is not in store".into(),
                });
            }
            Err(e) => failure = e.to_string(),
        }
    }
    events.note(about.clone(), "Warning", "Failed", format!("Failed to pull image \"{}\": {failure}", name));
    events.note(about, "Warning", "Failed", "Error: ErrImagePull".into());
    Err(ImageError { reason: "ErrImagePull", message: failure })
}

fn go_seconds(d: Duration) -> String {
    if d < Duration::from_secs(1) {
        format!("{}ms", d.as_millis())
    } else {
        format!("{:.3}s", d.as_secs_f64())
    }
}

/// The class of an image's size by which pulls are counted; none when the size is not known.
fn size_class(bytes: u64) -> &'static str {
    const MB: u64 = 1 << 20;
    const GB: u64 = 1 << 30;
    const CLASSES: [(u64, &str); 12] = [
        (100 * GB, "GT100GB"),
        (60 * GB, "60GB-100GB"),
        (40 * GB, "40GB-60GB"),
        (30 * GB, "30GB-40GB"),
        (20 * GB, "20GB-30GB"),
        (10 * GB, "10GB-20GB"),
        (5 * GB, "5GB-10GB"),
        (GB, "1GB-5GB"),
        (500 * MB, "500MB-1GB"),
        (100 * MB, "100MB-500MB"),
        (10 * MB, "10MB-100MB"),
        (0, "0-10MB"),
    ];
    CLASSES.iter().find(|(above, _)| bytes > *above).map_or("", |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_counted_by_their_size() {
        for (bytes, want) in
            [(0, ""), (1, "0-10MB"), (10 << 20, "0-10MB"), (7 << 30, "5GB-10GB"), (u64::MAX, "GT100GB")]
        {
            assert_eq!(size_class(bytes), want, "{bytes}");
        }
    }
}
