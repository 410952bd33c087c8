//! Containers: life, state, filters, logs, signals, names.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use corten_node_api::cri::*;

use super::checks;
use crate::world::{LABEL, World, same, text_of};

checks![
    a_container_lives_and_ends,
    containers_are_found_by_filters,
    exit_codes_are_kept,
    a_start_that_fails_says_why,
    a_stop_waits_for_grace,
    stop_signals_are_chosen,
    a_running_container_is_removed_by_force,
    logs_have_streams_and_lines,
    logs_are_opened_again,
    calls_on_nothing_are_told,
    many_at_once
];

async fn a_container_lives_and_ends(w: &World) -> Result<()> {
    let pod = w.pod().await?;
    let metadata = ContainerMetadata { name: "alive".into(), attempt: 2 };
    let id = pod
        .create(|c| {
            c.metadata = Some(metadata.clone());
            c.labels = [("l".to_owned(), "v".to_owned())].into();
            c.annotations = [("a".to_owned(), "v".to_owned())].into();
        })
        .await?;
    let status = w.status(&id).await?;
    same("state", status.state, ContainerState::ContainerCreated as i32)?;
    same("times", (status.started_at, status.finished_at), (0, 0))?;
    ensure!(status.created_at > 0, "no time of creation");
    w.probe.start_container(StartContainerRequest { container_id: id.clone() }).await?;
    let status = w.status(&id).await?;
    same("state", status.state, ContainerState::ContainerRunning as i32)?;
    ensure!(status.started_at >= status.created_at, "{status:?}");
    same("metadata", status.metadata, Some(metadata))?;
    same("labels", status.labels.get("l").map(String::as_str), Some("v"))?;
    same("annotations", status.annotations.get("a").map(String::as_str), Some("v"))?;
    ensure!(status.image_ref.contains("sha256:"), "{}", status.image_ref);
    ensure!(!status.image_id.is_empty(), "no image id");
    same("image", status.image.map(|i| i.image), Some(w.registry.image("plain")))?;
    ensure!(status.log_path.ends_with(".log"), "{}", status.log_path);
    let again = w.probe.start_container(StartContainerRequest { container_id: id.clone() }).await;
    ensure!(again.is_err(), "started twice");
    w.stop(&id, 0).await?;
    let status = w.status(&id).await?;
    same("state", status.state, ContainerState::ContainerExited as i32)?;
    ensure!(status.finished_at >= status.started_at, "{status:?}");
    same("exit code", status.exit_code, 137)?;
    w.stop(&id, 0).await.context("stop again")?;
    for _ in 0..2 {
        w.probe
            .remove_container(RemoveContainerRequest { container_id: id.clone() })
            .await
            .context("remove")?;
    }
    ensure!(w.status(&id).await.is_err(), "removed, still there");
    Ok(())
}

async fn containers_are_found_by_filters(w: &World) -> Result<()> {
    let pod = w.pod().await?;
    let ours = |c: &mut ContainerConfig| drop(c.labels.insert(LABEL.into(), w.run.clone()));
    let runs = pod.start(ours).await?;
    let made = pod
        .create(|c| {
            ours(c);
            c.labels.insert("which".into(), "made".into());
            c.annotations.insert("a".into(), "v".into());
        })
        .await?;
    let labels = |list: &[(&str, &str)]| {
        list.iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect::<std::collections::HashMap<_, _>>()
    };
    let state = |s: ContainerState| Some(ContainerStateValue { state: s as i32 });
    let filter = |id: &str, state, pod: &str, label_selector| ContainerFilter {
        id: id.to_owned(),
        state,
        pod_sandbox_id: pod.to_owned(),
        label_selector,
    };
    let run = labels(&[(LABEL, &w.run)]);
    for (filter, expected) in [
        (filter("", state(ContainerState::ContainerRunning), "", run.clone()), vec![&runs]),
        (filter("", state(ContainerState::ContainerCreated), &pod.id, run.clone()), vec![&made]),
        (filter("", None, &pod.id, labels(&[("which", "made")])), vec![&made]),
        (filter(&runs, None, "", run.clone()), vec![&runs]),
        (filter("", None, "no-such-pod", run), vec![]),
    ] {
        let found =
            w.probe.list_containers(ListContainersRequest { filter: Some(filter.clone()) }).await?.containers;
        same(&format!("{filter:?}"), found.iter().map(|c| &c.id).collect::<Vec<_>>(), expected)?;
        for container in found {
            same("pod", container.pod_sandbox_id.as_str(), pod.id.as_str())?;
            ensure!(container.created_at > 0 && !container.image_ref.is_empty(), "{container:?}");
        }
    }
    Ok(())
}

