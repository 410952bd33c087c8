//! Containers from start to end: how they end, as whom they run, what they see.

use crate::pod::{CAPABILITIES, Cgroup, Pod, able, eventually, kind, process, wait_exit};
use corten_pod::protocol::*;
use corten_pod::wire::Wire;

#[test]
fn a_container_runs_and_its_end_is_recorded() {
    if !able() {
        return;
    }
    let pod = Pod::start(|_| {});
    let (exit, log) = pod.run(pod.plan("a", "echo out; echo err >&2; echo $$; hostname; printf end; exit 7"));
    assert_eq!((exit.code, exit.signal, exit.out_of_memory), (7, 0, false));
    let mut lines: Vec<&str> = log.lines().collect();
    lines.sort();
    assert_eq!(lines, ["1", "end", "err", "out", "testpod"]);
    let file = std::fs::read(pod.dir.join("a/exit")).unwrap();
    assert_eq!(Exit::from_bytes(&file), Ok(exit.clone()));
    // Who subscribes later hears of it as well.
    let mut late = pod.connect();
    let Reply::Event(state) = late.ask(&Request::Subscribe, &[]) else { panic!("no event") };
    assert_eq!(state.exit, Some(exit));
    assert_eq!(pod.ask(&Request::Forget("a".into())), Reply::Done);
    assert_eq!(pod.ask(&Request::Subscribe), Reply::Done);
}

#[test]
fn signals_arrive_and_show() {
    if !able() {
        return;
    }
    let pod = Pod::start(|_| {});
    let mut events = pod.subscribe();
    pod.launch(pod.plan("trap", "trap 'exit 3' TERM; echo ready; while :; do sleep 0.05; done")).unwrap();
    eventually("the trap is set", || pod.log("trap") == "ready\n");
    let signal = |container: &str, number| {
        pod.ask(&Request::Signal(Signal { container: container.into(), number, all: false }))
    };
    assert_eq!(signal("trap", 15), Reply::Done);
    assert_eq!(wait_exit(&mut events, "trap").code, 3);
    pod.launch(pod.plan("kill", "exec sleep 1000")).unwrap();
    assert_eq!(signal("kill", 9), Reply::Done);
    let exit = wait_exit(&mut events, "kill");
    assert_eq!((exit.code, exit.signal), (137, 9));
    let Reply::Failed(failure) = signal("kill", 9) else { panic!("it has ended") };
    assert_eq!(failure.cause, Cause::NoContainer);
}

#[test]
fn what_cannot_start_says_why() {
    if !able() {
        return;
    }
    let pod = Pod::start(|_| {});
    let attempt = |id: &str, change: &dyn Fn(&mut Launch)| {
        let mut plan = pod.plan(id, "true");
        change(&mut plan);
        let failure = pod.launch(plan).unwrap_err();
        (failure.cause, failure.message)
    };
    let (cause, text) = attempt("a", &|plan| plan.process.args = vec!["foo".into()]);
    assert_eq!(
        (cause, text.as_str()),
        (Cause::NoExecutable, "exec: \"foo\": executable file not found in $PATH")
    );
    let (cause, text) = attempt("b", &|plan| plan.process.args = vec!["/etc/passwd".into()]);
    assert_eq!((cause, text.as_str()), (Cause::NotExecutable, "exec: \"/etc/passwd\": permission denied"));
    let (cause, text) = attempt("c", &|plan| plan.process.user.name = "foo".into());
    assert_eq!(cause, Cause::NoUser);
    assert_eq!(text, "unable to find user foo: no matching entries in passwd file");
    let (_, text) = attempt("d", &|plan| {
        plan.mounts.push(Mount {
            source: Source::Bind("/no/such".into()),
            target: "/x".into(),
            ..Mount::default()
        });
    });
    assert_eq!(text, "mount /no/such to /x: no such file or directory");
    // What failed may be tried again.
    assert_eq!(pod.run(pod.plan("a", "exit 4")).0.code, 4);
    assert!(pod.launch(pod.plan("a", "true")).is_err());
}

