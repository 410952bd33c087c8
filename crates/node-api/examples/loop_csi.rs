//! A CSI driver for tests: volumes are files in a directory, behind loop devices.
//!
//!     loop_csi NAME DIR SOCKET REGISTRY_DIR NODE_ID
//!
//! `DIR/HANDLE` is the file of volume HANDLE; whoever tests makes it, and makes it larger. A volume in a pod's
//! spec is a directory in memory with one file `message`, of the attribute of that name. Every call is written
//! to `DIR/calls`. `DIR/fail-CALL` makes a call fail with the gRPC code and the words in that file.

use corten_node_api::csi::identity_server::{Identity, IdentityServer};
use corten_node_api::csi::node_server::{Node, NodeServer};
use corten_node_api::csi::node_service_capability::rpc::Type as Can;
use corten_node_api::csi::node_service_capability::{Rpc, Type};
use corten_node_api::csi::volume_capability::AccessType;
use corten_node_api::csi::volume_usage::Unit;
use corten_node_api::csi::*;
use corten_node_api::plugin_registration::registration_server::{Registration, RegistrationServer};
use corten_node_api::plugin_registration::{
    CSI_PLUGIN, InfoRequest, PluginInfo, RegistrationStatus, RegistrationStatusResponse,
};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use tokio::net::UnixListener;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::Server;
use tonic::{Code, Request, Response, Status};

#[derive(Clone)]
struct Driver {
    name: String,
    dir: PathBuf,
    socket: PathBuf,
    node: String,
}

type Answer<T> = Result<Response<T>, Status>;

fn done<T: Default>() -> Answer<T> {
    Ok(Response::new(T::default()))
}

/// Runs a program to its end; gives what it printed.
fn run(words: &[&str]) -> Result<String, Status> {
    let output =
        Command::new(words[0]).args(&words[1..]).output().map_err(|e| Status::internal(e.to_string()))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).trim().to_string()),
        false => Err(Status::internal(format!("{words:?}: {}", String::from_utf8_lossy(&output.stderr)))),
    }
}

fn is_mounted(path: &str) -> bool {
    Command::new("mountpoint").args(["-q", path]).status().is_ok_and(|s| s.success())
}

impl Driver {
    /// Writes the call down, and fails it if that is wanted.
    fn note(&self, call: &str, about: &str) -> Result<(), Status> {
        let mut file = fs::OpenOptions::new().create(true).append(true).open(self.dir.join("calls"))?;
        writeln!(file, "{call} {about}")?;
        match fs::read_to_string(self.dir.join(format!("fail-{call}"))) {
            Ok(text) => {
                let (code, words) = text.trim().split_once(' ').unwrap_or(("2", &text));
                Err(Status::new(Code::from_i32(code.parse().unwrap_or(2)), words))
            }
            Err(_) => Ok(()),
        }
    }

    /// The loop device of a volume, made if need be.
    fn device(&self, handle: &str) -> Result<String, Status> {
        let file = self.dir.join(handle);
        if !file.exists() {
            return Err(Status::not_found(format!("no volume {handle}")));
        }
        let file = file.to_string_lossy();
        let there = run(&["losetup", "--noheadings", "--output", "NAME", "--associated", &file])?;
        match there.lines().next() {
            Some(device) => Ok(device.trim().to_string()),
            None => run(&["losetup", "--find", "--show", &file]),
        }
    }

    fn stage_file_system(&self, handle: &str, at: &str, fs_type: &str) -> Result<(), Status> {
        if is_mounted(at) {
            return Ok(());
        }
        let device = self.device(handle)?;
        if run(&["blkid", "-p", &device]).is_err() {
            run(&[&format!("mkfs.{fs_type}"), "-q", &device])?;
        }
        run(&["mount", "-t", fs_type, &device, at])?;
        Ok(())
    }

    fn publish_inline(&self, request: &NodePublishVolumeRequest) -> Result<(), Status> {
        let at = &request.target_path;
        if !is_mounted(at) {
            fs::create_dir_all(at)?;
            run(&["mount", "-t", "tmpfs", "inline", at])?;
        }
        let message = request.volume_context.get("message").cloned().unwrap_or_default();
        Ok(fs::write(Path::new(at).join("message"), message)?)
    }

