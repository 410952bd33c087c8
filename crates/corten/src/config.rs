//! What a user may set: flags, and environment variables of the same names (`CORTEN_...`).

use crate::control::{
    AdmissionFlags, AuditFlags, EncryptionFlags, IdentityFlags, ServingFlags, VersionFlags,
};
use clap::{Args, Parser, Subcommand};
use corten_controllers::Choice;
use corten_semantics::gates::Gates;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Kubernetes in one small binary.
#[derive(Parser)]
#[command(version, about, max_term_width = 100)]
pub struct Flags {
    /// Log more: -v for what is done, -vv for every step.
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub verbose: u8,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Start a cluster of one node: control plane and node in this process.
    Up(Box<Up>),
    /// Start a control plane without a node.
    Server(Box<Server>),
    /// Start a node of another machine's cluster.
    Node(Box<Node>),
    /// Stop what `up -d`, `server` or `node` started; pods go on running.
    Down(At),
    /// Remove everything: pods, mounts, interfaces, packet rules, cgroups, and the data directory.
    Reset(At),
    /// Tokens with which nodes join.
    Token {
        #[command(subcommand)]
        command: TokenCommand,
    },
    /// Images of this node.
    Image {
        #[command(subcommand)]
        command: ImageCommand,
    },
    /// Serve the container runtime alone over CRI, without a cluster.
    Cri(Cri),
    /// Measure.
    Bench(corten_cli::bench::BenchArgs),
}

#[derive(Subcommand)]
pub enum TokenCommand {
    /// Make a token, and print the command with which a node joins.
    Create(Token),
}

#[derive(Subcommand)]
pub enum ImageCommand {
    /// Show the images.
    List(At),
    /// Fetch an image from its registry.
    Pull {
        name: String,
        #[command(flatten)]
        at: At,
    },
    /// Import an OCI or Docker archive.
    Import {
        file: PathBuf,
        #[command(flatten)]
        at: At,
    },
    /// Make and import the small image of the README's tour, from the machine's static busybox.
    Demo {
        /// The image's name.
        #[arg(long, default_value = crate::images::DEMO)]
        name: String,
        /// Only write it to this file, as an OCI archive.
        #[arg(long)]
        file: Option<PathBuf>,
        #[command(flatten)]
        at: At,
    },
}

/// Where the process keeps everything.
#[derive(Args, Clone, Debug)]
pub struct At {
    /// The data directory.
    #[arg(long, env = "CORTEN_DATA_DIR", default_value = "/var/lib/corten")]
    pub data_dir: PathBuf,
}

#[derive(Args, Clone, Debug)]
pub struct Up {
    #[command(flatten)]
    pub server: Server,
    #[command(flatten)]
    pub kubelet: KubeletFlags,
    /// Return once the node is ready, and go on in the background.
    #[arg(short, long)]
    pub detach: bool,
}

