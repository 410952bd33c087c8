//! Networks of others: plugins are executed as the Container Network Interface (specification 1.0.0) says, with
//! the first configuration that lies in a directory. What they answered is kept, for their removal wants it.

mod config;
mod plugin;

use crate::network::{Attachment, SandboxNetwork, raise_loopback};
use config::Network;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The sandboxes' interface.
const INTERFACE: &str = "eth0";

/// A network by plugins.
#[derive(Clone, Debug)]
pub struct Cni {
    config_dir: PathBuf,
    plugin_path: String,
    results: PathBuf,
    range: Arc<Mutex<Option<String>>>,
}

impl Cni {
    /// A network as the first configuration in `config_dir` says, by the plugins in `plugin_path` (directories
    /// separated by colons). Notes are kept in `results`.
    pub fn new(config_dir: &Path, plugin_path: &str, results: &Path) -> Self {
        Cni {
            config_dir: config_dir.to_owned(),
            plugin_path: plugin_path.to_owned(),
            results: results.to_owned(),
            range: Arc::default(),
        }
    }

    fn note(&self, sandbox: &str) -> PathBuf {
        self.results.join(format!("{sandbox}.json"))
    }

    fn add(&self, network: &Network, attachment: &Attachment) -> Result<Value, String> {
        let range = self.range.lock().clone();
        let mut result = Value::Null;
        for plugin in &network.plugins {
            let input = network.input(plugin, &attachment.ports, range.as_deref(), &result);
            result = plugin::call(&self.plugin_path, "ADD", &input, attachment, INTERFACE)?;
        }
        Ok(result)
    }

    /// The last plugin is undone first. Each is, whatever comes of the others.
    fn delete(&self, network: &Network, attachment: &Attachment, result: &Value) -> Result<(), String> {
        let range = self.range.lock().clone();
        let mut outcome = Ok(());
        for plugin in network.plugins.iter().rev() {
            let input = network.input(plugin, &attachment.ports, range.as_deref(), result);
            let deleted = plugin::call(&self.plugin_path, "DEL", &input, attachment, INTERFACE).map(drop);
            outcome = outcome.and(deleted);
        }
        outcome
    }

    fn keep(&self, sandbox: &str, network: &Network, result: &Value) -> Result<(), String> {
        let file = self.note(sandbox);
        let note = json!({"config": network.to_json(), "result": result}).to_string();
        let write = || {
            std::fs::create_dir_all(&self.results)?;
            crate::record::write_bytes(&file, note.as_bytes())
        };
        write().map_err(|e| format!("write {}: {e}", file.display()))
    }
}

impl SandboxNetwork for Cni {
    fn ready(&self) -> Result<(), String> {
        Network::first_in(&self.config_dir).map(drop)
    }

    fn setup(&self, attachment: &Attachment) -> Result<Vec<IpAddr>, String> {
        let network = Network::first_in(&self.config_dir)?;
        raise_loopback(&attachment.netns)?;
        // Kept before anything is done: what was done halfway is found and undone.
        self.keep(&attachment.sandbox, &network, &Value::Null)?;
        let result = self.add(&network, attachment)?;
        self.keep(&attachment.sandbox, &network, &result)?;
        let addresses = config::addresses(&result)?;
        if addresses.is_empty() {
            return Err(format!("network {:?} gave the sandbox no address", network.name));
        }
        Ok(addresses)
    }

