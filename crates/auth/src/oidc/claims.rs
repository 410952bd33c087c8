//! From claims to a user.

use super::config::{ClaimMappings, PrefixedClaimOrExpression};
use super::expressions::Expression;
use corten_api::Items;
use corten_api::authentication::v1::UserInfo;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The claims of a token.
pub(super) struct Claims(pub Map<String, Value>);

impl Claims {
    /// A claim that is text; empty if it is absent.
    pub fn text(&self, name: &str) -> Result<&str, String> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(""),
            Some(value) => value.as_str().ok_or_else(|| format!("claim {name} is no string")),
        }
    }

    /// A claim that is text or a list of texts; `None` if it is something else.
    fn strings(value: &Value) -> Option<Vec<String>> {
        match value {
            Value::Null => Some(Vec::new()),
            Value::String(one) => Some(vec![one.clone()]),
            Value::Array(many) => many.iter().map(|v| v.as_str().map(str::to_string)).collect(),
            _ => None,
        }
    }

    /// A claim that is text or a list of texts.
    pub fn texts(&self, name: &str) -> Result<Vec<String>, String> {
        let found = self.0.get(name).map_or(Some(Vec::new()), Self::strings);
        found.ok_or_else(|| format!("claim {name} is neither a string nor a list of strings"))
    }

    /// A claim that is a time.
    pub fn seconds(&self, name: &str) -> Result<Option<i64>, String> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            // Some write fractions of a second, which no number of seconds lacks by much.
            Some(value) => value
                .as_i64()
                .or_else(|| value.as_f64().map(|seconds| seconds as i64))
                .map(Some)
                .ok_or_else(|| format!("claim {name} is no time")),
        }
    }

    fn required(&self, name: &str) -> Result<&str, String> {
        let value = self.0.get(name).ok_or("claim not present")?;
        value.as_str().ok_or_else(|| "it is no string".to_string())
    }
}

/// A rule with what is said when it does not hold.
pub(super) type Rule = (Expression, String);

/// What claims mean, compiled.
#[derive(Debug, Default)]
pub(super) struct Mapper {
    pub mappings: ClaimMappings,
    pub username: Option<Expression>,
    pub groups: Option<Expression>,
    pub uid: Option<Expression>,
    pub extra: Vec<(String, Expression)>,
    /// Claims that must have a value.
    pub required: Vec<(String, String)>,
    pub claim_rules: Vec<Rule>,
    pub user_rules: Vec<Rule>,
}

impl Mapper {
    /// The user that the claims tell of.
    ///
    /// # Errors
    /// In upstream's words, what is missing or does not hold.
    pub fn user(&self, claims: &Claims) -> Result<UserInfo, String> {
        let all = Value::Object(claims.0.clone());
        let user = UserInfo {
            username: self.username(claims, &all)?,
            groups: self.groups(claims, &all)?,
            uid: self.uid(claims, &all)?,
            extra: self.extra(claims, &all)?,
        };
        for (claim, wanted) in &self.required {
            if !claims.0.contains_key(claim) {
                return Err(format!("required claim {claim} not present in ID token"));
            }
            let have = claims.required(claim).map_err(|why| format!("parse claim {claim}: {why}"))?;
            if have != wanted {
                return Err(format!(
                    "required claim {claim} value does not match. Got = {have}, want = {wanted}"
                ));
            }
        }
        check(&self.claim_rules, &all)
            .map_err(|why| format!("error evaluating claim validation expression: {why}"))?;
        if !self.user_rules.is_empty() {
            let extra: Map<String, Value> =
                user.extra.iter().map(|(key, values)| (key.clone(), json!(values.0))).collect();
            let shown = json!({
                "username": user.username, "uid": user.uid, "groups": user.groups, "extra": extra,
            });
            check(&self.user_rules, &shown)
                .map_err(|why| format!("error evaluating user info validation rule: {why}"))?;
        }
        Ok(user)
    }

    fn username(&self, claims: &Claims, all: &Value) -> Result<String, String> {
        if let Some(expression) = &self.username {
            let name = expression
                .text(all, "username claim expression must return a string")
                .map_err(|why| format!("error evaluating username claim expression: {why}"))?;
            if name.is_empty() {
                return Err("empty username via CEL expression is not allowed".into());
            }
            return Ok(name);
        }
        let PrefixedClaimOrExpression { claim, prefix, .. } = &self.mappings.username;
        let name = claims.required(claim).map_err(|why| format!("parse username claims {claim:?}: {why}"))?;
        if claim == "email" {
            match claims.0.get("email_verified") {
                None | Some(Value::Bool(true)) => {}
                Some(Value::Bool(false)) => return Err("email not verified".into()),
                Some(_) => return Err("parse 'email_verified' claim: it is neither true nor false".into()),
            }
        }
        Ok(format!("{}{name}", prefix.as_deref().unwrap_or_default()))
    }

    fn groups(&self, claims: &Claims, all: &Value) -> Result<Vec<String>, String> {
        let PrefixedClaimOrExpression { claim, prefix, .. } = &self.mappings.groups;
        if !claim.is_empty()
            && let Some(value) = claims.0.get(claim)
        {
            let found = Claims::strings(value).ok_or_else(|| {
                format!("parse groups claim {claim:?}: it is neither text nor a list of texts")
            })?;
            let prefix = prefix.as_deref().unwrap_or_default();
            return Ok(found.iter().map(|group| format!("{prefix}{group}")).collect());
        }
        let Some(expression) = &self.groups else { return Ok(Vec::new()) };
        expression.texts(all).map_err(|why| format!("error evaluating group claim expression: {why}"))
    }

    fn uid(&self, claims: &Claims, all: &Value) -> Result<String, String> {
        let claim = &self.mappings.uid.claim;
        if !claim.is_empty() {
            let found = claims.required(claim).map_err(|why| format!("parse uid claim {claim:?}: {why}"))?;
            return Ok(found.to_string());
        }
        let Some(expression) = &self.uid else { return Ok(String::new()) };
        expression
            .text(all, "uid claim expression must return a string")
            .map_err(|why| format!("error evaluating uid claim expression: {why}"))
    }

    fn extra(&self, claims: &Claims, all: &Value) -> Result<BTreeMap<String, Items>, String> {
        let mut extra = BTreeMap::new();
        if let Some(id) = claims.0.get("jti").and_then(Value::as_str) {
            let key = "authentication.kubernetes.io/credential-id".to_string();
            extra.insert(key, Items(vec![format!("JTI={id}")]));
        }
        for (key, expression) in &self.extra {
            let values = expression.texts(all).map_err(|why| {
                format!("error evaluating extra claim expression: {}: {why}", expression.source())
            })?;
            if !values.is_empty() {
                extra.insert(key.clone(), Items(values));
            }
        }
        Ok(extra)
    }
}

fn check(rules: &[Rule], subject: &Value) -> Result<(), String> {
    for (rule, message) in rules {
        if !rule.holds(subject)? {
            return Err(format!("validation expression '{}' failed: {message}", rule.source()));
        }
    }
    Ok(())
}
