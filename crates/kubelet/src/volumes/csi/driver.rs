//! One registered driver: its calls, with their time limit, and what it can do.

use corten_node_api::csi::identity_client::IdentityClient;
use corten_node_api::csi::node_client::NodeClient;
use corten_node_api::csi::node_service_capability::Type;
use corten_node_api::csi::node_service_capability::rpc::Type as Rpc;
use corten_node_api::csi::*;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::OnceCell;
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status};

/// How long a call may take.
const LIMIT: Duration = Duration::from_secs(120);
const CONNECT: Duration = Duration::from_secs(10);

/// Why a call failed, as upstream's texts show it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("rpc error: code = {code:?} desc = {message}")]
pub struct RpcError {
    pub code: Code,
    pub message: String,
}

impl From<Status> for RpcError {
    fn from(status: Status) -> Self {
        RpcError { code: status.code(), message: status.message().to_string() }
    }
}

impl RpcError {
    /// Whether the driver is certainly done with it: nothing is under way there.
    pub fn is_final(&self) -> bool {
        let open = [
            Code::Cancelled,
            Code::DeadlineExceeded,
            Code::Unavailable,
            Code::ResourceExhausted,
            Code::Aborted,
        ];
        !open.contains(&self.code)
    }

    /// Whether trying again is in vain.
    pub fn is_infeasible(&self) -> bool {
        matches!(self.code, Code::InvalidArgument | Code::OutOfRange | Code::NotFound)
    }
}

type Outcome<T> = Result<T, RpcError>;

/// A driver. Its connection comes with the first call, and again by itself.
pub struct Driver {
    /// Its name.
    pub name: String,
    /// Its socket.
    pub endpoint: PathBuf,
    node: NodeClient<Channel>,
    identity: IdentityClient<Channel>,
    can: OnceCell<HashSet<i32>>,
}

/// Waits [`LIMIT`] at most; boxed, since the state of a gRPC call is large.
macro_rules! call {
    ($client:expr, $call:ident, $request:expr) => {{
        let mut client = $client.clone();
        let mut request = Request::new($request);
        request.set_timeout(LIMIT);
        within(Box::pin(async move { client.$call(request).await })).await
    }};
}

async fn within<T>(
    call: std::pin::Pin<Box<impl Future<Output = Result<Response<T>, Status>>>>,
) -> Outcome<T> {
    match corten_rt::timeout(LIMIT + Duration::from_millis(500), call).await {
        Some(reply) => Ok(reply?.into_inner()),
        None => Err(RpcError {
            code: Code::DeadlineExceeded,
            message: format!("the driver did not answer within {LIMIT:?}"),
        }),
    }
}

impl Driver {
    /// The driver that serves `endpoint`.
    pub fn new(name: &str, endpoint: &Path) -> Self {
        let channel = corten_node_api::channel(endpoint, CONNECT);
        Driver {
            name: name.to_string(),
            endpoint: endpoint.to_path_buf(),
            node: NodeClient::new(channel.clone()),
            identity: IdentityClient::new(channel),
            can: OnceCell::new(),
        }
    }

    /// What it calls this node, and where it sees it.
    pub async fn info(&self) -> Outcome<NodeGetInfoResponse> {
        call!(self.node, node_get_info, NodeGetInfoRequest {})
    }

    /// Its own name and version.
    pub async fn plugin_info(&self) -> Outcome<GetPluginInfoResponse> {
        call!(self.identity, get_plugin_info, GetPluginInfoRequest {})
    }

    async fn can(&self, what: Rpc) -> Outcome<bool> {
        let ask = || async {
            let reply = call!(self.node, node_get_capabilities, NodeGetCapabilitiesRequest {})?;
            let kinds = reply.capabilities.into_iter().filter_map(|c| c.r#type);
            Ok(kinds.map(|Type::Rpc(rpc)| rpc.r#type).collect())
        };
        self.can.get_or_try_init(ask).await.map(|can| can.contains(&(what as i32)))
    }

    /// Whether volumes are staged before they are published.
    pub async fn stages(&self) -> Outcome<bool> {
        self.can(Rpc::StageUnstageVolume).await
    }

    /// Whether it expands volumes.
    pub async fn expands(&self) -> Outcome<bool> {
        self.can(Rpc::ExpandVolume).await
    }

    /// Whether it tells how full volumes are.
    pub async fn measures(&self) -> Outcome<bool> {
        self.can(Rpc::GetVolumeStats).await
    }

    /// Whether it gives volumes to the pod's group itself.
    pub async fn gives_to_group(&self) -> Outcome<bool> {
        self.can(Rpc::VolumeMountGroup).await
    }

    /// Whether it knows of single writers.
    pub async fn knows_single_writers(&self) -> Outcome<bool> {
        self.can(Rpc::SingleNodeMultiWriter).await
    }

    /// Stages a volume.
    pub async fn stage(&self, request: NodeStageVolumeRequest) -> Outcome<()> {
        call!(self.node, node_stage_volume, request).map(drop)
    }

    /// Takes a staged volume away.
    pub async fn unstage(&self, handle: &str, at: &Path) -> Outcome<()> {
        let request = NodeUnstageVolumeRequest { volume_id: handle.into(), staging_target_path: text(at) };
        call!(self.node, node_unstage_volume, request).map(drop)
    }

    /// Publishes a volume to a pod.
    pub async fn publish(&self, request: NodePublishVolumeRequest) -> Outcome<()> {
        call!(self.node, node_publish_volume, request).map(drop)
    }

    /// Takes a published volume away.
    pub async fn unpublish(&self, handle: &str, at: &Path) -> Outcome<()> {
        let request = NodeUnpublishVolumeRequest { volume_id: handle.into(), target_path: text(at) };
        call!(self.node, node_unpublish_volume, request).map(drop)
    }

    /// Lets a volume grow.
    pub async fn expand(&self, request: NodeExpandVolumeRequest) -> Outcome<()> {
        call!(self.node, node_expand_volume, request).map(drop)
    }

    /// How full a volume is.
    pub async fn stats(&self, handle: &str, at: &Path) -> Outcome<NodeGetVolumeStatsResponse> {
        let request = NodeGetVolumeStatsRequest {
            volume_id: handle.into(),
            volume_path: text(at),
            staging_target_path: String::new(),
        };
        call!(self.node, node_get_volume_stats, request)
    }
}

/// A path as it is sent.
pub fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
