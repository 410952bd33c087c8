//! Tables: what each kind of name is answered with.

use super::*;
use corten_api::core::v1::{ServicePort, ServiceSpec};
use corten_api::discovery::v1::{EndpointConditions, EndpointPort};
use corten_client::Informer;

fn service(namespace: &str, name: &str, spec: ServiceSpec) -> Service {
    let mut service = Service { spec, ..Service::default() };
    service.metadata.namespace = namespace.into();
    service.metadata.name = name.into();
    service
}

fn port(name: &str, protocol: &str, port: i32) -> ServicePort {
    ServicePort { name: name.into(), protocol: protocol.into(), port, ..ServicePort::default() }
}

fn endpoint(address: &str, hostname: &str, ready: Option<bool>) -> Endpoint {
    Endpoint {
        addresses: vec![address.into()],
        hostname: (!hostname.is_empty()).then(|| hostname.into()),
        conditions: EndpointConditions { ready, ..EndpointConditions::default() },
        ..Endpoint::default()
    }
}

fn slice(service: &str, name: &str, endpoints: Vec<Endpoint>) -> EndpointSlice {
    let mut slice = EndpointSlice { endpoints, ..EndpointSlice::default() };
    slice.metadata.namespace = "default".into();
    slice.metadata.name = name.into();
    slice.metadata.labels.insert("kubernetes.io/service-name".into(), service.into());
    slice.ports = vec![EndpointPort {
        name: Some("http".into()),
        protocol: Some("TCP".into()),
        port: Some(8080),
        ..EndpointPort::default()
    }];
    slice
}

fn zone() -> Zone {
    let own = |ips: &[&str]| ServiceSpec {
        cluster_ip: ips[0].into(),
        cluster_ips: ips.iter().map(|i| i.to_string()).collect(),
        ..ServiceSpec::default()
    };
    let services = [
        service(
            "default",
            "web",
            ServiceSpec {
                ports: vec![port("http", "TCP", 80), port("dns", "UDP", 53)],
                ..own(&["10.96.0.5"])
            },
        ),
        service("default", "dual", own(&["10.96.0.6", "fd00::6"])),
        service("default", "db", own(&["None"])),
        service("default", "early", ServiceSpec { publish_not_ready_addresses: true, ..own(&["None"]) }),
        service("default", "nobody", own(&["None"])),
        service(
            "default",
            "out",
            ServiceSpec {
                type_: "ExternalName".into(),
                external_name: "web.default.svc.cluster.local".into(),
                ..ServiceSpec::default()
            },
        ),
    ];
    let slices = [
        slice(
            "db",
            "db-1",
            vec![endpoint("10.244.0.3", "db-0", Some(true)), endpoint("10.244.0.4", "", None)],
        ),
        slice(
            "db",
            "db-2",
            vec![endpoint("10.244.0.5", "db-2", Some(false)), endpoint("fd00::9", "", Some(true))],
        ),
        slice("early", "early-1", vec![endpoint("10.244.0.7", "", Some(false))]),
        slice("nobody", "nobody-1", vec![endpoint("10.244.0.8", "", Some(false))]),
        slice("web", "web-1", vec![endpoint("10.244.0.9", "", Some(true))]),
    ];
    let origin = Name::from_ascii("cluster.local.").expect("valid");
    let server = Some("10.96.0.10".parse().expect("valid"));
    Zone::new(origin, server, Informer::of(services), Informer::of(slices))
}

/// The answer in words: `TYPE data` of each record, sorted, additional ones behind a `+`.
fn words(name: &str, kind: RecordType) -> String {
    let full = if name.ends_with('.') { name.to_string() } else { format!("{name}.cluster.local.") };
    let query = Query::query(Name::from_ascii(&full).expect("valid"), kind);
    match answer(&query, &zone()) {
        Answer::NotOurs => "not ours".into(),
        Answer::NoName => "no name".into(),
        Answer::Records { answers, additionals, follow } => {
            assert!(answers.iter().all(|r| r.name.to_ascii() == full && r.ttl == TTL), "{answers:?}");
            let text = |r: &Record| format!("{} {}", r.record_type(), r.data);
            let mut all: Vec<String> = answers.iter().map(text).collect();
            all.extend(additionals.iter().map(|r| format!("+{}={}", r.name, r.data)));
            all.sort();
            all.extend(follow.map(|f| format!("then {f}")));
            all.join(", ")
        }
    }
}

