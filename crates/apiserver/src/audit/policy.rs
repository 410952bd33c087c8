//! Which requests are recorded, and how much of them: the file `audit.k8s.io/v1 Policy`, as upstream reads
//! it (apiserver `audit/policy`).

use std::sync::atomic::{AtomicU64, Ordering};

use corten_api::authentication::v1::UserInfo;
use corten_codec::{Problems, yaml};
use serde::Deserialize;

use crate::http::path::RequestInfo;

/// How much of a request is recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    #[default]
    None,
    Metadata,
    Request,
    RequestResponse,
}

/// Every level, the least first, with its name.
pub const LEVELS: [(Level, &str); 4] = [
    (Level::None, "None"),
    (Level::Metadata, "Metadata"),
    (Level::Request, "Request"),
    (Level::RequestResponse, "RequestResponse"),
];

impl Level {
    /// Its name in policies and events.
    pub fn name(self) -> &'static str {
        LEVELS[self as usize].1
    }
}

/// A moment of a request at which an event may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    RequestReceived,
    ResponseStarted,
    ResponseComplete,
    Panic,
}

const STAGES: [(Stage, &str); 4] = [
    (Stage::RequestReceived, "RequestReceived"),
    (Stage::ResponseStarted, "ResponseStarted"),
    (Stage::ResponseComplete, "ResponseComplete"),
    (Stage::Panic, "Panic"),
];

impl Stage {
    /// Its name in policies and events.
    pub fn name(self) -> &'static str {
        STAGES[self as usize].1
    }
}

/// What is done about one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    pub level: Level,
    /// Stages without an event, a bit each.
    omitted: u8,
    pub omit_managed_fields: bool,
}

impl Decision {
    /// Whether an event is written at the stage.
    pub fn wants(&self, stage: Stage) -> bool {
        self.level != Level::None && self.omitted & (1 << stage as u8) == 0
    }
}

/// The rules in force.
#[derive(Debug, Default)]
pub struct Policy {
    rules: Vec<Rule>,
    otherwise: Decision,
    /// Requests by the level that was decided, for `/metrics`.
    decided: [AtomicU64; 4],
}

