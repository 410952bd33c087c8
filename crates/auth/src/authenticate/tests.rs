use super::*;
use crate::token::{ISSUER, Issued, Reference, Subject, TokenSigner};
use corten_api::core::v1::{Node, Pod, Secret, ServiceAccount};
use corten_api::meta::v1::ObjectMeta;
use corten_api::{Object, Time};
use corten_rt::Timestamp;
use std::time::Duration;

fn now() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().expect("a time")
}

fn meta(namespace: &str, name: &str, uid: &str) -> ObjectMeta {
    ObjectMeta { namespace: namespace.into(), name: name.into(), uid: uid.into(), ..ObjectMeta::default() }
}

fn objects() -> Vec<Arc<dyn Object>> {
    vec![
        Arc::new(ServiceAccount { metadata: meta("ns", "sa", "1"), ..ServiceAccount::default() }),
        Arc::new(Pod { metadata: meta("ns", "pod", "2"), ..Pod::default() }),
        Arc::new(Secret { metadata: meta("ns", "secret", "3"), ..Secret::default() }),
        Arc::new(Node { metadata: meta("", "node", "4"), ..Node::default() }),
    ]
}

fn reference(name: &str, uid: &str) -> Reference {
    Reference { name: name.into(), uid: uid.into() }
}

fn subject() -> Subject {
    Subject {
        namespace: "ns".into(),
        serviceaccount: reference("sa", "1"),
        pod: Some(reference("pod", "2")),
        node: Some(reference("node", "4")),
        ..Subject::default()
    }
}

fn signer() -> Arc<TokenSigner> {
    let key = rcgen::KeyPair::generate().expect("a key");
    Arc::new(TokenSigner::new(ISSUER, &key).expect("a signer"))
}

fn issue(signer: &TokenSigner, subject: Subject, audience: &str) -> String {
    let Issued { token, expires, .. } =
        signer.issue(subject, vec![audience.into()], 3607, now()).expect("a token");
    assert_eq!(expires, now() + Duration::from_secs(3607));
    token
}

fn authenticator(signer: Arc<TokenSigner>, objects: Vec<Arc<dyn Object>>, at: Timestamp) -> Authenticator {
    let mut authenticator = Authenticator {
        service_accounts: ServiceAccountTokens::new(signer),
        objects: Arc::new(objects),
        admin_token: String::new(),
        clock: Clock::system(),
        ways: ArcSwap::default(),
    };
    authenticator.clock = Clock::starting_at(at);
    authenticator
}

#[tokio::test(start_paused = true)]
async fn a_good_token_tells_account_pod_and_node() {
    let signer = signer();
    let token = issue(&signer, subject(), ISSUER);
    let authenticator = authenticator(signer, objects(), now());
    for _ in 0..2 {
        let user = authenticator
            .request(&Peer::None, Some(&token), "/api", &mut Remarks::default())
            .await
            .expect("accepted");
        assert_eq!((user.username.as_str(), user.uid.as_str()), ("system:serviceaccount:ns:sa", "1"));
        assert_eq!(
            user.groups,
            ["system:serviceaccounts", "system:serviceaccounts:ns", "system:authenticated"]
        );
        let extra = |key: &str| user.extra[&format!("authentication.kubernetes.io/{key}")].0[0].as_str();
        assert_eq!(
            [extra("pod-name"), extra("pod-uid"), extra("node-name"), extra("node-uid")],
            ["pod", "2", "node", "4"]
        );
        assert!(extra("credential-id").starts_with("JTI="));
    }
}

#[tokio::test(start_paused = true)]
async fn times_and_audiences_are_judged() {
    let signer = signer();
    let mine = issue(&signer, subject(), ISSUER);
    let vault = issue(&signer, subject(), "vault");
    let wanted = ["vault".to_string()];
    for (token, audiences, seconds, message) in [
        (&mine, &[][..], 3607 + 60, None),
        (&mine, &[], 3607 + 61, Some("service account token has expired")),
        (&mine, &[], -61, Some("service account token is not valid yet")),
        (&vault, &wanted, 0, None),
        (
            &vault,
            &[],
            0,
            Some(
                "token audiences [\"vault\"] is invalid for the target audiences [\"https://kubernetes.default.svc.cluster.local\"]",
            ),
        ),
    ] {
        let at = Timestamp::from_second(now().as_second() + seconds).expect("a time");
        let result = authenticator(Arc::clone(&signer), objects(), at)
            .token(token, audiences, &mut Remarks::default())
            .await;
        assert_eq!(result.err().map(|e| e.to_string()).as_deref(), message, "after {seconds} s");
    }
}

