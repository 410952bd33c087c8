//! Ingresses.

use crate::addresses;
use crate::columns::{self, AGE, Column, NAME, row};
use crate::errors::Errors;
use crate::names;
use crate::rules::Rules;
use crate::strategy::KindStrategy;
use corten_api::networking::v1::{HTTPIngressPath, Ingress, IngressBackend};
use corten_semantics::field::FieldError;
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeSet;

/// Named the class before there was a field for it.
const CLASS: &str = "kubernetes.io/ingress.class";

/// Ingresses.
pub struct IngressStrategy;

impl KindStrategy for IngressStrategy {
    type Kind = Ingress;
    const RULES: Rules = Rules::COUNTED;
    const COLUMNS: &'static [Column] = &[
        NAME,
        Column::text("Class"),
        Column::text("Hosts"),
        Column::text("Address"),
        Column::text("Ports"),
        AGE,
    ];

    fn validate(&self, ingress: &Ingress) -> Vec<FieldError> {
        let mut errors = Errors::default();
        let spec = &ingress.spec;
        if spec.rules.is_empty() && spec.default_backend.is_none() {
            let none = crate::metadata::Shown("null".into());
            errors.invalid("spec", none, "either `defaultBackend` or `rules` must be specified");
        }
        if let Some(backend) = &spec.default_backend {
            validate_backend(&mut errors, backend, "spec.defaultBackend");
        }
        for (i, rule) in spec.rules.iter().enumerate() {
            let path = format!("spec.rules[{i}]");
            if !rule.host.is_empty() {
                validate_host(&mut errors, &rule.host, &format!("{path}.host"));
            }
            let Some(http) = &rule.ingress_rule_value.http else { continue };
            if http.paths.is_empty() {
                errors.required(format!("{path}.http.paths"), "");
            }
            for (p, one) in http.paths.iter().enumerate() {
                validate_path(&mut errors, one, &format!("{path}.http.paths[{p}]"));
            }
        }
        for (i, tls) in spec.tls.iter().enumerate() {
            for (h, host) in tls.hosts.iter().enumerate() {
                let check = if host.contains('*') { names::wildcard_subdomain } else { names::dns_subdomain };
                errors.format(&format!("spec.tls[{i}].hosts[{h}]"), host, check);
            }
            if !tls.secret_name.is_empty() {
                let path = format!("spec.tls[{i}].secretName");
                errors.format(&path, &tls.secret_name, names::dns_subdomain);
            }
        }
        if let Some(class) = &spec.ingress_class_name {
            errors.format("spec.ingressClassName", class, names::dns_subdomain);
        }
        let annotated = ingress.metadata.annotations.get(CLASS);
        if let (Some(told), Some(class)) = (annotated, &spec.ingress_class_name)
            && told != class
        {
            let detail = "must match `ingressClassName` when both are specified";
            errors.invalid(format!("annotations.{CLASS}"), told, detail);
        }
        errors.into_vec()
    }

    /// The annotation counts at creation only.
    fn validate_update(&self, new: &Ingress, _old: &Ingress) -> Vec<FieldError> {
        let mut wrong = KindStrategy::validate(self, new);
        wrong.retain(|error| !error.path.starts_with("annotations."));
        wrong
    }

    fn validate_status_update(&self, new: &Ingress, _old: &Ingress) -> Vec<FieldError> {
        let mut errors = Errors::default();
        for (i, point) in new.status.load_balancer.ingress.iter().enumerate() {
            let path = format!("status.loadBalancer.ingress[{i}]");
            if !point.ip.is_empty() {
                addresses::address(&mut errors, &format!("{path}.ip"), &point.ip);
            }
            if !point.hostname.is_empty() {
                let at = format!("{path}.hostname");
                errors.format(&at, &point.hostname, names::dns_subdomain);
                if addresses::parse(&point.hostname).is_some() {
                    errors.invalid(at, &point.hostname, "must be a DNS name, not an IP address");
                }
            }
        }
        errors.into_vec()
    }

    fn warnings(&self, ingress: &Ingress, old: Option<&Ingress>) -> Vec<String> {
        let annotated = ingress.metadata.annotations.contains_key(CLASS);
        if old.is_some() || !annotated || ingress.spec.ingress_class_name.is_some() {
            return Vec::new();
        }
        vec![format!("annotation {CLASS:?} is deprecated, please use 'spec.ingressClassName' instead")]
    }

    fn row(&self, ingress: &Ingress, now: Timestamp) -> Vec<Value> {
        let spec = &ingress.spec;
        let addresses: BTreeSet<&str> = ingress
            .status
            .load_balancer
            .ingress
            .iter()
            .map(|i| if i.ip.is_empty() { i.hostname.as_str() } else { i.ip.as_str() })
            .filter(|a| !a.is_empty())
            .collect();
        row![
            ingress.metadata.name.as_str(),
            spec.ingress_class_name.as_deref().unwrap_or("<none>"),
            hosts(ingress),
            addresses.into_iter().collect::<Vec<_>>().join(","),
            if spec.tls.is_empty() { "80" } else { "80, 443" },
            columns::age(ingress.metadata.creation_timestamp, now),
        ]
    }
}

