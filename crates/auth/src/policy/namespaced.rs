//! Roles and bindings inside `kube-system` and `kube-public`.

use super::{READ, account, events, meta, named, role_ref, rule, subject};
use corten_api::rbac::v1::{PolicyRule, Role, RoleBinding, Subject};
use corten_semantics::identity::{CONTROLLER_MANAGER, SCHEDULER};

const SYSTEM: &str = "kube-system";
const PUBLIC: &str = "kube-public";
const READER: &str = "extension-apiserver-authentication-reader";
const LEADER_CONTROLLERS: &str = "system::leader-locking-kube-controller-manager";
const LEADER_SCHEDULER: &str = "system::leader-locking-kube-scheduler";
const BOOTSTRAP_SIGNER: &str = "system:controller:bootstrap-signer";
const CLOUD_PROVIDER: &str = "system:controller:cloud-provider";
const TOKEN_CLEANER: &str = "system:controller:token-cleaner";

pub(super) fn roles() -> Vec<Role> {
    let leader = || {
        vec![
            rule("get watch list create update", "coordination.k8s.io", "leases"),
            rule("get watch list create update", "coordination.k8s.io", "leasecandidates"),
        ]
    };
    vec![
        role(SYSTEM, READER, vec![named(READ, "core", "configmaps", "extension-apiserver-authentication")]),
        role(SYSTEM, BOOTSTRAP_SIGNER, vec![rule(READ, "core", "secrets")]),
        role(SYSTEM, CLOUD_PROVIDER, vec![rule("create get list watch", "core", "configmaps")]),
        role(SYSTEM, TOKEN_CLEANER, vec![rule("get list watch delete", "core", "secrets"), events()]),
        role(SYSTEM, LEADER_CONTROLLERS, leader()),
        role(SYSTEM, LEADER_SCHEDULER, leader()),
        role(
            PUBLIC,
            BOOTSTRAP_SIGNER,
            vec![
                rule(READ, "core", "configmaps"),
                named("update", "core", "configmaps", "cluster-info"),
                events(),
            ],
        ),
    ]
}

pub(super) fn bindings() -> Vec<RoleBinding> {
    let user = |name: &str| subject("User", name);
    let mut reader = binding(SYSTEM, READER, vec![user(CONTROLLER_MANAGER), user(SCHEDULER)]);
    reader.metadata.name = format!("system::{READER}");
    vec![
        reader,
        binding(
            SYSTEM,
            LEADER_CONTROLLERS,
            vec![
                user(CONTROLLER_MANAGER),
                account("kube-controller-manager"),
                account("leader-election-controller"),
            ],
        ),
        binding(SYSTEM, LEADER_SCHEDULER, vec![user(SCHEDULER), account("kube-scheduler")]),
        binding(SYSTEM, BOOTSTRAP_SIGNER, vec![account("bootstrap-signer")]),
        binding(SYSTEM, CLOUD_PROVIDER, vec![account("cloud-provider")]),
        binding(SYSTEM, TOKEN_CLEANER, vec![account("token-cleaner")]),
        binding(PUBLIC, BOOTSTRAP_SIGNER, vec![account("bootstrap-signer")]),
    ]
}

fn role(namespace: &str, name: &str, rules: Vec<PolicyRule>) -> Role {
    Role { metadata: meta(namespace, name), rules }
}

fn binding(namespace: &str, role: &str, subjects: Vec<Subject>) -> RoleBinding {
    RoleBinding { metadata: meta(namespace, role), role_ref: role_ref("Role", role), subjects }
}
