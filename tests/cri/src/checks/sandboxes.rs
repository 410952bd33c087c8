//! Sandboxes: life, state, filters, namespaces, network.

use anyhow::{Context, Result, ensure};
use corten_node_api::cri::*;

use super::checks;
use crate::world::{LABEL, World, same};

checks![
    a_sandbox_lives_and_ends,
    sandboxes_are_found_by_filters,
    a_name_is_taken_once,
    missing_sandboxes_are_fine_to_remove,
    namespaces_are_shared_in_a_pod,
    namespaces_of_the_machine,
    one_pid_namespace_for_a_pod,
    host_names_and_kernel_settings,
    addresses_are_given_back,
    ports_of_the_machine,
    resolvers_come_from_the_configuration,
    unknown_handlers_are_refused
];

async fn a_sandbox_lives_and_ends(w: &World) -> Result<()> {
    let pod = w
        .pod_with(|c| {
            c.annotations.insert("note".into(), "kept".into());
            if let Some(metadata) = &mut c.metadata {
                metadata.attempt = 3;
            }
        })
        .await?;
    let container = pod.start(|_| ()).await?;
    let ask = PodSandboxStatusRequest { pod_sandbox_id: pod.id.clone(), verbose: true };
    let reply = w.probe.pod_sandbox_status(ask.clone()).await?;
    ensure!(!reply.info.is_empty(), "no verbose information");
    let status = reply.status.context("no status")?;
    same("state", status.state, PodSandboxState::SandboxReady as i32)?;
    same("metadata", status.metadata.as_ref(), pod.config.metadata.as_ref())?;
    same("annotations", &status.annotations, &pod.config.annotations)?;
    same("labels", &status.labels, &pod.config.labels)?;
    ensure!(status.created_at > 0, "no time");
    let options = status.linux.and_then(|l| l.namespaces).and_then(|n| n.options).context("no namespaces")?;
    same("PID namespace", options.pid, NamespaceMode::Container as i32)?;
    ensure!(!status.network.context("no network")?.ip.is_empty(), "no address");
    for _ in 0..2 {
        let stop = StopPodSandboxRequest { pod_sandbox_id: pod.id.clone() };
        w.probe.stop_pod_sandbox(stop).await.context("stop")?;
    }
    let status = w.probe.pod_sandbox_status(ask.clone()).await?.status.context("no status")?;
    same("state", status.state, PodSandboxState::SandboxNotready as i32)?;
    same("its container", w.status(&container).await?.state, ContainerState::ContainerExited as i32)?;
    let remove = RemovePodSandboxRequest { pod_sandbox_id: pod.id.clone() };
    w.probe.remove_pod_sandbox(remove).await?;
    let error = w.probe.pod_sandbox_status(ask).await.err().context("removed, still there")?;
    ensure!(error.is_not_found(), "{error}");
    let error = w.status(&container).await.err().context("its container is still there")?;
    ensure!(format!("{error:#}").to_lowercase().contains("not found"), "{error:#}");
    Ok(())
}

async fn sandboxes_are_found_by_filters(w: &World) -> Result<()> {
    let one = w.pod_with(|c| drop(c.labels.insert("which".into(), "one".into()))).await?;
    let two = w
        .pod_with(|c| {
            c.labels.insert("which".into(), "two".into());
            c.annotations.insert("a".into(), "v".into());
        })
        .await?;
    w.probe.stop_pod_sandbox(StopPodSandboxRequest { pod_sandbox_id: two.id.clone() }).await?;
    let run = [(LABEL.to_owned(), w.run.clone())];
    let which = [(LABEL.to_owned(), w.run.clone()), ("which".to_owned(), "two".to_owned())];
    let state = |s: PodSandboxState| Some(PodSandboxStateValue { state: s as i32 });
    let filter = |id: &str, state, labels: &[(String, String)]| PodSandboxFilter {
        id: id.to_owned(),
        state,
        label_selector: labels.iter().cloned().collect(),
    };
    let (first, second) = (vec![one.id.as_str()], vec![two.id.as_str()]);
    for (filter, expected) in [
        (filter("", state(PodSandboxState::SandboxReady), &run), first.clone()),
        (filter("", state(PodSandboxState::SandboxNotready), &run), second.clone()),
        (filter("", None, &which), second.clone()),
        (filter(&one.id, None, &[]), first.clone()),
        (filter(&one.id[..13], None, &[]), first),
        (filter(&one.id, None, &which), vec![]),
        (filter("none-such", None, &run), vec![]),
    ] {
        let request = ListPodSandboxRequest { filter: Some(filter.clone()) };
        let found = w.probe.list_pod_sandbox(request).await?.items;
        let ids: Vec<&str> = found.iter().map(|s| s.id.as_str()).collect();
        same(&format!("{filter:?}"), ids, expected)?;
    }
    Ok(())
}

