//! What a list or watch selects: a part of the keys, labels, fields.

use std::borrow::Cow;
use std::sync::Arc;

use async_trait::async_trait;
use corten_api::core::v1::Pod;
use corten_api::selector::{FieldSelector, ParseError, Selector};
use corten_api::{Kind, KindInfo, Object};
use corten_kinds::StrategyRef;
use corten_semantics::{ApiError, ApiResult};

use super::Entry;
use super::convert::in_version;

/// Brings entries into the version that the client speaks, when that may mean to ask somebody.
#[async_trait]
pub(crate) trait Translator: Send + Sync {
    /// The entries in that version, in the same order.
    async fn translated(&self, entries: Vec<Arc<Entry>>) -> ApiResult<Vec<Arc<Entry>>>;
    /// Whether labels may differ from version to version.
    fn changes_labels(&self) -> bool;
}

/// The objects that a list or watch is about.
#[derive(Clone)]
pub(crate) struct Selection {
    /// Keys must begin with this: the resource's prefix, or a namespace's below it.
    pub prefix: String,
    /// The one key, when the target names an object.
    key: Option<String>,
    labels: Selector,
    fields: FieldSelector,
    /// Pods only: the node that they must be bound to.
    node: Option<String>,
    /// The kind that the client speaks, whose fields are meant.
    kind: &'static KindInfo,
    strategy: StrategyRef,
    translator: Option<Arc<dyn Translator>>,
    /// Whether the fields asked for can be told by an object's key.
    by_place: bool,
    /// The selectors as they were asked for.
    asked: Box<str>,
}

const NAME: &str = "metadata.name";
const NAMESPACE: &str = "metadata.namespace";

/// Namespace and name of what lies at a key.
fn place<'a>(key: &'a str, kind: &KindInfo) -> (&'a str, &'a str) {
    let mut parts = key.rsplit('/');
    let name = parts.next().unwrap_or_default();
    (parts.next().filter(|_| kind.namespaced).unwrap_or_default(), name)
}

/// The part of the keys, and the one key, that selected objects must have: names and namespaces are in keys.
fn narrowed(mut prefix: String, kind: &KindInfo, fields: &FieldSelector) -> (String, Option<String>) {
    let required = |path| fields.required(path).filter(|part| !part.is_empty() && !part.contains('/'));
    let mut is_narrow = !kind.namespaced || prefix != super::prefix_of(kind);
    if let Some(namespace) = required(NAMESPACE).filter(|_| !is_narrow) {
        prefix.push_str(namespace);
        prefix.push('/');
        is_narrow = true;
    }
    let key = required(NAME).filter(|_| is_narrow).map(|name| format!("{prefix}{name}"));
    (prefix, key)
}

/// The node that a pod is bound to.
pub(super) fn node_of(entry: &Entry) -> Option<String> {
    if entry.kind() != Pod::INFO {
        return None;
    }
    let node = entry.object().downcast_ref::<Pod>()?.spec.node_name.to_string();
    (!node.is_empty()).then_some(node)
}

impl Selection {
    /// Parses the selectors of a call on `kind`.
    pub fn new(
        kind: &'static KindInfo,
        strategy: StrategyRef,
        prefix: String,
        labels: &str,
        fields: &str,
    ) -> ApiResult<Self> {
        let bad = |e: ParseError| ApiError::bad_request(e.to_string());
        let text = labels;
        let labels = Selector::parse(labels).map_err(bad)?;
        let selector = FieldSelector::parse(fields).map_err(bad)?;
        for (path, ..) in &selector.terms {
            strategy.check_field_label(kind, path)?;
        }
        let node = selector.required("spec.nodeName").filter(|node| !node.is_empty() && kind == Pod::INFO);
        let node = node.map(String::from);
        let by_place = selector.terms.iter().all(|(path, ..)| matches!(&**path, NAME | NAMESPACE));
        let (prefix, key) = narrowed(prefix, kind, &selector);
        let asked = format!("{text}\0{fields}").into();
        let (fields, translator) = (selector, None);
        Ok(Selection { prefix, key, labels, fields, node, kind, strategy, translator, by_place, asked })
    }

    /// Whether both select the same.
    pub fn is_same(&self, other: &Selection) -> bool {
        self.kind == other.kind
            && (&self.prefix, &self.key, &self.asked) == (&other.prefix, &other.key, &other.asked)
    }

    /// Whether the stored object may be selected; only its translation shows it for sure where that
    /// [matters](Self::is_of_translations).
    pub fn may_select(&self, entry: &Arc<Entry>) -> bool {
        if self.is_of_translations() { self.covers(entry.key()) } else { self.matches(entry) }
    }

    /// Only the object at `key`.
    pub fn only(mut self, key: String) -> Self {
        self.key = Some(key);
        self
    }

