//! `--authorization-config`: an AuthorizationConfiguration of apiserver.config.k8s.io, read and checked.

use super::MatchConditions;
use corten_semantics::field::FieldError;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::time::Duration;

const TYPES: [&str; 6] = ["ABAC", "AlwaysAllow", "AlwaysDeny", "Node", "RBAC", "Webhook"];

/// Who authorizes, in order.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AuthorizationConfiguration {
    api_version: String,
    kind: String,
    /// The authorizers.
    pub authorizers: Vec<AuthorizerConfiguration>,
}

/// One authorizer.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuthorizerConfiguration {
    /// `Node`, `RBAC`, `Webhook`, `AlwaysAllow`, `AlwaysDeny`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its name, for people.
    pub name: String,
    /// For webhooks.
    pub webhook: Option<WebhookConfiguration>,
}

/// A webhook that authorizes. Durations are as Go writes them.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct WebhookConfiguration {
    #[serde(rename = "authorizedTTL")]
    authorized_ttl: String,
    #[serde(rename = "unauthorizedTTL")]
    unauthorized_ttl: String,
    timeout: String,
    /// Whether allowed requests are remembered; upstream's default is yes.
    pub cache_authorized_requests: Option<bool>,
    /// Whether refused requests are remembered; upstream's default is yes.
    pub cache_unauthorized_requests: Option<bool>,
    /// `v1` or `v1beta1`.
    pub subject_access_review_version: String,
    match_condition_subject_access_review_version: String,
    /// `NoOpinion` or `Deny`, when the webhook cannot be asked.
    pub failure_policy: String,
    /// Where it is.
    pub connection_info: ConnectionInfo,
    match_conditions: Vec<Condition>,
}

/// Where a webhook is.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ConnectionInfo {
    /// `KubeConfigFile` or `InClusterConfig`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kubeconfig's path.
    pub kube_config_file: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Condition {
    expression: String,
}

/// A duration as Go writes it: `5s`, `1m30s`.
///
/// # Errors
/// When it is none.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no duration such as 30s or 5m");
    let (mut rest, mut total) = (text, 0.0);
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
        let number: f64 = rest[..digits].parse().map_err(|_| wrong())?;
        rest = &rest[digits..];
        let units = [("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];
        let (unit, seconds) = units.into_iter().find(|(u, _)| rest.starts_with(u)).ok_or_else(wrong)?;
        rest = &rest[unit.len()..];
        total += number * seconds;
    }
    Duration::try_from_secs_f64(total).map_err(|_| wrong())
}

const NO_SUBDOMAIN: &str = "authorizer name is invalid: a lowercase RFC 1123 subdomain must consist of lower case \
    alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', \
    regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

fn is_subdomain(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let label = |label: &str| {
        let (first, last) = (label.bytes().next(), label.bytes().last());
        first.is_some_and(plain) && last.is_some_and(plain) && label.bytes().all(|b| plain(b) || b == b'-')
    };
    name.len() <= 253 && name.split('.').all(label)
}

impl WebhookConfiguration {
    /// What kube-apiserver's `--authorization-webhook-` flags mean.
    pub fn of_flags(file: &str, version: &str, authorized: &str, unauthorized: &str) -> Self {
        WebhookConfiguration {
            authorized_ttl: authorized.into(),
            unauthorized_ttl: unauthorized.into(),
            timeout: "30s".into(),
            subject_access_review_version: version.into(),
            failure_policy: "NoOpinion".into(),
            connection_info: ConnectionInfo {
                kind: "KubeConfigFile".into(),
                kube_config_file: Some(file.into()),
            },
            ..WebhookConfiguration::default()
        }
    }

    /// How long an answer is waited for.
    pub fn timeout(&self) -> Duration {
        duration(&self.timeout).unwrap_or(Duration::from_secs(30))
    }

    /// How long a permission is remembered; not at all when zero.
    pub fn authorized_ttl(&self) -> Duration {
        let ttl = duration(&self.authorized_ttl).unwrap_or_default();
        if self.cache_authorized_requests == Some(false) { Duration::ZERO } else { ttl }
    }

