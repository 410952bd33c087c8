//! The plain, ordered list of controllers.

use crate::replicas::Replicas;
use crate::shell::Controller;
use crate::*;
use corten_api::apps::v1::ReplicaSet;
use corten_api::core::v1::ReplicationController;
use std::sync::Arc;

type Make = fn(&Context) -> Arc<dyn Controller>;

/// One controller.
pub struct Row {
    /// Its name in logs and in [`Choice`], which is upstream's where that has it.
    pub name: &'static str,
    /// The service account that it acts as, under upstream's name; empty for the identity that all have together.
    account: &'static str,
    make: Make,
}

impl Row {
    /// Makes it, so that it follows what it cares for.
    pub fn begin(&self, context: &Context) -> Arc<dyn Controller> {
        match self.account {
            "" => (self.make)(context),
            account => (self.make)(&context.acting_as(account)),
        }
    }
}

const fn row(name: &'static str, account: &'static str, make: Make) -> Row {
    Row { name, account, make }
}

/// All of them.
pub static CONTROLLERS: &[Row] = &[
    row("serviceaccount-controller", "service-account-controller", |c| {
        Arc::new(service_account::ServiceAccounts::new(c))
    }),
    row("serviceaccount-token-controller", "", |c| {
        Arc::new(service_account_tokens::ServiceAccountTokens::new(c))
    }),
    row("legacy-serviceaccount-token-cleaner-controller", "legacy-service-account-token-cleaner", |c| {
        Arc::new(legacy_token_cleaner::LegacyTokenCleaner::new(c))
    }),
    row("root-ca-certificate-publisher-controller", "root-ca-cert-publisher", |c| {
        Arc::new(root_ca::RootCa::new(c))
    }),
    row("namespace-controller", "namespace-controller", |c| Arc::new(namespace::Namespaces::new(c))),
    row("certificatesigningrequest-signing-controller", "certificate-controller", |c| {
        Arc::new(certificates::Certificates::new(c))
    }),
    row("cluster-dns-controller", "cluster-dns-controller", |c| Arc::new(cluster_dns::ClusterDns::new(c))),
    row("node-ipam-controller", "node-controller", |c| Arc::new(node_ipam::NodeRanges::new(c))),
    row("node-lifecycle-controller", "node-controller", |c| Arc::new(node_lifecycle::NodeLifecycle::new(c))),
    row("taint-eviction-controller", "node-controller", |c| Arc::new(taint_eviction::TaintEviction::new(c))),
    row("deployment-controller", "deployment-controller", |c| Arc::new(deployment::Deployments::new(c))),
    row("replicaset-controller", "replicaset-controller", |c| Arc::new(Replicas::<ReplicaSet>::new(c))),
    row("replicationcontroller-controller", "replication-controller", |c| {
        Arc::new(Replicas::<ReplicationController>::new(c))
    }),
    row("endpointslice-controller", "endpointslice-controller", |c| {
        Arc::new(endpoint_slice::EndpointSlices::new(c))
    }),
    row("endpoints-controller", "endpoint-controller", |c| Arc::new(endpoints::EndpointsObjects::new(c))),
    row("service-cidr-controller", "service-cidrs-controller", |c| {
        Arc::new(service_cidrs::ServiceCidrs::new(c))
    }),
    row("pod-garbage-collector-controller", "pod-garbage-collector", |c| Arc::new(pod_gc::PodGc::new(c))),
    row("garbage-collector-controller", "generic-garbage-collector", |c| {
        Arc::new(garbage_collector::GarbageCollector::new(c))
    }),
    row("resourcequota-controller", "resourcequota-controller", |c| {
        Arc::new(resource_quota::ResourceQuotas::new(c))
    }),
];
