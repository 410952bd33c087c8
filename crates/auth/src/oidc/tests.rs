use super::*;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::{KeyPair, PublicKeyData};
use serde_json::{Value, json};

fn now() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().expect("a time")
}

/// A key of a provider: what signs, and the entry of the key set.
fn key(id: &str) -> (EncodingKey, Value) {
    use base64::Engine;
    let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let pair = KeyPair::generate().expect("a key");
    let (x, y) = pair.der_bytes()[1..].split_at(32);
    let shown = json!({"kty": "EC", "crv": "P-256", "use": "sig", "kid": id, "x": engine.encode(x), "y": engine.encode(y)});
    (EncodingKey::from_ec_der(pair.serialized_der()), shown)
}

fn sign(key: &EncodingKey, id: &str, claims: &Value) -> String {
    let mut header = Header::new(Algorithm::ES256);
    header.kid = Some(id.into());
    jsonwebtoken::encode(&header, claims, key).expect("a token")
}

fn configuration(change: impl FnOnce(&mut Value)) -> Result<AuthenticationConfiguration, String> {
    let mut text = json!({
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AuthenticationConfiguration",
        "jwt": [{
            "issuer": {"url": "https://ex.io", "audiences": ["me"]},
            "claimMappings": {
                "username": {"claim": "sub", "prefix": "ex:"},
                "groups": {"claim": "roles", "prefix": "ex:"},
                "uid": {"claim": "id"},
                "extra": [{"key": "ex.io/team", "valueExpression": "claims.team"}],
            },
            "claimValidationRules": [{"expression": "claims.hd == 'ex.io'", "message": "not of ours"}],
            "userValidationRules": [{"expression": "!user.username.startsWith('system:')", "message": "reserved"}],
        }],
    });
    change(&mut text);
    AuthenticationConfiguration::parse(text.to_string().as_bytes(), &["https://own".to_string()])
}

fn claims() -> Value {
    json!({
        "iss": "https://ex.io", "aud": "me", "exp": now().as_second() + 60, "sub": "jane", "jti": "1",
        "roles": ["a", "b"], "id": "77", "team": "blue", "hd": "ex.io",
    })
}

/// The user that these claims are, by this configuration.
fn user(configure: impl FnOnce(&mut Value), claim: impl FnOnce(&mut Value)) -> Result<UserInfo, String> {
    let read = configuration(configure).expect("valid");
    let provider = Provider::new(&read.jwt[0], &["ES256".to_string()]).expect("a provider");
    let (signing, shown) = key("k");
    let keys = KeySet::parse(json!({"keys": [{"kty": "?"}, shown]}).to_string().as_bytes()).expect("keys");
    let mut claims = claims();
    claim(&mut claims);
    let token = sign(&signing, "k", &claims);
    assert!(provider.knows(&token) || claims["iss"] != "https://ex.io");
    provider.authenticate(&token, &keys, now()).map_err(|e| e.to_string())
}

#[test]
fn claims_become_a_user() {
    let jane = user(|_| (), |_| ()).expect("accepted");
    assert_eq!((jane.username.as_str(), jane.uid.as_str()), ("ex:jane", "77"));
    assert_eq!(jane.groups, ["ex:a", "ex:b"]);
    assert_eq!(jane.extra["ex.io/team"].0, ["blue"]);
    assert_eq!(jane.extra["authentication.kubernetes.io/credential-id"].0, ["JTI=1"]);
    let by_expressions = user(
        |c| {
            c["jwt"][0]["claimMappings"] = json!({
                "username": {"expression": "claims.sub + '@' + claims.hd"},
                "groups": {"expression": "claims.roles.filter(r, r != 'a') + ['', 'all']"},
            });
        },
        |_| (),
    );
    let jane = by_expressions.expect("accepted");
    assert_eq!((jane.username.as_str(), jane.groups), ("jane@ex.io", vec!["b".to_string(), "all".into()]));
}

