//! Users whom others know: front proxies, providers of OpenID Connect, webhooks for tokens and permissions.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use corten_apiserver::http::{Api, Limits};
use corten_apiserver::identity::{
    AuthorizerWebhook, OidcAuthenticator, Remote, TokenWebhook, track_legacy_tokens,
};
use corten_auth::authenticate::{Anonymous, FrontProxy, FrontProxySettings, TokenAuthenticator, Ways};
use corten_auth::authorize::{AuthorizationConfiguration, Mode};
use corten_auth::oidc::{AuthenticationConfiguration, Provider};
use corten_auth::token::Reference;
use corten_client::http::HttpConfig;
use rcgen::{KeyPair, PublicKeyData, SigningKey};
use serde_json::{Value, json};

use crate::hooks::server::{Act, HookServer};
use crate::world::{Answer, Call, World};

const WHO: &str = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
const REVIEWS: &str = "/apis/authorization.k8s.io/v1/subjectaccessreviews";

fn remote(api: &Api, server: &HookServer) -> Remote {
    let config = HttpConfig {
        server: format!("https://127.0.0.1:{}/hook", server.address.port()),
        authority: server.authority.clone().into_bytes(),
        ..HttpConfig::default()
    };
    Remote::new(Arc::clone(api.registry.outbound()), config).expect("a remote")
}

/// Tokens that others know; what their bearers may do is not asked here.
fn ways(api: &Api, tokens: Vec<Arc<dyn TokenAuthenticator>>) {
    api.authorizer.set_modes(vec![Mode::AlwaysAllow]);
    api.authenticator.ways.store(Arc::new(Ways { tokens, ..Ways::default() }));
}

/// Who the server says somebody with a token is.
async fn who(world: &World, token: &str) -> Answer {
    let bearer = format!("Bearer {token}");
    let headers: &[(&str, &str)] = &[("authorization", &bearer), ("content-type", "application/json")];
    let body = br#"{"kind":"SelfSubjectReview","apiVersion":"authentication.k8s.io/v1"}"#;
    world.ask(None, &Call { method: "POST", path: WHO, headers, body }).await
}

