//! ServiceAccounts.

use super::CORE;
use crate::columns::{self, AGE, Column, NAME, row};
use crate::rules::Rules;
use crate::strategy::{KindStrategy, plain_create, plain_update};
use corten_api::core::v1::{ObjectReference, ServiceAccount};
use jiff::Timestamp;
use serde_json::Value;

/// Has pods use the Secrets alone that their account lists.
const MOUNTABLE_SECRETS: &str = "kubernetes.io/enforce-mountable-secrets";

/// Secrets are of the account's namespace: nothing but their names is kept.
fn names_alone(account: &mut ServiceAccount) {
    for secret in &mut account.secrets {
        *secret = ObjectReference { name: std::mem::take(&mut secret.name), ..ObjectReference::default() };
    }
}

/// ServiceAccounts.
pub struct ServiceAccountStrategy;

impl KindStrategy for ServiceAccountStrategy {
    type Kind = ServiceAccount;
    const RULES: Rules = CORE;
    const COLUMNS: &'static [Column] = &[NAME, AGE];

    fn prepare_create(&self, account: &mut ServiceAccount) {
        plain_create(&Self::RULES, account);
        names_alone(account);
    }

    fn prepare_update(&self, new: &mut ServiceAccount, old: &ServiceAccount) {
        plain_update(&Self::RULES, new, old);
        names_alone(new);
    }

    fn warnings(&self, new: &ServiceAccount, old: Option<&ServiceAccount>) -> Vec<String> {
        let says_so = |account: &ServiceAccount| account.metadata.annotations.contains_key(MOUNTABLE_SECRETS);
        if !says_so(new) || old.is_some_and(says_so) {
            return Vec::new();
        }
        vec![format!(
            "metadata.annotations[{MOUNTABLE_SECRETS}]: deprecated in v1.32+; prefer separate namespaces to isolate \
             access to mounted secrets"
        )]
    }

    fn row(&self, account: &ServiceAccount, now: Timestamp) -> Vec<Value> {
        row![account.metadata.name.as_str(), columns::age(account.metadata.creation_timestamp, now)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_named_alone_and_the_annotation_is_warned_of_once() {
        let secret = ObjectReference { name: "a".into(), namespace: "other".into(), ..Default::default() };
        let mut account = ServiceAccount { secrets: vec![secret], ..ServiceAccount::default() };
        ServiceAccountStrategy.prepare_create(&mut account);
        assert_eq!(account.secrets, [ObjectReference { name: "a".into(), ..Default::default() }]);
        let warned =
            |new: &ServiceAccount, old| KindStrategy::warnings(&ServiceAccountStrategy, new, old).len();
        let before = account.clone();
        account.metadata.annotations.insert(MOUNTABLE_SECRETS.into(), "false".into());
        let counts = [warned(&before, None), warned(&account, None), warned(&account, Some(&before))];
        assert_eq!((counts, warned(&account, Some(&account))), ([0, 1, 1], 0));
    }
}