    /// How long a refusal is remembered; not at all when zero.
    pub fn unauthorized_ttl(&self) -> Duration {
        let ttl = duration(&self.unauthorized_ttl).unwrap_or_default();
        if self.cache_unauthorized_requests == Some(false) { Duration::ZERO } else { ttl }
    }

    /// The conditions under which it is asked.
    ///
    /// # Errors
    /// All that is wrong with them.
    pub fn conditions(&self, path: &str) -> Result<MatchConditions, Vec<FieldError>> {
        let expressions: Vec<String> = self.match_conditions.iter().map(|c| c.expression.clone()).collect();
        MatchConditions::compile(&expressions, &format!("{path}.matchConditions"))
    }

    fn check(&self, path: &str) -> Vec<FieldError> {
        let mut errors = Vec::new();
        for (name, text, most) in [
            ("timeout", &self.timeout, Some(Duration::from_secs(30))),
            ("authorizedTTL", &self.authorized_ttl, None),
            ("unauthorizedTTL", &self.unauthorized_ttl, None),
        ] {
            let path = format!("{path}.{name}");
            if text.is_empty() {
                errors.push(FieldError::required(path, ""));
                continue;
            }
            let why = if most.is_some() { "must be > 0s and <= 30s" } else { "must be > 0s" };
            match duration(text.trim_start_matches('-')) {
                Ok(found) if !found.is_zero() && text.starts_with('-') => {
                    errors.push(FieldError::invalid(path, text, why));
                }
                Ok(found) if found.is_zero() => errors.push(FieldError::required(path, "")),
                Ok(found) if most.is_some_and(|most| found > most) => {
                    errors.push(FieldError::invalid(path, text, why));
                }
                Ok(_) => {}
                Err(why) => errors.push(FieldError::invalid(path, text, why)),
            }
        }
        let mut choice = |name: &str, text: &str, known: &[&str], required: bool| {
            let path = format!("{path}.{name}");
            if text.is_empty() {
                errors.extend(required.then(|| FieldError::required(path, "")));
            } else if !known.contains(&text) {
                errors.push(FieldError::not_supported(path, text, known));
            }
        };
        let version = &self.match_condition_subject_access_review_version;
        choice("subjectAccessReviewVersion", &self.subject_access_review_version, &["v1", "v1beta1"], true);
        choice("matchConditionSubjectAccessReviewVersion", version, &["v1"], false);
        choice("failurePolicy", &self.failure_policy, &["NoOpinion", "Deny"], true);
        let known = ["InClusterConfig", "KubeConfigFile"];
        choice("connectionInfo.type", &self.connection_info.kind, &known, true);
        if version.is_empty() && !self.match_conditions.is_empty() {
            let path = format!("{path}.matchConditionSubjectAccessReviewVersion");
            errors.push(FieldError::required(path, "required if match conditions are specified"));
        }
        let file = self.connection_info.kube_config_file.as_deref().unwrap_or_default();
        let file_path = format!("{path}.connectionInfo.kubeConfigFile");
        match self.connection_info.kind.as_str() {
            "KubeConfigFile" if file.is_empty() => errors.push(FieldError::required(file_path, "")),
            "KubeConfigFile" if !file.starts_with('/') => {
                errors.push(FieldError::invalid(file_path, file, "must be an absolute path"));
            }
            "KubeConfigFile" => match std::fs::metadata(file) {
                Err(why) => {
                    let why = match why.kind() {
                        std::io::ErrorKind::NotFound => "no such file or directory".to_string(),
                        _ => why.to_string(),
                    };
                    let why = format!("error loading file: stat {file}: {why}");
                    errors.push(FieldError::invalid(file_path, file, why));
                }
                Ok(found) if !found.is_file() => {
                    errors.push(FieldError::invalid(file_path, file, "must be a regular file"));
                }
                Ok(_) => {}
            },
            "InClusterConfig" if !file.is_empty() => {
                errors.push(FieldError::invalid(file_path, file, "can only be set when type=KubeConfigFile"));
            }
            _ => {}
        }
        errors.extend(self.conditions(path).err().unwrap_or_default());
        errors
    }
}

