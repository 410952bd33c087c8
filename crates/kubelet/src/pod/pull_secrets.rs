//! The credentials that pods bring along for registries.

use crate::Shared;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use corten_api::core::v1::{Pod, Secret};
use corten_node_api::cri::AuthConfig;

/// Credentials, and the Secret that they are from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Credential {
    pub auth: AuthConfig,
    pub namespace: String,
    pub name: String,
    pub uid: String,
}

/// The credentials that the pod's pull secrets hold for the image's registry.
pub async fn credentials(shared: &Shared, pod: &Pod, image: &str) -> Vec<Credential> {
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
        let m = &secret.metadata;
        out.extend(from_secret(&secret, image).into_iter().map(|auth| Credential {
            auth,
            namespace: m.namespace.clone(),
            name: m.name.clone(),
            uid: m.uid.clone(),
        }));
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