    fn publish(&self, request: &NodePublishVolumeRequest, block: bool) -> Result<(), Status> {
        let at = &request.target_path;
        if is_mounted(at) {
            return Ok(());
        }
        if block {
            let device = self.device(&request.volume_id)?;
            fs::write(at, "")?;
            run(&["mount", "--bind", &device, at])?;
            return Ok(());
        }
        fs::create_dir_all(at)?;
        run(&["mount", "--bind", &request.staging_target_path, at])?;
        if request.readonly {
            run(&["mount", "-o", "remount,bind,ro", at])?;
        }
        Ok(())
    }
}

#[tonic::async_trait]
impl Identity for Driver {
    async fn get_plugin_info(&self, _: Request<GetPluginInfoRequest>) -> Answer<GetPluginInfoResponse> {
        let (name, vendor_version) = (self.name.clone(), "1".to_string());
        Ok(Response::new(GetPluginInfoResponse { name, vendor_version, ..Default::default() }))
    }

    async fn get_plugin_capabilities(
        &self,
        _: Request<GetPluginCapabilitiesRequest>,
    ) -> Answer<GetPluginCapabilitiesResponse> {
        done()
    }

    async fn probe(&self, _: Request<ProbeRequest>) -> Answer<ProbeResponse> {
        done()
    }
}

#[tonic::async_trait]
impl Node for Driver {
    async fn node_stage_volume(&self, r: Request<NodeStageVolumeRequest>) -> Answer<NodeStageVolumeResponse> {
        let r = r.into_inner();
        let mut context: Vec<String> = r.publish_context.iter().map(|(k, v)| format!("{k}={v}")).collect();
        let mut secrets: Vec<&String> = r.secrets.keys().collect();
        context.sort();
        secrets.sort();
        self.note("stage", &format!("{} context={} secrets={secrets:?}", r.volume_id, context.join(",")))?;
        match r.volume_capability.and_then(|c| c.access_type) {
            Some(AccessType::Mount(m)) => {
                let fs_type = if m.fs_type.is_empty() { "ext4" } else { &m.fs_type };
                self.stage_file_system(&r.volume_id, &r.staging_target_path, fs_type)?;
            }
            _ => drop(self.device(&r.volume_id)?),
        }
        done()
    }

    async fn node_unstage_volume(
        &self,
        r: Request<NodeUnstageVolumeRequest>,
    ) -> Answer<NodeUnstageVolumeResponse> {
        let r = r.into_inner();
        self.note("unstage", &r.volume_id)?;
        if is_mounted(&r.staging_target_path) {
            run(&["umount", &r.staging_target_path])?;
        }
        if let Ok(device) = self.device(&r.volume_id) {
            run(&["losetup", "--detach", &device])?;
        }
        done()
    }

    async fn node_publish_volume(
        &self,
        r: Request<NodePublishVolumeRequest>,
    ) -> Answer<NodePublishVolumeResponse> {
        let r = r.into_inner();
        let pod = r.volume_context.get("csi.storage.k8s.io/pod.name").cloned().unwrap_or_default();
        let tokens = r.volume_context.contains_key("csi.storage.k8s.io/serviceAccount.tokens");
        let about = format!("{} pod={pod} tokens={tokens} readonly={}", r.volume_id, r.readonly);
        self.note("publish", &about)?;
        let access = r.volume_capability.as_ref().and_then(|c| c.access_type.as_ref());
        match r.volume_context.get("csi.storage.k8s.io/ephemeral").map(String::as_str) {
            Some("true") => self.publish_inline(&r)?,
            _ => self.publish(&r, matches!(access, Some(AccessType::Block(_))))?,
        }
        done()
    }

    async fn node_unpublish_volume(
        &self,
        r: Request<NodeUnpublishVolumeRequest>,
    ) -> Answer<NodeUnpublishVolumeResponse> {
        let r = r.into_inner();
        self.note("unpublish", &r.volume_id)?;
        if is_mounted(&r.target_path) {
            run(&["umount", &r.target_path])?;
        }
        let path = Path::new(&r.target_path);
        if path.is_dir() {
            fs::remove_dir(path)?;
        } else if path.exists() {
            fs::remove_file(path)?;
        }
        done()
    }

