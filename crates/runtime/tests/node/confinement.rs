//! What a container may not do, nor a process that is run in it later.

use crate::world::{World, world};
use corten_node_api::cri::security_profile::ProfileType;
use corten_node_api::cri::*;

fn context(config: &mut ContainerConfig) -> &mut LinuxContainerSecurityContext {
    config.linux.get_or_insert_default().security_context.get_or_insert_default()
}

/// A container that only waits, confined as a kubelet asks for it.
fn confined(w: &World, name: &str) -> ContainerConfig {
    let mut config = w.shell(name, "exec sleep 1000");
    let context = context(&mut config);
    context.seccomp =
        Some(SecurityProfile { profile_type: ProfileType::RuntimeDefault as i32, ..Default::default() });
    context.masked_paths = ["/proc/meminfo", "/sys/firmware"].map(str::to_owned).to_vec();
    context.readonly_paths = vec!["/proc/sys".into()];
    config
}

/// Lines of a process's status: a filter, its capabilities, whether it may gain more.
const STATUS: &str =
    "busybox grep -E '^(Seccomp|CapEff|CapBnd|NoNewPrivs):' /proc/PID/status | busybox tr '\\t\\n' '= '";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_and_what_is_run_in_it_are_confined_alike() {
    let Some(w) = world().await else { return };
    let pod = w.run(w.pod("confined")).await;
    let mut config = confined(&w, "plain");
    context(&mut config).no_new_privs = true;
    let id = w.launch(&pod, config).await;
    let expected = "CapEff:=00000000a80425fb CapBnd:=00000000a80425fb NoNewPrivs:=1 Seccomp:=2";
    for process in ["1", "self"] {
        assert_eq!(w.exec(&id, &STATUS.replace("PID", process)).await.1, expected, "{process}");
    }
    for (script, expected) in [
        ("busybox unshare -m true 2>&1", "unshare: unshare(0x20000): Operation not permitted"),
        ("busybox mount -t tmpfs x /tmp 2>&1", "mount: permission denied (are you root?)"),
        // A node can be made, and is of no use.
        (
            "busybox mknod /tmp/fuse c 10 229 && busybox cat /tmp/fuse 2>&1",
            "cat: can't open '/tmp/fuse': Operation not permitted",
        ),
        ("head -c 1 /dev/zero | busybox wc -c; echo x > /dev/null && echo fine", "1\nfine"),
        (
            "busybox wc -c < /proc/meminfo; echo 1 2>/dev/null > /proc/sys/kernel/domainname || echo no",
            "0\nno",
        ),
        ("ls -A /sys/firmware; echo x 2>/dev/null > /sys/fs/cgroup/x || echo no", "no"),
        (
            "ls /dev",
            "core\nfd\nfull\nmqueue\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\ntty\nurandom\nzero",
        ),
    ] {
        assert_eq!(w.exec(&id, script).await.1, expected, "{script}");
    }
    w.remove(&pod).await;
    assert_eq!(w.leftovers(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_privileged_container_has_what_the_machine_has() {
    let Some(w) = world().await else { return };
    let mut config = w.pod("strong");
    config.linux.get_or_insert_default().security_context.get_or_insert_default().privileged = true;
    let pod = w.run(config).await;
    let mut config = confined(&w, "strong");
    context(&mut config).privileged = true;
    let id = w.launch(&pod, config).await;
    let own = std::fs::read_to_string("/proc/self/status").expect("status");
    let own = own.lines().find_map(|l| l.strip_prefix("CapBnd:\t")).expect("capabilities").to_owned();
    let expected = format!("CapEff:={own} CapBnd:={own} NoNewPrivs:=0 Seccomp:=0");
    assert_eq!(w.exec(&id, &STATUS.replace("PID", "self")).await.1, expected);
    let script =
        "busybox mount -t tmpfs x /tmp && busybox mknod /tmp/fuse c 10 229 && : < /tmp/fuse && echo fine";
    assert_eq!(w.exec(&id, script).await.1, "fine");
    w.remove(&pod).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_only_root_and_a_profile_of_ones_own() {
    let Some(w) = world().await else { return };
    let pod = w.run(w.pod("narrow")).await;
    let dir = tempfile::tempdir().expect("directory");
    let profile = dir.path().join("profile.json");
    let rules = r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":95}]}"#;
    std::fs::write(&profile, rules).expect("written");
    std::fs::create_dir(dir.path().join("data")).expect("made");
    let mut config = confined(&w, "narrow");
    let context = context(&mut config);
    context.readonly_rootfs = true;
    context.run_as_user = Some(Int64Value { value: 1000 });
    context.supplemental_groups = vec![77];
    context.capabilities = Some(Capability { drop_capabilities: vec!["ALL".into()], ..Default::default() });
    context.seccomp = Some(SecurityProfile {
        profile_type: ProfileType::Localhost as i32,
        localhost_ref: profile.display().to_string(),
    });
    config.mounts.push(Mount {
        container_path: "/data/in".into(),
        host_path: dir.path().join("data").display().to_string(),
        readonly: true,
        ..Default::default()
    });
    let id = w.launch(&pod, config).await;
    for (script, expected) in [
        (
            "busybox mkdir /dev/shm/x 2>&1",
            "mkdir: can't create directory '/dev/shm/x': Operation not supported",
        ),
        ("id -u; id -G; echo x > /dev/shm/y && echo fine", "1000\n1000 77\nfine"),
        ("echo x 2>/dev/null > /file || echo no; echo x 2>/dev/null > /data/in/file || echo no", "no\nno"),
    ] {
        assert_eq!(w.exec(&id, script).await.1, expected, "{script}");
    }
    w.remove(&pod).await;
}
