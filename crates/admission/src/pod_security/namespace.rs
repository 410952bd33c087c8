//! Namespaces: their labels must be valid, and whoever makes one stricter hears which pods break it.

use super::level::{Level, LevelVersion, Policy};
use super::{PREFIX, PodSecurity, levels, subject::Subject};
use crate::check::{Context, Operation};
use corten_api::core::v1::{Namespace, Pod};
use corten_rt::Instant;
use corten_semantics::owner::controller_of;
use corten_semantics::{ApiError, ApiResult};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// At most so many pods are looked at, for so long.
const MOST: usize = 3000;
const PATIENCE: Duration = Duration::from_secs(1);

impl PodSecurity {
    pub(super) fn judge_namespace(&self, context: &Context<'_>, namespace: &Namespace) -> ApiResult<()> {
        let (new, errors) = self.policy(namespace);
        let name = &namespace.metadata.name;
        let exempt = self.exempt_namespaces.contains(name);
        let invalid = || ApiError::invalid("", "Namespace", name, &errors);
        let before = context.old::<Namespace>().filter(|_| context.operation == Operation::Update);
        let Some(before) = before else {
            if !errors.is_empty() {
                return Err(invalid());
            }
            if exempt {
                self.warn_of_exemption(context, namespace, new);
            }
            return Ok(());
        };
        let (old, old_errors) = self.policy(before);
        let told = |errors: &[_]| errors.iter().map(ToString::to_string).collect::<Vec<String>>();
        if !errors.is_empty() && told(&errors) != told(&old_errors) {
            return Err(invalid());
        }
        let relaxed = new.enforce.version == old.enforce.version && new.enforce.level <= old.enforce.level;
        if new.enforce == old.enforce || new.enforce.level == Level::Privileged || relaxed {
            return Ok(());
        }
        if exempt {
            self.warn_of_exemption(context, namespace, new);
            return Ok(());
        }
        let pods = context.objects.list::<Pod>(name);
        for warning in self.broken_by(name, pods, new.enforce) {
            context.notes.warn(warning);
        }
        Ok(())
    }

    /// What to tell of the pods that are there and would not be let in any more.
    fn broken_by(&self, namespace: &str, pods: Vec<Arc<Pod>>, enforce: LevelVersion) -> Vec<String> {
        let pods = self.one_of_each_first(pods);
        let (total, started) = (pods.len(), Instant::now());
        let mut checked = total.min(MOST);
        // By what they break: the first of the pods by name, and how many there are.
        let mut broken: BTreeMap<String, (String, usize)> = BTreeMap::new();
        for (i, pod) in pods.into_iter().take(MOST).enumerate() {
            if let Some(found) = levels::violations(enforce, &Subject::new(&pod.metadata, &pod.spec)) {
                let name = pod.metadata.name.clone();
                let (first, count) = broken.entry(found.reason()).or_insert((name.clone(), 0));
                *count += 1;
                if name < *first {
                    *first = name;
                }
            }
            if started.elapsed() > PATIENCE {
                checked = i + 1;
                break;
            }
        }
        let mut warnings = Vec::new();
        if checked < total {
            warnings.push(format!(
                "new PodSecurity enforce level only checked against the first {checked} of {total} existing pods"
            ));
        }
        if !broken.is_empty() {
            warnings.push(format!(
                "existing pods in namespace {namespace:?} violate the new PodSecurity enforce level \"{enforce}\""
            ));
        }
        let mut of_pods: Vec<String> = broken
            .into_iter()
            .map(|(reason, (first, count))| match count {
                1 => format!("{first}: {reason}"),
                2 => format!("{first} (and 1 other pod): {reason}"),
                _ => format!("{first} (and {} other pods): {reason}", count - 1),
            })
            .collect();
        of_pods.sort();
        warnings.extend(of_pods);
        warnings
    }

    /// The pods that are judged; of those with the same owner the first, the others at the end.
    fn one_of_each_first(&self, pods: Vec<Arc<Pod>>) -> Vec<Arc<Pod>> {
        let exempt = |pod: &Arc<Pod>| {
            pod.spec.runtime_class_name.as_ref().is_some_and(|c| self.exempt_runtime_classes.contains(c))
        };
        let mut owners = BTreeSet::new();
        let (mut first, again): (Vec<_>, Vec<_>) =
            pods.into_iter().filter(|pod| !exempt(pod)).partition(|pod| {
                controller_of(&pod.metadata).is_none_or(|owner| owners.insert(owner.uid.clone()))
            });
        first.extend(again);
        first
    }

    fn warn_of_exemption(&self, context: &Context<'_>, namespace: &Namespace, policy: Policy) {
        let modes = [("enforce", policy.enforce), ("audit", policy.audit), ("warn", policy.warn)];
        let defaults = [self.defaults.enforce, self.defaults.audit, self.defaults.warn];
        let same = |a: LevelVersion, b: LevelVersion| {
            a == b || (a.level == Level::Privileged && b.level == Level::Privileged)
        };
        let harmless = modes.iter().all(|(_, mode)| mode.level == Level::Privileged);
        if harmless || modes.iter().zip(defaults).all(|((_, mode), default)| same(*mode, default)) {
            return;
        }
        let labelled = |mode: &str| {
            let labels = &namespace.metadata.labels;
            labels.contains_key(&format!("{PREFIX}{mode}"))
                || labels.contains_key(&format!("{PREFIX}{mode}-version"))
        };
        let set = modes.iter().filter(|(mode, level)| level.level != Level::Privileged && labelled(mode));
        let set: Vec<String> = set.map(|(mode, level)| format!("{mode}={level}")).collect();
        let name = &namespace.metadata.name;
        let set = set.join(", ");
        context.notes.warn(format!(
            "namespace {name:?} is exempt from Pod Security, and the policy ({set}) will be ignored"
        ));
    }
}
