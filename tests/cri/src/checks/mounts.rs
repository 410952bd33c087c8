//! Mounts and devices.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use corten_node_api::cri::*;

use super::checks;
use crate::world::{World, resources, same, security};

checks![
    files_and_directories_are_mounted,
    mounts_lie_in_each_other,
    read_only_is_read_only,
    read_only_below_too,
    mounts_travel_as_asked,
    links_do_not_lead_out,
    images_are_mounted,
    devices_are_given,
    devices_come_from_the_registry_of_devices,
    usual_mounts_are_there
];

fn mount(host: &Path, container: &str) -> Mount {
    Mount {
        host_path: host.to_string_lossy().into_owned(),
        container_path: container.to_owned(),
        ..Mount::default()
    }
}

fn directory(w: &World, name: &str) -> Result<std::path::PathBuf> {
    let dir = w.dir.join(format!("{name}-{}", w.number()));
    std::fs::create_dir_all(&dir)?;
    Ok(dir)
}

async fn files_and_directories_are_mounted(w: &World) -> Result<()> {
    let dir = directory(w, "plain")?;
    std::fs::write(dir.join("file"), "content")?;
    let pod = w.pod().await?;
    let mounts = vec![mount(&dir, "/a/b/c"), mount(&dir.join("file"), "/etc/one-file")];
    let id = pod.start(|c| c.mounts = mounts.clone()).await?;
    let (text, _) = w.exec(&id, "cat /a/b/c/file /etc/one-file; echo new > /a/b/c/new").await?;
    same("content", text.as_str(), "contentcontent")?;
    same("written", std::fs::read_to_string(dir.join("new"))?.as_str(), "new\n")?;
    let told = w.status(&id).await?.mounts;
    for wanted in &mounts {
        let found =
            told.iter().any(|m| m.host_path == wanted.host_path && m.container_path == wanted.container_path);
        ensure!(found, "{wanted:?} is not in {told:?}");
    }
    let relabelled = Mount { selinux_relabel: true, ..mount(&dir, "/relabelled") };
    pod.start(|c| c.mounts = vec![relabelled]).await?;
    Ok(())
}

async fn mounts_lie_in_each_other(w: &World) -> Result<()> {
    let (outer, inner) = (directory(w, "outer")?, directory(w, "inner")?);
    std::fs::create_dir_all(outer.join("in"))?;
    std::fs::write(inner.join("file"), "inner")?;
    let pod = w.pod().await?;
    // The inner one first: its place is by the paths, not by the order.
    let mounts = vec![mount(&inner, "/m/in"), mount(&outer, "/m")];
    same("content", pod.output("cat /m/in/file", |c| c.mounts = mounts).await?.as_str(), "inner")
}

async fn read_only_is_read_only(w: &World) -> Result<()> {
    let dir = directory(w, "kept")?;
    let pod = w.pod().await?;
    let mounts = vec![Mount { readonly: true, ..mount(&dir, "/kept") }];
    let text =
        pod.output("touch /kept/a 2>/dev/null && echo written || echo kept", |c| c.mounts = mounts).await?;
    same("mount", text.as_str(), "kept")
}

/// A tmpfs that is unmounted when this ends.
struct Tmpfs(std::path::PathBuf);

