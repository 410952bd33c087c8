//! Codes, filters and repeated calls.

use crate::world::world;
use corten_node_api::cri::*;
use tonic::Code;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_has_its_code_and_what_is_gone_is_done() {
    let Some(w) = world().await else { return };
    let cri = &w.cri;
    let pod = w.run(w.pod("codes")).await;
    let again = RunPodSandboxRequest { config: Some(w.pod("codes")), ..Default::default() };
    assert_eq!(cri.run_pod_sandbox(again).await.expect_err("taken").code(), Code::AlreadyExists);
    let handler = RunPodSandboxRequest { config: Some(w.pod("other")), runtime_handler: "kata".into() };
    assert_eq!(cri.run_pod_sandbox(handler).await.expect_err("no handler").code(), Code::InvalidArgument);
    let empty = RunPodSandboxRequest::default();
    assert_eq!(cri.run_pod_sandbox(empty).await.expect_err("no config").code(), Code::InvalidArgument);

    let id = w.create(&pod, w.shell("main", "exec sleep 1000")).await;
    let create = |pod: &str, config| CreateContainerRequest {
        pod_sandbox_id: pod.into(),
        config: Some(config),
        sandbox_config: None,
    };
    let mut unknown = w.shell("unknown", "");
    unknown.image = Some(ImageSpec { image: "corten.test/none:1".into(), ..Default::default() });
    for (request, code) in [
        (create("none", w.shell("x", "")), Code::NotFound),
        (create(&pod, w.shell("main", "")), Code::AlreadyExists),
        (create(&pod, unknown), Code::NotFound),
        (create(&pod, ContainerConfig::default()), Code::InvalidArgument),
    ] {
        assert_eq!(cri.create_container(request).await.expect_err("refused").code(), code);
    }
    let exec = |id: &str| ExecSyncRequest { container_id: id.into(), cmd: vec!["true".into()], timeout: 1 };
    assert_eq!(cri.exec_sync(exec("none")).await.expect_err("missing").code(), Code::NotFound);
    assert_eq!(cri.exec_sync(exec(&id)).await.expect_err("created").code(), Code::FailedPrecondition);
    let start = StartContainerRequest { container_id: id.clone() };
    cri.start_container(start.clone()).await.expect("started");
    assert_eq!(cri.start_container(start).await.expect_err("runs").code(), Code::FailedPrecondition);
    let slow = ExecSyncRequest {
        container_id: id.clone(),
        cmd: ["sleep", "100"].map(str::to_owned).to_vec(),
        timeout: 1,
    };
    assert_eq!(cri.exec_sync(slow).await.expect_err("slow").code(), Code::DeadlineExceeded);
    let checkpoint = CheckpointContainerRequest { container_id: id.clone(), ..Default::default() };
    assert_eq!(cri.checkpoint_container(checkpoint).await.expect_err("no").code(), Code::Unimplemented);

    w.remove(&pod).await;
    w.remove(&pod).await;
    let stop = StopContainerRequest { container_id: id.clone(), timeout: 1 };
    cri.stop_container(stop).await.expect("stopped long ago");
    let remove = RemoveContainerRequest { container_id: id.clone() };
    cri.remove_container(remove).await.expect("removed long ago");
    let status = ContainerStatusRequest { container_id: id, verbose: false };
    assert_eq!(cri.container_status(status).await.expect_err("gone").code(), Code::NotFound);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_are_filtered() {
    let Some(w) = world().await else { return };
    let (a, b) = (w.run(w.pod("a")).await, w.run(w.pod("b")).await);
    let id = w.launch(&a, w.shell("main", "exec sleep 1000")).await;
    let created = w.create(&b, w.shell("main", "")).await;
    let stop = StopPodSandboxRequest { pod_sandbox_id: b.clone() };
    w.cri.stop_pod_sandbox(stop).await.expect("stopped");
    let pods = async |filter| -> Vec<String> {
        let list = w.cri.list_pod_sandbox(ListPodSandboxRequest { filter: Some(filter) }).await;
        list.expect("list").items.into_iter().map(|s| s.id).collect()
    };
    let state = |state: PodSandboxState| Some(PodSandboxStateValue { state: state as i32 });
    assert_eq!(pods(PodSandboxFilter::default()).await.len(), 2);
    let ready = PodSandboxFilter { state: state(PodSandboxState::SandboxReady), ..Default::default() };
    assert_eq!(pods(ready).await, [a.as_str()]);
    let prefix = PodSandboxFilter { id: b[..10].into(), ..Default::default() };
    assert_eq!(pods(prefix).await, [b.as_str()]);
    let label = PodSandboxFilter {
        label_selector: [("app".to_owned(), "a".to_owned())].into(),
        ..Default::default()
    };
    assert_eq!(pods(label).await, [a.as_str()]);
    let containers = async |filter| -> Vec<String> {
        let list = w.cri.list_containers(ListContainersRequest { filter: Some(filter) }).await;
        list.expect("list").containers.into_iter().map(|c| c.id).collect()
    };
    let of_pod = ContainerFilter { pod_sandbox_id: a.clone(), ..Default::default() };
    assert_eq!(containers(of_pod).await, [id]);
    let state = Some(ContainerStateValue { state: ContainerState::ContainerCreated as i32 });
    assert_eq!(containers(ContainerFilter { state, ..Default::default() }).await, [created]);
    w.remove(&a).await;
    w.remove(&b).await;
    assert_eq!(w.leftovers(), Vec::<String>::new());
}
