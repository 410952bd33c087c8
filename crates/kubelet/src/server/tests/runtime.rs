//! Against a real container runtime: `CORTEN_TEST_CRI` names its socket, `CORTEN_TEST_IMAGE` an image in its
//! store that has `sh` and `cat`.

use super::*;
use corten_node_api::cri::*;
use corten_streaming::Protocol;
use std::collections::HashMap;

fn sandbox_config(logs: &std::path::Path) -> PodSandboxConfig {
    let node = NamespaceMode::Node as i32;
    let namespaces = NamespaceOption { network: node, ..NamespaceOption::default() };
    let security = LinuxSandboxSecurityContext { namespace_options: Some(namespaces), ..Default::default() };
    PodSandboxConfig {
        metadata: Some(PodSandboxMetadata {
            name: "web".into(),
            namespace: "ns".into(),
            uid: format!("u-{}", std::process::id()),
            attempt: 0,
        }),
        log_directory: logs.to_string_lossy().into_owned(),
        linux: Some(LinuxPodSandboxConfig {
            security_context: Some(security),
            ..LinuxPodSandboxConfig::default()
        }),
        ..PodSandboxConfig::default()
    }
}

/// Starts a container that answers each line it is sent, and gives its and its sandbox's ID.
async fn start(cri: &CriClient, image: String, logs: &std::path::Path) -> (String, String) {
    let sandbox_config = sandbox_config(logs);
    let request =
        RunPodSandboxRequest { config: Some(sandbox_config.clone()), ..RunPodSandboxRequest::default() };
    let sandbox = cri.run_pod_sandbox(request).await.expect("a sandbox").pod_sandbox_id;
    let script = "echo begun; echo oops >&2; while read line; do echo got $line; done";
    let security = LinuxContainerSecurityContext {
        namespace_options: sandbox_config
            .linux
            .as_ref()
            .and_then(|l| l.security_context.as_ref()?.namespace_options.clone()),
        ..LinuxContainerSecurityContext::default()
    };
    let config = ContainerConfig {
        metadata: Some(ContainerMetadata { name: "c".into(), attempt: 0 }),
        image: Some(ImageSpec { image, ..ImageSpec::default() }),
        command: ["sh", "-c", script].map(String::from).into(),
        labels: HashMap::from([
            ("io.kubernetes.pod.name".to_string(), "web".to_string()),
            ("io.kubernetes.pod.namespace".to_string(), "ns".to_string()),
            ("io.kubernetes.pod.uid".to_string(), "u-1".to_string()),
            ("io.kubernetes.container.name".to_string(), "c".to_string()),
        ]),
        log_path: "0.log".into(),
        stdin: true,
        linux: Some(LinuxContainerConfig { security_context: Some(security), ..Default::default() }),
        ..ContainerConfig::default()
    };
    let request = CreateContainerRequest {
        pod_sandbox_id: sandbox.clone(),
        config: Some(config),
        sandbox_config: Some(sandbox_config),
    };
    let container = cri.create_container(request).await.expect("a container").container_id;
    cri.start_container(StartContainerRequest { container_id: container.clone() }).await.expect("started");
    (container, sandbox)
}

async fn in_time<F: Future>(what: &str, future: F) -> F::Output {
    corten_rt::timeout(Duration::from_secs(20), Box::pin(future))
        .await
        .unwrap_or_else(|| panic!("{what} hangs"))
}

/// Runs a command with input and collects what it says.
async fn exec(
    b: &Bench,
    query: &str,
    options: Options,
    protocol: Protocol,
    input: &[u8],
) -> (String, String, Outcome) {
    let io = b.upgrade(&format!("/exec/ns/web/c?{query}"), protocol).await.expect("upgraded");
    let mut session = match protocol.transport {
        Transport::Spdy => remote_command::connect_spdy(io, options, &b.tasks).await.expect("streams"),
        _ => remote_command::connect_websocket(io, protocol, options, &b.tasks).await,
    };
    if let Some(mut stdin) = session.stdin.take() {
        stdin.write_all(input).await.expect("sent");
    }
    let (stdout, stderr) = (session.stdout.take(), session.stderr.take());
    let read = async |reader: Option<corten_streaming::PipeReader>| match reader {
        Some(mut reader) => String::from_utf8_lossy(&reader.read_all(1 << 20).await).into_owned(),
        None => String::new(),
    };
    let (out, err, outcome) = tokio::join!(read(stdout), read(stderr), session.status.outcome());
    (out, err, outcome)
}

