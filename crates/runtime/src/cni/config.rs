//! Configurations of networks, and what plugins answer.

use corten_node_api::cri::{PortMapping, Protocol};
use serde_json::{Map, Value, json};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// The newest version that is spoken.
const VERSION: &str = "1.0.0";

/// A network: plugins that are called one after the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    version: String,
    /// Its name.
    pub name: String,
    /// The plugins' configurations.
    pub plugins: Vec<Value>,
}

impl Network {
    /// The first configuration in a directory, by name.
    pub fn first_in(dir: &Path) -> Result<Network, String> {
        let known = |path: &PathBuf| {
            let extension = path.extension().and_then(|e| e.to_str());
            matches!(extension, Some("conf" | "conflist" | "json"))
        };
        let entries = std::fs::read_dir(dir).map_err(|e| format!("read {}: {e}", dir.display()))?;
        let mut files: Vec<PathBuf> = entries.flatten().map(|e| e.path()).filter(known).collect();
        files.sort();
        let file = files.first().ok_or_else(|| format!("no network configuration in {}", dir.display()))?;
        let text = std::fs::read(file).map_err(|e| format!("read {}: {e}", file.display()))?;
        let value = serde_json::from_slice(&text).map_err(|e| format!("read {}: {e}", file.display()))?;
        Network::parse(&value).map_err(|e| format!("read {}: {e}", file.display()))
    }

    /// Reads a list of plugins, or the configuration of a single one.
    pub fn parse(config: &Value) -> Result<Network, String> {
        let text = |field: &str| config.get(field).and_then(Value::as_str).map(str::to_owned);
        let name = text("name").filter(|n| !n.is_empty()).ok_or("the network has no name")?;
        let plugins = match config.get("plugins") {
            Some(Value::Array(plugins)) => plugins.clone(),
            Some(_) => return Err("plugins is no list".into()),
            None => vec![config.clone()],
        };
        let has_type = |p: &Value| p.get("type").and_then(Value::as_str).is_some_and(|t| !t.is_empty());
        if plugins.is_empty() || !plugins.iter().all(has_type) {
            return Err("there must be plugins, each with a type".into());
        }
        Ok(Network { version: text("cniVersion").unwrap_or_else(|| VERSION.into()), name, plugins })
    }

    /// As a list.
    pub fn to_json(&self) -> Value {
        json!({"cniVersion": self.version, "name": self.name, "plugins": self.plugins})
    }

    /// What a plugin is given: its configuration, what it can do with ports and the node's range, and what the
    /// one before it answered.
    pub fn input(
        &self,
        plugin: &Value,
        ports: &[PortMapping],
        range: Option<&str>,
        previous: &Value,
    ) -> Value {
        let mut out: Map<String, Value> = plugin.as_object().cloned().unwrap_or_default();
        out.insert("cniVersion".into(), json!(self.version));
        out.insert("name".into(), json!(self.name));
        let can = |what: &str| {
            plugin.pointer(&format!("/capabilities/{what}")).and_then(Value::as_bool) == Some(true)
        };
        let mappings: Vec<Value> = ports.iter().filter(|p| p.host_port > 0).map(mapping).collect();
        let mut arguments = Map::new();
        if can("portMappings") && !mappings.is_empty() {
            arguments.insert("portMappings".into(), mappings.into());
        }
        if let Some(range) = range.filter(|_| can("ipRanges")) {
            arguments.insert("ipRanges".into(), json!([[{"subnet": range}]]));
        }
        if !arguments.is_empty() {
            out.insert("runtimeConfig".into(), arguments.into());
        }
        if !previous.is_null() {
            out.insert("prevResult".into(), previous.clone());
        }
        Value::Object(out)
    }
}

fn mapping(port: &PortMapping) -> Value {
    let protocol = match port.protocol() {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
        Protocol::Sctp => "sctp",
    };
    json!({
        "hostPort": port.host_port,
        "containerPort": port.container_port,
        "protocol": protocol,
        "hostIP": port.host_ip,
    })
}

/// The addresses in a plugin's answer, in order.
pub fn addresses(result: &Value) -> Result<Vec<IpAddr>, String> {
    let ips = result.get("ips").and_then(Value::as_array);
    let address = |ip: &Value| {
        let text = ip.get("address").and_then(Value::as_str).unwrap_or_default();
        let bare = text.split('/').next().unwrap_or_default();
        bare.parse().map_err(|_| format!("a network plugin answered {text:?} for an address"))
    };
    ips.into_iter().flatten().map(address).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_plugin_is_a_list_of_one() {
        let single = json!({"cniVersion": "0.4.0", "name": "n", "type": "bridge", "x": 1});
        let network = Network::parse(&single).expect("valid");
        assert_eq!(network.plugins, [single]);
        assert_eq!(Network::parse(&network.to_json()), Ok(network));
        for bad in [
            json!({}),
            json!({"name": "n"}),
            json!({"name": "n", "plugins": []}),
            json!({"name": "n", "plugins": [{}]}),
            json!({"name": "n", "plugins": 1}),
        ] {
            assert!(Network::parse(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn ports_go_to_plugins_that_can_map_them() {
        let config = json!({"name": "n", "plugins": [
            {"type": "bridge"}, {"type": "portmap", "capabilities": {"portMappings": true}}]});
        let network = Network::parse(&config).expect("valid");
        let port = PortMapping { host_port: 8080, container_port: 80, ..PortMapping::default() };
        let plain = network.input(&network.plugins[0], std::slice::from_ref(&port), None, &Value::Null);
        assert_eq!(plain, json!({"type": "bridge", "name": "n", "cniVersion": "1.0.0"}));
        let input = network.input(&network.plugins[1], &[port], Some("10.1.0.0/24"), &json!({"ips": []}));
        assert_eq!(input.pointer("/runtimeConfig/portMappings/0/hostPort"), Some(&json!(8080)));
        assert!(input.pointer("/runtimeConfig/ipRanges").is_none(), "it cannot");
        assert_eq!(input["prevResult"], json!({"ips": []}));
    }

    #[test]
    fn addresses_lose_their_range() {
        let result = json!({"ips": [{"address": "10.0.0.2/24"}, {"address": "fd00::2/64"}]});
        let got = addresses(&result).expect("valid");
        assert_eq!(got.iter().map(ToString::to_string).collect::<Vec<_>>(), ["10.0.0.2", "fd00::2"]);
        assert!(addresses(&json!({"ips": [{"address": "x"}]})).is_err());
        assert_eq!(addresses(&json!({})), Ok(vec![]));
    }
}
