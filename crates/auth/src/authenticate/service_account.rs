//! Service-account tokens: the signature, the times, the audience, and that what they die with still lives.

use crate::token::{Claims, Reference, TokenError, TokenSigner};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use corten_api::authentication::v1::UserInfo;
use corten_api::core::v1::{Node, Pod, Secret, ServiceAccount};
use corten_api::meta::v1::ObjectMeta;
use corten_api::{Items, Kind};
use corten_rt::Timestamp;
use corten_semantics::{Lookup, identity};
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Tokens whose signature is known to be good are kept, so that most requests verify none.
const KEPT: usize = 4096;
/// Seconds by which clocks may differ, as upstream's.
const LEEWAY: i64 = 60;

/// A token that is good.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenAccepted {
    /// Whose it is.
    pub user: UserInfo,
    /// Those of the audiences asked for that the token is for.
    pub audiences: Vec<String>,
}

/// Why a service account's token is not good, worded as upstream's TokenReview says it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenRefused {
    /// Key, signature or claims are wrong.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// It has ended.
    #[error("service account token has expired")]
    Expired,
    /// It has not begun.
    #[error("service account token is not valid yet")]
    NotYet,
    /// It claims to be made later than now.
    #[error("service account token is issued in the future")]
    FromTheFuture,
    /// It is for others.
    #[error("token audiences {have:?} is invalid for the target audiences {want:?}")]
    Audience { have: Vec<String>, want: Vec<String> },
    /// The service account does not exist.
    #[error("serviceaccounts \"{0}\" not found")]
    NoAccount(String),
    /// The service account or what the token is bound to was made anew.
    #[error("{kind} UID ({found}) does not match {claim} ({claimed})")]
    OtherUid { kind: &'static str, claim: &'static str, found: String, claimed: String },
    /// The service account is being deleted.
    #[error("service account {0} has been deleted")]
    Deleted(String),
    /// What the token is bound to is gone.
    #[error("service account token has been invalidated")]
    Invalidated,
    /// The Secret that holds the token is gone.
    #[error("Token has been invalidated")]
    SecretGone,
    /// The Secret holds another token.
    #[error("Token does not match server's copy")]
    NotTheSecrets,
    /// The Secret is marked.
    #[error(
        "the token in secret {0}/{1} for service account {0}/{2} has been marked invalid. Use tokens from the \
         TokenRequest API or manually created secret-based tokens, or remove the \
         'kubernetes.io/legacy-token-invalid-since' label from the secret to temporarily allow use of this token"
    )]
    MarkedInvalid(String, String, String),
    /// What another authenticator says.
    #[error("{0}")]
    Other(String),
}

/// What is to be said of a token beside whose it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remarks {
    /// For the audit log.
    pub annotations: Vec<(&'static str, String)>,
    /// For the client.
    pub warnings: Vec<&'static str>,
}

impl Remarks {
    fn annotate(&mut self, key: &'static str, value: impl Into<String>) {
        self.annotations.push((key, value.into()));
    }
}

/// How often tokens of each sort were used.
#[derive(Debug, Default)]
pub struct TokenUses {
    /// Tokens without audience.
    pub legacy: AtomicU64,
    /// Tokens that lived longer than they should have been used.
    pub stale: AtomicU64,
    /// Tokens that may live longer, in time.
    pub valid: AtomicU64,
    /// Tokens of Secrets that people made.
    pub manual: AtomicU64,
    /// Tokens of Secrets that a cluster made by itself, once.
    pub generated: AtomicU64,
    /// The same, of Secrets that are marked as invalid.
    pub invalid: AtomicU64,
}

fn count(uses: &AtomicU64) {
    uses.fetch_add(1, Ordering::Relaxed);
}

/// Told of Secrets whose token was used, on a day that they do not say yet.
pub type UseTracker = Box<dyn Fn(&Secret) + Send + Sync>;

/// The label of a Secret that says when its token was used last, a day.
pub const LAST_USED: &str = "kubernetes.io/legacy-token-last-used";
/// The label of a Secret whose token is not to be used any more, since a day.
pub const INVALID_SINCE: &str = "kubernetes.io/legacy-token-invalid-since";

/// Accepts the tokens that a [`TokenSigner`] gave out.
pub struct ServiceAccountTokens {
    signer: Arc<TokenSigner>,
    verified: Mutex<HashMap<Box<str>, Arc<Claims>>>,
    tracker: OnceLock<UseTracker>,
    /// How often they were used.
    pub uses: TokenUses,
}

impl ServiceAccountTokens {
    /// Accepts what `signer` signed.
    pub fn new(signer: Arc<TokenSigner>) -> Self {
        ServiceAccountTokens {
            signer,
            verified: Mutex::default(),
            tracker: OnceLock::new(),
            uses: TokenUses::default(),
        }
    }

