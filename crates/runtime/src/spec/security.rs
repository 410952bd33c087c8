//! What the kernel's security modules and filters do to a container.

use std::path::Path;

use corten_node_api::cri;
use cri::security_profile::ProfileType;

use super::refusal::{invalid, missing, unsupported};
use super::seccomp::{Context, Filter, Source};
use super::{ContainerInput, Refusal};

/// Where the kernel lists the loaded profiles.
const APPARMOR_PROFILES: &str = "/sys/kernel/security/apparmor/profiles";

/// Profiles that are taken for `RuntimeDefault`, the first that is loaded. Loading one is the machine's
/// business: it takes AppArmor's own parser.
const APPARMOR_DEFAULTS: [&str; 3] = ["corten-default", "cri-containerd.apparmor.d", "docker-default"];

/// A profile as the configuration names it, now or as it did before v1.19.
fn profile(
    given: Option<&cri::SecurityProfile>,
    old: &str,
) -> Result<Option<(ProfileType, String)>, Refusal> {
    let Some(given) = given else {
        return match old {
            "" => Ok(None),
            "runtime/default" | "docker/default" => Ok(Some((ProfileType::RuntimeDefault, String::new()))),
            "unconfined" => Ok(Some((ProfileType::Unconfined, String::new()))),
            _ => match old.strip_prefix("localhost/") {
                Some(name) => Ok(Some((ProfileType::Localhost, name.to_owned()))),
                None => Err(invalid(format!("invalid security profile {old:?}"))),
            },
        };
    };
    let kind = ProfileType::try_from(given.profile_type)
        .map_err(|_| invalid(format!("unknown security profile type {}", given.profile_type)))?;
    Ok(Some((kind, given.localhost_ref.clone())))
}

fn refuse_reference(kind: ProfileType, reference: &str, module: &str) -> Result<(), Refusal> {
    if kind == ProfileType::Localhost || reference.is_empty() {
        return Ok(());
    }
    Err(invalid(format!("{module} config invalid LocalhostRef must only be set if ProfileType is Localhost")))
}

/// The system-call filter, if any; a privileged container has none.
pub(super) fn seccomp(
    input: &ContainerInput<'_>,
    context: &cri::LinuxContainerSecurityContext,
    capabilities: u64,
) -> Result<Option<Filter>, Refusal> {
    if context.privileged {
        return Ok(None);
    }
    let given = profile(context.seccomp.as_ref(), &context.seccomp_profile_path)?;
    let Some((kind, reference)) = given.filter(|(kind, _)| *kind != ProfileType::Unconfined) else {
        return Ok(None);
    };
    if !input.machine.seccomp {
        return Err(unsupported("seccomp is not supported"));
    }
    refuse_reference(kind, &reference, "seccomp")?;
    let read;
    let source = match kind {
        ProfileType::RuntimeDefault => Source::Default,
        _ => {
            let path = reference.strip_prefix("localhost/").unwrap_or(&reference);
            read = input.files.read(Path::new(path)).map_err(|e| {
                missing(format!(
                    "failed to generate seccomp spec opts: cannot load seccomp profile {path:?}: {e}"
                ))
            })?;
            Source::File(&read)
        }
    };
    let machine = input.machine;
    let context = Context { arch: machine.arch, capabilities, kernel: machine.kernel };
    let filter = input.filters.get(source, context);
    filter.map(|f| Some((*f).clone())).map_err(|e| match kind {
        ProfileType::Localhost => invalid(format!("{reference}: {e}")),
        _ => Refusal::Internal(e.to_string()),
    })
}

/// The AppArmor profile, if any.
pub(super) fn apparmor(
    input: &ContainerInput<'_>,
    context: &cri::LinuxContainerSecurityContext,
) -> Result<Option<String>, Refusal> {
    let given = profile(context.apparmor.as_ref(), &context.apparmor_profile)?;
    if !input.machine.apparmor {
        return match given {
            Some((kind, _)) if kind != ProfileType::Unconfined => {
                Err(unsupported("apparmor is not supported"))
            }
            _ => Ok(None),
        };
    }
    let loaded = |name: &str| {
        let list = input.files.read(Path::new(APPARMOR_PROFILES)).unwrap_or_default();
        let list = String::from_utf8_lossy(&list).into_owned();
        list.lines().any(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(" (")))
    };
    let default = || APPARMOR_DEFAULTS.into_iter().find(|name| loaded(name)).map(str::to_owned);
    match given {
        None if context.privileged => Ok(None),
        None => Ok(default()),
        Some((kind, reference)) => {
            refuse_reference(kind, &reference, "apparmor")?;
            match kind {
                ProfileType::Unconfined => Ok(None),
                ProfileType::RuntimeDefault if context.privileged => Ok(None),
                ProfileType::RuntimeDefault => default().map(Some).ok_or_else(|| {
                    unsupported(format!(
                        "no default apparmor profile is loaded: load one named {:?} with apparmor_parser",
                        APPARMOR_DEFAULTS[0]
                    ))
                }),
                ProfileType::Localhost => {
                    let name = reference.strip_prefix("localhost/").unwrap_or(&reference);
                    match loaded(name) && !name.is_empty() {
                        true => Ok(Some(name.to_owned())),
                        false => Err(missing(format!("apparmor profile not found {name}"))),
                    }
                }
            }
        }
    }
}

/// Labels mean nothing where SELinux is off, as with other runtimes; where it is on, a container must not
/// run without the one it asked for.
pub(super) fn refuse_selinux(
    input: &ContainerInput<'_>,
    options: Option<&cri::SeLinuxOption>,
) -> Result<(), Refusal> {
    let asked = options.is_some_and(|o| *o != cri::SeLinuxOption::default());
    if asked && input.machine.selinux {
        return Err(unsupported(
            "SELinux labels are not supported by this runtime: leave seLinuxOptions out",
        ));
    }
    Ok(())
}
