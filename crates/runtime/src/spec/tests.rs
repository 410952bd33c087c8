//! Containers, planned: what each part of a configuration makes of the launch.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use corten_node_api::cri::{self, NamespaceMode};
use corten_pod::protocol::{Mount, PidNamespace, Propagation, Source};
use corten_sys::cgroups::DeviceRule;
use nix::libc::{MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_RDONLY};

use super::seccomp::Filters;
use super::{ContainerInput, ContainerPlan, FakeFiles, Machine, Peers, Refusal, Volume, plan_container};
use crate::images::ImageConfig;

/// A container to plan; tests change what they are about.
struct Case {
    config: cri::ContainerConfig,
    sandbox: cri::PodSandboxConfig,
    image: ImageConfig,
    layers: Vec<PathBuf>,
    image_mounts: BTreeMap<String, Vec<PathBuf>>,
    machine: Machine,
    files: FakeFiles,
}

impl Case {
    fn new(unified: bool) -> Case {
        let sandbox = cri::PodSandboxConfig {
            hostname: "web-0".into(),
            log_directory: "/var/log/pods/web".into(),
            linux: Some(cri::LinuxPodSandboxConfig {
                cgroup_parent: "/kubepods/podx".into(),
                ..Default::default()
            }),
            ..Default::default()
        };
        let config = cri::ContainerConfig {
            log_path: "app/0.log".into(),
            linux: Some(cri::LinuxContainerConfig::default()),
            ..Default::default()
        };
        let image = ImageConfig { entrypoint: vec!["/app".into()], user: "app".into(), ..Default::default() };
        Case {
            config,
            sandbox,
            image,
            layers: ["/images/layers/1/fs", "/images/layers/2/fs"].map(PathBuf::from).to_vec(),
            image_mounts: BTreeMap::new(),
            machine: Machine::example(unified),
            files: FakeFiles { directories: vec!["/srv/data".into(), "/dev".into()], ..FakeFiles::default() },
        }
    }

    fn context(&mut self) -> &mut cri::LinuxContainerSecurityContext {
        self.config.linux.get_or_insert_default().security_context.get_or_insert_default()
    }

    fn options(&mut self) -> &mut cri::NamespaceOption {
        self.context().namespace_options.get_or_insert_default()
    }

    fn pod_context(&mut self) -> &mut cri::LinuxSandboxSecurityContext {
        self.sandbox.linux.get_or_insert_default().security_context.get_or_insert_default()
    }

    fn pod_options(&mut self) -> &mut cri::NamespaceOption {
        self.pod_context().namespace_options.get_or_insert_default()
    }

    fn privileged(mut self) -> Case {
        self.pod_context().privileged = true;
        self.context().privileged = true;
        self
    }

    fn with_users(mut self) -> Case {
        let map = cri::IdMapping { host_id: 100_000, container_id: 0, length: 65_536 };
        let users = cri::UserNamespace { mode: NamespaceMode::Pod as i32, uids: vec![map], gids: vec![map] };
        self.options().userns_options = Some(users.clone());
        self.pod_options().userns_options = Some(users);
        self
    }

    fn mount(mut self, host: &str, target: &str, change: impl Fn(&mut cri::Mount)) -> Case {
        let mut mount =
            cri::Mount { host_path: host.into(), container_path: target.into(), ..Default::default() };
        change(&mut mount);
        self.config.mounts.push(mount);
        self
    }

    fn plan(&self) -> Result<ContainerPlan, Refusal> {
        plan_container(&ContainerInput {
            id: "c",
            dir: Path::new("/run/corten/s/c"),
            config: &self.config,
            sandbox: &self.sandbox,
            sandbox_dir: Path::new("/run/corten/s"),
            image: &self.image,
            layers: &self.layers,
            image_mounts: &self.image_mounts,
            machine: &self.machine,
            files: &self.files,
            filters: &Filters::default(),
        })
    }

