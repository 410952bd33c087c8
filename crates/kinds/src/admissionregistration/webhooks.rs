//! Webhook configurations.

use super::RULES;
use super::validate::{self, Webhook};
use crate::columns::{self, AGE, Column, NAME, row};
use crate::errors::Errors;
use crate::rules::Rules;
use crate::strategy::KindStrategy;
use corten_api::admissionregistration::v1::{
    MutatingWebhookConfiguration, RuleWithOperations, ValidatingWebhookConfiguration, WebhookClientConfig,
};
use corten_semantics::field::FieldError;
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

    fn validate(&self, configuration: &MutatingWebhookConfiguration) -> Vec<FieldError> {
        mutating(configuration, true)
    }

    fn validate_update(
        &self,
        new: &MutatingWebhookConfiguration,
        old: &MutatingWebhookConfiguration,
    ) -> Vec<FieldError> {
        let conditions = new.webhooks.iter().map(|h| &h.match_conditions);
        mutating(new, !conditions.eq(old.webhooks.iter().map(|h| &h.match_conditions)))
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

    fn validate(&self, configuration: &ValidatingWebhookConfiguration) -> Vec<FieldError> {
        validating(configuration, true)
    }

    fn validate_update(
        &self,
        new: &ValidatingWebhookConfiguration,
        old: &ValidatingWebhookConfiguration,
    ) -> Vec<FieldError> {
        let conditions = new.webhooks.iter().map(|h| &h.match_conditions);
        validating(new, !conditions.eq(old.webhooks.iter().map(|h| &h.match_conditions)))
    }

    fn row(&self, configuration: &ValidatingWebhookConfiguration, now: Timestamp) -> Vec<Value> {
        row![
            configuration.metadata.name.as_str(),
            configuration.webhooks.len(),
            columns::age(configuration.metadata.creation_timestamp, now)
        ]
    }
}

/// What is wrong with the configuration; its match conditions only if they could have become wrong.
fn mutating(configuration: &MutatingWebhookConfiguration, compiles: bool) -> Vec<FieldError> {
    let mut errors = Errors::default();
    let hooks = configuration.webhooks.iter().map(|h| Webhook {
        name: &h.name,
        client: &h.client_config,
        rules: &h.rules,
        failure_policy: &h.failure_policy,
        match_policy: &h.match_policy,
        side_effects: &h.side_effects,
        timeout_seconds: h.timeout_seconds,
        reinvocation_policy: h.reinvocation_policy.as_deref(),
        selectors: [&h.namespace_selector, &h.object_selector],
        versions: &h.admission_review_versions,
        conditions: &h.match_conditions,
        compiles,
    });
    validate::webhooks(&mut errors, hooks);
    errors.into_vec()
}

/// What is wrong with the configuration; its match conditions only if they could have become wrong.
fn validating(configuration: &ValidatingWebhookConfiguration, compiles: bool) -> Vec<FieldError> {
    let mut errors = Errors::default();
    let hooks = configuration.webhooks.iter().map(|h| Webhook {
        name: &h.name,
        client: &h.client_config,
        rules: &h.rules,
        failure_policy: &h.failure_policy,
        match_policy: &h.match_policy,
        side_effects: &h.side_effects,
        timeout_seconds: h.timeout_seconds,
        reinvocation_policy: None,
        selectors: [&h.namespace_selector, &h.object_selector],
        versions: &h.admission_review_versions,
        conditions: &h.match_conditions,
        compiles,
    });
    validate::webhooks(&mut errors, hooks);
    errors.into_vec()
}

fn default_parts(client: &mut WebhookClientConfig, rules: &mut [RuleWithOperations]) {
    if let Some(service) = &mut client.service {
        service.port.get_or_insert(443);
    }
    for rule in rules {
        rule.rule.scope.get_or_insert_with(|| "*".into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::admissionregistration::v1::ValidatingWebhook;

    #[test]
    fn webhooks_say_whom_to_ask_and_what_it_costs() {
        let mut configuration = ValidatingWebhookConfiguration::default();
        configuration.webhooks.push(ValidatingWebhook { name: "hook".into(), ..Default::default() });
        KindStrategy::default(&ValidatingWebhookConfigurationStrategy, &mut configuration);
        assert_eq!(configuration.webhooks[0].timeout_seconds, Some(10));
        let told: Vec<String> =
            KindStrategy::validate(&ValidatingWebhookConfigurationStrategy, &configuration)
                .iter()
                .map(ToString::to_string)
                .collect();
        assert_eq!(
            told,
            [
                "webhooks[0].name: Invalid value: \"hook\": should be a domain with at least three segments separated by dots",
                "webhooks[0].sideEffects: Required value: must specify one of None, NoneOnDryRun",
                "webhooks[0].clientConfig: Required value: exactly one of url or service is required",
                "webhooks[0].admissionReviewVersions: Required value: must specify one of v1, v1beta1"
            ]
        );
    }
}
