//! The life of pods and containers.

use crate::world::world;
use corten_node_api::cri::*;
use futures::StreamExt;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pod_lives_and_leaves_nothing() {
    let Some(w) = world().await else { return };
    let mut events = w.cri.get_container_events().await.expect("events");
    let pod = w.run(w.pod("life")).await;
    assert_eq!(w.sandbox(&pod).await.state, PodSandboxState::SandboxReady as i32);
    let id =
        w.launch(&pod, w.shell("main", "echo out; echo err >&2; echo $FROM_IMAGE; exec sleep 1000")).await;
    let status = w.status(&id).await;
    assert_eq!(status.state, ContainerState::ContainerRunning as i32);
    assert!(status.started_at >= status.created_at && status.image_id.starts_with("sha256:"));
    assert_eq!(w.exec(&id, "hostname; id -u; exit 3").await, (3, "life\n0".into()));

    let written = async {
        while w.log("life", "main").lines().count() < 3 {
            corten_rt::sleep(Duration::from_millis(10)).await;
        }
    };
    corten_rt::timeout(Duration::from_secs(5), written).await.expect("a log");
    let log = w.log("life", "main");
    for line in [" stdout F out", " stderr F err", " stdout F yes"] {
        assert!(log.lines().any(|l| l.ends_with(line)), "{line:?} in {log}");
    }

    let stats =
        w.cri.container_stats(ContainerStatsRequest { container_id: id.clone() }).await.expect("stats");
    let stats = stats.stats.expect("stats");
    let memory = stats.memory.expect("memory");
    assert!(memory.working_set_bytes.expect("bytes").value > 0);
    assert!(stats.writable_layer.expect("disk").inodes_used.is_some());

    let begun = corten_rt::Instant::now();
    let stop = StopContainerRequest { container_id: id.clone(), timeout: 0 };
    w.cri.stop_container(stop.clone()).await.expect("stopped");
    assert!(begun.elapsed() < Duration::from_secs(2), "the end is told, not polled");
    let status = w.status(&id).await;
    assert_eq!((status.exit_code, status.reason.as_str()), (137, "Error"));
    w.cri.stop_container(stop).await.expect("stopping twice is fine");
    w.remove(&pod).await;
    assert_eq!(w.leftovers(), Vec::<String>::new());

    let mut seen = Vec::new();
    while let Some(Some(Ok(event))) = corten_rt::timeout(Duration::from_millis(300), events.next()).await {
        let who = if event.container_id == pod { "pod" } else { "container" };
        seen.push(format!("{who} {}", event.container_event_type().as_str_name()));
    }
    let expected = [
        "pod CONTAINER_CREATED_EVENT",
        "pod CONTAINER_STARTED_EVENT",
        "container CONTAINER_CREATED_EVENT",
        "container CONTAINER_STARTED_EVENT",
        "container CONTAINER_STOPPED_EVENT",
        "pod CONTAINER_STOPPED_EVENT",
        "container CONTAINER_DELETED_EVENT",
        "pod CONTAINER_DELETED_EVENT",
    ];
    assert_eq!(seen, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ends_are_told_apart() {
    let Some(w) = world().await else { return };
    let pod = w.run(w.pod("ends")).await;
    for (name, script, code, reason) in [
        ("good", "true", 0, "Completed"),
        ("bad", "exit 7", 7, "Error"),
        (
            "hungry",
            "head -c 200000000 /dev/zero | tail > /dev/null; dd if=/dev/zero of=/dev/null bs=200M count=1",
            137,
            "OOMKilled",
        ),
    ] {
        let id = w.launch(&pod, w.shell(name, script)).await;
        let status = w.ended(&id).await;
        assert_eq!((status.exit_code, status.reason.as_str()), (code, reason), "{name}");
        assert!(status.finished_at >= status.started_at && status.started_at > 0);
    }
    // One that cannot start has ended too, and says why.
    let mut config = w.shell("none", "");
    config.command = vec!["/bin/none".into()];
    let id = w.create(&pod, config).await;
    let error = w.cri.start_container(StartContainerRequest { container_id: id.clone() }).await;
    assert!(error.expect_err("no such file").to_string().contains("/bin/none"));
    let status = w.status(&id).await;
    assert_eq!((status.exit_code, status.reason.as_str()), (128, "StartError"));
    assert!(status.message.contains("/bin/none"), "{}", status.message);
    w.remove(&pod).await;
    assert_eq!(w.leftovers(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_asks_before_it_kills() {
    let Some(w) = world().await else { return };
    let pod = w.run(w.pod("stop")).await;
    let polite = w.launch(&pod, w.shell("polite", "trap 'exit 5' TERM; while :; do sleep 0.05; done")).await;
    let deaf = w.launch(&pod, w.shell("deaf", "trap '' TERM; while :; do sleep 0.05; done")).await;
    corten_rt::sleep(Duration::from_millis(300)).await;
    let stop = |id: &str, timeout| StopContainerRequest { container_id: id.into(), timeout };
    w.cri.stop_container(stop(&polite, 10)).await.expect("stopped");
    assert_eq!(w.status(&polite).await.exit_code, 5);
    let begun = corten_rt::Instant::now();
    w.cri.stop_container(stop(&deaf, 1)).await.expect("stopped");
    assert!((1..4).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    assert_eq!(w.status(&deaf).await.exit_code, 137);
    w.remove(&pod).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_change_while_it_runs() {
    let Some(w) = world().await else { return };
    let pod = w.run(w.pod("limits")).await;
    let id = w.launch(&pod, w.shell("main", "exec sleep 1000")).await;
    let linux = LinuxContainerResources { memory_limit_in_bytes: 128 << 20, ..Default::default() };
    let update = UpdateContainerResourcesRequest {
        container_id: id.clone(),
        linux: Some(linux),
        ..Default::default()
    };
    w.cri.update_container_resources(update).await.expect("updated");
    let resources = w.status(&id).await.resources.expect("resources").linux.expect("of Linux");
    assert_eq!(resources.memory_limit_in_bytes, 128 << 20);
    let stats = w.cri.container_stats(ContainerStatsRequest { container_id: id }).await.expect("stats");
    let memory = stats.stats.expect("stats").memory.expect("memory");
    assert!(memory.available_bytes.expect("a limit").value > 64 << 20);
    w.remove(&pod).await;
}