    fn planned(&self) -> ContainerPlan {
        self.plan().expect("a plan")
    }

    fn refusal(&self) -> String {
        self.plan().expect_err("a refusal").to_string()
    }
}

/// A mount in few words.
fn show(mount: &Mount) -> String {
    let source = match &mount.source {
        Source::Type(system) => match system.options.as_str() {
            "" => system.kind.clone(),
            options => format!("{}({options})", system.kind),
        },
        Source::Bind(path) => path.clone(),
        Source::Shm => "shm".to_owned(),
        Source::Handle(index) => format!("#{index}"),
        Source::Symlink(to) => format!("-> {to}"),
        Source::Nothing => "nothing".to_owned(),
    };
    let mut out = format!("{} {source}", mount.target);
    let words = [
        (mount.flags & MS_RDONLY != 0, " ro"),
        (mount.recursive_readonly, " rro"),
        (mount.propagation == Propagation::Slave, " slave"),
        (mount.propagation == Propagation::Shared, " shared"),
        (mount.id_mapped, " mapped"),
    ];
    words.iter().filter(|(given, _)| *given).for_each(|(_, word)| out += word);
    out
}

fn shown(plan: &ContainerPlan) -> Vec<String> {
    plan.launch.mounts.iter().map(show).collect()
}

const DEV: &str = "/dev tmpfs(mode=755,size=65536k)";
const PTS: &str = "/dev/pts devpts(newinstance,ptmxmode=0666,mode=0620,gid=5)";
const LINKS: [&str; 6] = [
    "/dev/ptmx -> pts/ptmx",
    "/dev/fd -> /proc/self/fd",
    "/dev/stdin -> /proc/self/fd/0",
    "/dev/stdout -> /proc/self/fd/1",
    "/dev/stderr -> /proc/self/fd/2",
    "/dev/core -> /proc/kcore",
];
const POD_FILES: [&str; 3] = [
    "/etc/hostname /run/corten/s/hostname",
    "/etc/hosts /run/corten/s/hosts",
    "/etc/resolv.conf /run/corten/s/resolv.conf",
];

#[test]
fn the_mounts_of_every_container() {
    let start = ["/proc proc", DEV, PTS, "/dev/mqueue mqueue", "/dev/shm shm", "/sys sysfs ro"];
    let v1 = [
        "/sys/fs/cgroup tmpfs(mode=755)",
        "/sys/fs/cgroup/cpu,cpuacct /sys/fs/cgroup/cpu,cpuacct/kubepods/podx/c ro",
        "/sys/fs/cgroup/cpu -> cpu,cpuacct",
        "/sys/fs/cgroup/cpuacct -> cpu,cpuacct",
        "/sys/fs/cgroup/memory /sys/fs/cgroup/memory/kubepods/podx/c ro",
        "/sys/fs/cgroup/devices /sys/fs/cgroup/devices/kubepods/podx/c ro",
        "/sys/fs/cgroup/pids /sys/fs/cgroup/pids/kubepods/podx/c ro",
        "/sys/fs/cgroup/systemd /sys/fs/cgroup/systemd/kubepods/podx/c ro",
    ];
    let plan = Case::new(false).planned();
    let expected: Vec<&str> = start.into_iter().chain(v1).chain(LINKS).chain(POD_FILES).collect();
    assert_eq!(shown(&plan), expected);
    assert_eq!(plan.launch.readonly_paths, ["/sys/fs/cgroup"], "once its places are made");
    assert!(!plan.launch.cgroup_namespace);
    assert_eq!(
        plan.launch.oom_file.as_deref(),
        Some("/sys/fs/cgroup/memory/kubepods/podx/c/memory.oom_control")
    );
    let safe = MS_NOSUID | MS_NOEXEC | MS_NODEV;
    assert!([0, 3, 4, 5].into_iter().all(|at| plan.launch.mounts[at].flags & safe == safe));

    let plan = Case::new(true).planned();
    let v2 = ["/sys/fs/cgroup cgroup2 ro"];
    let expected: Vec<&str> = start.into_iter().chain(v2).chain(LINKS).chain(POD_FILES).collect();
    assert_eq!(shown(&plan), expected);
    assert!(plan.launch.cgroup_namespace && plan.launch.readonly_paths.is_empty());
    assert_eq!(plan.launch.oom_file.as_deref(), Some("/sys/fs/cgroup/kubepods/podx/c/memory.events"));
}