#[test]
fn addresses() {
    for (name, kind, want) in [
        ("web.default.svc", RecordType::A, "A 10.96.0.5"),
        ("WEB.Default.svc", RecordType::A, "A 10.96.0.5"),
        ("web.default.svc", RecordType::AAAA, ""),
        ("web.default.svc", RecordType::MX, ""),
        ("dual.default.svc", RecordType::AAAA, "AAAA fd00::6"),
        ("db.default.svc", RecordType::A, "A 10.244.0.3, A 10.244.0.4"),
        ("db.default.svc", RecordType::AAAA, "AAAA fd00::9"),
        ("early.default.svc", RecordType::A, "A 10.244.0.7"),
        ("nobody.default.svc", RecordType::A, "no name"),
        ("db-0.db.default.svc", RecordType::A, "A 10.244.0.3"),
        ("10-244-0-4.db.default.svc", RecordType::A, "A 10.244.0.4"),
        ("db-2.db.default.svc", RecordType::A, "no name"),
        ("db-9.db.default.svc", RecordType::A, "no name"),
        ("web.other.svc", RecordType::A, "no name"),
        ("default.svc", RecordType::A, ""),
        ("other.svc", RecordType::A, "no name"),
        ("svc", RecordType::A, ""),
        ("10-244-0-3.default.pod", RecordType::A, "A 10.244.0.3"),
        ("fd00--9.default.pod", RecordType::AAAA, "AAAA fd00::9"),
        ("what.default.pod", RecordType::A, "no name"),
        ("ns.dns", RecordType::A, "A 10.96.0.10"),
        ("a.b.c.d.e.f", RecordType::A, "no name"),
        ("example.com.", RecordType::A, "not ours"),
        ("local.", RecordType::A, "not ours"),
    ] {
        assert_eq!(words(name, kind), want, "{name} {kind}");
    }
}

#[test]
fn locations_names_and_the_rest() {
    let web = "web.default.svc.cluster.local.";
    for (name, kind, want) in [
        ("_http._tcp.web.default.svc", RecordType::SRV, format!("+{web}=10.96.0.5, SRV 0 100 80 {web}")),
        ("_http._udp.web.default.svc", RecordType::SRV, "no name".into()),
        ("_http._tcp.web.default.svc", RecordType::A, String::new()),
        ("_tcp.web.default.svc", RecordType::SRV, String::new()),
        ("http.tcp.web.default.svc", RecordType::SRV, "no name".into()),
        (
            "_http._tcp.early.default.svc",
            RecordType::SRV,
            "+10-244-0-7.early.default.svc.cluster.local.=10.244.0.7, \
             SRV 0 100 8080 10-244-0-7.early.default.svc.cluster.local."
                .into(),
        ),
        ("out.default.svc", RecordType::A, format!("CNAME {web}, then {web}")),
        ("out.default.svc", RecordType::CNAME, format!("CNAME {web}")),
        ("out.default.svc", RecordType::TXT, String::new()),
        ("5.0.96.10.in-addr.arpa.", RecordType::PTR, format!("PTR {web}")),
        ("3.0.244.10.in-addr.arpa.", RecordType::PTR, "PTR db-0.db.default.svc.cluster.local.".into()),
        ("4.0.244.10.in-addr.arpa.", RecordType::PTR, "PTR 10-244-0-4.db.default.svc.cluster.local.".into()),
        ("3.0.244.10.in-addr.arpa.", RecordType::TXT, String::new()),
        ("1.1.1.1.in-addr.arpa.", RecordType::PTR, "not ours".into()),
        ("10.in-addr.arpa.", RecordType::PTR, "not ours".into()),
        (
            "6.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa.",
            RecordType::PTR,
            "PTR dual.default.svc.cluster.local.".into(),
        ),
        ("dns-version", RecordType::TXT, "TXT 1.1.0".into()),
        ("cluster.local.", RecordType::NS, "NS ns.dns.cluster.local.".into()),
        ("cluster.local.", RecordType::A, String::new()),
    ] {
        assert_eq!(words(name, kind), want, "{name} {kind}");
    }
}

#[test]
fn several_endpoints_share_the_weight() {
    let got = words("_http._tcp.db.default.svc", RecordType::SRV);
    assert_eq!(got.matches("SRV 0 33 8080").count(), 3, "{got}");
    assert!(got.contains("+db-0.db.default.svc.cluster.local.=10.244.0.3"), "{got}");
}
