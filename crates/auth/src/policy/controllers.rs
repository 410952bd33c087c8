//! A role for each controller, bound to the service account of its name in `kube-system`.

use super::{READ, account, cluster_role, events, meta, named, role_ref, rule};
use crate::csr::{CLIENT_SIGNER, KUBELET_CLIENT_SIGNER, KUBELET_SERVING_SIGNER};
use corten_api::rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule};

const PREFIX: &str = "system:controller:";
const LEGACY_APPS: &str = "apps extensions";

pub(super) fn roles() -> Vec<ClusterRole> {
    all().into_iter().map(|(name, rules)| cluster_role(&format!("{PREFIX}{name}"), rules)).collect()
}

pub(super) fn bindings() -> Vec<ClusterRoleBinding> {
    let bind = |name: &str| {
        let role = format!("{PREFIX}{name}");
        ClusterRoleBinding {
            metadata: meta("", &role),
            role_ref: role_ref("ClusterRole", &role),
            subjects: vec![account(name)],
        }
    };
    all().iter().map(|(name, _)| bind(name)).collect()
}

type Controller = (&'static str, Vec<PolicyRule>);

fn all() -> Vec<Controller> {
    let mut all = workloads();
    all.extend(scaling());
    all.extend(services());
    all.extend(nodes());
    all.extend(volumes());
    all.extend(cluster());
    all
}

fn workloads() -> Vec<Controller> {
    let pods = || rule("list watch patch create delete", "core", "pods");
    vec![
        (
            "cronjob-controller",
            vec![
                rule("get list watch update", "batch", "cronjobs"),
                rule("get list watch create update delete patch", "batch", "jobs"),
                rule("update", "batch", "cronjobs/status"),
                rule("update", "batch", "cronjobs/finalizers"),
                rule("list watch delete", "core", "pods"),
                events(),
            ],
        ),
        (
            "daemon-set-controller",
            vec![
                rule(READ, LEGACY_APPS, "daemonsets"),
                rule("update", LEGACY_APPS, "daemonsets/status"),
                rule("update", LEGACY_APPS, "daemonsets/finalizers"),
                rule("list watch", "core", "nodes"),
                pods(),
                rule("create", "core", "pods/binding"),
                rule("get list watch create delete update patch", "apps", "controllerrevisions"),
                events(),
            ],
        ),
        (
            "deployment-controller",
            vec![
                rule("get list watch update", LEGACY_APPS, "deployments"),
                rule("update", LEGACY_APPS, "deployments/status"),
                rule("update", LEGACY_APPS, "deployments/finalizers"),
                rule("get list watch create update patch delete", LEGACY_APPS, "replicasets"),
                rule("get list watch update", "core", "pods"),
                events(),
            ],
        ),
        (
            "job-controller",
            vec![
                rule("get list watch update patch", "batch", "jobs"),
                rule("update", "batch", "jobs/status"),
                rule("update", "batch", "jobs/finalizers"),
                pods(),
                events(),
            ],
        ),
        (
            "replicaset-controller",
            vec![
                rule("get list watch update", LEGACY_APPS, "replicasets"),
                rule("update", LEGACY_APPS, "replicasets/status"),
                rule("update", LEGACY_APPS, "replicasets/finalizers"),
                pods(),
                events(),
            ],
        ),
        (
            "replication-controller",
            vec![
                rule("get list watch update", "core", "replicationcontrollers"),
                rule("update", "core", "replicationcontrollers/status"),
                rule("update", "core", "replicationcontrollers/finalizers"),
                pods(),
                events(),
            ],
        ),
        (
            "statefulset-controller",
            vec![
                rule("list watch", "core", "pods"),
                rule(READ, "apps", "statefulsets"),
                rule("update", "apps", "statefulsets/status"),
                rule("update", "apps", "statefulsets/finalizers"),
                rule("get create delete update patch", "core", "pods"),
                rule("get create delete update patch list watch", "apps", "controllerrevisions"),
                rule("get create list watch", "core", "persistentvolumeclaims"),
                rule("update delete", "core", "persistentvolumeclaims"),
                rule("update", "core", "pods/finalizers"),
                events(),
            ],
        ),
        ("ttl-after-finished-controller", vec![rule("get list watch delete", "batch", "jobs"), events()]),
    ]
}

fn scaling() -> Vec<Controller> {
    vec![
        (
            "disruption-controller",
            vec![
                rule(READ, LEGACY_APPS, "deployments"),
                rule(READ, LEGACY_APPS, "replicasets"),
                rule(READ, "core", "replicationcontrollers"),
                rule(READ, "policy", "poddisruptionbudgets"),
                rule(READ, "apps", "statefulsets"),
                rule("update", "policy", "poddisruptionbudgets/status"),
                rule("patch update", "core", "pods/status"),
                rule("get", "*", "*/scale"),
                events(),
            ],
        ),
        (
            "horizontal-pod-autoscaler",
            vec![
                rule(READ, "autoscaling", "horizontalpodautoscalers"),
                rule("update", "autoscaling", "horizontalpodautoscalers/status"),
                rule("get update", "*", "*/scale"),
                rule("list watch", "core", "pods"),
                rule("list watch", "metrics.k8s.io", "pods"),
                rule(READ, "custom.metrics.k8s.io", "*"),
                rule(READ, "external.metrics.k8s.io", "*"),
                events(),
            ],
        ),
    ]
}

fn services() -> Vec<Controller> {
    let slices = || rule("get list watch create update delete", "discovery.k8s.io", "endpointslices");
    vec![
        (
            "endpoint-controller",
            vec![
                rule(READ, "core", "services pods"),
                rule("get list watch create update delete", "core", "endpoints"),
                rule("create", "core", "endpoints/restricted"),
                events(),
            ],
        ),
        (
            "endpointslice-controller",
            vec![
                rule(READ, "core", "services pods nodes"),
                rule("update", "core", "services/finalizers"),
                slices(),
                events(),
            ],
        ),
        (
            "endpointslicemirroring-controller",
            vec![
                rule(READ, "core", "services endpoints"),
                rule("update", "core", "services/finalizers"),
                rule("update", "core", "endpoints/finalizers"),
                slices(),
                events(),
            ],
        ),
        (
            "service-controller",
            vec![
                rule(READ, "core", "services"),
                rule("patch update", "core", "services/status"),
                rule("list watch", "core", "nodes"),
                events(),
            ],
        ),
        (
            "service-cidrs-controller",
            vec![
                rule("get list watch patch update", "networking.k8s.io", "servicecidrs"),
                rule("patch update", "networking.k8s.io", "servicecidrs/finalizers"),
                rule("patch update", "networking.k8s.io", "servicecidrs/status"),
                rule(READ, "networking.k8s.io", "ipaddresses"),
                events(),
            ],
        ),
    ]
}

fn nodes() -> Vec<Controller> {
    vec![
        (
            "node-controller",
            vec![
                rule("get list watch update delete patch", "core", "nodes"),
                rule("patch update", "core", "nodes/status"),
                rule("patch update", "core", "pods/status"),
                rule("list watch get delete", "core", "pods"),
                events(),
            ],
        ),
        (
            "route-controller",
            vec![rule("list watch", "core", "nodes"), rule("patch", "core", "nodes/status"), events()],
        ),
        ("ttl-controller", vec![rule("update patch list watch", "core", "nodes"), events()]),
        (
            "pod-garbage-collector",
            vec![
                rule("list watch delete", "core", "pods"),
                rule(READ, "core", "nodes"),
                rule("patch", "core", "pods/status"),
            ],
        ),
        (
            "resource-claim-controller",
            vec![
                rule(READ, "core", "pods"),
                rule("update", "core", "pods/finalizers"),
                rule("get list watch create delete", "resource.k8s.io", "resourceclaims"),
                rule("update patch", "resource.k8s.io", "resourceclaims resourceclaims/status"),
                rule("update patch", "core", "pods/status"),
                events(),
            ],
        ),
    ]
}

fn volumes() -> Vec<Controller> {
    vec![
        (
            "attachdetach-controller",
            vec![
                rule("list watch", "core", "persistentvolumes persistentvolumeclaims"),
                rule(READ, "core", "nodes"),
                rule("patch update", "core", "nodes/status"),
                rule("list watch", "core", "pods"),
                events(),
                rule("get create delete list watch", "storage.k8s.io", "volumeattachments"),
                rule(READ, "storage.k8s.io", "csidrivers"),
                rule(READ, "storage.k8s.io", "csinodes"),
            ],
        ),
        (
            "expand-controller",
            vec![
                rule("get list watch update patch", "core", "persistentvolumes"),
                rule("update patch", "core", "persistentvolumeclaims/status"),
                rule(READ, "core", "persistentvolumeclaims"),
                events(),
                rule("get", "core", "services"),
            ],
        ),
        (
            "ephemeral-volume-controller",
            vec![
                rule(READ, "core", "pods"),
                rule("update", "core", "pods/finalizers"),
                rule("get list watch create", "core", "persistentvolumeclaims"),
                events(),
            ],
        ),
        (
            "persistent-volume-binder",
            vec![
                rule("get list watch update create delete", "core", "persistentvolumes"),
                rule("update", "core", "persistentvolumes/status"),
                rule("get list watch update", "core", "persistentvolumeclaims"),
                rule("update", "core", "persistentvolumeclaims/status"),
                rule("list watch get create delete", "core", "pods"),
                rule(READ, "storage.k8s.io", "storageclasses"),
                rule("list watch", "core", "nodes"),
                events(),
                rule("watch", "core", "events"),
                rule("get", "core", "services"),
            ],
        ),
        (
            "pvc-protection-controller",
            vec![
                rule("get list watch update", "core", "persistentvolumeclaims"),
                rule(READ, "core", "pods"),
                events(),
            ],
        ),
        (
            "pv-protection-controller",
            vec![rule("get list watch update", "core", "persistentvolumes"), events()],
        ),
        (
            "volumeattributesclass-protection-controller",
            vec![
                rule(READ, "core", "persistentvolumeclaims"),
                rule(READ, "core", "persistentvolumes"),
                rule("get list watch update", "storage.k8s.io", "volumeattributesclasses"),
                events(),
            ],
        ),
        (
            "selinux-warning-controller",
            vec![
                events(),
                rule(READ, "core", "persistentvolumes"),
                rule(READ, "core", "persistentvolumeclaims"),
                rule(READ, "core", "pods"),
                rule(READ, "storage.k8s.io", "csidrivers"),
            ],
        ),
    ]
}

fn cluster() -> Vec<Controller> {
    let signers = format!(
        "kubernetes.io/legacy-unknown {CLIENT_SIGNER} {KUBELET_CLIENT_SIGNER} {KUBELET_SERVING_SIGNER}"
    );
    const CERTIFICATES: &str = "certificates.k8s.io";
    vec![
        (
            "certificate-controller",
            vec![
                rule("get list watch delete", CERTIFICATES, "certificatesigningrequests"),
                rule(
                    "update",
                    CERTIFICATES,
                    "certificatesigningrequests/status certificatesigningrequests/approval",
                ),
                named("approve", CERTIFICATES, "signers", KUBELET_CLIENT_SIGNER),
                named("sign", CERTIFICATES, "signers", &signers),
                rule("create", "authorization.k8s.io", "subjectaccessreviews"),
                events(),
            ],
        ),
        (
            "clusterrole-aggregation-controller",
            vec![rule("escalate get list watch update patch", "rbac.authorization.k8s.io", "clusterroles")],
        ),
        ("generic-garbage-collector", vec![rule("get list watch patch update delete", "*", "*"), events()]),
        (
            "namespace-controller",
            vec![
                rule("get list watch delete", "core", "namespaces"),
                rule("update", "core", "namespaces/finalize namespaces/status"),
                rule("get list watch delete deletecollection", "*", "*"),
            ],
        ),
        (
            "resourcequota-controller",
            vec![rule("list watch", "*", "*"), rule("update", "core", "resourcequotas/status"), events()],
        ),
        // Ours: the Service of the cluster's DNS and its endpoints, which upstream's clusters install.
        (
            "cluster-dns-controller",
            vec![
                rule("get create update", "core", "services"),
                rule("get create update delete", "discovery.k8s.io", "endpointslices"),
            ],
        ),
        ("service-account-controller", vec![rule("create", "core", "serviceaccounts"), events()]),
        ("root-ca-cert-publisher", vec![rule("create update", "core", "configmaps"), events()]),
        (
            "validatingadmissionpolicy-status-controller",
            vec![
                rule(READ, "admissionregistration.k8s.io", "validatingadmissionpolicies"),
                rule(
                    "get patch update",
                    "admissionregistration.k8s.io",
                    "validatingadmissionpolicies/status",
                ),
                events(),
            ],
        ),
        (
            "legacy-service-account-token-cleaner",
            vec![
                named("get", "core", "configmaps", "kube-apiserver-legacy-service-account-token-tracking"),
                rule("patch delete", "core", "secrets"),
            ],
        ),
    ]
}
