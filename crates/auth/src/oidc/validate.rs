//! What is wrong with a configuration, in upstream's words.

use super::claims::Mapper;
use super::config::{
    AuthenticationConfiguration, ClaimMappings, ClaimValidationRule, Issuer, JwtAuthenticator,
    PrefixedClaimOrExpression, UserValidationRule,
};
use super::expressions::{About, Expression};
use corten_semantics::field::FieldError;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::collections::BTreeSet;

/// The most providers, as upstream.
const MOST: usize = 64;

type Errors = Vec<FieldError>;

/// All that is wrong.
pub(super) fn configuration(read: &AuthenticationConfiguration, disallowed: &[String]) -> Errors {
    let mut errors = Vec::new();
    if read.jwt.len() > MOST {
        return vec![FieldError::too_many("jwt", read.jwt.len(), MOST)];
    }
    let disallowed: BTreeSet<&str> = disallowed.iter().map(String::as_str).collect();
    let (mut issuers, mut discoveries) = (BTreeSet::new(), BTreeSet::new());
    for (i, one) in read.jwt.iter().enumerate() {
        let path = format!("jwt[{i}]");
        authenticator(one, &format!("{path}."), &disallowed, &mut errors);
        let Issuer { url, discovery_url, .. } = &one.issuer;
        if !issuers.insert(url) {
            errors.push(FieldError::duplicate(format!("{path}.issuer.url"), url));
        }
        if !discovery_url.is_empty() && !discoveries.insert(discovery_url) {
            errors.push(FieldError::duplicate(format!("{path}.issuer.discoveryURL"), discovery_url));
        }
    }
    if let Some(anonymous) = &read.anonymous
        && !anonymous.enabled
        && !anonymous.conditions.is_empty()
    {
        let paths: Vec<&str> = anonymous.conditions.iter().map(|c| c.path.as_str()).collect();
        let why = "enabled should be set to true when conditions are defined";
        errors.push(FieldError::invalid("anonymous.conditions", paths, why));
    }
    errors
}

/// What is wrong with one provider, whose fields are at `root`, and what could be compiled of it.
pub(super) fn authenticator(
    one: &JwtAuthenticator,
    root: &str,
    disallowed: &BTreeSet<&str>,
    errors: &mut Errors,
) -> Mapper {
    let mut mapper = Mapper { mappings: one.claim_mappings.clone(), ..Mapper::default() };
    issuer(&one.issuer, &format!("{root}issuer"), disallowed, errors);
    claim_rules(&one.claim_validation_rules, &format!("{root}claimValidationRules"), &mut mapper, errors);
    mappings(one, &format!("{root}claimMappings"), &mut mapper, errors);
    user_rules(&one.user_validation_rules, &format!("{root}userValidationRules"), &mut mapper, errors);
    mapper
}

fn issuer(issuer: &Issuer, path: &str, disallowed: &BTreeSet<&str>, errors: &mut Errors) {
    let at = |field: &str| format!("{path}.{field}");
    if issuer.url.is_empty() {
        errors.push(FieldError::required(at("url"), ""));
    } else {
        if disallowed.contains(issuer.url.as_str()) {
            let all: Vec<&str> = disallowed.iter().copied().collect();
            let why = format!("URL must not overlap with disallowed issuers: [{}]", all.join(" "));
            errors.push(FieldError::invalid(at("url"), &issuer.url, why));
        }
        url(&issuer.url, &at("url"), errors);
    }
    if !issuer.discovery_url.is_empty() {
        let bare = |text: &str| text.trim_end_matches('/').to_string();
        if !issuer.url.is_empty() && bare(&issuer.url) == bare(&issuer.discovery_url) {
            let why = "discoveryURL must be different from URL";
            errors.push(FieldError::invalid(at("discoveryURL"), &issuer.discovery_url, why));
        }
        url(&issuer.discovery_url, &at("discoveryURL"), errors);
    }
    audiences(issuer, path, errors);
    let authority = &issuer.certificate_authority;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(authority.as_bytes()).collect();
    if !authority.is_empty() && certificates.map_or(true, |found| found.is_empty()) {
        let mut error = FieldError::invalid(
            at("certificateAuthority"),
            "",
            "data does not contain any valid RSA or ECDSA certificates",
        );
        error.value = "\"<omitted>\"".into();
        errors.push(error);
    }
    if !issuer.egress_selector_type.is_empty() {
        let why = match issuer.egress_selector_type.as_str() {
            "controlplane" | "cluster" => {
                "egress selectors are not there: this server calls providers itself"
            }
            _ => "egress selector must be either controlplane or cluster",
        };
        errors.push(FieldError::invalid(at("egressSelectorType"), &issuer.egress_selector_type, why));
    }
}

