//! Which rules make up which level, by version.

use super::level::{Level, LevelVersion, Version};
use super::subject::{Subject, Violation};
use super::{baseline, restricted};

/// The newest version that any rule knows of.
pub(super) const NEWEST: u32 = 35;

type Rule = fn(&Subject<'_>) -> Option<Violation>;

/// A rule in its versions: from which minor version on which form holds.
struct Row {
    name: &'static str,
    forms: &'static [(u32, Rule)],
    /// The weaker rule of the baseline that it replaces.
    instead_of: &'static str,
}

const fn row(name: &'static str, forms: &'static [(u32, Rule)]) -> Row {
    Row { name, forms, instead_of: "" }
}

/// In the order in which they are told.
const BASELINE: &[Row] = &[
    row("appArmorProfile", &[(0, baseline::app_armor)]),
    row("capabilities", &[(0, baseline::capabilities)]),
    row("hostNamespaces", &[(0, baseline::host_namespaces)]),
    row("hostPathVolumes", &[(0, baseline::host_path_volumes)]),
    row("hostPorts", &[(0, baseline::host_ports)]),
    row("hostProbesAndHostLifecycle", &[(34, baseline::host_of_probes)]),
    row("privileged", &[(0, baseline::privileged)]),
    row("procMount", &[(0, baseline::proc_mount), (35, baseline::proc_mount_1_35)]),
    row("seLinuxOptions", &[(0, baseline::se_linux_1_0), (31, baseline::se_linux_1_31)]),
    row("seccompProfile", &[(0, baseline::seccomp_annotations), (19, baseline::seccomp)]),
    row(
        "sysctls",
        &[
            (0, baseline::sysctls_1_0),
            (27, baseline::sysctls_1_27),
            (29, baseline::sysctls_1_29),
            (32, baseline::sysctls_1_32),
        ],
    ),
    row("windowsHostProcess", &[(0, baseline::windows_host_process)]),
];

const RESTRICTED: &[Row] = &[
    row(
        "allowPrivilegeEscalation",
        &[(8, restricted::privilege_escalation), (25, restricted::privilege_escalation_1_25)],
    ),
    Row {
        instead_of: "capabilities",
        ..row(
            "capabilities_restricted",
            &[(22, restricted::capabilities), (25, restricted::capabilities_1_25)],
        )
    },
    Row { instead_of: "procMount", ..row("procMount_restricted", &[(35, baseline::proc_mount)]) },
    Row { instead_of: "hostPathVolumes", ..row("restrictedVolumes", &[(0, restricted::volumes)]) },
    row("runAsNonRoot", &[(0, restricted::non_root), (35, restricted::non_root_1_35)]),
    row("runAsUser", &[(23, restricted::user), (35, restricted::user_1_35)]),
    Row {
        instead_of: "seccompProfile",
        ..row("seccompProfile_restricted", &[(19, restricted::seccomp), (25, restricted::seccomp_1_25)])
    },
];

/// What a pod breaks of a level.
pub(super) struct Violations(Vec<Violation>);

impl Violations {
    /// The rules' names: `host namespaces, hostPort`.
    pub fn reason(&self) -> String {
        self.0.iter().map(|v| v.reason).collect::<Vec<_>>().join(", ")
    }

    /// The same with what breaks them, in parentheses.
    pub fn detail(&self) -> String {
        let one = |v: &Violation| match v.detail.as_str() {
            "" => v.reason.to_string(),
            detail => format!("{} ({detail})", v.reason),
        };
        self.0.iter().map(one).collect::<Vec<_>>().join(", ")
    }
}

/// `None` when the pod keeps to the level.
pub(super) fn violations(level: LevelVersion, subject: &Subject<'_>) -> Option<Violations> {
    let found: Vec<Violation> = rules(level).into_iter().filter_map(|rule| rule(subject)).collect();
    (!found.is_empty()).then_some(Violations(found))
}

fn rules(level: LevelVersion) -> Vec<Rule> {
    let minor = match level.version {
        Version::Latest => NEWEST,
        Version::Minor(minor) => minor.min(NEWEST),
    };
    let form = |row: &Row| row.forms.iter().rev().find(|(since, _)| *since <= minor).map(|(_, rule)| *rule);
    let strict: Vec<&Row> = match level.level {
        Level::Privileged => return Vec::new(),
        Level::Baseline => Vec::new(),
        Level::Restricted => RESTRICTED.iter().filter(|row| form(row).is_some()).collect(),
    };
    let replaced = |row: &&Row| strict.iter().any(|s| s.instead_of == row.name);
    let weak = BASELINE.iter().filter(|row| !replaced(row));
    weak.chain(strict.iter().copied()).filter_map(form).collect()
}