#[test]
fn a_privileged_container_sees_the_machine() {
    for (unified, cgroups) in
        [(true, "/sys/fs/cgroup /sys/fs/cgroup"), (false, "/sys/fs/cgroup tmpfs(mode=755)")]
    {
        let mut case = Case::new(unified).privileged();
        case.context().masked_paths = vec!["/proc/kcore".into()];
        case.context().readonly_paths = vec!["/proc/sys".into()];
        case.context().seccomp = Some(cri::SecurityProfile::default());
        let plan = case.planned();
        let mounts = shown(&plan);
        assert!(
            mounts.iter().any(|m| m == "/sys sysfs") && mounts.iter().any(|m| m == cgroups),
            "{mounts:?}"
        );
        assert!(mounts.iter().all(|m| !m.ends_with(" ro")), "{mounts:?}");
        let launch = &plan.launch;
        assert!(
            launch.masked_paths.is_empty() && launch.readonly_paths.is_empty() && !launch.cgroup_namespace
        );
        assert!(launch.process.seccomp.is_empty());
        assert_eq!(launch.process.capabilities.effective, case.machine.capabilities);
        assert_eq!(plan.devices, [DeviceRule::ALL]);
    }
    let mut case = Case::new(true);
    case.context().privileged = true;
    assert_eq!(case.refusal(), "no privileged container allowed in sandbox");
}

#[test]
fn configured_mounts_are_ordered_by_depth_and_replace_defaults() {
    let case = Case::new(true)
        .mount("/srv/data", "/data/a/b", |_| ())
        .mount("/srv/data", "/data", |m| m.readonly = true)
        .mount("/srv/data/", "/etc/../etc/hosts", |_| ())
        .mount("/srv/data", "/dev/shm/", |_| ())
        .mount("/srv/new", "/new", |_| ());
    let plan = case.planned();
    let mounts = shown(&plan);
    assert_eq!(
        mounts[mounts.len() - 7..],
        [
            "/data /srv/data ro",
            "/new /srv/new",
            "/etc/hosts /srv/data/",
            "/dev/shm /srv/data",
            POD_FILES[0],
            POD_FILES[2],
            "/data/a/b /srv/data",
        ]
    );
    assert_eq!(mounts.iter().filter(|m| m.starts_with("/dev/shm ")).count(), 1);
    assert_eq!(plan.directories, [PathBuf::from("/srv/new")]);

    let plan = Case::new(true).mount("/dev", "/dev", |_| ()).planned();
    assert!(plan.launch.devices.is_empty(), "the machine's /dev stays as it is");
    let below: Vec<_> = shown(&plan).into_iter().filter(|m| m.starts_with("/dev")).collect();
    assert_eq!(below, ["/dev /dev"]);

    let mut readonly = Case::new(true);
    readonly.context().readonly_rootfs = true;
    let plan = readonly.planned();
    assert!(plan.launch.root.readonly);
    assert!(shown(&plan).contains(&format!("{} ro", POD_FILES[1])));
}

