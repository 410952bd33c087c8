//! The supervisor itself: what it keeps, what it survives, and what is left when it ends.

use crate::kernel::{files, mounts};
use crate::pod::{Pod, able, eventually, process, wait_exit};
use corten_pod::protocol::*;
use std::io::Write;

fn alive(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

/// A pod with containers of every kind, and their processes.
fn full_pod() -> (Pod, Vec<i32>) {
    let pod = Pod::start(|sandbox| sandbox.shared_pid = true);
    let mut pids = Vec::new();
    for (id, namespace) in
        [("own", PidNamespace::Own), ("pod", PidNamespace::Pod), ("host", PidNamespace::Host)]
    {
        let mut plan = pod.plan(id, "exec sleep 1000");
        plan.pid_namespace = namespace;
        plan.process.user.name = "web".into();
        pids.push(pod.launch(plan).unwrap().pid);
    }
    (pod, pids)
}

#[test]
fn nothing_is_left_when_it_is_killed() {
    if !able() {
        return;
    }
    let mounted = || std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let before = mounted();
    let (mut pod, pids) = full_pod();
    assert!(pids.iter().all(|pid| alive(*pid)));
    pod.child.kill().unwrap();
    pod.child.wait().unwrap();
    eventually("all are gone", || pids.iter().all(|pid| !alive(*pid)));
    assert_eq!(before, mounted());
}

#[test]
fn it_ends_all_when_asked() {
    if !able() {
        return;
    }
    let (mut pod, pids) = full_pod();
    assert_eq!(pod.ask(&Request::Shutdown), Reply::Done);
    eventually("it ends", || pod.child.try_wait().unwrap().is_some());
    assert!(pod.child.wait().unwrap().success());
    eventually("all are gone", || pids.iter().all(|pid| !alive(*pid)));
    for id in ["own", "pod", "host"] {
        assert!(pod.dir.join(id).join("exit").exists());
    }
}

#[test]
fn nonsense_and_signals_are_survived() {
    if !able() {
        return;
    }
    let pod = Pod::start(|_| {});
    let pid = pod.child.id();
    for signal in ["TERM", "INT", "HUP", "PIPE", "USR1"] {
        let sent = std::process::Command::new("/bin/busybox")
            .args(["kill", &format!("-{signal}"), &pid.to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
    }
    for bytes in [
        &[0xff; 100][..],
        &[5, 0, 0, 0, 200, 1, 2, 3, 4],
        &[0; 8],
        &[1, 0],
        &[9, 0, 0, 0, 3, 255, 255, 255, 255, 0, 0, 0, 0],
    ] {
        let mut conn = pod.connect();
        conn.stream.write_all(bytes).unwrap();
    }
    let many: Vec<_> = (0..50).map(|_| pod.connect()).collect();
    let Reply::Hello(hello) = pod.ask(&Request::Hello) else { panic!("it is there") };
    assert_eq!((hello.version, hello.pid, hello.sandbox.as_str()), (VERSION, pid as i32, "pod"));
    drop(many);
    let Reply::Failed(failure) = pod.ask(&Request::Launch(Box::default())) else { panic!("nothing to run") };
    assert_eq!(failure.cause, Cause::Invalid);
}

#[test]
fn mounts_travel_as_asked() {
    if !able() {
        return;
    }
    // A machine of its own, whose mounts are shared, as systemd has them.
    let pod = Pod::start_by(&["/bin/unshare", "--mount", "--propagation", "shared"], |_| {});
    let volume = pod.dir.join("volume");
    for name in ["below", "late"] {
        std::fs::create_dir_all(volume.join(name)).unwrap();
    }
    let bind = |target: &str, propagation| Mount {
        source: Source::Bind(volume.to_str().unwrap().into()),
        target: target.into(),
        propagation,
        ..Mount::default()
    };
    let script = "mount -t tmpfs none /shared/below && echo > /shared/below/file; ls /slave/below /private/below; \
                  mount -t tmpfs none /slave/late; echo done; exec sleep 1000";
    let mut plan = pod.plan("a", script);
    plan.mounts.push(bind("/shared", Propagation::Shared));
    plan.mounts.push(bind("/slave", Propagation::Slave));
    plan.mounts.push(bind("/private", Propagation::Private));
    plan.root_propagation = Propagation::Shared;
    let all = u64::MAX;
    plan.process.capabilities =
        Capabilities { bounding: all, permitted: all, effective: all, ..Capabilities::default() };
    pod.launch(plan).unwrap();
    eventually("it has mounted", || pod.log("a").ends_with("done\n"));
    let log = pod.log("a");
    assert_eq!(log, "/private/below:\n\n/slave/below:\nfile\ndone\n");
    let mounts = std::fs::read_to_string(format!("/proc/{}/mountinfo", pod.child.id())).unwrap();
    assert!(mounts.contains("volume/below ") && !mounts.contains("volume/late "), "{mounts}");
    let (_, text) = pod.exec("a", process(&["grep", " / / ", "/proc/self/mountinfo"]), "").unwrap();
    assert!(text.contains("shared:"), "{text}");

    // Another container gets all of it, and may write none of it; and a mount that was taken elsewhere.
    let mut plan = pod.plan("b", "ls /all/below; echo > /all/below/x || echo denied; cat /handle/mark");
    plan.mounts.push(Mount { recursive_readonly: true, ..bind("/all", Propagation::Private) });
    plan.mounts.push(Mount { source: Source::Handle(0), target: "/handle".into(), ..Mount::default() });
    let taken = pod.dir.join("taken");
    std::fs::create_dir_all(&taken).unwrap();
    std::fs::write(taken.join("mark"), "taken\n").unwrap();
    let tree = mounts::open_tree(files::here(), taken.to_str().unwrap(), true).unwrap();
    let mut events = pod.subscribe();
    let answer = pod.connect().ask(&Request::Launch(Box::new(plan)), &[&tree]);
    assert!(matches!(answer, Reply::Launched(_)), "{answer:?}");
    wait_exit(&mut events, "b");
    let log = pod.log("b");
    for line in ["file", "denied", "taken"] {
        assert!(log.lines().any(|found| found == line), "{line} in {log}");
    }
}

#[test]
fn settings_are_the_pods_own() {
    if !able() {
        return;
    }
    let before = std::fs::read_to_string("/proc/sys/kernel/shm_rmid_forced").unwrap();
    let pod = Pod::start(|sandbox| {
        sandbox.sysctls =
            vec![("net.core.somaxconn".into(), "77".into()), ("kernel.shm_rmid_forced".into(), "1".into())];
    });
    let script = "cat /proc/sys/net/core/somaxconn /proc/sys/kernel/shm_rmid_forced; grep -c : /proc/net/dev; \
                  grep ' /dev/shm ' /proc/self/mountinfo | grep -o size=1024k; echo to b > /dev/shm/x";
    assert_eq!(pod.run(pod.plan("a", script)).1, "77\n1\n1\nsize=1024k\n");
    assert_eq!(pod.run(pod.plan("b", "cat /dev/shm/x")).1, "to b\n");
    assert_eq!(std::fs::read_to_string("/proc/sys/kernel/shm_rmid_forced").unwrap(), before);
}

#[test]
fn namespaces_are_the_machines_where_asked() {
    if !able() {
        return;
    }
    let own = |kind: &str| {
        let link = std::fs::read_link(format!("/proc/self/ns/{kind}")).unwrap();
        link.to_str().unwrap().to_owned() + "\n"
    };
    let machines = ["net", "ipc", "uts"].map(own).concat();
    let pod = Pod::start(|sandbox| {
        (sandbox.host_network, sandbox.host_ipc, sandbox.hostname) = (true, true, None);
    });
    let script = ["net", "ipc", "uts"].map(|kind| format!("readlink /proc/self/ns/{kind}; ")).concat();
    assert_eq!(pod.run(pod.plan("a", &script)).1, machines);
    let pod = Pod::start(|_| {});
    let log = pod.run(pod.plan("a", &script)).1;
    assert!(log.lines().zip(machines.lines()).all(|(pods, machines)| pods != machines), "{log}");
}
