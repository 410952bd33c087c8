//! A CRI client: one method for each call, with its time limit and its errors told apart. The runtime is at the
//! other end of a socket, or in the same process; then calls are function calls, and nothing is encoded.

use crate::cri::image_service_client::ImageServiceClient;
use crate::cri::image_service_server::ImageService;
use crate::cri::runtime_service_client::RuntimeServiceClient;
use crate::cri::runtime_service_server::RuntimeService;
use crate::cri::*;
use crate::socket::{channel, socket_path};
use crate::{CriError, CriResult};
use futures::Stream;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tonic::transport::Channel;
use tonic::{Request, Status};

/// The largest message accepted from a runtime, as upstream's kubelet: a node's full list of containers.
const MAX_MESSAGE: usize = 16 << 20;

/// Where the runtime is and how long to wait for it.
#[derive(Clone, Debug)]
pub struct CriConfig {
    /// The runtime service's socket, as [`socket_path`] reads it.
    pub runtime_endpoint: String,
    /// The image service's socket; the runtime's when `None`.
    pub image_endpoint: Option<String>,
    /// The limit of a call that says nothing of its own (the kubelet's `runtimeRequestTimeout`, 2 minutes).
    pub request_timeout: Duration,
    /// The limit of making a connection.
    pub connect_timeout: Duration,
}

impl CriConfig {
    /// The defaults for one socket that serves both.
    pub fn new(endpoint: impl Into<String>) -> Self {
        CriConfig {
            runtime_endpoint: endpoint.into(),
            image_endpoint: None,
            request_timeout: Duration::from_secs(120),
            connect_timeout: Duration::from_secs(10),
        }
    }
}

/// The events of a runtime, as long as it has any to tell.
pub type EventStream = Pin<Box<dyn Stream<Item = Result<ContainerEventResponse, Status>> + Send>>;

/// A runtime service in this process.
pub type LocalRuntime = dyn RuntimeService<GetContainerEventsStream = EventStream>;

/// A client of both CRI services. Cheap to clone; clones share the connections.
#[derive(Clone)]
pub struct CriClient {
    services: Services,
    request_timeout: Duration,
    observer: Option<Arc<dyn CallObserver>>,
}

/// Is told of every call of a client.
pub trait CallObserver: Send + Sync {
    /// A call of this method, `create_container`, has ended, well or in an error.
    fn called(&self, method: &'static str, took: Duration, failed: bool);
}

/// Where the services are.
#[derive(Clone)]
enum Services {
    /// At the other end of a socket.
    Remote { runtime: Box<RuntimeServiceClient<Channel>>, images: Box<ImageServiceClient<Channel>> },
    /// In this process.
    Local { runtime: Arc<LocalRuntime>, images: Arc<dyn ImageService> },
}

impl std::fmt::Debug for CriClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let place = match self.services {
            Services::Remote { .. } => "remote",
            Services::Local { .. } => "local",
        };
        f.debug_struct("CriClient").field("services", &place).finish_non_exhaustive()
    }
}

/// Calls a method of either service, wherever that is.
macro_rules! call {
    ($client:expr, $service:ident.$call:ident($request:expr)) => {
        match $client.services.clone() {
            Services::Remote { mut $service, .. } => {
                Box::pin(async move { $service.$call($request).await }) as Call<'_, _>
            }
            Services::Local { $service, .. } => Box::pin(async move { $service.$call($request).await }),
        }
    };
}