#[test]
fn mounts_travel_as_the_machine_lets_them() {
    let with = |shared: bool, slave: bool, propagation: i32| {
        let mut case = Case::new(true).mount("/srv/data", "/data", |m| m.propagation = propagation);
        case.files.peers = vec![Peers { mountpoint: "/srv".into(), shared, slave }];
        case
    };
    for (shared, slave, propagation, mount, root) in [
        (false, false, 0, "/data /srv/data", Propagation::Private),
        (true, false, 1, "/data /srv/data slave", Propagation::Slave),
        (false, true, 1, "/data /srv/data slave", Propagation::Slave),
        (true, false, 2, "/data #0 shared", Propagation::Shared),
    ] {
        let plan = with(shared, slave, propagation).planned();
        let mounts = shown(&plan);
        assert!(mounts.iter().any(|m| m == mount), "{mounts:?}");
        assert_eq!(plan.launch.root_propagation, root);
        let handles = if propagation == 2 { vec![PathBuf::from("/srv/data")] } else { Vec::new() };
        assert_eq!(plan.handles, handles);
    }
    for (slave, propagation, kind) in [(false, 1, "shared or slave"), (true, 2, "shared")] {
        assert_eq!(
            with(false, slave, propagation).refusal(),
            format!("path \"/srv/data\" is mounted on \"/srv\" but it is not a {kind} mount")
        );
    }
    assert_eq!(with(true, false, 7).refusal(), "unknown mount propagation 7");
}

#[test]
fn read_only_trees_need_a_kernel_and_sense() {
    let case = |readonly: bool, propagation: i32| {
        let mut case = Case::new(true).mount("/srv/data", "/data", |m| {
            (m.readonly, m.recursive_read_only, m.propagation) = (readonly, true, propagation);
        });
        case.files.peers = vec![Peers { mountpoint: "/".into(), shared: true, slave: false }];
        case
    };
    assert!(shown(&case(true, 0).planned()).contains(&"/data /srv/data ro rro".to_owned()));
    assert!(case(false, 0).refusal().starts_with("recursive read-only mount conflicts with RW mount"));
    assert!(case(true, 1).refusal().contains("needs private propagation"));
    let mut old = case(true, 0);
    old.machine.kernel = (5, 4);
    assert!(old.refusal().contains("does not support recursive read-only mounts"));
}

#[test]
fn users_of_the_pod_map_files_and_hide_the_group_of_terminals() {
    let map = cri::IdMapping { host_id: 100_000, container_id: 0, length: 65_536 };
    let mapped = |map: cri::IdMapping| {
        move |m: &mut cri::Mount| (m.uid_mappings, m.gid_mappings) = (vec![map], vec![map])
    };
    let plan = Case::new(true).with_users().mount("/srv/data", "/data", mapped(map)).planned();
    let mounts = shown(&plan);
    assert!(mounts.contains(&"/data /srv/data mapped".to_owned()), "{mounts:?}");
    assert!(mounts.contains(&format!("{} mapped", POD_FILES[0])), "{mounts:?}");
    assert!(mounts.contains(&PTS.to_owned()), "{mounts:?}");

    let other = cri::IdMapping { host_id: 200_000, ..map };
    let case = Case::new(true).with_users().mount("/srv/data", "/data", mapped(other));
    assert!(case.refusal().contains("are not those of the pod's user namespace"));
    assert!(Case::new(true).mount("/srv/data", "/data", mapped(map)).plan().is_err());

    let mut case = Case::new(true).with_users();
    case.options().userns_options = None;
    assert!(case.refusal().starts_with("user namespace config for sandbox is different from container"));

    let mut narrow = Case::new(true).with_users();
    let few = cri::IdMapping { length: 5, ..map };
    for options in [narrow.options().clone(), narrow.pod_options().clone()] {
        let mut users = options.userns_options.expect("given");
        users.gids = vec![few];
        narrow.options().userns_options = Some(users.clone());
        narrow.pod_options().userns_options = Some(users);
    }
    let mounts = shown(&narrow.planned());
    assert!(mounts.contains(&PTS.replace(",gid=5", "")), "{mounts:?}");
}

