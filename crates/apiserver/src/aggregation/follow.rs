//! The table of other servers, kept in step with the objects; and the looking whether they are there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use corten_api::Time;
use corten_api::apiregistration::v1::{APIService, APIServiceSpec};
use corten_api::core::v1::Service;
use corten_client::{Client, Informer};
use corten_rt::{Instant, timeout};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use http::Request;
use http::header::HOST;
use http_body_util::{Either, Full};

use super::available::{Finding, is_available, missing};
use super::{Aggregation, Offered, Remote, documents, proxy};
use crate::outbound::{Destination, Trust, slices};

/// How often is looked at Services and endpoints while there is anybody else.
const EVERY: Duration = Duration::from_secs(1);
/// How often a server that is there is asked again.
const RESYNC: Duration = Duration::from_secs(30);
/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// The most bytes of a discovery document.
const BYTES: usize = 4 << 20;

/// Keeps the table.
pub(super) struct Follower {
    aggregation: Arc<Aggregation>,
    client: Client,
    services: Informer<APIService>,
    /// When each was asked last, as it was then, and what came of it.
    asked: BTreeMap<String, (Instant, APIServiceSpec, bool)>,
}

impl Follower {
    pub fn new(aggregation: Arc<Aggregation>, client: Client, services: Informer<APIService>) -> Self {
        Follower { aggregation, client, services, asked: BTreeMap::new() }
    }

    /// Follows the objects.
    pub async fn run(mut self) {
        self.services.synced().await;
        let mut changes = self.services.changes();
        loop {
            changes.mark_unchanged();
            self.rebuild(BTreeMap::new());
            self.correct_local().await;
            self.look().await;
            let nobody = self.aggregation.remotes().is_empty();
            let changed = changes.changed();
            let ended = if nobody {
                changed.await.is_err()
            } else {
                matches!(timeout(EVERY, changed).await, Some(Err(_)))
            };
            if ended {
                return;
            }
        }
    }

    /// Makes the table anew; `news` is what servers said they serve.
    fn rebuild(&self, mut news: BTreeMap<String, Arc<Offered>>) {
        let old = self.aggregation.remotes();
        let known = |name: &str| old.iter().find(|r| r.service.metadata.name == name);
        let mut table = Vec::new();
        for service in self.services.list() {
            let Some(reference) = &service.spec.service else { continue };
            let name = service.metadata.name.as_str();
            let before = known(name).filter(|r| r.service.metadata.uid == service.metadata.uid);
            let offered = news.remove(name).or_else(|| before.map(|r| Arc::clone(&r.offered)));
            let port = reference.port.and_then(|p| u16::try_from(p).ok()).unwrap_or(443);
            table.push(Arc::new(Remote {
                destination: Destination::Service {
                    namespace: reference.namespace.clone(),
                    name: reference.name.clone(),
                    port,
                },
                trust: if service.spec.insecure_skip_tls_verify {
                    Trust::Anyone
                } else {
                    Trust::Bundle(service.spec.ca_bundle.clone())
                },
                available: is_available(&service),
                offered: offered.unwrap_or_default(),
                service,
            }));
        }
        table.sort_by(|a, b| a.service.metadata.name.cmp(&b.service.metadata.name));
        if !(table.is_empty() && old.is_empty()) {
            self.aggregation.table.store(Arc::new(table));
        }
    }

    /// What is served here again says so.
    async fn correct_local(&self) {
        let is_wrong = |s: &Arc<APIService>| {
            s.spec.service.is_none() && s.status.conditions.iter().any(|c| c.reason != "Local")
        };
        for service in self.services.list().iter().filter(|s| is_wrong(s)) {
            self.tell(service, &Finding::local()).await;
        }
    }

