//! `corten cri`: the container runtime alone, for other clients of CRI.

use super::bridge::Bridge;
use super::embedded::{Embedded, Layout};
use crate::config::Cri;
use crate::process;
use anyhow::{Context, Result};
use corten_node_api::socket_path;
use corten_rt::{Stop, Tasks};
use corten_runtime::cni::Cni;
use corten_runtime::network::SandboxNetwork;
use std::sync::Arc;
use std::time::Duration;

/// How long tasks get to end.
const GRACE: Duration = Duration::from_secs(10);

/// Serves until asked to stop. Pods go on running.
pub async fn run(flags: Cri) -> Result<()> {
    process::claim(&flags.root).await?;
    let tasks = Tasks::new(Stop::new());
    let result = match serve(&flags, &tasks).await {
        Ok(()) => process::until_asked(tasks.stop()).await,
        Err(error) => Err(error),
    };
    tasks.shutdown(GRACE).await;
    process::release(&flags.root);
    result
}

async fn serve(flags: &Cri, tasks: &Tasks) -> Result<()> {
    let layout = Layout::new(&flags.root);
    let network: Arc<dyn SandboxNetwork> = match &flags.cni_conf_dir {
        Some(config) => Arc::new(Cni::new(config, &flags.cni_bin_dir, &flags.root.join("cni"))),
        None => {
            let (bridge, range, dir) =
                (flags.bridge.clone(), flags.pod_cidr.clone(), flags.root.join("network"));
            let opened = tokio::task::spawn_blocking(move || Bridge::open(&bridge, &range, &dir));
            let failed = "make the pods' network (where the kernel's nftables cannot translate addresses, \
                          --cni-conf-dir takes a network of CNI plugins instead)";
            Arc::new(opened.await?.context(failed)?)
        }
    };
    let runtime = Embedded::open(&layout, network, tasks).await?;
    let socket = socket_path(&flags.listen)?;
    runtime.serve(&socket, tasks)?;
    println!("ready: unix://{}", socket.display());
    Ok(())
}
