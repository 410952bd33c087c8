//! The socket on which plugins register, and the lists of devices that they keep sending.

use super::pool::Pool;
use crate::Shared;
use async_trait::async_trait;
use corten_node_api::device_plugin::device_plugin_client::DevicePluginClient;
use corten_node_api::device_plugin::registration_server::{Registration, RegistrationServer};
use corten_node_api::device_plugin::{
    DevicePluginOptions, Empty, HEALTHY, KUBELET_SOCKET, RegisterRequest, VERSION,
};
use corten_rt::Tasks;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UnixListener;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

/// How long connecting to a plugin may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long to wait before the socket is opened again.
const AGAIN: Duration = Duration::from_secs(5);

/// A client of the plugin at this socket.
pub fn client(endpoint: &Path) -> DevicePluginClient<Channel> {
    DevicePluginClient::new(corten_node_api::channel(endpoint, CONNECT))
}

/// Serves until dropped. Sockets that are left from before are removed: plugins watch the directory, and
/// register again.
pub async fn run(shared: Arc<Shared>, tasks: Tasks) {
    loop {
        if let Err(error) = serve(&shared, &tasks).await {
            tracing::warn!(%error, "device plugins cannot register");
        }
        corten_rt::sleep(AGAIN).await;
    }
}

async fn serve(shared: &Arc<Shared>, tasks: &Tasks) -> std::io::Result<()> {
    let dir = &shared.devices.dir;
    std::fs::create_dir_all(dir)?;
    remove_sockets(dir)?;
    let listener = UnixListener::bind(dir.join(KUBELET_SOCKET))?;
    let incoming = futures::stream::unfold(listener, |listener| async {
        let accepted = listener.accept().await.map(|(stream, _)| stream);
        Some((accepted, listener))
    });
    let registry = Registry { shared: shared.clone(), tasks: tasks.clone() };
    tonic::transport::Server::builder()
        .add_service(RegistrationServer::new(registry))
        .serve_with_incoming(incoming)
        .await
        .map_err(std::io::Error::other)
}

fn remove_sockets(dir: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::FileTypeExt;
    for entry in std::fs::read_dir(dir)?.flatten() {
        if entry.file_type().is_ok_and(|t| t.is_socket()) {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

struct Registry {
    shared: Arc<Shared>,
    tasks: Tasks,
}

/// Whether a plugin may offer this resource: one of a domain that is not Kubernetes' own.
fn check(request: &RegisterRequest) -> Result<(), Status> {
    if request.version != VERSION {
        return Err(Status::invalid_argument(format!(
            "requested API version {:?} is not supported by kubelet. Supported version is {VERSION:?}",
            request.version
        )));
    }
    let name = &request.resource_name;
    let own = name.split_once('/').is_none_or(|(domain, rest)| {
        domain.is_empty()
            || rest.is_empty()
            || domain == "kubernetes.io"
            || domain.ends_with(".kubernetes.io")
    });
    if own || name.starts_with("requests.") {
        return Err(Status::invalid_argument(format!("the ResourceName {name:?} is invalid")));
    }
    if request.endpoint.is_empty() || request.endpoint.contains('/') {
        let endpoint = &request.endpoint;
        return Err(Status::invalid_argument(format!(
            "the endpoint {endpoint:?} is no socket beside the kubelet's"
        )));
    }
    Ok(())
}

#[async_trait]
impl Registration for Registry {
    async fn register(&self, request: Request<RegisterRequest>) -> Result<Response<Empty>, Status> {
        let request = request.into_inner();
        check(&request)?;
        let about = [("resource_name", request.resource_name.as_str())];
        self.shared.meters.count("kubelet_device_plugin_registration_total", &about);
        let endpoint = self.shared.devices.dir.join(&request.endpoint);
        let follow = follow(self.shared.clone(), request.resource_name, endpoint, request.options);
        self.tasks.spawn_until_stopped("device plugin", follow);
        Ok(Response::new(Empty {}))
    }
}

/// Follows a plugin until it goes.
async fn follow(
    shared: Arc<Shared>,
    resource: String,
    endpoint: PathBuf,
    options: Option<DevicePluginOptions>,
) {
    let mut client = client(&endpoint);
    let options = match client.get_device_plugin_options(Empty {}).await {
        Ok(reply) => reply.into_inner(),
        Err(_) => options.unwrap_or_default(),
    };
    let change = |change: &mut dyn FnMut(&mut Pool)| {
        change(&mut shared.devices.state.lock());
        shared.pressure.changed.notify_one();
    };
    let mut generation = 0;
    change(&mut |pool| generation = pool.register(&resource, endpoint.clone(), options));
    match client.list_and_watch(Empty {}).await {
        Ok(stream) => {
            let mut stream = stream.into_inner();
            while let Ok(Some(list)) = stream.message().await {
                let devices: BTreeMap<String, bool> =
                    list.devices.into_iter().map(|d| (d.id, d.health == HEALTHY)).collect();
                let mut counts = false;
                change(&mut |pool| counts = pool.list(&resource, generation, devices.clone()));
                if !counts {
                    return;
                }
                shared.devices.save();
            }
        }
        Err(error) => tracing::warn!(resource, %error, "a device plugin does not list its devices"),
    }
    tracing::info!(resource, "a device plugin has gone");
    change(&mut |pool| pool.stop(&resource, generation));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_resources_of_others_may_be_offered() {
        let request = |version: &str, name: &str, endpoint: &str| RegisterRequest {
            version: version.into(),
            resource_name: name.into(),
            endpoint: endpoint.into(),
            options: None,
        };
        for (request, good) in [
            (request("v1beta1", "example.com/gpu", "gpu.sock"), true),
            (request("v1", "example.com/gpu", "gpu.sock"), false),
            (request("v1beta1", "gpu", "gpu.sock"), false),
            (request("v1beta1", "kubernetes.io/gpu", "gpu.sock"), false),
            (request("v1beta1", "x.kubernetes.io/gpu", "gpu.sock"), false),
            (request("v1beta1", "example.com/gpu", "../gpu.sock"), false),
        ] {
            assert_eq!(check(&request).is_ok(), good, "{request:?}");
        }
    }
}
