//! Volumes that bring several sources together in one directory.

use super::content::{self, DEFAULT_MODE, File, Files};
use super::{Place, Trouble, VolumeKind, config_map, downward_api, secret};
use async_trait::async_trait;
use corten_api::core::v1::{Pod, ProjectedVolumeSource, VolumeProjection};
use std::path::PathBuf;

#[async_trait]
impl VolumeKind for ProjectedVolumeSource {
    fn plugin(&self) -> &'static str {
        "kubernetes.io~projected"
    }

    /// Where two sources have the same path, the later one wins.
    async fn set_up(&self, place: &Place<'_>) -> Result<PathBuf, Trouble> {
        let mode = content::mode(self.default_mode, DEFAULT_MODE);
        let mut files = Files::new();
        for source in &self.sources {
            files.extend(project(place, source, mode).await?);
        }
        Ok(content::publish(place, files, true).await?)
    }

    fn refreshes(&self) -> bool {
        true
    }
}

async fn project(place: &Place<'_>, source: &VolumeProjection, mode: u32) -> Result<Files, String> {
    if let Some(s) = &source.config_map {
        let name = &s.local_object_reference.name;
        return config_map::files(place, name, &s.items, s.optional == Some(true), mode).await;
    }
    if let Some(s) = &source.secret {
        let name = &s.local_object_reference.name;
        return secret::files(place, name, &s.items, s.optional == Some(true), mode).await;
    }
    if let Some(s) = &source.downward_api {
        return downward_api::files(place, &s.items, mode);
    }
    if let Some(s) = &source.service_account_token {
        let token = place.volumes.tokens.get(place, s).await?;
        let owner = single_user(place.pod);
        // Whoever is named as owner or group gets the rights; nobody else.
        let mode = if owner.is_some() || place.group().is_some() { 0o600 } else { mode };
        return Ok(Files::from([(s.path.clone(), File { data: token.into_bytes(), mode, owner })]));
    }
    Err("projected volumes hold configMap, secret, downwardAPI and serviceAccountToken sources here".into())
}

/// The user that all containers run as, when the pod names one.
fn single_user(pod: &Pod) -> Option<u32> {
    let shared = pod.spec.security_context.as_ref().and_then(|c| c.run_as_user);
    let all = pod.spec.init_containers.iter().chain(&pod.spec.containers);
    let mut users = all.map(|c| c.security_context.as_ref().and_then(|s| s.run_as_user).or(shared));
    let first = users.next()??;
    users.all(|user| user == Some(first)).then_some(first).and_then(|user| u32::try_from(user).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::core::v1::{Container, PodSecurityContext, SecurityContext};

    #[test]
    fn a_user_is_known_only_if_all_containers_share_it() {
        let container = |user: Option<i64>| Container {
            security_context: Some(Box::new(SecurityContext { run_as_user: user, ..Default::default() })),
            ..Default::default()
        };
        for (pod, containers, want) in [
            (None, vec![None], None),
            (Some(5), vec![None, Some(5)], Some(5)),
            (Some(5), vec![None, Some(6)], None),
            (None, vec![Some(7), None], None),
        ] {
            let mut p = Pod::default();
            p.spec.security_context =
                Some(Box::new(PodSecurityContext { run_as_user: pod, ..Default::default() }));
            p.spec.containers = containers.into_iter().map(container).collect();
            assert_eq!(single_user(&p), want);
        }
    }
}
