//! The objects that a pod names: what its node must be able to read, and what a mirror pod may not name
//! (upstream's `pkg/api/v1/pod`).

use corten_api::core::v1::{EnvFromSource, EnvVar, Pod, PodSpec, Volume, VolumeProjection};

/// Marks a pod that a node made for one of its static pods.
pub const MIRROR_ANNOTATION: &str = "kubernetes.io/config.mirror";

/// What kind of object is named. All live in the pod's namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Referenced {
    Secret,
    ConfigMap,
    ServiceAccount,
    PersistentVolumeClaim,
    ResourceClaim,
}

/// All objects that the pod names, each once, without empty names.
pub fn references(pod: &Pod) -> Vec<(Referenced, String)> {
    let mut out = Vec::new();
    let spec = &pod.spec;
    out.push((Referenced::ServiceAccount, spec.service_account_name.clone()));
    out.extend(spec.image_pull_secrets.iter().map(|s| (Referenced::Secret, s.name.clone())));
    environment(spec, &mut out);
    for volume in &spec.volumes {
        of_volume(&pod.metadata.name, volume, &mut out);
    }
    claims(pod, &mut out);
    out.retain(|(_, name)| !name.is_empty());
    out.sort_unstable();
    out.dedup();
    out
}

/// The claim that an ephemeral volume of the pod is given.
pub fn ephemeral_claim(pod: &str, volume: &str) -> String {
    format!("{pod}-{volume}")
}

fn environment(spec: &PodSpec, out: &mut Vec<(Referenced, String)>) {
    let mut visit = |env: &[EnvVar], from: &[EnvFromSource]| {
        for source in env.iter().filter_map(|v| v.value_from.as_ref()) {
            if let Some(key) = &source.secret_key_ref {
                out.push((Referenced::Secret, key.local_object_reference.name.clone()));
            }
            if let Some(key) = &source.config_map_key_ref {
                out.push((Referenced::ConfigMap, key.local_object_reference.name.clone()));
            }
        }
        for source in from {
            if let Some(all) = &source.secret_ref {
                out.push((Referenced::Secret, all.local_object_reference.name.clone()));
            }
            if let Some(all) = &source.config_map_ref {
                out.push((Referenced::ConfigMap, all.local_object_reference.name.clone()));
            }
        }
    };
    for container in spec.init_containers.iter().chain(&spec.containers) {
        visit(&container.env, &container.env_from);
    }
    for container in &spec.ephemeral_containers {
        let container = &container.ephemeral_container_common;
        visit(&container.env, &container.env_from);
    }
}

fn of_volume(pod: &str, volume: &Volume, out: &mut Vec<(Referenced, String)>) {
    let source = &volume.volume_source;
    let mut secret = |name: Option<&String>| {
        out.extend(name.map(|name| (Referenced::Secret, name.clone())));
    };
    secret(source.secret.as_ref().map(|s| &s.secret_name));
    secret(source.azure_file.as_ref().map(|s| &s.secret_name));
    secret(source.cephfs.as_ref().and_then(|s| s.secret_ref.as_ref()).map(|r| &r.name));
    secret(source.cinder.as_ref().and_then(|s| s.secret_ref.as_ref()).map(|r| &r.name));
    secret(source.flex_volume.as_ref().and_then(|s| s.secret_ref.as_ref()).map(|r| &r.name));
    secret(source.rbd.as_ref().and_then(|s| s.secret_ref.as_ref()).map(|r| &r.name));
    secret(source.scale_io.as_ref().and_then(|s| s.secret_ref.as_ref()).map(|r| &r.name));
    secret(source.iscsi.as_ref().and_then(|s| s.secret_ref.as_ref()).map(|r| &r.name));
    secret(source.storageos.as_ref().and_then(|s| s.secret_ref.as_ref()).map(|r| &r.name));
    secret(source.csi.as_ref().and_then(|s| s.node_publish_secret_ref.as_ref()).map(|r| &r.name));
    if let Some(map) = &source.config_map {
        out.push((Referenced::ConfigMap, map.local_object_reference.name.clone()));
    }
    if let Some(claim) = &source.persistent_volume_claim {
        out.push((Referenced::PersistentVolumeClaim, claim.claim_name.clone()));
    } else if source.ephemeral.is_some() {
        out.push((Referenced::PersistentVolumeClaim, ephemeral_claim(pod, &volume.name)));
    }
    for projection in source.projected.iter().flat_map(|p| &p.sources) {
        of_projection(projection, out);
    }
}

