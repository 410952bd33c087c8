//! How long each check took, as upstream's metrics tell it.

use crate::check::Operation;
use corten_metrics::{Histogram, Kind, Text};
use corten_rt::Instant;
use std::sync::OnceLock;

/// The upper bounds of the histograms' buckets, in seconds.
const BOUNDS: [f64; 6] = [0.005, 0.025, 0.1, 0.5, 1.0, 2.5];
const OPERATIONS: [Operation; 4] =
    [Operation::Create, Operation::Update, Operation::Delete, Operation::Connect];

/// What is done with a write: it may be changed, then it is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Admit,
    Validate,
}

/// The time of one check, or of all, by step, operation and outcome.
#[derive(Debug, Default)]
pub(crate) struct Durations([[[OnceLock<Histogram>; 2]; OPERATIONS.len()]; 2]);

impl Durations {
    /// Counts the time since `begun`.
    pub fn count(&self, step: Step, operation: Operation, rejected: bool, begun: Instant) {
        let at = match operation {
            Operation::Create => 0,
            Operation::Update => 1,
            Operation::Delete => 2,
            Operation::Connect => 3,
        };
        let series = &self.0[usize::from(step == Step::Validate)][at][usize::from(rejected)];
        series.get_or_init(|| Histogram::new(&BOUNDS)).took(begun.elapsed());
    }

    fn write(&self, out: &mut Text, name: Option<&str>) {
        for (step, by_operation) in ["admit", "validate"].into_iter().zip(&self.0) {
            for (operation, by_outcome) in OPERATIONS.iter().zip(by_operation) {
                let operation = operation.to_string();
                for (rejected, times) in ["false", "true"].into_iter().zip(by_outcome) {
                    let labels = [
                        ("name", name.unwrap_or_default()),
                        ("operation", operation.as_str()),
                        ("rejected", rejected),
                        ("type", step),
                    ];
                    let labels = if name.is_some() { &labels[..] } else { &labels[1..] };
                    if let Some(times) = times.get() {
                        out.histogram(labels, times);
                    }
                }
            }
        }
    }
}

/// Writes what the steps took, and each check by its name.
pub(crate) fn write<'a>(
    steps: &Durations,
    checks: impl Iterator<Item = (&'static str, &'a Durations)>,
    out: &mut Text,
) {
    let help = "How long the steps of admission took.";
    out.family("apiserver_admission_step_admission_duration_seconds", Kind::Histogram, help);
    steps.write(out, None);
    let help = "How long each admission check took.";
    out.family("apiserver_admission_controller_admission_duration_seconds", Kind::Histogram, help);
    checks.for_each(|(name, times)| times.write(out, Some(name)));
}

/// Checks that upstream has judge alone, and those that it has change writes alone, whatever they do with it.
const JUDGES: [&str; 15] = [
    "NamespaceExists",
    "LimitPodHardAntiAffinityTopology",
    "PodSecurity",
    "EventRateLimit",
    "OwnerReferencesPermissionEnforcement",
    "PersistentVolumeClaimResize",
    "CertificateApproval",
    "CertificateSigning",
    "ClusterTrustBundleAttest",
    "CertificateSubjectRestriction",
    "DenyServiceExternalIPs",
    "NodeDeclaredFeatureValidator",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionWebhook",
    "ResourceQuota",
];
const CHANGES: [&str; 12] = [
    "NamespaceAutoProvision",
    "NamespaceLifecycle",
    "NodeRestriction",
    "TaintNodesByCondition",
    "DefaultTolerationSeconds",
    "ExtendedResourceToleration",
    "DefaultStorageClass",
    "StorageObjectInUseProtection",
    "DefaultIngressClass",
    "PodTopologyLabels",
    "MutatingAdmissionPolicy",
    "MutatingAdmissionWebhook",
];

/// Whether a check has a part in a step.
pub(crate) fn takes_part(name: &str, step: Step) -> bool {
    !match step {
        Step::Admit => JUDGES.contains(&name),
        Step::Validate => CHANGES.contains(&name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_by_step_operation_and_outcome() {
        let (steps, quota) = (Durations::default(), Durations::default());
        let begun = Instant::now();
        steps.count(Step::Admit, Operation::Create, false, begun);
        quota.count(Step::Validate, Operation::Update, true, begun);
        let mut out = Text::default();
        write(&steps, [("ResourceQuota", &quota)].into_iter(), &mut out);
        let out = out.finish();
        for line in [
            "step_admission_duration_seconds_count{operation=\"CREATE\",rejected=\"false\",type=\"admit\"} 1",
            "controller_admission_duration_seconds_bucket{name=\"ResourceQuota\",operation=\"UPDATE\",\
             rejected=\"true\",type=\"validate\",le=\"2.5\"} 1",
        ] {
            assert!(out.contains(&format!("apiserver_admission_{line}\n")), "{line}\n{out}");
        }
        assert_eq!(out.matches("_count").count(), 2, "{out}");
    }

    #[test]
    fn a_check_takes_part_as_upstreams_does() {
        for (name, admit, validate) in
            [("LimitRanger", true, true), ("PodSecurity", false, true), ("NodeRestriction", true, false)]
        {
            assert_eq!((takes_part(name, Step::Admit), takes_part(name, Step::Validate)), (admit, validate));
        }
    }
}
