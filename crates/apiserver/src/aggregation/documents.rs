//! What other servers serve, as discovery and OpenAPI tell it beside our own.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use corten_api::apidiscovery::v2::{
    APIGroupDiscovery, APIResourceDiscovery, APISubresourceDiscovery, APIVersionDiscovery,
};
use corten_api::meta::v1::{
    APIGroup, APIResource, APIResourceList, GroupVersionForDiscovery, GroupVersionKind,
};
use corten_codec::openapi::{Document, v2_to_protobuf};
use corten_codec::{Problems, json};
use http::Request;
use http::header::{ACCEPT, HOST};
use http_body_util::{Either, Full};
use parking_lot::Mutex;
use serde_json::Value;

use super::{Aggregation, Remote, proxy};
use crate::http::Documents;
use crate::outbound::Answer;

/// How long each document may take, and how large it may be.
const PATIENCE: Duration = Duration::from_secs(5);
const BYTES: usize = 16 << 20;
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
                          application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList";

/// What a server said it serves under one version.
#[derive(Default)]
pub(crate) struct Offered {
    pub discovery: Option<APIVersionDiscovery>,
    pub v2: Option<Document>,
    pub v3: Option<Document>,
}

/// Asks a server what it serves; nothing when it does not say.
pub(super) async fn ask(aggregation: &Aggregation, remote: &Remote) -> Option<Offered> {
    let discovery = match resources(aggregation, remote).await {
        Ok(found) => Some(found),
        Err(why) => {
            tracing::debug!(
                service = remote.service.metadata.name,
                why,
                "an aggregated API has no discovery"
            );
            return None;
        }
    };
    let v3 = schema(aggregation, remote).await;
    let v2 = match read(aggregation, remote, "/openapi/v2", "application/json").await {
        Ok(answer) if answer.code.is_success() => Some(Document::new(answer.body.to_vec())),
        _ => None,
    };
    Some(Offered { discovery, v2, v3 })
}

async fn read(
    aggregation: &Aggregation,
    remote: &Remote,
    path: &str,
    accept: &str,
) -> Result<Answer, String> {
    let peer = aggregation.peer(&remote.destination, &remote.trust)?;
    let mut request = Request::get(path)
        .header(HOST, remote.destination.authority())
        .header(ACCEPT, accept)
        .body(Either::Left(Full::default()))
        .map_err(|e| e.to_string())?;
    proxy::identify(request.headers_mut(), &proxy::aggregator());
    aggregation.outbound().exchange(&peer, request, PATIENCE, BYTES).await.map_err(|e| e.to_string())
}

/// The version's resources, from the newer document or the older.
async fn resources(aggregation: &Aggregation, remote: &Remote) -> Result<APIVersionDiscovery, String> {
    let answer = read(aggregation, remote, "/apis", AGGREGATED).await?;
    if answer.code.is_success() && answer.content_type.contains("as=APIGroupDiscoveryList") {
        let list: Value = serde_json::from_slice(&answer.body).map_err(|e| e.to_string())?;
        let groups = list["items"].as_array().into_iter().flatten();
        let versions = groups
            .filter(|g| g["metadata"]["name"] == remote.group())
            .flat_map(|g| g["versions"].as_array().into_iter().flatten());
        if let Some(found) = versions.into_iter().find(|v| v["version"] == remote.version()) {
            let mut read = APIVersionDiscovery::default();
            json::decode_struct(found.to_string().as_bytes(), &mut read, &mut Problems::ignore())
                .map_err(|e| e.to_string())?;
            read.freshness = "Current".into();
            return Ok(read);
        }
    }
    let answer = read(aggregation, remote, &format!("/{}", remote.root()), "application/json").await?;
    if !answer.code.is_success() {
        return Err(format!("{} for /{}", answer.code, remote.root()));
    }
    let mut list = APIResourceList::default();
    json::decode_struct(&answer.body, &mut list, &mut Problems::ignore()).map_err(|e| e.to_string())?;
    Ok(from_older(remote.group(), remote.version(), &list.resources))
}

