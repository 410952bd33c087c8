//! What the runtime and a pod's supervisor say to each other, over a unix stream socket named `sock` in the
//! pod's directory; frames as in [`crate::wire`], descriptors beside them as `SCM_RIGHTS`.
//!
//! Each operation has a connection of its own, on which one [`Request`] is answered by one or more
//! [`Reply`]s. The supervisor's standard input is its first connection: on it the runtime sends
//! [`Request::Sandbox`] and learns with [`Reply::Ready`] that the namespaces are there.

use crate::wire::{enums, structs};

/// The version of the protocol that this source speaks; see [`crate::wire`] for what may change without a
/// new one.
pub const VERSION: u32 = 1;

/// The socket's name in the pod's directory.
pub const SOCKET: &str = "sock";

/// The file in a container's directory that says how it ended: an [`Exit`], as on the wire.
pub const EXIT_FILE: &str = "exit";

enums! {
    /// What the runtime asks.
    pub enum Request {
        /// Makes the pod's namespaces. Only as the first request, on standard input; answered by
        /// [`Reply::Ready`].
        1 Sandbox(Sandbox),
        /// Who is there; answered by [`Reply::Hello`].
        2 Hello,
        /// Starts a container; answered by [`Reply::Launched`]. Descriptors: those of [`Source::Handle`].
        3 Launch(Box<Launch>),
        /// Runs a process in a container; answered by [`Reply::Started`], later by [`Reply::Exited`].
        /// Descriptors without a terminal: its stdin, stdout and stderr. With a terminal the answer brings
        /// the terminal's other end. When the connection is closed, the process is killed.
        4 Exec(Box<Exec>),
        /// Joins a container's streams; answered by [`Reply::Attached`], and by [`Reply::Exited`] when the
        /// container ends. Descriptors: write ends for its stdout and then stderr, as far as asked for.
        /// The answer brings a write end of its stdin, if asked for and there, or the terminal.
        /// Closing the connection detaches. Who does not read what comes holds the container up, and after ten
        /// seconds gets no more.
        5 Attach(Attach),
        /// Sends a signal to a container's first process; answered by [`Reply::Done`].
        6 Signal(Signal),
        /// Opens a TCP connection to a port of the pod's loopback; answered by [`Reply::Done`] with the
        /// socket.
        7 Connect(u16),
        /// Closes and opens a container's log again, after a rotation; answered by [`Reply::Done`].
        8 ReopenLog(String),
        /// Says what happens: answered by a [`Reply::Event`] for each container that is known, then
        /// [`Reply::Done`], then by an event for each change.
        9 Subscribe,
        /// Forgets a container that has ended, named by id; answered by [`Reply::Done`].
        10 Forget(String),
        /// Kills every container and ends, once all are reaped; answered by [`Reply::Done`] before.
        11 Shutdown,
    }

    /// What the supervisor answers.
    pub enum Reply {
        /// The request could not be carried out.
        1 Failed(Failure),
        /// It is done.
        2 Done,
        /// The namespaces are there.
        3 Ready(Ready),
        /// Who answers.
        4 Hello(Hello),
        /// The container runs.
        5 Launched(Launched),
        /// The process runs; its process id as the machine sees it.
        6 Started(i32),
        /// The process, or the container, has ended.
        7 Exited(Exit),
        /// The streams are joined; whether the container has a terminal.
        8 Attached(bool),
        /// A container's state.
        9 Event(State),
    }

    /// Why something failed.
    #[derive(Default)]
    pub enum Cause {
        /// The kernel, or a file, said no.
        #[default]
        1 Kernel,
        /// The executable, or the directory to start in, is not in the image.
        2 NoExecutable,
        /// It may not be executed.
        3 NotExecutable,
        /// The user or group is not in the image.
        4 NoUser,
        /// No such container, or it does not run.
        5 NoContainer,
        /// The request makes no sense.
        6 Invalid,
    }

    /// Where a mount comes from.
    #[derive(Default)]
    pub enum Source {
        /// Nothing: refused.
        #[default]
        6 Nothing,
        /// A file system of this type.
        1 Type(FileSystem),
        /// A file or directory of the machine, with what is mounted below it.
        2 Bind(String),
        /// The pod's shared memory.
        3 Shm,
        /// A detached mount (`open_tree`), the n-th descriptor that came with the request. It stays a peer
        /// of what it was cloned from, which is how mounts propagate back to the machine.
        4 Handle(u32),
        /// No mount: a symbolic link with this content, where there is nothing yet.
        5 Symlink(String),
    }

    /// How mounts and unmounts travel.
    #[derive(Default)]
    pub enum Propagation {
        /// Not at all.
        #[default]
        1 Private,
        /// Into the container.
        2 Slave,
        /// Both ways.
        3 Shared,
    }

    /// Whose processes a container sees.
    #[derive(Default)]
    pub enum PidNamespace {
        /// Only its own.
        #[default]
        1 Own,
        /// All of the pod's.
        2 Pod,
        /// All of the machine's.
        3 Host,
        /// Those of another container of the pod, named by id.
        4 Container(String),
    }
}

