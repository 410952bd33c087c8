//! Security contexts: users, groups, capabilities, filters, privileges.

use anyhow::{Context, Result, ensure};
use corten_node_api::cri::security_profile::ProfileType;
use corten_node_api::cri::*;

use super::checks;
use crate::world::{World, same, security};

checks![
    users_are_numbers_or_names,
    groups_add_up,
    strict_groups_leave_out_the_images,
    capabilities_are_added_and_dropped,
    filters_forbid_system_calls,
    filters_of_the_machine,
    privileges_are_not_gained,
    paths_are_hidden_and_kept,
    privileged_containers_may_all,
    the_root_may_be_read_only,
    profiles_the_kernel_lacks_are_refused,
    users_are_mapped,
    ambient_capabilities
];

fn number(value: i64) -> Option<Int64Value> {
    Some(Int64Value { value })
}

async fn users_are_numbers_or_names(w: &World) -> Result<()> {
    let pod = w.pod().await?;
    let image = w.image("user").await?;
    let output = pod.output("id -u; id -g; echo $HOME", |c| c.image = Some(image.clone())).await?;
    same("the image's", output.as_str(), "1234\n1234\n/home/kim")?;
    let output = pod
        .output("id -u; id -g", |c| {
            security(c).run_as_user = number(2000);
            security(c).run_as_group = number(3000);
        })
        .await?;
    same("numbers", output.as_str(), "2000\n3000")?;
    let by_name = pod
        .start(|c| {
            c.image = Some(image.clone());
            security(c).run_as_username = "root".into();
        })
        .await?;
    same("a name", w.exec(&by_name, "id -u").await?.0.as_str(), "0")?;
    let user = w.status(&by_name).await?.user.and_then(|u| u.linux).context("no user in the status")?;
    same("status", (user.uid, user.gid), (0, 0))?;
    let unknown = pod
        .start(|c| {
            c.image = Some(image.clone());
            security(c).run_as_username = "nobody-knows".into();
        })
        .await;
    ensure!(unknown.is_err(), "an unknown user");
    Ok(())
}

async fn groups_add_up(w: &World) -> Result<()> {
    let pod = w.pod().await?;
    let image = w.image("user").await?;
    let groups = pod
        .output("id -G", |c| {
            c.image = Some(image);
            security(c).supplemental_groups = vec![60000];
        })
        .await?;
    let mut groups: Vec<&str> = groups.split(' ').collect();
    groups.sort_unstable();
    same("groups", groups, vec!["1234", "50000", "60000"])
}

async fn strict_groups_leave_out_the_images(w: &World) -> Result<()> {
    let strict = SupplementalGroupsPolicy::Strict as i32;
    let pod = w
        .pod_with(|c| {
            let security = c.linux.get_or_insert_default().security_context.get_or_insert_default();
            security.supplemental_groups_policy = strict;
        })
        .await?;
    let image = w.image("user").await?;
    let groups = pod
        .output("id -G", |c| {
            c.image = Some(image);
            security(c).supplemental_groups_policy = strict;
            security(c).supplemental_groups = vec![60000];
        })
        .await?;
    same("groups", groups.as_str(), "1234 60000")
}

async fn effective(w: &World, change: impl FnOnce(&mut ContainerConfig)) -> Result<u64> {
    let pod = w.pod().await?;
    let text = pod.output("grep CapEff /proc/self/status", change).await?;
    u64::from_str_radix(text.trim_start_matches("CapEff:").trim(), 16).context("no number")
}

async fn capabilities_are_added_and_dropped(w: &World) -> Result<()> {
    let caps = |add: &[&str], drop: &[&str]| {
        let own = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect();
        Some(Capability { add_capabilities: own(add), drop_capabilities: own(drop), ..Capability::default() })
    };
    let with = async |c: Option<Capability>| effective(w, |config| security(config).capabilities = c).await;
    same("usual", with(None).await?, 0xa804_25fb)?;
    same("none", with(caps(&[], &["ALL"])).await?, 0)?;
    same("one", with(caps(&["NET_ADMIN"], &["ALL"])).await?, 1 << 12)?;
    same("fewer", with(caps(&[], &["CHOWN", "NET_RAW"])).await?, 0xa804_25fb & !(1 | 1 << 13))?;
    let all = with(caps(&["ALL"], &["SYS_ADMIN"])).await?;
    ensure!(all & (1 << 21) == 0 && all.count_ones() > 30, "{all:x}");
    let unknown = with(caps(&["NO_SUCH_CAPABILITY"], &[])).await;
    ensure!(unknown.is_err(), "an unknown capability");
    Ok(())
}

