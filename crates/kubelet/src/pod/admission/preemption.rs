//! Who has to go so that a critical pod fits (upstream's critical pod admission handler).

use super::{Lack, amount_of};
use crate::eviction::is_critical;
use corten_api::core::v1::Pod;
use corten_semantics::pod::qos_class;
use corten_semantics::resources::{RequestOptions, ResourceList, pod_requests};
use std::cmp::Ordering;
use std::fmt::Write;
use std::sync::Arc;

/// A pod that may go, and what it asked for.
#[derive(Clone, Copy)]
struct Candidate<'a> {
    pod: &'a Arc<Pod>,
    requests: &'a ResourceList,
}

impl Candidate<'_> {
    fn frees(&self, resource: &str) -> i64 {
        if resource == "pods" { 1 } else { amount_of(self.requests, resource) }
    }
}

/// What is still missing, by resource.
type Missing<'a> = Vec<(&'a str, i64)>;

/// The fewest and least of `pods` that free what `pod` lacks: as few Guaranteed ones as possible, then as few
/// Burstable ones.
///
/// # Errors
/// All that may go would not be enough.
pub fn choose(pod: &Pod, pods: &[Arc<Pod>], lacks: &[Lack]) -> Result<Vec<Arc<Pod>>, String> {
    let missing: Missing<'_> = lacks.iter().map(|l| (l.resource.as_str(), l.missing())).collect();
    let options = RequestOptions::default();
    let may_go = pods.iter().filter(|p| goes_for(pod, p));
    let requests: Vec<(&Arc<Pod>, ResourceList)> = may_go.map(|p| (p, pod_requests(p, &options))).collect();
    let of = |class: &str| -> Vec<Candidate<'_>> {
        let of_class = requests.iter().filter(|(p, _)| qos_class(p) == class);
        of_class.map(|(pod, requests)| Candidate { pod, requests }).collect()
    };
    let (best_effort, burstable, guaranteed) = (of("BestEffort"), of("Burstable"), of("Guaranteed"));
    let all = [&best_effort[..], &burstable[..], &guaranteed[..]].concat();
    let unmet = without(&missing, &all);
    if !unmet.is_empty() {
        return Err(not_enough(&unmet));
    }
    let needed = without(&missing, &[&best_effort[..], &burstable[..]].concat());
    let guaranteed = nearest(guaranteed, needed)?;
    let needed = without(&missing, &[&best_effort[..], &guaranteed[..]].concat());
    let burstable = nearest(burstable, needed)?;
    let needed = without(&missing, &[&burstable[..], &guaranteed[..]].concat());
    let best_effort = nearest(best_effort, needed)?;
    let chosen = best_effort.into_iter().chain(burstable).chain(guaranteed);
    Ok(chosen.map(|c| c.pod.clone()).collect())
}

/// Whether a pod may have to go for this one.
fn goes_for(pod: &Pod, other: &Pod) -> bool {
    (is_critical(pod) && !is_critical(other))
        || matches!((pod.spec.priority, other.spec.priority), (Some(mine), Some(its)) if mine > its)
}

