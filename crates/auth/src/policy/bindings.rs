//! Who has the cluster roles.

use super::{account, meta, role_ref, subject};
use crate::bootstrap_token::DEFAULT_NODE_GROUP;
use crate::pki::KUBELET_CLIENT;
use corten_api::rbac::v1::{ClusterRoleBinding, Subject};
use corten_semantics::identity::{
    AUTHENTICATED, CONTROLLER_MANAGER, MASTERS, NODES, PROXY, SCHEDULER, SERVICE_ACCOUNTS, UNAUTHENTICATED,
};

pub(super) fn all() -> Vec<ClusterRoleBinding> {
    let user = |name: &str| subject("User", name);
    let group = |name: &str| subject("Group", name);
    let mut all = vec![
        of_role("cluster-admin", vec![group(MASTERS)]),
        of_role("system:monitoring", vec![group("system:monitoring")]),
        of_role("system:discovery", vec![group(AUTHENTICATED)]),
        of_role("system:basic-user", vec![group(AUTHENTICATED)]),
        of_role("system:public-info-viewer", vec![group(AUTHENTICATED), group(UNAUTHENTICATED)]),
        of_role("system:node-proxier", vec![user(PROXY)]),
        of_role("system:kube-controller-manager", vec![user(CONTROLLER_MANAGER)]),
        of_role("system:kube-dns", vec![account("kube-dns")]),
        of_role("system:kube-scheduler", vec![user(SCHEDULER)]),
        of_role("system:volume-scheduler", vec![user(SCHEDULER)]),
        // The Node authorizer speaks for nodes; the binding is kept empty, as upstream keeps it.
        of_role("system:node", Vec::new()),
        of_role("system:service-account-issuer-discovery", vec![group(SERVICE_ACCOUNTS)]),
    ];
    // Who may join and call nodes; kubeadm's names where it has them. A node's own service proxy and DNS
    // work as the node.
    const CERTIFICATES: &str = "system:certificates.k8s.io:certificatesigningrequests";
    all.extend([
        binding("kubeadm:kubelet-bootstrap", "system:node-bootstrapper", group(DEFAULT_NODE_GROUP)),
        binding(
            "kubeadm:node-autoapprove-bootstrap",
            &format!("{CERTIFICATES}:nodeclient"),
            group(DEFAULT_NODE_GROUP),
        ),
        binding(
            "kubeadm:node-autoapprove-certificate-rotation",
            &format!("{CERTIFICATES}:selfnodeclient"),
            group(NODES),
        ),
        binding(
            "corten:node-autoapprove-server-certificate",
            &format!("{CERTIFICATES}:selfnodeserver"),
            group(NODES),
        ),
        binding(
            "corten:kubelet-serving-approver",
            "system:certificates.k8s.io:kubelet-serving-approver",
            account("certificate-controller"),
        ),
        binding("corten:node-proxier", "system:node-proxier", group(NODES)),
        binding("corten:kubelet-api-admin", "system:kubelet-api-admin", user(KUBELET_CLIENT)),
    ]);
    all
}

/// A binding named as its role.
fn of_role(role: &str, subjects: Vec<Subject>) -> ClusterRoleBinding {
    ClusterRoleBinding { metadata: meta("", role), role_ref: role_ref("ClusterRole", role), subjects }
}

fn binding(name: &str, role: &str, subject: Subject) -> ClusterRoleBinding {
    ClusterRoleBinding { metadata: meta("", name), ..of_role(role, vec![subject]) }
}