async fn streams(b: &Bench) {
    let both = Options { stdin: true, stdout: true, stderr: true, tty: false };
    for protocol in [EXEC_WEBSOCKET_V5, EXEC_SPDY_V4] {
        let query =
            "command=sh&command=-c&command=cat;%20echo%20bad%20%3E%262;%20exit%207&input=1&output=1&error=1";
        let (out, err, outcome) = exec(b, query, both, protocol, b"hello").await;
        assert_eq!((out.as_str(), err.as_str()), ("hello", "bad\n"));
        assert!(matches!(outcome, Outcome::Exit { code: 7, .. }), "{outcome:?}");
    }
    let tty = Options { stdout: true, tty: true, ..Options::default() };
    let (out, _, outcome) = exec(b, "command=tty&output=1&tty=1", tty, EXEC_WEBSOCKET_V5, b"").await;
    assert!(out.starts_with("/dev/pts/") && outcome == Outcome::Success, "{out} {outcome:?}");
    let only = Options { stdout: true, ..Options::default() };
    let (_, _, outcome) = exec(b, "command=nothing&output=1", only, EXEC_WEBSOCKET_V5, b"").await;
    assert!(matches!(outcome, Outcome::Failure { .. } | Outcome::Exit { .. }), "{outcome:?}");
}

async fn attached(b: &Bench) {
    let options = Options { stdin: true, stdout: true, ..Options::default() };
    let io = b.upgrade("/attach/ns/web/c?input=1&output=1", EXEC_WEBSOCKET_V5).await.expect("upgraded");
    let mut session = remote_command::connect_websocket(io, EXEC_WEBSOCKET_V5, options, &b.tasks).await;
    let mut stdin = session.stdin.take().expect("in");
    stdin.write_all(b"word\n").await.expect("sent");
    let mut got = vec![0; "got word\n".len()];
    session.stdout.take().expect("out").read_exact(&mut got).await.expect("an answer");
    assert_eq!(got, b"got word\n");
}

async fn forwarded(b: &Bench) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let io = b.upgrade("/portForward/ns/web", FORWARD_SPDY).await.expect("upgraded");
    let client = port_forward::Client::start(io, &b.tasks).expect("a client");
    let mut dialed = client.open(port).await.expect("opened");
    dialed.writer.write_all(b"hello").await.expect("sent");
    let (mut accepted, _) = listener.accept().await.expect("a connection");
    let mut text = [0; 5];
    accepted.read_exact(&mut text).await.expect("read");
    accepted.write_all(b"bye").await.expect("written");
    drop(accepted);
    assert_eq!((&text, dialed.reader.read_all(10).await), (b"hello", b"bye".to_vec()));
    drop(listener);
    let mut refused = client.open(port).await.expect("opened");
    let error = String::from_utf8_lossy(&refused.error.read_all(1000).await).into_owned();
    assert!(error.contains("refused"), "{error}");
}

#[tokio::test]
async fn a_real_runtime() {
    let (Ok(socket), Ok(image)) = (std::env::var("CORTEN_TEST_CRI"), std::env::var("CORTEN_TEST_IMAGE"))
    else {
        return eprintln!("skipped: needs CORTEN_TEST_CRI and CORTEN_TEST_IMAGE");
    };
    let cri = CriClient::new(&CriConfig::new(socket)).expect("a client");
    let (tasks, dir) = (Tasks::new(Stop::new()), tempfile::tempdir().expect("directory"));
    let (container, sandbox) = start(&cri, image, dir.path()).await;
    let pod = OnePod { logs: dir.path().into(), container, sandbox: sandbox.clone() };
    let b = Bench::before(cri.clone(), pod, dir, tasks).await;

    in_time("exec", streams(&b)).await;
    in_time("attach", attached(&b)).await;
    in_time("port-forward", forwarded(&b)).await;
    assert_eq!(b.get("/containerLogs/ns/web/c").await, (200, "begun\noops\ngot word\n".to_string()));
    let (_, summary) = b.get("/stats/summary").await;
    assert!(summary.contains("\"name\":\"c\""), "{summary}");
    let (_, metrics) = b.get("/metrics/resource").await;
    assert!(metrics.contains("container_memory_working_set_bytes{container=\"c\""), "{metrics}");

    let stop = StopPodSandboxRequest { pod_sandbox_id: sandbox.clone() };
    cri.stop_pod_sandbox(stop).await.expect("stopped");
    cri.remove_pod_sandbox(RemovePodSandboxRequest { pod_sandbox_id: sandbox }).await.expect("removed");
    b.end().await;
}