#[test]
fn what_is_not_good_is_refused() {
    type Change = fn(&mut Value);
    let cases: [(Change, Change, &str); 9] = [
        (
            |_| (),
            |c| c["iss"] = json!("https://else"),
            "oidc: verify token: oidc: id token issued by a different provider, expected \"https://ex.io\" got \"https://else\"",
        ),
        (
            |_| (),
            |c| c["aud"] = json!(["you"]),
            "oidc: verify token: oidc: expected audience in [\"me\"] got [\"you\"]",
        ),
        (|_| (), |c| c["exp"] = json!(7), "oidc: verify token: oidc: token is expired (Token Expiry: 7)"),
        (
            |_| (),
            |c| c["hd"] = json!("other"),
            "oidc: error evaluating claim validation expression: validation expression 'claims.hd == 'ex.io'' failed: not of ours",
        ),
        (
            |_| (),
            |c| drop(c.as_object_mut().expect("claims").remove("sub")),
            "oidc: parse username claims \"sub\": claim not present",
        ),
        (
            |c| c["jwt"][0]["claimMappings"]["username"]["prefix"] = json!("system:"),
            |_| (),
            "oidc: error evaluating user info validation rule: validation expression '!user.username.startsWith('system:')' failed: reserved",
        ),
        (
            |c| c["jwt"][0]["claimValidationRules"] = json!([{"claim": "hd", "requiredValue": "x"}]),
            |_| (),
            "oidc: required claim hd value does not match. Got = ex.io, want = x",
        ),
        (
            |c| c["jwt"][0]["claimMappings"]["username"]["claim"] = json!("email"),
            |c| (c["email"], c["email_verified"]) = (json!("j@ex.io"), json!(false)),
            "oidc: email not verified",
        ),
        (
            |c| c["jwt"][0]["claimMappings"]["username"] = json!({"expression": "claims.id == '77'"}),
            |_| (),
            "oidc: error evaluating username claim expression: username claim expression must return a string",
        ),
    ];
    for (configure, claim, want) in cases {
        assert_eq!(user(configure, claim).err().as_deref(), Some(want));
    }
}

#[test]
fn only_the_providers_keys_sign() {
    let read = configuration(|_| ()).expect("valid");
    let provider = Provider::new(&read.jwt[0], &["ES256".to_string()]).expect("a provider");
    let ((own, shown), (other, _)) = (key("k"), key("k"));
    let keys = KeySet::parse(json!({"keys": [shown]}).to_string().as_bytes()).expect("keys");
    let good = sign(&own, "k", &claims());
    assert!(provider.authenticate(&good, &keys, now()).is_ok());
    assert!(keys.may_know(&good) && !keys.may_know(&sign(&own, "new", &claims())));
    for forged in [sign(&other, "k", &claims()), sign(&own, "new", &claims())] {
        let refused = provider.authenticate(&forged, &keys, now()).expect_err("refused").to_string();
        assert_eq!(
            refused,
            "oidc: verify token: failed to verify signature: failed to verify id token signature"
        );
    }
    let rsa_only = Provider::new(&read.jwt[0], &["RS256".to_string()]).expect("a provider");
    assert!(rsa_only.authenticate(&good, &keys, now()).is_err());
    assert_eq!(
        Provider::new(&read.jwt[0], &["HS256".to_string()]).err().as_deref(),
        Some("oidc: unsupported signing alg: \"HS256\"")
    );
}

#[test]
fn keys_of_the_largest_curve_are_known() {
    use base64::Engine;
    let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let pair = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P521_SHA512).expect("a key");
    let (x, y) = pair.der_bytes()[1..].split_at(66);
    let (x, y) = (engine.encode(x), engine.encode(y));
    let shown = json!({"kty": "EC", "crv": "P-521", "use": "sig", "kid": "k", "x": x, "y": y});
    let keys = KeySet::parse(json!({"keys": [shown]}).to_string().as_bytes()).expect("keys");
    let algorithm = &aws_lc_rs::signature::ECDSA_P521_SHA512_FIXED_SIGNING;
    let signing = aws_lc_rs::signature::EcdsaKeyPair::from_pkcs8(algorithm, pair.serialized_der());
    let part = |json: &Value| engine.encode(json.to_string());
    let message = format!("{}.{}", part(&json!({"alg": "ES512", "kid": "k"})), part(&claims()));
    let random = aws_lc_rs::rand::SystemRandom::new();
    let signature = signing.expect("a key").sign(&random, message.as_bytes()).expect("a signature");
    let token = format!("{message}.{}", engine.encode(signature.as_ref()));
    let read = configuration(|_| ()).expect("valid");
    let provider = |name: &str| Provider::new(&read.jwt[0], &[name.to_string()]).expect("a provider");
    let jane = provider("ES512").authenticate(&token, &keys, now()).expect("accepted");
    assert_eq!(jane.username, "ex:jane");
    assert!(keys.may_know(&token));
    let forged = format!("{message}.{}", engine.encode([1; 132]));
    assert!(provider("ES512").authenticate(&forged, &keys, now()).is_err());
    assert_eq!(
        provider("ES256").authenticate(&token, &keys, now()).expect_err("refused").to_string(),
        "oidc: verify token: oidc: id token signed with unsupported algorithm, expected [\"ES256\"] got \"ES512\""
    );
}

