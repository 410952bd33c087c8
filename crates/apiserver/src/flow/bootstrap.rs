//! The objects of flow control that every cluster has, as upstream ships them (apiserver
//! `apis/flowcontrol/bootstrap`).

use std::collections::BTreeMap;

use corten_api::flowcontrol::v1::{
    ExemptPriorityLevelConfiguration, FlowDistinguisherMethod, FlowSchema, FlowSchemaSpec, GroupSubject,
    LimitResponse, LimitedPriorityLevelConfiguration, NonResourcePolicyRule, PolicyRulesWithSubjects,
    PriorityLevelConfiguration, PriorityLevelConfigurationReference, PriorityLevelConfigurationSpec,
    QueuingConfiguration, ResourcePolicyRule, ServiceAccountSubject, Subject, UserSubject,
};
use corten_api::meta::v1::ObjectMeta;
use corten_semantics::identity;

/// Says whether an object of ours is kept as we ship it.
pub const AUTO_UPDATE: &str = "apf.kubernetes.io/autoupdate-spec";
/// The objects without which flow control is not complete.
pub const MANDATORY: [&str; 2] = ["exempt", "catch-all"];

fn meta(name: &str) -> ObjectMeta {
    let annotations = BTreeMap::from([(AUTO_UPDATE.to_string(), "true".to_string())]);
    ObjectMeta { name: name.into(), annotations, ..ObjectMeta::default() }
}

/// Every PriorityLevelConfiguration, the mandatory ones first.
pub fn levels() -> Vec<PriorityLevelConfiguration> {
    let exempt = PriorityLevelConfigurationSpec {
        type_: "Exempt".into(),
        exempt: Some(Box::new(ExemptPriorityLevelConfiguration {
            nominal_concurrency_shares: Some(0),
            lendable_percent: Some(0),
        })),
        ..PriorityLevelConfigurationSpec::default()
    };
    let exempt = PriorityLevelConfiguration {
        metadata: meta("exempt"),
        spec: exempt,
        ..PriorityLevelConfiguration::default()
    };
    let mut all = vec![exempt, limited("catch-all", 5, 0, None)];
    for (name, shares, lendable, queues, hand) in [
        ("system", 30, 33, 64, 6),
        ("node-high", 40, 25, 64, 6),
        ("leader-election", 10, 0, 16, 4),
        ("workload-high", 40, 50, 128, 6),
        ("workload-low", 100, 90, 128, 6),
        ("global-default", 20, 50, 128, 6),
    ] {
        all.push(limited(name, shares, lendable, Some((queues, hand))));
    }
    all
}

fn limited(name: &str, shares: i32, lendable: i32, queues: Option<(i32, i32)>) -> PriorityLevelConfiguration {
    let queuing = queues.map(|(queues, hand_size)| {
        Box::new(QueuingConfiguration { queues, hand_size, queue_length_limit: 50 })
    });
    let type_ = if queuing.is_some() { "Queue" } else { "Reject" };
    let limited = LimitedPriorityLevelConfiguration {
        nominal_concurrency_shares: Some(shares),
        limit_response: LimitResponse { type_: type_.into(), queuing },
        lendable_percent: Some(lendable),
        borrowing_limit_percent: None,
    };
    let spec = PriorityLevelConfigurationSpec {
        type_: "Limited".into(),
        limited: Some(Box::new(limited)),
        ..PriorityLevelConfigurationSpec::default()
    };
    PriorityLevelConfiguration { metadata: meta(name), spec, ..PriorityLevelConfiguration::default() }
}

fn group(name: &str) -> Subject {
    let group = Some(Box::new(GroupSubject { name: name.into() }));
    Subject { kind: "Group".into(), group, ..Subject::default() }
}

fn user(name: &str) -> Subject {
    let user = Some(Box::new(UserSubject { name: name.into() }));
    Subject { kind: "User".into(), user, ..Subject::default() }
}

fn kube_system_accounts() -> Subject {
    let account = ServiceAccountSubject { namespace: "kube-system".into(), name: "*".into() };
    Subject { kind: "ServiceAccount".into(), service_account: Some(Box::new(account)), ..Subject::default() }
}

