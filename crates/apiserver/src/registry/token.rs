//! `serviceaccounts/token`: a token for a service account, bound to a pod, secret or node if asked
//! (upstream's `registry/core/serviceaccount/storage/token.go`).

use corten_admission::Notes;
use corten_api::authentication::v1::{BoundObjectReference, TokenRequest};
use corten_api::core::v1::{Node, Pod, Secret, ServiceAccount};
use corten_api::{Kind, Time};
use corten_auth::token::{EXTENDED_TOKEN_SECONDS, MOUNTED_TOKEN_SECONDS, Reference, Subject, TokenSigner};
use corten_rt::Clock;
use corten_semantics::field::FieldError;
use corten_semantics::{ApiError, ApiResult, Lookup};
use std::sync::Arc;
use std::time::Duration;

use super::place::Place;
use super::{Registry, Reply, RequestContext};
use crate::cache::Entry;

/// The shortest and longest life that may be asked for, and the usual one, in seconds.
const SHORTEST: i64 = 600;
const LONGEST: i64 = 1 << 32;
const USUAL: i64 = 3600;

impl Registry {
    /// Signs service-account tokens with `signer` from now on; before, none are given out. The first call
    /// decides.
    pub fn sign_tokens_with(&self, signer: Arc<TokenSigner>) {
        let _ = self.tokens.set(signer);
    }

    /// Gives out a token for the service account at the place.
    pub(crate) fn create_token(
        &self,
        ctx: &RequestContext,
        place: &Place,
        request: TokenRequest,
    ) -> ApiResult<Reply> {
        let signer = self.tokens.get().ok_or_else(|| ApiError::unavailable("tokens cannot be signed yet"))?;
        let account = (place.namespace.as_str(), place.name.as_str());
        let mut warnings = Vec::new();
        let said = (&mut warnings, &*ctx.notes);
        let issued = issue(&*self.cache, signer, self.config.clock, account, request, said)?;
        Ok(Reply { warnings, ..Reply::created(Entry::made(Arc::new(issued))) })
    }
}

/// Fills in the status of a request for a token of the service account `namespace/name`.
///
/// # Errors
/// As upstream's: 404 for what does not exist, 409 for another UID, 422 for a wrong request.
fn issue(
    objects: &dyn Lookup,
    signer: &TokenSigner,
    clock: Clock,
    (namespace, name): (&str, &str),
    mut request: TokenRequest,
    (warnings, notes): (&mut Vec<String>, &Notes),
) -> ApiResult<TokenRequest> {
    let account = objects
        .get::<ServiceAccount>(namespace, name)
        .ok_or_else(|| ApiError::not_found(ServiceAccount::INFO, name))?;
    if !request.metadata.uid.is_empty() && request.metadata.uid != account.metadata.uid {
        let why = format!(
            "the UID in the token request ({}) does not match the UID of the service account ({})",
            request.metadata.uid, account.metadata.uid
        );
        return Err(ApiError::conflict(TokenRequest::INFO, name, &why));
    }
    let seconds = lifetime(&mut request, signer.longest(), warnings)?;
    if request.spec.audiences.is_empty() {
        request.spec.audiences = signer.audiences().to_vec();
    }
    let mut subject = Subject {
        namespace: namespace.into(),
        serviceaccount: Reference { name: name.into(), uid: account.metadata.uid.clone() },
        ..Subject::default()
    };
    if let Some(bound) = &request.spec.bound_object_ref {
        bind(objects, &mut subject, bound)?;
    }
    let now = clock.now();
    let known = |audience: &String| signer.audiences().contains(audience);
    let mut life = seconds;
    // What a pod's programs do not read again goes on working for a while.
    if signer.extends()
        && subject.pod.is_some()
        && seconds == MOUNTED_TOKEN_SECONDS
        && request.spec.audiences.iter().all(known)
    {
        subject.warnafter = Some(now.as_second() + seconds);
        life = EXTENDED_TOKEN_SECONDS;
    }
    let issued = signer
        .issue(subject, request.spec.audiences.clone(), life, now)
        .map_err(|e| ApiError::internal(format!("failed to generate token: {e}")))?;
    notes.annotate("authentication.kubernetes.io/issued-credential-id", format!("JTI={}", issued.id));
    request.metadata.name = name.into();
    request.metadata.namespace = namespace.into();
    request.metadata.uid.clone_from(&account.metadata.uid);
    request.metadata.creation_timestamp = Some(Time::new(now));
    request.status.token = issued.token;
    let ends = now.checked_add(Duration::from_secs(u64::try_from(seconds).unwrap_or_default()));
    request.status.expiration_timestamp = Some(Time::new(ends.unwrap_or(issued.expires)));
    Ok(request)
}

/// The life that is asked for in seconds, or what is left of it.
fn lifetime(request: &mut TokenRequest, longest: Option<i64>, warnings: &mut Vec<String>) -> ApiResult<i64> {
    let asked = request.spec.expiration_seconds.get_or_insert(USUAL);
    check(*asked)?;
    if let Some(longest) = longest.filter(|longest| *asked > *longest) {
        warnings.push(format!("requested expiration of {asked} seconds shortened to {longest} seconds"));
        *asked = longest;
    }
    Ok(*asked)
}

fn check(seconds: i64) -> ApiResult<()> {
    let why = match seconds {
        ..SHORTEST => "may not specify a duration less than 10 minutes",
        s if s > LONGEST => "may not specify a duration larger than 2^32 seconds",
        _ => return Ok(()),
    };
    let error = FieldError::invalid("spec.expirationSeconds", seconds, why);
    Err(ApiError::invalid("authentication.k8s.io", "TokenRequest", "", &[error]))
}