#[test]
fn images_are_mounted_read_only() {
    let image = |sub_path: &str| {
        let sub_path = sub_path.to_owned();
        let mut case = Case::new(true).mount("", "/model", move |m| {
            m.image = Some(cri::ImageSpec { image: "registry/model:1".into(), ..Default::default() });
            m.image_sub_path = sub_path.clone();
        });
        case.files.directories.extend(["/l/8/fs/weights".into(), "/l/9/fs/etc".into()]);
        let layers = ["/l/8/fs", "/l/9/fs"].map(PathBuf::from).to_vec();
        case.image_mounts.insert("registry/model:1".into(), layers);
        case
    };
    for (sub_path, expected) in
        [("", "/model overlay(lowerdir=/l/9/fs:/l/8/fs) ro"), ("weights", "/model /l/8/fs/weights ro")]
    {
        let mounts = shown(&image(sub_path).planned());
        assert!(mounts.iter().any(|m| m == expected), "{mounts:?}");
    }
    assert!(image("none").refusal().contains("path \"none\" is not in the image"));
    let mut gone = image("");
    gone.image_mounts.clear();
    assert_eq!(gone.refusal(), "image \"registry/model:1\" of a mount is not present");
}

#[test]
fn what_makes_no_mount_is_refused() {
    for (host, target, text) in [
        ("", "/data", "host path \"\" is not absolute"),
        ("srv", "/data", "host path \"srv\" is not absolute"),
        ("/srv/data", "/", "is the root itself"),
        ("/srv/data", "/x/..", "is the root itself"),
    ] {
        let message = Case::new(true).mount(host, target, |_| ()).refusal();
        assert!(message.contains(text), "{message}");
    }
}

#[test]
fn processes_are_seen_as_the_pod_says() {
    use NamespaceMode::{Container, Node, Pod, Target};
    for (pod, own, target, expected) in [
        (Pod, Pod, "", PidNamespace::Pod),
        (Container, Container, "", PidNamespace::Own),
        (Container, Pod, "", PidNamespace::Own),
        (Node, Node, "", PidNamespace::Host),
        (Node, Pod, "", PidNamespace::Host),
        (Container, Target, "other", PidNamespace::Container("other".into())),
    ] {
        let mut case = Case::new(true);
        case.pod_options().pid = pod as i32;
        (case.options().pid, case.options().target_id) = (own as i32, target.into());
        assert_eq!(case.planned().launch.pid_namespace, expected, "{pod:?} {own:?}");
    }
    let mut case = Case::new(true);
    case.options().pid = Target as i32;
    assert!(case.refusal().starts_with("invalid target container"));
}

#[test]
fn the_machines_shared_memory_comes_with_its_ipc() {
    let mut case = Case::new(true);
    case.pod_options().ipc = NamespaceMode::Node as i32;
    assert!(shown(&case.planned()).contains(&"/dev/shm /dev/shm".to_owned()));
}