    /// Tells `tracker` of Secrets whose token is used. The first call decides.
    pub fn track_with(&self, tracker: UseTracker) {
        let _ = self.tracker.set(tracker);
    }

    /// The names of the API server.
    pub fn api_audiences(&self) -> &[String] {
        self.signer.audiences()
    }

    /// Whose token this is; `None` if it is no service account's of this cluster.
    ///
    /// # Errors
    /// When it is one, but not good.
    pub fn authenticate(
        &self,
        token: &str,
        audiences: &[String],
        objects: &dyn Lookup,
        now: Timestamp,
        remarks: &mut Remarks,
    ) -> Result<Option<TokenAccepted>, TokenRefused> {
        let claims = match self.claims(token) {
            Ok(claims) => claims,
            Err(TokenError::Foreign) => return Ok(None),
            Err(why) => return Err(why.into()),
        };
        if claims.audiences.is_empty() {
            remarks.annotate("authentication.k8s.io/legacy-token", subject(&claims));
            count(&self.uses.legacy);
        }
        let matched = match_audiences(&claims.audiences, audiences, self.signer.audiences())?;
        if claims.legacy {
            let secret = check_secret(token, &claims, objects)?;
            let account = check_objects(&claims, objects, now.as_second())?;
            self.use_secret(&secret, &account, now, remarks)?;
        } else {
            check_times(&claims, now.as_second())?;
            check_objects(&claims, objects, now.as_second())?;
            self.use_in_time(&claims, now.as_second(), remarks);
        }
        Ok(Some(TokenAccepted { user: user(&claims), audiences: matched }))
    }

    /// A token of a Secret was used: that is to be seen, and it may have been made invalid.
    fn use_secret(
        &self,
        secret: &Secret,
        account: &ServiceAccount,
        now: Timestamp,
        remarks: &mut Remarks,
    ) -> Result<(), TokenRefused> {
        let (name, namespace) = (&secret.metadata.name, &secret.metadata.namespace);
        let day = Duration::from_secs(24 * 3600);
        let days = [now, now + day].map(|day| day.strftime("%Y-%m-%d").to_string());
        let last = secret.metadata.labels.get(LAST_USED);
        if let Some(tracker) = self.tracker.get().filter(|_| last.is_none_or(|last| !days.contains(last))) {
            tracker(secret);
        }
        if secret.metadata.labels.get(INVALID_SINCE).is_some_and(|since| !since.is_empty()) {
            remarks.annotate("authentication.k8s.io/legacy-token-invalidated", format!("{name}/{namespace}"));
            count(&self.uses.invalid);
            let account = account.metadata.name.clone();
            return Err(TokenRefused::MarkedInvalid(namespace.clone(), name.clone(), account));
        }
        if account.secrets.iter().any(|reference| reference.name == *name) {
            remarks.warnings.push(GENERATED);
            remarks.annotate("authentication.k8s.io/legacy-token-autogenerated-secret", name);
            count(&self.uses.generated);
        } else {
            remarks.annotate("authentication.k8s.io/legacy-token-manual-secret", name);
            count(&self.uses.manual);
        }
        Ok(())
    }

    /// A token that lives longer than it says was used.
    fn use_in_time(&self, claims: &Claims, now: i64, remarks: &mut Remarks) {
        let Some(end) = claims.subject.warnafter.filter(|end| *end != 0) else { return };
        if now <= end {
            return count(&self.uses.valid);
        }
        let (subject, late) = (subject(claims), now - end);
        let said = format!("subject: {subject}, seconds after warning threshold: {late}");
        remarks.annotate("authentication.k8s.io/stale-token", said);
        count(&self.uses.stale);
    }

    fn claims(&self, token: &str) -> Result<Arc<Claims>, TokenError> {
        if let Some(claims) = self.verified.lock().get(token) {
            return Ok(Arc::clone(claims));
        }
        let claims = Arc::new(self.signer.verify(token)?);
        let mut verified = self.verified.lock();
        if verified.len() >= KEPT {
            verified.clear();
        }
        verified.insert(token.into(), Arc::clone(&claims));
        Ok(claims)
    }
}

const GENERATED: &str = "Use tokens from the TokenRequest API or manually created secret-based tokens instead of \
                         auto-generated secret-based tokens.";

fn subject(claims: &Claims) -> String {
    identity::service_account_user(&claims.subject.namespace, &claims.subject.serviceaccount.name)
}

fn match_audiences(
    have: &[String],
    want: &[String],
    this_server: &[String],
) -> Result<Vec<String>, TokenRefused> {
    // A token without audience is for this server, and so is a request without.
    let have = if have.is_empty() { this_server } else { have };
    let want = if want.is_empty() { this_server } else { want };
    let both: Vec<String> = have.iter().filter(|a| want.contains(a)).cloned().collect();
    if both.is_empty() {
        return Err(TokenRefused::Audience { have: have.to_vec(), want: want.to_vec() });
    }
    Ok(both)
}

