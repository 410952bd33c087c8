//! Real packets through real rules, in network namespaces of the test's own.

#![allow(clippy::disallowed_methods)] // real packets take real time

mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use corten_network::node_routes::{self, PeerNode};
use corten_network::{BRIDGE, Claim, Endpoint, HostPort, Protocol, ServicePort, TrafficPolicy};
use corten_sys::conntrack::{Conntrack, KernelConntrack};
use corten_sys::interfaces::{Change, Interfaces};
use corten_sys::nft::{Family, KernelNft, tables};
use world::{Node, Pod, SECOND, Server, Space, Wire, is_root};

const SERVICE: &str = "10.96.0.9:80";

/// A Service at [`SERVICE`] with node port 30080, all its pods on this node.
fn service(pods: &[&Pod]) -> ServicePort {
    ServicePort {
        cluster_ips: vec![[10, 96, 0, 9].into()],
        external_ips: vec![],
        protocol: Protocol::Tcp,
        port: 80,
        node_port: Some(30080),
        endpoints: pods
            .iter()
            .map(|p| Endpoint { address: SocketAddr::new(p.address, 8080), local: true, ready: true })
            .collect(),
        internal_policy: TrafficPolicy::Cluster,
        external_policy: TrafficPolicy::Cluster,
        affinity: None,
    }
}

fn set(node: &Node, port: ServicePort) {
    node.services.update([("default/web".to_owned(), Claim::of_service(&[port]))]).expect("update");
}

/// How often each server answered.
fn spread(client: &Space, address: &str, times: usize) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for _ in 0..times {
        let answer = client.ask(address).unwrap_or_else(|e| format!("{e:?}"));
        *counts.entry(answer.split(' ').next().unwrap_or_default().to_owned()).or_default() += 1;
    }
    counts
}

fn assert_even(counts: &BTreeMap<String, usize>, servers: usize, times: usize) {
    assert_eq!(counts.len(), servers, "{counts:?}");
    let fair = times / servers;
    assert!(counts.values().all(|n| (fair / 2..=fair * 2).contains(n)), "{counts:?}");
}

#[test]
fn pods_reach_each_other_and_the_world_under_the_right_names() {
    if !is_root() {
        return;
    }
    let wire = Wire::new();
    let (one, two) = (Node::new(1, &wire), Node::new(2, &wire));
    let peer = |n: u8| PeerNode {
        addresses: vec![[192, 168, 77, n].into()],
        pod_ranges: vec![format!("10.244.{n}.0/24").parse().expect("range")],
    };
    node_routes::sync(&*one.interfaces, &[peer(2)]).expect("routes");
    node_routes::sync(&*two.interfaces, &[peer(1)]).expect("routes");
    let (a, b, c) = (one.pod("a"), one.pod("b"), two.pod("c"));
    let _servers = [a.serve(8080), b.serve(8080), c.serve(8080)];
    let _outside = Server::tcp(&wire.0, "outside", 8080);
    let _on_node = Server::tcp(&two.space, "node", 8081);

    assert_eq!(a.space.ask(&b.at(8080)), Ok(format!("b {}", a.address)), "same node");
    assert_eq!(a.space.ask(&c.at(8080)), Ok(format!("c {}", a.address)), "other node, own address kept");
    assert_eq!(one.space.ask(&a.at(8080)), Ok("a 10.244.1.1".into()), "node to its pod");
    assert_eq!(a.space.ask("192.168.77.254:8080"), Ok("outside 192.168.77.1".into()), "out of the cluster");
    assert_eq!(a.space.ask("192.168.77.2:8081"), Ok("node 192.168.77.1".into()), "other node itself");
    assert_eq!(a.space.ask(&a.at(8080)), Ok(format!("a {}", a.address)), "itself");

    set(&two, service(&[&a, &c]));
    assert_even(&spread(&c.space, SERVICE, 60), 2, 60);
    assert_even(&spread(&two.space, SERVICE, 60), 2, 60);
}