async fn a_name_is_taken_once(w: &World) -> Result<()> {
    let pod = w.pod().await?;
    let request =
        RunPodSandboxRequest { config: Some(pod.config.clone()), ..RunPodSandboxRequest::default() };
    ensure!(w.probe.run_pod_sandbox(request).await.is_err(), "the same pod twice");
    let metadata = ContainerMetadata { name: "same".into(), attempt: 1 };
    pod.create(|c| c.metadata = Some(metadata.clone())).await?;
    let again = pod.create(|c| c.metadata = Some(metadata.clone())).await;
    ensure!(again.is_err(), "the same container twice");
    pod.create(|c| c.metadata = Some(ContainerMetadata { attempt: 2, ..metadata })).await?;
    Ok(())
}

async fn missing_sandboxes_are_fine_to_remove(w: &World) -> Result<()> {
    let pod_sandbox_id = "0123456789abcdef".to_owned();
    w.probe.stop_pod_sandbox(StopPodSandboxRequest { pod_sandbox_id: pod_sandbox_id.clone() }).await?;
    w.probe.remove_pod_sandbox(RemovePodSandboxRequest { pod_sandbox_id: pod_sandbox_id.clone() }).await?;
    w.probe.remove_container(RemoveContainerRequest { container_id: pod_sandbox_id.clone() }).await?;
    let error = w
        .probe
        .create_container(CreateContainerRequest {
            pod_sandbox_id,
            config: Some(ContainerConfig {
                metadata: Some(ContainerMetadata { name: "x".into(), attempt: 0 }),
                image: Some(w.image("plain").await?),
                ..ContainerConfig::default()
            }),
            sandbox_config: Some(w.sandbox()),
        })
        .await;
    ensure!(error.is_err(), "a container in no sandbox");
    Ok(())
}

const NAMESPACES: &str = "for n in net ipc uts pid mnt; do readlink /proc/self/ns/$n; done";

async fn namespaces_are_shared_in_a_pod(w: &World) -> Result<()> {
    let pod = w.pod().await?;
    let a = pod.start(|_| ()).await?;
    let b = pod.start(|_| ()).await?;
    let (one, two) = (w.exec(&a, NAMESPACES).await?.0, w.exec(&b, NAMESPACES).await?.0);
    let (one, two): (Vec<&str>, Vec<&str>) = (one.lines().collect(), two.lines().collect());
    ensure!(one.len() == 5 && two.len() == 5, "{one:?} {two:?}");
    same("shared", &one[..3], &two[..3])?;
    ensure!(one[3] != two[3] && one[4] != two[4], "own namespaces are shared: {one:?} {two:?}");
    w.exec(&a, "echo hello > /dev/shm/note").await?;
    same("shared memory", w.exec(&b, "cat /dev/shm/note").await?.0.as_str(), "hello")?;
    same("first process", w.exec(&a, "cat /proc/1/comm").await?.0.as_str(), "sleep")
}

fn options(c: &mut PodSandboxConfig) -> Option<&mut NamespaceOption> {
    c.linux.as_mut()?.security_context.as_mut()?.namespace_options.as_mut()
}

async fn namespaces_of_the_machine(w: &World) -> Result<()> {
    let node = NamespaceMode::Node as i32;
    let modes = NamespaceOption { network: node, pid: node, ipc: node, ..NamespaceOption::default() };
    let pod = w
        .pod_with(|c| {
            c.hostname.clear();
            if let Some(o) = options(c) {
                *o = modes.clone();
            }
        })
        .await?;
    let own = |name: &str| std::fs::read_link(format!("/proc/self/ns/{name}"));
    let seen = pod
        .output("for n in net ipc pid; do readlink /proc/self/ns/$n; done", |c| {
            crate::world::security(c).namespace_options = Some(modes.clone());
        })
        .await?;
    let seen: Vec<&str> = seen.lines().collect();
    for (at, name) in ["net", "ipc", "pid"].iter().enumerate() {
        same(name, seen[at].to_owned(), own(name)?.to_string_lossy().into_owned())?;
    }
    Ok(())
}

