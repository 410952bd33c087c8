//! A small world of network namespaces: nodes on one wire, pods on nodes, servers and clients anywhere.
//! Everything in it ends with the value that made it.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use corten_network::{PodNetwork, PodNetworkConfig, Services, ServicesConfig};
use corten_sys::conntrack::KernelConntrack;
use corten_sys::interfaces::{Change, Interfaces, KernelInterfaces, Veth};
use corten_sys::netns::{NAMED, NetNs};
use corten_sys::nft::{Family, KernelNft};

static NUMBER: AtomicU32 = AtomicU32::new(0);

pub const SECOND: Duration = Duration::from_secs(1);

/// Whether the test can run; says so when it cannot.
pub fn is_root() -> bool {
    let root = corten_sys::is_root();
    if !root {
        eprintln!("skipped: needs root");
    }
    root
}

/// A namespace with a name, deleted at its end.
pub struct Space {
    pub ns: NetNs,
    name: String,
}

impl Space {
    pub fn new(tag: &str) -> Self {
        let name = format!("corten-{tag}-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::SeqCst));
        let ns = NetNs::create_named(&name).expect("namespace");
        KernelInterfaces.apply(Some(&ns), &[Change::SetUp("lo".into())]).expect("loopback");
        Space { ns, name }
    }

    pub fn path(&self) -> PathBuf {
        PathBuf::from(NAMED).join(&self.name)
    }

    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.ns.run(work).expect("namespace")
    }

    /// What a TCP server there answers; an error's kind otherwise.
    pub fn ask(&self, address: &str) -> Result<String, ErrorKind> {
        let address: SocketAddr = address.parse().expect("address");
        let ask = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect_timeout(&address, SECOND)?;
            stream.set_read_timeout(Some(SECOND))?;
            let mut text = String::new();
            stream.read_to_string(&mut text)?;
            Ok(text)
        };
        // On a busy machine the first packets to a new neighbour may be late: silence counts when it lasts.
        let patient = || (0..3).map(|_| ask().map_err(|e| e.kind())).find(|a| *a != Err(ErrorKind::TimedOut));
        self.run(|| patient().unwrap_or(Err(ErrorKind::TimedOut)))
    }

    /// A command's output, for looking at what was made.
    #[allow(dead_code)]
    pub fn shell(&self, command: &str) -> String {
        let output = self.run(|| std::process::Command::new("sh").args(["-c", command]).output());
        let output = output.expect("sh");
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        let _ = NetNs::delete_named(&self.name);
    }
}

/// The wire between nodes: a bridge in a namespace of its own, with an address for a client outside.
pub struct Wire(pub Space);

impl Wire {
    pub fn new() -> Self {
        let space = Space::new("wire");
        let changes = [
            Change::AddBridge { name: "wire".into(), mac: None, mtu: None },
            Change::AddAddress("wire".into(), "192.168.77.254/24".parse().expect("address")),
            Change::SetUp("wire".into()),
        ];
        KernelInterfaces.apply(Some(&space.ns), &changes).expect("wire");
        Wire(space)
    }
}

/// A node with its pod network and services.
pub struct Node {
    pub space: Space,
    pub network: PodNetwork,
    pub services: Services,
    pub interfaces: Arc<InSpace>,
    _data: tempfile::TempDir,
}

/// The interfaces of a node's namespace, whichever thread asks.
pub struct InSpace(NetNs);

impl Interfaces for InSpace {
    fn apply(&self, ns: Option<&NetNs>, changes: &[Change]) -> corten_sys::Result<()> {
        KernelInterfaces.apply(ns.or(Some(&self.0)), changes)
    }
    fn links(&self, ns: Option<&NetNs>) -> corten_sys::Result<Vec<corten_sys::interfaces::Link>> {
        KernelInterfaces.links(ns.or(Some(&self.0)))
    }
    fn addresses(&self, ns: Option<&NetNs>) -> corten_sys::Result<Vec<(u32, corten_sys::Cidr)>> {
        KernelInterfaces.addresses(ns.or(Some(&self.0)))
    }
    fn routes(&self, ns: Option<&NetNs>) -> corten_sys::Result<Vec<corten_sys::interfaces::Route>> {
        KernelInterfaces.routes(ns.or(Some(&self.0)))
    }
    fn sysctl(&self, ns: Option<&NetNs>, key: &str) -> corten_sys::Result<String> {
        KernelInterfaces.sysctl(ns.or(Some(&self.0)), key)
    }
}

