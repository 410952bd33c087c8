//! Defaults of pod specifications, for pods and for the templates of workloads.

use crate::reflection;
use corten_api::core::v1::{
    AzureDiskVolumeSource, Container, ContainerPort, EnvVar, LifecycleHandler, Pod, PodIP, PodSpec,
    PodTemplateSpec, Probe, Volume, VolumeProjection, VolumeSource,
};
use corten_api::{IntOrString, Quantity};
use std::collections::BTreeMap;

/// Fills a text that is absent.
pub(crate) fn text(field: &mut String, value: &str) {
    if field.is_empty() {
        *field = value.to_string();
    }
}

/// Amounts are kept to thousandths.
pub(crate) fn amounts(list: &mut BTreeMap<String, Quantity>) {
    for amount in list.values_mut() {
        *amount = amount.rounded_to_milli();
    }
}

/// What only pods get, not templates.
pub(crate) fn pod(pod: &mut Pod) {
    spec(&mut pod.spec);
    for c in pod.spec.containers.iter_mut().chain(&mut pod.spec.init_containers) {
        requests_from_limits(c);
        if pod.spec.host_network {
            host_ports(&mut c.ports);
        }
    }
    pod_level_requests(&mut pod.spec);
    pod.spec.enable_service_links.get_or_insert(true);
    status_addresses(pod);
}

fn requests_from_limits(c: &mut Container) {
    for (name, limit) in &c.resources.limits {
        c.resources.requests.entry(name.clone()).or_insert(*limit);
    }
}

/// Requests of the pod as a whole follow its limits where neither it nor a container says more.
fn pod_level_requests(spec: &mut PodSpec) {
    let supported = |name: &str| name == "cpu" || name == "memory" || name.starts_with("hugepages-");
    huge_pages_of_pod(spec);
    let summed: BTreeMap<String, Quantity> = container_requests(spec);
    let Some(whole) = spec.resources.as_mut().filter(|r| !r.limits.is_empty()) else { return };
    for (name, amount) in summed {
        if supported(&name) && !name.starts_with("hugepages-") {
            whole.requests.entry(name).or_insert(amount);
        }
    }
    for (name, limit) in whole.limits.iter().filter(|(name, _)| supported(name)) {
        whole.requests.entry(name.clone()).or_insert(*limit);
    }
}

/// A pod that says something of its resources as a whole has the huge pages of its containers.
fn huge_pages_of_pod(spec: &mut PodSpec) {
    let summed = container_amounts(spec, |c| &c.resources.limits);
    let Some(whole) = &mut spec.resources else { return };
    if whole.limits.is_empty() && whole.requests.is_empty() {
        return;
    }
    for (name, amount) in summed.into_iter().filter(|(name, _)| name.starts_with("hugepages-")) {
        if !whole.requests.contains_key(&name) {
            whole.limits.entry(name).or_insert(amount);
        }
    }
}

/// What all containers together ask for.
pub(super) fn container_requests(spec: &PodSpec) -> BTreeMap<String, Quantity> {
    container_amounts(spec, |c| &c.resources.requests)
}

/// The larger of what the running containers have together and of each step of the start.
fn container_amounts(
    spec: &PodSpec,
    of: fn(&Container) -> &BTreeMap<String, Quantity>,
) -> BTreeMap<String, Quantity> {
    fn add(sum: &mut BTreeMap<String, Quantity>, more: &BTreeMap<String, Quantity>) {
        for (name, amount) in more {
            *sum.entry(name.clone()).or_default() += *amount;
        }
    }
    let mut running = BTreeMap::new();
    for c in &spec.containers {
        add(&mut running, of(c));
    }
    let (mut sidecars, mut start): (BTreeMap<String, Quantity>, BTreeMap<String, Quantity>) =
        Default::default();
    for c in &spec.init_containers {
        let step = if c.restart_policy.as_deref() == Some("Always") {
            add(&mut sidecars, of(c));
            sidecars.clone()
        } else {
            let mut step = sidecars.clone();
            add(&mut step, of(c));
            step
        };
        for (name, amount) in step {
            let most = start.entry(name).or_default();
            *most = (*most).max(amount);
        }
    }
    add(&mut running, &sidecars);
    for (name, amount) in start {
        let most = running.entry(name).or_default();
        *most = (*most).max(amount);
    }
    running
}

/// `podIP` and the first of `podIPs` are one.
fn status_addresses(pod: &mut Pod) {
    let status = &mut pod.status;
    match status.pod_ips.first() {
        None if !status.pod_ip.is_empty() => status.pod_ips = vec![PodIP { ip: status.pod_ip.clone() }],
        Some(first) if status.pod_ip.is_empty() => status.pod_ip = first.ip.clone(),
        Some(first) if first.ip != status.pod_ip => {
            status.pod_ips = vec![PodIP { ip: status.pod_ip.clone() }];
        }
        _ => {}
    }
}

/// The template of a workload.
pub(crate) fn template(template: &mut PodTemplateSpec) {
    spec(&mut template.spec);
}

