//! A pod for tests: a supervisor in directories of its own, which it removes.

use crate::kernel::{files, sockets, uptime};
use corten_pod::protocol::*;
use corten_pod::wire::Wire;
use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// Whether the tests can run here.
pub fn able() -> bool {
    let root =
        std::fs::metadata("/proc/self").is_ok_and(|meta| std::os::unix::fs::MetadataExt::uid(&meta) == 0);
    let busybox = Path::new("/bin/busybox").exists();
    if !root || !busybox {
        eprintln!("skipped: needs root and /bin/busybox (package busybox-static)");
    }
    root && busybox
}

/// A supervisor.
pub struct Pod {
    pub dir: PathBuf,
    pub child: Child,
    /// The connection on which it was founded, which stays open.
    pub _first: Conn,
    /// How long it took until the namespaces were there.
    pub ready_after: Duration,
}

/// A connection to it.
pub struct Conn {
    pub stream: UnixStream,
    pub descriptors: Vec<OwnedFd>,
    bytes: Vec<u8>,
}

impl Conn {
    pub fn new(stream: UnixStream) -> Self {
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Conn { stream, descriptors: Vec::new(), bytes: Vec::new() }
    }

    pub fn send(&self, request: &Request, descriptors: &[&OwnedFd]) {
        let frame = request.frame();
        let numbers: Vec<_> = descriptors.iter().map(|fd| fd.as_raw_fd()).collect();
        let mut sent = sockets::send(&self.stream, &frame, &numbers).unwrap();
        while sent < frame.len() {
            sent += sockets::send(&self.stream, &frame[sent..], &[]).unwrap();
        }
    }

    pub fn receive(&mut self) -> Option<Reply> {
        loop {
            if let Some((length, rest)) = self.bytes.split_first_chunk::<4>() {
                let length = u32::from_le_bytes(*length) as usize;
                if rest.len() >= length {
                    let reply = Reply::from_bytes(&rest[..length]).unwrap();
                    self.bytes = rest[length..].to_vec();
                    return Some(reply);
                }
            }
            let mut buffer = [0; 4096];
            let (count, descriptors) =
                sockets::receive(&self.stream, &mut buffer).expect("an answer in time");
            if count == 0 {
                return None;
            }
            self.descriptors.extend(descriptors);
            self.bytes.extend_from_slice(&buffer[..count]);
        }
    }

    pub fn ask(&mut self, request: &Request, descriptors: &[&OwnedFd]) -> Reply {
        self.send(request, descriptors);
        self.receive().expect("an answer")
    }
}

/// The executable: the one under test, or another that is to be measured.
pub fn executable() -> String {
    std::env::var("CORTEN_POD").unwrap_or_else(|_| env!("CARGO_BIN_EXE_corten-pod").to_owned())
}

impl Pod {
    pub fn start(change: impl FnOnce(&mut Sandbox)) -> Pod {
        Pod::start_by(&[], change)
    }

