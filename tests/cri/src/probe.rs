//! A client that notes which fields went over the wire.

use std::collections::BTreeSet;
use std::sync::Arc;

use corten_node_api::{CriClient, CriResult};
use parking_lot::Mutex;
use prost::Message;

use crate::model::Model;

/// A runtime's client, and what has been used of the API.
pub struct Probe {
    client: CriClient,
    model: Option<Arc<Model>>,
    used: Mutex<Used>,
}

/// What has been used of the API.
#[derive(Clone, Debug, Default)]
pub struct Used {
    /// Calls that were answered without an error.
    pub calls: BTreeSet<String>,
    /// Fields sent.
    pub sent: BTreeSet<String>,
    /// Fields received.
    pub received: BTreeSet<String>,
    /// What could not be read.
    pub broken: BTreeSet<String>,
}

impl Probe {
    /// Notes what goes through `client`, as far as there is a model to read it by.
    pub fn new(client: CriClient, model: Option<Arc<Model>>) -> Self {
        Probe { client, model, used: Mutex::default() }
    }

    /// The client itself.
    pub fn client(&self) -> &CriClient {
        &self.client
    }

    /// What has been used up to now.
    pub fn used(&self) -> Used {
        self.used.lock().clone()
    }

    /// Notes a request.
    pub fn sent(&self, kind: &str, message: &impl Message) {
        let Some(model) = &self.model else { return };
        let mut used = self.used.lock();
        let Used { sent, broken, .. } = &mut *used;
        if let Err(error) = model.used(kind, &message.encode_to_vec(), sent) {
            broken.insert(format!("{kind}: {error:#}"));
        }
    }

    /// Notes a reply to `call`.
    pub fn received<M: Message>(&self, call: &str, kind: &str, reply: CriResult<M>) -> CriResult<M> {
        let reply = reply?;
        let mut used = self.used.lock();
        used.calls.insert(call.to_owned());
        let Some(model) = &self.model else { return Ok(reply) };
        let Used { received, broken, .. } = &mut *used;
        if let Err(error) = model.used(kind, &reply.encode_to_vec(), received) {
            broken.insert(format!("{kind}: {error:#}"));
        }
        Ok(reply)
    }
}

/// Methods that note what they send and receive.
macro_rules! calls {
    ($($name:ident $call:ident($request:ident) -> $response:ident;)*) => {
        impl Probe {$(
            #[doc = concat!("The call ", stringify!($call), ".")]
            pub async fn $name(
                &self,
                request: corten_node_api::cri::$request,
            ) -> CriResult<corten_node_api::cri::$response> {
                self.sent(stringify!($request), &request);
                let reply = self.client.$name(request).await;
                self.received(stringify!($call), stringify!($response), reply)
            }
        )*}
    };
}

calls! {
    version Version(VersionRequest) -> VersionResponse;
    run_pod_sandbox RunPodSandbox(RunPodSandboxRequest) -> RunPodSandboxResponse;
    stop_pod_sandbox StopPodSandbox(StopPodSandboxRequest) -> StopPodSandboxResponse;
    remove_pod_sandbox RemovePodSandbox(RemovePodSandboxRequest) -> RemovePodSandboxResponse;
    pod_sandbox_status PodSandboxStatus(PodSandboxStatusRequest) -> PodSandboxStatusResponse;
    list_pod_sandbox ListPodSandbox(ListPodSandboxRequest) -> ListPodSandboxResponse;
    create_container CreateContainer(CreateContainerRequest) -> CreateContainerResponse;
    start_container StartContainer(StartContainerRequest) -> StartContainerResponse;
    stop_container StopContainer(StopContainerRequest) -> StopContainerResponse;
    remove_container RemoveContainer(RemoveContainerRequest) -> RemoveContainerResponse;
    list_containers ListContainers(ListContainersRequest) -> ListContainersResponse;
    container_status ContainerStatus(ContainerStatusRequest) -> ContainerStatusResponse;
    update_container_resources
        UpdateContainerResources(UpdateContainerResourcesRequest) -> UpdateContainerResourcesResponse;
    reopen_container_log ReopenContainerLog(ReopenContainerLogRequest) -> ReopenContainerLogResponse;
    exec_sync ExecSync(ExecSyncRequest) -> ExecSyncResponse;
    exec Exec(ExecRequest) -> ExecResponse;
    attach Attach(AttachRequest) -> AttachResponse;
    port_forward PortForward(PortForwardRequest) -> PortForwardResponse;
    container_stats ContainerStats(ContainerStatsRequest) -> ContainerStatsResponse;
    list_container_stats ListContainerStats(ListContainerStatsRequest) -> ListContainerStatsResponse;
    pod_sandbox_stats PodSandboxStats(PodSandboxStatsRequest) -> PodSandboxStatsResponse;
    list_pod_sandbox_stats ListPodSandboxStats(ListPodSandboxStatsRequest) -> ListPodSandboxStatsResponse;
    update_runtime_config UpdateRuntimeConfig(UpdateRuntimeConfigRequest) -> UpdateRuntimeConfigResponse;
    status Status(StatusRequest) -> StatusResponse;
    checkpoint_container CheckpointContainer(CheckpointContainerRequest) -> CheckpointContainerResponse;
    list_metric_descriptors
        ListMetricDescriptors(ListMetricDescriptorsRequest) -> ListMetricDescriptorsResponse;
    list_pod_sandbox_metrics
        ListPodSandboxMetrics(ListPodSandboxMetricsRequest) -> ListPodSandboxMetricsResponse;
    runtime_config RuntimeConfig(RuntimeConfigRequest) -> RuntimeConfigResponse;
    update_pod_sandbox_resources
        UpdatePodSandboxResources(UpdatePodSandboxResourcesRequest) -> UpdatePodSandboxResourcesResponse;
    list_images ListImages(ListImagesRequest) -> ListImagesResponse;
    image_status ImageStatus(ImageStatusRequest) -> ImageStatusResponse;
    pull_image PullImage(PullImageRequest) -> PullImageResponse;
    remove_image RemoveImage(RemoveImageRequest) -> RemoveImageResponse;
    image_fs_info ImageFsInfo(ImageFsInfoRequest) -> ImageFsInfoResponse;
}