impl AuthorizationConfiguration {
    /// Reads a configuration.
    ///
    /// # Errors
    /// What it lacks, or says that is not understood.
    pub fn parse(json: &[u8]) -> Result<Self, String> {
        let read: Self = serde_json::from_slice(json).map_err(|e| e.to_string())?;
        let known = ["v1", "v1beta1", "v1alpha1"].map(|v| format!("apiserver.config.k8s.io/{v}"));
        if read.kind != "AuthorizationConfiguration" || !known.contains(&read.api_version) {
            return Err(
                "it must be of apiVersion apiserver.config.k8s.io/v1, kind AuthorizationConfiguration".into(),
            );
        }
        let errors = read.check();
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        if texts.is_empty() { Ok(read) } else { Err(texts.join("; ")) }
    }

    fn check(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        if self.authorizers.is_empty() {
            errors
                .push(FieldError::required("authorizers", "at least one authorization mode must be defined"));
        }
        let (mut kinds, mut names) = (BTreeSet::new(), BTreeSet::new());
        for (i, one) in self.authorizers.iter().enumerate() {
            let path = format!("authorizers[{i}]");
            let (kind, name) = (one.kind.as_str(), one.name.as_str());
            if kind.is_empty() {
                errors.push(FieldError::required(format!("{path}.type"), ""));
                continue;
            }
            if !TYPES.contains(&kind) {
                errors.push(FieldError::not_supported(format!("{path}.type"), kind, &TYPES));
                continue;
            }
            if !kinds.insert(kind) && kind != "Webhook" {
                errors.push(FieldError::duplicate(format!("{path}.type"), kind));
                continue;
            }
            if name.is_empty() {
                errors.push(FieldError::required(format!("{path}.name"), ""));
            } else if !names.insert(name) {
                errors.push(FieldError::duplicate(format!("{path}.name"), name));
            } else if !is_subdomain(name) {
                errors.push(FieldError::invalid(format!("{path}.name"), name, NO_SUBDOMAIN));
            }
            match &one.webhook {
                Some(webhook) if kind == "Webhook" => errors.extend(webhook.check(&path)),
                None if kind == "Webhook" => {
                    errors
                        .push(FieldError::required(format!("{path}.webhook"), "required when type=Webhook"));
                }
                Some(_) => {
                    let why = "may only be specified when type=Webhook";
                    errors.push(FieldError::invalid(format!("{path}.webhook"), "non-null", why));
                }
                None => {}
            }
        }
        errors
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authorize::{Attributes, review};
    use corten_api::authentication::v1::UserInfo;
    use serde_json::{Value, json};

    fn configuration(change: impl FnOnce(&mut Value)) -> Result<AuthorizationConfiguration, String> {
        let mut text = json!({
            "apiVersion": "apiserver.config.k8s.io/v1",
            "kind": "AuthorizationConfiguration",
            "authorizers": [
                {"type": "Webhook", "name": "hook", "webhook": {
                    "timeout": "3s", "authorizedTTL": "5m", "unauthorizedTTL": "30s",
                    "subjectAccessReviewVersion": "v1", "matchConditionSubjectAccessReviewVersion": "v1",
                    "failurePolicy": "Deny",
                    "connectionInfo": {"type": "KubeConfigFile", "kubeConfigFile": "/etc/hosts"},
                    "matchConditions": [{"expression": "has(request.resourceAttributes)"}],
                }},
                {"type": "Node", "name": "node"}, {"type": "RBAC", "name": "rbac"},
            ],
        });
        change(&mut text);
        AuthorizationConfiguration::parse(text.to_string().as_bytes())
    }

    #[test]
    fn configurations_are_read_and_checked() {
        let read = configuration(|_| ()).expect("valid");
        let webhook = read.authorizers[0].webhook.as_ref().expect("a webhook");
        assert_eq!((webhook.timeout().as_secs(), webhook.authorized_ttl().as_secs()), (3, 300));
        type Change = fn(&mut Value);
        let cases: [(Change, &str); 12] = [
            (
                |c| c["kind"] = json!("Pod"),
                "it must be of apiVersion apiserver.config.k8s.io/v1, kind AuthorizationConfiguration",
            ),
            (
                |c| c["authorizers"] = json!([]),
                "authorizers: Required value: at least one authorization mode must be defined",
            ),
            (
                |c| c["authorizers"][1]["type"] = json!("RBAC"),
                "authorizers[2].type: Duplicate value: \"RBAC\"",
            ),
            (
                |c| c["authorizers"][0]["webhook"]["timeout"] = json!("31s"),
                "authorizers[0].timeout: Invalid value: \"31s\": must be > 0s and <= 30s",
            ),
            (
                |c| c["authorizers"][0]["webhook"]["failurePolicy"] = json!("Fail"),
                "authorizers[0].failurePolicy: Unsupported value: \"Fail\": supported values: \"NoOpinion\", \"Deny\"",
            ),
            (
                |c| {
                    c["authorizers"][0]["webhook"]["matchConditions"][0]["expression"] = json!("request.user")
                },
                "authorizers[0].matchConditions[0].expression: Invalid value: \"request.user\": must evaluate to bool but got string",
            ),
            (
                |c| c["authorizers"][0]["webhook"]["timeout"] = json!("-5s"),
                "authorizers[0].timeout: Invalid value: \"-5s\": must be > 0s and <= 30s",
            ),
            (
                |c| c["authorizers"][0]["webhook"]["authorizedTTL"] = json!("-1m"),
                "authorizers[0].authorizedTTL: Invalid value: \"-1m\": must be > 0s",
            ),
            (
                |c| c["authorizers"][0]["webhook"]["connectionInfo"]["kubeConfigFile"] = json!("/etc"),
                "authorizers[0].connectionInfo.kubeConfigFile: Invalid value: \"/etc\": must be a regular file",
            ),
            (
                |c| c["authorizers"][0]["webhook"]["connectionInfo"]["kubeConfigFile"] = json!("etc"),
                "authorizers[0].connectionInfo.kubeConfigFile: Invalid value: \"etc\": must be an absolute path",
            ),
            (
                |c| c["authorizers"][1]["name"] = json!("Node"),
                "authorizers[1].name: Invalid value: \"Node\": authorizer name is invalid: a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
            ),
            (
                |c| c["authorizers"][1]["webhook"] = json!({}),
                "authorizers[1].webhook: Invalid value: \"non-null\": may only be specified when type=Webhook",
            ),
        ];
        for (change, want) in cases {
            assert_eq!(configuration(change).err().as_deref(), Some(want));
        }
        assert!(configuration(|c| c["surprise"] = json!(1)).is_err(), "unknown fields are refused");
    }

    #[test]
    fn conditions_see_the_review() {
        let user = UserInfo { username: "jane".into(), groups: vec!["dev".into()], ..UserInfo::default() };
        let pods = review(&Attributes {
            namespace: "kube-system",
            ..Attributes::resource(&user, "get", "", "pods")
        });
        let path = review(&Attributes::path(&user, "get", "/metrics"));
        for (expression, pods_match, path_match) in [
            ("has(request.resourceAttributes)", Ok(true), Ok(false)),
            ("request.user == 'jane' && 'dev' in request.groups", Ok(true), Ok(true)),
            (
                "!has(request.nonResourceAttributes) && request.resourceAttributes.subresource == ''",
                Ok(true),
                Ok(false),
            ),
            ("request.resourceAttributes.namespace == 'kube-system'", Ok(true), Err(())),
        ] {
            let compiled = MatchConditions::compile(&[expression.to_string()], "c").expect("compiles");
            assert_eq!(compiled.hold(&pods).map_err(|_| ()), pods_match, "{expression}");
            assert_eq!(compiled.hold(&path).map_err(|_| ()), path_match, "{expression}");
        }
    }
}