    /// Starts the supervisor by another command, which it replaces.
    pub fn start_by(command: &[&str], change: impl FnOnce(&mut Sandbox)) -> Pod {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("corten-pod-{}-{number}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        make_image(&dir.join("image"));
        let begin = uptime();
        let (ours, theirs) = UnixStream::pair().unwrap();
        let words: Vec<String> =
            command.iter().map(|word| (*word).to_owned()).chain([executable(), "pod".into()]).collect();
        let child = Command::new(&words[0]).args(&words[1..]).stdin(OwnedFd::from(theirs)).spawn().unwrap();
        let mut first = Conn::new(ours);
        let mut sandbox = Sandbox {
            id: "pod".into(),
            dir: dir.to_str().unwrap().into(),
            hostname: Some("testpod".into()),
            shm_size: 1 << 20,
            ..Sandbox::default()
        };
        change(&mut sandbox);
        match first.ask(&Request::Sandbox(sandbox), &[]) {
            Reply::Ready(ready) => assert_eq!(ready.pid, child.id() as i32),
            other => panic!("{other:?}"),
        }
        Pod { dir, child, _first: first, ready_after: since(begin) }
    }

    pub fn connect(&self) -> Conn {
        Conn::new(UnixStream::connect(self.dir.join("sock")).unwrap())
    }

    pub fn ask(&self, request: &Request) -> Reply {
        self.connect().ask(request, &[])
    }

    /// A container that runs `script`.
    pub fn plan(&self, id: &str, script: &str) -> Launch {
        let dir = self.dir.join(id);
        std::fs::create_dir_all(dir.join("upper")).unwrap();
        std::fs::create_dir_all(dir.join("work")).unwrap();
        let path = |name: &str| dir.join(name).to_str().unwrap().to_owned();
        Launch {
            id: id.into(),
            dir: dir.to_str().unwrap().into(),
            root: Overlay {
                base: self.dir.to_str().unwrap().into(),
                lower: vec!["image".into()],
                upper: path("upper"),
                work: path("work"),
                readonly: false,
            },
            mounts: vec![
                kind("proc", "/proc", ""),
                kind("tmpfs", "/dev", "mode=755"),
                kind("devpts", "/dev/pts", "newinstance,ptmxmode=0666,mode=0620,gid=5"),
                Mount { source: Source::Shm, target: "/dev/shm".into(), ..Mount::default() },
                Mount {
                    source: Source::Symlink("/proc/self/fd".into()),
                    target: "/dev/fd".into(),
                    ..Mount::default()
                },
                Mount {
                    source: Source::Symlink("pts/ptmx".into()),
                    target: "/dev/ptmx".into(),
                    ..Mount::default()
                },
            ],
            devices: [("null", 3), ("zero", 5)]
                .iter()
                .map(|(name, minor)| Device {
                    path: format!("/dev/{name}"),
                    host_path: format!("/dev/{name}"),
                    mode: 0o020666,
                    major: 1,
                    minor: *minor,
                    uid: 0,
                    gid: 0,
                })
                .collect(),
            process: process(&["/bin/sh", "-c", script]),
            log: Some(path("log")),
            ..Launch::default()
        }
    }

    pub fn launch(&self, launch: Launch) -> Result<Launched, Failure> {
        match self.ask(&Request::Launch(Box::new(launch))) {
            Reply::Launched(launched) => Ok(launched),
            Reply::Failed(failure) => Err(failure),
            other => panic!("{other:?}"),
        }
    }

    /// Events from now on.
    pub fn subscribe(&self) -> Conn {
        let mut events = self.connect();
        let mut reply = events.ask(&Request::Subscribe, &[]);
        while reply != Reply::Done {
            assert!(matches!(reply, Reply::Event(_)), "{reply:?}");
            reply = events.receive().expect("events");
        }
        events
    }

    /// Runs a script to its end: how it ended, and its log without times.
    pub fn run(&self, launch: Launch) -> (Exit, String) {
        let id = launch.id.clone();
        let mut events = self.subscribe();
        self.launch(launch).unwrap();
        let exit = wait_exit(&mut events, &id);
        (exit, self.log(&id))
    }

    /// A container's output, with `P` lines joined.
    pub fn log(&self, id: &str) -> String {
        let text = std::fs::read_to_string(self.dir.join(id).join("log")).unwrap_or_default();
        let mut all = String::new();
        // A line that is being written counts once it is whole.
        for line in text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
            let mut fields = line.splitn(4, ' ');
            let tag = fields.nth(2).unwrap();
            let text = fields.next().unwrap_or_default();
            // A terminal ends lines with both.
            all.push_str(text.strip_suffix('\r').unwrap_or(text));
            if tag == "F" {
                all.push('\n');
            }
        }
        all
    }

