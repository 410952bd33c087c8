//! Capabilities by name and number, and what a container gets of them.

use corten_node_api::cri;
use corten_pod::protocol::Capabilities;

use super::Refusal;
use super::refusal::invalid;

/// By number, as the kernel has them.
const NAMES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// What containers have unless they say otherwise.
const DEFAULT: [&str; 14] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "FSETID",
    "FOWNER",
    "MKNOD",
    "NET_RAW",
    "SETGID",
    "SETUID",
    "SETFCAP",
    "SETPCAP",
    "NET_BIND_SERVICE",
    "SYS_CHROOT",
    "KILL",
    "AUDIT_WRITE",
];

/// The number of a capability, with or without `CAP_`, in any case.
pub(super) fn number(name: &str) -> Option<u32> {
    let name = name.to_ascii_uppercase();
    let name = name.strip_prefix("CAP_").unwrap_or(&name);
    NAMES.iter().position(|n| *n == name).map(|n| n as u32)
}

fn bit(name: &str) -> Result<u64, Refusal> {
    number(name).map(|n| 1 << n).ok_or_else(|| invalid(format!("unknown capability {name:?}")))
}

fn is_all(name: &str) -> bool {
    name.eq_ignore_ascii_case("ALL")
}

/// A container's sets. `machine` is what this machine can give: what is asked beyond it is left out, as there
/// is no way to have it. Ambient capabilities are those that are added for it, and none of a privileged
/// container, as with containerd; they are inheritable too, which the kernel wants.
pub(super) fn of(
    asked: Option<&cri::Capability>,
    privileged: bool,
    machine: u64,
) -> Result<Capabilities, Refusal> {
    let mut set = DEFAULT.iter().filter_map(|n| number(n)).fold(0, |set, n| set | 1 << n);
    let mut ambient = 0;
    if let Some(asked) = asked {
        if asked.add_capabilities.iter().any(|n| is_all(n)) {
            set = u64::MAX;
        }
        if asked.drop_capabilities.iter().any(|n| is_all(n)) {
            set = 0;
        }
        for name in asked.add_capabilities.iter().filter(|n| !is_all(n)) {
            set |= bit(name)?;
        }
        for name in asked.drop_capabilities.iter().filter(|n| !is_all(n)) {
            set &= !bit(name)?;
        }
        for name in &asked.add_ambient_capabilities {
            let one = if is_all(name) { set } else { bit(name)? };
            set |= one;
            ambient |= one;
        }
    }
    if privileged {
        (set, ambient) = (u64::MAX, 0);
    }
    let (set, ambient) = (set & machine, ambient & machine);
    Ok(Capabilities { bounding: set, permitted: set, effective: set, inheritable: ambient, ambient })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MACHINE: u64 = 0x1ff_feff_ffff;

    fn caps(names: &str) -> u64 {
        names.split_whitespace().map(|n| bit(n).expect("known")).sum()
    }

    #[test]
    fn sets_are_added_and_dropped_in_containerds_order() {
        let default = 0xa804_25fb;
        for (add, drop, ambient, privileged, expected) in [
            ("", "", "", false, default),
            ("NET_ADMIN", "MKNOD", "", false, default + caps("NET_ADMIN") - caps("MKNOD")),
            ("cap_net_admin", "all", "", false, caps("NET_ADMIN")),
            ("ALL", "CHOWN", "", false, MACHINE - caps("CHOWN")),
            ("ALL", "ALL", "", false, 0),
            ("SYS_RESOURCE", "", "", false, default),
            ("", "ALL", "NET_RAW", false, caps("NET_RAW")),
            ("", "ALL", "NET_RAW", true, MACHINE),
        ] {
            let list = |text: &str| text.split_whitespace().map(str::to_owned).collect();
            let asked = cri::Capability {
                add_capabilities: list(add),
                drop_capabilities: list(drop),
                add_ambient_capabilities: list(ambient),
            };
            let got = of(Some(&asked), privileged, MACHINE).expect("known names");
            assert_eq!(got.bounding, expected, "+{add} -{drop} ^{ambient} {privileged}");
            assert_eq!((got.permitted, got.effective), (got.bounding, got.bounding));
            let ambient = if privileged { 0 } else { caps(ambient) };
            assert_eq!((got.ambient, got.inheritable), (ambient, ambient), "^{ambient}");
        }
        assert_eq!(of(None, false, MACHINE).expect("none asked").effective, default);
        let wrong = cri::Capability { add_capabilities: vec!["FLY".into()], ..Default::default() };
        assert_eq!(of(Some(&wrong), false, MACHINE), Err(invalid("unknown capability \"FLY\"")));
    }
}
