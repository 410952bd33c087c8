//! The runtime service of CRI v1: each call's arguments are checked and handed to the part that does the work.

use crate::filter::{has_id, has_labels};
use crate::runtime::Runtime;
use crate::sandbox::HANDLER;
use crate::streams::{Asked, options};
use crate::{metrics, table};
use corten_node_api::EventStream;
use corten_node_api::cri::runtime_service_server::RuntimeService;
use corten_node_api::cri::*;
use futures::StreamExt;
use std::collections::HashMap;
use std::sync::Arc;
use tonic::{Request, Response, Status};

/// What a call is answered with.
type Answer<T> = Result<Response<T>, Status>;

fn answer<T>(message: T) -> Answer<T> {
    Ok(Response::new(message))
}

#[tonic::async_trait]
impl RuntimeService for Runtime {
    async fn version(&self, _: Request<VersionRequest>) -> Answer<VersionResponse> {
        answer(VersionResponse {
            version: "0.1.0".into(),
            runtime_name: "corten".into(),
            runtime_version: self.version.clone(),
            runtime_api_version: "v1".into(),
        })
    }

    async fn run_pod_sandbox(&self, request: Request<RunPodSandboxRequest>) -> Answer<RunPodSandboxResponse> {
        let work = self.clone().run_sandbox(request.into_inner());
        let pod_sandbox_id = self.to_the_end("run sandbox", work).await?;
        answer(RunPodSandboxResponse { pod_sandbox_id })
    }

    async fn stop_pod_sandbox(
        &self,
        request: Request<StopPodSandboxRequest>,
    ) -> Answer<StopPodSandboxResponse> {
        let work = self.clone().stop_sandbox(request.into_inner().pod_sandbox_id);
        self.to_the_end("stop sandbox", work).await?;
        answer(StopPodSandboxResponse {})
    }

    async fn remove_pod_sandbox(
        &self,
        request: Request<RemovePodSandboxRequest>,
    ) -> Answer<RemovePodSandboxResponse> {
        let work = self.clone().remove_sandbox(request.into_inner().pod_sandbox_id);
        self.to_the_end("remove sandbox", work).await?;
        answer(RemovePodSandboxResponse {})
    }

    async fn pod_sandbox_status(
        &self,
        request: Request<PodSandboxStatusRequest>,
    ) -> Answer<PodSandboxStatusResponse> {
        let request = request.into_inner();
        let sandbox = self.table.sandbox(&request.pod_sandbox_id)?;
        let containers = self.table.containers_of(&sandbox.id);
        answer(PodSandboxStatusResponse {
            status: Some(self.sandbox_status(&sandbox)),
            info: if request.verbose { sandbox_info(&sandbox) } else { HashMap::new() },
            containers_statuses: containers.iter().map(|c| self.container_status(c)).collect(),
            timestamp: self.now(),
        })
    }

    async fn list_pod_sandbox(
        &self,
        request: Request<ListPodSandboxRequest>,
    ) -> Answer<ListPodSandboxResponse> {
        let filter = request.into_inner().filter.unwrap_or_default();
        let met = |s: &PodSandbox| {
            has_id(&s.id, &filter.id)
                && filter.state.is_none_or(|state| state.state == s.state)
                && has_labels(&s.labels, &filter.label_selector)
        };
        let items = self.table.sandboxes().iter().map(|s| s.listed()).filter(met).collect();
        answer(ListPodSandboxResponse { items })
    }

    async fn create_container(
        &self,
        request: Request<CreateContainerRequest>,
    ) -> Answer<CreateContainerResponse> {
        let work = self.clone().create_container(request.into_inner());
        let container_id = self.to_the_end("create container", work).await?;
        answer(CreateContainerResponse { container_id })
    }

    async fn start_container(
        &self,
        request: Request<StartContainerRequest>,
    ) -> Answer<StartContainerResponse> {
        let work = self.clone().start_container(request.into_inner().container_id);
        self.to_the_end("start container", work).await?;
        answer(StartContainerResponse {})
    }

    async fn stop_container(&self, request: Request<StopContainerRequest>) -> Answer<StopContainerResponse> {
        let request = request.into_inner();
        // Not to its end: who gives up waiting may come again with another grace.
        self.clone().stop_container(request.container_id, request.timeout).await?;
        answer(StopContainerResponse {})
    }

    async fn remove_container(
        &self,
        request: Request<RemoveContainerRequest>,
    ) -> Answer<RemoveContainerResponse> {
        let work = self.clone().remove_container(request.into_inner().container_id);
        self.to_the_end("remove container", work).await?;
        answer(RemoveContainerResponse {})
    }

    async fn list_containers(
        &self,
        request: Request<ListContainersRequest>,
    ) -> Answer<ListContainersResponse> {
        let filter = request.into_inner().filter.unwrap_or_default();
        let met = |c: &Container| {
            has_id(&c.id, &filter.id)
                && has_id(&c.pod_sandbox_id, &filter.pod_sandbox_id)
                && filter.state.is_none_or(|state| state.state == c.state)
                && has_labels(&c.labels, &filter.label_selector)
        };
        let containers = self.table.containers().iter().map(|c| c.listed()).filter(met).collect();
        answer(ListContainersResponse { containers })
    }