#[test]
fn users_and_capabilities_are_as_asked() {
    if !able() {
        return;
    }
    let pod = Pod::start(|_| {});
    let status = "grep -E '^(Cap|NoNewPrivs|Seccomp:|Groups)' /proc/self/status | tr -d '\\t'; id; echo $HOME; pwd; umask";
    let mut plan = pod.plan("web", status);
    plan.process.user.name = "web".into();
    plan.process.cwd = "/made/here".into();
    plan.process.umask = 0o027;
    let log = pod.run(plan).1;
    assert!(log.contains("CapEff:0000000000000000") && log.contains("CapBnd:00000000a80425fb"), "{log}");
    assert!(log.contains("uid=101(web) gid=102") && log.contains("groups=102,200(log)"), "{log}");
    assert!(log.ends_with("/srv\n/made/here\n0027\n"), "{log}");
    let mut plan = pod.plan("ambient", status);
    plan.process.user.name = "1234".into();
    plan.process.user.groups = vec![77];
    let net_bind = 1 << 10;
    plan.process.capabilities.inheritable = net_bind;
    plan.process.capabilities.ambient = net_bind;
    plan.process.no_new_privileges = true;
    let log = pod.run(plan).1;
    assert!(log.contains("CapEff:0000000000000400") && log.contains("CapAmb:0000000000000400"), "{log}");
    assert!(log.contains("NoNewPrivs:1") && log.contains("Groups:0 77"), "{log}");
    let mut plan = pod.plan("all", status);
    let all = u64::MAX;
    plan.process.capabilities =
        Capabilities { bounding: all, permitted: all, effective: all, ..Capabilities::default() };
    let own = std::fs::read_to_string("/proc/self/status").unwrap();
    let own = own.lines().find_map(|line| line.strip_prefix("CapEff:\t")).unwrap();
    assert!(pod.run(plan).1.contains(&format!("CapEff:{own}")), "as much as the machine's root has");
    let root = pod.run(pod.plan("root", status)).1;
    assert!(root.contains(&format!("CapEff:{CAPABILITIES:016x}")), "{root}");
}

/// A filter that lets all pass but `kill`, which fails with `EPERM`.
fn filter() -> Vec<u8> {
    let instruction =
        |code: u16, jt: u8, jf: u8, k: u32| [&code.to_ne_bytes()[..], &[jt, jf], &k.to_ne_bytes()].concat();
    let number = libc::SYS_kill as u32;
    [
        instruction(0x20, 0, 0, 0),
        instruction(0x15, 0, 1, number),
        instruction(0x06, 0, 0, 0x0005_0001),
        instruction(0x06, 0, 0, 0x7fff_0000),
    ]
    .concat()
}

#[test]
fn filters_hold_for_every_process() {
    if !able() {
        return;
    }
    let pod = Pod::start(|_| {});
    for (id, no_new_privileges, user) in [("a", false, "web"), ("b", true, "web"), ("c", false, "")] {
        let script = "grep Seccomp: /proc/self/status; kill -0 $$ || echo refused; exec sleep 1000";
        let mut plan = pod.plan(id, script);
        plan.process.seccomp = filter();
        plan.process.no_new_privileges = no_new_privileges;
        plan.process.user.name = user.into();
        pod.launch(plan).unwrap();
        eventually("the filter refuses", || pod.log(id).contains("refused\n"));
        assert!(pod.log(id).contains("Seccomp:\t2\n"));
        let mut exec = process(&["sh", "-c", "grep Seccomp: /proc/self/status; kill -0 $$ || echo refused"]);
        exec.seccomp = filter();
        exec.no_new_privileges = no_new_privileges;
        exec.user.name = user.into();
        let (_, text) = pod.exec(id, exec, "").unwrap();
        assert!(text.contains("Seccomp:\t2\n") && text.contains("refused\n"), "{text}");
    }
}

