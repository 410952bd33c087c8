//! The plain, ordered list of controllers.

use crate::shell::Controller;
use crate::*;
use std::sync::Arc;

/// One of each.
pub fn controllers(context: &Context) -> Vec<Arc<dyn Controller>> {
    vec![
        Arc::new(service_account::ServiceAccounts::new(context)),
        Arc::new(root_ca::RootCa::new(context)),
        Arc::new(namespace::Namespaces::new(context)),
        Arc::new(certificates::Certificates::new(context)),
        Arc::new(cluster_dns::ClusterDns::new(context)),
        Arc::new(node_ipam::NodeRanges::new(context)),
        Arc::new(node_lifecycle::NodeLifecycle::new(context)),
        Arc::new(taint_eviction::TaintEviction::new(context)),
        Arc::new(deployment::Deployments::new(context)),
        Arc::new(replica_set::ReplicaSets::new(context)),
        Arc::new(replication::ReplicationControllers::new(context)),
        Arc::new(endpoint_slice::EndpointSlices::new(context)),
        Arc::new(endpoints::EndpointsObjects::new(context)),
        Arc::new(pod_gc::PodGc::new(context)),
        Arc::new(garbage_collector::GarbageCollector::new(context)),
        Arc::new(resource_quota::ResourceQuotas::new(context)),
    ]
}