async fn ambient_capabilities(w: &World) -> Result<()> {
    let pod = w.pod().await?;
    let text = pod
        .output("grep CapEff /proc/self/status", |c| {
            let security = security(c);
            security.run_as_user = number(1000);
            let own = || vec!["NET_ADMIN".to_owned()];
            security.capabilities = Some(Capability {
                add_capabilities: own(),
                add_ambient_capabilities: own(),
                ..Capability::default()
            });
        })
        .await?;
    ensure!(text.ends_with("0000000000001000"), "{text}");
    Ok(())
}

fn profile(kind: ProfileType, path: &str) -> Option<SecurityProfile> {
    Some(SecurityProfile { profile_type: kind as i32, localhost_ref: path.to_owned() })
}

async fn filters_forbid_system_calls(w: &World) -> Result<()> {
    let pod = w.pod().await?;
    let script =
        "grep Seccomp: /proc/self/status; unshare -U true 2>/dev/null && echo allowed || echo forbidden";
    let with = async |seccomp| pod.output(script, |c| security(c).seccomp = seccomp).await;
    let usual = with(profile(ProfileType::RuntimeDefault, "")).await?;
    ensure!(usual.starts_with("Seccomp:\t2") && usual.ends_with("forbidden"), "{usual}");
    let none = with(profile(ProfileType::Unconfined, "")).await?;
    ensure!(none.starts_with("Seccomp:\t0"), "{none}");
    Ok(())
}

async fn filters_of_the_machine(w: &World) -> Result<()> {
    let path = w.dir.join("no-mkdir.json");
    let text = r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1}]}"#;
    std::fs::write(&path, text)?;
    let pod = w.pod().await?;
    let with = |path: String| {
        move |c: &mut ContainerConfig| security(c).seccomp = profile(ProfileType::Localhost, &path)
    };
    let local = with(path.to_string_lossy().into_owned());
    let (status, log) = pod.run("mkdir /tmp/a", local).await?;
    same("exit code", status.exit_code, 1)?;
    ensure!(log.contains("Operation not permitted"), "{log}");
    let missing = pod.start(with("/no/such/profile.json".into())).await;
    ensure!(missing.is_err(), "a profile that is not there");
    std::fs::write(&path, "{ nonsense")?;
    let broken = pod.start(with(path.to_string_lossy().into_owned())).await;
    ensure!(broken.is_err(), "a profile that is nonsense");
    Ok(())
}

async fn privileges_are_not_gained(w: &World) -> Result<()> {
    let pod = w.pod().await?;
    for (on, want) in [(true, "NoNewPrivs:\t1"), (false, "NoNewPrivs:\t0")] {
        let text = pod.output("grep NoNewPrivs /proc/self/status", |c| security(c).no_new_privs = on).await?;
        same("privileges", text.as_str(), want)?;
    }
    Ok(())
}

async fn paths_are_hidden_and_kept(w: &World) -> Result<()> {
    let pod = w.pod().await?;
    let script = "cat /proc/keys | wc -c; (echo x > /proc/sys/kernel/shm_rmid_forced) 2>/dev/null && echo written || echo kept";
    let (_, text) = pod
        .run(script, |c| {
            security(c).masked_paths = vec!["/proc/keys".into(), "/proc/no-such-path".into()];
            security(c).readonly_paths = vec!["/proc/sys".into()];
        })
        .await?;
    same("paths", text.as_str(), "0\nkept")
}