#[test]
fn paths_are_hidden_and_protected() {
    if !able() {
        return;
    }
    let pod = Pod::start(|_| {});
    let mut plan = pod.plan(
        "a",
        "cat /proc/keys | wc -c; ls /proc/acpi /proc/scsi | grep -c -v :; touch /proc/sys/vm/x; \
         echo 1 > /proc/sys/kernel/domainname || echo kept; touch /x || echo fixed; touch /vol/x && echo wrote; \
         touch /ro/x || echo denied; readlink /dev/fd; cat /secret; ls /dev/shm /escape",
    );
    let volume = pod.dir.join("volume");
    std::fs::create_dir_all(&volume).unwrap();
    std::fs::write(pod.dir.join("secret"), "hush\n").unwrap();
    std::os::unix::fs::symlink("/../../../escape-target", pod.dir.join("image/escape")).unwrap();
    let bind = |name: &str, target: &str, flags| Mount {
        source: Source::Bind(pod.dir.join(name).to_str().unwrap().into()),
        target: target.into(),
        flags,
        ..Mount::default()
    };
    plan.mounts.push(bind("volume", "/vol", 0));
    plan.mounts.push(bind("volume", "/ro", libc::MS_RDONLY));
    plan.mounts.push(bind("secret", "/secret", libc::MS_RDONLY));
    plan.mounts.push(bind("volume", "/escape/deep", 0));
    plan.mounts.push(Mount { optional: true, ..bind("missing", "/missing", 0) });
    plan.masked_paths = vec!["/proc/keys".into(), "/proc/acpi".into(), "/proc/nothing".into()];
    plan.readonly_paths = vec!["/proc/sys".into(), "/proc/none".into()];
    plan.root.readonly = true;
    let log = pod.run(plan).1;
    for line in ["0", "kept", "fixed", "wrote", "denied", "/proc/self/fd", "hush", "deep"] {
        assert!(log.lines().any(|found| found == line), "{line} in {log}");
    }
    assert!(!std::path::Path::new("/escape-target").exists());
}

#[test]
fn memory_is_limited_and_told() {
    let Some(memory) = able().then(|| Cgroup::new("memory")).flatten() else { return };
    std::fs::write(memory.dir.join("memory.limit_in_bytes"), "16777216").unwrap();
    let pod = Pod::start(|_| {});
    let mut plan = pod.plan("a", "x=$(yes | head -c 100000000); echo survived");
    plan.cgroups = vec![memory.path()];
    plan.oom_file = Some(memory.dir.join("memory.oom_control").to_str().unwrap().into());
    let exit = pod.run(plan).0;
    assert_eq!((exit.code, exit.out_of_memory), (137, true));
}

#[test]
fn control_groups_hold_every_process() {
    if !able() {
        return;
    }
    let groups: Vec<Cgroup> = ["cpuacct", "unified"].into_iter().filter_map(Cgroup::new).collect();
    let pod = Pod::start(|sandbox| sandbox.cgroups = groups.iter().map(Cgroup::path).collect());
    for group in &groups {
        let own = pod.child.id().to_string();
        eventually("the supervisor is in its group", || group.processes() == [own.clone()]);
    }
    let inner: Vec<Cgroup> = groups.iter().map(|group| Cgroup::below(group, "inner")).collect();
    let mut plan = pod.plan("a", "sleep 1001 & exec sleep 1000");
    plan.cgroups = inner.iter().map(Cgroup::path).collect();
    plan.cgroup_namespace = true;
    plan.pid_namespace = PidNamespace::Host;
    let launched = pod.launch(plan).unwrap();
    for group in &inner {
        eventually("both processes are there", || group.processes().len() == 2);
        assert!(group.processes().contains(&launched.pid.to_string()));
    }
    let (_, text) = pod.exec("a", process(&["cat", "/proc/self/cgroup"]), "").unwrap();
    let ours = |line: &&str| line.contains("cpuacct") || line.starts_with("0:");
    assert!(text.lines().filter(ours).all(|line| line.ends_with(":/")), "{text}");
    pod.ask(&Request::Signal(Signal { container: "a".into(), number: 9, all: false }));
    eventually("what it left is killed", || inner.iter().all(|group| group.processes().is_empty()));
}