#[derive(Args, Clone, Debug)]
pub struct Server {
    #[command(flatten)]
    pub at: At,
    /// The address that other machines reach this one at; found by the default route when absent.
    #[arg(long, env = "CORTEN_ADDRESS")]
    pub address: Option<IpAddr>,
    /// The port of the API.
    #[arg(long, env = "CORTEN_PORT", default_value_t = 6443)]
    pub port: u16,
    /// Addresses of pods.
    #[arg(long, env = "CORTEN_CLUSTER_CIDR", default_value = "10.244.0.0/16")]
    pub cluster_cidr: String,
    /// Addresses of Services: a range of IPv4, and perhaps one of IPv6 behind a comma.
    #[arg(
        long,
        env = "CORTEN_SERVICE_CIDR",
        alias = "service-cluster-ip-range",
        default_value = "10.96.0.0/16"
    )]
    pub service_cidr: String,
    /// Controllers to run, with commas between them: * for all, -NAME for all but that one.
    #[arg(
        long,
        env = "CORTEN_CONTROLLERS",
        value_name = "NAMES",
        default_value = "*",
        allow_hyphen_values = true,
        value_parser = Choice::parse
    )]
    pub controllers: Choice,
    /// Leave pods to other schedulers.
    #[arg(long, env = "CORTEN_DISABLE_SCHEDULER")]
    pub disable_scheduler: bool,
    /// Seconds after which a silent node counts as unreachable.
    #[arg(long, env = "CORTEN_NODE_MONITOR_GRACE", default_value_t = 40)]
    pub node_monitor_grace: u64,
    /// Seconds of history that lists can go on in and watches start from.
    #[arg(long, env = "CORTEN_COMPACTION_INTERVAL", default_value_t = 300)]
    pub compaction_interval: u64,
    /// How long the token of a Secret may lie unused that a cluster made by itself; then it goes.
    #[arg(
        long,
        env = "CORTEN_LEGACY_SERVICE_ACCOUNT_TOKEN_CLEAN_UP_PERIOD",
        default_value = "8760h",
        value_name = "DURATION",
        value_parser = corten_auth::authorize::duration
    )]
    pub legacy_service_account_token_clean_up_period: Duration,
    #[command(flatten)]
    pub serving: ServingFlags,
    /// Where the administrator's kubeconfig is written; DATA_DIR/kubeconfig when absent.
    #[arg(long, env = "CORTEN_KUBECONFIG")]
    pub kubeconfig: Option<PathBuf>,
    /// Features to turn on or off, as NAME=true,OTHER=false.
    #[arg(
        long,
        env = "CORTEN_FEATURE_GATES",
        value_name = "GATES",
        default_value = "",
        hide_default_value = true,
        value_parser = Gates::parse
    )]
    pub feature_gates: Gates,
    #[command(flatten)]
    pub audit: AuditFlags,
    #[command(flatten)]
    pub encryption: EncryptionFlags,
    #[command(flatten)]
    pub admission: AdmissionFlags,
    #[command(flatten)]
    pub versions: VersionFlags,
    #[command(flatten)]
    pub identity: IdentityFlags,
}

impl Server {
    /// The addresses of Services that nodes lead to their endpoints: those of IPv4.
    pub fn node_services(&self) -> String {
        self.service_cidr.split(',').next().unwrap_or_default().to_string()
    }
}

#[derive(Args, Clone, Debug)]
pub struct Node {
    #[command(flatten)]
    pub at: At,
    #[command(flatten)]
    pub kubelet: KubeletFlags,
    /// The API server, `https://ADDRESS:6443`.
    #[arg(long, env = "CORTEN_JOIN")]
    pub join: String,
    /// The token that `corten token create` printed: ID.SECRET.HASH.
    #[arg(long, env = "CORTEN_TOKEN")]
    pub token: String,
    /// The address that other nodes reach this one at; found by the way to the server when absent.
    #[arg(long, env = "CORTEN_ADDRESS")]
    pub address: Option<IpAddr>,
}

#[derive(Args, Clone, Debug)]
pub struct KubeletFlags {
    /// The node's name; the host name when absent.
    #[arg(long, env = "CORTEN_NODE_NAME")]
    pub node_name: Option<String>,
    /// The port of the node's own HTTPS API.
    #[arg(long, env = "CORTEN_KUBELET_PORT", default_value_t = 10250)]
    pub kubelet_port: u16,
    /// The container runtime: our own, or a containerd that is started in the data directory.
    #[arg(long, env = "CORTEN_RUNTIME", value_enum, default_value_t = RuntimeChoice::Embedded)]
    pub runtime: RuntimeChoice,
    /// Use the runtime at this CRI socket instead (containerd, CRI-O).
    #[arg(long, env = "CORTEN_RUNTIME_ENDPOINT")]
    pub runtime_endpoint: Option<String>,
    /// The cgroup below which pods' cgroups are made.
    #[arg(long, env = "CORTEN_CGROUP_ROOT", default_value = "/kubepods")]
    pub cgroup_root: String,
    /// The most pods of the node.
    #[arg(long, env = "CORTEN_MAX_PODS", default_value_t = 110)]
    pub max_pods: u32,
    /// Labels of the node, KEY=VALUE,...
    #[arg(long, env = "CORTEN_NODE_LABELS", value_delimiter = ',')]
    pub node_labels: Vec<String>,
    #[command(flatten)]
    pub resources: ResourceFlags,
}

