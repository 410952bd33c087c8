//! Removes Secrets with tokens of service accounts that clusters once made by themselves, when nobody has used
//! them for long: first they are marked as invalid, and much later they go (upstream's
//! `legacy-service-account-token-cleaner`).

use crate::Context;
use crate::shell::Controller;
use async_trait::async_trait;
use corten_api::core::v1::{ConfigMap, Pod, Secret, ServiceAccount};
use corten_api::meta::v1::Preconditions;
use corten_client::{Client, DeleteOptions, Informer, Key, ListOptions, PatchType, WorkQueue};
use corten_rt::{Clock, Timestamp};
use corten_semantics::ApiResult;
use corten_semantics::pod_references::{Referenced, references};
use std::collections::BTreeSet;
use std::time::Duration;

const TYPE: &str = "kubernetes.io/service-account-token";
const ACCOUNT: &str = "kubernetes.io/service-account.name";
const ACCOUNT_UID: &str = "kubernetes.io/service-account.uid";
const LAST_USED: &str = "kubernetes.io/legacy-token-last-used";
const INVALID_SINCE: &str = "kubernetes.io/legacy-token-invalid-since";
const TRACKING: &str = "kube-apiserver-legacy-service-account-token-tracking";
const DAY: Duration = Duration::from_secs(24 * 3600);
/// How often is looked, as upstream.
const EVERY: Duration = DAY;

/// The controller. Its one key stands for the whole cluster.
pub struct LegacyTokenCleaner {
    client: Client,
    clock: Clock,
    unused: Duration,
    accounts: Informer<ServiceAccount>,
    pods: Informer<Pod>,
}

/// What is to be done with a Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Plan {
    Leave,
    /// It is said to be invalid since this day.
    Mark(String),
    Delete,
}

impl LegacyTokenCleaner {
    pub fn new(context: &Context) -> Self {
        LegacyTokenCleaner {
            client: context.client.clone(),
            clock: context.clock,
            unused: context.settings.legacy_token_clean_up_period,
            accounts: context.informers.of(),
            pods: context.informers.of(),
        }
    }

    /// Whether uses have been written down for long enough.
    async fn has_tracked(&self, now: Timestamp) -> ApiResult<bool> {
        let map = self.client.namespaced::<ConfigMap>("kube-system").find(TRACKING).await?;
        let since = map.and_then(|map| midnight(map.data.get("since")?));
        // From the end of that day.
        Ok(since.is_some_and(|since| since + DAY + self.unused <= now))
    }

    async fn act(&self, secret: &Secret, plan: Plan) -> ApiResult<()> {
        let (api, name) = (self.client.beside(secret), &secret.metadata.name);
        let done = match plan {
            Plan::Leave => return Ok(()),
            Plan::Mark(day) => {
                tracing::info!(secret = name, day, "a token that nobody uses is marked as invalid");
                let labels = serde_json::json!({INVALID_SINCE: day});
                let patch = serde_json::json!({"metadata": {"uid": secret.metadata.uid, "labels": labels}});
                api.patch(name, PatchType::Merge, patch.to_string().into_bytes()).await.map(|_| ())
            }
            Plan::Delete => {
                tracing::info!(secret = name, "a token that nobody uses is removed");
                let resource_version = Some(secret.metadata.resource_version.clone());
                let preconditions = Some(Preconditions { resource_version, ..Preconditions::default() });
                api.delete(name, DeleteOptions { preconditions, ..DeleteOptions::default() }).await
            }
        };
        match done {
            Err(why) if !why.is_conflict() && !why.is_not_found() => Err(why),
            _ => Ok(()),
        }
    }
}

/// The begin of a day.
fn midnight(day: impl AsRef<str>) -> Option<Timestamp> {
    let day = day.as_ref();
    format!("{day}T00:00:00Z").parse().ok().filter(|_| day.len() == "2026-01-01".len())
}

fn text(now: Timestamp) -> String {
    now.strftime("%Y-%m-%d").to_string()
}

