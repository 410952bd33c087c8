//! Cluster roles for users, components and nodes, apart from those that gather others.

use super::{READ, READ_UPDATE, READ_WRITE, aggregate, cluster_role, events, named, node_rules, paths, rule};
use crate::csr::{CLIENT_SIGNER, KUBELET_CLIENT_SIGNER, KUBELET_SERVING_SIGNER};
use corten_api::rbac::v1::{ClusterRole, PolicyRule};

pub(super) fn all() -> Vec<ClusterRole> {
    let mut all = users();
    all.extend(aggregate::roles());
    all.extend(components());
    all.extend(certificates());
    all
}

fn users() -> Vec<ClusterRole> {
    let health = "/livez /readyz /healthz";
    vec![
        cluster_role("cluster-admin", vec![rule("*", "*", "*"), paths("*", "*")]),
        cluster_role(
            "system:discovery",
            vec![paths(
                "get",
                &format!("{health} /version /version/ /openapi /openapi/* /api /api/* /apis /apis/*"),
            )],
        ),
        cluster_role(
            "system:monitoring",
            vec![
                paths("get", &format!("/metrics /metrics/slis {health} /livez/* /readyz/* /healthz/*")),
                rule("get", "core", "nodes/metrics"),
            ],
        ),
        cluster_role(
            "system:basic-user",
            vec![
                rule("create", "authorization.k8s.io", "selfsubjectaccessreviews selfsubjectrulesreviews"),
                rule("create", "authentication.k8s.io", "selfsubjectreviews"),
            ],
        ),
        cluster_role(
            "system:public-info-viewer",
            vec![paths("get", &format!("{health} /version /version/"))],
        ),
        cluster_role(
            "system:service-account-issuer-discovery",
            vec![paths(
                "get",
                "/.well-known/openid-configuration /.well-known/openid-configuration/ \
                 /openid/v1/jwks /openid/v1/jwks/",
            )],
        ),
    ]
}

fn components() -> Vec<ClusterRole> {
    let delegate = || {
        vec![
            rule("create", "authentication.k8s.io", "tokenreviews"),
            rule("create", "authorization.k8s.io", "subjectaccessreviews"),
        ]
    };
    vec![
        cluster_role(
            "system:heapster",
            vec![rule(READ, "core", "events pods nodes namespaces"), rule(READ, "extensions", "deployments")],
        ),
        cluster_role("system:node", node_rules().to_vec()),
        cluster_role(
            "system:node-problem-detector",
            vec![rule("get", "core", "nodes"), rule("patch", "core", "nodes/status"), events()],
        ),
        cluster_role(
            "system:node-bootstrapper",
            vec![rule("create get list watch", "certificates.k8s.io", "certificatesigningrequests")],
        ),
        cluster_role("system:auth-delegator", delegate()),
        cluster_role("system:kube-aggregator", vec![rule(READ, "core", "services endpoints")]),
        cluster_role("system:kube-controller-manager", controller_manager(delegate())),
        cluster_role("system:kube-dns", vec![rule("list watch", "core", "endpoints services")]),
        cluster_role(
            "system:persistent-volume-provisioner",
            vec![
                rule("get list watch create delete", "core", "persistentvolumes"),
                rule("get list watch update", "core", "persistentvolumeclaims"),
                rule(READ, "storage.k8s.io", "storageclasses"),
                rule("watch", "core", "events"),
                events(),
            ],
        ),
        cluster_role(
            "system:volume-scheduler",
            vec![
                rule(READ_UPDATE, "core", "persistentvolumes"),
                rule(READ, "storage.k8s.io", "storageclasses"),
                rule(READ_UPDATE, "core", "persistentvolumeclaims"),
            ],
        ),
        cluster_role(
            "system:kubelet-api-admin",
            vec![
                rule(READ, "core", "nodes"),
                rule("proxy", "core", "nodes"),
                rule("*", "core", "nodes/proxy nodes/metrics nodes/stats nodes/log"),
                rule("*", "core", "nodes/pods nodes/healthz nodes/configz"),
            ],
        ),
        cluster_role(
            "system:node-proxier",
            vec![
                rule("list watch", "core", "services endpoints"),
                rule(READ, "core", "nodes"),
                events(),
                rule("list watch", "networking.k8s.io", "servicecidrs"),
                rule("list watch", "discovery.k8s.io", "endpointslices"),
            ],
        ),
        cluster_role("system:kube-scheduler", scheduler(delegate())),
    ]
}

fn controller_manager(delegate: Vec<PolicyRule>) -> Vec<PolicyRule> {
    let mut rules = vec![
        events(),
        rule("create", "coordination.k8s.io", "leases"),
        named("get update", "coordination.k8s.io", "leases", "kube-controller-manager"),
        rule("create", "core", "secrets serviceaccounts"),
        rule("delete", "core", "secrets"),
        rule("get", "core", "namespaces secrets serviceaccounts configmaps"),
        rule("update", "core", "secrets serviceaccounts"),
        rule("list watch", "*", "*"),
        rule("create", "core", "serviceaccounts/token"),
    ];
    rules.extend(delegate);
    rules
}

fn scheduler(delegate: Vec<PolicyRule>) -> Vec<PolicyRule> {
    let mut rules = vec![
        events(),
        rule("create", "coordination.k8s.io", "leases"),
        named("get update list watch", "coordination.k8s.io", "leases", "kube-scheduler"),
        rule(READ_WRITE, "coordination.k8s.io", "leasecandidates"),
        rule(READ, "core", "nodes"),
        rule("get list watch delete", "core", "pods"),
        rule("create", "core", "pods/binding bindings"),
        rule("patch update", "core", "pods/status"),
        rule(READ, "core", "services replicationcontrollers"),
        rule(READ, "apps extensions", "replicasets"),
        rule(READ, "apps", "statefulsets"),
        rule(READ, "policy", "poddisruptionbudgets"),
        rule(READ, "core", "persistentvolumeclaims persistentvolumes"),
        rule(READ, "storage.k8s.io", "csinodes"),
        rule(READ, "storage.k8s.io", "volumeattachments"),
        rule(READ, "core", "namespaces"),
        rule(READ, "storage.k8s.io", "csidrivers"),
        rule(READ, "storage.k8s.io", "csistoragecapacities"),
        rule(READ, "resource.k8s.io", "deviceclasses"),
        rule(READ_UPDATE, "resource.k8s.io", "resourceclaims"),
        rule(READ_UPDATE, "resource.k8s.io", "resourceclaims/status"),
        rule("update", "core", "pods/finalizers"),
        rule(READ, "resource.k8s.io", "resourceslices"),
    ];
    rules.extend(delegate);
    rules
}

fn certificates() -> Vec<ClusterRole> {
    const GROUP: &str = "certificates.k8s.io";
    let asker = |kind: &str| {
        cluster_role(
            &format!("system:certificates.k8s.io:certificatesigningrequests:{kind}"),
            vec![rule("create", GROUP, &format!("certificatesigningrequests/{kind}"))],
        )
    };
    let approver = |name: &str, signer: &str| {
        cluster_role(
            &format!("system:certificates.k8s.io:{name}-approver"),
            vec![named("approve", GROUP, "signers", signer)],
        )
    };
    vec![
        asker("nodeclient"),
        asker("selfnodeserver"),
        asker("selfnodeclient"),
        approver("legacy-unknown", "kubernetes.io/legacy-unknown"),
        approver("kubelet-serving", KUBELET_SERVING_SIGNER),
        approver("kube-apiserver-client", CLIENT_SIGNER),
        approver("kube-apiserver-client-kubelet", KUBELET_CLIENT_SIGNER),
    ]
}