#[test]
fn configurations_are_checked() {
    type Change = fn(&mut Value);
    let cases: [(Change, &str); 13] = [
        (
            |c| c["jwt"][0]["issuer"]["url"] = json!("https://ex.io:port"),
            "jwt[0].issuer.url: Invalid value: \"https://ex.io:port\": parse \"https://ex.io:port\": invalid port \":port\" after host",
        ),
        (
            |c| c["jwt"][0]["issuer"]["egressSelectorType"] = json!("panda"),
            "jwt[0].issuer.egressSelectorType: Invalid value: \"panda\": egress selector must be either controlplane or cluster",
        ),
        (
            |c| {
                c["jwt"][0]["claimMappings"]["username"] = json!({"expression": "claims.email"});
                c["jwt"][0]["claimValidationRules"][0]["expression"] = json!("claims.email_verified + 1");
            },
            "jwt[0].claimValidationRules[0].expression: Invalid value: \"claims.email_verified + 1\": must evaluate to bool; jwt[0].claimMappings.username.expression: Invalid value: \"claims.email\": claims.email_verified must be used in claimMappings.username.expression or claimMappings.extra[*].valueExpression or claimValidationRules[*].expression when claims.email is used in claimMappings.username.expression",
        ),
        (
            |c| c["kind"] = json!("Pod"),
            "it must be of apiVersion apiserver.config.k8s.io/v1, kind AuthenticationConfiguration",
        ),
        (
            |c| c["jwt"][0]["issuer"]["url"] = json!("http://ex.io"),
            "jwt[0].issuer.url: Invalid value: \"http://ex.io\": URL scheme must be https",
        ),
        (
            |c| c["jwt"][0]["issuer"]["url"] = json!("https://own"),
            "jwt[0].issuer.url: Invalid value: \"https://own\": URL must not overlap with disallowed issuers: [https://own]",
        ),
        (
            |c| c["jwt"][0]["issuer"]["audiences"] = json!(["a", "b"]),
            "jwt[0].issuer.audienceMatchPolicy: Invalid value: \"\": audienceMatchPolicy must be MatchAny for multiple audiences",
        ),
        (
            |c| c["jwt"][0]["claimMappings"]["username"] = json!({"claim": "sub"}),
            "jwt[0].claimMappings.username.prefix: Required value: prefix is required when claim is set. It can be set to an empty string to disable prefixing",
        ),
        (
            |c| c["jwt"][0]["claimMappings"]["extra"][0]["key"] = json!("k8s.io/x"),
            "jwt[0].claimMappings.extra[0].key: Invalid value: \"k8s.io/x\": k8s.io, kubernetes.io and their subdomains are reserved for Kubernetes use",
        ),
        (
            |c| c["jwt"][0]["claimValidationRules"][0]["expression"] = json!("claims.hd.size()"),
            "jwt[0].claimValidationRules[0].expression: Invalid value: \"claims.hd.size()\": must evaluate to bool",
        ),
        (
            |c| c["jwt"][0]["userValidationRules"][0]["expression"] = json!(""),
            "jwt[0].userValidationRules[0].expression: Required value",
        ),
        (
            |c| c["jwt"][0]["issuer"]["certificateAuthority"] = json!("none"),
            "jwt[0].issuer.certificateAuthority: Invalid value: \"<omitted>\": data does not contain any valid RSA or ECDSA certificates",
        ),
        (
            |c| c["anonymous"] = json!({"enabled": false, "conditions": [{"path": "/x"}]}),
            "anonymous.conditions: Invalid value: [\"/x\"]: enabled should be set to true when conditions are defined",
        ),
    ];
    for (change, want) in cases {
        assert_eq!(configuration(change).err().as_deref(), Some(want));
    }
    let email = configuration(|c| {
        c["jwt"][0]["claimMappings"]["username"] = json!({"expression": "claims.email"});
    });
    assert!(email.expect_err("refused").contains("claims.email_verified must be used"));
    assert!(
        configuration(|c| {
            c["jwt"][0]["claimMappings"]["username"] =
                json!({"expression": "claims.email_verified ? claims.email : ''"});
        })
        .is_ok()
    );
}
