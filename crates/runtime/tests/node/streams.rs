//! Exec, attach and port-forward through the streaming server.

use crate::world::world;
use corten_node_api::cri::*;
use corten_rt::{Stop, Tasks};
use corten_streaming::remote_command::{Options, Outcome, TerminalSize, connect_spdy};
use corten_streaming::{EXEC_SPDY_V4, FORWARD_SPDY, dial, port_forward};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_have_input_output_and_a_code() {
    let Some(w) = world().await else { return };
    let tasks = Tasks::new(Stop::new());
    let pod = w.run(w.pod("exec")).await;
    let id = w.launch(&pod, w.shell("main", "exec sleep 1000")).await;
    let cmd = ["/bin/sh", "-c", "cat; echo bad >&2; exit 6"].map(str::to_owned).to_vec();
    let request =
        ExecRequest { container_id: id.clone(), cmd, tty: false, stdin: true, stdout: true, stderr: true };
    let url = w.cri.exec(request).await.expect("offered").url;
    let options = Options { stdin: true, stdout: true, stderr: true, tty: false };
    let connected = dial(&url, EXEC_SPDY_V4, &tasks).await.expect("dialled");
    let mut session = connect_spdy(connected, options, &tasks).await.expect("session");
    let mut stdin = session.stdin.take().expect("stdin");
    stdin.write_all(b"through and through").await.expect("written");
    drop(stdin);
    let (mut out, mut err) = (String::new(), String::new());
    session.stdout.take().expect("stdout").read_to_string(&mut out).await.expect("read");
    session.stderr.take().expect("stderr").read_to_string(&mut err).await.expect("read");
    assert_eq!((out.as_str(), err.as_str()), ("through and through", "bad\n"));
    assert_eq!(session.status.outcome().await, Outcome::exit(6));
    assert!(dial(&url, EXEC_SPDY_V4, &tasks).await.is_err(), "a URL is good once");

    let cmd = ["/bin/sh", "-c", "tty; stty size; read x; echo got $x"].map(str::to_owned).to_vec();
    let request = ExecRequest { container_id: id, cmd, tty: true, stdin: true, stdout: true, stderr: false };
    let url = w.cri.exec(request).await.expect("offered").url;
    let options = Options { stdin: true, stdout: true, stderr: false, tty: true };
    let connected = dial(&url, EXEC_SPDY_V4, &tasks).await.expect("dialled");
    let mut session = connect_spdy(connected, options, &tasks).await.expect("session");
    let size = TerminalSize { width: 100, height: 30 };
    session.resize.as_mut().expect("resize").send(size).await.expect("sent");
    let mut stdin = session.stdin.take().expect("stdin");
    stdin.write_all(b"word\r").await.expect("written");
    let mut out = String::new();
    session.stdout.take().expect("stdout").read_to_string(&mut out).await.expect("read");
    assert!(out.contains("/dev/pts/") && out.contains("got word"), "{out}");
    assert!(out.contains("30 100"), "{out}");
    assert_eq!(session.status.outcome().await, Outcome::Success);
    w.remove(&pod).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attached_client_speaks_with_the_container() {
    let Some(w) = world().await else { return };
    let tasks = Tasks::new(Stop::new());
    let pod = w.run(w.pod("attach")).await;
    let mut config = w.shell("main", "cat; echo done");
    (config.stdin, config.stdin_once) = (true, true);
    let id = w.launch(&pod, config).await;
    let request =
        AttachRequest { container_id: id.clone(), stdin: true, tty: false, stdout: true, stderr: true };
    let url = w.cri.attach(request).await.expect("offered").url;
    let options = Options { stdin: true, stdout: true, stderr: true, tty: false };
    let connected = dial(&url, EXEC_SPDY_V4, &tasks).await.expect("dialled");
    let mut session = connect_spdy(connected, options, &tasks).await.expect("session");
    let mut stdin = session.stdin.take().expect("stdin");
    stdin.write_all(b"hello\n").await.expect("written");
    let mut stdout = session.stdout.take().expect("stdout");
    let mut buffer = [0; 6];
    stdout.read_exact(&mut buffer).await.expect("the echo");
    assert_eq!(&buffer, b"hello\n");
    // The half-close ends `cat`; what comes after it still arrives.
    drop(stdin);
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).await.expect("read");
    assert_eq!(rest, "done\n");
    assert_eq!(session.status.outcome().await, Outcome::Success);
    assert_eq!(w.ended(&id).await.exit_code, 0);
    w.remove(&pod).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ports_of_a_pod_are_reached() {
    let Some(w) = world().await else { return };
    let tasks = Tasks::new(Stop::new());
    let pod = w.run(w.pod("ports")).await;
    w.launch(&pod, w.shell("main", "exec busybox nc -ll -p 8080 -e /bin/cat")).await;
    corten_rt::sleep(std::time::Duration::from_millis(300)).await;
    let request = PortForwardRequest { pod_sandbox_id: pod.clone(), port: vec![8080] };
    let url = w.cri.port_forward(request).await.expect("offered").url;
    let connected = dial(&url, FORWARD_SPDY, &tasks).await.expect("dialled");
    let client = port_forward::Client::start(connected, &tasks).expect("client");
    let mut dialed = client.open(8080).await.expect("opened");
    dialed.writer.write_all(b"ping").await.expect("written");
    let mut buffer = [0; 4];
    dialed.reader.read_exact(&mut buffer).await.expect("echo");
    assert_eq!(&buffer, b"ping");
    let mut closed = client.open(9).await.expect("opened");
    let mut words = String::new();
    closed.error.read_to_string(&mut words).await.expect("read");
    assert!(words.contains("refused"), "{words}");
    w.remove(&pod).await;
}