/// The token of a Secret is good while the Secret holds it.
fn check_secret(token: &str, claims: &Claims, objects: &dyn Lookup) -> Result<Arc<Secret>, TokenRefused> {
    let name = claims.subject.secret.as_ref().map_or("", |secret| secret.name.as_str());
    let secret = objects.get::<Secret>(&claims.subject.namespace, name);
    let secret =
        secret.filter(|s| s.metadata.deletion_timestamp.is_none()).ok_or(TokenRefused::SecretGone)?;
    let held = secret.data.get("token").map_or(&[][..], Vec::as_slice);
    let same = verify_slices_are_equal(held, token.as_bytes()).is_ok();
    if same { Ok(secret) } else { Err(TokenRefused::NotTheSecrets) }
}

fn check_times(claims: &Claims, now: i64) -> Result<(), TokenRefused> {
    // A token that never ends was not made here.
    let Some(expires) = claims.expires else { return Err(TokenRefused::Expired) };
    if claims.not_before.is_some_and(|t| now.saturating_add(LEEWAY) < t) {
        return Err(TokenRefused::NotYet);
    }
    if now.saturating_sub(LEEWAY) > expires {
        return Err(TokenRefused::Expired);
    }
    if claims.issued.is_some_and(|t| now.saturating_add(LEEWAY) < t) {
        return Err(TokenRefused::FromTheFuture);
    }
    Ok(())
}

fn check_objects(
    claims: &Claims,
    objects: &dyn Lookup,
    now: i64,
) -> Result<Arc<ServiceAccount>, TokenRefused> {
    let subject = &claims.subject;
    let (namespace, account) = (subject.namespace.as_str(), &subject.serviceaccount);
    let Some(found) = objects.get::<ServiceAccount>(namespace, &account.name) else {
        return Err(TokenRefused::NoAccount(account.name.clone()));
    };
    same_uid("service account", "claim", &found.metadata, account)?;
    if is_gone(&found.metadata, now) {
        return Err(TokenRefused::Deleted(format!("{namespace}/{}", account.name)));
    }
    if let Some(secret) = subject.secret.as_ref().filter(|_| !claims.legacy) {
        bound::<Secret>(objects, namespace, secret, ("secret", "service account secret ref claim"), now)?;
    }
    match (&subject.pod, &subject.node) {
        // The node of a pod's token only says where the pod ran.
        (Some(pod), _) => {
            bound::<Pod>(objects, namespace, pod, ("pod", "service account pod ref claim"), now)?;
        }
        (None, Some(node)) => {
            bound::<Node>(objects, "", node, ("node", "service account node ref claim"), now)?;
        }
        (None, None) => {}
    }
    Ok(found)
}

fn bound<K: Kind>(
    objects: &dyn Lookup,
    namespace: &str,
    claimed: &Reference,
    (kind, claim): (&'static str, &'static str),
    now: i64,
) -> Result<(), TokenRefused> {
    let Some(found) = objects.get::<K>(namespace, &claimed.name) else {
        return Err(TokenRefused::Invalidated);
    };
    same_uid(kind, claim, found.meta(), claimed)?;
    if is_gone(found.meta(), now) { Err(TokenRefused::Invalidated) } else { Ok(()) }
}

fn same_uid(
    kind: &'static str,
    claim: &'static str,
    found: &ObjectMeta,
    claimed: &Reference,
) -> Result<(), TokenRefused> {
    if found.uid == claimed.uid {
        return Ok(());
    }
    let (found, claimed) = (found.uid.clone(), claimed.uid.clone());
    Err(TokenRefused::OtherUid { kind, claim, found, claimed })
}

/// Whether the object's grace has passed, clocks allowed for.
fn is_gone(meta: &ObjectMeta, now: i64) -> bool {
    meta.deletion_timestamp.is_some_and(|t| t.seconds() < now.saturating_sub(LEEWAY))
}

fn user(claims: &Claims) -> UserInfo {
    let subject = &claims.subject;
    let mut extra = BTreeMap::new();
    let mut say = |key: &str, value: String| {
        if !value.is_empty() {
            extra.insert(format!("authentication.kubernetes.io/{key}"), Items(vec![value]));
        }
    };
    if !claims.id.is_empty() {
        say("credential-id", format!("JTI={}", claims.id));
    }
    for (kind, reference) in [("pod", &subject.pod), ("node", &subject.node)] {
        if let Some(reference) = reference {
            say(&format!("{kind}-name"), reference.name.clone());
            say(&format!("{kind}-uid"), reference.uid.clone());
        }
    }
    UserInfo {
        username: identity::service_account_user(&subject.namespace, &subject.serviceaccount.name),
        uid: subject.serviceaccount.uid.clone(),
        groups: identity::service_account_groups(&subject.namespace),
        extra,
    }
}
