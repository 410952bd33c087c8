//! NetworkPolicies.

use crate::addresses;
use crate::columns::{self, AGE, Column, NAME, row};
use crate::core::pod::probes;
use crate::errors::Errors;
use crate::names;
use crate::rules::Rules;
use crate::selectors;
use crate::strategy::KindStrategy;
use corten_api::IntOrString;
use corten_api::networking::v1::{IPBlock, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort};
use corten_semantics::field::FieldError;
use jiff::Timestamp;
use serde_json::Value;

/// NetworkPolicies.
pub struct NetworkPolicyStrategy;

impl KindStrategy for NetworkPolicyStrategy {
    type Kind = NetworkPolicy;
    const RULES: Rules = Rules::COUNTED;
    const COLUMNS: &'static [Column] = &[NAME, Column::text("Pod-Selector"), AGE];

    fn default(&self, policy: &mut NetworkPolicy) {
        let spec = &mut policy.spec;
        if spec.policy_types.is_empty() {
            spec.policy_types.push("Ingress".into());
            if !spec.egress.is_empty() {
                spec.policy_types.push("Egress".into());
            }
        }
        let incoming = spec.ingress.iter_mut().flat_map(|r| &mut r.ports);
        for port in incoming.chain(spec.egress.iter_mut().flat_map(|r| &mut r.ports)) {
            port.protocol.get_or_insert_with(|| "TCP".into());
        }
    }

    fn validate(&self, policy: &NetworkPolicy) -> Vec<FieldError> {
        let mut errors = Errors::default();
        let spec = &policy.spec;
        errors.extend(selectors::validate(&spec.pod_selector, "spec.podSelector"));
        for (i, rule) in spec.ingress.iter().enumerate() {
            rule_parts(&mut errors, &rule.ports, &rule.from, &format!("spec.ingress[{i}]"), "from");
        }
        for (i, rule) in spec.egress.iter().enumerate() {
            rule_parts(&mut errors, &rule.ports, &rule.to, &format!("spec.egress[{i}]"), "to");
        }
        if spec.policy_types.len() > 2 {
            let told = crate::metadata::strings(&spec.policy_types);
            errors.invalid("spec.policyTypes", told, "may not specify more than two policyTypes");
            return errors.into_vec();
        }
        for (i, kind) in spec.policy_types.iter().enumerate() {
            errors.supported(format!("spec.policyTypes[{i}]"), kind, &["Ingress", "Egress"]);
        }
        errors.into_vec()
    }

    fn warnings(&self, policy: &NetworkPolicy, _: Option<&NetworkPolicy>) -> Vec<String> {
        let incoming = policy.spec.ingress.iter().enumerate();
        let incoming = incoming.map(|(i, rule)| (format!("spec.ingress[{i}].from"), &rule.from));
        let outgoing = policy.spec.egress.iter().enumerate();
        let outgoing = outgoing.map(|(i, rule)| (format!("spec.egress[{i}].to"), &rule.to));
        let mut told = Vec::new();
        for (at, peers) in incoming.chain(outgoing) {
            for (j, peer) in peers.iter().enumerate() {
                let Some(block) = &peer.ip_block else { continue };
                told.extend(addresses::range_warnings(&format!("{at}[{j}].ipBlock.cidr"), &block.cidr));
                for (k, except) in block.except.iter().enumerate() {
                    told.extend(addresses::range_warnings(&format!("{at}[{j}].ipBlock.except[{k}]"), except));
                }
            }
        }
        told
    }

    fn row(&self, policy: &NetworkPolicy, now: Timestamp) -> Vec<Value> {
        row![
            policy.metadata.name.as_str(),
            columns::selector(Some(&policy.spec.pod_selector)),
            columns::age(policy.metadata.creation_timestamp, now),
        ]
    }
}

