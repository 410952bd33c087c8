//! Restarts, and deaths at bad moments.

use crate::world::world;
use corten_node_api::cri::*;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pods_go_on_through_a_restart() {
    let Some(mut w) = world().await else { return };
    let pod = w.run(w.pod("restart")).await;
    let id = w.launch(&pod, w.shell("main", "echo before; exec sleep 1000")).await;
    let short = w.launch(&pod, w.shell("short", "sleep 0.5; exit 9")).await;
    let done = w.launch(&pod, w.shell("done", "exit 4")).await;
    w.ended(&done).await;
    let created = w.create(&pod, w.shell("created", "true")).await;
    let (before, (_, pid)) = (w.status(&id).await, w.exec(&id, "echo $PPID").await);
    w.stop().await;
    corten_rt::sleep(Duration::from_secs(1)).await;
    w.start().await;
    assert_eq!(w.sandbox(&pod).await.state, PodSandboxState::SandboxReady as i32);
    assert_eq!(w.status(&id).await, before, "nothing changed for what runs");
    assert_eq!(w.exec(&id, "echo $PPID").await, (0, pid));
    assert_eq!(w.status(&short).await.exit_code, 9, "it ended while nobody looked");
    assert_eq!(w.status(&done).await.exit_code, 4);
    w.cri.start_container(StartContainerRequest { container_id: created.clone() }).await.expect("started");
    assert_eq!(w.ended(&created).await.exit_code, 0);
    w.remove(&pod).await;
    w.restart().await;
    assert_eq!(w.leftovers(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_supervisor_is_noticed_and_its_pod_cleaned_up() {
    let Some(mut w) = world().await else { return };
    for while_running in [true, false] {
        let pod = w.run(w.pod("killed")).await;
        let id = w.launch(&pod, w.shell("main", "while :; do sleep 1; done")).await;
        let supervisor = w.supervisor(&pod).await;
        if !while_running {
            w.stop().await;
        }
        kill(Pid::from_raw(supervisor), Signal::SIGKILL).expect("killed");
        if !while_running {
            w.start().await;
        }
        let status = w.ended(&id).await;
        assert_eq!((status.exit_code, status.reason.as_str()), (137, "Error"));
        assert!(status.message.contains("supervisor"), "{}", status.message);
        assert_eq!(w.sandbox(&pod).await.state, PodSandboxState::SandboxNotready as i32);
        let create = CreateContainerRequest {
            pod_sandbox_id: pod.clone(),
            config: Some(w.shell("late", "")),
            sandbox_config: None,
        };
        assert_eq!(
            w.cri.create_container(create).await.expect_err("dead").code(),
            tonic::Code::FailedPrecondition
        );
        w.remove(&pod).await;
        assert_eq!(w.leftovers(), Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_never_was_complete_is_removed() {
    let Some(mut w) = world().await else { return };
    let pod = w.run(w.pod("whole")).await;
    let id = w.launch(&pod, w.shell("main", "exec sleep 1000")).await;
    let broken = w.run(w.pod("broken")).await;
    let lost = w.launch(&broken, w.shell("main", "exec sleep 1000")).await;
    let half = w.create(&pod, w.shell("half", "true")).await;
    w.stop().await;
    // As a power cut could leave them.
    std::fs::write(w.pods().join(&broken).join("record"), b"\xff\xff").expect("written");
    std::fs::write(w.pods().join(&pod).join("containers").join(&half).join("record"), b"").expect("written");
    w.start().await;
    assert_eq!(w.status(&id).await.state, ContainerState::ContainerRunning as i32);
    for gone in [&lost, &half] {
        let request = ContainerStatusRequest { container_id: gone.clone(), verbose: false };
        assert!(w.cri.container_status(request).await.expect_err("gone").is_not_found());
    }
    w.remove(&pod).await;
    assert_eq!(w.leftovers(), Vec::<String>::new());
}
