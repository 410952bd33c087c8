//! A client and a server of exec, over every protocol, joined by a pipe in memory.

use corten_rt::{Stop, Tasks, timeout};
use corten_streaming::remote_command::{
    ClientSession, Options, Outcome, ServerSession, TerminalSize, connect_spdy, connect_websocket, proxy,
    serve,
};
use corten_streaming::{EXEC_SPDY_V4, EXEC_WEBSOCKET_V4, EXEC_WEBSOCKET_V5, Protocol, Transport};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

const ALL: Options = Options { stdin: true, stdout: true, stderr: true, tty: false };
const PROTOCOLS: [Protocol; 4] = [
    EXEC_WEBSOCKET_V5,
    EXEC_WEBSOCKET_V4,
    EXEC_SPDY_V4,
    Protocol { base64: true, name: "v4.base64.channel.k8s.io", ..EXEC_WEBSOCKET_V4 },
];

/// The two ends of one connection.
async fn joined(protocol: Protocol, options: Options, tasks: &Tasks) -> (ServerSession, ClientSession) {
    let (near, far) = duplex(4096);
    let client = async {
        match protocol.transport {
            Transport::Spdy => connect_spdy(near, options, tasks).await.expect("streams open"),
            _ => connect_websocket(near, protocol, options, tasks).await,
        }
    };
    let (server, client) = tokio::join!(serve(far, protocol, options, tasks), client);
    (server.expect("session"), client)
}

/// A command like `cat` that also writes to stderr: it ends with its input, or after `enough` bytes.
async fn cat(mut server: ServerSession, enough: usize, outcome: Outcome) {
    let (mut stdin, mut stdout) =
        (server.stdin.take().expect("stdin"), server.stdout.take().expect("stdout"));
    let mut seen = 0;
    while seen < enough {
        let Some(chunk) = stdin.next().await else { break };
        seen += chunk.len();
        stdout.send(chunk).await.expect("the client reads");
    }
    let mut stderr = server.stderr.take().expect("stderr");
    stderr.write_all(format!("saw {seen}").as_bytes()).await.expect("the client reads");
    drop((stdout, stderr));
    server.status.finish(&outcome).await;
}

/// Sends `input`, half-closes, and collects everything.
async fn run(mut client: ClientSession, input: &[u8]) -> (Vec<u8>, Vec<u8>, Outcome) {
    let (mut stdin, mut stdout) =
        (client.stdin.take().expect("stdin"), client.stdout.take().expect("stdout"));
    let mut stderr = client.stderr.take().expect("stderr");
    let sending = async move { stdin.write_all(input).await.expect("the command reads") };
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let (_, _, _, outcome) = tokio::join!(
        sending,
        stdout.read_to_end(&mut out),
        stderr.read_to_end(&mut err),
        client.status.outcome()
    );
    (out, err, outcome)
}

async fn in_time<F: Future>(what: &str, future: F) -> F::Output {
    timeout(Duration::from_secs(20), Box::pin(future)).await.unwrap_or_else(|| panic!("{what} hangs"))
}

fn noise(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i * 31 % 251) as u8).collect()
}

#[tokio::test]
async fn streams_half_close_and_exit_code_over_every_protocol() {
    for protocol in PROTOCOLS {
        let tasks = Tasks::new(Stop::new());
        let input = noise(300_000);
        // Without half-close the command itself has to know when it has enough.
        let enough = if protocol.half_close { usize::MAX } else { input.len() };
        let (server, client) = joined(protocol, ALL, &tasks).await;
        let (_, (out, err, outcome)) = in_time(protocol.name, async {
            tokio::join!(cat(server, enough, Outcome::exit(7)), run(client, &input))
        })
        .await;
        assert!(out == input, "{protocol:?}: {} bytes came back", out.len());
        assert_eq!(String::from_utf8_lossy(&err), "saw 300000");
        assert_eq!(outcome, Outcome::exit(7), "{protocol:?}");
        assert!(tasks.shutdown(Duration::from_secs(5)).await);
    }
}