/// The newer form of the older document's resources.
fn from_older(group: &str, version: &str, resources: &[APIResource]) -> APIVersionDiscovery {
    let or = |text: &String, default: &str| if text.is_empty() { default.to_string() } else { text.clone() };
    let kind = |r: &APIResource| {
        let (group, version) = (or(&r.group, group), or(&r.version, version));
        Some(Box::new(GroupVersionKind { group, version, kind: r.kind.clone() }))
    };
    let mut found: Vec<APIResourceDiscovery> = Vec::new();
    for resource in resources.iter().filter(|r| !r.name.contains('/')) {
        found.push(APIResourceDiscovery {
            resource: resource.name.clone(),
            response_kind: kind(resource),
            scope: if resource.namespaced { "Namespaced" } else { "Cluster" }.into(),
            singular_resource: resource.singular_name.clone(),
            verbs: resource.verbs.0.clone(),
            short_names: resource.short_names.clone(),
            categories: resource.categories.clone(),
            subresources: Vec::new(),
        });
    }
    for resource in resources {
        let Some((parent, name)) = resource.name.split_once('/') else { continue };
        if let Some(parent) = found.iter_mut().find(|r| r.resource == parent) {
            parent.subresources.push(APISubresourceDiscovery {
                subresource: name.into(),
                response_kind: kind(resource),
                verbs: resource.verbs.0.clone(),
                ..APISubresourceDiscovery::default()
            });
        }
    }
    APIVersionDiscovery { version: version.into(), resources: found, freshness: "Current".into() }
}

/// The version's OpenAPI document.
async fn schema(aggregation: &Aggregation, remote: &Remote) -> Option<Document> {
    let index = read(aggregation, remote, "/openapi/v3", "application/json").await.ok()?;
    let index: Value = serde_json::from_slice(&index.body).ok()?;
    let url = index["paths"][remote.root()]["serverRelativeURL"].as_str()?;
    let found = read(aggregation, remote, url, "application/json").await.ok()?;
    let is_document = found.code.is_success() && found.body.first() == Some(&b'{');
    is_document.then(|| Document::new(found.body.to_vec()))
}

/// Puts the others' versions among our own groups, each group where its worth says.
pub(crate) fn merge_groups(items: &mut Vec<APIGroupDiscovery>, remotes: &[Arc<Remote>], core: bool) {
    for remote in sorted(remotes).into_iter().filter(|r| r.group().is_empty() == core) {
        let stale = || APIVersionDiscovery {
            version: remote.version().into(),
            freshness: "Stale".into(),
            ..APIVersionDiscovery::default()
        };
        let mut version = remote.offered.discovery.clone().unwrap_or_else(stale);
        if !remote.available {
            version.freshness = "Stale".into();
        }
        match items.iter_mut().find(|item| item.metadata.name == remote.group()) {
            Some(item) => item.versions.push(version),
            None => {
                let mut item = APIGroupDiscovery { versions: vec![version], ..APIGroupDiscovery::default() };
                item.metadata.name = remote.group().into();
                items.push(item);
            }
        }
    }
}

/// The same for the older document.
pub(crate) fn merge_older(groups: &mut Vec<APIGroup>, remotes: &[Arc<Remote>]) {
    for remote in sorted(remotes).into_iter().filter(|r| !r.group().is_empty()) {
        let version = GroupVersionForDiscovery {
            group_version: format!("{}/{}", remote.group(), remote.version()),
            version: remote.version().into(),
        };
        match groups.iter_mut().find(|g| g.name == remote.group()) {
            Some(group) => group.versions.push(version),
            None => groups.push(APIGroup {
                name: remote.group().into(),
                preferred_version: version.clone(),
                versions: vec![version],
                ..APIGroup::default()
            }),
        }
    }
}

/// By what they are worth: the more first, then by name.
fn sorted(remotes: &[Arc<Remote>]) -> Vec<&Remote> {
    let mut all: Vec<&Remote> = remotes.iter().map(AsRef::as_ref).collect();
    all.sort_by(|a, b| {
        let (a, b) = (&a.service, &b.service);
        (b.spec.group_priority_minimum.cmp(&a.spec.group_priority_minimum))
            .then(a.spec.group.cmp(&b.spec.group))
            .then(b.spec.version_priority.cmp(&a.spec.version_priority))
            .then(a.spec.version.cmp(&b.spec.version))
    });
    all
}

/// Our own OpenAPI documents, and those of the other servers beside them.
pub struct Merged {
    own: Arc<dyn Documents>,
    aggregation: Arc<Aggregation>,
    /// The last document of version 2, as JSON and as protobuf.
    made: Mutex<Option<Made>>,
}

/// A document of version 2, and what it was made of.
struct Made {
    of: Vec<Arc<str>>,
    json: Document,
    /// Made when somebody asks for it.
    protobuf: Option<Document>,
}

impl Merged {
    /// `own`, and what `aggregation` knows.
    pub fn new(own: Arc<dyn Documents>, aggregation: Arc<Aggregation>) -> Self {
        Merged { own, aggregation, made: Mutex::default() }
    }

