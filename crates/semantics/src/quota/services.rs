//! Services: their number, that of their node ports, and that of load balancers.

use super::one;
use crate::resources::ResourceList;
use corten_api::Quantity;
use corten_api::core::v1::Service;

const NAMES: [&str; 4] = ["count/services", "services", "services.loadbalancers", "services.nodeports"];

pub(super) fn matches(name: &str) -> bool {
    NAMES.contains(&name)
}

pub(super) fn usage(service: &Service) -> ResourceList {
    let spec = &service.spec;
    let balanced = spec.type_ == "LoadBalancer";
    // Ports may not be allocated yet; what counts is that they will be.
    let ports = match spec.type_.as_str() {
        "LoadBalancer" if spec.allocate_load_balancer_node_ports == Some(false) => {
            spec.ports.iter().filter(|p| p.node_port != 0).count()
        }
        "LoadBalancer" | "NodePort" => spec.ports.len(),
        _ => 0,
    };
    let mut usage = one("count/services");
    usage.insert("services".into(), Quantity::whole(1));
    usage.insert("services.loadbalancers".into(), Quantity::whole(i64::from(balanced)));
    usage.insert("services.nodeports".into(), Quantity::whole(i64::try_from(ports).unwrap_or(i64::MAX)));
    usage
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::core::v1::ServicePort;

    #[test]
    fn ports_and_balancers_count_by_type() {
        for (kind, allocate, balancers, ports) in [
            ("ClusterIP", None, 0, 0),
            ("NodePort", None, 0, 2),
            ("LoadBalancer", None, 1, 2),
            ("LoadBalancer", Some(false), 1, 1),
            ("ExternalName", None, 0, 0),
        ] {
            let mut service = Service::default();
            service.spec.type_ = kind.into();
            service.spec.allocate_load_balancer_node_ports = allocate;
            service.spec.ports =
                vec![ServicePort { node_port: 30000, ..Default::default() }, ServicePort::default()];
            let used = usage(&service);
            let want = (Quantity::whole(balancers), Quantity::whole(ports));
            assert_eq!(
                (used["services.loadbalancers"], used["services.nodeports"]),
                want,
                "{kind} {allocate:?}"
            );
        }
    }
}