#[test]
fn the_process_and_the_rest_of_the_launch() {
    let mut case = Case::new(true);
    case.config.tty = true;
    case.config.stdin = true;
    case.config.stdin_once = true;
    case.config.stop_signal = cri::Signal::Sigusr1 as i32;
    case.config.linux.get_or_insert_default().resources = Some(cri::LinuxContainerResources {
        memory_limit_in_bytes: 64 << 20,
        oom_score_adj: 900,
        ..Default::default()
    });
    case.context().no_new_privs = true;
    case.context().masked_paths = vec!["/proc/kcore".into()];
    case.context().readonly_paths = vec!["/proc/sys".into()];
    case.context().seccomp = Some(cri::SecurityProfile::default());
    let plan = case.planned();
    let launch = &plan.launch;
    assert_eq!((launch.id.as_str(), launch.dir.as_str()), ("c", "/run/corten/s/c"));
    assert_eq!(launch.root.base, "/images/layers");
    assert_eq!(launch.root.lower, ["2/fs", "1/fs"]);
    let own = (launch.root.upper.as_str(), launch.root.work.as_str(), launch.root.readonly);
    assert_eq!(own, ("/run/corten/s/c/upper", "/run/corten/s/c/work", false));
    assert_eq!((launch.stdin, launch.stdin_once), (true, true));
    assert_eq!(launch.log.as_deref(), Some("/var/log/pods/web/app/0.log"));
    assert_eq!(launch.masked_paths, ["/proc/kcore"]);
    assert_eq!(launch.readonly_paths, ["/proc/sys"]);
    assert_eq!(launch.cgroups, ["/sys/fs/cgroup/kubepods/podx/c"]);
    let process = &launch.process;
    assert!(process.no_new_privileges && process.terminal && !process.seccomp.is_empty());
    assert_eq!((process.oom_score_adj, process.umask), (Some(900), 0o022));
    assert_eq!((process.user.name.as_str(), process.user.image_groups), ("app", true));
    assert_eq!(process.rlimits, [(nix::libc::RLIMIT_NOFILE, (20_000, 20_000))]);
    assert_eq!(process.env.last().map(String::as_str), Some("HOSTNAME=web-0"));
    assert_eq!((plan.stop_signal, plan.limits.memory_bytes), (10, Some(64 << 20)));
    assert_eq!(launch.devices.len(), 6);

    case.sandbox.log_directory.clear();
    assert_eq!(case.planned().launch.log, None);
    case.config.linux.get_or_insert_default().resources.get_or_insert_default().oom_score_adj = 2000;
    assert_eq!(case.refusal(), "oom_score_adj 2000 is not between -1000 and 1000");
}

#[test]
fn one_layer_and_far_too_many() {
    let mut case = Case::new(true);
    case.layers.truncate(1);
    let root = case.planned().launch.root;
    assert_eq!((root.base.as_str(), root.lower), ("/images/layers/1", vec!["fs".to_owned()]));
    case.layers = (0..900).map(|n| format!("/images/layers/{n}/fs").into()).collect();
    assert!(case.refusal().contains("900 layers, too many"));
    case.layers.clear();
    assert_eq!(case.refusal(), "the image has no layers");
}