/// Decides about a Secret by its account and by what pods need; `unused` is how long is long.
fn plan(
    secret: &Secret,
    account: Option<&ServiceAccount>,
    mounted: impl FnOnce() -> BTreeSet<String>,
    unused: Duration,
    now: Timestamp,
) -> Plan {
    let meta = &secret.metadata;
    let bound = now - unused;
    let is_new = meta.creation_timestamp.is_none_or(|made| made.0 >= bound);
    if secret.type_ != TYPE || is_new || meta.deletion_timestamp.is_some() {
        return Plan::Leave;
    }
    let bound = text(bound);
    if meta.labels.get(LAST_USED).is_some_and(|last| midnight(last).is_none() || *last >= bound) {
        return Plan::Leave;
    }
    let of = |account: &&ServiceAccount| {
        let uid = meta.annotations.get(ACCOUNT_UID).map_or("", String::as_str);
        uid.is_empty() || uid == account.metadata.uid
    };
    // Whoever made it, it was not the cluster.
    let is_generated = |account: &ServiceAccount| account.secrets.iter().any(|s| s.name == meta.name);
    if !account.filter(of).is_some_and(is_generated) || mounted().contains(&meta.name) {
        return Plan::Leave;
    }
    match meta.labels.get(INVALID_SINCE) {
        Some(since) if midnight(since).is_some() => {
            if *since >= bound {
                Plan::Leave
            } else {
                Plan::Delete
            }
        }
        _ => Plan::Mark(text(now)),
    }
}

/// The Secrets that a pod names.
fn secrets(pod: &Pod) -> impl Iterator<Item = String> {
    let named = references(pod).into_iter();
    named.filter(|(kind, _)| *kind == Referenced::Secret).map(|(_, name)| name)
}

#[async_trait]
impl Controller for LegacyTokenCleaner {
    fn workers(&self) -> usize {
        1
    }

    fn watch(&self, queue: &WorkQueue<Key>) {
        queue.add(Key::default());
    }

    async fn synced(&self) {
        self.accounts.synced().await;
        self.pods.synced().await;
    }

    async fn reconcile(&self, _: &Key) -> ApiResult<Option<Duration>> {
        let now = self.clock.now();
        if !self.has_tracked(now).await? {
            return Ok(Some(EVERY));
        }
        let all = ListOptions { field_selector: format!("type={TYPE}"), ..ListOptions::default() };
        for secret in self.client.all::<Secret>().list(&all).await?.items {
            let namespace = &secret.metadata.namespace;
            let account = secret.metadata.annotations.get(ACCOUNT);
            let account = account.and_then(|name| self.accounts.get(&Key::new(namespace, name)));
            let mounted = || -> BTreeSet<String> {
                self.pods.list_in(namespace).iter().flat_map(|pod| secrets(pod)).collect()
            };
            let planned = plan(&secret, account.as_deref(), mounted, self.unused, now);
            self.act(&secret, planned).await?;
        }
        Ok(Some(EVERY))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::Time;
    use corten_api::core::v1::ObjectReference;

    #[test]
    fn what_nobody_uses_is_marked_and_later_removed() {
        let now: Timestamp = "2026-06-15T12:00:00Z".parse().expect("a time");
        let unused = DAY * 30;
        let long_ago = [("made", "2026-05-01"), ("account", "sa")];
        for (what, change, want) in [
            ("never used", &[][..], Plan::Mark("2026-06-15".into())),
            ("new", &[("made", "2026-06-01")], Plan::Leave),
            ("used lately", &[(LAST_USED, "2026-05-16")], Plan::Leave),
            ("used long ago", &[(LAST_USED, "2026-05-15")], Plan::Mark("2026-06-15".into())),
            ("used who knows when", &[(LAST_USED, "once")], Plan::Leave),
            ("marked lately", &[(INVALID_SINCE, "2026-05-16")], Plan::Leave),
            ("marked long ago", &[(INVALID_SINCE, "2026-05-15")], Plan::Delete),
            ("marked badly", &[(INVALID_SINCE, "once")], Plan::Mark("2026-06-15".into())),
            ("mounted", &[("mounted", "token")], Plan::Leave),
            ("another's", &[("account", "other")], Plan::Leave),
            ("made by hand", &[("listed", "no")], Plan::Leave),
            ("no token", &[("type", "Opaque")], Plan::Leave),
        ] {
            let set = |key: &str| {
                let found = change.iter().chain(&long_ago).find(|(name, _)| *name == key);
                found.map(|(_, value)| (*value).to_string())
            };
            let mut secret = Secret { type_: set("type").unwrap_or(TYPE.into()), ..Secret::default() };
            let meta = &mut secret.metadata;
            meta.name = "token".into();
            meta.creation_timestamp = set("made").and_then(midnight).map(Time::new);
            for label in [LAST_USED, INVALID_SINCE] {
                meta.labels.extend(set(label).map(|value| (label.to_string(), value)));
            }
            let mut account = ServiceAccount::default();
            if set("listed").is_none() {
                account.secrets.push(ObjectReference { name: "token".into(), ..Default::default() });
            }
            let account = set("account").filter(|name| name == "sa").map(|_| account);
            let mounted = || set("mounted").into_iter().collect();
            assert_eq!(plan(&secret, account.as_ref(), mounted, unused, now), want, "{what}");
        }
    }
}