#[test]
fn a_pod_keeps_its_interface_and_leaves_nothing() {
    if !is_root() {
        return;
    }
    let wire = Wire::new();
    let node = Node::new(1, &wire);
    let (a, b) = (node.pod("a"), node.pod("b"));
    let names = || -> BTreeSet<String> {
        node.interfaces.links(None).expect("links").into_iter().map(|l| l.name).collect()
    };
    let index = |name: &str| {
        node.interfaces.links(None).expect("links").into_iter().find(|l| l.name == name).map(|l| l.index)
    };
    let cable = corten_network::pods::interface_name("a");
    let before = index(&cable).expect("cable");
    assert_eq!(node.network.setup("a", &a.space.path()).expect("again")[0], a.address);
    assert_eq!(index(&cable), Some(before), "untouched");

    // A pod restarted in a new namespace under the same name gets a new cable and its old address.
    let fresh = Space::new("pod");
    assert_eq!(node.network.setup("a", &fresh.path()).expect("new namespace")[0], a.address);
    assert_ne!(index(&cable), Some(before));
    let _b = b.serve(8080);
    assert_eq!(fresh.ask(&b.at(8080)), Ok(format!("b {}", a.address)));

    node.network.collect_garbage(&BTreeSet::from(["b".to_owned()])).expect("collect");
    assert!(!names().contains(&cable) && node.network.addresses("a").is_empty());
    node.network.teardown("b").expect("teardown");
    node.network.teardown("b").expect("twice is fine");
    assert_eq!(names(), ["corten0", "lo", "uplink"].map(str::to_owned).into());
}

#[test]
fn a_pods_interface_costs_little() {
    if !is_root() {
        return;
    }
    let wire = Wire::new();
    let node = Node::new(1, &wire);
    let spaces: Vec<Space> = (0..20).map(|_| Space::new("pod")).collect();
    let median = |mut times: Vec<Duration>| {
        times.sort();
        times[times.len() / 2]
    };
    let timed = |work: &dyn Fn()| {
        let began = Instant::now();
        work();
        began.elapsed()
    };
    let name = |n: usize| format!("pod-{n}");
    let setups = spaces
        .iter()
        .enumerate()
        .map(|(n, space)| timed(&|| drop(node.network.setup(&name(n), &space.path()).expect("setup"))));
    let setup = median(setups.collect());
    let teardown =
        median((0..20).map(|n| timed(&|| node.network.teardown(&name(n)).expect("teardown"))).collect());
    println!("a pod's interface: set up in {setup:?}, taken down in {teardown:?} (medians of 20)");
    assert!(setup < SECOND && teardown < SECOND);
}

#[test]
fn a_service_spreads_evenly_and_follows_its_endpoints() {
    if !is_root() {
        return;
    }
    let wire = Wire::new();
    let node = Node::new(1, &wire);
    let pods: Vec<Pod> = ["a", "b", "c"].iter().map(|n| node.pod(n)).collect();
    let _servers: Vec<Server> = pods.iter().map(|p| p.serve(8080)).collect();
    let client = node.pod("client");
    set(&node, service(&pods.iter().collect::<Vec<_>>()));
    let from_pod = spread(&client.space, SERVICE, 300);
    println!("300 connections from a pod: {from_pod:?}");
    assert_even(&from_pod, 3, 300);
    assert_even(&spread(&node.space, SERVICE, 90), 3, 90);
    assert_eq!(
        client.space.ask(SERVICE).expect("answer").split(' ').nth(1),
        Some(&*client.address.to_string())
    );

    set(&node, service(&[&pods[0], &pods[2]]));
    let two = spread(&client.space, SERVICE, 60);
    assert_even(&two, 2, 60);
    assert!(!two.contains_key("b"));

    // Written anew in one batch, it works as before, and so does the next small change.
    node.services.start().expect("start again");
    assert_even(&spread(&client.space, SERVICE, 60), 2, 60);
    set(&node, service(&[&pods[1]]));
    assert_eq!(spread(&client.space, SERVICE, 10), BTreeMap::from([("b".to_owned(), 10)]));
}

#[test]
fn a_pod_reaches_itself_through_its_service() {
    if !is_root() {
        return;
    }
    let wire = Wire::new();
    let node = Node::new(1, &wire);
    let (a, b) = (node.pod("a"), node.pod("b"));
    let _servers = [a.serve(8080), b.serve(8080)];
    let key = "bridge/bridge-nf-call-iptables".replace('/', ".");
    for setting in ["0", "1"] {
        let change = Change::SetSysctl(key.clone(), setting.into());
        if node.interfaces.apply(None, &[change]).is_err() {
            println!("no br_netfilter here; its setting does not matter");
        }
        set(&node, service(&[&a]));
        assert_eq!(a.space.ask(SERVICE), Ok("a 10.244.1.1".into()), "hairpin, setting {setting}");
        assert_eq!(b.space.ask(SERVICE), Ok(format!("a {}", b.address)), "neighbour, setting {setting}");
        set(&node, service(&[&a, &b]));
        assert_even(&spread(&a.space, SERVICE, 60), 2, 60);
    }
}

