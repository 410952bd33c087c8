//! ControllerRevisions.

use crate::columns::{self, AGE, Column, NAME, row};
use crate::metadata::{IMMUTABLE, NOT_NEGATIVE, Shown};
use crate::reflection;
use crate::strategy::KindStrategy;
use corten_api::apps::v1::ControllerRevision;
use corten_semantics::field::FieldError;
use jiff::Timestamp;
use serde_json::Value;

/// ControllerRevisions.
pub struct ControllerRevisionStrategy;

impl KindStrategy for ControllerRevisionStrategy {
    type Kind = ControllerRevision;
    const COLUMNS: &'static [Column] = &[NAME, Column::text("Controller"), Column::text("Revision"), AGE];

    fn validate(&self, revision: &ControllerRevision) -> Vec<FieldError> {
        let mut errors = Vec::new();
        match revision.data.to_value() {
            None | Some(Value::Null) => errors.push(FieldError::required("data", "data is mandatory")),
            Some(Value::Object(_)) => {}
            Some(_) => errors.push(FieldError::required("data", "data must be a valid JSON object")),
        }
        if revision.revision < 0 {
            errors.push(FieldError::invalid("revision", revision.revision, NOT_NEGATIVE));
        }
        errors
    }

    fn validate_update(&self, new: &ControllerRevision, old: &ControllerRevision) -> Vec<FieldError> {
        let mut errors = KindStrategy::validate(self, new);
        if !reflection::equal(&new.data, &old.data) {
            errors.push(FieldError::invalid("data", Shown(format!("{:?}", new.data)), IMMUTABLE));
        }
        errors
    }

    fn row(&self, revision: &ControllerRevision, now: Timestamp) -> Vec<Value> {
        let owner = revision.metadata.owner_references.iter().find(|o| o.controller == Some(true));
        let controller = owner.map_or("<none>".to_string(), |o| {
            let group = o.api_version.split_once('/').map_or("", |(group, _)| group);
            let dot = if group.is_empty() { "" } else { "." };
            format!("{}{dot}{group}/{}", o.kind.to_lowercase(), o.name)
        });
        row![
            revision.metadata.name.as_str(),
            controller,
            revision.revision,
            columns::age(revision.metadata.creation_timestamp, now),
        ]
    }
}
