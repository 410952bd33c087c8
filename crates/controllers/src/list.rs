//! The plain, ordered list of controllers.

use crate::replicas::Replicas;
use crate::shell::Controller;
use crate::*;
use corten_api::apps::v1::ReplicaSet;
use corten_api::core::v1::ReplicationController;
use std::sync::Arc;

/// One of each, under the identity that upstream gives it.
pub fn controllers(context: &Context) -> Vec<Arc<dyn Controller>> {
    let own = |account: &str| context.acting_as(account);
    vec![
        Arc::new(service_account::ServiceAccounts::new(&own("service-account-controller"))),
        Arc::new(service_account_tokens::ServiceAccountTokens::new(context)),
        Arc::new(legacy_token_cleaner::LegacyTokenCleaner::new(&own("legacy-service-account-token-cleaner"))),
        Arc::new(root_ca::RootCa::new(&own("root-ca-cert-publisher"))),
        Arc::new(namespace::Namespaces::new(&own("namespace-controller"))),
        Arc::new(certificates::Certificates::new(&own("certificate-controller"))),
        Arc::new(cluster_dns::ClusterDns::new(&own("cluster-dns-controller"))),
        Arc::new(node_ipam::NodeRanges::new(&own("node-controller"))),
        Arc::new(node_lifecycle::NodeLifecycle::new(&own("node-controller"))),
        Arc::new(taint_eviction::TaintEviction::new(&own("node-controller"))),
        Arc::new(deployment::Deployments::new(&own("deployment-controller"))),
        Arc::new(Replicas::<ReplicaSet>::new(&own("replicaset-controller"))),
        Arc::new(Replicas::<ReplicationController>::new(&own("replication-controller"))),
        Arc::new(endpoint_slice::EndpointSlices::new(&own("endpointslice-controller"))),
        Arc::new(endpoints::EndpointsObjects::new(&own("endpoint-controller"))),
        Arc::new(service_cidrs::ServiceCidrs::new(&own("service-cidrs-controller"))),
        Arc::new(pod_gc::PodGc::new(&own("pod-garbage-collector"))),
        Arc::new(garbage_collector::GarbageCollector::new(&own("generic-garbage-collector"))),
        Arc::new(resource_quota::ResourceQuotas::new(&own("resourcequota-controller"))),
    ]
}