#[derive(Debug, Default)]
struct Rule {
    given: GivenRule,
    decision: Decision,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Given {
    kind: String,
    api_version: String,
    rules: Vec<GivenRule>,
    omit_stages: Vec<String>,
    omit_managed_fields: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct GivenRule {
    level: String,
    users: Vec<String>,
    user_groups: Vec<String>,
    verbs: Vec<String>,
    resources: Vec<GroupResources>,
    namespaces: Vec<String>,
    #[serde(rename = "nonResourceURLs")]
    non_resource_urls: Vec<String>,
    omit_stages: Vec<String>,
    omit_managed_fields: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct GroupResources {
    group: String,
    resources: Vec<String>,
    resource_names: Vec<String>,
}

impl Policy {
    /// What holds without a file: metadata of everything but what the system does by itself all the time.
    pub fn standard() -> Policy {
        Policy::parse(include_bytes!("standard.yaml")).unwrap_or_default()
    }

    /// Reads a policy in YAML or JSON.
    ///
    /// # Errors
    /// What is wrong with it, a line each.
    pub fn parse(text: &[u8]) -> Result<Policy, String> {
        let json =
            yaml::to_json(text, &mut Problems::ignore()).map_err(|e| format!("failed decoding: {e}"))?;
        let given: Given = serde_json::from_slice(&json).map_err(|e| format!("failed decoding: {e}"))?;
        if given.api_version != "audit.k8s.io/v1" || given.kind != "Policy" {
            return Err(format!(
                "expected kind Policy of audit.k8s.io/v1, found {:?} of {:?}",
                given.kind, given.api_version
            ));
        }
        let mut wrong = Vec::new();
        let everywhere = stages(&given.omit_stages, "omitStages", &mut wrong);
        let omit_managed_fields = given.omit_managed_fields;
        let rules: Vec<Rule> = (given.rules.into_iter().enumerate())
            .map(|(i, rule)| settle(rule, i, everywhere, omit_managed_fields, &mut wrong))
            .collect();
        if rules.is_empty() {
            wrong.push("loaded illegal policy with 0 rules".into());
        }
        if !wrong.is_empty() {
            return Err(wrong.join("\n"));
        }
        let otherwise = Decision { level: Level::None, omitted: everywhere, omit_managed_fields };
        Ok(Policy { rules, otherwise, decided: Default::default() })
    }

    /// What is done about a request: the first rule that fits decides.
    pub fn decide(&self, user: Option<&UserInfo>, request: &RequestInfo) -> Decision {
        let rule = self.rules.iter().find(|rule| rule.given.fits(user, request));
        let decision = rule.map_or(self.otherwise, |rule| rule.decision);
        self.decided[decision.level as usize].fetch_add(1, Ordering::Relaxed);
        decision
    }

    /// How many requests each level was decided for.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        LEVELS.iter().zip(&self.decided).map(|((_, name), count)| (*name, count.load(Ordering::Relaxed)))
    }
}

fn settle(given: GivenRule, index: usize, everywhere: u8, omit: bool, wrong: &mut Vec<String>) -> Rule {
    let path = format!("rules[{index}]");
    let level = LEVELS.iter().find(|(_, name)| *name == given.level).map(|(level, _)| *level);
    match level {
        None if given.level.is_empty() => wrong.push(format!("{path}.level: Required value")),
        None => wrong.push(format!(
            "{path}.level: Unsupported value: {:?}: supported values: \"Metadata\", \"None\", \"Request\", \"RequestResponse\"",
            given.level
        )),
        Some(_) => {}
    }
    for (i, url) in given.non_resource_urls.iter().enumerate().filter(|(_, url)| *url != "*") {
        let at = format!("{path}.nonResourceURLs[{i}]: Invalid value: {url:?}");
        if !url.starts_with('/') {
            wrong.push(format!("{at}: non-resource URL rules must begin with a '/' character"));
        }
        if url.char_indices().any(|(at, c)| c == '*' && at + 1 < url.len()) {
            wrong.push(format!(
                "{at}: non-resource URL wildcards '*' must be the final character of the rule"
            ));
        }
    }
    for resources in &given.resources {
        let group = &resources.group;
        if !group.is_empty() && !corten_kinds::names::dns_subdomain(group).is_empty() {
            wrong.push(format!("{path}.resources.group: Invalid value: {group:?}: it must be a group's name alone, without a version"));
        }
        if !resources.resource_names.is_empty() && resources.resources.is_empty() {
            wrong.push(format!("{path}.resources.resourceNames: Invalid value: {:?}: using resourceNames requires at least one resource", resources.resource_names));
        }
    }
    let of_resources = !given.resources.is_empty() || !given.namespaces.is_empty();
    if of_resources && !given.non_resource_urls.is_empty() {
        wrong.push(format!(
            "{path}.nonResourceURLs: Invalid value: rules cannot apply to both regular resources and non-resource URLs"
        ));
    }
    let omitted = everywhere | stages(&given.omit_stages, &format!("{path}.omitStages"), wrong);
    let omit_managed_fields = given.omit_managed_fields.unwrap_or(omit);
    Rule { given, decision: Decision { level: level.unwrap_or_default(), omitted, omit_managed_fields } }
}

fn stages(names: &[String], path: &str, wrong: &mut Vec<String>) -> u8 {
    let mut bits = 0;
    for (i, name) in names.iter().enumerate() {
        match STAGES.iter().find(|(_, known)| known == name) {
            Some((stage, _)) => bits |= 1 << *stage as u8,
            None => wrong.push(format!("{path}[{i}]: Invalid value: {name:?}: allowed stages are RequestReceived,ResponseStarted,ResponseComplete,Panic")),
        }
    }
    bits
}

fn has(list: &[String], value: &str) -> bool {
    list.iter().any(|one| one == value)
}

impl GivenRule {
    fn fits(&self, user: Option<&UserInfo>, request: &RequestInfo) -> bool {
        if !self.users.is_empty() && !user.is_some_and(|u| has(&self.users, &u.username)) {
            return false;
        }
        if !self.user_groups.is_empty()
            && !user.is_some_and(|u| u.groups.iter().any(|group| has(&self.user_groups, group)))
        {
            return false;
        }
        if !self.verbs.is_empty() && !has(&self.verbs, &request.verb) {
            return false;
        }
        if !self.namespaces.is_empty() || !self.resources.is_empty() {
            return request.is_resource && self.fits_resource(request);
        }
        self.non_resource_urls.is_empty()
            || !request.is_resource && self.non_resource_urls.iter().any(|url| path_fits(&request.path, url))
    }

    fn fits_resource(&self, request: &RequestInfo) -> bool {
        if !self.namespaces.is_empty() && !has(&self.namespaces, &request.namespace) {
            return false;
        }
        let of_group = |r: &&GroupResources| r.group == request.group;
        self.resources.is_empty() || self.resources.iter().filter(of_group).any(|r| r.fits(request))
    }
}

impl GroupResources {
    fn fits(&self, request: &RequestInfo) -> bool {
        if self.resources.is_empty() {
            return true;
        }
        let (resource, subresource) = (&*request.resource, &*request.subresource);
        let named = self.resource_names.is_empty() || has(&self.resource_names, &request.name);
        named
            && self.resources.iter().any(|wanted| match wanted.split_once('/') {
                _ if wanted == "*" => true,
                None => wanted == resource && subresource.is_empty(),
                Some(("*", of)) => !subresource.is_empty() && of == subresource,
                Some((of, "*")) => of == resource,
                Some((of, sub)) => of == resource && sub == subresource,
            })
    }
}

fn path_fits(path: &str, wanted: &str) -> bool {
    wanted == path || wanted.strip_suffix('*').is_some_and(|start| path.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::query::Query;

    const POLICY: &str = r#"
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {level: None, users: [robot], verbs: [get]}
- {level: Request, userGroups: [staff], resources: [{group: "", resources: [pods/status, "*/scale", "configmaps/*"]}]}
- {level: RequestResponse, resources: [{group: "", resources: [secrets], resourceNames: [one]}], omitManagedFields: true}
- {level: Metadata, namespaces: [team], omitStages: [ResponseComplete]}
- {level: Metadata, nonResourceURLs: ["/healthz*", "/version"]}
- {level: Request, resources: [{group: apps}]}
"#;

    fn user(name: &str, groups: &[&str]) -> UserInfo {
        let groups = groups.iter().map(ToString::to_string).collect();
        UserInfo { username: name.into(), groups, ..UserInfo::default() }
    }

    #[test]
    fn the_first_rule_that_fits_decides() {
        let policy = Policy::parse(POLICY.as_bytes()).expect("a policy");
        for (user, method, path, want) in [
            (user("robot", &[]), "GET", "/api/v1/namespaces/a/pods/x", Level::None),
            (user("robot", &[]), "GET", "/version", Level::None),
            (user("ann", &["staff"]), "PUT", "/api/v1/namespaces/a/pods/x/status", Level::Request),
            (user("ann", &["staff"]), "GET", "/api/v1/namespaces/a/pods/x", Level::None),
            (user("ann", &["staff"]), "GET", "/api/v1/namespaces/a/things/x/scale", Level::Request),
            (user("ann", &["staff"]), "GET", "/api/v1/namespaces/a/configmaps", Level::Request),
            (user("ann", &[]), "GET", "/api/v1/namespaces/a/configmaps", Level::None),
            (user("ann", &[]), "GET", "/api/v1/namespaces/a/secrets/one", Level::RequestResponse),
            (user("ann", &[]), "GET", "/api/v1/namespaces/a/secrets/two", Level::None),
            (user("ann", &[]), "GET", "/api/v1/namespaces/team/secrets/two", Level::Metadata),
            (user("ann", &[]), "GET", "/healthz/ping", Level::Metadata),
            (user("ann", &[]), "GET", "/metrics", Level::None),
            (user("ann", &[]), "GET", "/apis/apps/v1/deployments", Level::Request),
        ] {
            let method = http::Method::from_bytes(method.as_bytes()).expect("a method");
            let info = RequestInfo::new(&method, path, &Query::default());
            assert_eq!(policy.decide(Some(&user), &info).level, want, "{} {path}", user.username);
        }
    }

    #[test]
    fn stages_are_left_out_as_told() {
        let policy = Policy::parse(POLICY.as_bytes()).expect("a policy");
        let info = RequestInfo::new(&http::Method::GET, "/api/v1/namespaces/team/pods", &Query::default());
        let decision = policy.decide(None, &info);
        let wants = STAGES.map(|(stage, _)| decision.wants(stage));
        assert_eq!(wants, [false, true, false, true]);
        assert!(!decision.omit_managed_fields);
    }

    #[test]
    fn bad_policies_are_refused() {
        for (text, want) in [
            ("kind: Policy\napiVersion: audit.k8s.io/v2\nrules: [{level: None}]", "found \"Policy\""),
            ("kind: Policy\napiVersion: audit.k8s.io/v1", "0 rules"),
            ("kind: Policy\napiVersion: audit.k8s.io/v1\nrules: [{}]", "rules[0].level: Required value"),
            (
                "kind: Policy\napiVersion: audit.k8s.io/v1\nrules: [{level: All}]",
                "Unsupported value: \"All\"",
            ),
            (
                "kind: Policy\napiVersion: audit.k8s.io/v1\nrules: [{level: None, nonResourceURLs: [x]}]",
                "must begin with a '/'",
            ),
            (
                "kind: Policy\napiVersion: audit.k8s.io/v1\nrules: [{level: None, nonResourceURLs: [/a*b]}]",
                "must be the final character",
            ),
            (
                "kind: Policy\napiVersion: audit.k8s.io/v1\nrules: [{level: None, omitStages: [End]}]",
                "allowed stages are",
            ),
            (
                "kind: Policy\napiVersion: audit.k8s.io/v1\nrules: [{level: None, namespaces: [a], nonResourceURLs: [/a]}]",
                "rules cannot apply to both",
            ),
            ("[", "failed decoding"),
        ] {
            let why = Policy::parse(text.as_bytes()).expect_err(text);
            assert!(why.contains(want), "{text}: {why}");
        }
    }

    #[test]
    fn what_the_system_does_all_the_time_is_not_recorded() {
        let policy = Policy::standard();
        let node = user("system:node:n", &["system:nodes", "system:authenticated"]);
        let ann = user("ann", &["system:authenticated"]);
        for (user, method, path, want) in [
            (&node, "PUT", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n", Level::None),
            (&node, "GET", "/api/v1/pods", Level::None),
            (&node, "PATCH", "/api/v1/nodes/n/status", Level::None),
            (&ann, "POST", "/api/v1/namespaces/a/events", Level::None),
            (&ann, "GET", "/readyz", Level::None),
            (&ann, "GET", "/apis/apps/v1", Level::None),
            (&ann, "GET", "/api/v1/namespaces/a/secrets", Level::Metadata),
            (&ann, "DELETE", "/api/v1/namespaces/a", Level::Metadata),
            (&node, "PATCH", "/api/v1/nodes/n", Level::Metadata),
        ] {
            let method = http::Method::from_bytes(method.as_bytes()).expect("a method");
            let info = RequestInfo::new(&method, path, &Query::default());
            assert_eq!(policy.decide(Some(user), &info).level, want, "{} {method} {path}", user.username);
        }
    }
}