#[test]
fn security_modules_and_profiles() {
    let profile = |kind: i32, reference: &str| {
        Some(cri::SecurityProfile { profile_type: kind, localhost_ref: reference.into() })
    };
    let mut case = Case::new(true);
    for (apparmor, text) in [(0, Some("apparmor is not supported")), (1, None)] {
        case.context().apparmor = profile(apparmor, "");
        assert_eq!(case.plan().err().map(|e| e.to_string()).as_deref(), text);
    }
    case.machine.apparmor = true;
    let loaded = b"mine (enforce)\ncorten-default (enforce)\n".to_vec();
    case.files.files.insert("/sys/kernel/security/apparmor/profiles".into(), loaded);
    for (kind, reference, expected) in [
        (0, "", Ok(Some("corten-default"))),
        (1, "", Ok(None)),
        (2, "localhost/mine", Ok(Some("mine"))),
        (2, "min", Err("apparmor profile not found min")),
        (0, "x", Err("apparmor config invalid LocalhostRef must only be set if ProfileType is Localhost")),
    ] {
        case.context().apparmor = profile(kind, reference);
        let got = case.plan().map(|p| p.launch.process.apparmor).map_err(|e| e.to_string());
        assert_eq!(
            got.as_ref().map(|p| p.as_deref()).map_err(|e| e.as_str()),
            expected,
            "{kind} {reference}"
        );
    }
    case.files.files.clear();
    case.context().apparmor = profile(0, "");
    assert!(case.refusal().contains("load one named \"corten-default\""));

    let mut case = Case::new(true);
    case.files.files.insert("/p/good.json".into(), br#"{"defaultAction":"SCMP_ACT_ALLOW"}"#.to_vec());
    case.files.files.insert("/p/bad.json".into(), b"{".to_vec());
    for (kind, reference, expected) in [
        (0, "", Ok(true)),
        (1, "", Ok(false)),
        (2, "/p/good.json", Ok(true)),
        (2, "localhost//p/good.json", Ok(true)),
        (2, "/p/bad.json", Err("/p/bad.json: decoding seccomp profile failed")),
        (2, "/p/gone.json", Err("cannot load seccomp profile \"/p/gone.json\"")),
        (1, "x", Ok(false)),
        (0, "x", Err("seccomp config invalid LocalhostRef")),
    ] {
        case.context().seccomp = profile(kind, reference);
        match (case.plan(), expected) {
            (Ok(plan), Ok(filtered)) => assert_eq!(!plan.launch.process.seccomp.is_empty(), filtered),
            (Err(error), Err(text)) => assert!(error.to_string().contains(text), "{error}"),
            (got, _) => panic!("{kind} {reference}: {got:?}"),
        }
    }
    case.machine.seccomp = false;
    case.context().seccomp = profile(0, "");
    assert_eq!(case.refusal(), "seccomp is not supported");

    let mut case = Case::new(true);
    case.context().selinux_options =
        Some(cri::SeLinuxOption { level: "s0:c1,c2".into(), ..Default::default() });
    assert!(case.plan().is_ok(), "labels mean nothing here");
    case.machine.selinux = true;
    assert!(case.refusal().contains("SELinux"));
}

#[test]
fn volumes_of_the_image_can_be_written_beside_a_read_only_root() {
    let mut case = Case::new(true).mount("/srv/data", "/given", |_| ());
    case.image.volumes =
        ["/data", "/given", "/given/below", "/link/x", "/new/", "/file", "/"].map(String::from).to_vec();
    let layers = &case.layers;
    case.files.directories.extend([layers[0].join("data"), layers[1].join("data")]);
    case.files.files.insert(layers[0].join("file"), Vec::new());
    case.files.links.insert(layers[0].join("link"), "/run".into());
    let volumes = |case: &Case| {
        let plan = case.planned();
        let targets = ["/data", "/given/below", "/link", "/new", "/file"];
        let shown: Vec<_> =
            shown(&plan).into_iter().filter(|m| targets.iter().any(|t| m.starts_with(t))).collect();
        (shown, plan.volumes)
    };
    assert_eq!(volumes(&case), (Vec::new(), Vec::new()), "its own layer keeps them");
    case.context().readonly_rootfs = true;
    let (mounts, volumes) = volumes(&case);
    let dir = "/run/corten/s/c/volumes";
    let lower = "lowerdir=/images/layers/2/fs/data:/images/layers/1/fs/data";
    let data = format!("/data overlay({lower},upperdir={dir}/0/upper,workdir={dir}/0/work)");
    let expected = [data, format!("/link/x {dir}/3/upper"), format!("/new {dir}/4/upper")];
    assert_eq!(mounts, expected);
    assert_eq!(volumes[0].like.as_deref(), Some(Path::new("/images/layers/2/fs/data")));
    assert_eq!((volumes.len(), volumes[1].work.as_ref(), volumes[1].like.as_ref()), (3, None, None));
}

#[test]
fn directories_are_made_as_the_image_has_them() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().expect("a directory");
    let like = dir.path().join("like");
    std::fs::create_dir(&like).expect("made");
    std::fs::set_permissions(&like, PermissionsExt::from_mode(0o1733)).expect("changed");
    let mut plan = Case::new(true).planned();
    let (upper, work) = (dir.path().join("v/upper"), dir.path().join("v/work"));
    plan.directories = vec![dir.path().join("a/b")];
    plan.volumes = vec![Volume { upper: upper.clone(), work: Some(work.clone()), like: Some(like) }];
    for _ in 0..2 {
        plan.make_directories().expect("made, and made again");
        assert!(dir.path().join("a/b").is_dir() && work.is_dir());
        assert_eq!(upper.metadata().expect("there").permissions().mode() & 0o7777, 0o1733);
    }
}
