//! The use of tokens that Secrets hold: a Secret says the day of the last one, and a ConfigMap since when that is
//! said, so that what nobody uses can be removed (upstream's `legacytokentracking`).

use std::sync::Arc;
use std::time::Duration;

use corten_api::core::v1::{ConfigMap, Secret};
use corten_auth::authenticate::{LAST_USED, ServiceAccountTokens};
use corten_client::{Client, Informer, PatchType, WatchOptions};
use corten_rt::{Clock, Instant, Tasks, Timestamp};
use corten_semantics::{ApiResult, identity};
use serde_json::json;
use tokio::sync::mpsc;

use crate::{LocalTransport, Registry};

const NAMESPACE: &str = "kube-system";
const NAME: &str = "kube-apiserver-legacy-service-account-token-tracking";
const SINCE: &str = "since";
/// The most uses that wait to be written down; the next use of a Secret is as good.
const WAITING: usize = 256;
/// The ConfigMap is not made more often, and looked at as often without a reason, as upstream.
const EVERY: Duration = Duration::from_secs(30 * 60);

/// Has tasks write down the use of `tokens`.
pub fn track(tokens: &ServiceAccountTokens, registry: &Arc<Registry>, tasks: &Tasks) {
    let clock = registry.clock();
    let client = Client::new(Arc::new(LocalTransport::new(Arc::clone(registry), identity::api_server())));
    let (tell, mut told) = mpsc::channel::<(String, String)>(WAITING);
    tokens.track_with(Box::new(move |secret: &Secret| {
        let _ = tell.try_send((secret.metadata.namespace.clone(), secret.metadata.name.clone()));
    }));
    let writing = client.clone();
    tasks.spawn_until_stopped("legacy tokens' use", async move {
        while let Some((namespace, name)) = told.recv().await {
            if let Err(why) = used(&writing, &namespace, &name, clock).await {
                tracing::warn!(%why, namespace, name, "the use of a Secret's token cannot be written down");
            }
        }
    });
    let informing = tasks.clone();
    tasks.spawn_until_stopped("legacy tokens' tracking", async move {
        let one = WatchOptions { field_selector: format!("metadata.name={NAME}"), ..WatchOptions::default() };
        let maps: Informer<ConfigMap> = Informer::start(client.namespaced(NAMESPACE), one, &informing);
        let (mut changes, mut made) = (maps.changes(), None);
        loop {
            if let Err(why) = keep(&client, &mut made, clock.now()).await {
                tracing::debug!(%why, "the ConfigMap {NAME} cannot be kept");
                corten_rt::sleep(Duration::from_secs(1)).await;
                continue;
            }
            corten_rt::timeout(EVERY, changes.changed()).await;
        }
    });
}

fn day(now: Timestamp) -> String {
    now.strftime("%Y-%m-%d").to_string()
}

/// Whether the text is a day.
fn is_day(text: &str) -> bool {
    text.len() == "2026-01-01".len() && format!("{text}T00:00:00Z").parse::<Timestamp>().is_ok()
}

/// Writes down that a Secret's token was used today, unless that was done meanwhile.
async fn used(client: &Client, namespace: &str, name: &str, clock: Clock) -> ApiResult<()> {
    let secrets = client.namespaced::<Secret>(namespace);
    let today = day(clock.now());
    let Some(secret) = secrets.find(name).await? else { return Ok(()) };
    if secret.metadata.labels.get(LAST_USED) == Some(&today) {
        return Ok(());
    }
    let patch = json!({"metadata": {"uid": secret.metadata.uid, "labels": {LAST_USED: today}}});
    match secrets.patch(name, PatchType::Merge, patch.to_string().into_bytes()).await {
        Err(why) if !why.is_not_found() => Err(why),
        _ => Ok(()),
    }
}

/// Makes the ConfigMap, or mends it.
async fn keep(client: &Client, made: &mut Option<Instant>, now: Timestamp) -> ApiResult<()> {
    let maps = client.namespaced::<ConfigMap>(NAMESPACE);
    let done = match maps.find(NAME).await? {
        Some(map) if map.data.get(SINCE).is_some_and(|since| is_day(since)) => return Ok(()),
        Some(map) => {
            let mut map = ConfigMap::clone(&map);
            map.data.insert(SINCE.into(), day(now));
            maps.update(map).await
        }
        None if made.is_some_and(|made| made.elapsed() < EVERY) => return Ok(()),
        None => {
            let mut map = ConfigMap::default();
            (map.metadata.namespace, map.metadata.name) = (NAMESPACE.into(), NAME.into());
            map.data.insert(SINCE.into(), day(now));
            let done = maps.create(map).await;
            *made = done.is_ok().then(Instant::now);
            done
        }
    };
    match done {
        Err(why) if !why.is_conflict() && !why.is_already_exists() && !why.is_not_found() => Err(why),
        Err(why) if why.is_not_found() && made.is_none() => Err(why),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_told_from_other_texts() {
        let now: Timestamp = "2026-02-03T23:59:59Z".parse().expect("a time");
        assert_eq!(day(now), "2026-02-03");
        for (text, is) in [("2026-02-03", true), ("2026-02-30", false), ("", false), ("2026-2-3", false)] {
            assert_eq!(is_day(text), is, "{text}");
        }
    }
}