fn rule_parts(
    errors: &mut Errors,
    ports: &[NetworkPolicyPort],
    peers: &[NetworkPolicyPeer],
    path: &str,
    peers_name: &str,
) {
    for (i, port) in ports.iter().enumerate() {
        validate_port(errors, port, &format!("{path}.ports[{i}]"));
    }
    for (i, peer) in peers.iter().enumerate() {
        validate_peer(errors, peer, &format!("{path}.{peers_name}[{i}]"));
    }
}

fn validate_port(errors: &mut Errors, port: &NetworkPolicyPort, path: &str) {
    if let Some(protocol) = &port.protocol {
        errors.supported(format!("{path}.protocol"), protocol, &["TCP", "UDP", "SCTP"]);
    }
    if let Some(told) = &port.port {
        probes::port(errors, told, &format!("{path}.port"));
    }
    let Some(end) = port.end_port else { return };
    let at = format!("{path}.endPort");
    match &port.port {
        Some(IntOrString::Int(start)) => {
            if end < *start {
                errors.invalid(&at, *start, "must be greater than or equal to `port`");
            }
            for message in names::port_number(end.into()) {
                errors.invalid(&at, end, message);
            }
        }
        Some(IntOrString::String(_)) => {
            errors.invalid(at, end, "may not be specified when `port` is non-numeric");
        }
        None => errors.invalid(at, end, "may not be specified when `port` is not specified"),
    }
}

fn validate_peer(errors: &mut Errors, peer: &NetworkPolicyPeer, path: &str) {
    let mut count = 0;
    for (name, selector) in
        [("podSelector", &peer.pod_selector), ("namespaceSelector", &peer.namespace_selector)]
    {
        if let Some(selector) = selector {
            count += 1;
            errors.extend(selectors::validate(selector, &format!("{path}.{name}")));
        }
    }
    match (&peer.ip_block, count) {
        (None, 0) => errors.required(path, "must specify a peer"),
        (Some(block), 0) => validate_block(errors, block, &format!("{path}.ipBlock")),
        (Some(_), _) => errors.forbidden(path, "may not specify both ipBlock and another peer"),
        (None, _) => {}
    }
}

fn validate_block(errors: &mut Errors, block: &IPBlock, path: &str) {
    if block.cidr.is_empty() {
        errors.required(format!("{path}.cidr"), "");
        return;
    }
    addresses::range(errors, &format!("{path}.cidr"), &block.cidr);
    for (i, except) in block.except.iter().enumerate() {
        let at = format!("{path}.except[{i}]");
        addresses::range(errors, &at, except);
        if addresses::within(except, &block.cidr) == Some(false) {
            errors.invalid(at, except, "must be a strict subset of `cidr`");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::networking::v1::NetworkPolicyIngressRule;

    #[test]
    fn policies_name_peers_and_ranges() {
        let mut policy = NetworkPolicy::default();
        let block = IPBlock { cidr: "10.0.0.0/16".into(), except: vec!["10.1.0.0/24".into()] };
        policy.spec.ingress.push(NetworkPolicyIngressRule {
            from: vec![
                NetworkPolicyPeer { ip_block: Some(Box::new(block)), ..Default::default() },
                NetworkPolicyPeer::default(),
            ],
            ports: vec![NetworkPolicyPort {
                port: Some(80.into()),
                end_port: Some(70),
                ..Default::default()
            }],
        });
        KindStrategy::default(&NetworkPolicyStrategy, &mut policy);
        assert_eq!(policy.spec.policy_types, ["Ingress"]);
        assert_eq!(policy.spec.ingress[0].ports[0].protocol.as_deref(), Some("TCP"));
        let told: Vec<String> =
            KindStrategy::validate(&NetworkPolicyStrategy, &policy).iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "spec.ingress[0].ports[0].endPort: Invalid value: 80: must be greater than or equal to `port`",
                "spec.ingress[0].from[0].ipBlock.except[0]: Invalid value: \"10.1.0.0/24\": must be a strict subset of `cidr`",
                "spec.ingress[0].from[1]: Required value: must specify a peer"
            ]
        );
    }
}
