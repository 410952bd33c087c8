//! A small runtime served on a unix socket, and the client against it.

use corten_node_api::cri::image_service_server::{ImageService, ImageServiceServer};
use corten_node_api::cri::runtime_service_server::{RuntimeService, RuntimeServiceServer};
use corten_node_api::cri::*;
use corten_node_api::{CriClient, CriConfig, CriError};
use corten_rt::{Stop, Tasks, sleep};
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use std::path::Path;
use std::time::Duration;
use tokio::net::UnixListener;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::{Request, Response, Status};

struct Fake;

/// Answers the calls that a test does not use as an old runtime would.
macro_rules! unimplemented_calls {
    ($($call:ident($request:ty) -> $response:ty),* $(,)?) => {$(
        fn $call<'a: 'b, 'b>(
            &'a self,
            _: Request<$request>,
        ) -> std::pin::Pin<Box<dyn Future<Output = Result<Response<$response>, Status>> + Send + 'b>>
        where
            Self: 'b,
        {
            Box::pin(async { Err(Status::unimplemented(concat!("unknown method ", stringify!($call)))) })
        }
    )*};
}

#[tonic::async_trait]
impl RuntimeService for Fake {
    type GetContainerEventsStream = BoxStream<'static, Result<ContainerEventResponse, Status>>;

    async fn version(&self, _: Request<VersionRequest>) -> Result<Response<VersionResponse>, Status> {
        Ok(Response::new(VersionResponse { runtime_name: "fake".into(), ..Default::default() }))
    }

    async fn run_pod_sandbox(
        &self,
        request: Request<RunPodSandboxRequest>,
    ) -> Result<Response<RunPodSandboxResponse>, Status> {
        let config = request.into_inner().config.ok_or_else(|| Status::invalid_argument("no config"))?;
        let uid = config.metadata.unwrap_or_default().uid;
        Ok(Response::new(RunPodSandboxResponse { pod_sandbox_id: format!("sandbox-{uid}") }))
    }

    async fn pod_sandbox_status(
        &self,
        _: Request<PodSandboxStatusRequest>,
    ) -> Result<Response<PodSandboxStatusResponse>, Status> {
        Err(Status::not_found("an error occurred when try to find sandbox: not found"))
    }

    async fn status(&self, _: Request<StatusRequest>) -> Result<Response<StatusResponse>, Status> {
        sleep(Duration::from_secs(60)).await;
        Ok(Response::new(StatusResponse::default()))
    }

    async fn exec_sync(
        &self,
        request: Request<ExecSyncRequest>,
    ) -> Result<Response<ExecSyncResponse>, Status> {
        // Larger than gRPC's usual 4 MiB.
        let stdout = vec![b'x'; 5 << 20];
        let exit_code = request.into_inner().cmd.len() as i32;
        Ok(Response::new(ExecSyncResponse { stdout, stderr: Vec::new(), exit_code }))
    }

    async fn get_container_events(
        &self,
        _: Request<GetEventsRequest>,
    ) -> Result<Response<Self::GetContainerEventsStream>, Status> {
        let event = |id: &str| Ok(ContainerEventResponse { container_id: id.into(), ..Default::default() });
        Ok(Response::new(stream::iter([event("a"), event("b")]).boxed()))
    }

    unimplemented_calls! {
        stop_pod_sandbox(StopPodSandboxRequest) -> StopPodSandboxResponse,
        remove_pod_sandbox(RemovePodSandboxRequest) -> RemovePodSandboxResponse,
        list_pod_sandbox(ListPodSandboxRequest) -> ListPodSandboxResponse,
        create_container(CreateContainerRequest) -> CreateContainerResponse,
        start_container(StartContainerRequest) -> StartContainerResponse,
        stop_container(StopContainerRequest) -> StopContainerResponse,
        remove_container(RemoveContainerRequest) -> RemoveContainerResponse,
        list_containers(ListContainersRequest) -> ListContainersResponse,
        container_status(ContainerStatusRequest) -> ContainerStatusResponse,
        update_container_resources(UpdateContainerResourcesRequest) -> UpdateContainerResourcesResponse,
        reopen_container_log(ReopenContainerLogRequest) -> ReopenContainerLogResponse,
        exec(ExecRequest) -> ExecResponse,
        attach(AttachRequest) -> AttachResponse,
        port_forward(PortForwardRequest) -> PortForwardResponse,
        container_stats(ContainerStatsRequest) -> ContainerStatsResponse,
        list_container_stats(ListContainerStatsRequest) -> ListContainerStatsResponse,
        pod_sandbox_stats(PodSandboxStatsRequest) -> PodSandboxStatsResponse,
        list_pod_sandbox_stats(ListPodSandboxStatsRequest) -> ListPodSandboxStatsResponse,
        update_runtime_config(UpdateRuntimeConfigRequest) -> UpdateRuntimeConfigResponse,
        checkpoint_container(CheckpointContainerRequest) -> CheckpointContainerResponse,
        list_metric_descriptors(ListMetricDescriptorsRequest) -> ListMetricDescriptorsResponse,
        list_pod_sandbox_metrics(ListPodSandboxMetricsRequest) -> ListPodSandboxMetricsResponse,
        runtime_config(RuntimeConfigRequest) -> RuntimeConfigResponse,
        update_pod_sandbox_resources(UpdatePodSandboxResourcesRequest) -> UpdatePodSandboxResourcesResponse,
    }
}