    async fn container_status(
        &self,
        request: Request<ContainerStatusRequest>,
    ) -> Answer<ContainerStatusResponse> {
        let request = request.into_inner();
        let container = self.table.container(&request.container_id)?;
        answer(ContainerStatusResponse {
            status: Some(self.container_status(&container)),
            info: if request.verbose { container_info(&container) } else { HashMap::new() },
        })
    }

    async fn update_container_resources(
        &self,
        request: Request<UpdateContainerResourcesRequest>,
    ) -> Answer<UpdateContainerResourcesResponse> {
        let work = self.clone().update_container(request.into_inner());
        self.to_the_end("update container", work).await?;
        answer(UpdateContainerResourcesResponse {})
    }

    async fn reopen_container_log(
        &self,
        request: Request<ReopenContainerLogRequest>,
    ) -> Answer<ReopenContainerLogResponse> {
        let container = self.table.container(&request.into_inner().container_id)?;
        let reopened = container.running()?.reopen_log(&container.id).await;
        reopened.map_err(|e| Status::unknown(format!("failed to reopen the container's log: {e}")))?;
        answer(ReopenContainerLogResponse {})
    }

    async fn exec_sync(&self, request: Request<ExecSyncRequest>) -> Answer<ExecSyncResponse> {
        answer(Box::pin(self.run_to_end(request.into_inner())).await?)
    }

    async fn exec(&self, request: Request<ExecRequest>) -> Answer<ExecResponse> {
        let request = request.into_inner();
        options(request.stdin, request.stdout, request.stderr, request.tty)?;
        self.table.container(&request.container_id)?.running()?;
        answer(ExecResponse { url: self.streams.offer(Asked::Exec(request))? })
    }

    async fn attach(&self, request: Request<AttachRequest>) -> Answer<AttachResponse> {
        let request = request.into_inner();
        options(request.stdin, request.stdout, request.stderr, request.tty)?;
        self.table.container(&request.container_id)?.running()?;
        answer(AttachResponse { url: self.streams.offer(Asked::Attach(request))? })
    }

    async fn port_forward(&self, request: Request<PortForwardRequest>) -> Answer<PortForwardResponse> {
        let request = request.into_inner();
        let sandbox = self.table.sandbox(&request.pod_sandbox_id)?;
        if sandbox.ready().is_none() {
            return Err(Status::failed_precondition(format!("sandbox {} is not running", sandbox.id)));
        }
        if let Some(port) = request.port.iter().find(|p| !(1..=65535).contains(*p)) {
            return Err(Status::invalid_argument(format!("invalid port {port}")));
        }
        answer(PortForwardResponse { url: self.streams.offer(Asked::PortForward(request))? })
    }

    async fn container_stats(
        &self,
        request: Request<ContainerStatsRequest>,
    ) -> Answer<ContainerStatsResponse> {
        let container = self.table.container(&request.into_inner().container_id)?;
        answer(ContainerStatsResponse { stats: Some(self.container_figures(&container).await?) })
    }

    async fn list_container_stats(
        &self,
        request: Request<ListContainerStatsRequest>,
    ) -> Answer<ListContainerStatsResponse> {
        let filter = request.into_inner().filter.unwrap_or_default();
        let met = |c: &Arc<table::Container>| {
            c.state.borrow().is_running()
                && has_id(&c.id, &filter.id)
                && has_id(&c.sandbox.id, &filter.pod_sandbox_id)
                && has_labels(&c.labels(), &filter.label_selector)
        };
        let mut stats = Vec::new();
        for container in self.table.containers().into_iter().filter(met) {
            stats.push(self.container_figures(&container).await?);
        }
        answer(ListContainerStatsResponse { stats })
    }

    async fn pod_sandbox_stats(
        &self,
        request: Request<PodSandboxStatsRequest>,
    ) -> Answer<PodSandboxStatsResponse> {
        let sandbox = self.table.sandbox(&request.into_inner().pod_sandbox_id)?;
        answer(PodSandboxStatsResponse { stats: Some(self.sandbox_figures(&sandbox).await?) })
    }

    async fn list_pod_sandbox_stats(
        &self,
        request: Request<ListPodSandboxStatsRequest>,
    ) -> Answer<ListPodSandboxStatsResponse> {
        let filter = request.into_inner().filter.unwrap_or_default();
        let met = |s: &Arc<table::Sandbox>| {
            s.ready().is_some()
                && has_id(&s.id, &filter.id)
                && has_labels(&s.listed().labels, &filter.label_selector)
        };
        let mut stats = Vec::new();
        for sandbox in self.table.sandboxes().into_iter().filter(met) {
            stats.push(self.sandbox_figures(&sandbox).await?);
        }
        answer(ListPodSandboxStatsResponse { stats })
    }

