//! AppArmor profiles in annotations, from before there was a field for them: field and annotation say the same.

use crate::errors::Errors;
use corten_api::core::v1::{AppArmorProfile, Container, Pod, PodSpec};

/// Followed by a container's name.
pub(super) const ANNOTATION: &str = "container.apparmor.security.beta.kubernetes.io/";
const RUNTIME_DEFAULT: &str = "runtime/default";
const UNCONFINED: &str = "unconfined";
const LOCALHOST: &str = "localhost/";

fn is_windows(spec: &PodSpec) -> bool {
    spec.os.as_ref().is_some_and(|os| os.name == "windows")
}

/// Containers that have profiles, with their paths.
fn containers(spec: &PodSpec) -> impl Iterator<Item = (String, &Container)> {
    let of = |list: &'static str| move |(i, c)| (format!("spec.{list}[{i}]"), c);
    let first = spec.init_containers.iter().enumerate().map(of("initContainers"));
    first.chain(spec.containers.iter().enumerate().map(of("containers")))
}

/// The profile that an annotation means; none when it means nothing.
fn meant(annotation: &str) -> Option<AppArmorProfile> {
    let plain = |type_: &str| AppArmorProfile { type_: type_.into(), localhost_profile: None };
    match annotation {
        UNCONFINED => Some(plain("Unconfined")),
        RUNTIME_DEFAULT => Some(plain("RuntimeDefault")),
        other => {
            let name = other.strip_prefix(LOCALHOST)?;
            let fine = !name.is_empty() && name.trim() == name && name.len() <= 4095;
            fine.then(|| AppArmorProfile {
                type_: "Localhost".into(),
                localhost_profile: Some(name.to_string()),
            })
        }
    }
}

/// Gives containers without a profile the one of their annotation.
pub(super) fn fill(pod: &mut Pod) {
    if is_windows(&pod.spec) {
        return;
    }
    let annotations = &pod.metadata.annotations;
    let of_pod = pod.spec.security_context.as_ref().and_then(|c| c.app_armor_profile.clone());
    for container in pod.spec.init_containers.iter_mut().chain(&mut pod.spec.containers) {
        let has = container.security_context.as_ref().is_some_and(|c| c.app_armor_profile.is_some());
        let annotation = annotations.get(&format!("{ANNOTATION}{}", container.name)).filter(|_| !has);
        let profile = annotation.and_then(|a| meant(a)).map(Box::new);
        if profile.is_some() && profile != of_pod {
            container.security_context.get_or_insert_default().app_armor_profile = profile;
        }
    }
}

/// What is wrong with the annotations alone.
pub(super) fn annotations(errors: &mut Errors, pod: &Pod) {
    for (key, value) in &pod.metadata.annotations {
        let Some(name) = key.strip_prefix(ANNOTATION) else { continue };
        let path = format!("metadata.annotations[{key}]");
        let debugging =
            pod.spec.ephemeral_containers.iter().any(|c| c.ephemeral_container_common.name == name);
        if !debugging && !containers(&pod.spec).any(|(_, c)| c.name == name) {
            errors.invalid(&path, name, "container not found");
        }
        let known = ["", RUNTIME_DEFAULT, UNCONFINED].contains(&value.as_str());
        if !known && !value.starts_with(LOCALHOST) {
            errors.invalid(path, value, format!("invalid AppArmor profile name: {value:?}"));
        }
    }
}

/// Where a new pod's annotations and fields differ.
pub(super) fn agreement(errors: &mut Errors, pod: &Pod) {
    if is_windows(&pod.spec) {
        return;
    }
    let of_pod = pod.spec.security_context.as_ref().and_then(|c| c.app_armor_profile.as_deref());
    for (path, container) in containers(&pod.spec) {
        let own = container.security_context.as_ref().and_then(|c| c.app_armor_profile.as_deref());
        let Some(profile) = own.or(of_pod) else { continue };
        let Some(annotation) = pod.metadata.annotations.get(&format!("{ANNOTATION}{}", container.name))
        else {
            continue;
        };
        let path = format!("{path}.securityContext.appArmorProfile");
        let name = annotation.strip_prefix(LOCALHOST);
        let same_type = match profile.type_.as_str() {
            "Unconfined" => annotation == UNCONFINED,
            "RuntimeDefault" => annotation == RUNTIME_DEFAULT,
            "Localhost" => name.is_some(),
            _ => true,
        };
        if !same_type {
            errors.forbidden(format!("{path}.type"), "apparmor type in annotation and field must match");
        } else if profile.type_ == "Localhost" && profile.localhost_profile.as_deref() != name {
            let detail = "apparmor profile in annotation and field must match";
            errors.forbidden(format!("{path}.localhostProfile"), detail);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::core::v1::SecurityContext;

    fn pod(annotation: &str, profile: Option<(&str, Option<&str>)>) -> Pod {
        let mut pod = Pod::default();
        pod.metadata.annotations.insert(format!("{ANNOTATION}c"), annotation.into());
        let profile = profile.map(|(type_, name)| {
            Box::new(AppArmorProfile { type_: type_.into(), localhost_profile: name.map(String::from) })
        });
        let context = SecurityContext { app_armor_profile: profile, ..SecurityContext::default() };
        pod.spec.containers = vec![Container {
            name: "c".into(),
            security_context: Some(Box::new(context)),
            ..Container::default()
        }];
        pod
    }

    #[test]
    fn annotations_become_fields() {
        for (annotation, want) in [
            ("runtime/default", Some(("RuntimeDefault", None))),
            ("localhost/p", Some(("Localhost", Some("p")))),
            ("unconfined", Some(("Unconfined", None))),
            ("localhost/", None),
            ("other", None),
        ] {
            let mut made = pod(annotation, None);
            fill(&mut made);
            assert_eq!(made.spec, pod(annotation, want).spec, "{annotation}");
        }
    }

    #[test]
    fn annotations_and_fields_agree() {
        let told = |pod: &Pod| -> Vec<String> {
            let mut errors = Errors::default();
            annotations(&mut errors, pod);
            agreement(&mut errors, pod);
            errors.into_vec().iter().map(ToString::to_string).collect()
        };
        let fine: [String; 0] = [];
        let key = format!("metadata.annotations[{ANNOTATION}c]");
        let path = "spec.containers[0].securityContext.appArmorProfile";
        assert_eq!(told(&pod("localhost/p", Some(("Localhost", Some("p"))))), fine);
        assert_eq!(
            told(&pod("localhost/p", Some(("Localhost", Some("q"))))),
            [format!(
                "{path}.localhostProfile: Forbidden: apparmor profile in annotation and field must match"
            )]
        );
        assert_eq!(
            told(&pod("unconfined", Some(("RuntimeDefault", None)))),
            [format!("{path}.type: Forbidden: apparmor type in annotation and field must match")]
        );
        let mut other = pod("none", None);
        other.spec.containers[0].name = "d".into();
        assert_eq!(
            told(&other),
            [
                format!("{key}: Invalid value: \"c\": container not found"),
                format!("{key}: Invalid value: \"none\": invalid AppArmor profile name: \"none\""),
            ]
        );
    }
}