    /// With somebody who brings what is stored into the client's version.
    pub fn translated_by(mut self, translator: Option<Arc<dyn Translator>>) -> Self {
        self.translator = translator;
        self
    }

    /// Whether stored objects may be of another version than the client's.
    pub fn translates(&self) -> bool {
        self.translator.is_some()
    }

    /// Whether objects are selected by something that only their translation shows.
    pub fn is_of_translations(&self) -> bool {
        let Some(translator) = &self.translator else { return false };
        let own = |path: &str| !matches!(path, NAME | NAMESPACE);
        self.fields.terms.iter().any(|(path, ..)| own(path))
            || (!self.labels.is_everything() && translator.changes_labels())
    }

    /// The entries in the client's version; what is in it already is left as it is.
    pub async fn translated(&self, entries: Vec<Arc<Entry>>) -> ApiResult<Vec<Arc<Entry>>> {
        match &self.translator {
            Some(translator) if !entries.is_empty() => translator.translated(entries).await,
            _ => Ok(entries),
        }
    }

    /// The selected ones among entries, in the client's version.
    pub async fn selected(&self, mut entries: Vec<Arc<Entry>>) -> ApiResult<Vec<Arc<Entry>>> {
        if self.is_of_translations() {
            entries.retain(|entry| self.covers(entry.key()));
            entries = self.translated(entries).await?;
            entries.retain(|entry| self.matches(entry));
            return Ok(entries);
        }
        entries.retain(|entry| self.matches(entry));
        self.translated(entries).await
    }

    /// The one object's key.
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// Whether every object below the prefix is selected.
    pub fn is_everything(&self) -> bool {
        self.key.is_none() && self.labels.is_everything() && self.fields.is_everything()
    }

    /// The node that selected pods must be bound to, when a field selector says so.
    pub fn node(&self) -> Option<&str> {
        self.node.as_deref()
    }

    /// Whether the key is one of those that the list or watch is about.
    pub fn covers(&self, key: &str) -> bool {
        key.starts_with(&self.prefix) && self.key.as_ref().is_none_or(|k| k == key)
    }

    /// Whether the object is selected; it is given in the client's version if that [matters](Self::is_of_translations).
    pub fn matches(&self, entry: &Arc<Entry>) -> bool {
        if !self.covers(entry.key()) {
            return false;
        }
        if self.labels.is_everything() && self.fields.is_everything() {
            return true;
        }
        if !self.labels.is_everything() && !entry.has_labels(|labels| self.labels.matches(labels)) {
            return false;
        }
        if self.by_place {
            let (namespace, name) = place(entry.key(), self.kind);
            return self.fields.matches(|path| if path == NAME { name } else { namespace }.into());
        }
        let object =
            if self.kind.custom { entry.object() } else { in_version(entry.clone(), self.kind).object() };
        self.fields.matches(|path| self.field(&*object, path))
    }

    fn field<'a>(&self, object: &'a dyn Object, path: &str) -> Cow<'a, str> {
        self.strategy.selectable_field(object, path).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_tells_where_an_object_is() {
        let map = corten_api::core::v1::ConfigMap::INFO;
        let node = corten_api::core::v1::Node::INFO;
        assert_eq!(place("/registry/configmaps/n/m", map), ("n", "m"));
        assert_eq!(place("/registry/minions/m", node), ("", "m"));
    }

    #[test]
    fn names_and_namespaces_are_places() {
        let map = corten_api::core::v1::ConfigMap::INFO;
        let node = corten_api::core::v1::Node::INFO;
        for (kind, prefix, fields, expected) in [
            (map, "/registry/configmaps/", "", ("/registry/configmaps/", None)),
            (map, "/registry/configmaps/", "metadata.name=m", ("/registry/configmaps/", None)),
            (map, "/registry/configmaps/", "metadata.namespace=n", ("/registry/configmaps/n/", None)),
            (map, "/registry/configmaps/", "metadata.namespace!=n", ("/registry/configmaps/", None)),
            (
                map,
                "/registry/configmaps/",
                "metadata.name=m,metadata.namespace=n",
                ("/registry/configmaps/n/", Some("/registry/configmaps/n/m")),
            ),
            (
                map,
                "/registry/configmaps/n/",
                "metadata.name=m",
                ("/registry/configmaps/n/", Some("/registry/configmaps/n/m")),
            ),
            (map, "/registry/configmaps/n/", "metadata.namespace=other", ("/registry/configmaps/n/", None)),
            (map, "/registry/configmaps/n/", "metadata.name=o/m", ("/registry/configmaps/n/", None)),
            (
                node,
                "/registry/minions/",
                "metadata.name=m",
                ("/registry/minions/", Some("/registry/minions/m")),
            ),
        ] {
            let fields = FieldSelector::parse(fields).expect("a selector");
            let (prefix, key) = narrowed(prefix.into(), kind, &fields);
            assert_eq!((&*prefix, key.as_deref()), expected);
        }
    }
}
