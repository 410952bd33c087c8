//! The file `apiserver.config.k8s.io/v1 EncryptionConfiguration`, held to upstream's rules (apiserver
//! `apis/apiserver/validation`).

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use corten_auth::authorize::duration;
use corten_codec::{Problems, yaml};
use corten_rt::Clock;
use corten_semantics::field::FieldError;
use serde::Deserialize;

use super::chain::Way;
use super::key::{Cipher, Key};
use super::kms::{Plugin, Settings};
use super::rules::{Pattern, Rules};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Given {
    api_version: String,
    kind: String,
    #[serde(default)]
    resources: Vec<GivenResources>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GivenResources {
    #[serde(default)]
    resources: Vec<String>,
    #[serde(default)]
    providers: Vec<GivenProvider>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GivenProvider {
    aesgcm: Option<GivenKeys>,
    aescbc: Option<GivenKeys>,
    secretbox: Option<GivenKeys>,
    identity: Option<Nothing>,
    kms: Option<GivenPlugin>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct GivenPlugin {
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    name: String,
    cachesize: Option<i64>,
    #[serde(default)]
    endpoint: String,
    timeout: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GivenKeys {
    #[serde(default)]
    keys: Vec<GivenKey>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GivenKey {
    #[serde(default)]
    name: String,
    #[serde(default)]
    secret: String,
}

/// Reads a configuration in YAML or JSON; what is wrong with it, a line each.
pub fn parse(text: &[u8]) -> Result<Rules, String> {
    let json = yaml::to_json(text, &mut Problems::ignore()).map_err(|e| format!("failed decoding: {e}"))?;
    let given: Given = serde_json::from_slice(&json).map_err(|e| format!("failed decoding: {e}"))?;
    if given.api_version != "apiserver.config.k8s.io/v1" || given.kind != "EncryptionConfiguration" {
        return Err(format!(
            "expected kind EncryptionConfiguration of apiserver.config.k8s.io/v1, found {:?} of {:?}",
            given.kind, given.api_version
        ));
    }
    let (mut rules, mut wrong) = (Rules::default(), Vec::new());
    if given.resources.is_empty() {
        wrong.push(at_least_one("resources", "resources"));
    }
    for (i, rule) in given.resources.into_iter().enumerate() {
        let at = format!("resources[{i}].resources");
        let patterns = patterns(&rule.resources, &at, &mut wrong);
        for pattern in &patterns {
            if let Some(earlier) = rules.masks(pattern) {
                let why = format!("resource is masked by earlier rule {earlier:?}");
                wrong.push(FieldError::invalid(&at, pattern.to_string(), why));
            }
        }
        let at = format!("resources[{i}].providers");
        if rule.providers.is_empty() {
            wrong.push(at_least_one(&at, &at));
        }
        let mut ways = Vec::new();
        for (j, provider) in rule.providers.into_iter().enumerate() {
            let at = format!("{at}[{j}]");
            let ready = provider_ways(provider, &at, &mut rules.plugins, &mut wrong);
            ways.extend(ready.into_iter().map(Arc::new));
        }
        rules.add(patterns, &ways);
    }
    if wrong.is_empty() {
        return Ok(rules);
    }
    Err(wrong.iter().map(FieldError::to_string).collect::<Vec<_>>().join("\n"))
}

fn at_least_one(path: &str, what: &str) -> FieldError {
    FieldError::required(path, format!("at least one {what} is required"))
}

fn patterns(names: &[String], at: &str, wrong: &mut Vec<FieldError>) -> Vec<Pattern> {
    if names.is_empty() {
        wrong.push(at_least_one(at, at));
    }
    let mut patterns: Vec<Pattern> = Vec::new();
    let (mut repeated, mut overlap) = (false, false);
    for (i, name) in names.iter().enumerate() {
        let pattern = Pattern::new(name);
        if let Some(why) = refused(name, &pattern) {
            wrong.push(FieldError::invalid(format!("{at}[{i}]"), name, why));
        }
        for other in &patterns {
            repeated |= *other == pattern;
            overlap |= *other != pattern && (other.covers(&pattern) || pattern.covers(other));
        }
        patterns.push(pattern);
    }
    if repeated {
        let why = "the same resource cannot be specified multiple times";
        wrong.push(FieldError::invalid(at, names, why));
    }
    if overlap {
        let why = "using overlapping resources such as 'secrets' and '*.' in the same resource list is not allowed as they will be masked";
        wrong.push(FieldError::invalid(at, names, why));
    }
    patterns
}

fn refused(name: &str, pattern: &Pattern) -> Option<&'static str> {
    if name.chars().any(char::is_uppercase) {
        return Some("resource name should not contain capital letters");
    }
    if name == "*" {
        return Some(
            "use '*.' to encrypt all the resources from core API group or *.* to encrypt all resources",
        );
    }
    if matches!(name, "apiserveripinfo" | "serviceipallocations" | "servicenodeportallocations") {
        return Some("resources which do not have REST API/s cannot be encrypted");
    }
    match (pattern.resource.as_str(), pattern.group.as_str()) {
        (_, "events.k8s.io") => Some(
            "'*.events.k8s.io' objects are stored using the 'events' API group in etcd. Use 'events' instead in the config file",
        ),
        (_, "extensions") => Some("'extensions' group has been removed and cannot be used for encryption"),
        (resource, "*") if resource != "*" => {
            Some("encrypting the same resource across groups is not supported")
        }
        _ => None,
    }
}

fn provider_ways(
    provider: GivenProvider,
    at: &str,
    plugins: &mut Vec<Arc<Plugin>>,
    wrong: &mut Vec<FieldError>,
) -> Vec<Way> {
    let GivenProvider { aesgcm, aescbc, secretbox, identity, kms } = provider;
    let mut keyed: Vec<(Cipher, GivenKeys)> = Vec::new();
    for (cipher, keys) in [(Cipher::AesGcm, aesgcm), (Cipher::AesCbc, aescbc), (Cipher::Secretbox, secretbox)]
    {
        keyed.extend(keys.map(|keys| (cipher, keys)));
    }
    match keyed.len() + usize::from(identity.is_some()) + usize::from(kms.is_some()) {
        0 => {
            let why = "provider does not contain any of the expected providers: KMS, AESGCM, AESCBC, Secretbox, Identity";
            wrong.push(FieldError::required(at, why));
        }
        1 => {}
        _ => {
            let why = "more than one provider specified in a single element, should split into different list elements";
            wrong.push(FieldError::forbidden(at, why));
        }
    }
    let mut ways: Vec<Way> = identity.map(|_| Way::Identity).into_iter().collect();
    if let Some(given) = kms
        && let Some(settings) = plugin(given, &format!("{at}.kms"), plugins, wrong)
    {
        let plugin = Arc::new(Plugin::new(&settings, Clock::system()));
        plugins.push(Arc::clone(&plugin));
        ways.push(Way::kms(plugin));
    }
    for (cipher, keys) in keyed {
        let at = format!("{at}.{}.keys", cipher.name());
        if keys.keys.is_empty() {
            wrong.push(at_least_one(&at, "keys"));
        }
        for (i, key) in keys.keys.into_iter().enumerate() {
            ways.extend(way(cipher, key, &format!("{at}[{i}]"), wrong));
        }
    }
    ways
}

/// How long a plugin may take when the configuration does not say.
const PLUGIN_TIME: Duration = Duration::from_secs(3);

fn plugin(
    given: GivenPlugin,
    at: &str,
    others: &[Arc<Plugin>],
    wrong: &mut Vec<FieldError>,
) -> Option<Settings> {
    let (before, name) = (wrong.len(), given.name);
    let at = |field: &str| format!("{at}.{field}");
    if name.is_empty() {
        wrong.push(FieldError::required(at("name"), "name is a mandatory field for a provider"));
    }
    if name.contains(':') {
        let why = format!("invalid KMS provider name {name}, must not contain ':'");
        wrong.push(FieldError::invalid(at("name"), &name, why));
    }
    if others.iter().any(|other| other.name() == name) {
        let why = format!("duplicate KMS provider name {name}, names must be unique");
        wrong.push(FieldError::invalid(at("name"), &name, why));
    }
    let timeout = given.timeout.as_deref().map_or(Ok(PLUGIN_TIME), duration).unwrap_or_default();
    if timeout.is_zero() {
        let shown = given.timeout.unwrap_or_default();
        wrong.push(FieldError::invalid(at("timeout"), shown, "timeout should be a positive value"));
    }
    let socket = match given.endpoint.split_once(':') {
        _ if given.endpoint.is_empty() => {
            let why = "endpoint is a mandatory field for a kms";
            wrong.push(FieldError::invalid(at("endpoint"), "", why));
            None
        }
        Some(("unix", rest)) => Some(rest.strip_prefix("//").unwrap_or(rest)),
        other => {
            let scheme = other.map_or("", |(scheme, _)| scheme);
            let why = format!("unsupported scheme {scheme:?} for KMS provider, only unix is supported");
            wrong.push(FieldError::invalid(at("endpoint"), &given.endpoint, why));
            None
        }
    };
    if let Some(size) = given.cachesize.filter(|_| given.api_version == "v2") {
        wrong.push(FieldError::invalid(at("cachesize"), size, "cachesize is not supported in v2"));
    }
    match given.api_version.as_str() {
        "v2" => {}
        "" | "v1" => {
            let why = "KMSv1 is deprecated and will only receive security updates going forward. Use KMSv2 instead.";
            wrong.push(FieldError::forbidden(at("apiVersion"), why));
        }
        other => {
            let why =
                format!("unsupported apiVersion {other} for KMS provider, only v1 and v2 are supported");
            wrong.push(FieldError::invalid(at("apiVersion"), other, why));
        }
    }
    let socket = PathBuf::from(socket?);
    (wrong.len() == before).then_some(Settings { name, socket, timeout })
}

fn way(cipher: Cipher, key: GivenKey, at: &str, wrong: &mut Vec<FieldError>) -> Option<Way> {
    if key.name.is_empty() {
        wrong.push(FieldError::required(format!("{at}.name"), "name is a mandatory field for a key"));
    }
    let at = format!("{at}.secret");
    if key.secret.is_empty() {
        wrong.push(FieldError::required(&at, "secret is a mandatory field for a key"));
        return None;
    }
    let Ok(secret) = STANDARD.decode(&key.secret) else {
        wrong.push(FieldError::invalid(&at, "REDACTED", "secrets must be base64 encoded"));
        return None;
    };
    let sizes = cipher.key_sizes();
    if !sizes.contains(&secret.len()) {
        let sizes: Vec<String> = sizes.iter().map(usize::to_string).collect();
        let why = format!(
            "secret is not of the expected length, got {}, expected one of [{}]",
            secret.len(),
            sizes.join(" ")
        );
        wrong.push(FieldError::invalid(&at, "REDACTED", why));
        return None;
    }
    let ready = Key::new(cipher, &secret);
    if ready.is_err() {
        wrong.push(FieldError::invalid(&at, "REDACTED", "the cryptography refuses this key"));
    }
    Some(Way::new(cipher, &key.name, ready.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(resources: &str, providers: &str) -> String {
        format!(
            "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources: [{{resources: {resources}, providers: {providers}}}]\n"
        )
    }

    #[test]
    fn mistakes_are_told_in_upstreams_words() {
        let key16 = STANDARD.encode([1; 16]);
        let good = format!("[{{aescbc: {{keys: [{{name: a, secret: {key16}}}]}}}}, {{identity: {{}}}}]");
        for (resources, providers, says) in [
            ("[secrets]", good.as_str(), ""),
            ("['*.']", &good, ""),
            ("['*.*']", &good, ""),
            ("['*.apps', widgets.example.com]", &good, ""),
            ("[]", &good, "resources[0].resources: Required value: at least one"),
            ("[Secrets]", &good, "resource name should not contain capital letters"),
            ("['*']", &good, "use '*.' to encrypt all the resources from core API group"),
            ("['secrets.*']", &good, "encrypting the same resource across groups is not supported"),
            ("[events.events.k8s.io]", &good, "Use 'events' instead in the config file"),
            ("[secrets, secrets]", &good, "cannot be specified multiple times"),
            ("[secrets, '*.']", &good, "using overlapping resources"),
            ("[deployments.apps, '*.*']", &good, "using overlapping resources"),
            ("[secrets]", "[]", "resources[0].providers: Required value: at least one"),
            ("[secrets]", "[{}]", "does not contain any of the expected providers"),
            ("[secrets]", "[{identity: {}, aesgcm: {keys: []}}]", "more than one provider"),
            (
                "[secrets]",
                "[{aesgcm: {keys: []}}]",
                "providers[0].aesgcm.keys: Required value: at least one keys",
            ),
            ("[secrets]", "[{kms: {apiVersion: v2, name: x, endpoint: 'unix:///x.sock', timeout: 1s}}]", ""),
            (
                "[secrets]",
                "[{kms: {name: x}}]",
                "providers[0].kms.apiVersion: Forbidden: KMSv1 is deprecated",
            ),
            ("[secrets]", "[{kms: {apiVersion: v3}}]", "unsupported apiVersion v3 for KMS provider, only v1"),
            ("[secrets]", "[{kms: {apiVersion: v2}}]", "kms.name: Required value: name is a mandatory field"),
            ("[secrets]", "[{kms: {apiVersion: v2}}]", "kms.endpoint: Invalid value: \"\": endpoint is a"),
            ("[secrets]", "[{kms: {endpoint: 'tcp://x'}}]", "unsupported scheme \"tcp\" for KMS provider"),
            ("[secrets]", "[{kms: {name: 'a:b'}}]", "invalid KMS provider name a:b, must not contain ':'"),
            ("[secrets]", "[{kms: {timeout: 0s}}]", "timeout should be a positive value"),
            ("[secrets]", "[{kms: {apiVersion: v2, cachesize: 1}}]", "cachesize is not supported in v2"),
            (
                "[secrets]",
                "[{kms: {apiVersion: v2, name: x, endpoint: 'unix:///x'}}, {kms: {apiVersion: v2, name: x, endpoint: 'unix:///y'}}]",
                "providers[1].kms.name: Invalid value: \"x\": duplicate KMS provider name x, names must be unique",
            ),
            ("[secrets]", "[{aescbc: {keys: [{secret: YQ==}]}}]", "keys[0].name: Required value"),
            ("[secrets]", "[{aescbc: {keys: [{name: a}]}}]", "keys[0].secret: Required value"),
            ("[secrets]", "[{aescbc: {keys: [{name: a, secret: '!'}]}}]", "secrets must be base64 encoded"),
            (
                "[secrets]",
                "[{secretbox: {keys: [{name: a, secret: YWJjZGVmZ2hpamtsbW5vcA==}]}}]",
                "Invalid value: \"REDACTED\": secret is not of the expected length, got 16, expected one of [32]",
            ),
            ("[secrets]", "[{rot13: {}}]", "unknown field"),
        ] {
            let told = parse(with(resources, providers).as_bytes()).err().unwrap_or_default();
            assert!(told.contains(says) && says.is_empty() == told.is_empty(), "{resources}: {told}");
        }
        assert!(parse(b"kind: Policy\napiVersion: v1\n").is_err());
    }

    #[test]
    fn what_an_earlier_rule_takes_a_later_one_cannot() {
        let rule = |name: &str| format!("{{resources: ['{name}'], providers: [{{identity: {{}}}}]}}");
        let of = |names: &[&str]| {
            let rules: Vec<String> = names.iter().map(|n| rule(n)).collect();
            let head = "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\n";
            parse(format!("{head}resources: [{}]\n", rules.join(", ")).as_bytes()).map(|_| ())
        };
        assert_eq!(of(&["secrets", "*.", "*.*"]), Ok(()));
        assert_eq!(of(&["secrets", "secrets"]), Ok(()));
        assert!(of(&["*.", "secrets"]).is_err_and(|why| why.contains("masked by earlier rule \"*.\"")));
        assert!(of(&["*.*", "*.apps"]).is_err_and(|why| why.contains("masked by earlier rule \"*.*\"")));
    }
}