    fn teardown(&self, attachment: &Attachment) -> Result<(), String> {
        let file = self.note(&attachment.sandbox);
        let text = match std::fs::read(&file) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            text => text.map_err(|e| format!("read {}: {e}", file.display()))?,
        };
        let note: Value =
            serde_json::from_slice(&text).map_err(|e| format!("read {}: {e}", file.display()))?;
        let network = Network::parse(&note["config"])?;
        // A namespace that is gone has no path; plugins then clean up what is outside of it.
        let mut attachment = attachment.clone();
        if !attachment.netns.exists() {
            attachment.netns = PathBuf::new();
        }
        self.delete(&network, &attachment, &note["result"])?;
        std::fs::remove_file(&file).map_err(|e| format!("remove {}: {e}", file.display()))
    }

    fn set_range(&self, range: &str) {
        *self.range.lock() = Some(range.to_owned());
    }

    fn keep_only(&self, sandboxes: &BTreeSet<String>) -> Result<(), String> {
        let entries = std::fs::read_dir(&self.results).into_iter().flatten().flatten();
        let names = entries.filter_map(|e| Some(e.file_name().to_str()?.strip_suffix(".json")?.to_owned()));
        let mut outcome = Ok(());
        for sandbox in names.filter(|name| !sandboxes.contains(name)) {
            outcome = outcome.and(self.teardown(&Attachment { sandbox, ..Attachment::default() }));
        }
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_sys::netns::NetNs;
    use std::os::unix::fs::PermissionsExt;

    /// A plugin that notes each call, and answers as its configuration says.
    const PLUGIN: &str = "#!/bin/sh\ninput=$(cat)\necho \"$CNI_COMMAND $CNI_CONTAINERID $CNI_IFNAME $input\" >> \"$0.calls\"\n\
        case \"$input\" in *broken*) echo '{\"code\":11,\"msg\":\"no room\",\"details\":\"at all\"}'; exit 1;; esac\n\
        echo '{\"cniVersion\":\"1.0.0\",\"ips\":[{\"address\":\"10.1.2.3/24\"}]}'\n";

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn plugins_are_called_in_order_and_undone_in_reverse() {
        if !corten_sys::is_root() {
            return eprintln!("skipped: needs root");
        }
        let dir = tempfile::tempdir().expect("directory");
        let path = |name: &str| dir.path().join(name);
        for plugin in ["first", "second"] {
            std::fs::write(path(plugin), PLUGIN).expect("written");
            std::fs::set_permissions(path(plugin), std::fs::Permissions::from_mode(0o755))
                .expect("executable");
        }
        let list = json!({"cniVersion": "1.0.0", "name": "net", "plugins": [
            {"type": "first"}, {"type": "second", "capabilities": {"portMappings": true}}]});
        std::fs::create_dir(path("conf")).expect("made");
        let cni = Cni::new(&path("conf"), &dir.path().to_string_lossy(), &path("results"));
        assert!(cni.ready().is_err());
        std::fs::write(path("conf/10-net.conflist"), list.to_string()).expect("written");
        assert_eq!(cni.ready(), Ok(()));

        let ns = NetNs::create_at(&path("ns")).expect("a namespace");
        let attachment =
            Attachment { sandbox: "s1".into(), netns: ns.path().to_owned(), ..Attachment::default() };
        let work = cni.clone();
        let (got, undone) = tokio::task::spawn_blocking(move || {
            let got = work.setup(&attachment);
            (got, work.keep_only(&BTreeSet::new()))
        })
        .await
        .expect("done");
        drop(ns);
        NetNs::delete_at(&path("ns")).expect("deleted");
        assert_eq!(got, Ok(vec!["10.1.2.3".parse().expect("valid")]));
        assert_eq!(undone, Ok(()));
        let calls = |plugin: &str| std::fs::read_to_string(path(&format!("{plugin}.calls"))).expect("calls");
        let first: Vec<String> = calls("first").lines().map(str::to_owned).collect();
        assert!(first[0].starts_with("ADD s1 eth0 ") && !first[0].contains("prevResult"), "{first:?}");
        assert!(first[1].starts_with("DEL s1 eth0 ") && first[1].contains("10.1.2.3/24"), "{first:?}");
        assert!(calls("second").lines().next().is_some_and(|l| l.contains("prevResult")));
        assert!(std::fs::read_dir(path("results")).expect("results").next().is_none());
    }
}
