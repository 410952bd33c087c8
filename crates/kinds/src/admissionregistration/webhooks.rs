//! Webhook configurations.

use super::RULES;
use crate::columns::{self, AGE, Column, NAME, row};
use crate::rules::Rules;
use crate::strategy::KindStrategy;
use corten_api::admissionregistration::v1::{
    MutatingWebhookConfiguration, RuleWithOperations, ValidatingWebhookConfiguration, WebhookClientConfig,
};
use jiff::Timestamp;
use serde_json::Value;

const COLUMNS: &[Column] = &[NAME, Column::number("Webhooks"), AGE];

/// MutatingWebhookConfigurations.
pub struct MutatingWebhookConfigurationStrategy;

impl KindStrategy for MutatingWebhookConfigurationStrategy {
    type Kind = MutatingWebhookConfiguration;
    const RULES: Rules = RULES;
    const COLUMNS: &'static [Column] = COLUMNS;

    fn default(&self, configuration: &mut MutatingWebhookConfiguration) {
        for hook in &mut configuration.webhooks {
            hook.failure_policy.get_or_insert_with(|| "Fail".into());
            hook.match_policy.get_or_insert_with(|| "Equivalent".into());
            hook.namespace_selector.get_or_insert_default();
            hook.object_selector.get_or_insert_default();
            hook.timeout_seconds.get_or_insert(10);
            hook.reinvocation_policy.get_or_insert_with(|| "Never".into());
            default_parts(&mut hook.client_config, &mut hook.rules);
        }
    }

    fn row(&self, configuration: &MutatingWebhookConfiguration, now: Timestamp) -> Vec<Value> {
        row![
            configuration.metadata.name.as_str(),
            configuration.webhooks.len(),
            columns::age(configuration.metadata.creation_timestamp, now)
        ]
    }
}

/// ValidatingWebhookConfigurations.
pub struct ValidatingWebhookConfigurationStrategy;

impl KindStrategy for ValidatingWebhookConfigurationStrategy {
    type Kind = ValidatingWebhookConfiguration;
    const RULES: Rules = RULES;
    const COLUMNS: &'static [Column] = COLUMNS;

    fn default(&self, configuration: &mut ValidatingWebhookConfiguration) {
        for hook in &mut configuration.webhooks {
            hook.failure_policy.get_or_insert_with(|| "Fail".into());
            hook.match_policy.get_or_insert_with(|| "Equivalent".into());
            hook.namespace_selector.get_or_insert_default();
            hook.object_selector.get_or_insert_default();
            hook.timeout_seconds.get_or_insert(10);
            default_parts(&mut hook.client_config, &mut hook.rules);
        }
    }

    fn row(&self, configuration: &ValidatingWebhookConfiguration, now: Timestamp) -> Vec<Value> {
        row![
            configuration.metadata.name.as_str(),
            configuration.webhooks.len(),
            columns::age(configuration.metadata.creation_timestamp, now)
        ]
    }
}

fn default_parts(client: &mut WebhookClientConfig, rules: &mut [RuleWithOperations]) {
    if let Some(service) = &mut client.service {
        service.port.get_or_insert(443);
    }
    for rule in rules {
        rule.rule.scope.get_or_insert_with(|| "*".into());
    }
}
