//! Getting a container's image, by its pull policy.

use crate::Shared;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use corten_api::core::v1::{Container, Pod, Secret};
use corten_node_api::cri::{AuthConfig, Image, ImageSpec, ImageStatusRequest, PullImageRequest};
use corten_rt::Instant;
use std::time::Duration;

/// Why there is no image: upstream's waiting reason and message.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageError {
    pub reason: &'static str,
    pub message: String,
}

/// Sees to it that the image is here, pulling it if the policy says so.
pub async fn ensure(shared: &Shared, pod: &Pod, c: &Container) -> Result<Image, ImageError> {
    let spec =
        ImageSpec { image: c.image.clone(), user_specified_image: c.image.clone(), ..ImageSpec::default() };
    let present = status(shared, &spec).await?;
    let about = crate::pod::status::container_reference(pod, &c.name);
    match (c.image_pull_policy.as_str(), present) {
        ("Never", None) => {
            let message = format!("Container image \"{}\" is not present with pull policy of Never", c.image);
            shared.events.note(about, "Warning", "ErrImageNeverPull", message.clone());
            Err(ImageError { reason: "ErrImageNeverPull", message })
        }
        ("Always", _) | (_, None) => pull(shared, pod, c, spec, about).await,
        (_, Some(image)) => {
            let message = format!(
                "Container image \"{}\" already present on machine and can be accessed by the pod",
                c.image
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
    pod: &Pod,
    c: &Container,
    spec: ImageSpec,
    about: corten_api::core::v1::ObjectReference,
) -> Result<Image, ImageError> {
    let events = &shared.events;
    events.note(about.clone(), "Normal", "Pulling", format!("Pulling image \"{}\"", c.image));
    let started = Instant::now();
    let mut candidates: Vec<Option<AuthConfig>> =
        credentials(shared, pod, &c.image).await.into_iter().map(Some).collect();
    candidates.push(None);
    let mut failure = String::new();
    for auth in candidates {
        let request = PullImageRequest { image: Some(spec.clone()), auth, sandbox_config: None };
        match shared.cri.pull_image(request).await {
            Ok(_) => {
                let image = status(shared, &spec).await?;
                let took = go_seconds(started.elapsed());
                let size = image.as_ref().map_or(0, |i| i.size);
                let message = format!(
                    "Successfully pulled image \"{}\" in {took} ({took} including waiting). Image size: {size} bytes.",
                    c.image
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
    events.note(
        about.clone(),
        "Warning",
        "Failed",
        format!("Failed to pull image \"{}\": {failure}", c.image),
    );
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

/// The credentials that the pod's pull secrets hold for the image's registry.
async fn credentials(shared: &Shared, pod: &Pod, image: &str) -> Vec<AuthConfig> {
    let mut out = Vec::new();
    for reference in &pod.spec.image_pull_secrets {
        let found = shared.client.namespaced::<Secret>(&pod.metadata.namespace).find(&reference.name).await;
        let Ok(Some(secret)) = found else {
            let why = format!(
                "Unable to retrieve some image pull secrets ({}); attempting to pull the image may not succeed.",
                reference.name
            );
            shared.events.warning(pod, "FailedToRetrieveImagePullSecret", why);
            continue;
        };
        out.extend(from_secret(&secret, image));
    }
    out
}

fn from_secret(secret: &Secret, image: &str) -> Vec<AuthConfig> {
    let json = secret
        .data
        .get(".dockerconfigjson")
        .and_then(|d| serde_json::from_slice::<serde_json::Value>(d).ok())
        .and_then(|v| v.get("auths").cloned())
        .or_else(|| secret.data.get(".dockercfg").and_then(|d| serde_json::from_slice(d).ok()));
    let Some(serde_json::Value::Object(auths)) = json else { return Vec::new() };
    let registry = registry_of(image);
    auths
        .iter()
        .filter(|(server, _)| host_of(server) == registry)
        .map(|(server, entry)| {
            let text = |name: &str| entry.get(name).and_then(|v| v.as_str()).unwrap_or_default().to_string();
            let decoded = STANDARD.decode(text("auth")).ok().and_then(|b| String::from_utf8(b).ok());
            let pair = decoded.as_deref().and_then(|d| d.split_once(':'));
            let (username, password) = pair.map_or_else(
                || (text("username"), text("password")),
                |(u, p)| (u.to_string(), p.to_string()),
            );
            AuthConfig {
                username,
                password,
                server_address: server.clone(),
                identity_token: text("identitytoken"),
                ..AuthConfig::default()
            }
        })
        .collect()
}

fn host_of(server: &str) -> &str {
    let bare = server.trim_start_matches("https://").trim_start_matches("http://");
    match bare.split('/').next().unwrap_or(bare) {
        "index.docker.io" => "docker.io",
        host => host,
    }
}

/// The registry in an image's name.
fn registry_of(image: &str) -> &str {
    match image.split_once('/') {
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => host,
        _ => "docker.io",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_used_for_their_registry_only() {
        let mut secret = Secret::default();
        let json = br#"{"auths":{"https://reg.example:5000/v2/":{"auth":"dTpwOnE="},"other.example":{"username":"x"}}}"#;
        secret.data.insert(".dockerconfigjson".into(), json.to_vec());
        let got = from_secret(&secret, "reg.example:5000/a/b:1");
        assert_eq!(got.len(), 1);
        assert_eq!((got[0].username.as_str(), got[0].password.as_str()), ("u", "p:q"));
        assert!(from_secret(&secret, "busybox").is_empty());
        assert_eq!(registry_of("library/busybox"), "docker.io");
    }
}