fn hosts(ingress: &Ingress) -> String {
    let rules = &ingress.spec.rules;
    let mut named = rules.iter().enumerate().filter(|(_, rule)| !rule.host.is_empty());
    let (places, first): (Vec<usize>, Vec<&str>) =
        named.by_ref().take(3).map(|(at, rule)| (at, rule.host.as_str())).unzip();
    match places.get(2) {
        // Rules without a host are told of too, where they follow three with one.
        Some(third) if third + 1 < rules.len() => {
            format!("{} + {} more...", first.join(","), rules.len() - 3)
        }
        None if first.is_empty() => "*".into(),
        _ => first.join(","),
    }
}

fn validate_host(errors: &mut Errors, host: &str, path: &str) {
    if addresses::parse(host).is_some() {
        errors.invalid(path, host, "must be a DNS name, not an IP address");
    }
    let check = if host.contains('*') { names::wildcard_subdomain } else { names::dns_subdomain };
    errors.format(path, host, check);
}

fn validate_path(errors: &mut Errors, one: &HTTPIngressPath, path: &str) {
    let at = format!("{path}.path");
    let told = one.path.as_str();
    let Some(kind) = one.path_type.as_deref() else {
        errors.required(format!("{path}.pathType"), "pathType must be specified");
        return;
    };
    let kinds = &["Exact", "ImplementationSpecific", "Prefix"];
    errors.supported(format!("{path}.pathType"), kind, kinds);
    let strict = kind == "Exact" || kind == "Prefix";
    if !told.starts_with('/') && (strict || !told.is_empty()) {
        errors.invalid(&at, told, "must be an absolute path");
    }
    for part in ["//", "/./", "/../", "%2f", "%2F"].iter().filter(|p| strict && told.contains(**p)) {
        errors.invalid(&at, told, format!("must not contain '{part}'"));
    }
    for end in ["/..", "/."].iter().filter(|e| strict && told.ends_with(**e)) {
        errors.invalid(&at, told, format!("cannot end with '{end}'"));
    }
    validate_backend(errors, &one.backend, &format!("{path}.backend"));
}

fn validate_backend(errors: &mut Errors, backend: &IngressBackend, path: &str) {
    let service = match (&backend.service, &backend.resource) {
        (Some(_), Some(_)) => {
            errors.invalid(path, "", "cannot set both resource and service backends");
            return;
        }
        (None, None) => {
            errors.invalid(path, "", "resource or service backend is required");
            return;
        }
        (None, Some(resource)) => {
            if let Some(group) = &resource.api_group {
                errors.format(&format!("{path}.resource.apiGroup"), group, names::dns_subdomain);
            }
            for (name, value) in [("kind", &resource.kind), ("name", &resource.name)] {
                let at = format!("{path}.resource.{name}");
                if value.is_empty() {
                    errors.required(at, "");
                } else {
                    errors.format(&at, value, |text| names::path_segment(text, false));
                }
            }
            return;
        }
        (Some(service), None) => service,
    };
    let at = format!("{path}.service.name");
    if service.name.is_empty() {
        errors.required(at, "");
    } else {
        errors.format(&at, &service.name, names::dns_1035_label);
    }
    match (service.port.name.as_str(), service.port.number) {
        ("", 0) => errors.required(path, "port name or number is required"),
        ("", number) => {
            for message in names::port_number(number.into()) {
                errors.invalid(format!("{path}.service.port.number"), number, message);
            }
        }
        (name, 0) => errors.format(&format!("{path}.service.port.name"), name, names::port_name),
        _ => errors.invalid(path, "", "cannot set both port name & port number"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::networking::v1::{HTTPIngressRuleValue, IngressRule, IngressRuleValue};

    #[test]
    fn paths_lead_to_a_port_of_a_service() {
        let mut ingress = Ingress::default();
        let path =
            HTTPIngressPath { path: "web".into(), path_type: Some("Prefix".into()), ..Default::default() };
        ingress.spec.rules.push(IngressRule {
            host: "*.example.com".into(),
            ingress_rule_value: IngressRuleValue {
                http: Some(Box::new(HTTPIngressRuleValue { paths: vec![path] })),
            },
        });
        let told: Vec<String> =
            KindStrategy::validate(&IngressStrategy, &ingress).iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "spec.rules[0].http.paths[0].path: Invalid value: \"web\": must be an absolute path",
                "spec.rules[0].http.paths[0].backend: Invalid value: \"\": resource or service backend is required"
            ]
        );
    }
}