    /// What `pick` takes of the document that has the other servers' parts; none while they have none.
    fn v2_with_others<R>(&self, pick: impl FnOnce(&mut Made) -> R) -> Option<R> {
        let remotes = self.aggregation.remotes();
        let others: Vec<(&Remote, &Document)> =
            remotes.iter().filter_map(|r| Some((&**r, r.offered.v2.as_ref()?))).collect();
        if others.is_empty() {
            *self.made.lock() = None;
            return None;
        }
        let own = self.own.v2()?;
        let parts = std::iter::once(&own).chain(others.iter().map(|(_, d)| *d));
        let of: Vec<Arc<str>> = parts.map(|d| Arc::clone(&d.hash)).collect();
        let mut made = self.made.lock();
        if made.as_ref().is_none_or(|made| made.of != of) {
            let others = others.iter().map(|(remote, d)| (format!("/{}", remote.root()), &d.bytes));
            let json = Document::new(joined(&own.bytes, others)?);
            *made = Some(Made { of, json, protobuf: None });
        }
        made.as_mut().map(pick)
    }
}

impl Documents for Merged {
    fn v2(&self) -> Option<Document> {
        self.v2_with_others(|made| made.json.clone()).or_else(|| self.own.v2())
    }

    fn v2_protobuf(&self) -> Option<Document> {
        let encoded = |made: &mut Made| {
            if made.protobuf.is_none() {
                let document: Value = serde_json::from_slice(&made.json.bytes).ok()?;
                made.protobuf = Some(v2_to_protobuf(&document));
            }
            made.protobuf.clone()
        };
        self.v2_with_others(encoded).flatten().or_else(|| self.own.v2_protobuf())
    }

    fn v3_hashes(&self) -> Vec<(String, Arc<str>)> {
        let remotes = self.aggregation.remotes();
        let mut all = self.own.v3_hashes();
        if !remotes.is_empty() {
            all.retain(|(path, _)| !remotes.iter().any(|r| r.root() == *path));
            all.extend(
                remotes.iter().filter_map(|r| Some((r.root(), Arc::clone(&r.offered.v3.as_ref()?.hash)))),
            );
            all.sort();
        }
        all
    }

    fn v3(&self, path: &str) -> Option<Document> {
        match self.aggregation.remotes().iter().find(|r| r.root() == path) {
            Some(remote) => remote.offered.v3.clone(),
            None => self.own.v3(path),
        }
    }
}

/// A document of version 2 with the paths that the others serve, and the definitions that are missing here.
fn joined<'a>(own: &[u8], others: impl Iterator<Item = (String, &'a Bytes)>) -> Option<Vec<u8>> {
    let mut own: Value = serde_json::from_slice(own).ok()?;
    for (root, other) in others {
        let Ok(Value::Object(mut other)) = serde_json::from_slice::<Value>(other) else { continue };
        let mut add = |part: &str, wanted: &dyn Fn(&str) -> bool| {
            let (Some(Value::Object(from)), Some(to)) = (other.remove(part), own[part].as_object_mut())
            else {
                return;
            };
            for (name, value) in from.into_iter().filter(|(name, _)| wanted(name)) {
                to.entry(name).or_insert(value);
            }
        };
        add("paths", &|path| path.strip_prefix(&root).is_some_and(|r| r.is_empty() || r.starts_with('/')));
        add("definitions", &|_| true);
    }
    serde_json::to_vec(&own).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::Items;
    use serde_json::json;

    #[test]
    fn older_documents_become_newer_ones() {
        let resource = |name: &str, kind: &str| APIResource {
            name: name.into(),
            kind: kind.into(),
            namespaced: true,
            verbs: Items(vec!["get".to_string()]),
            ..APIResource::default()
        };
        let made = from_older("g", "v1", &[resource("things/status", "Thing"), resource("things", "Thing")]);
        assert_eq!(made.resources.len(), 1);
        assert_eq!(made.resources[0].scope, "Namespaced");
        assert_eq!(made.resources[0].subresources[0].subresource, "status");
        assert_eq!(made.resources[0].response_kind.as_ref().map(|k| k.group.as_str()), Some("g"));
    }

    #[test]
    fn documents_are_joined_without_what_is_there() {
        let own = json!({"paths": {"/api/": 1}, "definitions": {"a": 1}}).to_string();
        let other = json!({
            "paths": {"/apis/g/v1": 2, "/apis/g/v1/things": 3, "/apis/g/v10": 4, "/version": 5},
            "definitions": {"a": 2, "b": 2},
        });
        let other = Bytes::from(other.to_string());
        let made =
            joined(own.as_bytes(), [("/apis/g/v1".to_string(), &other)].into_iter()).expect("a document");
        let made: Value = serde_json::from_slice(&made).expect("JSON");
        assert_eq!(
            made,
            json!({
                "paths": {"/api/": 1, "/apis/g/v1": 2, "/apis/g/v1/things": 3},
                "definitions": {"a": 1, "b": 2},
            })
        );
    }
}