    async fn node_get_volume_stats(
        &self,
        r: Request<NodeGetVolumeStatsRequest>,
    ) -> Answer<NodeGetVolumeStatsResponse> {
        let r = r.into_inner();
        let line = run(&["df", "--block-size=1", "--output=size,avail,used", &r.volume_path])?;
        let numbers = line.lines().nth(1).unwrap_or_default();
        let mut numbers = numbers.split_whitespace().filter_map(|n| n.parse::<i64>().ok());
        let mut next = || numbers.next().unwrap_or_default();
        let usage = VolumeUsage { total: next(), available: next(), used: next(), unit: Unit::Bytes as i32 };
        Ok(Response::new(NodeGetVolumeStatsResponse { usage: vec![usage], volume_condition: None }))
    }

    async fn node_expand_volume(
        &self,
        r: Request<NodeExpandVolumeRequest>,
    ) -> Answer<NodeExpandVolumeResponse> {
        let r = r.into_inner();
        let size = r.capacity_range.map_or(0, |c| c.required_bytes);
        self.note("expand", &format!("{} {size}", r.volume_id))?;
        run(&["losetup", "--set-capacity", &self.device(&r.volume_id)?])?;
        if Path::new(&r.volume_path).is_dir() {
            run(&["xfs_growfs", "-d", &r.volume_path])?;
        }
        Ok(Response::new(NodeExpandVolumeResponse { capacity_bytes: size }))
    }

    async fn node_get_capabilities(
        &self,
        _: Request<NodeGetCapabilitiesRequest>,
    ) -> Answer<NodeGetCapabilitiesResponse> {
        let can = [Can::StageUnstageVolume, Can::ExpandVolume, Can::GetVolumeStats];
        let capabilities =
            can.map(|can| NodeServiceCapability { r#type: Some(Type::Rpc(Rpc { r#type: can as i32 })) });
        Ok(Response::new(NodeGetCapabilitiesResponse { capabilities: capabilities.into() }))
    }

    async fn node_get_info(&self, _: Request<NodeGetInfoRequest>) -> Answer<NodeGetInfoResponse> {
        Ok(Response::new(NodeGetInfoResponse {
            node_id: self.node.clone(),
            max_volumes_per_node: 16,
            accessible_topology: Some(Topology {
                segments: [(format!("{}/node", self.name), self.node.clone())].into(),
            }),
        }))
    }
}

#[tonic::async_trait]
impl Registration for Driver {
    async fn get_info(&self, _: Request<InfoRequest>) -> Answer<PluginInfo> {
        Ok(Response::new(PluginInfo {
            r#type: CSI_PLUGIN.into(),
            name: self.name.clone(),
            endpoint: self.socket.to_string_lossy().into_owned(),
            supported_versions: vec!["1.0.0".into()],
        }))
    }

    async fn notify_registration_status(
        &self,
        r: Request<RegistrationStatus>,
    ) -> Answer<RegistrationStatusResponse> {
        let r = r.into_inner();
        self.note("registered", &format!("{} {}", r.plugin_registered, r.error))?;
        done()
    }
}

/// A listener at `path`, in place of what was there.
fn listen(path: &Path) -> std::io::Result<UnixListenerStream> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let _ = fs::remove_file(path);
    Ok(UnixListenerStream::new(UnixListener::bind(path)?))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [name, dir, socket, registry, node] = words.as_slice() else {
        return Err("usage: loop_csi NAME DIR SOCKET REGISTRY_DIR NODE_ID".into());
    };
    let driver = Driver { name: name.clone(), dir: dir.into(), socket: socket.into(), node: node.clone() };
    fs::create_dir_all(dir)?;
    let serving = Server::builder()
        .add_service(IdentityServer::new(driver.clone()))
        .add_service(NodeServer::new(driver.clone()))
        .serve_with_incoming(listen(Path::new(socket))?);
    let registration = listen(&Path::new(registry).join(format!("{name}-reg.sock")))?;
    let registering =
        Server::builder().add_service(RegistrationServer::new(driver)).serve_with_incoming(registration);
    futures::future::try_join(serving, registering).await?;
    Ok(())
}
