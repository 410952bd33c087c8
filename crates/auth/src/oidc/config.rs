//! An AuthenticationConfiguration of apiserver.config.k8s.io, as it is written.

use super::validate;
use serde::Deserialize;

/// What an operator says of users from elsewhere.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AuthenticationConfiguration {
    api_version: String,
    kind: String,
    /// The providers.
    pub jwt: Vec<JwtAuthenticator>,
    /// Requests that prove nothing; `None` for what flags say.
    pub anonymous: Option<AnonymousConfiguration>,
}

/// Requests that prove nothing.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct AnonymousConfiguration {
    /// Whether they are answered.
    pub enabled: bool,
    /// Where; everywhere when empty.
    pub conditions: Vec<AnonymousCondition>,
}

/// Where requests are answered that prove nothing.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct AnonymousCondition {
    /// The whole path.
    pub path: String,
}

/// One provider, and what its tokens mean.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct JwtAuthenticator {
    pub issuer: Issuer,
    pub claim_validation_rules: Vec<ClaimValidationRule>,
    pub claim_mappings: ClaimMappings,
    pub user_validation_rules: Vec<UserValidationRule>,
}

/// A provider.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Issuer {
    /// The `iss` of its tokens.
    pub url: String,
    /// Where its discovery document is, when not below `url`.
    #[serde(rename = "discoveryURL")]
    pub discovery_url: String,
    /// PEM; the machine's own authorities when empty.
    pub certificate_authority: String,
    /// A token is for one of these.
    pub audiences: Vec<String>,
    /// `MatchAny`, or nothing.
    pub audience_match_policy: String,
    /// Accepted only empty: there is one way out.
    pub egress_selector_type: String,
}

/// What must be true of the claims.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ClaimValidationRule {
    pub claim: String,
    pub required_value: String,
    pub expression: String,
    pub message: String,
}

/// What must be true of the user.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UserValidationRule {
    pub expression: String,
    pub message: String,
}

/// How claims become a user.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClaimMappings {
    pub username: PrefixedClaimOrExpression,
    pub groups: PrefixedClaimOrExpression,
    pub uid: ClaimOrExpression,
    pub extra: Vec<ExtraMapping>,
}

/// A claim with a prefix, or an expression.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PrefixedClaimOrExpression {
    pub claim: String,
    pub prefix: Option<String>,
    pub expression: String,
}

/// A claim, or an expression.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClaimOrExpression {
    pub claim: String,
    pub expression: String,
}

/// One extra of the user.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ExtraMapping {
    pub key: String,
    pub value_expression: String,
}

impl AuthenticationConfiguration {
    /// Reads a configuration; `disallowed` are issuers that nobody else may be: the cluster's own.
    ///
    /// # Errors
    /// What it lacks, or says that is not understood.
    pub fn parse(json: &[u8], disallowed: &[String]) -> Result<Self, String> {
        let read: Self = serde_json::from_slice(json).map_err(|e| e.to_string())?;
        let known = ["v1", "v1beta1", "v1alpha1"].map(|v| format!("apiserver.config.k8s.io/{v}"));
        if read.kind != "AuthenticationConfiguration" || !known.contains(&read.api_version) {
            return Err(
                "it must be of apiVersion apiserver.config.k8s.io/v1, kind AuthenticationConfiguration"
                    .into(),
            );
        }
        let errors = validate::configuration(&read, disallowed);
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        if texts.is_empty() { Ok(read) } else { Err(texts.join("; ")) }
    }
}