/// What pods and templates have in common.
pub(crate) fn spec(spec: &mut PodSpec) {
    text(&mut spec.dns_policy, "ClusterFirst");
    text(&mut spec.restart_policy, "Always");
    text(&mut spec.scheduler_name, "default-scheduler");
    spec.security_context.get_or_insert_default();
    spec.termination_grace_period_seconds.get_or_insert(30);
    if spec.service_account_name.is_empty() {
        spec.service_account_name = spec.service_account.clone();
    }
    spec.service_account = spec.service_account_name.clone();
    for v in &mut spec.volumes {
        volume(v);
    }
    for c in spec.containers.iter_mut().chain(&mut spec.init_containers) {
        container(c);
    }
    for c in &mut spec.ephemeral_containers {
        // Both structs have the same fields in the same order.
        let mut plain = Container::default();
        reflection::copy(&mut plain, &c.ephemeral_container_common);
        container(&mut plain);
        reflection::copy(&mut c.ephemeral_container_common, &plain);
    }
    amounts(&mut spec.overhead);
    if let Some(resources) = &mut spec.resources {
        amounts(&mut resources.limits);
        amounts(&mut resources.requests);
    }
}

/// On the host's network every port of a container is a port of the host.
fn host_ports(ports: &mut [ContainerPort]) {
    for port in ports.iter_mut().filter(|p| p.host_port == 0) {
        port.host_port = port.container_port;
    }
}

fn container(c: &mut Container) {
    text(&mut c.image_pull_policy, pull_policy(&c.image));
    text(&mut c.termination_message_path, "/dev/termination-log");
    text(&mut c.termination_message_policy, "File");
    for port in &mut c.ports {
        text(&mut port.protocol, "TCP");
    }
    amounts(&mut c.resources.limits);
    amounts(&mut c.resources.requests);
    for e in &mut c.env {
        env(e);
    }
    for p in [&mut c.liveness_probe, &mut c.readiness_probe, &mut c.startup_probe].into_iter().flatten() {
        probe(p);
    }
    if let Some(lifecycle) = &mut c.lifecycle {
        for handler in [&mut lifecycle.post_start, &mut lifecycle.pre_stop].into_iter().flatten() {
            lifecycle_handler(handler);
        }
    }
}

fn env(e: &mut EnvVar) {
    let Some(from) = &mut e.value_from else { return };
    if let Some(field) = &mut from.field_ref {
        text(&mut field.api_version, "v1");
    }
    if let Some(file) = &mut from.file_key_ref {
        file.optional.get_or_insert(false);
    }
}

fn probe(p: &mut Probe) {
    for (field, value) in [
        (&mut p.timeout_seconds, 1),
        (&mut p.period_seconds, 10),
        (&mut p.success_threshold, 1),
        (&mut p.failure_threshold, 3),
    ] {
        if *field == 0 {
            *field = value;
        }
    }
    if let Some(get) = &mut p.probe_handler.http_get {
        text(&mut get.path, "/");
        text(&mut get.scheme, "HTTP");
    }
    if let Some(grpc) = &mut p.probe_handler.grpc {
        grpc.service.get_or_insert_default();
    }
}

fn lifecycle_handler(handler: &mut LifecycleHandler) {
    if let Some(get) = &mut handler.http_get {
        text(&mut get.path, "/");
        text(&mut get.scheme, "HTTP");
    }
}

/// `Always` for images without tag or digest and for `latest`.
pub(crate) fn pull_policy(image: &str) -> &'static str {
    let (name, digest) = image.split_once('@').map_or((image, ""), |(n, d)| (n, d));
    let last = name.rsplit('/').next().unwrap_or_default();
    let tag = last.split_once(':').map_or("", |(_, tag)| tag);
    // An unreadable name has neither tag nor digest.
    match (tag, digest) {
        ("latest", _) => "Always",
        ("", "") if !image.is_empty() => "Always",
        _ => "IfNotPresent",
    }
}

fn volume(v: &mut Volume) {
    let source = &mut v.volume_source;
    if *source == VolumeSource::default() {
        source.empty_dir = Some(Box::default());
    }
    if let Some(path) = &mut source.host_path {
        path.type_.get_or_insert_default();
    }
    if let Some(secret) = &mut source.secret {
        secret.default_mode.get_or_insert(0o644);
    }
    if let Some(map) = &mut source.config_map {
        map.default_mode.get_or_insert(0o644);
    }
    if let Some(downward) = &mut source.downward_api {
        downward.default_mode.get_or_insert(0o644);
        for field in downward.items.iter_mut().filter_map(|i| i.field_ref.as_mut()) {
            text(&mut field.api_version, "v1");
        }
    }
    if let Some(projected) = &mut source.projected {
        projected.default_mode.get_or_insert(0o644);
        for part in &mut projected.sources {
            projection(part);
        }
    }
    if let Some(claim) = source.ephemeral.as_mut().and_then(|e| e.volume_claim_template.as_mut()) {
        claim.spec.volume_mode.get_or_insert_with(|| "Filesystem".into());
        amounts(&mut claim.spec.resources.limits);
        amounts(&mut claim.spec.resources.requests);
    }
    if let Some(image) = &mut source.image {
        let policy = pull_policy(&image.reference);
        text(&mut image.pull_policy, policy);
    }
    if let Some(iscsi) = &mut source.iscsi {
        text(&mut iscsi.iscsi_interface, "default");
    }
    if let Some(rbd) = &mut source.rbd {
        text(&mut rbd.pool, "rbd");
        text(&mut rbd.user, "admin");
        text(&mut rbd.keyring, "/etc/ceph/keyring");
    }
    if let Some(disk) = &mut source.azure_disk {
        azure_disk(disk);
    }
    if let Some(scale_io) = &mut source.scale_io {
        text(&mut scale_io.storage_mode, "ThinProvisioned");
        text(&mut scale_io.fs_type, "xfs");
    }
}

