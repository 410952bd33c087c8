//! What a kind may say about itself, for handlers that know only `dyn Object` ([`Strategy`]) and for the
//! kind's own file ([`KindStrategy`]). Follows upstream's `registry/rest` strategies.

use crate::columns::{self, Column, TableColumn};
use crate::reflection;
use crate::rules::{Rules, StatusMetadata};
use corten_api::autoscaling::v1::Scale;
use corten_api::{Kind, KindInfo, Object};
use corten_semantics::field::FieldError;
use corten_semantics::{ApiError, ApiResult};
use jiff::Timestamp;
use serde_json::Value;
use std::borrow::Cow;
use std::ops::Deref;
use std::sync::Arc;

/// The behaviour of one kind. Objects given are of that kind; others pass untouched.
pub trait Strategy: Send + Sync {
    /// The kind's settings.
    fn rules(&self) -> &Rules;

    /// Fills absent fields, after decoding and again after mutating admission. Idempotent.
    fn default(&self, _obj: &mut dyn Object) {}

    /// Clears what a creator may not set.
    fn prepare_create(&self, obj: &mut dyn Object) {
        plain_create(self.rules(), obj);
    }

    /// Restores what an update may not change.
    fn prepare_update(&self, new: &mut dyn Object, old: &dyn Object) {
        plain_update(self.rules(), new, old);
    }

    /// Restores all that a status update may not change.
    fn prepare_status_update(&self, new: &mut dyn Object, old: &dyn Object) {
        plain_status_update(self.rules(), new, old);
    }

    /// Restores all that the update of another subresource (`finalize`, `resize`, `approval`, ...) may not
    /// change.
    fn prepare_subresource_update(&self, _subresource: &str, _new: &mut dyn Object, _old: &dyn Object) {}

    /// What is wrong with a new object, beside its metadata.
    fn validate(&self, _obj: &dyn Object) -> Vec<FieldError> {
        Vec::new()
    }

    /// What is wrong with an update, beside the metadata.
    fn validate_update(&self, new: &dyn Object, _old: &dyn Object) -> Vec<FieldError> {
        self.validate(new)
    }

    /// What is wrong with a status update, beside the metadata.
    fn validate_status_update(&self, _new: &dyn Object, _old: &dyn Object) -> Vec<FieldError> {
        Vec::new()
    }

    /// What is wrong with the update of another subresource.
    fn validate_subresource_update(
        &self,
        _subresource: &str,
        _new: &dyn Object,
        _old: &dyn Object,
    ) -> Vec<FieldError> {
        Vec::new()
    }

    /// Warnings for the client; `old` on update.
    fn warnings(&self, _new: &dyn Object, _old: Option<&dyn Object>) -> Vec<String> {
        Vec::new()
    }

    /// Drops what the kind's schema does not know; the paths of what was dropped go to `unknown`. Only kinds
    /// whose objects are read without a table have something to drop.
    ///
    /// # Errors
    /// When the object cannot be one of the kind; the text is upstream's.
    fn prune(&self, _obj: &mut dyn Object, _unknown: &mut Vec<String>) -> Result<(), String> {
        Ok(())
    }

    /// The columns of a table.
    fn columns(&self) -> &'static [Column] {
        columns::PLAIN
    }

    /// The same for kinds whose columns are known only while the server runs.
    fn table_columns(&self) -> Vec<TableColumn<'_>> {
        self.columns().iter().map(TableColumn::from).collect()
    }

    /// The cells of an object's row, one for each column.
    fn row(&self, obj: &dyn Object, _now: Timestamp) -> Vec<Value> {
        columns::plain_row(obj)
    }

    /// Labels of field selectors beyond `metadata.name` and `metadata.namespace`.
    fn field_labels(&self) -> &'static [&'static str] {
        &[]
    }

    /// Whether `label` may stand in a field selector; the error is upstream's 400.
    fn check_field_label(&self, kind: &KindInfo, label: &str) -> ApiResult<()> {
        check_label(kind, label, self.field_labels())
    }

    /// The value of a field that selectors may name; `None` for a label that the kind does not know.
    fn selectable_field<'a>(&self, obj: &'a dyn Object, label: &str) -> Option<Cow<'a, str>> {
        metadata_field(obj, label)
    }

    /// The seconds of grace a deletion gives, from those asked for; `None` when the kind goes at once.
    fn grace_period(&self, _obj: &dyn Object, _asked: Option<i64>) -> Option<i64> {
        None
    }

    /// The object's `scale` subresource, without metadata beyond name, namespace, uid, version and creation.
    fn scale(&self, _obj: &dyn Object) -> Option<Scale> {
        None
    }

    /// Where the object would have the replicas of its scale, if it has none there.
    fn missing_replicas(&self, _obj: &dyn Object) -> Option<String> {
        None
    }

    /// Takes the replicas of an updated `scale` subresource.
    fn set_replicas(&self, _obj: &mut dyn Object, _replicas: i32) {}
}

/// A strategy that is compiled in, or one that came with a definition.
#[derive(Clone)]
pub enum StrategyRef {
    Builtin(&'static dyn Strategy),
    Custom(Arc<dyn Strategy>),
}

impl Deref for StrategyRef {
    type Target = dyn Strategy;