/// What the node keeps for itself, and when pods have to go; names and defaults are upstream's.
#[derive(Args, Clone, Debug)]
pub struct ResourceFlags {
    /// When pods are evicted at once, SIGNAL<AMOUNT,...
    #[arg(long, env = "CORTEN_EVICTION_HARD", default_value = corten_kubelet::EVICTION_HARD)]
    pub eviction_hard: String,
    /// When pods are evicted after a grace period, SIGNAL<AMOUNT,...
    #[arg(long, env = "CORTEN_EVICTION_SOFT", default_value = "")]
    pub eviction_soft: String,
    /// The grace periods of the soft thresholds, SIGNAL=DURATION,...
    #[arg(long, env = "CORTEN_EVICTION_SOFT_GRACE_PERIOD", default_value = "")]
    pub eviction_soft_grace_period: String,
    /// How much more than the threshold is freed, SIGNAL=AMOUNT,...
    #[arg(long, env = "CORTEN_EVICTION_MINIMUM_RECLAIM", default_value = "")]
    pub eviction_minimum_reclaim: String,
    /// The most seconds that a pod has to end which a soft threshold evicts.
    #[arg(long, env = "CORTEN_EVICTION_MAX_POD_GRACE_PERIOD", default_value_t = 0)]
    pub eviction_max_pod_grace_period: i64,
    /// How long the node keeps a condition of pressure after the last time of pressure.
    #[arg(long, env = "CORTEN_EVICTION_PRESSURE_TRANSITION_PERIOD", default_value = "5m")]
    pub eviction_pressure_transition_period: String,
    /// What the system keeps for itself, cpu=500m,memory=1Gi,ephemeral-storage=1Gi,pid=100.
    #[arg(long, env = "CORTEN_SYSTEM_RESERVED", default_value = "")]
    pub system_reserved: String,
    /// What Corten keeps for itself, in the same form.
    #[arg(long, env = "CORTEN_KUBE_RESERVED", default_value = "")]
    pub kube_reserved: String,
    /// Percent of the images' disk in use above which unused images are removed.
    #[arg(long, env = "CORTEN_IMAGE_GC_HIGH_THRESHOLD", default_value_t = 85)]
    pub image_gc_high_threshold: u8,
    /// Percent of the images' disk in use at which that ends.
    #[arg(long, env = "CORTEN_IMAGE_GC_LOW_THRESHOLD", default_value_t = 80)]
    pub image_gc_low_threshold: u8,
    /// The age below which unused images stay.
    #[arg(long, env = "CORTEN_MINIMUM_IMAGE_TTL_DURATION", default_value = "2m")]
    pub minimum_image_ttl_duration: String,
    /// How long an image may be unused before it is removed; 0 for ever.
    #[arg(long, env = "CORTEN_IMAGE_MAXIMUM_GC_AGE", default_value = "0")]
    pub image_maximum_gc_age: String,
    /// Pull one image after the other; `false` pulls as many at once as pods ask for.
    #[arg(long, env = "CORTEN_SERIALIZE_IMAGE_PULLS", action = clap::ArgAction::Set, default_value_t = true,
          default_value_if("max_parallel_image_pulls", clap::builder::ArgPredicate::IsPresent, "false"))]
    pub serialize_image_pulls: bool,
    /// The most images that are pulled at once.
    #[arg(long, env = "CORTEN_MAX_PARALLEL_IMAGE_PULLS")]
    pub max_parallel_image_pulls: Option<usize>,
    /// The age below which ended containers stay.
    #[arg(long, env = "CORTEN_MINIMUM_CONTAINER_TTL_DURATION", default_value = "0")]
    pub minimum_container_ttl_duration: String,
    /// How many ended runs of each container stay; -1 for all.
    #[arg(
        long,
        env = "CORTEN_MAXIMUM_DEAD_CONTAINERS_PER_CONTAINER",
        default_value_t = 1,
        allow_negative_numbers = true
    )]
    pub maximum_dead_containers_per_container: i32,
    /// The most processes of a pod; -1 for any number.
    #[arg(long, env = "CORTEN_POD_MAX_PIDS", default_value_t = -1, allow_negative_numbers = true)]
    pub pod_max_pids: i64,
    /// The size at which a container's log is rotated.
    #[arg(long, env = "CORTEN_CONTAINER_LOG_MAX_SIZE", default_value = "10Mi")]
    pub container_log_max_size: String,
    /// How many files of a container's log are kept, at least 2.
    #[arg(long, env = "CORTEN_CONTAINER_LOG_MAX_FILES", default_value_t = 5)]
    pub container_log_max_files: usize,
    /// How often the node's status is looked at.
    #[arg(long, env = "CORTEN_NODE_STATUS_UPDATE_FREQUENCY", default_value = "10s")]
    pub node_status_update_frequency: String,
    /// Seconds that the node's lease is good; it is renewed four times in them.
    #[arg(long, env = "CORTEN_NODE_LEASE_DURATION_SECONDS", default_value_t = 40)]
    pub node_lease_duration_seconds: u64,
    /// `static` gives containers of Guaranteed pods whole processors for themselves; `none` does not.
    #[arg(long, env = "CORTEN_CPU_MANAGER_POLICY", default_value = "none")]
    pub cpu_manager_policy: String,
    /// Processors that no container has for itself, such as 0-1.
    #[arg(long, env = "CORTEN_RESERVED_CPUS", default_value = "")]
    pub reserved_cpus: String,
    /// How long a shutdown of the machine (SIGPWR) waits for pods; 0 for not at all.
    #[arg(long, env = "CORTEN_SHUTDOWN_GRACE_PERIOD", default_value = "0")]
    pub shutdown_grace_period: String,
    /// How much of that is for critical pods, which end last.
    #[arg(long, env = "CORTEN_SHUTDOWN_GRACE_PERIOD_CRITICAL_PODS", default_value = "0")]
    pub shutdown_grace_period_critical_pods: String,
}

