//! SIG Network: Services, their endpoints, names.

use anyhow::{Context, Result, ensure};
use corten_api::core::v1::{Endpoints, Pod, Service};
use corten_api::discovery::v1::EndpointSlice;
use corten_client::{DeleteOptions, ListOptions};
use corten_conformance::{Cluster, pods, spec};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";

fn slices_of(service: &str) -> String {
    format!("kubernetes.io/service-name={service}")
}

#[tokio::test]
async fn apiserver_kubernetes_endpoints_endpointslice() -> Result<()> {
    spec(async |cluster| {
        let endpoints = cluster.client.namespaced::<Endpoints>("default").get("kubernetes").await?;
        let subset = endpoints.subsets.first().context("Endpoints kubernetes is empty")?;
        let old: BTreeSet<_> = subset.addresses.iter().map(|a| a.ip.clone()).collect();
        let ports: Vec<_> = subset.ports.iter().map(|p| (p.name.clone(), p.port)).collect();
        let options = ListOptions { label_selector: slices_of("kubernetes"), ..ListOptions::default() };
        let slices = cluster.client.namespaced::<EndpointSlice>("default").list(&options).await?.items;
        let slice = slices.first().context("no EndpointSlice of kubernetes")?;
        let new: BTreeSet<_> = slice.endpoints.iter().flat_map(|e| e.addresses.clone()).collect();
        let port = slice.ports.first().context("a port of the slice")?;
        let (name, number) = (port.name.clone().unwrap_or_default(), port.port.unwrap_or_default());
        ensure!(!old.is_empty() && old == new, "Endpoints {old:?}, EndpointSlice {new:?}");
        ensure!(ports == [(name, number)], "Endpoints {ports:?}, EndpointSlice {port:?}");
        ensure!(ports[0].0 == "https", "port {ports:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn apiserver_kubernetes_service_https() -> Result<()> {
    spec(async |cluster| {
        let service = cluster.client.namespaced::<Service>("default").get("kubernetes").await?;
        let https = service.spec.ports.iter().find(|p| p.name == "https").context("a port https")?;
        ensure!(https.port == 443, "port {}", https.port);
        ensure!(service.spec.type_ == "ClusterIP" && service.spec.cluster_ip != "None", "{:?}", service.spec);
        Ok(())
    })
    .await
}

/// A DNS query for the A records of `name`, as TCP carries it.
fn query(name: &str) -> Vec<u8> {
    let mut message = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        message.push(label.len() as u8);
        message.extend(label.bytes());
    }
    message.extend([0, 0, 1, 0, 1]);
    let mut framed = (message.len() as u16).to_be_bytes().to_vec();
    framed.extend(message);
    framed
}

#[tokio::test]
async fn dns_cluster() -> Result<()> {
    const NAME: &str = "kubernetes.default.svc.cluster.local";
    spec(async |cluster| {
        let service = cluster.client.namespaced::<Service>("default").get("kubernetes").await?;
        let address = &service.spec.cluster_ip;
        cluster.ready_pod(pods::pod("dns", &[pods::container("httpd")])).await?;
        for name in [NAME, "kubernetes.default.svc", "kubernetes.default"] {
            let answer = cluster.exec("dns", &format!("ping -c 1 -W 1 {name} 2>&1 | head -1")).await?;
            ensure!(answer.contains(address.as_str()), "{name}: {answer}");
        }
        let answer = cluster.exec("dns", &format!("nslookup -type=a {NAME}. 2>&1")).await?;
        ensure!(answer.contains(address.as_str()), "{answer}");
        let octal: String = query(NAME).iter().map(|b| format!("\\{b:03o}")).collect();
        let line = format!(
            "s=$(awk '/^nameserver/{{print $2; exit}}' /etc/resolv.conf); \
             (printf '{octal}'; sleep 1) | nc -w 3 $s 53 | od -An -v -tx1 | tr -d ' \\n'"
        );
        let answer = cluster.exec("dns", &line).await?;
        let bytes: std::net::Ipv4Addr = address.parse()?;
        let hex: String = bytes.octets().iter().map(|b| format!("{b:02x}")).collect();
        ensure!(answer.get(4..8) == Some("1234") && answer.contains(&hex), "over TCP: {answer:?}");
        let hosts = cluster.exec("dns", "cat /etc/hosts").await?;
        ensure!(hosts.contains("localhost") && hosts.contains("dns"), "{hosts}");
        Ok(())
    })
    .await
}

async fn empty_service(cluster: &Cluster) -> Result<()> {
    cluster
        .create::<Service>(json!({
            "metadata": {"name": "example-empty-selector"},
            "spec": {
                "selector": {"does-not-match-anything": "endpoints-should-still-be-created"},
                "ports": [{"name": "example", "port": 80, "protocol": "TCP"}],
            },
        }))
        .await
        .map(drop)
}

#[tokio::test]
async fn endpointslice_empty_service() -> Result<()> {
    spec(async |cluster| {
        empty_service(cluster).await?;
        let selector = slices_of("example-empty-selector");
        let some = |slices: &[_]| slices.len() == 1;
        let slices = cluster.until_list::<EndpointSlice>(&selector, "an EndpointSlice", some).await?;
        let manager = slices[0].metadata.labels.get(MANAGED_BY).map(String::as_str);
        ensure!(manager == Some("endpointslice-controller.k8s.io"), "managed by {manager:?}");
        ensure!(slices[0].endpoints.is_empty(), "{:?}", slices[0].endpoints);
        cluster.api::<Service>().delete("example-empty-selector", DeleteOptions::default()).await?;
        let none = |slices: &[_]| slices.is_empty();
        cluster.until_list::<EndpointSlice>(&selector, "no EndpointSlice", none).await.map(drop)
    })
    .await
}

#[tokio::test]
async fn endpointscontroller_empty() -> Result<()> {
    spec(async |cluster| {
        empty_service(cluster).await?;
        let empty = |endpoints: &Endpoints| endpoints.subsets.is_empty();
        cluster.until::<Endpoints>("example-empty-selector", "empty Endpoints", empty).await?;
        cluster.api::<Service>().delete("example-empty-selector", DeleteOptions::default()).await?;
        cluster.gone::<Endpoints>("example-empty-selector").await
    })
    .await
}

/// Two pods with a port `example-name` each, and the Services `by-number` of the first and `by-name` of both.
async fn pods_and_services(cluster: &Cluster) -> Result<()> {
    for (name, number) in [("pod1", 3000), ("pod2", 3001)] {
        let mut container = pods::container("container1");
        container["ports"] = json!([{"name": "example-name", "containerPort": number}]);
        let mut pod = pods::pod(name, &[container]);
        pod["metadata"]["labels"] = json!({name: "on", "shared12": "on"});
        cluster.create::<Pod>(pod).await?;
    }
    for (name, label, target) in
        [("by-number", "pod1", json!(3000)), ("by-name", "shared12", json!("example-name"))]
    {
        let port = json!({"name": "http", "port": 80, "targetPort": target, "protocol": "TCP"});
        let spec = json!({"selector": {label: "on"}, "publishNotReadyAddresses": true, "ports": [port]});
        cluster.create::<Service>(json!({"metadata": {"name": name}, "spec": spec})).await?;
    }
    for name in ["pod1", "pod2"] {
        cluster.until::<Pod>(name, "the pod's address", |pod| !pod.status.pod_ip.is_empty()).await?;
    }
    Ok(())
}

/// The pods and ports that the slices of a Service name.
fn sliced(slices: &[std::sync::Arc<EndpointSlice>]) -> BTreeSet<(String, i32)> {
    let mut all = BTreeSet::new();
    for slice in slices {
        for endpoint in &slice.endpoints {
            let pod = endpoint.target_ref.as_ref().map(|t| t.name.clone()).unwrap_or_default();
            all.extend(slice.ports.iter().map(|p| (pod.clone(), p.port.unwrap_or_default())));
        }
    }
    all
}

/// The pods and ports that Endpoints name as ready.
fn listed(endpoints: &Endpoints) -> BTreeSet<(String, i32)> {
    let mut all = BTreeSet::new();
    for subset in &endpoints.subsets {
        for address in &subset.addresses {
            let pod = address.target_ref.as_ref().map(|t| t.name.clone()).unwrap_or_default();
            all.extend(subset.ports.iter().map(|p| (pod.clone(), p.port)));
        }
    }
    all
}

fn set(of: &[(&str, i32)]) -> BTreeSet<(String, i32)> {
    of.iter().map(|(pod, port)| (pod.to_string(), *port)).collect()
}

async fn until_sliced(cluster: &Cluster, service: &str, of: &[(&str, i32)]) -> Result<()> {
    let done = |slices: &[std::sync::Arc<EndpointSlice>]| sliced(slices) == set(of);
    let what = format!("EndpointSlices of {service} with {of:?}");
    cluster.until_list::<EndpointSlice>(&slices_of(service), &what, done).await.map(drop)
}

async fn until_listed(cluster: &Cluster, service: &str, of: &[(&str, i32)]) -> Result<()> {
    let what = format!("Endpoints of {service} with {of:?}");
    cluster.until::<Endpoints>(service, &what, |e| listed(e) == set(of)).await.map(drop)
}

/// Every endpoint of the slice names its pod in full, and the port is the Service's.
async fn faithful(cluster: &Cluster, slice: &EndpointSlice) -> Result<()> {
    let [port] = &slice.ports[..] else { anyhow::bail!("not one port: {slice:?}") };
    let named = (port.name.as_deref(), port.protocol.as_deref());
    ensure!(named == (Some("http"), Some("TCP")), "{port:?}");
    for endpoint in &slice.endpoints {
        let target = endpoint.target_ref.as_ref().context("an endpoint without targetRef")?;
        let pod = cluster.api::<Pod>().get(&target.name).await?;
        let full = (&*target.kind, &target.namespace, &target.uid);
        ensure!(full == ("Pod", &cluster.namespace, &pod.metadata.uid), "{target:?}");
        ensure!(endpoint.addresses == [pod.status.pod_ip.clone()], "{endpoint:?}");
        ensure!(endpoint.node_name.as_ref() == Some(&pod.spec.node_name), "{endpoint:?}");
        ensure!(endpoint.conditions.ready == Some(true), "not ready though published: {endpoint:?}");
    }
    Ok(())
}

#[tokio::test]
async fn endpointslice_endpoints_slices_for_pods() -> Result<()> {
    spec(async |cluster| {
        pods_and_services(cluster).await?;
        let both = [("pod1", 3000), ("pod2", 3001)];
        until_sliced(cluster, "by-number", &both[..1]).await?;
        until_sliced(cluster, "by-name", &both).await?;
        let slices = cluster.list::<EndpointSlice>(&slices_of("by-name")).await?;
        ensure!(slices.len() == 2, "one slice for each set of ports: {slices:?}");
        for slice in &slices {
            faithful(cluster, slice).await?;
        }
        let owned = |s: &EndpointSlice| s.metadata.owner_references.iter().any(|o| o.kind == "Service");
        ensure!(slices.iter().all(|s| owned(s)), "{slices:?}");
        let chosen = ListOptions { label_selector: slices_of("by-name"), ..ListOptions::default() };
        cluster.api::<EndpointSlice>().delete_collection(chosen, DeleteOptions::default()).await?;
        until_sliced(cluster, "by-name", &both).await
    })
    .await
}

#[tokio::test]
async fn endpointscontroller_for_pods() -> Result<()> {
    spec(async |cluster| {
        pods_and_services(cluster).await?;
        let both = [("pod1", 3000), ("pod2", 3001)];
        until_listed(cluster, "by-number", &both[..1]).await?;
        until_listed(cluster, "by-name", &both).await?;
        cluster.api::<Endpoints>().delete("by-name", DeleteOptions::default()).await?;
        until_listed(cluster, "by-name", &both).await
    })
    .await
}

#[tokio::test]
async fn services_deletecollection() -> Result<()> {
    spec(async |cluster| {
        for number in 0..3 {
            let labels = json!({"e2e-collection": if number < 2 { "yes" } else { "no" }});
            let spec = json!({"ports": [{"name": "http", "port": 80, "targetPort": 80}]});
            let metadata = json!({"name": format!("e2e-svc-{number}"), "labels": labels});
            cluster.create::<Service>(json!({"metadata": metadata, "spec": spec})).await?;
        }
        let chosen = ListOptions { label_selector: "e2e-collection=yes".into(), ..ListOptions::default() };
        cluster.api::<Service>().delete_collection(chosen, DeleteOptions::default()).await?;
        let only_last = |services: &[std::sync::Arc<Service>]| {
            services.iter().map(|s| s.metadata.name.as_str()).eq(["e2e-svc-2"])
        };
        cluster.until_list::<Service>("", "the one Service that is left", only_last).await.map(drop)
    })
    .await
}

#[tokio::test]
async fn services_list_all_ns_finds_kubernetes() -> Result<()> {
    spec(async |cluster| {
        let all = cluster.client.all::<Service>().list(&ListOptions::default()).await?.items;
        let found = all.iter().any(|s| s.metadata.name == "kubernetes" && s.metadata.namespace == "default");
        ensure!(found, "no Service kubernetes in default among {} Services", all.len());
        Ok(())
    })
    .await
}

fn serving(name: &str, label: &str, number: i32) -> Value {
    let line = format!("echo {name} >/www/index.html; exec httpd -f -p {number} -h /www");
    let mut container = pods::shell("httpd", &line);
    container["ports"] = json!([{"containerPort": number}]);
    let mut pod = pods::pod(name, &[container]);
    pod["metadata"]["labels"] = json!({label: "yes"});
    pod
}

async fn reach(cluster: &Cluster, url: &str) -> Result<String> {
    let line = format!("for i in $(seq 30); do timeout 2 wget -qO- {url} && exit; sleep 1; done; exit 1");
    cluster.exec("client", &line).await.map(|answer| answer.trim().to_string())
}

#[tokio::test]
async fn services_basic_endpoints() -> Result<()> {
    spec(async |cluster| {
        let service = json!({
            "metadata": {"name": "endpoint-test2"},
            "spec": {"selector": {"e2e": "yes"}, "ports": [{"port": 80, "targetPort": 80}]},
        });
        cluster.create::<Service>(service).await?;
        cluster.ready_pod(pods::pod("client", &[pods::container("httpd")])).await?;
        until_listed(cluster, "endpoint-test2", &[]).await?;
        cluster.create::<Pod>(serving("pod1", "e2e", 80)).await?;
        until_listed(cluster, "endpoint-test2", &[("pod1", 80)]).await?;
        until_sliced(cluster, "endpoint-test2", &[("pod1", 80)]).await?;
        ensure!(reach(cluster, "http://endpoint-test2").await? == "pod1", "another pod answers");
        cluster.create::<Pod>(serving("pod2", "e2e", 80)).await?;
        until_listed(cluster, "endpoint-test2", &[("pod1", 80), ("pod2", 80)]).await?;
        reach(cluster, "http://endpoint-test2").await?;
        cluster.api::<Pod>().delete("pod1", DeleteOptions::default()).await?;
        until_listed(cluster, "endpoint-test2", &[("pod2", 80)]).await?;
        until_sliced(cluster, "endpoint-test2", &[("pod2", 80)]).await?;
        reach(cluster, "http://endpoint-test2").await?;
        cluster.api::<Pod>().delete("pod2", DeleteOptions::default()).await?;
        until_listed(cluster, "endpoint-test2", &[]).await
    })
    .await
}

#[tokio::test]
async fn services_multiport_endpoints() -> Result<()> {
    spec(async |cluster| {
        let ports = json!([
            {"name": "portname1", "port": 80, "targetPort": "svc1"},
            {"name": "portname2", "port": 81, "targetPort": "svc2"},
        ]);
        let spec = json!({"selector": {"multi": "yes"}, "ports": ports});
        cluster.create::<Service>(json!({"metadata": {"name": "multi"}, "spec": spec})).await?;
        cluster.ready_pod(pods::pod("client", &[pods::container("httpd")])).await?;
        until_listed(cluster, "multi", &[]).await?;
        for (name, port, number) in [("pod1", "svc1", 100), ("pod2", "svc2", 101)] {
            let mut pod = serving(name, "multi", number);
            pod["spec"]["containers"][0]["ports"][0]["name"] = json!(port);
            cluster.create::<Pod>(pod).await?;
        }
        until_listed(cluster, "multi", &[("pod1", 100), ("pod2", 101)]).await?;
        until_sliced(cluster, "multi", &[("pod1", 100), ("pod2", 101)]).await?;
        ensure!(reach(cluster, "http://multi:80").await? == "pod1", "port 80 leads elsewhere");
        ensure!(reach(cluster, "http://multi:81").await? == "pod2", "port 81 leads elsewhere");
        cluster.api::<Pod>().delete("pod1", DeleteOptions::default()).await?;
        until_listed(cluster, "multi", &[("pod2", 101)]).await?;
        cluster.api::<Pod>().delete("pod2", DeleteOptions::default()).await?;
        until_listed(cluster, "multi", &[]).await
    })
    .await
}