/// What is missing when these have gone.
fn without<'a>(missing: &Missing<'a>, gone: &[Candidate<'_>]) -> Missing<'a> {
    let left = missing.iter().map(|(resource, amount)| {
        (*resource, gone.iter().fold(*amount, |left, c| left.saturating_sub(c.frees(resource))))
    });
    left.filter(|(_, amount)| *amount > 0).collect()
}

/// Those that bring nearest to what is missing, one after the other; of two that are as near the smaller.
fn nearest<'a>(mut from: Vec<Candidate<'a>>, mut missing: Missing<'_>) -> Result<Vec<Candidate<'a>>, String> {
    let mut chosen = Vec::new();
    while !missing.is_empty() {
        let order = |a: &Candidate<'_>, b: &Candidate<'_>| {
            let by = |resource| a.frees(resource).cmp(&b.frees(resource));
            distance(&missing, a)
                .partial_cmp(&distance(&missing, b))
                .unwrap_or(Ordering::Equal)
                .then_with(|| by("memory"))
                .then_with(|| by("cpu"))
        };
        let best = (0..from.len()).min_by(|a, b| order(&from[*a], &from[*b]));
        let best = from.swap_remove(best.ok_or_else(|| not_enough(&missing))?);
        missing = without(&missing, &[best]);
        chosen.push(best);
    }
    Ok(chosen)
}

/// How much of what is missing would stay missing, each resource weighing the same.
fn distance(missing: &Missing<'_>, c: &Candidate<'_>) -> f64 {
    let parts = missing.iter().map(|(resource, amount)| {
        let left = amount.saturating_sub(c.frees(resource)).max(0);
        (left as f64 / *amount as f64).powi(2)
    });
    parts.sum()
}

fn not_enough(missing: &Missing<'_>) -> String {
    let mut list = String::new();
    for (resource, amount) in missing {
        let _ = write!(list, "(res: {resource}, q: {amount}), ");
    }
    format!(
        "preemption: error finding a set of pods to preempt: no set of running pods found to reclaim resources: \
         [{list}]"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::core::v1::Container;

    /// A pod whose class is what its name begins with: `g`uaranteed, `b`urstable, best `e`ffort.
    fn pod(name: &str, cpu: &str, priority: i32) -> Arc<Pod> {
        let mut c = Container::default();
        let amount = |q: &str| q.parse().expect("a quantity");
        match &name[..1] {
            "g" => {
                for list in [&mut c.resources.requests, &mut c.resources.limits] {
                    list.insert("cpu".into(), amount(cpu));
                    list.insert("memory".into(), amount("1Mi"));
                }
            }
            "b" => drop(c.resources.requests.insert("cpu".into(), amount(cpu))),
            _ => {}
        }
        let mut pod = Pod::default();
        pod.metadata.name = name.into();
        pod.spec.priority = Some(priority);
        pod.spec.containers = vec![c];
        Arc::new(pod)
    }

    #[test]
    fn the_least_go_for_a_critical_pod() {
        let critical = pod("g", "1", 2_000_000_000);
        let pods = [
            pod("g1", "1", 0),
            pod("g2", "2", 0),
            pod("b1", "300m", 0),
            pod("b2", "600m", 0),
            pod("e1", "", 0),
            pod("b-critical", "4", 2_000_000_000),
            pod("b-more-critical", "4", 2_000_001_000),
        ];
        for (lacks, want) in [
            (&[("cpu", 200)][..], &["b1"][..]),
            (&[("cpu", 400)], &["b2"]),
            (&[("cpu", 900)], &["b2", "b1"]),
            (&[("cpu", 1500)], &["b2", "g1"]),
            (&[("pods", 1)], &["e1"]),
            (&[("pods", 1), ("cpu", 100)], &["b1"]),
            (&[("cpu", 3900)], &["b2", "b1", "g2", "g1"]),
        ] {
            let lacks: Vec<Lack> = lacks
                .iter()
                .map(|(name, missing)| Lack {
                    resource: name.to_string(),
                    requested: *missing,
                    used: 0,
                    capacity: 0,
                })
                .collect();
            let got = choose(&critical, &pods, &lacks).expect("enough");
            let names: Vec<&str> = got.iter().map(|p| p.metadata.name.as_str()).collect();
            assert_eq!(names, want, "{lacks:?}");
        }
        let lacks = [Lack { resource: "cpu".into(), requested: 5000, used: 1000, capacity: 2000 }];
        assert_eq!(
            choose(&critical, &pods, &lacks).expect_err("too much"),
            "preemption: error finding a set of pods to preempt: no set of running pods found to reclaim \
             resources: [(res: cpu, q: 100), ]"
        );
    }
}