async fn exit_codes_are_kept(w: &World) -> Result<()> {
    let pod = w.pod().await?;
    for (script, code, reason) in
        [("exit 0", 0, "Completed"), ("exit 7", 7, "Error"), ("kill -9 $$; sleep 9", 137, "Error")]
    {
        // A first process is deaf to its own signals: a shell below it is not.
        let script = format!("sh -c '{script}'; exit $?");
        let (status, _) = pod.run(&script, |_| ()).await?;
        same(&script, (status.exit_code, status.reason.as_str()), (code, reason))?;
    }
    Ok(())
}

async fn a_start_that_fails_says_why(w: &World) -> Result<()> {
    let pod = w.pod().await?;
    // Newer runtimes look before they execute, and say what the kernel does not.
    for (command, wanted) in [
        ("no-such-command", ["executable file not found"; 2]),
        ("/etc", ["permission denied", "is a directory"]),
    ] {
        let started = pod.start(|c| c.command = vec![command.to_owned()]).await;
        let error = format!("{:#}", started.err().context("started")?);
        ensure!(wanted.iter().any(|want| error.contains(want)), "{error}");
    }
    let missing = ImageSpec { image: "suite.test/never/pulled:1".into(), ..ImageSpec::default() };
    ensure!(pod.create(|c| c.image = Some(missing)).await.is_err(), "created of a missing image");
    Ok(())
}

async fn a_stop_waits_for_grace(w: &World) -> Result<()> {
    let pod = w.pod().await?;
    let script = "trap 'echo told; exit 3' TERM; sleep 3600 & wait";
    let id = pod.start(|c| c.command = ["sh", "-c", script].map(str::to_owned).to_vec()).await?;
    corten_rt::sleep(std::time::Duration::from_millis(200)).await;
    let began = corten_rt::Instant::now();
    w.stop(&id, 10).await?;
    ensure!(began.elapsed().as_secs() < 5, "an obedient process was waited for: {:?}", began.elapsed());
    let status = w.status(&id).await?;
    same("exit code", status.exit_code, 3)?;
    same("last words", text_of(Path::new(&status.log_path))?.as_str(), "told")?;
    let deaf = "trap '' TERM; while :; do sleep 1; done";
    let id = pod.start(|c| c.command = ["sh", "-c", deaf].map(str::to_owned).to_vec()).await?;
    let began = corten_rt::Instant::now();
    w.stop(&id, 1).await?;
    ensure!(began.elapsed().as_millis() >= 1000, "killed within its grace");
    same("exit code", w.status(&id).await?.exit_code, 137)
}

async fn stop_signals_are_chosen(w: &World) -> Result<()> {
    let pod = w.pod().await?;
    let script = "trap 'exit 12' USR1; trap 'exit 10' INT; trap 'exit 15' TERM; sleep 3600 & wait";
    let image = w.image("full").await?;
    for (signal, image, code) in [(Signal::RuntimeDefault, Some(image), 12), (Signal::Sigint, None, 10)] {
        let id = pod
            .start(|c| {
                c.command = ["sh", "-c", script].map(str::to_owned).to_vec();
                c.stop_signal = signal as i32;
                c.image = image.or(c.image.take());
            })
            .await?;
        corten_rt::sleep(std::time::Duration::from_millis(200)).await;
        w.stop(&id, 10).await?;
        let status = w.status(&id).await?;
        same(&format!("{signal:?}"), status.exit_code, code)?;
        if signal == Signal::Sigint {
            same("stop signal", status.stop_signal, signal as i32)?;
        }
    }
    Ok(())
}