#[test]
fn processes_are_shared_as_asked() {
    let Some(group) = able().then(|| Cgroup::new("cpuacct")).flatten() else { return };
    let pod = Pod::start(|sandbox| sandbox.shared_pid = true);
    let mut events = pod.subscribe();
    let mut plan = pod.plan("a", "sleep 1001 & exec sleep 1000");
    plan.pid_namespace = PidNamespace::Pod;
    plan.cgroups = vec![group.path()];
    pod.launch(plan).unwrap();
    let mut plan = pod.plan("b", "cat /proc/1/comm; tr '\\0' '\\n' < /proc/1/cmdline; ps; exec sleep 1002");
    plan.pid_namespace = PidNamespace::Pod;
    pod.launch(plan).unwrap();
    eventually("b sees a", || pod.log("b").contains("sleep 1000"));
    assert!(pod.log("b").starts_with("pause\npause\n"), "{}", pod.log("b"));
    let mut plan = pod.plan("debug", "ps");
    plan.pid_namespace = PidNamespace::Container("b".into());
    assert!(pod.run(plan).1.contains("sleep 1002"));
    pod.ask(&Request::Signal(Signal { container: "a".into(), number: 9, all: false }));
    wait_exit(&mut events, "a");
    assert!(group.processes().is_empty(), "what it left is killed before its end is told");
    let mut plan = pod.plan("host", "ls /proc");
    plan.pid_namespace = PidNamespace::Host;
    let own = std::process::id().to_string();
    assert!(pod.run(plan).1.lines().any(|line| line == own));
}

#[test]
fn user_namespaces_map_owners() {
    if !able() {
        return;
    }
    let Some(group) = Cgroup::new("cpuacct") else { return };
    for shared_pid in [false, true] {
        let range = || vec![IdRange { inside: 0, outside: 200_000, count: 65536 }];
        let pod = Pod::start(|sandbox| {
            sandbox.shared_pid = shared_pid;
            sandbox.id_map = Some(IdMap { users: range(), groups: range() });
        });
        let volume = pod.dir.join("volume");
        std::fs::create_dir_all(&volume).unwrap();
        std::fs::write(volume.join("old"), "").unwrap();
        let mut plan = pod.plan(
            "a",
            "tr -s ' ' < /proc/self/uid_map; stat -c %u /bin/busybox /vol/old; touch /vol/new /mine; echo x > /dev/null; \
             echo y > /dev/shm/z && hostname; mount -t tmpfs none /bin 2>/dev/null || echo denied; exec sleep 1000",
        );
        if shared_pid {
            plan.pid_namespace = PidNamespace::Pod;
        }
        plan.mounts.push(Mount {
            source: Source::Bind(volume.to_str().unwrap().into()),
            target: "/vol".into(),
            id_mapped: true,
            ..Mount::default()
        });
        plan.cgroups = vec![group.path()];
        plan.cgroup_namespace = true;
        plan.masked_paths = vec!["/proc/acpi".into(), "/proc/keys".into()];
        plan.readonly_paths = vec!["/proc/sys".into(), "/proc/irq".into()];
        plan.mounts.push(kind("sysfs", "/sys", ""));
        plan.mounts.push(kind("mqueue", "/dev/mqueue", ""));
        pod.launch(plan).unwrap();
        eventually("it is done", || pod.log("a").ends_with("denied\n"));
        assert_eq!(pod.log("a"), " 0 200000 65536\n0\n0\ntestpod\ndenied\n");
        let owner =
            |path: &str| std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(pod.dir.join(path)).unwrap());
        assert_eq!((owner("volume/new"), owner("a/upper/mine")), (0, 200_000));
        let (code, text) = pod
            .exec(
                "a",
                process(&[
                    "sh",
                    "-c",
                    "tr -s ' ' < /proc/self/uid_map; id -u; echo > /proc/self/fd/1; touch /again; exit 5",
                ]),
                "",
            )
            .unwrap();
        assert_eq!((code, text.as_str()), (5, " 0 200000 65536\n0\n\n"));
        assert_eq!(owner("a/upper/again"), 200_000);
        let mut plan =
            pod.plan("b", "tty; touch /x || echo fixed; wc -c < /proc/keys; touch /proc/sys/x || echo kept");
        plan.process.terminal = true;
        plan.root.readonly = true;
        plan.masked_paths = vec!["/proc/keys".into()];
        plan.readonly_paths = vec!["/proc/sys".into()];
        let log = pod.run(plan).1;
        for line in ["/dev/pts/0", "fixed", "0", "kept"] {
            assert!(log.lines().any(|found| found == line), "{line} in {log}");
        }
    }
}
