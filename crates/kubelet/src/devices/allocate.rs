//! Giving devices to the containers of a pod that is about to be taken.

use super::checkpoint::Given;
use super::pool::choose;
use super::{Devices, PATIENCE, server};
use crate::Shared;
use corten_api::core::v1::{Container, Pod};
use corten_node_api::device_plugin::{
    AllocateRequest, ContainerAllocateRequest, ContainerAllocateResponse,
    ContainerPreferredAllocationRequest, PreferredAllocationRequest,
};
use corten_semantics::pod::is_sidecar;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Whether the pod asks for anything that a plugin might have.
pub fn asks(pod: &Pod) -> bool {
    containers(pod).any(|c| c.resources.limits.keys().any(|name| name.contains('/')))
}

fn containers(pod: &Pod) -> impl Iterator<Item = &Container> {
    pod.spec.init_containers.iter().chain(&pod.spec.containers)
}

/// Gives every container what it asks for. What an init container had, those after it may have, too.
pub async fn allocate(devices: &Devices, shared: &Shared, pod: &Pod) -> Result<(), String> {
    let mut reusable: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for c in containers(pod) {
        let passes_on = pod.spec.init_containers.iter().any(|i| i.name == c.name) && !is_sidecar(c);
        for (resource, amount) in c.resources.limits.iter().filter(|(name, _)| name.contains('/')) {
            let Ok(needed) = usize::try_from(amount.value()) else { continue };
            if needed == 0 || !devices.state.lock().resources.contains_key(resource) {
                continue;
            }
            let reuse = reusable.entry(resource.clone()).or_default();
            let given = one(devices, shared, pod, c, resource, needed, reuse).await?;
            match passes_on {
                true => reuse.extend(given),
                false => reuse.retain(|id| !given.contains(id)),
            }
        }
    }
    devices.save();
    Ok(())
}

/// Gives one container its devices of one resource.
async fn one(
    devices: &Devices,
    shared: &Shared,
    pod: &Pod,
    c: &Container,
    resource: &str,
    needed: usize,
    reusable: &BTreeSet<String>,
) -> Result<BTreeSet<String>, String> {
    let uid = &pod.metadata.uid;
    let (free, endpoint, likes) = {
        let state = devices.state.lock();
        if let Some(held) = state.held(uid, &c.name, resource).filter(|g| g.devices.len() >= needed) {
            return Ok(held.devices.clone());
        }
        let Some(found) = state.resources.get(resource) else { return Ok(BTreeSet::new()) };
        if !found.devices.values().any(|healthy| *healthy) {
            return Err(format!("no healthy devices present; cannot allocate unhealthy devices {resource}"));
        }
        (state.free(resource), found.endpoint.clone(), found.options.get_preferred_allocation_available)
    };
    let endpoint = endpoint.ok_or_else(|| format!("cannot allocate unregistered device {resource}"))?;
    let preferred = match likes && free.len() > needed {
        true => preferred(&endpoint, needed, reusable, &free).await,
        false => Vec::new(),
    };
    let chosen = choose(needed, reusable, &free, &preferred, resource)?;
    let began = corten_rt::Instant::now();
    let response = ask(&endpoint, &chosen).await?;
    let about = [("resource_name", resource)];
    shared.meters.observe("kubelet_device_plugin_alloc_duration_seconds", &about, began.elapsed());
    let given = Given {
        uid: uid.clone(),
        container: c.name.clone(),
        resource: resource.to_string(),
        devices: chosen.clone(),
        response,
    };
    let mut state = devices.state.lock();
    state.given.retain(|g| (&*g.uid, &*g.container, &*g.resource) != (&**uid, &*c.name, resource));
    state.given.push(given);
    Ok(chosen)
}

/// Which devices the plugin would like; none if it does not say.
async fn preferred(
    endpoint: &Path,
    needed: usize,
    reusable: &BTreeSet<String>,
    free: &BTreeSet<String>,
) -> Vec<String> {
    let request = PreferredAllocationRequest {
        container_requests: vec![ContainerPreferredAllocationRequest {
            available_device_i_ds: free.union(reusable).cloned().collect(),
            must_include_device_i_ds: reusable.iter().take(needed).cloned().collect(),
            allocation_size: i32::try_from(needed).unwrap_or(i32::MAX),
        }],
    };
    let asked = async { server::client(endpoint).get_preferred_allocation(request).await };
    match corten_rt::timeout(PATIENCE, asked).await {
        Some(Ok(reply)) => reply
            .into_inner()
            .container_responses
            .into_iter()
            .next()
            .map(|r| r.device_i_ds)
            .unwrap_or_default(),
        other => {
            tracing::debug!(?other, "a device plugin does not say which devices it would like");
            Vec::new()
        }
    }
}

async fn ask(endpoint: &Path, chosen: &BTreeSet<String>) -> Result<ContainerAllocateResponse, String> {
    let one = ContainerAllocateRequest { devices_ids: chosen.iter().cloned().collect() };
    let request = AllocateRequest { container_requests: vec![one] };
    let asked = async { server::client(endpoint).allocate(request).await };
    match corten_rt::timeout(PATIENCE, asked).await {
        Some(Ok(reply)) => reply
            .into_inner()
            .container_responses
            .into_iter()
            .next()
            .ok_or_else(|| "no containers in allocation response".to_string()),
        Some(Err(status)) => {
            Err(format!("rpc error: code = {:?} desc = {}", status.code(), status.message()))
        }
        None => Err("rpc error: code = DeadlineExceeded desc = context deadline exceeded".into()),
    }
}