#[test]
fn who_has_no_endpoints_refuses_at_once() {
    if !is_root() {
        return;
    }
    let wire = Wire::new();
    let node = Node::new(1, &wire);
    let client = node.pod("client");
    let refused = Err(ErrorKind::ConnectionRefused);
    set(&node, service(&[]));
    for (who, address) in [
        (&client.space, SERVICE),
        (&node.space, SERVICE),
        (&client.space, "10.96.0.77:80"),
        (&node.space, "10.96.0.77:80"),
        (&wire.0, "192.168.77.1:30080"),
        (&client.space, "192.168.77.1:30080"),
    ] {
        let began = Instant::now();
        assert_eq!(who.ask(address), refused, "{address}");
        assert!(began.elapsed() < SECOND, "{address} took {:?}", began.elapsed());
    }
    // Endpoints that may not answer here: silence from outside, as the traffic policy asks.
    let far = Endpoint { address: "10.244.9.9:80".parse().expect("address"), local: false, ready: true };
    let local = TrafficPolicy::Local;
    set(&node, ServicePort { endpoints: vec![far], external_policy: local, ..service(&[]) });
    assert_eq!(wire.0.ask("192.168.77.1:30080"), Err(ErrorKind::TimedOut));

    let udp = client.space.run(|| {
        let socket = UdpSocket::bind("0.0.0.0:0").expect("bind");
        socket.set_read_timeout(Some(SECOND)).expect("timeout");
        socket.connect("10.96.0.77:53").expect("connect");
        socket.send(b"hello").expect("send");
        socket.recv(&mut [0; 8]).expect_err("nobody").kind()
    });
    assert_eq!(udp, ErrorKind::ConnectionRefused);
}

#[test]
fn node_ports_and_host_ports_answer_everywhere() {
    if !is_root() {
        return;
    }
    let wire = Wire::new();
    let node = Node::new(1, &wire);
    let pods = [node.pod("a"), node.pod("b")];
    let _servers = pods.each_ref().map(|p| p.serve(8080));
    let client = node.pod("client");
    set(&node, service(&[&pods[0], &pods[1]]));
    for (who, address) in [
        (&wire.0, "192.168.77.1:30080"),
        (&node.space, "192.168.77.1:30080"),
        (&node.space, "10.244.1.1:30080"),
        (&node.space, "127.0.0.1:30080"),
        (&client.space, "192.168.77.1:30080"),
        (&pods[0].space, "192.168.77.1:30080"),
    ] {
        println!("to {address}: {:?}", spread(who, address, 40));
        assert_even(&spread(who, address, 40), 2, 40);
    }
    assert_eq!(wire.0.ask("192.168.77.1:30080").expect("answer").split(' ').nth(1), Some("10.244.1.1"));

    let local = ServicePort { external_policy: TrafficPolicy::Local, ..service(&[&pods[0]]) };
    set(&node, local);
    let answer = || client.space.ask("192.168.77.1:30080").map(|a| a.split(' ').next().map(str::to_owned));
    assert_eq!(answer(), Ok(Some("a".into())), "from inside");
    // The client's route back to the pods is the node, as for anyone outside whose address is kept.
    assert_eq!(wire.0.ask("192.168.77.1:30080"), Ok("a 192.168.77.254".into()), "the source is kept");

    let host_port = |host_ip, port, pod: &Pod| HostPort {
        host_ip,
        protocol: Protocol::Tcp,
        port,
        pod: SocketAddr::new(pod.address, 8080),
    };
    let ports = [host_port(None, 8888, &pods[1]), host_port(Some([127, 0, 0, 1].into()), 8889, &pods[0])];
    node.services.update([("pod/b".to_owned(), Claim::of_host_ports(&ports))]).expect("host ports");
    assert_eq!(wire.0.ask("192.168.77.1:8888"), Ok("b 192.168.77.254".into()));
    assert_eq!(node.space.ask("127.0.0.1:8888"), Ok("b 10.244.1.1".into()));
    assert_eq!(node.space.ask("127.0.0.1:8889"), Ok("a 10.244.1.1".into()));
    assert_eq!(wire.0.ask("192.168.77.1:8889"), Err(ErrorKind::ConnectionRefused));
}

