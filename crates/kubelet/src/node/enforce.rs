//! All pods together get no more than is not reserved, and the processors that their classes ask for.

use crate::Shared;
use corten_semantics::pod::{is_terminal, qos_class};
use corten_semantics::resources::{RequestOptions, ResourceList, pod_requests};
use corten_sys::cgroups::{Limits, milli_cpu_to_shares};
use std::sync::Arc;
use std::time::Duration;

/// How often the classes' shares follow the pods.
const PERIOD: Duration = Duration::from_secs(60);

/// The limits of the group of all pods.
fn limits(capacity: &ResourceList, reserved: [&ResourceList; 2]) -> Limits {
    let left = |name: &str, value: fn(&corten_api::Quantity) -> i64| {
        let taken: i64 = reserved.iter().filter_map(|r| r.get(name)).map(value).sum();
        capacity.get(name).map(|q| (value(q) - taken).max(0))
    };
    let processes = reserved.iter().any(|r| r.contains_key("pid"));
    Limits {
        cpu_shares: left("cpu", |q| q.milli_value()).map(|m| milli_cpu_to_shares(m.max(0))),
        memory_bytes: left("memory", |q| q.value()),
        pids: left("pid", |q| q.value()).filter(|_| processes),
        ..Limits::default()
    }
}

/// Holds pods to what is not reserved, and keeps the classes' shares until dropped.
pub(crate) async fn enforce(shared: Arc<Shared>, capacity: ResourceList) {
    let settings = &shared.settings;
    let mut all = limits(&capacity, [&settings.system_reserved, &settings.kube_reserved]);
    // As long as there is no group that is refused nothing is lost: it is tried again.
    loop {
        let burstable: i64 = shared
            .pods
            .list()
            .iter()
            .filter(|p| !is_terminal(p) && qos_class(p) == "Burstable")
            .filter_map(|p| pod_requests(p, &RequestOptions::default()).get("cpu").map(|q| q.milli_value()))
            .sum();
        let root = shared.cgroup_root.clone();
        let set = |path: String, limits: Limits| {
            let (cgroups, told) = (shared.cgroups.clone(), path.clone());
            async move {
                let set = move || cgroups.create(&path).and_then(|()| cgroups.set(&path, &limits));
                match tokio::task::spawn_blocking(set).await {
                    Ok(Ok(())) => true,
                    Ok(Err(error)) => {
                        tracing::debug!(group = told, %error, "the limits of a group were not set");
                        false
                    }
                    Err(_) => false,
                }
            }
        };
        if all != Limits::default() && set(root.clone(), all.clone()).await {
            all = Limits::default();
        }
        let shares = |milli| Limits { cpu_shares: Some(milli_cpu_to_shares(milli)), ..Limits::default() };
        set(format!("{root}/burstable"), shares(burstable)).await;
        set(format!("{root}/besteffort"), shares(0)).await;
        corten_rt::sleep(PERIOD).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::resource_list;

    #[test]
    fn pods_share_what_is_not_reserved() {
        let list = |text| resource_list("system-reserved", text).expect("valid");
        let got =
            limits(&list("cpu=2,memory=4Gi,pid=1000"), [&list("cpu=500m,memory=1Gi"), &list("pid=100")]);
        assert_eq!((got.cpu_shares, got.memory_bytes, got.pids), (Some(1536), Some(3 << 30), Some(900)));
        assert_eq!(limits(&list("memory=1Gi"), [&list("memory=2Gi"), &list("")]).memory_bytes, Some(0));
    }
}