fn audiences(issuer: &Issuer, path: &str, errors: &mut Errors) {
    let at = format!("{path}.audiences");
    if issuer.audiences.is_empty() {
        errors.push(FieldError::required(&at, format!("at least one {at} is required")));
        return;
    }
    let mut seen = BTreeSet::new();
    for (i, audience) in issuer.audiences.iter().enumerate() {
        if audience.is_empty() {
            errors.push(FieldError::required(format!("{at}[{i}]"), ""));
        }
        if !seen.insert(audience) {
            errors.push(FieldError::duplicate(format!("{at}[{i}]"), audience));
        }
    }
    let (policy, many) = (issuer.audience_match_policy.as_str(), issuer.audiences.len() > 1);
    let why = match policy {
        "MatchAny" => return,
        "" if !many => return,
        _ if many => "audienceMatchPolicy must be MatchAny for multiple audiences",
        _ => "audienceMatchPolicy must be empty or MatchAny for single audience",
    };
    errors.push(FieldError::invalid(format!("{path}.audienceMatchPolicy"), policy, why));
}

fn url(text: &str, path: &str, errors: &mut Errors) {
    let Some((scheme, rest)) = text.split_once("://") else {
        errors.push(FieldError::invalid(path, text, "URL scheme must be https"));
        return;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let port = host.rsplit(']').next().unwrap_or_default().split_once(':').map(|(_, port)| port);
    if let Some(port) = port.filter(|port| port.bytes().any(|b| !b.is_ascii_digit())) {
        let why = format!("parse {text:?}: invalid port \":{port}\" after host");
        errors.push(FieldError::invalid(path, text, why));
        return;
    }
    for (wrong, why) in [
        (scheme != "https", "URL scheme must be https"),
        (authority.contains('@'), "URL must not contain a username or password"),
        (rest.split('#').next().unwrap_or_default().contains('?'), "URL must not contain a query"),
        (rest.contains('#'), "URL must not contain a fragment"),
    ] {
        if wrong {
            errors.push(FieldError::invalid(path, text, why));
        }
    }
}

fn claim_rules(rules: &[ClaimValidationRule], path: &str, mapper: &mut Mapper, errors: &mut Errors) {
    let (mut claims, mut expressions) = (BTreeSet::new(), BTreeSet::new());
    for (i, rule) in rules.iter().enumerate() {
        let path = format!("{path}[{i}]");
        match (rule.claim.as_str(), rule.expression.as_str()) {
            ("", "") => errors.push(FieldError::required(path, "claim or expression is required")),
            (claim, "") => {
                if !rule.message.is_empty() {
                    let why = "may not be specified when claim is set";
                    errors.push(FieldError::invalid(format!("{path}.message"), &rule.message, why));
                }
                if !claims.insert(claim) {
                    errors.push(FieldError::duplicate(format!("{path}.claim"), claim));
                }
                mapper.required.push((claim.into(), rule.required_value.clone()));
            }
            ("", expression) => {
                if !rule.required_value.is_empty() {
                    let why = "may not be specified when expression is set";
                    errors.push(FieldError::invalid(
                        format!("{path}.requiredValue"),
                        &rule.required_value,
                        why,
                    ));
                }
                let path = format!("{path}.expression");
                if !expressions.insert(expression) {
                    errors.push(FieldError::duplicate(path, expression));
                    continue;
                }
                match Expression::compile(expression, About::Claims, true, &path) {
                    Ok(compiled) => mapper.claim_rules.push((compiled, rule.message.clone())),
                    Err(error) => errors.push(error),
                }
            }
            (claim, _) => {
                errors.push(FieldError::invalid(path, claim, "claim and expression can't both be set"));
            }
        }
    }
}

fn user_rules(rules: &[UserValidationRule], path: &str, mapper: &mut Mapper, errors: &mut Errors) {
    let mut seen = BTreeSet::new();
    for (i, rule) in rules.iter().enumerate() {
        let path = format!("{path}[{i}].expression");
        if rule.expression.is_empty() {
            errors.push(FieldError::required(path, ""));
        } else if !seen.insert(&rule.expression) {
            errors.push(FieldError::duplicate(path, &rule.expression));
        } else {
            match Expression::compile(&rule.expression, About::User, true, &path) {
                Ok(compiled) => mapper.user_rules.push((compiled, rule.message.clone())),
                Err(error) => errors.push(error),
            }
        }
    }
}

fn mappings(one: &JwtAuthenticator, path: &str, mapper: &mut Mapper, errors: &mut Errors) {
    let ClaimMappings { username, groups, uid, extra } = &one.claim_mappings;
    mapper.username = prefixed(username, &format!("{path}.username"), true, errors);
    mapper.groups = prefixed(groups, &format!("{path}.groups"), false, errors);
    let compiled = |text: &str, path: String, errors: &mut Errors| {
        Expression::compile(text, About::Claims, false, &path).map_err(|error| errors.push(error)).ok()
    };
    match (uid.claim.as_str(), uid.expression.as_str()) {
        (_, "") => {}
        ("", expression) => mapper.uid = compiled(expression, format!("{path}.uid.expression"), errors),
        _ => {
            let why = "claim and expression can't both be set";
            errors.push(FieldError::invalid(format!("{path}.uid"), "", why));
        }
    }
    let mut keys = BTreeSet::new();
    for (i, mapping) in extra.iter().enumerate() {
        let path = format!("{path}.extra[{i}]");
        extra_key(&mapping.key, &format!("{path}.key"), errors);
        if !keys.insert(&mapping.key) {
            errors.push(FieldError::duplicate(format!("{path}.key"), &mapping.key));
            continue;
        }
        let path = format!("{path}.valueExpression");
        if mapping.value_expression.is_empty() {
            errors.push(FieldError::required(path, ""));
            continue;
        }
        let expression = compiled(&mapping.value_expression, path, errors);
        mapper.extra.extend(expression.map(|e| (mapping.key.clone(), e)));
    }
    // What cannot be compiled counts for nothing.
    let texts = mapper.claim_rules.iter().map(|(rule, _)| rule.source());
    let texts = texts.chain(mapper.extra.iter().map(|(_, value)| value.source()));
    let mut texts = texts.chain(mapper.username.iter().map(Expression::source));
    let asks = mapper.username.as_ref().is_some_and(|name| mentions(name.source(), "email"));
    if asks && !texts.any(|text| mentions(text, "email_verified")) {
        let why = "claims.email_verified must be used in claimMappings.username.expression or \
                   claimMappings.extra[*].valueExpression or claimValidationRules[*].expression when \
                   claims.email is used in claimMappings.username.expression";
        errors.push(FieldError::invalid(format!("{path}.username.expression"), &username.expression, why));
    }
}

/// Whether an expression selects this claim, by `claims.NAME` or `claims.?NAME`.
fn mentions(expression: &str, claim: &str) -> bool {
    ["claims.", "claims.?"].iter().any(|select| {
        expression.match_indices(&format!("{select}{claim}")).any(|(at, found)| {
            let next = expression[at + found.len()..].chars().next();
            !next.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_')
        })
    })
}

fn extra_key(key: &str, path: &str, errors: &mut Errors) {
    let (domain, name) = key.split_once('/').unwrap_or((key, ""));
    if key.is_empty() {
        errors.push(FieldError::required(path, ""));
    } else if domain.is_empty() || name.is_empty() {
        let why = "must be a domain-prefixed path (such as \"acme.io/foo\")";
        errors.push(FieldError::invalid(path, key, why));
    }
    if key != key.to_lowercase() {
        errors.push(FieldError::invalid(path, key, "must be lowercase"));
    }
    let reserved = |of: &str| domain == of || domain.ends_with(&format!(".{of}"));
    if !name.is_empty() && (reserved("kubernetes.io") || reserved("k8s.io")) {
        let why = "k8s.io, kubernetes.io and their subdomains are reserved for Kubernetes use";
        errors.push(FieldError::invalid(path, key, why));
    }
}

fn prefixed(
    mapping: &PrefixedClaimOrExpression,
    path: &str,
    required: bool,
    errors: &mut Errors,
) -> Option<Expression> {
    match (mapping.claim.as_str(), mapping.expression.as_str()) {
        ("", "") => {
            errors.extend(required.then(|| FieldError::required(path, "claim or expression is required")));
            None
        }
        (_, "") => {
            if mapping.prefix.is_none() {
                let why = "prefix is required when claim is set. It can be set to an empty string to disable \
                           prefixing";
                errors.push(FieldError::required(format!("{path}.prefix"), why));
            }
            None
        }
        ("", expression) => {
            if let Some(prefix) = &mapping.prefix {
                let why = "may not be specified when expression is set";
                errors.push(FieldError::invalid(format!("{path}.prefix"), prefix, why));
            }
            let path = format!("{path}.expression");
            Expression::compile(expression, About::Claims, false, &path).map_err(|e| errors.push(e)).ok()
        }
        _ => {
            errors.push(FieldError::invalid(path, "", "claim and expression can't both be set"));
            None
        }
    }
}