impl Node {
    /// The `number`-th node: 192.168.77.`number`, pods 10.244.`number`.0/24 and fd00:244:`number`::/64.
    pub fn new(number: u8, wire: &Wire) -> Self {
        let space = Space::new("node");
        let veth = Veth {
            name: format!("node{number}"),
            master: Some("wire".into()),
            peer: "uplink".into(),
            peer_ns: Some(space.ns.clone()),
            peer_mac: None,
            mtu: None,
        };
        let port = veth.name.clone();
        KernelInterfaces
            .apply(Some(&wire.0.ns), &[Change::AddVeth(veth), Change::SetUp(port)])
            .expect("port");
        let address = format!("192.168.77.{number}/24").parse().expect("address");
        let uplink = || "uplink".to_owned();
        let changes = [Change::AddAddress(uplink(), address), Change::SetUp(uplink())];
        KernelInterfaces.apply(Some(&space.ns), &changes).expect("uplink");

        let data = tempfile::tempdir().expect("directory");
        let range = |text: &str| text.parse().expect("range");
        let (cluster, service) = (range("10.244.0.0/16"), range("10.96.0.0/12"));
        let own = range(&format!("10.244.{number}.0/24"));
        let mut config = PodNetworkConfig::new(own, cluster, service, data.path());
        config.pod_ranges.push(range(&format!("fd00:244:{number}::/64")));
        config.cluster_ranges.push(range("fd00:244::/32"));
        config.service_ranges.push(range("fd00:96::/112"));
        let services_config = ServicesConfig {
            families: vec![Family::V4, Family::V6],
            cluster_ranges: config.cluster_ranges.clone(),
            service_ranges: config.service_ranges.clone(),
        };
        let interfaces = Arc::new(InSpace(space.ns.clone()));
        let nft = Arc::new(KernelNft::inside(space.ns.clone()));
        let network = PodNetwork::open(config, interfaces.clone(), &*nft).expect("pod network");
        let conntrack = Arc::new(KernelConntrack::inside(space.ns.clone()));
        let services = Services::new(services_config, nft, conntrack);
        services.start().expect("services");
        Node { space, network, services, interfaces, _data: data }
    }

    pub fn pod(&self, name: &str) -> Pod {
        let space = Space::new("pod");
        let addresses = self.network.setup(name, &space.path()).expect("pod");
        Pod { space, address: addresses[0], address_v6: addresses[1], name: name.to_owned() }
    }
}

/// A pod's namespace and address.
pub struct Pod {
    pub space: Space,
    pub address: IpAddr,
    pub address_v6: IpAddr,
    pub name: String,
}

impl Pod {
    /// A TCP server that answers with its name and the client's address.
    pub fn serve(&self, port: u16) -> Server {
        Server::tcp(&self.space, &self.name, port)
    }

    pub fn at(&self, port: u16) -> String {
        SocketAddr::new(self.address, port).to_string()
    }
}

/// A server on a thread, stopped at its end.
pub struct Server {
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Server {
    pub fn tcp(space: &Space, name: &str, port: u16) -> Self {
        let listener = space.run(|| TcpListener::bind(("::", port))).expect("listen");
        listener.set_nonblocking(true).expect("nonblocking");
        let name = name.to_owned();
        Self::run(move || {
            let Ok((mut stream, client)) = listener.accept() else { return false };
            let _ = write!(stream, "{name} {}", client.ip().to_canonical());
            true
        })
    }

    /// A UDP server that answers with its name.
    pub fn udp(pod: &Pod, port: u16) -> Self {
        let socket = pod.space.run(|| UdpSocket::bind(("0.0.0.0", port))).expect("bind");
        socket.set_nonblocking(true).expect("nonblocking");
        let name = pod.name.clone();
        Self::run(move || {
            let mut buffer = [0; 64];
            let Ok((_, client)) = socket.recv_from(&mut buffer) else { return false };
            let _ = socket.send_to(name.as_bytes(), client);
            true
        })
    }

    fn run(mut step: impl FnMut() -> bool + Send + 'static) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::SeqCst) {
                if !step() {
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
        });
        Server { stop, thread: Some(thread) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
