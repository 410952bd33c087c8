//! Cluster IPs and node ports.

use std::collections::BTreeSet;

use corten_api::core::v1::{Service, ServicePort};
use corten_apiserver::registry::{DeleteOptions, WriteOptions};

use crate::fixture::*;

fn service(name: &str, kind: &str) -> Service {
    let mut s = Service { metadata: meta("default", name), ..Service::default() };
    s.spec.type_ = kind.into();
    s.spec.selector.insert("a".into(), "b".into());
    s.spec.ports.push(ServicePort { port: 80, ..ServicePort::default() });
    s
}

#[tokio::test]
async fn no_address_and_no_port_is_given_twice() {
    let c = Cluster::new().await;
    let creations = (0..100).map(|i| {
        let c = &c;
        async move { c.create(service(&format!("s{i}"), "NodePort")).await.expect("created") }
    });
    let made = futures::future::join_all(creations).await;
    let addresses: BTreeSet<_> = made.iter().map(|s| s.spec.cluster_ip.clone()).collect();
    let ports: BTreeSet<_> = made.iter().map(|s| s.spec.ports[0].node_port).collect();
    assert_eq!((addresses.len(), ports.len()), (100, 100));
    assert!(addresses.iter().all(|a| a.starts_with("10.96.")));
    assert!(ports.iter().all(|p| (30000..=32767).contains(p)));
    assert!(
        made.iter()
            .all(|s| s.spec.cluster_ips == [s.spec.cluster_ip.clone()] && s.spec.ip_families == ["IPv4"])
    );
}

#[tokio::test]
async fn addresses_go_back_and_survive_a_restart() {
    let c = Cluster::new().await;
    let mut first = service("a", "ClusterIP");
    first.spec.cluster_ip = "10.96.0.10".into();
    c.create(first.clone()).await.expect("created");
    let again = Cluster::over(c.store.clone()).await;
    let mut second = service("b", "ClusterIP");
    second.spec.cluster_ip = "10.96.0.10".into();
    let error = again.create(second.clone()).await.expect_err("taken");
    assert!(
        error.to_string().ends_with("failed to allocate IP 10.96.0.10: provided IP is already allocated"),
        "{error}"
    );
    let dry = WriteOptions { dry_run: true, ..WriteOptions::default() };
    second.spec.cluster_ip = "10.96.0.11".into();
    again
        .registry
        .create(&ctx(), &of::<Service>("default", ""), Box::new(second.clone()), &dry)
        .await
        .expect("fine");
    again.create(second.clone()).await.expect("a dry run keeps nothing");
    again.delete::<Service>("default", "a", DeleteOptions::default()).await.expect("deleted");
    first.metadata.name = "c".into();
    again.create(first).await.expect("given back");
}

#[tokio::test]
async fn a_change_of_type_takes_and_gives_back() {
    let c = Cluster::new().await;
    let made = c.create(service("a", "ClusterIP")).await.expect("created");
    let mut new = Service::clone(&made);
    new.spec.type_ = "NodePort".into();
    let opened = c.update(new).await.expect("updated");
    assert_eq!(opened.spec.cluster_ip, made.spec.cluster_ip);
    let port = opened.spec.ports[0].node_port;
    assert!(port >= 30000);
    let mut plain = service("a", "NodePort");
    plain.metadata.labels.insert("x".into(), "y".into());
    let kept = c.update(plain).await.expect("a client that knows neither address nor port keeps both");
    assert_eq!((&kept.spec.cluster_ip, kept.spec.ports[0].node_port), (&made.spec.cluster_ip, port));
    let mut closed = Service::clone(&kept);
    closed.spec.type_ = "ClusterIP".into();
    closed.spec.ports[0].node_port = 0;
    let closed = c.update(closed).await.expect("updated");
    assert_eq!(closed.spec.ports[0].node_port, 0);
    let mut other = service("b", "NodePort");
    other.spec.ports[0].node_port = port;
    c.create(other).await.expect("the port is free again");
    let headless = Service { ..service("h", "ClusterIP") };
    let mut headless = headless;
    headless.spec.cluster_ip = "None".into();
    let headless = c.create(headless).await.expect("created");
    assert_eq!(headless.spec.cluster_ips, ["None"]);
}
