//! How pods were judged, as upstream's metrics tell it.

use super::level::{Level, LevelVersion, Version};
use super::levels::NEWEST;
use crate::check::Context;
use corten_api::core::v1::{Namespace, Pod};
use corten_metrics::{Kind, Series, Text};
use std::sync::atomic::{AtomicU64, Ordering};

/// Series beyond this many are not counted: users choose the versions of levels.
const MOST: usize = 500;

/// What a verdict is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Enforce,
    Audit,
    Warn,
}

/// The counts of one check.
#[derive(Debug)]
pub struct Counts {
    evaluations: Series<AtomicU64>,
    exemptions: Series<AtomicU64>,
    errors: Series<AtomicU64>,
}

impl Default for Counts {
    fn default() -> Self {
        let series = || Series::new(MOST);
        Counts { evaluations: series(), exemptions: series(), errors: series() }
    }
}

/// What all series tell of a write.
fn of<'a>(context: &Context<'a>, operation: &'a str) -> [(&'static str, &'a str); 3] {
    let resource = match () {
        () if context.is_for::<Pod>() => "pod",
        () if context.is_for::<Namespace>() => "namespace",
        () => "controller",
    };
    [("request_operation", operation), ("resource", resource), ("subresource", context.subresource)]
}

fn count(series: &Series<AtomicU64>, labels: &[(&str, &str)]) {
    if let Some(count) = series.of(labels, AtomicU64::default) {
        count.fetch_add(1, Ordering::Relaxed);
    }
}

impl Counts {
    /// A pod was held against a level.
    pub(super) fn evaluated(
        &self,
        context: &Context<'_>,
        (mode, level): (Mode, LevelVersion),
        allowed: bool,
    ) {
        let version = match level.version {
            Version::Latest => "latest".to_string(),
            _ if level.level == Level::Privileged => "latest".to_string(),
            Version::Minor(minor) if minor > NEWEST => "future".to_string(),
            Version::Minor(minor) => format!("v1.{minor}"),
        };
        let mode = match mode {
            Mode::Enforce => "enforce",
            Mode::Audit => "audit",
            Mode::Warn => "warn",
        };
        let operation = context.operation.to_string().to_lowercase();
        let [operation, resource, subresource] = of(context, &operation);
        let labels = [
            ("decision", if allowed { "allow" } else { "deny" }),
            ("mode", mode),
            ("policy_level", level.level.name()),
            ("policy_version", &version),
            operation,
            resource,
            subresource,
        ];
        count(&self.evaluations, &labels);
    }

    /// Somebody or something is not judged.
    pub(super) fn exempted(&self, context: &Context<'_>) {
        let operation = context.operation.to_string().to_lowercase();
        count(&self.exemptions, &of(context, &operation));
    }

    /// Something went wrong; `fatal` where nothing could be judged.
    pub(super) fn failed(&self, context: &Context<'_>, fatal: bool) {
        let operation = context.operation.to_string().to_lowercase();
        let [operation, resource, subresource] = of(context, &operation);
        let fatal = ("fatal", if fatal { "true" } else { "false" });
        count(&self.errors, &[fatal, operation, resource, subresource]);
    }

    /// Writes the metrics.
    pub(super) fn write(&self, out: &mut Text) {
        for (name, help, series) in [
            ("evaluations", "Pods held against levels of security.", &self.evaluations),
            ("exemptions", "Pods and templates that are not judged.", &self.exemptions),
            ("errors", "Pods and templates that could not be judged as they should.", &self.errors),
        ] {
            if series.is_empty() {
                continue;
            }
            out.family(format!("pod_security_{name}_total"), Kind::Counter, help);
            series.each(|labels, count| out.sample(labels, count.load(Ordering::Relaxed)));
        }
    }
}
