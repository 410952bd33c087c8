//! Webhooks as the configurations have them, read once per change.

use crate::match_conditions::MatchConditions;
use corten_api::Kind;
use corten_api::admissionregistration::v1::{
    MatchCondition, MutatingWebhook, MutatingWebhookConfiguration, RuleWithOperations, ValidatingWebhook,
    ValidatingWebhookConfiguration, WebhookClientConfig,
};
use corten_api::meta::v1::LabelSelector;
use corten_api::selector::Selector;
use corten_semantics::Lookup;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// One webhook, mutating or validating.
pub(super) struct Hook {
    /// Unlike all others'.
    pub uid: String,
    pub configuration: String,
    pub name: String,
    pub client: WebhookClientConfig,
    pub rules: Vec<RuleWithOperations>,
    /// Whether rules also mean other versions of what they name.
    pub equivalent: bool,
    pub namespaces: Result<Selector, String>,
    pub objects: Result<Selector, String>,
    pub conditions: MatchConditions,
    /// Whether the write goes on when the webhook cannot be asked.
    pub ignore: bool,
    /// Whether it does nothing beside its answer, at least in a dry run; unknown when not told.
    pub harmless: Option<bool>,
    pub within: Duration,
    /// The first version of the review that both sides know.
    pub review: Option<Review>,
    /// Whether it wishes to be asked again about what others changed.
    pub again: bool,
}

/// A version of the review.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Review {
    V1,
    V1beta1,
}

impl Review {
    pub fn api_version(self) -> &'static str {
        match self {
            Review::V1 => "admission.k8s.io/v1",
            Review::V1beta1 => "admission.k8s.io/v1beta1",
        }
    }
}

/// The longest that a webhook may take when it does not say.
const USUAL_TIME: i32 = 10;

/// What both sorts of webhook have.
struct Parts<'a> {
    name: &'a str,
    client: &'a WebhookClientConfig,
    rules: &'a [RuleWithOperations],
    failure_policy: &'a Option<String>,
    match_policy: &'a Option<String>,
    selectors: [&'a Option<Box<LabelSelector>>; 2],
    side_effects: &'a Option<String>,
    timeout_seconds: Option<i32>,
    versions: &'a [String],
    conditions: &'a [MatchCondition],
    again: bool,
}

/// A kind whose objects hold webhooks.
pub(super) trait Configuration: Kind {
    fn hooks(&self) -> Vec<Hook>;
}

fn hooks<'a>(configuration: &str, parts: impl Iterator<Item = Parts<'a>>) -> Vec<Hook> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut made = Vec::new();
    for part in parts {
        let count = seen.entry(part.name.to_string()).or_default();
        made.push(hook(configuration, *count, part));
        *count += 1;
    }
    made
}

fn hook(configuration: &str, index: usize, parts: Parts<'_>) -> Hook {
    let selector = |s: &Option<Box<LabelSelector>>| {
        Selector::from_label_selector(s.as_deref()).map_err(|e| e.to_string())
    };
    let seconds = parts.timeout_seconds.unwrap_or(USUAL_TIME).clamp(1, 30);
    let known = |version: &String| match version.as_str() {
        "v1" => Some(Review::V1),
        "v1beta1" => Some(Review::V1beta1),
        _ => None,
    };
    Hook {
        uid: format!("{configuration}/{}/{index}", parts.name),
        configuration: configuration.to_string(),
        name: parts.name.to_string(),
        client: parts.client.clone(),
        rules: parts.rules.to_vec(),
        equivalent: parts.match_policy.as_deref() == Some("Equivalent"),
        namespaces: selector(parts.selectors[0]),
        objects: selector(parts.selectors[1]),
        conditions: MatchConditions::of_webhook(parts.conditions),
        ignore: parts.failure_policy.as_deref() == Some("Ignore"),
        harmless: parts.side_effects.as_deref().map(|e| matches!(e, "None" | "NoneOnDryRun")),
        within: Duration::from_secs(u64::from(seconds.unsigned_abs())),
        review: parts.versions.iter().find_map(known),
        again: parts.again,
    }
}

impl Configuration for MutatingWebhookConfiguration {
    fn hooks(&self) -> Vec<Hook> {
        let parts = |h: &'_ MutatingWebhook| h.reinvocation_policy.as_deref() == Some("IfNeeded");
        hooks(
            &self.metadata.name,
            self.webhooks.iter().map(|h| Parts {
                name: &h.name,
                client: &h.client_config,
                rules: &h.rules,
                failure_policy: &h.failure_policy,
                match_policy: &h.match_policy,
                selectors: [&h.namespace_selector, &h.object_selector],
                side_effects: &h.side_effects,
                timeout_seconds: h.timeout_seconds,
                versions: &h.admission_review_versions,
                conditions: &h.match_conditions,
                again: parts(h),
            }),
        )
    }
}

impl Configuration for ValidatingWebhookConfiguration {
    fn hooks(&self) -> Vec<Hook> {
        let parts = |h: &'_ ValidatingWebhook| h.timeout_seconds;
        hooks(
            &self.metadata.name,
            self.webhooks.iter().map(|h| Parts {
                name: &h.name,
                client: &h.client_config,
                rules: &h.rules,
                failure_policy: &h.failure_policy,
                match_policy: &h.match_policy,
                selectors: [&h.namespace_selector, &h.object_selector],
                side_effects: &h.side_effects,
                timeout_seconds: parts(h),
                versions: &h.admission_review_versions,
                conditions: &h.match_conditions,
                again: false,
            }),
        )
    }
}

/// All webhooks of one sort, in the order of their configurations' names. They are made anew when the
/// configurations are others than the last time.
pub(super) struct Source<K>(Mutex<Known<K>>);

struct Known<K> {
    configurations: Vec<Arc<K>>,
    hooks: Arc<[Hook]>,
}

impl<K: Configuration> Source<K> {
    pub fn new() -> Self {
        Source(Mutex::new(Known { configurations: Vec::new(), hooks: Arc::new([]) }))
    }

    /// Whether there is any configuration.
    pub fn is_any(objects: &dyn Lookup) -> bool {
        !objects.objects(K::INFO, "").is_empty()
    }

    /// The webhooks as of now.
    pub fn hooks(&self, objects: &dyn Lookup) -> Arc<[Hook]> {
        let mut found = objects.list::<K>("");
        found.sort_by(|a, b| a.meta().name.cmp(&b.meta().name));
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let same = known.configurations.len() == found.len()
            && known.configurations.iter().zip(&found).all(|(a, b)| Arc::ptr_eq(a, b));
        if !same {
            known.hooks = found.iter().flat_map(|configuration| configuration.hooks()).collect();
            known.configurations = found;
        }
        Arc::clone(&known.hooks)
    }
}