fn texts(all: &[&str]) -> Vec<String> {
    all.iter().map(ToString::to_string).collect()
}

fn resources(verbs: &[&str], group: &str, names: &[&str], cluster_scope: bool) -> ResourcePolicyRule {
    ResourcePolicyRule {
        verbs: texts(verbs),
        api_groups: texts(&[group]),
        resources: texts(names),
        cluster_scope,
        namespaces: texts(&["*"]),
    }
}

fn paths(verbs: &[&str], urls: &[&str]) -> NonResourcePolicyRule {
    NonResourcePolicyRule { verbs: texts(verbs), non_resource_urls: texts(urls) }
}

/// Whatever the subjects do.
fn everything(subjects: Vec<Subject>) -> PolicyRulesWithSubjects {
    PolicyRulesWithSubjects {
        subjects,
        resource_rules: vec![resources(&["*"], "*", &["*"], true)],
        non_resource_rules: vec![paths(&["*"], &["*"])],
    }
}

fn schema(name: &str, level: &str, precedence: i32, by: &str, rule: PolicyRulesWithSubjects) -> FlowSchema {
    let spec = FlowSchemaSpec {
        priority_level_configuration: PriorityLevelConfigurationReference { name: level.into() },
        matching_precedence: precedence,
        distinguisher_method: (!by.is_empty())
            .then(|| Box::new(FlowDistinguisherMethod { type_: by.into() })),
        rules: vec![rule],
    };
    FlowSchema { metadata: meta(name), spec, ..FlowSchema::default() }
}

/// Every FlowSchema, the mandatory ones first.
pub fn schemas() -> Vec<FlowSchema> {
    let everybody = || vec![group(identity::UNAUTHENTICATED), group(identity::AUTHENTICATED)];
    let (by_user, by_namespace) = ("ByUser", "ByNamespace");
    let (manager, scheduler) = (user(identity::CONTROLLER_MANAGER), user(identity::SCHEDULER));
    let leases = resources(&["get", "create", "update"], "coordination.k8s.io", &["leases"], false);
    let leaders = PolicyRulesWithSubjects {
        subjects: vec![manager.clone(), scheduler.clone(), kube_system_accounts()],
        resource_rules: vec![leases],
        non_resource_rules: Vec::new(),
    };
    let heartbeats = PolicyRulesWithSubjects {
        subjects: vec![group(identity::NODES)],
        resource_rules: vec![
            resources(&["*"], "", &["nodes", "nodes/status"], true),
            resources(&["*"], "coordination.k8s.io", &["leases"], false),
        ],
        non_resource_rules: Vec::new(),
    };
    let probes = PolicyRulesWithSubjects {
        subjects: everybody(),
        resource_rules: Vec::new(),
        non_resource_rules: vec![paths(&["get"], &["/healthz", "/readyz", "/livez"])],
    };
    let masters = everything(vec![group(identity::MASTERS)]);
    let accounts = everything(vec![group("system:serviceaccounts")]);
    vec![
        schema("exempt", "exempt", 1, "", masters),
        schema("catch-all", "catch-all", 10000, by_user, everything(everybody())),
        schema("system-nodes", "system", 500, by_user, everything(vec![group(identity::NODES)])),
        schema("system-node-high", "node-high", 400, by_user, heartbeats),
        schema("probes", "exempt", 2, "", probes),
        schema("system-leader-election", "leader-election", 100, by_user, leaders),
        schema("kube-controller-manager", "workload-high", 800, by_namespace, everything(vec![manager])),
        schema("kube-scheduler", "workload-high", 800, by_namespace, everything(vec![scheduler])),
        schema(
            "kube-system-service-accounts",
            "workload-high",
            900,
            by_namespace,
            everything(vec![kube_system_accounts()]),
        ),
        schema("service-accounts", "workload-low", 9000, by_user, accounts),
        schema("global-default", "global-default", 9900, by_user, everything(everybody())),
    ]
}