/// Which runtime a node has.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuntimeChoice {
    /// Our own, in this process.
    Embedded,
    /// A containerd, started by us.
    Containerd,
}

#[derive(Args, Clone, Debug)]
pub struct Cri {
    /// The socket to serve CRI on.
    #[arg(long, default_value = "unix:///run/corten/cri.sock")]
    pub listen: String,
    /// Where pods and images are.
    #[arg(long, env = "CORTEN_CRI_ROOT", default_value = "/var/lib/corten-cri")]
    pub root: PathBuf,
    /// Addresses of pods on a bridge of our own. Its packet rules are a node's: use CNI beside one.
    #[arg(long, default_value = "10.85.0.0/16")]
    pub pod_cidr: String,
    /// The name of that bridge.
    #[arg(long, default_value = "corten-cri0")]
    pub bridge: String,
    /// Use the network that the first CNI configuration in this directory describes, instead of the bridge.
    #[arg(long)]
    pub cni_conf_dir: Option<PathBuf>,
    /// Where CNI's plugins are, directories separated by colons.
    #[arg(long, default_value = "/opt/cni/bin:/usr/lib/cni")]
    pub cni_bin_dir: String,
}

#[derive(Args, Clone, Debug)]
pub struct Token {
    #[command(flatten)]
    pub at: At,
    /// How long the token is good, in hours.
    #[arg(long, default_value_t = 24)]
    pub hours: u32,
}