async fn one_pid_namespace_for_a_pod(w: &World) -> Result<()> {
    let pod_mode = NamespaceOption { pid: NamespaceMode::Pod as i32, ..NamespaceOption::default() };
    let pod = w
        .pod_with(|c| {
            if let Some(o) = options(c) {
                o.pid = NamespaceMode::Pod as i32;
            }
        })
        .await?;
    let shared =
        |c: &mut ContainerConfig| crate::world::security(c).namespace_options = Some(pod_mode.clone());
    pod.start(|c| {
        c.command = ["sleep", "7777"].map(str::to_owned).to_vec();
        shared(c);
    })
    .await?;
    let other = pod.start(shared).await?;
    let (seen, _) = w.exec(&other, "ps -o args").await?;
    ensure!(seen.contains("sleep 7777"), "{seen}");
    let own = w.pod().await?;
    let target = own.start(|c| c.command = ["sleep", "8888"].map(str::to_owned).to_vec()).await?;
    let joined = own
        .start(|c| {
            crate::world::security(c).namespace_options = Some(NamespaceOption {
                pid: NamespaceMode::Target as i32,
                target_id: target.clone(),
                ..NamespaceOption::default()
            });
        })
        .await?;
    let (seen, _) = w.exec(&joined, "ps -o args").await?;
    ensure!(seen.contains("sleep 8888"), "{seen}");
    Ok(())
}

async fn host_names_and_kernel_settings(w: &World) -> Result<()> {
    let settings = [("net.ipv4.ip_unprivileged_port_start", "81"), ("kernel.shm_rmid_forced", "1")];
    let pod = w
        .pod_with(|c| {
            c.hostname = "a-name-of-its-own".into();
            let linux = c.linux.get_or_insert_default();
            linux.sysctls = settings.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        })
        .await?;
    let script =
        "hostname; cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/kernel/shm_rmid_forced";
    same("settings", pod.output(script, |_| ()).await?.as_str(), "a-name-of-its-own\n81\n1")?;
    let unknown = w
        .pod_with(|c| {
            let linux = c.linux.get_or_insert_default();
            linux.sysctls = [("net.no_such_setting".to_owned(), "1".to_owned())].into();
        })
        .await;
    ensure!(unknown.is_err(), "a setting that is none");
    Ok(())
}

async fn addresses_are_given_back(w: &World) -> Result<()> {
    let pod = w.pod().await?;
    let ask = PodSandboxStatusRequest { pod_sandbox_id: pod.id.clone(), verbose: false };
    let network =
        w.probe.pod_sandbox_status(ask).await?.status.and_then(|s| s.network).context("no network")?;
    let id = pod.start(|_| ()).await?;
    let (seen, _) = w.exec(&id, "ip addr show eth0").await?;
    ensure!(seen.contains(&network.ip), "{} is not in {seen}", network.ip);
    let (seen, _) = w.exec(&id, "ip addr show lo").await?;
    ensure!(seen.contains("127.0.0.1") && seen.contains("UP"), "{seen}");
    w.clean().await?;
    // The range must hold out although pods come and go.
    for _ in 0..3 {
        w.pod().await?;
        w.clean().await?;
    }
    Ok(())
}

async fn ports_of_the_machine(w: &World) -> Result<()> {
    let port = 23456;
    let pod = w
        .pod_with(|c| {
            c.port_mappings = vec![PortMapping {
                protocol: Protocol::Tcp as i32,
                container_port: 80,
                host_port: port,
                host_ip: "127.0.0.1".into(),
            }];
        })
        .await?;
    pod.start(|c| {
        c.command = ["sh", "-c", "while :; do echo hello | nc -l -p 80; done"].map(str::to_owned).to_vec()
    })
    .await?;
    for _ in 0..50 {
        if tokio::net::TcpStream::connect(("127.0.0.1", port as u16)).await.is_ok() {
            return Ok(());
        }
        corten_rt::sleep(std::time::Duration::from_millis(50)).await;
    }
    anyhow::bail!("nothing answers on the machine's port")
}

async fn resolvers_come_from_the_configuration(w: &World) -> Result<()> {
    let pod = w
        .pod_with(|c| {
            c.dns_config = Some(DnsConfig {
                servers: vec!["192.0.2.53".into()],
                searches: vec!["suite.test".into()],
                options: vec!["ndots:3".into()],
            });
        })
        .await?;
    let text = pod.output("cat /etc/resolv.conf", |_| ()).await?;
    for part in ["nameserver 192.0.2.53", "search suite.test", "options ndots:3"] {
        ensure!(text.contains(part), "{part} is not in {text:?}");
    }
    Ok(())
}

async fn unknown_handlers_are_refused(w: &World) -> Result<()> {
    let request =
        RunPodSandboxRequest { config: Some(w.sandbox()), runtime_handler: "no-such-handler".to_owned() };
    let error = w.probe.run_pod_sandbox(request).await.err().context("a sandbox of no handler")?;
    ensure!(error.to_string().contains("no-such-handler"), "{error}");
    Ok(())
}