#[test]
fn the_loopback_address_stays_the_nodes_own() {
    if !is_root() {
        return;
    }
    let wire = Wire::new();
    let node = Node::new(1, &wire);
    let _private = Server::tcp(&node.space, "private", 9999);
    let neighbour = "ip route add 127.0.0.1/32 via 192.168.77.1 dev wire table 99 2>&1; \
                     ip rule add pref 0 to 127.0.0.1 dport 9999 lookup 99; ip rule del pref 0 lookup local; \
                     ip rule add pref 1 lookup local; sysctl -qw net.ipv4.conf.all.route_localnet=1";
    wire.0.shell(neighbour);
    assert_eq!(wire.0.ask("127.0.0.1:9999"), Err(ErrorKind::TimedOut), "a neighbour's packet is dropped");
    assert!(node.space.ask("127.0.0.1:9999").is_ok());
}

#[test]
fn clients_stay_with_their_endpoint_while_it_lasts() {
    if !is_root() {
        return;
    }
    let wire = Wire::new();
    let node = Node::new(1, &wire);
    let pods: Vec<Pod> = ["a", "b", "c", "d"].iter().map(|n| node.pod(n)).collect();
    let _servers: Vec<Server> = pods.iter().map(|p| p.serve(8080)).collect();
    let clients: Vec<Pod> = (0..6).map(|n| node.pod(&format!("client-{n}"))).collect();
    let sticky = |pods: &[&Pod]| ServicePort { affinity: Some(Duration::from_secs(60)), ..service(pods) };
    set(&node, sticky(&pods.iter().collect::<Vec<_>>()));
    let only = |client: &Pod, address: &str| {
        let counts = spread(&client.space, address, 12);
        assert_eq!(counts.len(), 1, "one endpoint only: {counts:?}");
        counts.into_keys().next().unwrap_or_default()
    };
    let chosen: Vec<String> = clients.iter().map(|c| only(c, SERVICE)).collect();
    only(&clients[0], "192.168.77.1:30080");

    // One endpoint goes: its clients move, all others stay.
    let left: Vec<&Pod> = pods.iter().filter(|p| p.name != chosen[0]).collect();
    set(&node, sticky(&left));
    for (client, before) in clients.iter().zip(&chosen) {
        let now = only(client, SERVICE);
        assert_eq!(now == *before, *before != chosen[0], "{} was at {before}, is at {now}", client.name);
    }
    set(&node, service(&left));
    assert_even(&spread(&clients[0].space, SERVICE, 60), 3, 60);
}

#[test]
fn udp_clients_move_on_when_their_endpoint_goes() {
    if !is_root() {
        return;
    }
    let wire = Wire::new();
    let node = Node::new(1, &wire);
    let (a, b, client) = (node.pod("a"), node.pod("b"), node.pod("client"));
    let _servers = [Server::udp(&a, 8080), Server::udp(&b, 8080)];
    let udp = |pods: &[&Pod]| ServicePort { protocol: Protocol::Udp, ..service(pods) };
    let socket = client.space.run(|| UdpSocket::bind("0.0.0.0:4000").expect("bind"));
    socket.set_read_timeout(Some(Duration::from_millis(300))).expect("timeout");
    let ask = |address: &str| {
        socket.send_to(b"?", address).expect("send");
        let mut buffer = [0; 16];
        let answer = socket.recv_from(&mut buffer);
        answer.map(|(n, _)| String::from_utf8_lossy(&buffer[..n]).into_owned()).map_err(|e| e.kind())
    };
    for address in [SERVICE, "192.168.77.1:30080"] {
        set(&node, udp(&[&a]));
        assert_eq!(ask(address), Ok("a".into()));
        set(&node, udp(&[&a, &b]));
        assert_eq!(ask(address), Ok("a".into()), "a living connection stays");
        set(&node, udp(&[&b]));
        assert_eq!(ask(address), Ok("b".into()), "same socket, {address}");
    }
    let conntrack = KernelConntrack::inside(node.space.ns.clone());
    let flows = conntrack.flows(Family::V4, 17).expect("flows");
    assert!(flows.iter().all(|f| f.answers.ip() != a.address), "{flows:?}");
}