/// Writes the methods that take a request, wait `request_timeout` at most, and return the reply.
macro_rules! calls {
    ($($(#[$doc:meta])* $service:ident.$call:ident($request:ty) -> $response:ty;)*) => {
        impl CriClient {$(
            $(#[$doc])*
            pub async fn $call(&self, request: $request) -> CriResult<$response> {
                let limit = self.request_timeout;
                let request = limited(request, limit);
                let call = within(limit, call!(self, $service.$call(request)));
                self.watched(stringify!($call), call).await
            }
        )*}
    };
}

calls! {
    /// The runtime's name, version and API version.
    runtime.version(VersionRequest) -> VersionResponse;
    /// Stops a sandbox and its containers, and gives its addresses back. Stopping twice is no error.
    runtime.stop_pod_sandbox(StopPodSandboxRequest) -> StopPodSandboxResponse;
    /// Removes a sandbox and its containers. Removing what is gone is no error.
    runtime.remove_pod_sandbox(RemovePodSandboxRequest) -> RemovePodSandboxResponse;
    /// A sandbox's state, addresses and namespaces.
    runtime.pod_sandbox_status(PodSandboxStatusRequest) -> PodSandboxStatusResponse;
    /// The sandboxes that match a filter.
    runtime.list_pod_sandbox(ListPodSandboxRequest) -> ListPodSandboxResponse;
    /// Creates a container in a sandbox.
    runtime.create_container(CreateContainerRequest) -> CreateContainerResponse;
    /// Starts a created container.
    runtime.start_container(StartContainerRequest) -> StartContainerResponse;
    /// Removes a container, by force if it runs. Removing what is gone is no error.
    runtime.remove_container(RemoveContainerRequest) -> RemoveContainerResponse;
    /// The containers that match a filter.
    runtime.list_containers(ListContainersRequest) -> ListContainersResponse;
    /// A container's state, exit code and times.
    runtime.container_status(ContainerStatusRequest) -> ContainerStatusResponse;
    /// Changes the limits of a running container.
    runtime.update_container_resources(UpdateContainerResourcesRequest) -> UpdateContainerResourcesResponse;
    /// Tells the runtime to open a container's log file anew, after rotation.
    runtime.reopen_container_log(ReopenContainerLogRequest) -> ReopenContainerLogResponse;
    /// Prepares a streaming exec and returns the URL that serves it.
    runtime.exec(ExecRequest) -> ExecResponse;
    /// Prepares an attach and returns the URL that serves it.
    runtime.attach(AttachRequest) -> AttachResponse;
    /// Prepares a port-forward and returns the URL that serves it.
    runtime.port_forward(PortForwardRequest) -> PortForwardResponse;
    /// One container's usage.
    runtime.container_stats(ContainerStatsRequest) -> ContainerStatsResponse;
    /// The usage of the containers that match a filter.
    runtime.list_container_stats(ListContainerStatsRequest) -> ListContainerStatsResponse;
    /// One sandbox's usage.
    runtime.pod_sandbox_stats(PodSandboxStatsRequest) -> PodSandboxStatsResponse;
    /// The usage of the sandboxes that match a filter.
    runtime.list_pod_sandbox_stats(ListPodSandboxStatsRequest) -> ListPodSandboxStatsResponse;
    /// Hands the runtime the node's settings (the range of pod addresses).
    runtime.update_runtime_config(UpdateRuntimeConfigRequest) -> UpdateRuntimeConfigResponse;
    /// Whether runtime and network are ready.
    runtime.status(StatusRequest) -> StatusResponse;
    /// Which metrics [`CriClient::list_pod_sandbox_metrics`] yields.
    runtime.list_metric_descriptors(ListMetricDescriptorsRequest) -> ListMetricDescriptorsResponse;
    /// The metrics of all sandboxes.
    runtime.list_pod_sandbox_metrics(ListPodSandboxMetricsRequest) -> ListPodSandboxMetricsResponse;
    /// The runtime's own settings (its cgroup driver).
    runtime.runtime_config(RuntimeConfigRequest) -> RuntimeConfigResponse;
    /// Changes a sandbox's limits and overhead.
    runtime.update_pod_sandbox_resources(UpdatePodSandboxResourcesRequest) -> UpdatePodSandboxResourcesResponse;
    /// The images in store.
    images.list_images(ListImagesRequest) -> ListImagesResponse;
    /// One image; the reply's `image` is `None` when it is not in store.
    images.image_status(ImageStatusRequest) -> ImageStatusResponse;
    /// Removes an image. Removing what is gone is no error.
    images.remove_image(RemoveImageRequest) -> RemoveImageResponse;
    /// The usage of the file systems that hold images.
    images.image_fs_info(ImageFsInfoRequest) -> ImageFsInfoResponse;
}

impl CriClient {
    /// A client of the runtime at `config`'s sockets. No call is made yet: the connection comes with the first
    /// call, and again by itself after the runtime restarted.
    ///
    /// # Errors
    /// [`CriError::Unavailable`] when an endpoint is no unix socket.
    pub fn new(config: &CriConfig) -> CriResult<Self> {
        let runtime = channel(&socket_path(&config.runtime_endpoint)?, config.connect_timeout);
        let images = match &config.image_endpoint {
            Some(endpoint) => channel(&socket_path(endpoint)?, config.connect_timeout),
            None => runtime.clone(),
        };
        let services = Services::Remote {
            runtime: Box::new(RuntimeServiceClient::new(runtime).max_decoding_message_size(MAX_MESSAGE)),
            images: Box::new(ImageServiceClient::new(images).max_decoding_message_size(MAX_MESSAGE)),
        };
        Ok(CriClient { services, request_timeout: config.request_timeout, observer: None })
    }

    /// A client of a runtime in this process, with the default limits.
    pub fn local(runtime: Arc<LocalRuntime>, images: Arc<dyn ImageService>) -> Self {
        let request_timeout = CriConfig::new("").request_timeout;
        CriClient { services: Services::Local { runtime, images }, request_timeout, observer: None }
    }

    /// The same, telling `observer` of its calls.
    pub fn observed(self, observer: Arc<dyn CallObserver>) -> Self {
        CriClient { observer: Some(observer), ..self }
    }

    async fn watched<T>(
        &self,
        method: &'static str,
        call: impl Future<Output = CriResult<T>>,
    ) -> CriResult<T> {
        let Some(observer) = &self.observer else { return call.await };
        let began = corten_rt::Instant::now();
        let outcome = call.await;
        observer.called(method, began.elapsed(), outcome.is_err());
        outcome
    }

    /// As [`CriClient::new`], and asks the runtime for its version, so that an error shows at once.
    pub async fn connect(config: &CriConfig) -> CriResult<(Self, VersionResponse)> {
        let client = CriClient::new(config)?;
        let version = client.version(VersionRequest { version: "0.1.0".into() }).await?;
        Ok((client, version))
    }

    /// Creates and starts a sandbox; waits twice the usual limit, since its pause image may be pulled first.
    pub async fn run_pod_sandbox(&self, request: RunPodSandboxRequest) -> CriResult<RunPodSandboxResponse> {
        let limit = self.request_timeout * 2;
        let request = limited(request, limit);
        let call = within(limit, call!(self, runtime.run_pod_sandbox(request)));
        self.watched("run_pod_sandbox", call).await
    }

    /// Stops a container: its grace (`timeout`, seconds) comes on top of the usual limit.
    pub async fn stop_container(&self, request: StopContainerRequest) -> CriResult<StopContainerResponse> {
        let limit = self.request_timeout + seconds(request.timeout);
        let request = limited(request, limit);
        let call = within(limit, call!(self, runtime.stop_container(request)));
        self.watched("stop_container", call).await
    }

    /// Runs a command to its end. With `timeout` 0 there is no limit; otherwise it comes on top of the usual
    /// one, and a command that overruns it ends in [`CriError::DeadlineExceeded`] from the runtime.
    pub async fn exec_sync(&self, request: ExecSyncRequest) -> CriResult<ExecSyncResponse> {
        if request.timeout <= 0 {
            let request = Request::new(request);
            return self.watched("exec_sync", unlimited(call!(self, runtime.exec_sync(request)))).await;
        }
        let limit = self.request_timeout + seconds(request.timeout);
        let request = limited(request, limit);
        self.watched("exec_sync", within(limit, call!(self, runtime.exec_sync(request)))).await
    }

    /// Writes a checkpoint of a container; its own `timeout` (seconds) comes on top of the usual limit.
    pub async fn checkpoint_container(
        &self,
        request: CheckpointContainerRequest,
    ) -> CriResult<CheckpointContainerResponse> {
        let limit = self.request_timeout + seconds(request.timeout);
        let request = limited(request, limit);
        let call = within(limit, call!(self, runtime.checkpoint_container(request)));
        self.watched("checkpoint_container", call).await
    }

    /// The containers' events from now on. The stream has no limit: drop it to end it.
    pub async fn get_container_events(&self) -> CriResult<EventStream> {
        let request = Request::new(GetEventsRequest {});
        match self.services.clone() {
            Services::Remote { mut runtime, .. } => {
                let events = Box::pin(runtime.get_container_events(request)).await?;
                Ok(Box::pin(events.into_inner()))
            }
            Services::Local { runtime, .. } => Ok(runtime.get_container_events(request).await?.into_inner()),
        }
    }

    /// Pulls an image. There is no limit: drop the future to give up.
    pub async fn pull_image(&self, request: PullImageRequest) -> CriResult<PullImageResponse> {
        let request = Request::new(request);
        self.watched("pull_image", unlimited(call!(self, images.pull_image(request)))).await
    }
}

fn seconds(count: i64) -> Duration {
    Duration::from_secs(u64::try_from(count).unwrap_or(0))
}

/// The request with its limit in the header, so that the runtime gives up too.
fn limited<T>(message: T, limit: Duration) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(limit);
    request
}

async fn unlimited<T>(call: Call<'_, T>) -> CriResult<T> {
    Ok(call.await?.into_inner())
}

/// Boxed, since the state of a gRPC call is large and every caller's future would hold it.
type Call<'a, T> = Pin<Box<dyn Future<Output = Result<tonic::Response<T>, tonic::Status>> + Send + 'a>>;

/// Waits a moment longer than the header says: the runtime's own words about the limit are the better ones.
async fn within<T>(limit: Duration, call: Call<'_, T>) -> CriResult<T> {
    match corten_rt::timeout(limit + Duration::from_millis(500), call).await {
        Some(reply) => Ok(reply?.into_inner()),
        None => Err(CriError::DeadlineExceeded(format!("no answer within {limit:?}"))),
    }
}
