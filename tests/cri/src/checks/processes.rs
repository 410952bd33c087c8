//! Processes: command, environment, directory, streams, exec.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use corten_node_api::cri::*;

use super::checks;
use crate::world::{World, same, text_of};

checks![
    commands_come_from_configuration_and_image,
    environments_add_up,
    directories_are_made,
    execs_return_output_and_code,
    execs_end_in_time,
    execs_are_like_their_container,
    streams_have_addresses,
    terminals_are_given,
    an_open_stdin_waits
];

async fn commands_come_from_configuration_and_image(w: &World) -> Result<()> {
    let pod = w.pod().await?;
    let image = w.image("full").await?;
    let id = pod.start(|c| c.image = Some(image.clone())).await?;
    corten_rt::sleep(std::time::Duration::from_millis(200)).await;
    let log = w.status(&id).await?.log_path;
    same("the image's own", text_of(Path::new(&log))?.as_str(), "/work\nimage")?;
    let words = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
    for (command, args, want) in [
        (words(&[]), words(&["echo args"]), "args"),
        (words(&["echo"]), words(&["both", "given"]), "both given"),
        (words(&["echo", "alone"]), words(&[]), "alone"),
    ] {
        let id = pod
            .start(|c| {
                c.image = Some(image.clone());
                c.command = command;
                c.args = args;
            })
            .await?;
        let log = w.ended(&id).await?.log_path;
        same(want, text_of(Path::new(&log))?.as_str(), want)?;
    }
    Ok(())
}

async fn environments_add_up(w: &World) -> Result<()> {
    let pod = w.pod().await?;
    let output = pod
        .output("echo $FROM $OWN $PATH $HOSTNAME; env | grep -c ^FROM=", |c| {
            let set = |key: &str, value: &str| KeyValue { key: key.into(), value: value.into() };
            c.envs = vec![set("OWN", "a b"), set("FROM", "pod")];
        })
        .await?;
    let name = &pod.config.hostname;
    same("environment", output, format!("pod a b /bin {name}\n1"))
}

async fn directories_are_made(w: &World) -> Result<()> {
    let pod = w.pod().await?;
    let output = pod.output("pwd; touch here", |c| c.working_dir = "/made/for/it".into()).await?;
    same("directory", output.as_str(), "/made/for/it")
}

async fn execs_return_output_and_code(w: &World) -> Result<()> {
    let pod = w.pod().await?;
    let id = pod.start(|_| ()).await?;
    let request = ExecSyncRequest {
        container_id: id.clone(),
        cmd: ["sh", "-c", "echo out; echo err >&2; exit 7"].map(str::to_owned).to_vec(),
        timeout: 0,
    };
    let reply = w.probe.exec_sync(request).await?;
    let got = (reply.stdout.as_slice(), reply.stderr.as_slice(), reply.exit_code);
    same("exec", got, (&b"out\n"[..], &b"err\n"[..], 7))?;
    let missing =
        ExecSyncRequest { container_id: id.clone(), cmd: vec!["no-such-command".into()], timeout: 5 };
    let error = w.probe.exec_sync(missing).await.err().context("ran nothing")?;
    ensure!(error.to_string().contains("executable file not found"), "{error}");
    w.stop(&id, 0).await?;
    let ended = ExecSyncRequest { container_id: id, cmd: vec!["true".into()], timeout: 5 };
    ensure!(w.probe.exec_sync(ended).await.is_err(), "ran in an ended container");
    Ok(())
}

async fn execs_end_in_time(w: &World) -> Result<()> {
    let pod = w.pod().await?;
    let id = pod.start(|_| ()).await?;
    let request = ExecSyncRequest {
        container_id: id.clone(),
        cmd: ["sleep", "777"].map(str::to_owned).to_vec(),
        timeout: 1,
    };
    let began = corten_rt::Instant::now();
    let error = w.probe.exec_sync(request).await.err().context("ran on")?;
    ensure!(error.is_deadline_exceeded(), "{error}");
    ensure!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
    corten_rt::sleep(std::time::Duration::from_millis(300)).await;
    let (left, _) = w.exec(&id, "ps -o args | grep -c '[s]leep 777'").await?;
    same("left over", left.as_str(), "0")
}