impl Tmpfs {
    fn mount(path: std::path::PathBuf) -> Result<Self> {
        std::fs::create_dir_all(&path)?;
        let done = std::process::Command::new("mount").args(["-t", "tmpfs", "suite"]).arg(&path).status()?;
        ensure!(done.success(), "mount a tmpfs on {}", path.display());
        Ok(Tmpfs(path))
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

async fn read_only_below_too(w: &World) -> Result<()> {
    let dir = directory(w, "recursive")?;
    let _below = Tmpfs::mount(dir.join("below"))?;
    let pod = w.pod().await?;
    let script = "touch /r/below/a 2>/dev/null && echo written || echo kept";
    let plain = vec![Mount { readonly: true, ..mount(&dir, "/r") }];
    same("plain", pod.output(script, |c| c.mounts = plain.clone()).await?.as_str(), "written")?;
    let deep = vec![Mount { recursive_read_only: true, ..plain[0].clone() }];
    same("recursive", pod.output(script, |c| c.mounts = deep.clone()).await?.as_str(), "kept")?;
    let wrong = vec![Mount { readonly: false, ..deep[0].clone() }];
    ensure!(pod.start(|c| c.mounts = wrong).await.is_err(), "recursively read-only, though not read-only");
    Ok(())
}

async fn mounts_travel_as_asked(w: &World) -> Result<()> {
    let dir = Tmpfs::mount(w.dir.join(format!("shared-{}", w.number())))?;
    let done = std::process::Command::new("mount").arg("--make-shared").arg(&dir.0).status()?;
    ensure!(done.success(), "make a shared mount");
    let pod = w
        .pod_with(|c| {
            c.linux.get_or_insert_default().security_context.get_or_insert_default().privileged = true;
        })
        .await?;
    let with = |p: MountPropagation| Mount { propagation: p as i32, ..mount(&dir.0, "/m") };
    let start = async |p| {
        pod.start(|c| {
            c.mounts = vec![with(p)];
            security(c).privileged = true;
        })
        .await
    };
    let private = start(MountPropagation::PropagationPrivate).await?;
    let slave = start(MountPropagation::PropagationHostToContainer).await?;
    let shared = start(MountPropagation::PropagationBidirectional).await?;
    let later = Tmpfs::mount(dir.0.join("later"))?;
    std::fs::write(later.0.join("file"), "x")?;
    for (name, id, want) in [("private", &private, 1), ("slave", &slave, 0), ("shared", &shared, 0)] {
        same(name, w.exec(id, "test -e /m/later/file").await?.1, want)?;
    }
    w.exec(&shared, "mkdir /m/up && mount -t tmpfs x /m/up && touch /m/up/file").await?;
    let seen = dir.0.join("up/file").exists();
    let _ = std::process::Command::new("umount").arg("-l").arg(dir.0.join("up")).status();
    ensure!(seen, "a mount did not travel to the machine");
    Ok(())
}

async fn links_do_not_lead_out(w: &World) -> Result<()> {
    let (dir, mark) = (directory(w, "link")?, directory(w, "mark")?);
    std::fs::write(dir.join("file"), "x")?;
    // The image's /etc/mtab-like trap: a link in a first mount that points to the machine.
    std::os::unix::fs::symlink(&mark, dir.join("out"))?;
    let pod = w.pod().await?;
    let mounts = vec![mount(&dir, "/m"), mount(&dir.join("file"), "/m/out/file")];
    let _ = pod.start(|c| c.mounts = mounts).await;
    ensure!(!mark.join("file").exists(), "a mount's target was made on the machine");
    Ok(())
}

async fn images_are_mounted(w: &World) -> Result<()> {
    let image = w.image("full").await?;
    let pod = w.pod().await?;
    let from = |path: &str, sub: &str| Mount {
        container_path: path.to_owned(),
        image: Some(image.clone()),
        image_sub_path: sub.to_owned(),
        readonly: true,
        ..Mount::default()
    };
    let mounts = vec![from("/image", ""), from("/part", "etc")];
    let script = "cat /image/etc/below /part/below; touch /image/x 2>/dev/null || echo ' kept'";
    same("image", pod.output(script, |c| c.mounts = mounts).await?.as_str(), "belowbelow kept")
}

async fn devices_are_given(w: &World) -> Result<()> {
    let device = |permissions: &str| Device {
        host_path: "/dev/kmsg".into(),
        container_path: "/dev/own".into(),
        permissions: permissions.to_owned(),
    };
    let pod = w.pod().await?;
    let script = "test -c /dev/own && echo there; dd if=/dev/own of=/dev/null bs=9000 count=1 2>/dev/null && echo read; \
        (: > /dev/own) 2>/dev/null && echo write";
    for (permissions, want) in [("rwm", "there\nread\nwrite"), ("r", "there\nread")] {
        let (_, text) = pod
            .run(script, |c| {
                c.devices = vec![device(permissions)];
                security(c).capabilities =
                    Some(Capability { add_capabilities: vec!["SYSLOG".into()], ..Capability::default() });
            })
            .await?;
        same(permissions, text.as_str(), want)?;
    }
    let (_, text) =
        pod.run("mknod /tmp/k c 1 11 && dd if=/tmp/k of=/dev/null bs=9000 count=1", |_| ()).await?;
    ensure!(text.contains("not permitted") || text.contains("not found"), "{text}");
    Ok(())
}

async fn devices_come_from_the_registry_of_devices(w: &World) -> Result<()> {
    let dir = Path::new("/var/run/cdi");
    std::fs::create_dir_all(dir)?;
    let spec = dir.join("cri-suite.json");
    let text = r#"{"cdiVersion": "0.5.0", "kind": "suite.test/thing", "devices": [{"name": "one",
        "containerEdits": {"env": ["FROM_CDI=yes"], "deviceNodes": [{"path": "/dev/kmsg"}]}}]}"#;
    std::fs::write(&spec, text)?;
    let pod = w.pod().await?;
    let with = |name: &str| vec![CdiDevice { name: name.to_owned() }];
    let output = pod
        .output("echo $FROM_CDI; test -c /dev/kmsg && echo there", |c| {
            c.cdi_devices = with("suite.test/thing=one");
        })
        .await;
    let unknown = pod.start(|c| c.cdi_devices = with("suite.test/thing=two")).await;
    std::fs::remove_file(&spec)?;
    same("device", output?.as_str(), "yes\nthere")?;
    ensure!(unknown.is_err(), "an unknown device");
    Ok(())
}

async fn usual_mounts_are_there(w: &World) -> Result<()> {
    let pod = w.pod().await?;
    let text = pod.output("cut -d' ' -f2,3 /proc/mounts || cat /proc/mounts", |_| ()).await;
    let text = match text {
        Ok(text) => text,
        Err(_) => pod.output("cat /proc/mounts", |_| ()).await?,
    };
    for (path, kind) in [
        ("/", "overlay"),
        ("/proc", "proc"),
        ("/dev", "tmpfs"),
        ("/dev/pts", "devpts"),
        ("/dev/mqueue", "mqueue"),
        ("/dev/shm", "tmpfs"),
        ("/sys", "sysfs"),
    ] {
        ensure!(text.contains(&format!("{path} {kind}")), "{path} is no {kind} in {text}");
    }
    let nodes = "for d in null zero full random urandom tty; do test -c /dev/$d || exit 1; done; \
        for l in fd stdin stdout stderr ptmx; do test -L /dev/$l || exit 2; done";
    pod.output(nodes, |_| ()).await.context("device nodes")?;
    if Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
        let own = "cat /proc/self/cgroup /sys/fs/cgroup/memory.max; mkdir /sys/fs/cgroup/x 2>/dev/null && echo made";
        let text =
            pod.output(&format!("{own}; true"), |c| resources(c).memory_limit_in_bytes = 64 << 20).await?;
        same("own control group", text.as_str(), "0::/\n67108864")?;
    }
    Ok(())
}