#[tokio::test(start_paused = true)]
async fn forged_tokens_are_refused() {
    let signer = signer();
    let token = issue(&signer, subject(), ISSUER);
    let (head, signature) = token.rsplit_once('.').expect("three parts");
    let (header, payload) = head.split_once('.').expect("three parts");
    use base64::Engine;
    let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let read = |part: &str| String::from_utf8(engine.decode(part).expect("base64")).expect("text");
    let root = engine.encode(read(payload).replace("\"sa\"", "\"root\""));
    let no_algorithm = engine.encode(r#"{"alg":"none"}"#);
    let shared_key = engine.encode(r#"{"alg":"HS256"}"#);
    let foreign = issue(&self::signer(), subject(), ISSUER);
    let elsewhere = rcgen::KeyPair::generate().expect("a key");
    let elsewhere = TokenSigner::new("https://other", &elsewhere).expect("a signer");
    let authenticator = authenticator(signer, objects(), now());
    for (what, forged) in [
        ("another account", format!("{header}.{root}.{signature}")),
        ("no signature", format!("{head}.")),
        ("no algorithm", format!("{no_algorithm}.{payload}.")),
        ("another algorithm", format!("{shared_key}.{payload}.{signature}")),
        ("another key", foreign),
        ("another issuer", issue(&elsewhere, subject(), ISSUER)),
        ("no token", "abc".into()),
        ("empty", String::new()),
        ("too many parts", format!("{token}.x")),
    ] {
        let error = authenticator
            .request(&Peer::None, Some(&forged), "/healthz", &mut Remarks::default())
            .await
            .expect_err(what);
        assert_eq!((error.code(), error.to_string().as_str()), (401, "Unauthorized"), "{what}");
    }
    authenticator
        .request(&Peer::None, Some(&token), "/api", &mut Remarks::default())
        .await
        .expect("the true one is accepted");
}

#[tokio::test(start_paused = true)]
async fn a_token_dies_with_what_it_is_bound_to() {
    let signer = signer();
    let secret = Subject { pod: None, node: None, secret: Some(reference("secret", "3")), ..subject() };
    let node = Subject { pod: None, ..subject() };
    type Change = fn(&mut Vec<Arc<dyn Object>>);
    fn deleted(seconds: u64) -> Option<Time> {
        Some(Time::new(now() - Duration::from_secs(seconds)))
    }
    let cases: [(&Subject, Change, Option<&str>); 9] = [
        (&secret, |_| (), None),
        (&node, |_| (), None),
        (&subject(), |o| drop(o.remove(0)), Some("serviceaccounts \"sa\" not found")),
        (&subject(), |o| drop(o.remove(1)), Some("service account token has been invalidated")),
        (&subject(), |o| drop(o.remove(3)), None),
        (&node, |o| drop(o.remove(3)), Some("service account token has been invalidated")),
        (
            &subject(),
            |o| {
                o[0] =
                    Arc::new(ServiceAccount { metadata: meta("ns", "sa", "9"), ..ServiceAccount::default() })
            },
            Some("service account UID (9) does not match claim (1)"),
        ),
        (
            &subject(),
            |o| o[1] = Arc::new(Pod { metadata: meta("ns", "pod", "9"), ..Pod::default() }),
            Some("pod UID (9) does not match service account pod ref claim (2)"),
        ),
        (
            &subject(),
            |o| {
                let metadata = ObjectMeta { deletion_timestamp: deleted(61), ..meta("ns", "pod", "2") };
                o[1] = Arc::new(Pod { metadata, ..Pod::default() });
            },
            Some("service account token has been invalidated"),
        ),
    ];
    for (i, (subject, change, message)) in cases.into_iter().enumerate() {
        let token = issue(&signer, subject.clone(), ISSUER);
        let mut objects = objects();
        change(&mut objects);
        let result = authenticator(Arc::clone(&signer), objects, now())
            .token(&token, &[], &mut Remarks::default())
            .await;
        assert_eq!(result.err().map(|e| e.to_string()).as_deref(), message, "case {i}");
    }
}

#[tokio::test(start_paused = true)]
async fn only_open_paths_are_for_nobody() {
    let mut authenticator = authenticator(signer(), objects(), now());
    for (path, open) in [
        ("/healthz", true),
        ("/livez/ping", true),
        ("/version", true),
        ("/versions", false),
        ("/api", false),
        ("/metrics", false),
        ("/", false),
    ] {
        let result = authenticator.request(&Peer::None, None, path, &mut Remarks::default()).await;
        assert_eq!(result.is_ok(), open, "{path}");
        if let Ok(user) = result {
            assert_eq!(*user, anonymous());
        }
        assert!(
            authenticator.request(&Peer::Stranger, None, path, &mut Remarks::default()).await.is_err(),
            "{path}"
        );
    }
    assert!(
        authenticator.request(&Peer::None, Some(""), "/api", &mut Remarks::default()).await.is_err(),
        "no admin token is set"
    );
    authenticator.admin_token = "secret".into();
    let admin = authenticator
        .request(&Peer::None, Some("secret"), "/api", &mut Remarks::default())
        .await
        .expect("accepted");
    assert_eq!(admin.groups, ["system:masters", "system:authenticated"]);
    assert!(
        authenticator.request(&Peer::None, Some("secre"), "/api", &mut Remarks::default()).await.is_err()
    );
}

#[test]
fn authorization_headers_are_read() {
    for (header, token) in [
        ("Bearer abc", Some("abc")),
        ("bearer  abc ", Some("abc")),
        ("Basic abc", None),
        ("Bearer", None),
        ("Bearer ", None),
        ("Bearer a b", None),
    ] {
        assert_eq!(bearer(header), token, "{header:?}");
    }
}