    /// Runs a command in a container: its exit code, and what it wrote.
    pub fn exec(&self, container: &str, process: Process, stdin: &str) -> Result<(i32, String), Failure> {
        let (input, to) = files::pipe().unwrap();
        let (from, output) = files::pipe().unwrap();
        let mut conn = self.connect();
        let exec = Exec { container: container.into(), process, size: (0, 0) };
        conn.send(&Request::Exec(Box::new(exec)), &[&input, &output, &output]);
        drop((input, output));
        files::write(&to, stdin.as_bytes()).unwrap();
        drop(to);
        match conn.receive().unwrap() {
            Reply::Started(pid) => assert!(pid > 0),
            Reply::Failed(failure) => return Err(failure),
            other => panic!("{other:?}"),
        }
        let mut text = String::new();
        std::fs::File::from(from).read_to_string(&mut text).unwrap();
        match conn.receive().unwrap() {
            Reply::Exited(exit) => Ok((exit.code, text)),
            other => panic!("{other:?}"),
        }
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        for _ in 0..50 {
            if std::fs::remove_dir_all(&self.dir).is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Waits until a container has ended.
pub fn wait_exit(events: &mut Conn, id: &str) -> Exit {
    loop {
        match events.receive().unwrap() {
            Reply::Event(state) if state.container == id => {
                if let Some(exit) = state.exit {
                    return exit;
                }
            }
            Reply::Event(_) | Reply::Done => {}
            other => panic!("{other:?}"),
        }
    }
}

pub fn kind(kind: &str, target: &str, options: &str) -> Mount {
    Mount {
        source: Source::Type(FileSystem { kind: kind.into(), device: kind.into(), options: options.into() }),
        target: target.into(),
        ..Mount::default()
    }
}

/// Docker's usual capabilities.
pub const CAPABILITIES: u64 = 0xa804_25fb;

pub fn process(args: &[&str]) -> Process {
    Process {
        args: args.iter().map(|arg| (*arg).to_owned()).collect(),
        env: vec!["PATH=/bin".into()],
        cwd: "/".into(),
        user: User { image_groups: true, ..User::default() },
        capabilities: Capabilities {
            bounding: CAPABILITIES,
            permitted: CAPABILITIES,
            effective: CAPABILITIES,
            ..Capabilities::default()
        },
        umask: 0o022,
        ..Process::default()
    }
}

fn make_image(image: &Path) {
    std::fs::create_dir_all(image.join("bin")).unwrap();
    std::fs::create_dir_all(image.join("etc")).unwrap();
    std::fs::copy("/bin/busybox", image.join("bin/busybox")).unwrap();
    for name in [
        "sh", "cat", "sleep", "echo", "id", "ls", "ps", "head", "dd", "tr", "true", "touch", "grep", "stat",
        "tty", "stty", "kill", "mount", "nc", "yes", "hostname", "pwd", "env", "readlink", "su", "wc", "seq",
    ] {
        std::os::unix::fs::symlink("busybox", image.join("bin").join(name)).unwrap();
    }
    std::fs::write(image.join("etc/passwd"), "root:x:0:0::/root:/bin/sh\nweb:x:101:102::/srv:/bin/sh\n")
        .unwrap();
    std::fs::write(image.join("etc/group"), "root:x:0:\nlog:x:200:web\n").unwrap();
}

/// The time since an uptime.
pub fn since(begin: i64) -> Duration {
    Duration::from_nanos((uptime() - begin) as u64)
}

/// Waits at most ten seconds for something.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..500 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("never: {what}");
}

/// A control group for a test: of a controller of the first version, or of the unified hierarchy beside them.
pub struct Cgroup {
    pub dir: PathBuf,
}

impl Cgroup {
    /// `None`, said so, where the machine has no such hierarchy.
    pub fn new(controller: &str) -> Option<Cgroup> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("corten-pod-{}-{number}", std::process::id());
        let dir = Path::new("/sys/fs/cgroup").join(controller).join(name);
        if let Err(error) = std::fs::create_dir(&dir) {
            eprintln!("skipped: no control group of the first version for {controller}: {error}");
            return None;
        }
        Some(Cgroup { dir })
    }

    /// One below another.
    pub fn below(parent: &Cgroup, name: &str) -> Cgroup {
        let dir = parent.dir.join(name);
        std::fs::create_dir(&dir).unwrap();
        Cgroup { dir }
    }

    pub fn processes(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.dir.join("cgroup.procs")).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    pub fn path(&self) -> String {
        self.dir.to_str().unwrap().to_owned()
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        for _ in 0..100 {
            if std::fs::remove_dir(&self.dir).is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
