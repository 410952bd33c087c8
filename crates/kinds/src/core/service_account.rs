//! ServiceAccounts.

use super::CORE;
use crate::columns::{self, AGE, Column, NAME, row};
use crate::rules::Rules;
use crate::strategy::KindStrategy;
use corten_api::core::v1::ServiceAccount;
use jiff::Timestamp;
use serde_json::Value;

/// ServiceAccounts.
pub struct ServiceAccountStrategy;

impl KindStrategy for ServiceAccountStrategy {
    type Kind = ServiceAccount;
    const RULES: Rules = CORE;
    const COLUMNS: &'static [Column] = &[NAME, AGE];

    fn row(&self, account: &ServiceAccount, now: Timestamp) -> Vec<Value> {
        row![account.metadata.name.as_str(), columns::age(account.metadata.creation_timestamp, now)]
    }
}
