//! The pod network as a container runtime asks for it: through CNI plugins. Ours is this very executable,
//! linked into the runtime's plugin directory; it hands the request to the node's process over a socket that
//! lies beside it, and that process does the work by netlink. So nothing has to be installed, and the
//! network's state has one owner. (CNI specification 1.0.0.)

use corten_rt::Tasks;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::IpAddr;
use std::os::unix::net::UnixStream as PlainStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;

/// The socket's name within the plugin directory.
const SOCKET: &str = "node.sock";
/// The plugin's names: the pod network's, and the one that runtimes ask to bring up `lo`.
const PLUGINS: &[&str] = &["corten", "loopback"];
const VERSION: &str = "1.0.0";
/// Far more than any request.
const MOST: u64 = 1 << 20;

/// What sets pods' interfaces up. Calls block; they are made on threads that may wait.
pub trait PodNet: Send + Sync + 'static {
    /// Gives the pod in this namespace its interface; its addresses.
    fn setup(&self, pod: &str, netns: &Path) -> Result<Vec<IpAddr>, String>;
    /// Takes it away again; a pod without is fine.
    fn teardown(&self, pod: &str) -> Result<(), String>;
}

/// Makes the plugin directory and the configuration directory for a runtime.
pub fn install(plugins: &Path, config: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(plugins)?;
    std::fs::create_dir_all(config)?;
    let executable = std::env::current_exe()?;
    for name in PLUGINS {
        let link = plugins.join(name);
        match std::fs::remove_file(&link) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        std::os::unix::fs::symlink(&executable, &link)?;
    }
    let list = json!({"cniVersion": VERSION, "name": "corten", "plugins": [{"type": "corten"}]});
    std::fs::write(config.join("10-corten.conflist"), list.to_string())
}

/// Whether this process was started as a plugin.
pub fn is_plugin_call() -> bool {
    std::env::var_os("CNI_COMMAND").is_some()
}

/// Acts as the plugin: standard input and the environment hold the request, standard output takes the
/// answer.
pub fn run_plugin() -> ExitCode {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let mut config = String::new();
    let _ = std::io::stdin().take(MOST).read_to_string(&mut config);
    let config: Value = serde_json::from_str(&config).unwrap_or_default();
    let version = config.get("cniVersion").and_then(Value::as_str).unwrap_or(VERSION).to_string();
    let called = std::env::args().next().map(PathBuf::from).unwrap_or_default();
    let answer = match variable("CNI_COMMAND").as_str() {
        "VERSION" => {
            json!({"cniVersion": version, "supportedVersions": ["0.3.0", "0.3.1", "0.4.0", VERSION]})
        }
        command => {
            let request = json!({
                "plugin": called.file_name().and_then(|n| n.to_str()).unwrap_or_default(),
                "command": command,
                "version": version,
                "container": variable("CNI_CONTAINERID"),
                "netns": variable("CNI_NETNS"),
                "interface": variable("CNI_IFNAME"),
            });
            ask(&called, &request)
                .unwrap_or_else(|e| failure(&version, &format!("the node's process did not answer: {e}")))
        }
    };
    let failed = answer.get("code").is_some();
    let _ = writeln!(std::io::stdout(), "{answer}");
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn failure(version: &str, message: &str) -> Value {
    json!({"cniVersion": version, "code": 100, "msg": message})
}

fn ask(called: &Path, request: &Value) -> std::io::Result<Value> {
    let mut stream = PlainStream::connect(called.with_file_name(SOCKET))?;
    stream.write_all(request.to_string().as_bytes())?;
    stream.shutdown(std::net::Shutdown::Write)?;
    let mut answer = String::new();
    stream.take(MOST).read_to_string(&mut answer)?;
    serde_json::from_str(&answer).map_err(std::io::Error::other)
}

/// Serves the plugins in `directory` until `tasks` stop.
pub fn serve(directory: &Path, network: Arc<dyn PodNet>, tasks: &Tasks) -> std::io::Result<()> {
    let socket = directory.join(SOCKET);
    match std::fs::remove_file(&socket) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let listener = UnixListener::bind(&socket)?;
    let inner = tasks.clone();
    tasks.spawn_until_stopped("cni", async move {
        loop {
            let Ok((mut stream, _)) = listener.accept().await else { continue };
            let network = network.clone();
            inner.spawn_until_stopped("cni request", async move {
                let mut text = Vec::new();
                if (&mut stream).take(MOST).read_to_end(&mut text).await.is_err() {
                    return;
                }
                let request: Value = serde_json::from_slice(&text).unwrap_or_default();
                let answered = tokio::task::spawn_blocking(move || answer(&*network, &request)).await;
                let answer =
                    answered.unwrap_or_else(|_| failure(VERSION, "the request broke the node's process"));
                let _ = stream.write_all(answer.to_string().as_bytes()).await;
            });
        }
    });
    Ok(())
}

fn answer(network: &dyn PodNet, request: &Value) -> Value {
    let text = |name: &str| request.get(name).and_then(Value::as_str).unwrap_or_default();
    let version = text("version");
    let empty = json!({"cniVersion": version, "interfaces": [], "ips": [], "dns": {}});
    if text("plugin") == "loopback" {
        // `lo` comes up with the pod's own interface.
        return json!({
            "cniVersion": version,
            "interfaces": [{"name": "lo", "mac": "00:00:00:00:00:00", "sandbox": text("netns")}],
            "ips": [{"version": "4", "address": "127.0.0.1/8", "interface": 0}],
            "dns": {},
        });
    }
    let outcome = match text("command") {
        "ADD" => network.setup(text("container"), Path::new(text("netns"))).map(|ips| {
            let ips: Vec<Value> = ips
                .iter()
                .map(|ip| match ip {
                    IpAddr::V4(_) => json!({"version": "4", "address": format!("{ip}/32"), "interface": 0}),
                    IpAddr::V6(_) => json!({"version": "6", "address": format!("{ip}/128"), "interface": 0}),
                })
                .collect();
            json!({
                "cniVersion": version,
                "interfaces": [{"name": text("interface"), "sandbox": text("netns")}],
                "ips": ips,
                "dns": {},
            })
        }),
        "DEL" => network.teardown(text("container")).map(|()| empty),
        _ => Ok(empty),
    };
    outcome.unwrap_or_else(|why| failure(version, &why))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fake;
    impl PodNet for Fake {
        fn setup(&self, pod: &str, _: &Path) -> Result<Vec<IpAddr>, String> {
            if pod == "bad" {
                Err("no address is left".into())
            } else {
                Ok(vec!["10.244.0.7".parse().map_err(|_| "")?])
            }
        }
        fn teardown(&self, _: &str) -> Result<(), String> {
            Ok(())
        }
    }

    #[test]
    fn requests_are_answered_in_cni_terms() {
        let ask = |command: &str, pod: &str| {
            answer(
                &Fake,
                &json!({"plugin": "corten", "command": command, "version": "1.0.0", "container": pod, "interface": "eth0"}),
            )
        };
        assert_eq!(ask("ADD", "p")["ips"][0]["address"], "10.244.0.7/32");
        assert_eq!(ask("ADD", "bad")["msg"], "no address is left");
        assert!(ask("DEL", "p").get("code").is_none());
    }
}