#[test]
fn version_six_does_the_same() {
    if !is_root() {
        return;
    }
    let wire = Wire::new();
    let node = Node::new(1, &wire);
    let (a, b, client) = (node.pod("a"), node.pod("b"), node.pod("client"));
    let _servers = [a.serve(8080), b.serve(8080)];
    let own = |pod: &Pod| format!("{} {}", pod.name, pod.address_v6);
    let direct = client.space.ask(&SocketAddr::new(b.address_v6, 8080).to_string());
    assert_eq!(direct, Ok(format!("b {}", client.address_v6)));
    let six = |pods: &[&Pod], affinity| ServicePort {
        cluster_ips: vec!["fd00:96::9".parse().expect("address")],
        endpoints: pods
            .iter()
            .map(|p| Endpoint { address: SocketAddr::new(p.address_v6, 8080), local: true, ready: true })
            .collect(),
        affinity,
        ..service(&[])
    };
    let address = "[fd00:96::9]:80";
    set(&node, six(&[&a, &b], None));
    assert_even(&spread(&client.space, address, 60), 2, 60);
    assert_even(&spread(&node.space, "[fd00:244:1::1]:30080", 60), 2, 60);
    set(&node, six(&[&a, &b], Some(Duration::from_secs(60))));
    assert_eq!(spread(&client.space, address, 12).len(), 1);
    set(&node, six(&[&a], None));
    assert_ne!(a.space.ask(address).expect("hairpin"), own(&a));
    set(&node, six(&[], None));
    assert_eq!(client.space.ask(address), Err(ErrorKind::ConnectionRefused));
    assert_eq!(client.space.ask("[fd00:96::10]:80"), Err(ErrorKind::ConnectionRefused));
}

#[test]
fn one_change_among_ten_thousand_services_is_quick() {
    if !is_root() {
        return;
    }
    let wire = Wire::new();
    let node = Node::new(1, &wire);
    let claim = |n: u16, last: u8| {
        let [high, low] = n.to_be_bytes();
        let endpoint =
            |e: u8| Endpoint { address: ([10, 244, high, e], 8080).into(), local: false, ready: true };
        let port = ServicePort {
            cluster_ips: vec![[10, 97, high, low].into()],
            node_port: None,
            endpoints: vec![endpoint(2), endpoint(3), endpoint(last)],
            ..service(&[])
        };
        (format!("default/s{n}"), Claim::of_service(&[port]))
    };
    let began = Instant::now();
    node.services.update((0..10_000).map(|n| claim(n, 4))).expect("load");
    println!("10,000 services with 3 endpoints added in {:?}", began.elapsed());
    let began = Instant::now();
    node.services.start().expect("all anew");
    println!("all written anew in {:?}", began.elapsed());
    let mut times: Vec<Duration> = (0..20)
        .map(|round| {
            let began = Instant::now();
            let count = node.services.update([claim(5000 + round, 9)]).expect("change");
            assert_eq!(count, 2, "one element out, one in");
            began.elapsed()
        })
        .collect();
    times.sort();
    println!("one endpoint changed: median {:?}, slowest {:?}", times[10], times[19]);
}

#[test]
fn removing_all_leaves_nothing() {
    if !is_root() {
        return;
    }
    let wire = Wire::new();
    let node = Node::new(1, &wire);
    let a = node.pod("a");
    set(&node, service(&[&a]));
    let peer = PeerNode {
        addresses: vec![[192, 168, 77, 2].into()],
        pod_ranges: vec!["10.244.2.0/24".parse().expect("range")],
    };
    node_routes::sync(&*node.interfaces, &[peer]).expect("routes");
    let nft = KernelNft::inside(node.space.ns.clone());
    for _ in 0..2 {
        corten_network::remove_all(BRIDGE, &*node.interfaces, &nft).expect("remove");
        let links: Vec<String> =
            node.interfaces.links(None).expect("links").into_iter().map(|l| l.name).collect();
        assert_eq!(links, ["lo", "uplink"]);
        let routes = node.interfaces.routes(None).expect("routes");
        assert!(routes.iter().all(|r| r.protocol != corten_network::ROUTE_PROTOCOL), "{routes:?}");
        for family in [Family::V4, Family::V6] {
            assert!(tables(Some(&node.space.ns), family).expect("tables").is_empty());
        }
    }
}