    fn deref(&self) -> &(dyn Strategy + 'static) {
        match self {
            StrategyRef::Builtin(strategy) => *strategy,
            StrategyRef::Custom(strategy) => &**strategy,
        }
    }
}

/// The rule of most kinds for the labels of field selectors.
fn check_label(kind: &KindInfo, label: &str, own: &[&str]) -> ApiResult<()> {
    let known = match label {
        "metadata.name" => true,
        "metadata.namespace" => kind.namespaced || own.is_empty(),
        other => own.contains(&other),
    };
    match (known, own.is_empty()) {
        (true, _) => Ok(()),
        (false, false) => Err(ApiError::bad_request(match kind.kind {
            "Job" => format!("field label {label:?} not supported for Job"),
            "ResourceSlice" => {
                format!("field label not supported for resource.k8s.io/v1, Kind=ResourceSlice: {label}")
            }
            _ => format!("field label not supported: {label}"),
        })),
        (false, true) => Err(ApiError::bad_request(format!(
            "\"{label}\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\""
        ))),
    }
}

/// The same for one kind's own file, typed. Every [`KindStrategy`] is a [`Strategy`].
pub trait KindStrategy: Send + Sync {
    type Kind: Kind;
    const RULES: Rules = Rules::USUAL;
    const COLUMNS: &'static [Column] = columns::PLAIN;
    const FIELD_LABELS: &'static [&'static str] = &[];

    fn default(&self, _obj: &mut Self::Kind) {}
    fn prepare_create(&self, obj: &mut Self::Kind) {
        plain_create(&Self::RULES, obj);
    }
    fn prepare_update(&self, new: &mut Self::Kind, old: &Self::Kind) {
        plain_update(&Self::RULES, new, old);
    }
    fn prepare_status_update(&self, new: &mut Self::Kind, old: &Self::Kind) {
        plain_status_update(&Self::RULES, new, old);
    }
    fn prepare_subresource_update(&self, _subresource: &str, _new: &mut Self::Kind, _old: &Self::Kind) {}
    fn validate(&self, _obj: &Self::Kind) -> Vec<FieldError> {
        Vec::new()
    }
    fn validate_update(&self, new: &Self::Kind, _old: &Self::Kind) -> Vec<FieldError> {
        KindStrategy::validate(self, new)
    }
    fn validate_status_update(&self, _new: &Self::Kind, _old: &Self::Kind) -> Vec<FieldError> {
        Vec::new()
    }
    fn validate_subresource_update(
        &self,
        _subresource: &str,
        _new: &Self::Kind,
        _old: &Self::Kind,
    ) -> Vec<FieldError> {
        Vec::new()
    }
    fn warnings(&self, _new: &Self::Kind, _old: Option<&Self::Kind>) -> Vec<String> {
        Vec::new()
    }
    fn row(&self, obj: &Self::Kind, _now: Timestamp) -> Vec<Value> {
        columns::plain_row(obj)
    }
    /// The value of one of [`KindStrategy::FIELD_LABELS`].
    fn selectable_field<'a>(&self, _obj: &'a Self::Kind, _label: &str) -> Cow<'a, str> {
        "".into()
    }
    fn grace_period(&self, _obj: &Self::Kind, _asked: Option<i64>) -> Option<i64> {
        None
    }
    fn scale(&self, _obj: &Self::Kind) -> Option<Scale> {
        None
    }
    fn set_replicas(&self, _obj: &mut Self::Kind, _replicas: i32) {}
    /// An object of the kind in whose version this one is stored, for validation.
    fn of_stored(&self, _obj: &dyn Object) -> Option<Self::Kind> {
        None
    }
}

impl<S: KindStrategy> Strategy for S {
    fn rules(&self) -> &Rules {
        &S::RULES
    }

    fn default(&self, obj: &mut dyn Object) {
        if let Some(obj) = obj.downcast_mut() {
            KindStrategy::default(self, obj);
        }
    }

    fn prepare_create(&self, obj: &mut dyn Object) {
        if let Some(obj) = obj.downcast_mut() {
            KindStrategy::prepare_create(self, obj);
        }
    }

    fn prepare_update(&self, new: &mut dyn Object, old: &dyn Object) {
        if let (Some(new), Some(old)) = (new.downcast_mut(), old.downcast_ref()) {
            KindStrategy::prepare_update(self, new, old);
        }
    }

    fn prepare_status_update(&self, new: &mut dyn Object, old: &dyn Object) {
        if let (Some(new), Some(old)) = (new.downcast_mut(), old.downcast_ref()) {
            KindStrategy::prepare_status_update(self, new, old);
        }
    }

    fn prepare_subresource_update(&self, subresource: &str, new: &mut dyn Object, old: &dyn Object) {
        if let (Some(new), Some(old)) = (new.downcast_mut(), old.downcast_ref()) {
            KindStrategy::prepare_subresource_update(self, subresource, new, old);
        }
    }

