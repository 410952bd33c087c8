//! Flags of admission, with upstream's names, and the file behind them.

use anyhow::{Context, Result, bail};
use clap::Args;
use corten_admission::{Chain, Settings};
use corten_apiserver::outbound::Credentials;
use corten_codec::{Problems, yaml};
use corten_semantics::gates::{Gate, Gates};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Which checks writes pass.
#[derive(Args, Clone, Debug, Default)]
pub struct AdmissionFlags {
    /// Admission plugins to turn on beside those that are on by default.
    #[arg(long, env = "CORTEN_ENABLE_ADMISSION_PLUGINS", value_delimiter = ',', value_name = "NAMES")]
    pub enable_admission_plugins: Vec<String>,
    /// Admission plugins to turn off.
    #[arg(long, env = "CORTEN_DISABLE_ADMISSION_PLUGINS", value_delimiter = ',', value_name = "NAMES")]
    pub disable_admission_plugins: Vec<String>,
    /// A file with the plugins' configuration, of kind AdmissionConfiguration.
    #[arg(long, env = "CORTEN_ADMISSION_CONTROL_CONFIG_FILE", value_name = "FILE")]
    pub admission_control_config_file: Option<PathBuf>,
}

impl AdmissionFlags {
    fn configuration(&self) -> Result<BTreeMap<String, Value>> {
        match &self.admission_control_config_file {
            Some(file) => read(file).with_context(|| format!("read {}", file.display())),
            None => Ok(BTreeMap::new()),
        }
    }

    /// How the server proves itself to webhooks, by the name of the check that calls them.
    pub fn credentials(&self) -> Result<BTreeMap<&'static str, Credentials>> {
        let configuration = self.configuration()?;
        let mut found = BTreeMap::new();
        for plugin in ["MutatingAdmissionWebhook", "ValidatingAdmissionWebhook"] {
            let Some(configuration) = configuration.get(plugin).filter(|given| !given.is_null()) else {
                continue;
            };
            let file = configuration["kubeConfigFile"].as_str().unwrap_or_default();
            if !Path::new(file).is_absolute() {
                bail!("{plugin}: kubeConfigFile: Invalid value: {file:?}: must be an absolute file path");
            }
            found.insert(plugin, Credentials::of_kubeconfig(Path::new(file))?);
        }
        Ok(found)
    }

    /// The checks that these flags ask for.
    pub fn chain(&self, gates: Gates) -> Result<Chain> {
        let configuration = self.configuration()?;
        let settings = Settings {
            enable: self.enable_admission_plugins.clone(),
            disable: self.disable_admission_plugins.clone(),
            configuration,
            mutating_policies: gates.open(Gate::MutatingAdmissionPolicy),
        };
        Chain::configured(&settings).map_err(anyhow::Error::msg)
    }
}

fn document(file: &Path) -> Result<Value> {
    let bytes = std::fs::read(file).with_context(|| format!("read {}", file.display()))?;
    let json = yaml::to_json(&bytes, &mut Problems::ignore())?;
    Ok(serde_json::from_slice(&json)?)
}

/// The configuration of each plugin, which stands in the file or in one that it names.
fn read(file: &Path) -> Result<BTreeMap<String, Value>> {
    let document = document(file)?;
    if document.get("kind").and_then(Value::as_str) != Some("AdmissionConfiguration") {
        bail!("its kind must be AdmissionConfiguration, of apiserver.config.k8s.io/v1");
    }
    let mut found = BTreeMap::new();
    for plugin in document.get("plugins").and_then(Value::as_array).into_iter().flatten() {
        let text = |key: &str| plugin.get(key).and_then(Value::as_str).unwrap_or_default();
        let configuration = match (text("path"), plugin.get("configuration")) {
            ("", configuration) => configuration.cloned().unwrap_or(Value::Null),
            (path, _) => self::document(&file.parent().unwrap_or(Path::new("")).join(path))?,
        };
        found.insert(text("name").to_string(), configuration);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plugins_are_configured_by_a_file_and_files_beside_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("admission.yaml");
        std::fs::write(directory.path().join("events.yaml"), "limits: [{type: Server, qps: 5, burst: 9}]")
            .expect("written");
        let text = "apiVersion: apiserver.config.k8s.io/v1\nkind: AdmissionConfiguration\nplugins:\n\
                    - name: EventRateLimit\n  path: events.yaml\n\
                    - name: PodSecurity\n  configuration:\n    defaults: {enforce: baseline}\n";
        std::fs::write(&file, text).expect("written");
        let flags = AdmissionFlags {
            enable_admission_plugins: vec!["EventRateLimit".into()],
            admission_control_config_file: Some(file.clone()),
            ..AdmissionFlags::default()
        };
        assert!(flags.chain(Gates::default()).expect("valid").has("EventRateLimit"));
        std::fs::write(&file, "kind: Pod").expect("written");
        assert!(flags.chain(Gates::default()).is_err());
    }

    #[test]
    fn webhooks_are_called_by_the_users_of_a_file() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = |name: &str| directory.path().join(name);
        std::fs::write(path("users"), "users: [{name: '*', user: {token: t}}]").expect("written");
        let file = path("admission.yaml");
        let flags =
            AdmissionFlags { admission_control_config_file: Some(file.clone()), ..AdmissionFlags::default() };
        for (users, want) in [(path("users"), true), ("users".into(), false), (path("none"), false)] {
            let text = format!(
                "kind: AdmissionConfiguration\nplugins:\n- name: ValidatingAdmissionWebhook\n  configuration:\n    \
                 {{kind: WebhookAdmissionConfiguration, kubeConfigFile: '{}'}}\n",
                users.display()
            );
            std::fs::write(&file, text).expect("written");
            let found = flags.credentials().map(|found| found.into_keys().collect::<Vec<_>>()).ok();
            assert_eq!(found, want.then(|| vec!["ValidatingAdmissionWebhook"]), "{}", users.display());
        }
    }
}