#[tonic::async_trait]
impl ImageService for Fake {
    async fn pull_image(
        &self,
        request: Request<PullImageRequest>,
    ) -> Result<Response<PullImageResponse>, Status> {
        let image = request.into_inner().image.unwrap_or_default().image;
        Ok(Response::new(PullImageResponse { image_ref: format!("{image}@sha256:0") }))
    }

    unimplemented_calls! {
        list_images(ListImagesRequest) -> ListImagesResponse,
        image_status(ImageStatusRequest) -> ImageStatusResponse,
        remove_image(RemoveImageRequest) -> RemoveImageResponse,
        image_fs_info(ImageFsInfoRequest) -> ImageFsInfoResponse,
    }
}

fn serve(path: &Path) -> Tasks {
    let tasks = Tasks::new(Stop::new());
    let listener = UnixListener::bind(path).expect("bind a scratch socket");
    let stop = tasks.stop().clone();
    tasks.spawn("fake runtime", async move {
        tonic::transport::Server::builder()
            .add_service(RuntimeServiceServer::new(Fake))
            .add_service(ImageServiceServer::new(Fake))
            .serve_with_incoming_shutdown(
                UnixListenerStream::new(listener),
                async move { stop.stopped().await },
            )
            .await
            .expect("serve");
    });
    tasks
}

#[tokio::test]
async fn calls_reach_a_runtime_on_a_unix_socket() {
    let folder = tempfile::tempdir().expect("scratch folder");
    let path = folder.path().join("cri.sock");
    let tasks = serve(&path);
    let config = CriConfig::new(format!("unix://{}", path.display()));
    let (client, version) = CriClient::connect(&config).await.expect("connect");
    assert_eq!(version.runtime_name, "fake");

    let metadata = PodSandboxMetadata { uid: "7".into(), ..Default::default() };
    let config = PodSandboxConfig { metadata: Some(metadata), ..Default::default() };
    let request = RunPodSandboxRequest { config: Some(config), ..Default::default() };
    assert_eq!(client.run_pod_sandbox(request).await.expect("run").pod_sandbox_id, "sandbox-7");

    let request = ExecSyncRequest { cmd: vec!["a".into(), "b".into()], timeout: 5, ..Default::default() };
    let reply = client.exec_sync(request).await.expect("exec");
    assert_eq!((reply.exit_code, reply.stdout.len()), (2, 5 << 20));

    let events: Vec<_> = client.get_container_events().await.expect("events").collect().await;
    let ids: Vec<_> = events.into_iter().map(|e| e.expect("event").container_id).collect();
    assert_eq!(ids, ["a", "b"]);

    let image = Some(ImageSpec { image: "busybox".into(), ..Default::default() });
    let pulled = client.pull_image(PullImageRequest { image, ..Default::default() }).await.expect("pull");
    assert_eq!(pulled.image_ref, "busybox@sha256:0");
    drop(client);
    assert!(tasks.shutdown(Duration::from_secs(10)).await);
}

#[tokio::test]
async fn failures_are_told_apart() {
    let folder = tempfile::tempdir().expect("scratch folder");
    let path = folder.path().join("cri.sock");
    let mut config = CriConfig::new(path.display().to_string());
    config.request_timeout = Duration::from_millis(200);
    let client = CriClient::new(&config).expect("a socket path");

    let error = client.version(VersionRequest::default()).await.expect_err("nobody listens");
    assert!(error.is_unavailable() && error.to_string().contains("cri.sock"), "{error:?}");

    let tasks = serve(&path);
    // The same client finds the runtime once it is there.
    client.version(VersionRequest::default()).await.expect("connected by itself");
    let error = client.pod_sandbox_status(PodSandboxStatusRequest::default()).await.expect_err("no sandbox");
    assert!(error.is_not_found() && error.to_string().contains("try to find sandbox"), "{error:?}");
    let error = client.status(StatusRequest::default()).await.expect_err("too slow");
    assert!(error.is_deadline_exceeded(), "{error:?}");
    let error = client.runtime_config(RuntimeConfigRequest {}).await.expect_err("old runtime");
    assert!(error.is_unimplemented(), "{error:?}");
    let error = client.run_pod_sandbox(RunPodSandboxRequest::default()).await.expect_err("no config");
    assert!(matches!(error, CriError::Other { code: tonic::Code::InvalidArgument, .. }), "{error:?}");
    drop(client);
    assert!(tasks.shutdown(Duration::from_secs(10)).await);
}
