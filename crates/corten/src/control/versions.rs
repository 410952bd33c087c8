//! The flag of versions of the API that are off unless somebody turns them on, with upstream's name.

use anyhow::{Result, bail};
use clap::Args;
use corten_api::KindInfo;
use corten_api::builtin::{KINDS, OPTIONAL};

/// Which versions are turned on.
#[derive(Args, Clone, Debug, Default)]
pub struct VersionFlags {
    /// Versions of the API to turn on, which are off by default: admissionregistration.k8s.io/v1beta1=true.
    #[arg(long, env = "CORTEN_RUNTIME_CONFIG", value_delimiter = ',', value_name = "VERSION=BOOL")]
    pub runtime_config: Vec<String>,
}

/// The name and whether it is to be on; without a word it is.
fn setting(text: &str) -> Result<(&str, bool)> {
    let (name, value) = text.split_once('=').unwrap_or((text, "true"));
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok((name, true)),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok((name, false)),
        _ => bail!("invalid value of {name}={value}: write true or false"),
    }
}

impl VersionFlags {
    /// The kinds that are served beside the usual ones.
    pub fn optional_kinds(&self) -> Result<Vec<&'static KindInfo>> {
        let mut wanted: Vec<&'static KindInfo> = Vec::new();
        // What is said of many is said before what is said of one.
        let mut settings =
            self.runtime_config.iter().map(|text| setting(text)).collect::<Result<Vec<_>>>()?;
        settings.sort_by_key(|(name, _)| !name.starts_with("api/"));
        for (name, on) in settings {
            let means = |kind: &KindInfo| match name {
                "api/all" => true,
                "api/beta" => kind.version.contains("beta"),
                "api/alpha" => kind.version.contains("alpha"),
                name => {
                    name == kind.api_version() || name == format!("{}/{}", kind.api_version(), kind.plural)
                }
            };
            let meant: Vec<_> = OPTIONAL.iter().copied().filter(|kind| means(kind)).collect();
            let usual = || KINDS.iter().any(|kind| means(kind));
            match (meant.is_empty(), on) {
                (true, true) if name == "api/ga" || usual() => {}
                (true, false) if name != "api/ga" && !usual() => {}
                (true, true) => bail!("runtime-config: {name} is no version of the API that this server has"),
                (true, false) => bail!("runtime-config: {name} cannot be turned off"),
                (false, _) => wanted.retain(|kind| !meant.contains(kind)),
            }
            if on {
                wanted.extend(meant);
            }
        }
        Ok(wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(versions: &str) -> VersionFlags {
        VersionFlags { runtime_config: versions.split_whitespace().map(str::to_owned).collect() }
    }

    #[test]
    fn versions_are_off_until_they_are_turned_on() {
        for (versions, expected) in [
            ("", Ok(0)),
            ("admissionregistration.k8s.io/v1beta1=true", Ok(2)),
            ("admissionregistration.k8s.io/v1beta1", Ok(2)),
            ("admissionregistration.k8s.io/v1beta1/mutatingadmissionpolicies=true", Ok(1)),
            ("admissionregistration.k8s.io/v1alpha1=true admissionregistration.k8s.io/v1beta1=true", Ok(4)),
            ("admissionregistration.k8s.io/v1beta1=false api/all=true", Ok(2)),
            ("api/beta=true apps/v1=true api/ga=true", Ok(2)),
            ("apps/v1=false", Err("runtime-config: apps/v1 cannot be turned off")),
            ("apps/v9=false", Ok(0)),
            ("apps/v9=true", Err("runtime-config: apps/v9 is no version of the API that this server has")),
        ] {
            let told = flags(versions).optional_kinds().map(|kinds| kinds.len());
            assert_eq!(
                told.map_err(|error| error.to_string()),
                expected.map_err(str::to_owned),
                "{versions}"
            );
        }
    }
}