    async fn update_runtime_config(
        &self,
        request: Request<UpdateRuntimeConfigRequest>,
    ) -> Answer<UpdateRuntimeConfigResponse> {
        let config = request.into_inner().runtime_config.unwrap_or_default();
        if let Some(range) = config.network_config.map(|n| n.pod_cidr).filter(|r| !r.is_empty()) {
            self.network.set_range(&range);
        }
        answer(UpdateRuntimeConfigResponse {})
    }

    async fn status(&self, request: Request<StatusRequest>) -> Answer<StatusResponse> {
        let network = self.network.ready();
        let condition = |kind: &str, problem: Option<(&str, String)>| {
            let status = problem.is_none();
            let (reason, message) = problem.unwrap_or_default();
            RuntimeCondition { r#type: kind.into(), status, reason: reason.into(), message }
        };
        let conditions = vec![
            condition("RuntimeReady", None),
            condition("NetworkReady", network.err().map(|why| ("NetworkPluginNotReady", why))),
        ];
        let features = RuntimeHandlerFeatures { recursive_read_only_mounts: true, user_namespaces: true };
        let handler = |name: &str| RuntimeHandler { name: name.into(), features: Some(features) };
        answer(StatusResponse {
            status: Some(RuntimeStatus { conditions }),
            info: if request.into_inner().verbose { self.info() } else { HashMap::new() },
            runtime_handlers: vec![handler(""), handler(HANDLER)],
            features: Some(RuntimeFeatures { supplemental_groups_policy: true }),
        })
    }

    async fn checkpoint_container(
        &self,
        _: Request<CheckpointContainerRequest>,
    ) -> Answer<CheckpointContainerResponse> {
        Err(Status::unimplemented(
            "containers cannot be checkpointed: that takes CRIU, which this runtime does not use",
        ))
    }

    type GetContainerEventsStream = EventStream;

    async fn get_container_events(&self, _: Request<GetEventsRequest>) -> Answer<EventStream> {
        let receiver = self.events.subscribe();
        let events = futures::stream::unfold(receiver, |mut receiver| async move {
            match receiver.recv().await {
                Ok(event) => Some((Ok(event), receiver)),
                Err(tokio::sync::broadcast::error::RecvError::Lagged(missed)) => {
                    let words = format!("{missed} events were not fetched in time: list, and listen again");
                    Some((Err(Status::resource_exhausted(words)), receiver))
                }
                Err(tokio::sync::broadcast::error::RecvError::Closed) => None,
            }
        });
        // They end with us: a server that shuts down waits for its streams.
        let stop = self.tasks.stop().clone();
        let ended = async move { stop.stopped().await };
        answer(Box::pin(events.take_until(Box::pin(ended))))
    }

    async fn list_metric_descriptors(
        &self,
        _: Request<ListMetricDescriptorsRequest>,
    ) -> Answer<ListMetricDescriptorsResponse> {
        answer(ListMetricDescriptorsResponse { descriptors: metrics::descriptors() })
    }

    async fn list_pod_sandbox_metrics(
        &self,
        _: Request<ListPodSandboxMetricsRequest>,
    ) -> Answer<ListPodSandboxMetricsResponse> {
        answer(ListPodSandboxMetricsResponse { pod_metrics: self.metrics().await })
    }

    async fn runtime_config(&self, _: Request<RuntimeConfigRequest>) -> Answer<RuntimeConfigResponse> {
        let linux = LinuxRuntimeConfiguration { cgroup_driver: CgroupDriver::Cgroupfs as i32 };
        answer(RuntimeConfigResponse { linux: Some(linux) })
    }

    async fn update_pod_sandbox_resources(
        &self,
        request: Request<UpdatePodSandboxResourcesRequest>,
    ) -> Answer<UpdatePodSandboxResourcesResponse> {
        let work = self.clone().update_sandbox(request.into_inner());
        self.to_the_end("update sandbox", work).await?;
        answer(UpdatePodSandboxResourcesResponse {})
    }
}

impl Runtime {
    fn info(&self) -> HashMap<String, String> {
        let config = serde_json::json!({
            "root": self.places.pods(),
            "images": self.images.root(),
            "supervisor": self.supervisor,
            "cgroupVersion": if self.cgroups.is_unified() { 2 } else { 1 },
            "version": self.version,
        });
        HashMap::from([("config".to_owned(), config.to_string())])
    }
}

/// What `crictl inspectp` shows beside the status.
fn sandbox_info(sandbox: &table::Sandbox) -> HashMap<String, String> {
    let record = sandbox.record.lock();
    let info = serde_json::json!({ "pid": record.pid, "cgroup": record.cgroup, "directory": sandbox.dir });
    HashMap::from([("info".to_owned(), info.to_string())])
}

/// What `crictl inspect` shows beside the status.
fn container_info(container: &table::Container) -> HashMap<String, String> {
    let pid = container.state.borrow().outcome.pid;
    let record = container.record.lock();
    let info = serde_json::json!({
        "sandboxID": container.sandbox.id,
        "pid": pid,
        "cgroup": record.cgroup,
        "directory": container.dir,
        "removing": container.state.borrow().removing,
    });
    HashMap::from([("info".to_owned(), info.to_string())])
}