async fn a_running_container_is_removed_by_force(w: &World) -> Result<()> {
    let pod = w.pod().await?;
    let id = pod.start(|_| ()).await?;
    w.probe.remove_container(RemoveContainerRequest { container_id: id.clone() }).await?;
    ensure!(w.status(&id).await.is_err(), "removed, still there");
    Ok(())
}

async fn logs_have_streams_and_lines(w: &World) -> Result<()> {
    let pod = w.pod().await?;
    let script = "echo one; echo two >&2; printf three; seq -s '' 1 6000 | head -c 20000; echo";
    let (status, text) = pod.run(script, |_| ()).await?;
    let raw = std::fs::read_to_string(&status.log_path)?;
    let has = |part: &str| raw.lines().any(|line| line.ends_with(part));
    ensure!(has(" stdout F one") && has(" stderr F two"), "{}", &raw[..200.min(raw.len())]);
    ensure!(raw.lines().any(|line| line.contains(" stdout P ")), "a long line is not cut");
    ensure!(text.contains("three123"), "parts of a line do not make the line");
    let longest = text.lines().map(str::len).max();
    same("length of the line", longest, Some("three".len() + 20000))
}

async fn logs_are_opened_again(w: &World) -> Result<()> {
    let pod = w.pod().await?;
    let script = "while :; do echo line; sleep 0.05; done";
    let id = pod.start(|c| c.command = ["sh", "-c", script].map(str::to_owned).to_vec()).await?;
    let log = w.status(&id).await?.log_path;
    corten_rt::sleep(std::time::Duration::from_millis(200)).await;
    std::fs::rename(&log, format!("{log}.1"))?;
    w.probe.reopen_container_log(ReopenContainerLogRequest { container_id: id.clone() }).await?;
    corten_rt::sleep(std::time::Duration::from_millis(300)).await;
    ensure!(text_of(Path::new(&log))?.contains("line"), "nothing in the new log");
    w.stop(&id, 0).await?;
    let ended = w.probe.reopen_container_log(ReopenContainerLogRequest { container_id: id }).await;
    ensure!(ended.is_err(), "the log of an ended container was opened again");
    Ok(())
}

async fn calls_on_nothing_are_told(w: &World) -> Result<()> {
    let id = || "no-such-container".to_owned();
    let start = w.probe.start_container(StartContainerRequest { container_id: id() }).await.map(drop);
    let status = w
        .probe
        .container_status(ContainerStatusRequest { container_id: id(), verbose: false })
        .await
        .map(drop);
    let exec = ExecSyncRequest { container_id: id(), cmd: vec!["true".into()], timeout: 1 };
    let exec = w.probe.exec_sync(exec).await.map(drop);
    let stats = w.probe.container_stats(ContainerStatsRequest { container_id: id() }).await.map(drop);
    for (what, result) in [("start", start), ("status", status), ("exec", exec), ("stats", stats)] {
        let error = result.err().with_context(|| format!("{what} of nothing"))?;
        ensure!(error.is_not_found(), "{what}: {error}");
    }
    // Stopping what is gone is no error: the kubelet may be late.
    w.stop("no-such-container", 0).await
}

async fn many_at_once(w: &World) -> Result<()> {
    w.image("plain").await?;
    let pods = futures::future::join_all((0..12).map(|_| async {
        let pod = w.pod().await?;
        pod.output("echo $((6 * 7))", |_| ()).await
    }))
    .await;
    for output in pods {
        same("output", output?.as_str(), "42")?;
    }
    Ok(())
}
