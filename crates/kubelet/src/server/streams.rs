//! Exec, attach and port-forward: the client's connection is joined with one to the container runtime.

use super::response::{Answer, Refusal};
use super::route::Target;
use super::{Node, pods, query::Query};
use bytes::Bytes;
use corten_node_api::cri::{AttachRequest, ExecRequest, PortForwardRequest};
use corten_streaming::remote_command::{self, Options};
use corten_streaming::upgrade::{Upgrade, accept_port_forward, accept_remote_command};
use corten_streaming::{EXEC_SPDY_V4, FORWARD_SPDY, dial, port_forward as forward};
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::sync::Arc;

/// Runs a command in a container.
pub async fn exec(node: &Arc<Node>, request: Request<Incoming>, target: &Target, query: &Query) -> Answer {
    let cmd: Vec<String> = query.all("command").map(str::to_string).collect();
    if cmd.is_empty() {
        return Err(Refusal::bad_request("you must specify at least one command"));
    }
    let options = options(query)?;
    let upgrade = accept_remote_command(request.headers())?;
    let container_id = container(node, target).await?;
    let Options { stdin, stdout, stderr, tty } = options;
    let asked = ExecRequest { container_id, cmd, tty, stdin, stdout, stderr };
    let url = node.cri.exec(asked).await.map_err(Refusal::internal)?.url;
    run(node, request, upgrade, options, url).await
}

/// Joins a container's own streams.
pub async fn attach(node: &Arc<Node>, request: Request<Incoming>, target: &Target, query: &Query) -> Answer {
    let options = options(query)?;
    let upgrade = accept_remote_command(request.headers())?;
    let container_id = container(node, target).await?;
    let Options { stdin, stdout, stderr, tty } = options;
    let asked = AttachRequest { container_id, stdin, tty, stdout, stderr };
    let url = node.cri.attach(asked).await.map_err(Refusal::internal)?.url;
    run(node, request, upgrade, options, url).await
}

/// Connects to ports of a pod.
pub async fn port_forward(
    node: &Arc<Node>,
    mut request: Request<Incoming>,
    target: &Target,
    query: &Query,
) -> Answer {
    let ports = ports(query)?;
    let upgrade = accept_port_forward(request.headers())?;
    pods::pod(node, target)?;
    let sandbox = node.directory.sandbox(&target.namespace, &target.pod).await;
    let pod_sandbox_id = sandbox.ok_or_else(|| {
        Refusal::internal(format!(
            "unable to forward port: pod {}/{} is not running",
            target.namespace, target.pod
        ))
    })?;
    let asked = PortForwardRequest { pod_sandbox_id, port: ports.iter().map(|p| i32::from(*p)).collect() };
    let url = node.cri.port_forward(asked).await.map_err(Refusal::internal)?.url;
    let runtime = dial(&url, FORWARD_SPDY, &node.tasks).await.map_err(Refusal::internal)?;
    let client = forward::Client::start(runtime, &node.tasks).map_err(Refusal::internal)?;

    let upgraded = hyper::upgrade::on(&mut request);
    let (protocol, tasks) = (upgrade.protocol, node.tasks.clone());
    node.tasks.spawn_until_stopped("port-forward", async move {
        let Some(io) = connection(upgraded).await else { return };
        match forward::serve(io, protocol, &ports, &tasks).await {
            Ok(server) => forward::proxy(server, client, &tasks).await,
            Err(error) => tracing::debug!(%error, "port-forward ended"),
        }
    });
    Ok(switching(upgrade))
}

/// Joins the client with the command that the runtime serves at `url`.
async fn run(
    node: &Arc<Node>,
    mut request: Request<Incoming>,
    upgrade: Upgrade,
    options: Options,
    url: String,
) -> Answer {
    let runtime = dial(&url, EXEC_SPDY_V4, &node.tasks).await.map_err(Refusal::internal)?;
    let upgraded = hyper::upgrade::on(&mut request);
    let (protocol, tasks) = (upgrade.protocol, node.tasks.clone());
    node.tasks.spawn_until_stopped("remote command", async move {
        let Some(io) = connection(upgraded).await else { return };
        let server = match remote_command::serve(io, protocol, options, &tasks).await {
            Ok(server) => server,
            Err(error) => return tracing::debug!(%error, "remote command ended before it began"),
        };
        match remote_command::connect_spdy(runtime, options, &tasks).await {
            Ok(client) => drop(Box::pin(remote_command::proxy(server, client)).await),
            Err(error) => server.status.finish(&remote_command::Outcome::internal_error(error)).await,
        }
    });
    Ok(switching(upgrade))
}

fn switching(upgrade: Upgrade) -> http::Response<super::response::Body> {
    upgrade
        .response
        .map(|()| Empty::<Bytes>::new().map_err(|never: Infallible| match never {}).boxed_unsync())
}

async fn connection(upgraded: OnUpgrade) -> Option<TokioIo<hyper::upgrade::Upgraded>> {
    match upgraded.await {
        Ok(io) => Some(TokioIo::new(io)),
        Err(error) => {
            tracing::debug!(%error, "the client left before the upgrade");
            None
        }
    }
}

async fn container(node: &Node, target: &Target) -> Result<String, Refusal> {
    let pod = pods::pod(node, target)?;
    let name = &target.container;
    let missing = || Refusal::not_found(format!("container not found ({name:?})"));
    if !pods::has_container(&pod, name) {
        return Err(missing());
    }
    let found = node.directory.container(&target.namespace, &target.pod, name, false).await;
    found.map(|c| c.id).ok_or_else(missing)
}

fn options(query: &Query) -> Result<Options, Refusal> {
    let asked = Options {
        stdin: query.flag(&["input", "stdin"]),
        stdout: query.flag(&["output", "stdout"]),
        stderr: query.flag(&["error", "stderr"]),
        tty: query.flag(&["tty"]),
    };
    asked.checked().map_err(Refusal::bad_request)
}

fn ports(query: &Query) -> Result<Vec<u16>, Refusal> {
    let parse = |text: &str| {
        let port = text.parse().ok().filter(|port: &u16| *port > 0);
        port.ok_or_else(|| Refusal::bad_request(format!("unable to parse {text:?} as a port")))
    };
    query.all("port").chain(query.all("ports")).flat_map(|value| value.split(',')).map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters() {
        let ports = |text: &str| super::ports(&Query::parse(text)).map_err(|_| ());
        assert_eq!(ports("port=80&port=8080,9000"), Ok(vec![80, 8080, 9000]));
        assert_eq!(ports(""), Ok(vec![]));
        assert_eq!(ports("port=0"), Err(()));
        let options = options(&Query::parse("input=1&output=1&error=1&tty=1")).expect("valid");
        assert_eq!(options, Options { stdin: true, stdout: true, stderr: false, tty: true });
        assert!(super::options(&Query::parse("tty=1")).is_err());
    }
}
