//! Plugins that make themselves known by a socket in the kubelet's `plugins_registry`: CSI drivers, and
//! whatever else is given a [`PluginHandler`]. A socket that appears is asked for the plugin behind it; when it
//! goes, so does the plugin. One that was replaced (another file of the same name) is a new plugin.

mod watch;

use async_trait::async_trait;
use corten_node_api::plugin_registration::registration_client::RegistrationClient;
use corten_node_api::plugin_registration::{InfoRequest, PluginInfo, RegistrationStatus};
use corten_rt::{Backoff, Instant};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use watch::{Identity, Watch};

/// How long to wait for a connection, and for a plugin to say who it is.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long to wait before a plugin that could not be registered is asked again.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const MOST_WAIT: Duration = Duration::from_secs(120);

/// A plugin that wants to be registered, as it described itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plugin {
    /// Its name: that of the driver, or of the resource.
    pub name: String,
    /// The socket on which it serves.
    pub endpoint: PathBuf,
    /// The versions of its interface that it speaks.
    pub versions: Vec<String>,
}

/// Takes plugins of one type.
#[async_trait]
pub trait PluginHandler: Send + Sync {
    /// Takes the plugin, or says why not; it is asked again later then.
    async fn register(&self, plugin: &Plugin) -> Result<(), String>;
    /// The plugin's socket has gone.
    async fn deregister(&self, plugin: &Plugin);
}

/// Who takes plugins, by their type.
pub type Handlers = BTreeMap<&'static str, Arc<dyn PluginHandler>>;

/// What is known of one socket.
struct Known {
    identity: Identity,
    state: State,
}

enum State {
    Registered { kind: String, plugin: Plugin },
    Refused { again: Instant, backoff: Backoff },
}

/// The registry: follows the sockets in a directory.
pub struct Registry {
    dir: PathBuf,
    handlers: Handlers,
    known: BTreeMap<PathBuf, Known>,
}

impl Registry {
    /// Of the sockets in `dir` and below, which is made if it is missing.
    pub fn new(dir: PathBuf, handlers: Handlers) -> Self {
        Registry { dir, handlers, known: BTreeMap::new() }
    }

    /// Follows the sockets until dropped.
    pub async fn run(mut self) {
        if let Err(error) = std::fs::create_dir_all(&self.dir) {
            tracing::warn!(dir = %self.dir.display(), %error, "the directory of plugins cannot be made");
        }
        let mut watch = Watch::new(self.dir.clone());
        loop {
            let sockets = watch.sockets();
            self.reconcile(&sockets).await;
            watch.changed(self.next_try()).await;
        }
    }

    /// When the first of those that were refused is to be asked again.
    fn next_try(&self) -> Option<Duration> {
        let refused = self.known.values().filter_map(|known| match &known.state {
            State::Refused { again, .. } => Some(*again),
            State::Registered { .. } => None,
        });
        refused.min().map(|again| again.saturating_duration_since(Instant::now()))
    }

    async fn reconcile(&mut self, sockets: &BTreeMap<PathBuf, Identity>) {
        let gone = self.known.iter().filter(|(path, known)| sockets.get(*path) != Some(&known.identity));
        let gone: Vec<PathBuf> = gone.map(|(path, _)| path.clone()).collect();
        for path in gone {
            if let Some(Known { state: State::Registered { kind, plugin }, .. }) = self.known.remove(&path) {
                tracing::info!(plugin = plugin.name, socket = %path.display(), "a plugin has gone");
                if let Some(handler) = self.handlers.get(kind.as_str()) {
                    handler.deregister(&plugin).await;
                }
            }
        }
        for (path, identity) in sockets {
            let backoff = match self.known.remove(path) {
                None => Backoff::new(FIRST_WAIT, MOST_WAIT),
                Some(Known { state: State::Refused { again, backoff }, .. }) if again <= Instant::now() => {
                    backoff
                }
                Some(known) => {
                    self.known.insert(path.clone(), known);
                    continue;
                }
            };
            let state = self.try_register(path, backoff).await;
            self.known.insert(path.clone(), Known { identity: *identity, state });
        }
    }

    async fn try_register(&self, socket: &Path, mut backoff: Backoff) -> State {
        match Box::pin(self.register(socket)).await {
            Ok((kind, plugin)) => {
                tracing::info!(plugin = plugin.name, kind, "a plugin is registered");
                State::Registered { kind, plugin }
            }
            Err(error) => {
                tracing::warn!(socket = %socket.display(), error, "a plugin was not registered");
                State::Refused { again: Instant::now() + backoff.step(), backoff }
            }
        }
    }

    /// Asks who serves the socket, hands the plugin to who takes its type, and tells it the outcome.
    async fn register(&self, socket: &Path) -> Result<(String, Plugin), String> {
        let mut client = RegistrationClient::new(corten_node_api::channel(socket, PATIENCE));
        let info = corten_rt::timeout(PATIENCE, client.get_info(InfoRequest {})).await;
        let info = info.ok_or_else(|| format!("no answer within {PATIENCE:?}"))?;
        let info = info.map_err(|e| format!("failed to get plugin info: {}", e.message()))?.into_inner();
        let (kind, plugin) = described(info, socket);
        let outcome = match self.handlers.get(kind.as_str()) {
            Some(handler) if !plugin.name.is_empty() => handler.register(&plugin).await,
            Some(_) => Err("the plugin has no name".to_string()),
            None => {
                Err(format!("no handler registered for plugin type: {kind} at socket {}", socket.display()))
            }
        };
        let status = RegistrationStatus {
            plugin_registered: outcome.is_ok(),
            error: outcome.as_ref().err().cloned().unwrap_or_default(),
        };
        let told = corten_rt::timeout(PATIENCE, client.notify_registration_status(status)).await;
        match (outcome, told) {
            (Err(error), _) => Err(error),
            (Ok(()), Some(Ok(_))) => Ok((kind, plugin)),
            (Ok(()), failed) => {
                // It does not know that it is registered, and will not serve.
                if let Some(handler) = self.handlers.get(kind.as_str()) {
                    handler.deregister(&plugin).await;
                }
                let why =
                    failed.and_then(Result::err).map_or("no answer".into(), |e| e.message().to_string());
                Err(format!("failed to send registration status: {why}"))
            }
        }
    }
}

/// The plugin as it says it is; one that names no endpoint serves on the registration socket.
fn described(info: PluginInfo, socket: &Path) -> (String, Plugin) {
    let endpoint = match info.endpoint.as_str() {
        "" => socket.to_path_buf(),
        given => PathBuf::from(given.strip_prefix("unix://").unwrap_or(given)),
    };
    (info.r#type, Plugin { name: info.name, endpoint, versions: info.supported_versions })
}

#[cfg(test)]
mod tests;
