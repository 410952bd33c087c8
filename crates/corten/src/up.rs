//! `corten up` and `corten server`.

use crate::config::{Server, Up};
use crate::control::{ControlPlane, cluster_dns};
use crate::node::{self, NodeSetup};
use crate::process;
use anyhow::{Context, Result};
use corten_api::core::v1::Node;
use corten_cli::steps::Steps;
use corten_client::{Client, Informer, PatchType, WatchOptions};
use corten_rt::{Clock, Stop, Tasks};
use corten_semantics::identity;
use std::net::IpAddr;
use std::time::Duration;

/// How long tasks get to end.
const GRACE: Duration = Duration::from_secs(10);

/// Control plane and node, until asked to stop.
pub async fn run(flags: Up) -> Result<()> {
    process::claim(&flags.server.at.data_dir).await?;
    let tasks = Tasks::new(Stop::new());
    let outcome = start(&flags, &tasks).await;
    let result = match &outcome {
        Ok(_) => process::until_asked(tasks.stop()).await,
        Err(_) => Ok(()),
    };
    end(outcome, result, &tasks, &flags.server).await
}

/// The control plane alone, until asked to stop.
pub async fn run_server(flags: Server) -> Result<()> {
    process::claim(&flags.at.data_dir).await?;
    let tasks = Tasks::new(Stop::new());
    let outcome = serve(&flags, &tasks).await;
    let result = match &outcome {
        Ok(_) => process::until_asked(tasks.stop()).await,
        Err(_) => Ok(()),
    };
    end(outcome, result, &tasks, &flags).await
}

async fn end(outcome: Result<ControlPlane>, result: Result<()>, tasks: &Tasks, flags: &Server) -> Result<()> {
    if let Ok(plane) = &outcome {
        plane.end().await;
    }
    if !tasks.shutdown(GRACE).await {
        tracing::warn!("some tasks did not end in time");
    }
    if let Ok(plane) = &outcome {
        plane.close().await;
    }
    process::release(&flags.at.data_dir);
    outcome.map(|_| ()).and(result)
}

fn address(flags: &Server) -> IpAddr {
    let found = flags.address.or_else(|| process::address_towards("192.0.2.1:9"));
    found.unwrap_or(IpAddr::from([127, 0, 0, 1]))
}

async fn serve(flags: &Server, tasks: &Tasks) -> Result<ControlPlane> {
    let steps = Steps::new();
    let step = steps.step("API server");
    let plane = ControlPlane::open(flags, address(flags), tasks).await?;
    step.done();
    plane.run(flags, tasks);
    println!("ready: export KUBECONFIG={}", plane.kubeconfig.display());
    Ok(plane)
}

async fn start(flags: &Up, tasks: &Tasks) -> Result<ControlPlane> {
    let steps = Steps::new();
    let server = &flags.server;
    let address = address(server);
    let data_dir = &server.at.data_dir;
    let opening = async {
        let step = steps.step("API server");
        let plane = Box::pin(ControlPlane::open(server, address, tasks)).await?;
        plane.run(server, tasks);
        step.done();
        anyhow::Ok(plane)
    };
    let runtime = async {
        let step = steps.step("container runtime");
        let runtime = node::start_runtime(data_dir, &flags.kubelet, tasks).await?;
        step.done();
        anyhow::Ok(runtime)
    };
    let (plane, runtime) = tokio::join!(opening, runtime);
    let (plane, runtime) = (plane?, runtime?);
    let name = flags.kubelet.node_name.clone().unwrap_or_else(process::host_name);
    let now = Clock::system().now();
    let client = plane.client(&identity::node_user(&name), &[identity::NODES]);
    let setup = NodeSetup {
        data_dir: data_dir.clone(),
        serving: plane.pki.node_server(&name, &[address], now)?,
        authority: plane.pki.ca.pem().to_string(),
        cluster_cidr: server.cluster_cidr.clone(),
        service_cidr: server.node_services(),
        cluster_dns: cluster_dns(&server.service_cidr),
        client: client.clone(),
        name: name.clone(),
        address,
    };
    let step = steps.step("node");
    // A server that soon takes a node for dead has one that shows life more often.
    let mut kubelet = flags.kubelet.clone();
    let lease = &mut kubelet.resources.node_lease_duration_seconds;
    *lease = (*lease).min(server.node_monitor_grace.max(1));
    Box::pin(node::start(setup, &kubelet, runtime, tasks)).await?;
    wait_ready(&client, &name, tasks).await.context("wait for the node to be ready")?;
    label_control_plane(&plane, &name).await?;
    step.done();
    println!("ready: export KUBECONFIG={}", plane.kubeconfig.display());
    Ok(plane)
}

/// The role that `kubectl get nodes` shows; a node may not give it to itself.
async fn label_control_plane(plane: &ControlPlane, name: &str) -> Result<()> {
    let patch = br#"{"metadata":{"labels":{"node-role.kubernetes.io/control-plane":""}}}"#;
    let nodes = plane.client("system:corten", &[identity::MASTERS]).all::<Node>();
    nodes.patch(name, PatchType::Merge, patch.to_vec()).await.map(|_| ()).map_err(anyhow::Error::from)
}

/// Waits until the node is ready and has its pod range.
pub async fn wait_ready(client: &Client, name: &str, tasks: &Tasks) -> Result<()> {
    let options = WatchOptions { field_selector: format!("metadata.name={name}"), ..WatchOptions::default() };
    let watching = Tasks::new(tasks.stop().child());
    let nodes: Informer<Node> = Informer::start(client.all(), options, &watching);
    let mut changes = nodes.changes();
    let ready = async {
        loop {
            let is_ready = |n: &Node| {
                n.status.conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True")
                    && !n.spec.pod_cidr.is_empty()
            };
            if nodes.list().iter().any(|n| is_ready(n)) {
                return;
            }
            if changes.changed().await.is_err() {
                return;
            }
        }
    };
    let waited = corten_rt::timeout(Duration::from_secs(60), ready).await;
    watching.shutdown(Duration::from_secs(1)).await;
    waited.context("the node did not become ready within a minute; `corten -v up` says more")
}