    /// Looks after everybody who is due.
    async fn look(&mut self) {
        let remotes = self.aggregation.remotes();
        let is_there = |name: &str| remotes.iter().any(|r| r.service.metadata.name == name);
        self.asked.retain(|name, _| is_there(name));
        self.aggregation.lost.lock().retain(|(name, _), _| is_there(name));
        let mut looks = FuturesUnordered::new();
        for remote in remotes.iter() {
            let name = remote.service.metadata.name.clone();
            let due = match self.asked.get(&name) {
                Some((at, spec, well)) => *spec != remote.service.spec || !well || at.elapsed() >= RESYNC,
                None => true,
            };
            let aggregation = Arc::clone(&self.aggregation);
            let remote = Arc::clone(remote);
            looks.push(async move {
                let found = examine(&aggregation, &remote, due).await;
                let news = match &found {
                    Some(finding) if finding.available => documents::ask(&aggregation, &remote).await,
                    _ => None,
                };
                (remote, found, news)
            });
        }
        let mut news = BTreeMap::new();
        while let Some((remote, found, offered)) = looks.next().await {
            let Some(finding) = found else { continue };
            let name = remote.service.metadata.name.clone();
            self.asked.insert(name.clone(), (Instant::now(), remote.service.spec.clone(), finding.available));
            if let Some(offered) = offered {
                news.insert(name, Arc::new(offered));
            }
            self.tell(&remote.service, &finding).await;
        }
        if !news.is_empty() {
            self.rebuild(news);
        }
    }

    async fn tell(&self, service: &APIService, finding: &Finding) {
        let now = Time::new(self.aggregation.registry.clock().now());
        let Some(told) = finding.told(service, now) else { return };
        if is_available(service) && !finding.available {
            let key = (service.metadata.name.clone(), finding.reason);
            *self.aggregation.lost.lock().entry(key).or_default() += 1;
        }
        if let Err(error) = self.client.all::<APIService>().update_status(told).await
            && !error.is_conflict()
            && !error.is_not_found()
        {
            tracing::warn!(service = service.metadata.name, %error, "an API service's condition cannot be told");
        }
    }
}

/// What there is to say about the server; nothing when all seems as it was, and nobody is to ask it now.
async fn examine(aggregation: &Aggregation, remote: &Remote, due: bool) -> Option<Finding> {
    let reference = remote.service.spec.service.as_ref()?;
    let objects = aggregation.registry.lookup();
    let service = objects.get::<Service>(&reference.namespace, &reference.name);
    let slices = slices(&*objects, &reference.namespace, &reference.name);
    if let Some(finding) = missing(reference, service.as_deref(), &slices) {
        return Some(finding);
    }
    if !due && remote.available {
        return None;
    }
    Some(match discovery(aggregation, remote).await {
        Ok(()) => Finding::passed(),
        Err(why) => Finding::silent(why),
    })
}

/// Asks for what every server of the version must have. Its certificate is not judged here, as upstream.
async fn discovery(aggregation: &Aggregation, remote: &Remote) -> Result<(), String> {
    let (host, port) = remote.destination.resolve(&*aggregation.registry.lookup())?;
    let url = format!("https://{}/{}", crate::outbound::joined(&host, port), remote.root());
    let failing = |why: &str| format!("failing or missing response from {url}: {why}");
    let peer = aggregation.peer(&remote.destination, &Trust::Anyone).map_err(|e| failing(&e))?;
    let mut request = Request::get(format!("/{}", remote.root()))
        .header(HOST, remote.destination.authority())
        .body(Either::Left(Full::default()))
        .map_err(|e| failing(&e.to_string()))?;
    proxy::identify(request.headers_mut(), &proxy::aggregator());
    let answer = aggregation.outbound().exchange(&peer, request, PATIENCE, BYTES).await;
    let answer = answer.map_err(|e| failing(&format!("Get {url:?}: {e}")))?;
    if answer.code.is_success() {
        return Ok(());
    }
    Err(failing(&format!("bad status from {url}: {}", answer.code.as_u16())))
}