/// A provider's key: the entry of the key set, and a way to sign.
struct ProviderKey(KeyPair, &'static str);

impl ProviderKey {
    fn new(id: &'static str) -> Self {
        ProviderKey(KeyPair::generate().expect("a key"), id)
    }

    fn shown(&self) -> Value {
        let (x, y) = self.0.der_bytes()[1..].split_at(32);
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        json!({"kty": "EC", "crv": "P-256", "use": "sig", "kid": self.1, "x": x, "y": y})
    }

    fn sign(&self, claims: &Value) -> String {
        let part = |json: Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let head = format!("{}.{}", part(json!({"alg": "ES256", "kid": self.1})), part(claims.clone()));
        let der = self.0.sign(head.as_bytes()).expect("a signature");
        // From DER's two numbers to the sixty-four bytes of a JWT.
        let mut rest = &der[2..];
        let mut both = Vec::new();
        for _ in 0..2 {
            let (number, after) = rest[2..].split_at(usize::from(rest[1]));
            let number = &number[number.len().saturating_sub(32)..];
            both.extend(std::iter::repeat_n(0, 32 - number.len()));
            both.extend_from_slice(number);
            rest = after;
        }
        format!("{head}.{}", URL_SAFE_NO_PAD.encode(both))
    }
}

#[tokio::test]
async fn a_providers_tokens_are_users_and_its_keys_may_change() {
    let (first, second) = (ProviderKey::new("one"), ProviderKey::new("two"));
    let shown = Arc::new(Mutex::new((json!({}), vec![first.shown()])));
    let serving = Arc::clone(&shown);
    let server = HookServer::start(move |path, _| {
        let shown = serving.lock().expect("a lock");
        match path {
            "/.well-known/openid-configuration" => Act::Json(shown.0.clone()),
            "/keys" => Act::Json(json!({"keys": shown.1})),
            _ => Act::Answer(404, "text/plain", Vec::new()),
        }
    })
    .await;
    let url = format!("https://127.0.0.1:{}", server.address.port());
    shown.lock().expect("a lock").0 = json!({"issuer": url, "jwks_uri": format!("{url}/keys")});
    let configuration = json!({
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AuthenticationConfiguration",
        "jwt": [{
            "issuer": {"url": url, "audiences": ["corten"], "certificateAuthority": server.authority},
            "claimMappings": {
                "username": {"expression": "'ex:' + claims.sub"},
                "groups": {"claim": "roles", "prefix": "ex:"},
            },
        }],
    });
    let read = AuthenticationConfiguration::parse(configuration.to_string().as_bytes(), &[]).expect("valid");
    let world = World::built(Limits::default(), |api, _| {
        let provider = Provider::new(&read.jwt[0], &["ES256".to_string()]).expect("a provider");
        let (outbound, names) = (Arc::clone(api.registry.outbound()), vec!["api".to_string()]);
        let oidc = OidcAuthenticator::start(provider, outbound, api.clock, names, &api.tasks);
        ways(api, vec![oidc]);
    })
    .await;
    let claims =
        json!({"iss": url, "aud": "corten", "sub": "jane", "exp": 4_000_000_000_u64, "roles": "dev"});
    let jane = who(&world, &first.sign(&claims)).await;
    assert_eq!(jane.code, 201, "{}", jane.text());
    let user = &jane.json()["status"]["userInfo"];
    assert_eq!(user["username"], "ex:jane");
    assert_eq!(user["groups"], json!(["ex:dev", "system:authenticated"]));
    let other = json!({"iss": url, "aud": "else", "sub": "jane", "exp": 4_000_000_000_u64});
    assert_eq!(who(&world, &first.sign(&other)).await.code, 401);
    // The provider takes another key: its first token makes the server look.
    assert_eq!(who(&world, &second.sign(&claims)).await.code, 401);
    shown.lock().expect("a lock").1 = vec![second.shown()];
    let mut code = 401;
    for _ in 0..500 {
        code = who(&world, &second.sign(&claims)).await.code;
        if code == 201 {
            break;
        }
        corten_rt::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!((code, who(&world, &first.sign(&claims)).await.code), (201, 401));
    world.end().await;
    server.end().await;
}

#[tokio::test]
async fn a_webhook_knows_tokens() {
    let server = HookServer::start(|_, review| {
        let status = match review["spec"]["token"].as_str() {
            Some("good") => json!({
                "authenticated": true,
                "user": {"username": "jane", "uid": "7", "groups": ["dev"], "extra": {"scope": ["a"]}},
            }),
            Some("bad") => json!({"authenticated": false, "error": "it is bad"}),
            _ => json!({"authenticated": false}),
        };
        Act::Json(json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": status}))
    })
    .await;
    let world = World::built(Limits::default(), |api, _| {
        let names = vec!["api".to_string()];
        let webhook = TokenWebhook::new(remote(api, &server), "v1", names, Duration::from_secs(600));
        ways(api, vec![Arc::new(webhook.expect("a webhook"))]);
    })
    .await;
    for _ in 0..2 {
        let jane = who(&world, "good").await;
        assert_eq!(jane.code, 201, "{}", jane.text());
        let user = &jane.json()["status"]["userInfo"];
        assert_eq!((&user["username"], &user["uid"]), (&json!("jane"), &json!("7")));
        assert_eq!(user["groups"], json!(["dev", "system:authenticated"]));
        assert_eq!(user["extra"], json!({"scope": ["a"]}));
        assert_eq!(who(&world, "unknown").await.code, 401);
    }
    assert_eq!(server.asked().len(), 2, "answers are remembered");
    let review =
        json!({"kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1", "spec": {"token": "bad"}});
    let path = "/apis/authentication.k8s.io/v1/tokenreviews";
    let answer = world.admin("POST", path, &review.to_string()).await.json();
    assert_eq!(answer["status"]["error"], "[invalid bearer token, it is bad]");
    world.end().await;
    server.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_authorizes() {
    let server = HookServer::start(|_, review| {
        let status = match review["spec"]["user"].as_str() {
            Some("ann") => json!({"allowed": true, "reason": "she may"}),
            Some("bob") => json!({"allowed": false, "denied": true, "reason": "never"}),
            Some("eve") => return Act::Answer(400, "text/plain", b"who?".to_vec()),
            _ => json!({"allowed": false}),
        };
        Act::Json(
            json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "status": status}),
        )
    })
    .await;
    let configuration = json!({
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AuthorizationConfiguration",
        "authorizers": [{"type": "Webhook", "name": "hook", "webhook": {
            "timeout": "10s", "authorizedTTL": "5m", "unauthorizedTTL": "5m",
            "subjectAccessReviewVersion": "v1", "matchConditionSubjectAccessReviewVersion": "v1",
            "failurePolicy": "Deny",
            "connectionInfo": {"type": "KubeConfigFile", "kubeConfigFile": "/etc/hosts"},
            "matchConditions": [{"expression": "has(request.resourceAttributes) && request.user != 'zoe'"}],
        }}],
    });
    let read = AuthorizationConfiguration::parse(configuration.to_string().as_bytes()).expect("valid");
    let world = World::built(Limits::default(), |api, _| {
        let webhook = read.authorizers[0].webhook.as_ref().expect("a webhook");
        let webhook = AuthorizerWebhook::new(remote(api, &server), webhook).expect("a webhook");
        let webhook = webhook.counted(api.metrics.asked.of("hook"));
        api.authorizer.set_modes(vec![Mode::Webhook(Arc::new(webhook)), Mode::Rbac]);
    })
    .await;
    for (user, allowed, denied, reason) in [
        ("ann", true, false, "she may"),
        ("ann", true, false, "she may"),
        ("bob", false, true, "never"),
        ("eve", false, true, ""),
        ("zoe", false, false, ""),
        ("joe", false, false, ""),
    ] {
        let question = json!({
            "kind": "SubjectAccessReview", "apiVersion": "authorization.k8s.io/v1",
            "spec": {"user": user, "resourceAttributes": {"verb": "get", "resource": "pods", "namespace": "a"}},
        });
        let answer = world.admin("POST", REVIEWS, &question.to_string()).await.json();
        let status = &answer["status"];
        assert_eq!(status["allowed"], allowed, "{user}: {status}");
        assert_eq!(status["denied"].as_bool().unwrap_or_default(), denied, "{user}: {status}");
        assert_eq!(status["reason"].as_str().unwrap_or_default(), reason, "{user}: {status}");
    }
    let mut asked: Vec<String> =
        server.asked().iter().map(|(_, review)| review["spec"]["user"].to_string()).collect();
    asked.sort();
    assert_eq!(asked, ["\"ann\"", "\"bob\"", "\"eve\"", "\"joe\""], "conditions and memory spare calls");
    let metrics = world.admin("GET", "/metrics", "").await.text();
    for line in [
        "webhook_evaluations_total{name=\"hook\",result=\"success\"} 3\n",
        "webhook_evaluations_total{name=\"hook\",result=\"error\"} 1\n",
        "match_condition_exclusions_total{name=\"hook\",type=\"Webhook\"} 1\n",
    ] {
        assert!(metrics.contains(line), "{line}{metrics}");
    }
    world.end().await;
    server.end().await;
}

#[tokio::test]
async fn a_front_proxy_says_who_calls() {
    let one = |name: &str| vec![name.to_string()];
    let world = World::built(Limits::default(), |api, dir| {
        let now = api.clock.now();
        let pki = corten_auth::Pki::open(&dir.join("pki"), &Default::default(), now).expect("certificates");
        let settings = FrontProxySettings {
            allowed_names: one("front-proxy-client"),
            username_headers: one("X-Remote-User"),
            uid_headers: one("X-Remote-Uid"),
            group_headers: one("X-Remote-Group"),
            extra_headers_prefix: one("X-Remote-Extra-"),
        };
        let proxy = FrontProxy::new(&[pki.front_proxy_ca.certificate().clone()], settings).expect("a proxy");
        let front_proxy = Some(Arc::new(proxy));
        api.authenticator.ways.store(Arc::new(Ways { front_proxy, ..Ways::default() }));
    })
    .await;
    let headers: &[(&str, &str)] = &[
        ("content-type", "application/json"),
        ("x-remote-user", "jane"),
        ("x-remote-group", "system:masters"),
        ("x-remote-uid", "7"),
        ("x-remote-extra-acme.io%2fscope", "a"),
    ];
    let body = br#"{"kind":"SelfSubjectReview","apiVersion":"authentication.k8s.io/v1"}"#;
    let call = Call { method: "POST", path: WHO, headers, body };
    let answer = world.ask(Some(&world.pki.front_proxy_client), &call).await;
    assert_eq!(answer.code, 201, "{}", answer.text());
    let user = &answer.json()["status"]["userInfo"];
    assert_eq!((&user["username"], &user["uid"]), (&json!("jane"), &json!("7")));
    assert_eq!(user["groups"], json!(["system:masters", "system:authenticated"]));
    assert_eq!(user["extra"], json!({"acme.io/scope": ["a"]}));
    // Nobody else's headers count, and without them the proxy is nobody.
    let admin = world.ask(Some(&world.pki.admin), &call).await.json();
    assert_eq!(admin["status"]["userInfo"]["username"], "kubernetes-admin");
    let call = Call { headers: &headers[..1], ..call };
    assert_eq!(world.ask(Some(&world.pki.front_proxy_client), &call).await.code, 401);
    world.end().await;
}

#[tokio::test]
async fn nobody_is_answered_where_that_is_allowed() {
    for (anonymous, at_livez, at_metrics) in [
        (Anonymous::OpenPaths, 200, 401),
        (Anonymous::Nowhere, 401, 401),
        (Anonymous::Everywhere, 200, 403),
        (Anonymous::At(vec!["/metrics".into()]), 401, 403),
    ] {
        let world = World::built(Limits::default(), |api, _| {
            let anonymous = anonymous.clone();
            api.authenticator.ways.store(Arc::new(Ways { anonymous, ..Ways::default() }));
        })
        .await;
        for (path, code) in [("/livez", at_livez), ("/metrics", at_metrics)] {
            let call = Call { method: "GET", path, headers: &[], body: b"" };
            assert_eq!(world.ask(None, &call).await.code, code, "{anonymous:?} {path}");
        }
        world.end().await;
    }
}

#[tokio::test]
async fn others_can_check_service_accounts_tokens() {
    let world = World::new().await;
    world.furnish().await;
    let found = world.admin("GET", "/.well-known/openid-configuration", "").await;
    assert_eq!(found.headers["content-type"], "application/json");
    let found = found.json();
    assert_eq!(found["issuer"], corten_auth::token::ISSUER);
    assert_eq!(found["jwks_uri"], format!("{}/openid/v1/jwks", corten_auth::token::ISSUER));
    let keys = world.admin("GET", "/openid/v1/jwks", "").await;
    assert_eq!(keys.headers["content-type"], "application/jwk-set+json");
    let request = json!({"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "spec": {"audiences": ["vault"]}});
    let path = "/api/v1/namespaces/default/serviceaccounts/default/token";
    let made = world.admin("POST", path, &request.to_string()).await;
    assert_eq!(made.code, 201, "{}", made.text());
    let token = made.json()["status"]["token"].as_str().expect("a token").to_string();
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next().expect("a header")).expect("base64");
    let header: Value = serde_json::from_slice(&header).expect("JSON");
    assert_eq!(header["kid"], keys.json()["keys"][0]["kid"]);
    for (audience, good) in [("vault", true), ("else", false)] {
        let review = json!({
            "kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1",
            "spec": {"token": token, "audiences": [audience]},
        });
        let path = "/apis/authentication.k8s.io/v1/tokenreviews";
        let status = world.admin("POST", path, &review.to_string()).await.json()["status"].clone();
        assert_eq!(status["authenticated"].as_bool().unwrap_or_default(), good, "{status}");
        if good {
            assert_eq!(status["audiences"], json!(["vault"]));
            let id = &status["user"]["extra"]["authentication.kubernetes.io/credential-id"][0];
            assert!(id.as_str().is_some_and(|id| id.starts_with("JTI=")), "{status}");
        }
    }
    world.end().await;
}

#[tokio::test]
async fn the_use_of_a_secrets_token_is_to_be_seen() {
    let mut signer = None;
    let world = World::built(Limits::default(), |api, _| {
        signer = Some(Arc::clone(&api.tokens));
        api.authorizer.set_modes(vec![Mode::AlwaysAllow]);
        track_legacy_tokens(&api.authenticator.service_accounts, &api.registry, &api.tasks);
    })
    .await;
    world.furnish().await;
    let account = "/api/v1/namespaces/default/serviceaccounts/default";
    let uid = world.admin("GET", account, "").await.json()["metadata"]["uid"].as_str().map(str::to_string);
    let account_reference = Reference { name: "default".into(), uid: uid.expect("a UID") };
    let signer = signer.expect("a signer");
    let token = signer.issue_legacy("default", &account_reference, "held").expect("a token");
    let namespace = json!({"metadata": {"name": "kube-system"}});
    world.admin("POST", "/api/v1/namespaces", &namespace.to_string()).await;
    let secret = json!({
        "metadata": {"name": "held", "annotations": {"kubernetes.io/service-account.name": "default"}},
        "type": "kubernetes.io/service-account-token",
        "stringData": {"token": token},
    });
    let made = world.admin("POST", "/api/v1/namespaces/default/secrets", &secret.to_string()).await;
    assert_eq!(made.code, 201, "{}", made.text());
    let answer = who(&world, &token).await;
    assert_eq!(answer.code, 201, "{}", answer.text());
    assert!(!answer.headers.contains_key("warning"), "somebody made it");
    let path = "/api/v1/namespaces/default/secrets/held";
    let map =
        "/api/v1/namespaces/kube-system/configmaps/kube-apiserver-legacy-service-account-token-tracking";
    let (mut used, mut since) = (Value::Null, Value::Null);
    for _ in 0..1000 {
        used = world.admin("GET", path, "").await.json()["metadata"]["labels"].clone();
        since = world.admin("GET", map, "").await.json()["data"]["since"].clone();
        if !used.is_null() && !since.is_null() {
            break;
        }
        corten_rt::sleep(Duration::from_millis(20)).await;
    }
    let used = used["kubernetes.io/legacy-token-last-used"].as_str().expect("a day").to_string();
    assert_eq!((used.len(), since.as_str().map(str::len)), (10, Some(10)));
    // What the cluster made by itself should not be used, and not at all once it is marked.
    world.admin("PATCH", account, &json!({"secrets": [{"name": "held"}]}).to_string()).await;
    let warned = who(&world, &token).await;
    assert!(warned.headers["warning"].contains("auto-generated secret-based tokens."), "{warned:?}");
    let mark = json!({"metadata": {"labels": {"kubernetes.io/legacy-token-invalid-since": used}}});
    world.admin("PATCH", path, &mark.to_string()).await;
    assert_eq!(who(&world, &token).await.code, 401);
    let review =
        json!({"kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1", "spec": {"token": token}});
    let reviews = "/apis/authentication.k8s.io/v1/tokenreviews";
    let answer = world.admin("POST", reviews, &review.to_string()).await.json();
    let error = answer["status"]["error"].as_str().unwrap_or_default();
    assert!(
        error.contains("the token in secret default/held for service account default/default"),
        "{error}"
    );
    let metrics = world.admin("GET", "/metrics", "").await.text();
    for line in [
        "serviceaccount_legacy_tokens_total 4\n",
        "serviceaccount_legacy_manual_token_uses_total 1\n",
        "serviceaccount_legacy_auto_token_uses_total 1\n",
        "serviceaccount_invalid_legacy_auto_token_uses_total 2\n",
    ] {
        assert!(metrics.contains(line), "{line}{metrics}");
    }
    world.end().await;
}