async fn privileged_containers_may_all(w: &World) -> Result<()> {
    let pod = w
        .pod_with(|c| {
            let security = c.linux.get_or_insert_default().security_context.get_or_insert_default();
            security.privileged = true;
        })
        .await?;
    let script = "grep -E 'CapEff|Seccomp:' /proc/self/status; mount -t tmpfs x /tmp && echo mounted; \
        test -c /dev/kmsg && echo device; touch /sys/fs/cgroup/x 2>/dev/null; mount | grep -c '/proc/sys '";
    let (_, text) = pod
        .run(script, |c| {
            security(c).privileged = true;
            security(c).masked_paths = Vec::new();
        })
        .await?;
    for part in ["Seccomp:\t0", "mounted", "device"] {
        ensure!(text.contains(part), "{part} is not in {text}");
    }
    ensure!(text.ends_with('0'), "/proc/sys is read-only: {text}");
    let plain = w.pod().await?;
    let refused = plain.start(|c| security(c).privileged = true).await;
    ensure!(refused.is_err(), "a privileged container in a pod that is not");
    Ok(())
}

async fn the_root_may_be_read_only(w: &World) -> Result<()> {
    let pod = w
        .pod_with(|c| {
            let security = c.linux.get_or_insert_default().security_context.get_or_insert_default();
            security.readonly_rootfs = true;
            security.run_as_user = number(0);
            security.run_as_group = number(0);
            security.supplemental_groups = vec![7];
            security.seccomp = Some(SecurityProfile::default());
        })
        .await?;
    let script = "touch /a 2>/dev/null && echo written || echo kept; touch /dev/shm/a && echo shm";
    let text = pod.output(script, |c| security(c).readonly_rootfs = true).await?;
    same("root", text.as_str(), "kept\nshm")
}

async fn profiles_the_kernel_lacks_are_refused(w: &World) -> Result<()> {
    let pod = w
        .pod_with(|c| {
            let security = c.linux.get_or_insert_default().security_context.get_or_insert_default();
            security.apparmor = profile(ProfileType::Unconfined, "");
        })
        .await?;
    pod.start(|c| security(c).apparmor = profile(ProfileType::Unconfined, "")).await.context("none")?;
    let here = std::path::Path::new("/sys/kernel/security/apparmor/profiles").exists();
    let local =
        pod.start(|c| security(c).apparmor = profile(ProfileType::Localhost, "no-such-profile")).await;
    let default = pod.start(|c| security(c).apparmor = profile(ProfileType::RuntimeDefault, "")).await;
    same("the default", default.is_ok(), here)?;
    let old = pod.start(|c| security(c).apparmor_profile = "localhost/no-such-profile".into()).await;
    for refused in [local, old] {
        let error = format!("{:#}", refused.err().context("a profile that is not there")?);
        ensure!(here || error.to_lowercase().contains("apparmor"), "{error}");
    }
    Ok(())
}

async fn users_are_mapped(w: &World) -> Result<()> {
    let map = |length| vec![IdMapping { host_id: 200_000, container_id: 0, length }];
    let mapped = UserNamespace { mode: NamespaceMode::Pod as i32, uids: map(65536), gids: map(65536) };
    let pod = w
        .pod_with(|c| {
            let security = c.linux.get_or_insert_default().security_context.get_or_insert_default();
            security.namespace_options.get_or_insert_default().userns_options = Some(mapped.clone());
        })
        .await?;
    let host = w.dir.join("mapped");
    std::fs::create_dir_all(&host)?;
    let script = "id -u; cat /proc/self/uid_map | tr -s ' '; touch /tmp/own /data/file && stat -c %u /tmp/own /data/file /bin";
    let text = pod
        .output(script, |c| {
            security(c).namespace_options = Some(NamespaceOption {
                userns_options: Some(mapped.clone()),
                pid: 1,
                ..NamespaceOption::default()
            });
            c.mounts = vec![Mount {
                container_path: "/data".into(),
                host_path: host.to_string_lossy().into_owned(),
                uid_mappings: mapped.uids.clone(),
                gid_mappings: mapped.gids.clone(),
                ..Mount::default()
            }];
        })
        .await?;
    same("inside", text.as_str(), "0\n 0 200000 65536\n0\n0\n0")?;
    use std::os::unix::fs::MetadataExt;
    same("on the machine", std::fs::metadata(host.join("file"))?.uid(), 0)
}
