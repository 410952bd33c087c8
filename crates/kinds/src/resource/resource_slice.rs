//! ResourceSlices.

use super::{gated, slice_validate};
use crate::columns::{self, AGE, Column, NAME, row};
use crate::errors::Errors;
use crate::rules::Rules;
use crate::strategy::{KindStrategy, plain_create, plain_update};
use corten_api::resource::v1::ResourceSlice;
use corten_semantics::field::FieldError;
use jiff::Timestamp;
use serde_json::Value;
use std::borrow::Cow;

/// ResourceSlices.
pub struct ResourceSliceStrategy;

impl KindStrategy for ResourceSliceStrategy {
    type Kind = ResourceSlice;
    const RULES: Rules = Rules::COUNTED;
    const COLUMNS: &'static [Column] =
        &[NAME, Column::text("Node"), Column::text("Driver"), Column::text("Pool"), AGE];
    const FIELD_LABELS: &'static [&'static str] = &["spec.driver", "spec.nodeName"];

    fn prepare_create(&self, slice: &mut ResourceSlice) {
        gated::slice(&mut slice.spec);
        plain_create(&Self::RULES, slice);
    }

    fn prepare_update(&self, new: &mut ResourceSlice, old: &ResourceSlice) {
        gated::slice(&mut new.spec);
        plain_update(&Self::RULES, new, old);
    }

    fn validate(&self, slice: &ResourceSlice) -> Vec<FieldError> {
        let mut errors = Errors::default();
        slice_validate::spec(&mut errors, &slice.spec);
        errors.into_vec()
    }

    fn validate_update(&self, new: &ResourceSlice, old: &ResourceSlice) -> Vec<FieldError> {
        let mut errors = Errors::default();
        slice_validate::spec(&mut errors, &new.spec);
        slice_validate::update(&mut errors, &new.spec, &old.spec);
        errors.into_vec()
    }

    fn warnings(&self, new: &ResourceSlice, _old: Option<&ResourceSlice>) -> Vec<String> {
        let driver = &new.spec.driver;
        if *driver == driver.to_lowercase() {
            return Vec::new();
        }
        vec![format!(
            "spec.driver: driver names should be lowercase; {driver:?} contains uppercase characters"
        )]
    }

    fn row(&self, slice: &ResourceSlice, now: Timestamp) -> Vec<Value> {
        row![
            slice.metadata.name.as_str(),
            slice.spec.node_name.as_deref().unwrap_or_default(),
            slice.spec.driver.as_str(),
            slice.spec.pool.name.as_str(),
            columns::age(slice.metadata.creation_timestamp, now),
        ]
    }

    fn selectable_field<'a>(&self, slice: &'a ResourceSlice, label: &str) -> Cow<'a, str> {
        match label {
            "spec.driver" => slice.spec.driver.as_str().into(),
            _ => slice.spec.node_name.as_deref().unwrap_or_default().into(),
        }
    }
}
