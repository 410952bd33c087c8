//! Policies of a file (`--authorization-policy-file`), a line of JSON each: who may do what, by attributes.

use super::{Attributes, Decision, Reason};
use corten_api::authentication::v1::UserInfo;
use corten_semantics::identity;
use serde::Deserialize;

/// The versions of policies that are understood.
const VERSION: &str = "abac.authorization.kubernetes.io/v1beta1";
/// The most policies of a file.
const MOST: usize = 10_000;

/// The policies of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policies(Vec<Policy>);

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Line {
    api_version: String,
    kind: String,
    spec: Policy,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Policy {
    user: String,
    group: String,
    readonly: bool,
    api_group: String,
    resource: String,
    namespace: String,
    non_resource_path: String,
}

impl Policies {
    /// Reads the text of `file`.
    ///
    /// # Errors
    /// Which line is wrong, and why.
    pub fn parse(text: &str, file: &str) -> Result<Self, String> {
        let mut policies = Vec::new();
        for (i, line) in text.lines().enumerate() {
            let trimmed = line.trim();
            if trimmed.is_empty() || trimmed.starts_with('#') {
                continue;
            }
            let wrong =
                |why: String| format!("error reading policy file {file}, line {}: {line}: {why}", i + 1);
            let read: Line = serde_json::from_str(trimmed).map_err(|e| wrong(e.to_string()))?;
            policies.push(match (read.api_version.as_str(), read.kind.as_str()) {
                (VERSION, "Policy") => read.spec,
                ("", _) | (_, "") => {
                    let old: Policy = serde_json::from_str(trimmed).map_err(|e| wrong(e.to_string()))?;
                    old.unversioned()
                }
                _ => return Err(wrong(format!("it must be of apiVersion {VERSION}, kind Policy"))),
            });
            if policies.len() > MOST {
                return Err(wrong(format!("there are more than {MOST} policies")));
            }
        }
        Ok(Policies(policies))
    }

    pub(super) fn authorize(&self, attributes: &Attributes<'_>) -> Decision {
        if self.0.iter().any(|policy| policy.fits(attributes)) {
            return Decision::allow(Reason::Text(String::new()));
        }
        Decision::no_opinion("No policy matched.")
    }
}

fn is(wanted: &str, value: &str) -> bool {
    wanted == "*" || wanted == value
}

impl Policy {
    /// What a line means that names no version: there, what is not said holds for all.
    fn unversioned(self) -> Self {
        let or_all = |text: &str| if text.is_empty() { "*".to_string() } else { text.to_string() };
        let everybody =
            self.user == "*" || self.group == "*" || self.user.is_empty() && self.group.is_empty();
        let everywhere = self.namespace.is_empty() && self.resource.is_empty();
        Policy {
            namespace: or_all(&self.namespace),
            resource: or_all(&self.resource),
            api_group: "*".into(),
            non_resource_path: if everywhere { "*".into() } else { String::new() },
            user: if everybody { String::new() } else { self.user },
            group: if everybody { identity::AUTHENTICATED.into() } else { self.group },
            readonly: self.readonly,
        }
    }

    fn fits(&self, a: &Attributes<'_>) -> bool {
        let reads = matches!(a.verb, "get" | "list" | "watch");
        if !self.is_about(a.user) || self.readonly && !reads {
            return false;
        }
        if a.is_resource() {
            return is(&self.namespace, a.namespace)
                && is(&self.resource, a.resource)
                && is(&self.api_group, a.group);
        }
        let path = &self.non_resource_path;
        is(path, a.path) || path.ends_with('*') && a.path.starts_with(path.trim_end_matches('*'))
    }

    fn is_about(&self, user: &UserInfo) -> bool {
        let named = self.user.is_empty() || is(&self.user, &user.username);
        let of_group = || self.group == "*" || user.groups.contains(&self.group);
        let grouped = self.group.is_empty() || of_group();
        named && grouped && !(self.user.is_empty() && self.group.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r##"
# who may do what
{"apiVersion":"abac.authorization.kubernetes.io/v1beta1","kind":"Policy","spec":{"user":"ann","namespace":"*","resource":"*","apiGroup":"*"}}
{"apiVersion":"abac.authorization.kubernetes.io/v1beta1","kind":"Policy","spec":{"user":"bob","namespace":"team","resource":"pods","readonly":true}}
{"apiVersion":"abac.authorization.kubernetes.io/v1beta1","kind":"Policy","spec":{"group":"dev","user":"*","nonResourcePath":"/logs/*","readonly":true}}
{"apiVersion":"abac.authorization.kubernetes.io/v1beta1","kind":"Policy","spec":{"namespace":"*","resource":"*","apiGroup":"*"}}
"##;

    #[test]
    fn policies_allow_by_attributes() {
        let policies = Policies::parse(FILE, "f").expect("policies");
        let who = |name: &str| {
            let groups = if name == "dan" { vec!["dev".to_string()] } else { Vec::new() };
            UserInfo { username: name.into(), groups, ..UserInfo::default() }
        };
        for (name, verb, namespace, resource, allowed) in [
            ("ann", "delete", "a", "pods", true),
            ("ann", "get", "", "nodes", true),
            ("bob", "list", "team", "pods", true),
            ("bob", "create", "team", "pods", false),
            ("bob", "get", "other", "pods", false),
            ("bob", "get", "team", "secrets", false),
            ("eve", "get", "team", "pods", false),
        ] {
            let user = who(name);
            let asked = Attributes { namespace, ..Attributes::resource(&user, verb, "", resource) };
            assert_eq!(policies.authorize(&asked).allowed, allowed, "{name} {verb} {namespace}/{resource}");
        }
        for (name, verb, path, allowed) in [
            ("dan", "get", "/logs/a", true),
            ("dan", "post", "/logs/a", false),
            ("dan", "get", "/metrics", false),
            ("ann", "get", "/logs/a", false),
        ] {
            let user = who(name);
            let got = policies.authorize(&Attributes::path(&user, verb, path));
            assert_eq!(got.allowed, allowed, "{name} {verb} {path}");
        }
    }

    #[test]
    fn without_a_version_what_is_not_said_holds_for_all() {
        let allows = |line: &str, name: &str, verb: &str, namespace: &str, resource: &str| {
            let policies = Policies::parse(line, "f").expect("policies");
            let groups = if name.is_empty() { vec![] } else { vec![identity::AUTHENTICATED.to_string()] };
            let user = UserInfo { username: name.into(), groups, ..UserInfo::default() };
            let asked = match resource {
                "" => Attributes::path(&user, verb, "/metrics"),
                _ => Attributes { namespace, ..Attributes::resource(&user, verb, "apps", resource) },
            };
            policies.authorize(&asked).allowed
        };
        for (line, name, verb, namespace, resource, allowed) in [
            ("{}", "ann", "delete", "a", "pods", true),
            ("{}", "ann", "get", "", "", true),
            ("{}", "", "get", "a", "pods", false),
            (r#"{"user":"ann"}"#, "bob", "get", "a", "pods", false),
            (r#"{"user":"*","namespace":"a"}"#, "bob", "get", "a", "pods", true),
            (r#"{"user":"*","namespace":"a"}"#, "bob", "get", "b", "pods", false),
            (r#"{"resource":"pods","readonly":true}"#, "bob", "create", "a", "pods", false),
            (r#"{"resource":"pods","readonly":true}"#, "bob", "get", "", "", false),
        ] {
            assert_eq!(
                allows(line, name, verb, namespace, resource),
                allowed,
                "{line} {name} {verb} {resource}"
            );
        }
    }

    #[test]
    fn wrong_lines_are_told() {
        let line = r#"{"apiVersion":"v7","kind":"Policy"}"#;
        let why = Policies::parse(&format!("\n{line}"), "f").expect_err("no version");
        let want = format!("error reading policy file f, line 2: {line}: it must be of apiVersion {VERSION}");
        assert!(why.starts_with(&want), "{why}");
    }
}