    fn validate(&self, obj: &dyn Object) -> Vec<FieldError> {
        match obj.downcast_ref() {
            Some(obj) => KindStrategy::validate(self, obj),
            None => self.of_stored(obj).map_or(Vec::new(), |obj| KindStrategy::validate(self, &obj)),
        }
    }

    fn validate_update(&self, new: &dyn Object, old: &dyn Object) -> Vec<FieldError> {
        match (new.downcast_ref(), old.downcast_ref()) {
            (Some(new), Some(old)) => KindStrategy::validate_update(self, new, old),
            _ => match (self.of_stored(new), self.of_stored(old)) {
                (Some(new), Some(old)) => KindStrategy::validate_update(self, &new, &old),
                _ => Vec::new(),
            },
        }
    }

    fn validate_status_update(&self, new: &dyn Object, old: &dyn Object) -> Vec<FieldError> {
        match (new.downcast_ref(), old.downcast_ref()) {
            (Some(new), Some(old)) => KindStrategy::validate_status_update(self, new, old),
            _ => Vec::new(),
        }
    }

    fn validate_subresource_update(
        &self,
        subresource: &str,
        new: &dyn Object,
        old: &dyn Object,
    ) -> Vec<FieldError> {
        match (new.downcast_ref(), old.downcast_ref()) {
            (Some(new), Some(old)) => KindStrategy::validate_subresource_update(self, subresource, new, old),
            _ => Vec::new(),
        }
    }

    fn warnings(&self, new: &dyn Object, old: Option<&dyn Object>) -> Vec<String> {
        let old = old.and_then(|o| o.downcast_ref());
        new.downcast_ref().map_or(Vec::new(), |new| KindStrategy::warnings(self, new, old))
    }

    fn columns(&self) -> &'static [Column] {
        S::COLUMNS
    }

    fn table_columns(&self) -> Vec<TableColumn<'_>> {
        S::COLUMNS.iter().map(|column| column.of_kind(S::Kind::INFO.kind)).collect()
    }

    fn row(&self, obj: &dyn Object, now: Timestamp) -> Vec<Value> {
        obj.downcast_ref().map_or(Vec::new(), |obj| KindStrategy::row(self, obj, now))
    }

    fn field_labels(&self) -> &'static [&'static str] {
        S::FIELD_LABELS
    }

    fn selectable_field<'a>(&self, obj: &'a dyn Object, label: &str) -> Option<Cow<'a, str>> {
        metadata_field(obj, label).or_else(|| {
            let obj = obj.downcast_ref().filter(|_| S::FIELD_LABELS.contains(&label))?;
            Some(KindStrategy::selectable_field(self, obj, label))
        })
    }

    fn grace_period(&self, obj: &dyn Object, asked: Option<i64>) -> Option<i64> {
        KindStrategy::grace_period(self, obj.downcast_ref()?, asked)
    }

    fn scale(&self, obj: &dyn Object) -> Option<Scale> {
        KindStrategy::scale(self, obj.downcast_ref()?)
    }

    fn set_replicas(&self, obj: &mut dyn Object, replicas: i32) {
        if let Some(obj) = obj.downcast_mut() {
            KindStrategy::set_replicas(self, obj, replicas);
        }
    }
}

/// The fields that selectors may name whatever the kind.
pub fn metadata_field<'a>(obj: &'a dyn Object, label: &str) -> Option<Cow<'a, str>> {
    match label {
        "metadata.name" => Some(obj.meta().name.as_str().into()),
        "metadata.namespace" if obj.info().namespaced => Some(obj.meta().namespace.as_str().into()),
        _ => None,
    }
}

fn has_status(obj: &dyn Object) -> bool {
    obj.info().subresources.contains(&"status")
}

/// Creation as most kinds have it: no status yet, the first generation.
pub(crate) fn plain_create(rules: &Rules, obj: &mut dyn Object) {
    if has_status(obj) {
        reflection::clear_status(obj);
    }
    if rules.generation {
        obj.meta_mut().generation = 1;
    }
}

/// An update as most kinds have it: the status stays, a changed specification counts.
pub(crate) fn plain_update(rules: &Rules, new: &mut dyn Object, old: &dyn Object) {
    if has_status(old) {
        reflection::keep_status(new, old);
    }
    if rules.generation && reflection::specification_differs(new, old) {
        new.meta_mut().generation = old.meta().generation + 1;
    }
}

/// A status update as most kinds have it: all but the status stays.
pub(crate) fn plain_status_update(rules: &Rules, new: &mut dyn Object, old: &dyn Object) {
    reflection::keep_all_but_status(new, old);
    let (new, old) = (new.meta_mut(), old.meta());
    match rules.status_metadata {
        StatusMetadata::Taken => {}
        StatusMetadata::LabelsKept => new.labels.clone_from(&old.labels),
        StatusMetadata::Kept => {
            new.deletion_timestamp = old.deletion_timestamp;
            new.generation = old.generation;
            new.labels.clone_from(&old.labels);
            new.annotations.clone_from(&old.annotations);
            new.finalizers.clone_from(&old.finalizers);
            new.owner_references.clone_from(&old.owner_references);
        }
    }
}