fn of_projection(projection: &VolumeProjection, out: &mut Vec<(Referenced, String)>) {
    if let Some(secret) = &projection.secret {
        out.push((Referenced::Secret, secret.local_object_reference.name.clone()));
    }
    if let Some(map) = &projection.config_map {
        out.push((Referenced::ConfigMap, map.local_object_reference.name.clone()));
    }
}

fn claims(pod: &Pod, out: &mut Vec<(Referenced, String)>) {
    for claim in &pod.spec.resource_claims {
        let made = || {
            let status = pod.status.resource_claim_statuses.iter().find(|s| s.name == claim.name)?;
            status.resource_claim_name.clone()
        };
        let name = claim.resource_claim_name.clone().or_else(made);
        out.extend(name.map(|name| (Referenced::ResourceClaim, name)));
    }
    if let Some(extended) = &pod.status.extended_resource_claim_status {
        out.push((Referenced::ResourceClaim, extended.resource_claim_name.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::core::v1::{
        ConfigMapVolumeSource, Container, EphemeralVolumeSource, LocalObjectReference, ProjectedVolumeSource,
        SecretEnvSource, SecretProjection, SecretVolumeSource, VolumeSource,
    };

    #[test]
    fn everything_that_a_pod_names_is_found_once() {
        let named = |name: &str| LocalObjectReference { name: name.into() };
        let volume = |name: &str, volume_source: VolumeSource| Volume { name: name.into(), volume_source };
        let mut pod = Pod::default();
        pod.metadata.name = "p".into();
        pod.spec.service_account_name = "sa".into();
        pod.spec.image_pull_secrets = vec![named("pull"), named("")];
        let projection = VolumeProjection {
            secret: Some(Box::new(SecretProjection {
                local_object_reference: named("projected"),
                ..SecretProjection::default()
            })),
            ..VolumeProjection::default()
        };
        let secret = SecretVolumeSource { secret_name: "pull".into(), ..SecretVolumeSource::default() };
        let map = ConfigMapVolumeSource {
            local_object_reference: named("map"),
            ..ConfigMapVolumeSource::default()
        };
        let projected =
            ProjectedVolumeSource { sources: vec![projection], ..ProjectedVolumeSource::default() };
        pod.spec.volumes = vec![
            volume("a", VolumeSource { secret: Some(Box::new(secret)), ..VolumeSource::default() }),
            volume("b", VolumeSource { config_map: Some(Box::new(map)), ..VolumeSource::default() }),
            volume("c", VolumeSource { projected: Some(Box::new(projected)), ..VolumeSource::default() }),
            volume(
                "d",
                VolumeSource {
                    ephemeral: Some(Box::new(EphemeralVolumeSource::default())),
                    ..VolumeSource::default()
                },
            ),
        ];
        let env_from = vec![EnvFromSource {
            secret_ref: Some(Box::new(SecretEnvSource {
                local_object_reference: named("env"),
                ..SecretEnvSource::default()
            })),
            ..EnvFromSource::default()
        }];
        pod.spec.init_containers = vec![Container { env_from, ..Container::default() }];
        let mut found: Vec<String> = references(&pod).iter().map(|(k, n)| format!("{k:?} {n}")).collect();
        found.sort();
        assert_eq!(
            found,
            [
                "ConfigMap map",
                "PersistentVolumeClaim p-d",
                "Secret env",
                "Secret projected",
                "Secret pull",
                "ServiceAccount sa"
            ]
        );
    }
}