#[tokio::test]
async fn a_proxy_joins_any_two_protocols() {
    for (outer, inner) in
        [(EXEC_WEBSOCKET_V5, EXEC_SPDY_V4), (EXEC_SPDY_V4, EXEC_WEBSOCKET_V5), (EXEC_SPDY_V4, EXEC_SPDY_V4)]
    {
        let tasks = Tasks::new(Stop::new());
        let (outer_server, outer_client) = joined(outer, ALL, &tasks).await;
        let (inner_server, inner_client) = joined(inner, ALL, &tasks).await;
        let input = noise(200_000);
        let command = Box::pin(cat(inner_server, usize::MAX, Outcome::exit(3)));
        let between = Box::pin(proxy(outer_server, inner_client));
        let caller = Box::pin(run(outer_client, &input));
        let (_, proxied, (out, err, outcome)) =
            in_time("proxied exec", async { tokio::join!(command, between, caller) }).await;
        assert!(out == input, "{} bytes came back", out.len());
        assert_eq!(String::from_utf8_lossy(&err), "saw 200000");
        assert_eq!((proxied, outcome), (Some(Outcome::exit(3)), Outcome::exit(3)));
        assert!(tasks.shutdown(Duration::from_secs(5)).await);
    }
}

#[tokio::test]
async fn terminal_sizes_arrive_in_order() {
    let options = Options { tty: true, ..ALL };
    for protocol in PROTOCOLS {
        let tasks = Tasks::new(Stop::new());
        let (mut server, mut client) = joined(protocol, options.checked().expect("streams"), &tasks).await;
        assert!(server.stderr.is_none() && client.stderr.is_none());
        let mut sizes = client.resize.take().expect("a terminal");
        for width in [80, 120] {
            sizes.send(TerminalSize { width, height: 24 }).await.expect("sent");
        }
        let seen = server.resize.as_mut().expect("a terminal");
        for width in [80, 120] {
            assert_eq!(seen.next().await, Some(TerminalSize { width, height: 24 }), "{protocol:?}");
        }
        assert!(tasks.shutdown(Duration::from_secs(5)).await);
    }
}

#[tokio::test]
async fn a_client_that_leaves_is_noticed() {
    for protocol in PROTOCOLS {
        let tasks = Tasks::new(Stop::new());
        let (mut server, client) = joined(protocol, ALL, &tasks).await;
        drop(client);
        in_time(protocol.name, server.ended.stopped()).await;
        assert_eq!(server.stdin.as_mut().expect("stdin").next().await, None);
        let mut stdout = server.stdout.take().expect("stdout");
        in_time("the failing write", async { while stdout.send("x".into()).await.is_ok() {} }).await;
        server.status.finish(&Outcome::Success).await;
        assert!(tasks.shutdown(Duration::from_secs(5)).await);
    }
}

#[tokio::test]
async fn a_runtime_that_vanishes_is_a_failure_not_a_success() {
    for protocol in PROTOCOLS {
        let tasks = Tasks::new(Stop::new());
        let (server, client) = joined(protocol, ALL, &tasks).await;
        drop(server);
        let (_, _, outcome) = in_time(protocol.name, run(client, b"")).await;
        assert!(matches!(outcome, Outcome::Failure { .. }), "{outcome:?}");
        assert!(tasks.shutdown(Duration::from_secs(5)).await);
    }
}

#[tokio::test]
async fn a_proxy_closes_the_runtimes_end_when_the_client_leaves() {
    let tasks = Tasks::new(Stop::new());
    let (outer_server, outer_client) = joined(EXEC_WEBSOCKET_V5, ALL, &tasks).await;
    let (inner_server, inner_client) = joined(EXEC_SPDY_V4, ALL, &tasks).await;
    drop(outer_client);
    assert_eq!(in_time("proxy", proxy(outer_server, inner_client)).await, None);
    in_time("the runtime's end", inner_server.ended.stopped()).await;
    assert!(tasks.shutdown(Duration::from_secs(5)).await);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_opens_too_few_streams_is_given_up() {
    let tasks = Tasks::new(Stop::new());
    let (near, far) = duplex(4096);
    let less = Options { stdout: false, ..ALL };
    let (client, server) =
        tokio::join!(connect_spdy(near, less, &tasks), serve(far, EXEC_SPDY_V4, ALL, &tasks));
    assert!(server.expect_err("a stream is missing").to_string().contains("timed out"));
    in_time("closing", client.expect("opened").ended.stopped()).await;
}