async fn execs_are_like_their_container(w: &World) -> Result<()> {
    let pod = w.pod().await?;
    let script = "grep -E '^(Cap|Seccomp:|NoNewPrivs|Uid|Gid|Groups)' /proc/self/status; ulimit -n; pwd; echo $OWN; umask";
    let fill = |c: &mut ContainerConfig| {
        c.envs = vec![KeyValue { key: "OWN".into(), value: "value".into() }];
        c.working_dir = "/tmp".into();
        let security = crate::world::security(c);
        security.run_as_user = Some(Int64Value { value: 1001 });
        security.run_as_group = Some(Int64Value { value: 1002 });
        security.supplemental_groups = vec![1003];
        security.no_new_privs = true;
        security.seccomp = Some(SecurityProfile::default());
        security.capabilities =
            Some(Capability { drop_capabilities: vec!["KILL".into()], ..Capability::default() });
    };
    let first = pod.output(script, fill).await?;
    ensure!(first.contains("Seccomp:\t2") && first.contains("NoNewPrivs:\t1"), "{first}");
    let id = pod.start(fill).await?;
    same("exec", w.exec(&id, script).await?.0, first)
}

async fn streams_have_addresses(w: &World) -> Result<()> {
    let pod = w.pod().await?;
    let id = pod
        .start(|c| {
            c.stdin = true;
            c.stdin_once = true;
        })
        .await?;
    let exec = ExecRequest {
        container_id: id.clone(),
        cmd: vec!["cat".into()],
        tty: false,
        stdin: true,
        stdout: true,
        stderr: true,
    };
    let tty = ExecRequest { tty: true, stderr: false, ..exec.clone() };
    let attach = AttachRequest { container_id: id, stdin: true, tty: false, stdout: true, stderr: true };
    let attach_tty = AttachRequest { tty: true, stderr: false, ..attach.clone() };
    let forward = PortForwardRequest { pod_sandbox_id: pod.id.clone(), port: vec![80] };
    for url in [
        w.probe.exec(exec.clone()).await?.url,
        w.probe.exec(tty).await?.url,
        w.probe.attach(attach).await?.url,
        w.probe.attach(attach_tty).await.map(|a| a.url).unwrap_or_else(|_| "http://127.0.0.1".into()),
        w.probe.port_forward(forward).await?.url,
    ] {
        ensure!(url.starts_with("http://127.0.0.1"), "{url}");
    }
    let silent = ExecRequest { stdin: false, stdout: false, stderr: false, ..exec };
    ensure!(w.probe.exec(silent).await.is_err(), "an exec without streams");
    Ok(())
}

async fn terminals_are_given(w: &World) -> Result<()> {
    let pod = w.pod().await?;
    let (status, text) = pod.run("test -t 0 && test -t 1 && echo terminal", |c| c.tty = true).await?;
    same("exit code", status.exit_code, 0)?;
    ensure!(text.starts_with("terminal"), "{text:?}");
    same("without", pod.run("test -t 1", |_| ()).await?.0.exit_code, 1)
}

async fn an_open_stdin_waits(w: &World) -> Result<()> {
    let pod = w.pod().await?;
    let closed = pod.start(|c| c.command = vec!["cat".into()]).await?;
    same("cat of nothing", w.ended(&closed).await?.exit_code, 0)?;
    let open = pod
        .start(|c| {
            c.command = vec!["cat".into()];
            c.stdin = true;
        })
        .await?;
    corten_rt::sleep(std::time::Duration::from_millis(300)).await;
    same("cat of an open end", w.status(&open).await?.state, ContainerState::ContainerRunning as i32)
}