structs! {
    /// A pod's namespaces.
    pub struct Sandbox {
        /// The sandbox's id.
        pub id: String,
        /// Its directory on the machine, absolute; the supervisor's working directory, where its socket is.
        pub dir: String,
        /// The host name in the pod's own UTS namespace; `None` leaves it in the machine's.
        pub hostname: Option<String>,
        /// Whether it stays in the machine's network.
        pub host_network: bool,
        /// Whether it stays in the machine's IPC namespace; its shared memory is then the machine's.
        pub host_ipc: bool,
        /// Whether its containers share one PID namespace, which the supervisor then keeps with a process
        /// that reaps.
        pub shared_pid: bool,
        /// Kernel settings by name (`net.core.somaxconn`), written in the pod's namespaces.
        pub sysctls: Vec<(String, String)>,
        /// Size of the shared memory in bytes.
        pub shm_size: u64,
        /// Maps the pod's users to the machine's; `None` for no user namespace.
        pub id_map: Option<IdMap>,
        /// Directories of control groups that the supervisor joins; none leaves it in the runtime's.
        pub cgroups: Vec<String>,
        /// The supervisor's own OOM score.
        pub oom_score_adj: i32,
    }

    /// A user namespace's maps.
    pub struct IdMap {
        /// Of users.
        pub users: Vec<IdRange>,
        /// Of groups.
        pub groups: Vec<IdRange>,
    }

    /// A range of a map.
    pub struct IdRange {
        /// The first id inside.
        pub inside: u32,
        /// The first id on the machine.
        pub outside: u32,
        /// How many.
        pub count: u32,
    }

    /// A container to start: everything is decided, in the order in which it is done.
    pub struct Launch {
        /// The container's id.
        pub id: String,
        /// Its directory on the machine, where its end is recorded.
        pub dir: String,
        /// Its root file system.
        pub root: Overlay,
        /// Mounts and links in order, in the container's terms.
        pub mounts: Vec<Mount>,
        /// Device nodes to make, in the container's `/dev`; bound from the machine in a user namespace.
        pub devices: Vec<Device>,
        /// Paths hidden behind `/dev/null` or an empty read-only directory; missing ones are passed over.
        pub masked_paths: Vec<String>,
        /// Paths made read-only; missing ones are passed over.
        pub readonly_paths: Vec<String>,
        /// How mounts travel between the machine and the container as a whole.
        pub root_propagation: Propagation,
        /// Whose processes it sees.
        pub pid_namespace: PidNamespace,
        /// Whether it has a cgroup namespace of its own.
        pub cgroup_namespace: bool,
        /// Directories of control groups that it joins, one per hierarchy.
        pub cgroups: Vec<String>,
        /// The file whose line `oom_kill N` counts the kernel's kills (`memory.oom_control` or
        /// `memory.events`).
        pub oom_file: Option<String>,
        /// Its first process.
        pub process: Process,
        /// Where its output goes, in CRI's format; `None` for nowhere.
        pub log: Option<String>,
        /// Whether its stdin is kept open for those who attach.
        pub stdin: bool,
        /// Whether its stdin is closed when the first who attached to it leaves.
        pub stdin_once: bool,
    }

    /// A root file system by overlayfs.
    pub struct Overlay {
        /// The directory that the others are relative to.
        pub base: String,
        /// The image's layers, the topmost first, relative to `base` and short: the kernel takes one page
        /// of options.
        pub lower: Vec<String>,
        /// The container's own layer, absolute.
        pub upper: String,
        /// Overlayfs' work directory beside it, absolute.
        pub work: String,
        /// Whether the container may not write.
        pub readonly: bool,
    }

    /// A mount.
    pub struct Mount {
        /// What is mounted.
        pub source: Source,
        /// Where, in the container. Missing directories (or the file, for a file's bind) are made; no link
        /// leads out of the root.
        pub target: String,
        /// `MS_*` flags such as `MS_RDONLY | MS_NOSUID`; a bind needs no `MS_BIND`.
        pub flags: u64,
        /// How later mounts travel.
        pub propagation: Propagation,
        /// Whether all below is read-only too (`mount_setattr`); fails where the kernel cannot.
        pub recursive_readonly: bool,
        /// Whether ids are mapped as in the pod's user namespace, so that files keep their owners.
        pub id_mapped: bool,
        /// Whether a missing source is no error.
        pub optional: bool,
    }

    /// A file system to mount.
    pub struct FileSystem {
        /// `proc`, `tmpfs`.
        pub kind: String,
        /// What it shows as its device.
        pub device: String,
        /// Its options, comma-separated.
        pub options: String,
    }

    /// A device node.
    pub struct Device {
        /// Where, in the container.
        pub path: String,
        /// Where on the machine.
        pub host_path: String,
        /// Type and permissions, as in `st_mode`.
        pub mode: u32,
        /// Major number.
        pub major: u32,
        /// Minor number.
        pub minor: u32,
        /// Its owner.
        pub uid: u32,
        /// Its group.
        pub gid: u32,
    }

    /// A process, of a container or of an exec.
    pub struct Process {
        /// Executable and arguments; the executable is looked up in `PATH` of `env` within the container.
        pub args: Vec<String>,
        /// `NAME=value`. `HOME` is added from the image's users where it is missing.
        pub env: Vec<String>,
        /// Where it starts; made if it is missing.
        pub cwd: String,
        /// As whom.
        pub user: User,
        /// Its capabilities.
        pub capabilities: Capabilities,
        /// Whether it can never gain privileges.
        pub no_new_privileges: bool,
        /// The system-call filter: instructions of eight bytes each, as the kernel takes them. Empty for none.
        pub seccomp: Vec<u8>,
        /// `SECCOMP_FILTER_FLAG_*`.
        pub seccomp_flags: u32,
        /// `RLIMIT_*`, soft and hard limit.
        pub rlimits: Vec<(u32, (u64, u64))>,
        /// Its OOM score; where the machine forbids to lower it, the lowest allowed.
        pub oom_score_adj: Option<i32>,
        /// The AppArmor profile it changes to.
        pub apparmor: Option<String>,
        /// Whether it has a terminal.
        pub terminal: bool,
        /// The file creation mask.
        pub umask: u32,
    }

    /// As whom a process runs.
    pub struct User {
        /// As an image says it: `name`, `name:group`, `uid`, `uid:gid`, or nothing for root; looked up in
        /// the container's `/etc/passwd` and `/etc/group`.
        pub name: String,
        /// Its group, instead of the user's own.
        pub gid: Option<u32>,
        /// Groups beside it.
        pub groups: Vec<u32>,
        /// Whether the groups that `/etc/group` gives the user are added.
        pub image_groups: bool,
    }

    /// Sets of capabilities, a bit each.
    pub struct Capabilities {
        /// What can ever be had.
        pub bounding: u64,
        /// What may be used.
        pub permitted: u64,
        /// What is used.
        pub effective: u64,
        /// What is kept over an execution of a file that asks for it.
        pub inheritable: u64,
        /// What is kept over any execution.
        pub ambient: u64,
    }

    /// A process to run in a container.
    pub struct Exec {
        /// The container's id.
        pub container: String,
        /// What to run. It joins the container's control groups.
        pub process: Process,
        /// The terminal's columns and rows.
        pub size: (u16, u16),
    }

    /// Streams to join.
    pub struct Attach {
        /// The container's id.
        pub container: String,
        /// Whether to write to its stdin.
        pub stdin: bool,
        /// Whether to read its stdout.
        pub stdout: bool,
        /// Whether to read its stderr; a terminal has none of its own.
        pub stderr: bool,
    }

    /// A signal to send.
    pub struct Signal {
        /// The container's id.
        pub container: String,
        /// The signal's number.
        pub number: i32,
        /// Whether every process of a container that has no PID namespace of its own gets it.
        pub all: bool,
    }

    /// Why a request failed.
    pub struct Failure {
        /// What kind.
        pub cause: Cause,
        /// What was tried and what came of it, for a person.
        pub message: String,
        /// The kernel's error number, or 0.
        pub errno: i32,
    }

    /// The namespaces are there.
    pub struct Ready {
        /// The supervisor's process id; its namespaces are in `/proc/<pid>/ns`.
        pub pid: i32,
    }

    /// Who answers.
    pub struct Hello {
        /// [`VERSION`] of the supervisor.
        pub version: u32,
        /// Its process id.
        pub pid: i32,
        /// The sandbox's id.
        pub sandbox: String,
    }

    /// A container runs.
    pub struct Launched {
        /// Its first process, as the machine sees it.
        pub pid: i32,
        /// As whom it runs.
        pub uid: u32,
        /// Its group.
        pub gid: u32,
        /// Its other groups.
        pub groups: Vec<u32>,
        /// Since when, nanoseconds since 1970.
        pub started_at: i64,
    }

    /// How a process ended.
    pub struct Exit {
        /// Its exit code; 128 and the signal's number when a signal ended it.
        pub code: i32,
        /// The signal, or 0.
        pub signal: i32,
        /// Whether the kernel killed it for want of memory.
        pub out_of_memory: bool,
        /// When, nanoseconds since 1970.
        pub finished_at: i64,
    }

    /// A container's state.
    pub struct State {
        /// Its id.
        pub container: String,
        /// How it was started.
        pub launched: Launched,
        /// How it ended, if it has.
        pub exit: Option<Exit>,
    }
}