fn bind(objects: &dyn Lookup, subject: &mut Subject, bound: &BoundObjectReference) -> ApiResult<()> {
    let (namespace, name) = (subject.namespace.clone(), bound.name.as_str());
    match (bound.api_version.as_str(), bound.kind.as_str()) {
        ("v1", "Pod") => {
            let pod = found::<Pod>(objects, &namespace, bound)?;
            let account = &subject.serviceaccount.name;
            if pod.spec.service_account_name != *account {
                return Err(ApiError::bad_request(format!(
                    "cannot bind token for serviceaccount {account:?} to pod running with different serviceaccount name."
                )));
            }
            subject.pod = Some(Reference { name: name.into(), uid: pod.metadata.uid.clone() });
            if !pod.spec.node_name.is_empty() {
                let uid = objects.get::<Node>("", &pod.spec.node_name).map(|n| n.metadata.uid.clone());
                let uid = uid.unwrap_or_default();
                subject.node = Some(Reference { name: pod.spec.node_name.clone(), uid });
            }
        }
        ("v1", "Secret") => {
            let secret = found::<Secret>(objects, &namespace, bound)?;
            subject.secret = Some(Reference { name: name.into(), uid: secret.metadata.uid.clone() });
        }
        ("v1", "Node") => {
            let node = found::<Node>(objects, "", bound)?;
            subject.node = Some(Reference { name: name.into(), uid: node.metadata.uid.clone() });
        }
        (version, kind) => {
            return Err(ApiError::bad_request(format!(
                "cannot bind token to object of type {version}, Kind={kind}"
            )));
        }
    }
    Ok(())
}

fn found<K: Kind>(objects: &dyn Lookup, namespace: &str, bound: &BoundObjectReference) -> ApiResult<Arc<K>> {
    let name = bound.name.as_str();
    let object = objects.get::<K>(namespace, name).ok_or_else(|| ApiError::not_found(K::INFO, name))?;
    let uid = &object.meta().uid;
    if !bound.uid.is_empty() && bound.uid != *uid {
        let why = format!(
            "the UID in the bound object reference ({}) does not match the UID in record. The object might have been deleted and then recreated",
            bound.uid
        );
        return Err(ApiError::conflict(K::INFO, name, &why));
    }
    Ok(object)
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::Object;

    fn world() -> Vec<Arc<dyn Object>> {
        let mut account = ServiceAccount::default();
        (account.metadata.namespace, account.metadata.name) = ("ns".into(), "sa".into());
        account.metadata.uid = "u1".into();
        let mut pod = Pod::default();
        (pod.metadata.namespace, pod.metadata.name) = ("ns".into(), "p".into());
        pod.metadata.uid = "u2".into();
        pod.spec.service_account_name = "sa".into();
        vec![Arc::new(account), Arc::new(pod)]
    }

    fn ask(account: &str, seconds: i64, pod: Option<(&str, &str)>) -> ApiResult<TokenRequest> {
        let key = rcgen::KeyPair::generate().expect("a key");
        let signer = TokenSigner::new(corten_auth::token::ISSUER, &key).expect("a signer");
        let mut request = TokenRequest::default();
        request.spec.expiration_seconds = Some(seconds);
        request.spec.bound_object_ref = pod.map(|(name, uid)| {
            Box::new(BoundObjectReference {
                kind: "Pod".into(),
                api_version: "v1".into(),
                name: name.into(),
                uid: uid.into(),
            })
        });
        let said = (&mut Vec::new(), &Notes::default());
        issue(&world(), &signer, Clock::system(), ("ns", account), request, said)
    }

    #[test]
    fn what_a_pod_mounts_lives_longer_than_it_says() {
        for (seconds, pod, longer) in
            [(3607, Some(("p", "u2")), true), (3607, None, false), (3600, Some(("p", "u2")), false)]
        {
            let before = Clock::system().now();
            let made = ask("sa", seconds, pod).expect("a token");
            let claims = made.status.token.split('.').nth(1).expect("claims");
            let claims = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, claims);
            let claims: serde_json::Value = serde_json::from_slice(&claims.expect("base64")).expect("JSON");
            let life = claims["exp"].as_i64().expect("a time") - claims["iat"].as_i64().expect("a time");
            assert_eq!(life, if longer { EXTENDED_TOKEN_SECONDS } else { seconds });
            let warns = claims["kubernetes.io"]["warnafter"].as_i64();
            assert_eq!(warns, longer.then(|| claims["iat"].as_i64().unwrap_or_default() + seconds));
            let told = made.status.expiration_timestamp.expect("a time").seconds();
            assert!((0..60).contains(&(told - before.as_second() - seconds)), "it says {told}");
        }
    }

    #[test]
    fn tokens_are_for_accounts_and_what_exists() {
        for (account, seconds, pod, want) in [
            ("sa", 3600, None, ""),
            ("sa", 3600, Some(("p", "u2")), ""),
            ("none", 3600, None, "serviceaccounts \"none\" not found"),
            ("sa", 3600, Some(("q", "")), "pods \"q\" not found"),
            (
                "sa",
                5,
                None,
                "TokenRequest.authentication.k8s.io \"\" is invalid: spec.expirationSeconds: Invalid value: 5: may not specify a duration less than 10 minutes",
            ),
        ] {
            let got = ask(account, seconds, pod);
            assert_eq!(got.as_ref().err().map(ToString::to_string).unwrap_or_default(), want);
            assert_eq!(got.is_ok_and(|t| t.status.token.split('.').count() == 3), want.is_empty());
        }
        assert_eq!(ask("sa", 3600, Some(("p", "other"))).expect_err("another pod").code(), 409);
    }
}
