//! How a pod's containers resolve names: the `resolv.conf` of its policy (upstream's `dns.Configurer`), and what
//! of it could not be had.

use super::sandbox::Resolver;
use corten_api::core::v1::Pod;
use corten_node_api::cri::DnsConfig;

/// More of them a `resolv.conf` does not take.
const MOST_SERVERS: usize = 3;
const MOST_SEARCHES: usize = 32;
const MOST_SEARCH_CHARACTERS: usize = 2048;
/// Resolvers give up on a longer name.
const LONGEST_SEARCH: usize = 253;

/// A pod's `resolv.conf`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dns {
    pub config: DnsConfig,
    /// What a person should know of it: reasons and messages of events.
    pub warnings: Vec<(&'static str, String)>,
}

/// The pod's `resolv.conf` by its policy.
pub fn dns(pod: &Pod, resolver: &Resolver) -> Dns {
    let mut warnings = Vec::new();
    let mut config = match pod.spec.dns_policy.as_str() {
        "None" => DnsConfig::default(),
        "Default" => resolver.host.clone(),
        "ClusterFirstWithHostNet" => cluster_first(pod, resolver, &mut warnings),
        _ if pod.spec.host_network => resolver.host.clone(),
        _ => cluster_first(pod, resolver, &mut warnings),
    };
    if let Some(own) = &pod.spec.dns_config {
        extend_new(&mut config.servers, &own.nameservers);
        extend_new(&mut config.searches, &own.searches);
        for option in &own.options {
            config.options.retain(|o| o.split(':').next() != Some(option.name.as_str()));
            config.options.push(match &option.value {
                Some(value) => format!("{}:{value}", option.name),
                None => option.name.clone(),
            });
        }
    }
    limit(&mut config, &mut warnings);
    Dns { config, warnings }
}

fn cluster_first(pod: &Pod, resolver: &Resolver, warnings: &mut Vec<(&'static str, String)>) -> DnsConfig {
    if resolver.cluster_dns.is_empty() {
        let m = &pod.metadata;
        let message = format!(
            "pod: \"{}_{}({})\". kubelet does not have ClusterDNS IP configured and cannot create Pod using \
             \"ClusterFirst\" policy. Falling back to \"Default\" policy.",
            m.name, m.namespace, m.uid
        );
        warnings.push(("MissingClusterDNS", message));
        return resolver.host.clone();
    }
    let mut searches = resolver.host.searches.clone();
    let domain = &resolver.domain;
    if !domain.is_empty() {
        searches =
            vec![format!("{}.svc.{domain}", pod.metadata.namespace), format!("svc.{domain}"), domain.clone()];
        extend_new(&mut searches, &resolver.host.searches);
    }
    DnsConfig { servers: resolver.cluster_dns.clone(), searches, options: vec!["ndots:5".into()] }
}

/// Leaves out what resolvers do not take.
fn limit(config: &mut DnsConfig, warnings: &mut Vec<(&'static str, String)>) {
    if config.servers.len() > MOST_SERVERS {
        config.servers.truncate(MOST_SERVERS);
        let message = format!(
            "Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line is: {}",
            config.servers.join(" ")
        );
        warnings.push(("DNSConfigForming", message));
    }
    let all = config.searches.len();
    config.searches.truncate(MOST_SEARCHES);
    config.searches.retain(|s| s.len() <= LONGEST_SEARCH);
    while config.searches.join(" ").len() > MOST_SEARCH_CHARACTERS {
        config.searches.pop();
    }
    if config.searches.len() < all {
        let message = format!(
            "Search Line limits were exceeded, some search paths have been omitted, the applied search line is: {}",
            config.searches.join(" ")
        );
        warnings.push(("DNSConfigForming", message));
    }
}

fn extend_new(list: &mut Vec<String>, more: &[String]) {
    for m in more {
        if !list.contains(m) {
            list.push(m.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::core::v1::PodDNSConfig;

    #[test]
    fn names_resolve_by_policy() {
        let resolver = Resolver {
            cluster_dns: vec!["10.96.0.10".into()],
            domain: "cluster.local".into(),
            host: Resolver::parse("nameserver 9.9.9.9\nsearch home\noptions rotate\n"),
        };
        let mut pod = Pod::default();
        pod.metadata.namespace = "ns".into();
        pod.spec.dns_policy = "ClusterFirst".into();
        let dns = |pod: &Pod| super::dns(pod, &resolver).config;
        let got = dns(&pod);
        assert_eq!(got.servers, ["10.96.0.10"]);
        assert_eq!(got.searches, ["ns.svc.cluster.local", "svc.cluster.local", "cluster.local", "home"]);
        assert_eq!(got.options, ["ndots:5"]);
        pod.spec.host_network = true;
        assert_eq!(dns(&pod).servers, ["9.9.9.9"]);
        pod.spec.dns_policy = "ClusterFirstWithHostNet".into();
        assert_eq!(dns(&pod).servers, ["10.96.0.10"]);
        pod.spec.dns_policy = "None".into();
        assert_eq!(dns(&pod), DnsConfig::default());
    }

    #[test]
    fn what_resolvers_do_not_take_is_left_out_and_told() {
        let names = |count: usize, length: usize| -> Vec<String> {
            (0..count).map(|i| format!("{i:0>length$}")).collect()
        };
        let host = Resolver::parse("nameserver 9.9.9.9\n");
        let cluster =
            Resolver { cluster_dns: vec!["10.96.0.10".into()], domain: "c".into(), host: host.clone() };
        let without = Resolver { host, ..Resolver::default() };
        for (resolver, servers, searches, kept, reasons) in [
            (&cluster, names(2, 1), names(29, 1), (3, 32), &[][..]),
            (&cluster, names(3, 1), names(30, 1), (3, 32), &["DNSConfigForming", "DNSConfigForming"]),
            (&cluster, vec![], vec!["x".repeat(254)], (1, 3), &["DNSConfigForming"]),
            (&cluster, vec![], names(9, 250), (1, 11), &["DNSConfigForming"]),
            (&without, vec![], vec![], (1, 0), &["MissingClusterDNS"]),
        ] {
            let mut pod = Pod::default();
            pod.metadata.namespace = "ns".into();
            let own = PodDNSConfig { nameservers: servers, searches, ..PodDNSConfig::default() };
            pod.spec.dns_config = Some(Box::new(own));
            let got = dns(&pod, resolver);
            assert_eq!((got.config.servers.len(), got.config.searches.len()), kept);
            let told: Vec<&str> = got.warnings.iter().map(|w| w.0).collect();
            assert_eq!(told, reasons);
        }
    }
}
