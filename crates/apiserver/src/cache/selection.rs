//! What a list or watch selects: a part of the keys, labels, fields.

use std::borrow::Cow;
use std::sync::Arc;

use corten_api::core::v1::Pod;
use corten_api::selector::{FieldSelector, ParseError, Selector};
use corten_api::{Kind, KindInfo, Object};
use corten_kinds::StrategyRef;
use corten_semantics::{ApiError, ApiResult};

use super::Entry;
use super::convert::in_version;

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
        let labels = Selector::parse(labels).map_err(bad)?;
        let selector = FieldSelector::parse(fields).map_err(bad)?;
        for (path, ..) in &selector.terms {
            strategy.check_field_label(kind, path)?;
        }
        let node = selector.required("spec.nodeName").filter(|node| !node.is_empty() && kind == Pod::INFO);
        let node = node.map(String::from);
        Ok(Selection { prefix, key: None, labels, fields: selector, node, kind, strategy })
    }

    /// Only the object at `key`.
    pub fn only(mut self, key: String) -> Self {
        self.key = Some(key);
        self
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

    /// Whether the object is selected.
    pub fn matches(&self, entry: &Arc<Entry>) -> bool {
        let key: &str = entry.key();
        if !key.starts_with(&self.prefix) || self.key.as_ref().is_some_and(|k| k != key) {
            return false;
        }
        if self.labels.is_everything() && self.fields.is_everything() {
            return true;
        }
        if !self.labels.matches(&entry.object().meta().labels) {
            return false;
        }
        // Custom objects are selected as they are stored: selectable fields are declared per version, and
        // mean the same in all of them.
        let object =
            if self.kind.custom { entry.object() } else { in_version(entry.clone(), self.kind).object() };
        self.fields.matches(|path| self.field(&*object, path))
    }

    fn field<'a>(&self, object: &'a dyn Object, path: &str) -> Cow<'a, str> {
        self.strategy.selectable_field(object, path).unwrap_or_default()
    }
}