/// A disk of Azure, in pods and in PersistentVolumes.
pub(crate) fn azure_disk(disk: &mut AzureDiskVolumeSource) {
    disk.caching_mode.get_or_insert_with(|| "ReadWrite".into());
    disk.fs_type.get_or_insert_with(|| "ext4".into());
    disk.read_only.get_or_insert(false);
    disk.kind.get_or_insert_with(|| "Shared".into());
}

fn projection(part: &mut VolumeProjection) {
    if let Some(token) = &mut part.service_account_token {
        token.expiration_seconds.get_or_insert(3600);
    }
    let items = part.downward_api.iter_mut().flat_map(|d| &mut d.items);
    for field in items.filter_map(|i| i.field_ref.as_mut()) {
        text(&mut field.api_version, "v1");
    }
}

/// An unset number or percentage.
pub(crate) fn number(field: &mut Option<IntOrString>, value: impl Into<IntOrString>) {
    if field.is_none() {
        *field = Some(value.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::core::v1::{HTTPGetAction, ProbeHandler, ProjectedVolumeSource, SecretVolumeSource};

    #[test]
    fn images_decide_when_they_are_pulled() {
        for (image, want) in [
            ("nginx", "Always"),
            ("nginx:latest", "Always"),
            ("nginx:1.27", "IfNotPresent"),
            ("registry:5000/nginx", "Always"),
            ("registry:5000/nginx:1", "IfNotPresent"),
            ("nginx@sha256:abc", "IfNotPresent"),
            ("nginx:latest@sha256:abc", "Always"),
            ("", "IfNotPresent"),
        ] {
            assert_eq!(pull_policy(image), want, "{image}");
        }
    }

    #[test]
    fn a_pod_is_filled_and_filling_again_changes_nothing() {
        let mut p = Pod::default();
        let mut c = Container { name: "c".into(), image: "nginx".into(), ..Container::default() };
        c.resources.limits.insert("cpu".into(), Quantity::milli(100));
        c.readiness_probe = Some(Box::new(Probe {
            probe_handler: ProbeHandler {
                http_get: Some(Box::new(HTTPGetAction { port: 80.into(), ..HTTPGetAction::default() })),
                ..ProbeHandler::default()
            },
            ..Probe::default()
        }));
        c.ports.push(ContainerPort { container_port: 80, ..ContainerPort::default() });
        p.spec.containers.push(c);
        p.spec.volumes.push(Volume { name: "scratch".into(), ..Volume::default() });
        let secret = SecretVolumeSource { secret_name: "s".into(), ..SecretVolumeSource::default() };
        p.spec.volumes.push(Volume {
            name: "s".into(),
            volume_source: VolumeSource { secret: Some(Box::new(secret)), ..VolumeSource::default() },
        });
        p.spec.volumes.push(Volume {
            name: "p".into(),
            volume_source: VolumeSource {
                projected: Some(Box::new(ProjectedVolumeSource::default())),
                ..VolumeSource::default()
            },
        });
        pod(&mut p);
        let spec = &p.spec;
        assert_eq!(
            (spec.dns_policy.as_str(), spec.restart_policy.as_str(), spec.scheduler_name.as_str()),
            ("ClusterFirst", "Always", "default-scheduler")
        );
        assert_eq!(
            (spec.termination_grace_period_seconds, spec.enable_service_links),
            (Some(30), Some(true))
        );
        assert!(spec.security_context.is_some());
        let c = &spec.containers[0];
        assert_eq!(c.resources.requests["cpu"], Quantity::milli(100));
        assert_eq!((c.ports[0].protocol.as_str(), c.image_pull_policy.as_str()), ("TCP", "Always"));
        assert_eq!(c.termination_message_path, "/dev/termination-log");
        let probe = c.readiness_probe.as_deref().expect("probe");
        assert_eq!(
            (probe.timeout_seconds, probe.period_seconds, probe.success_threshold, probe.failure_threshold),
            (1, 10, 1, 3)
        );
        assert_eq!(probe.probe_handler.http_get.as_deref().expect("get").scheme, "HTTP");
        assert!(spec.volumes[0].volume_source.empty_dir.is_some());
        assert_eq!(spec.volumes[1].volume_source.secret.as_deref().expect("secret").default_mode, Some(420));
        let once = p.clone();
        pod(&mut p);
        assert_eq!(p, once);
    }
}
