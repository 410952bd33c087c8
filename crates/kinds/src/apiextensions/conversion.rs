//! How a definition's objects get from version to version.

use crate::errors::Errors;
use crate::metadata::Shown;
use crate::{names, webhook_client};
use corten_api::apiextensions::v1::{CustomResourceConversion, WebhookClientConfig};
use corten_semantics::field::FieldError;

/// What is wrong with `spec.conversion`. Older definitions may name review versions that nobody knows.
pub fn validate(conversion: &CustomResourceConversion, recognized: bool) -> Vec<FieldError> {
    let mut errors = Errors::default();
    let at = |field: &str| format!("spec.conversion.{field}");
    errors.one_of(at("strategy"), &conversion.strategy, &["None", "Webhook"]);
    let webhook = conversion.webhook.as_deref();
    let client = webhook.and_then(|w| w.client_config.as_deref());
    let versions = webhook.map_or(&[][..], |w| &w.conversion_review_versions);
    if conversion.strategy != "Webhook" {
        let detail = "should not be set when strategy is not set to Webhook";
        if client.is_some() {
            errors.forbidden(at("webhookClientConfig"), detail);
        }
        if !versions.is_empty() {
            errors.forbidden(at("conversionReviewVersions"), detail);
        }
        return errors.into_vec();
    }
    match client {
        None => errors.required(at("webhookClientConfig"), "required when strategy is set to Webhook"),
        Some(client) => check_client(&mut errors, client, &at("webhookClientConfig")),
    }
    review_versions(&mut errors, versions, recognized, &at("conversionReviewVersions"));
    errors.into_vec()
}

fn check_client(errors: &mut Errors, client: &WebhookClientConfig, path: &str) {
    match (&client.url, &client.service) {
        (Some(_), Some(_)) | (None, None) => {
            errors.required(path, "exactly one of url or service is required");
        }
        (Some(url), None) => webhook_client::url(errors, url, &format!("{path}.url")),
        (None, Some(service)) => webhook_client::service(
            errors,
            (&service.namespace, &service.name),
            (service.path.as_deref(), service.port.unwrap_or(443)),
            &format!("{path}.service"),
        ),
    }
}

fn review_versions(errors: &mut Errors, versions: &[String], recognized: bool, path: &str) {
    if versions.is_empty() {
        return errors.required(path, "");
    }
    for (i, version) in versions.iter().enumerate() {
        let at = format!("{path}[{i}]");
        if versions[..i].contains(version) {
            errors.invalid(at, version, "duplicate version");
            continue;
        }
        for why in names::dns_1035_label(version) {
            errors.invalid(&at, version, why);
        }
    }
    if recognized && !versions.iter().any(|v| is_known(v)) {
        let shown: Vec<String> = versions.iter().map(|v| format!("{v:?}")).collect();
        let detail = "must include at least one of v1, v1beta1";
        errors.invalid(path, Shown(format!("[{}]", shown.join(","))), detail);
    }
}

/// Whether reviews of the version can be written.
pub fn is_known(version: &str) -> bool {
    matches!(version, "v1" | "v1beta1")
}
