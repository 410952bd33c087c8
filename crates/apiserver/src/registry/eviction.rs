//! Evicting pods: a deletion that respects the pod's disruption budget (upstream's `pods/eviction`).

use corten_api::core::v1::{Pod, PodCondition};
use corten_api::meta::v1::Preconditions;
use corten_api::policy::v1::{Eviction, PodDisruptionBudget, PodDisruptionBudgetStatus};
use corten_api::selector::Selector;
use corten_api::{Kind, Time};
use corten_semantics::pod::is_ready;
use corten_semantics::status::Resource;
use corten_semantics::{ApiError, ApiResult, Lookup};
use std::sync::Arc;

use super::managed::Owners;
use super::modify::Modification;
use super::place::Place;
use super::subresource::success;
use super::{DeleteOptions, Registry, Reply, RequestContext, Target, WriteOptions};

/// How often an eviction is tried when the pod changes meanwhile.
const ATTEMPTS: usize = 20;
/// How many evictions the budget's controller may have left unconfirmed.
const MOST_UNCONFIRMED: usize = 2000;
const REFUSED: &str = "Cannot evict pod as it would violate the pod's disruption budget.";

/// What the pod's budget says.
#[derive(Debug)]
enum Verdict {
    /// The pod may go; when its state led to that, only in that very state.
    Go { as_it_is: bool },
    /// It may go if the budget of this name allows one more.
    Charge(String),
}

impl Registry {
    pub(crate) async fn evict(
        &self,
        ctx: &RequestContext,
        place: &Place,
        eviction: Eviction,
        o: &WriteOptions,
    ) -> ApiResult<Reply> {
        let options = delete_options(&eviction, o);
        super::deletion::check_options(&options)?;
        let asked_version = options.preconditions.as_ref().and_then(|p| p.resource_version.as_ref());
        for _ in 0..ATTEMPTS {
            match self.try_evict(ctx, place, &options).await {
                Err(error) if error.is_conflict() && asked_version.is_none() => {}
                result => return result.map(|()| success(201)),
            }
        }
        let mut refused = ApiError::too_many_requests(REFUSED, 10);
        refused = refused.with_cause("DisruptionBudget", "the pod changes all the time", "");
        Err(refused)
    }

    async fn try_evict(&self, ctx: &RequestContext, place: &Place, options: &DeleteOptions) -> ApiResult<()> {
        let entry = self.current(place).await?.ok_or_else(|| place.not_found())?;
        let object = entry.object();
        let pod = object.downcast_ref::<Pod>().ok_or_else(|| place.not_found())?;
        super::deletion::check_preconditions(place.kind, pod, options)?;
        let lookup: &dyn Lookup = &*self.cache;
        let budgets = lookup.list::<PodDisruptionBudget>(&place.namespace);
        let mut options = options.clone();
        let mut version = None;
        match judge(pod, &budgets)? {
            Verdict::Go { as_it_is } => version = as_it_is.then(|| pod.metadata.resource_version.clone()),
            Verdict::Charge(budget) => self.charge(ctx, place, &budget, options.dry_run).await?,
        }
        if !options.dry_run {
            let written = self.mark_disrupted(ctx, place, version.as_deref()).await?;
            let wanted = options.preconditions.get_or_insert_default();
            if version.is_some() || wanted.resource_version.is_some() {
                wanted.resource_version = Some(written);
            }
        }
        self.delete_at(ctx, place, &options).await.map(drop)
    }

    /// Takes one disruption off the budget, and notes for which pod.
    async fn charge(&self, ctx: &RequestContext, pod: &Place, budget: &str, dry_run: bool) -> ApiResult<()> {
        let target = Target {
            kind: PodDisruptionBudget::INFO,
            namespace: Some(pod.namespace.clone()),
            name: budget.into(),
            subresource: "",
        };
        let place = self.place_of_object(&target)?;
        let now = Time::new(self.config.clock.now());
        let options = WriteOptions { dry_run, ..WriteOptions::default() };
        let m = Modification {
            ctx,
            place: &place,
            subresource: "status",
            options: &options,
            owners: Owners::Stay,
        };
        self.modify(&m, |entry| {
            let object = entry.object();
            let budget = object.downcast_ref::<PodDisruptionBudget>().ok_or_else(|| place.not_found())?;
            check_budget(budget)?;
            let mut charged = budget.clone();
            charged.status.disruptions_allowed -= 1;
            charged.status.disrupted_pods.insert(pod.name.clone(), Some(now));
            Ok(Box::new(charged))
        })
        .await
        .map(drop)
    }

    /// Says in the pod's status why it goes; the revision that this made.
    async fn mark_disrupted(
        &self,
        ctx: &RequestContext,
        place: &Place,
        version: Option<&str>,
    ) -> ApiResult<String> {
        let now = Time::new(self.config.clock.now());
        let options = WriteOptions::default();
        let m = Modification { ctx, place, subresource: "status", options: &options, owners: Owners::Stay };
        let reply = self
            .modify(&m, |entry| {
                let object = entry.object();
                let pod = object.downcast_ref::<Pod>().ok_or_else(|| place.not_found())?;
                if version.is_some_and(|v| v != pod.metadata.resource_version) {
                    return Err(place.modified());
                }
                Ok(Box::new(disrupted(pod, now)))
            })
            .await?;
        match reply.body {
            super::Body::Object(entry) => Ok(entry.revision().to_string()),
            super::Body::Status(_) => Ok(String::new()),
        }
    }
}

/// Whether the eviction is of the pod at the place.
pub(crate) fn check(eviction: &Eviction, place: &Place) -> ApiResult<()> {
    if eviction.metadata.name == place.name {
        return Ok(());
    }
    Err(ApiError::bad_request("name in URL does not match name in Eviction object"))
}

fn delete_options(eviction: &Eviction, o: &WriteOptions) -> DeleteOptions {
    let given = eviction.delete_options.as_deref().cloned().unwrap_or_default();
    DeleteOptions {
        dry_run: o.dry_run || !given.dry_run.is_empty(),
        grace_period_seconds: given.grace_period_seconds,
        preconditions: given.preconditions.map(|p: Box<Preconditions>| *p),
        propagation_policy: given.propagation_policy,
        orphan_dependents: given.orphan_dependents,
    }
}

fn disrupted(pod: &Pod, now: Time) -> Pod {
    let mut pod = pod.clone();
    let condition = PodCondition {
        type_: "DisruptionTarget".into(),
        status: "True".into(),
        reason: "EvictionByEvictionAPI".into(),
        message: "Eviction API: evicting".into(),
        last_transition_time: Some(now),
        ..PodCondition::default()
    };
    match pod.status.conditions.iter_mut().find(|c| c.type_ == condition.type_) {
        Some(had) if had.status == condition.status => {
            *had = PodCondition { last_transition_time: had.last_transition_time, ..condition };
        }
        Some(had) => *had = condition,
        None => pod.status.conditions.push(condition),
    }
    pod
}

/// Decides by the pod's state and the budgets of its namespace.
fn judge(pod: &Pod, budgets: &[Arc<PodDisruptionBudget>]) -> ApiResult<Verdict> {
    let ended = matches!(pod.status.phase.as_str(), "Succeeded" | "Failed");
    if ended || pod.metadata.deletion_timestamp.is_some() {
        return Ok(Verdict::Go { as_it_is: false });
    }
    if pod.status.phase == "Pending" {
        return Ok(Verdict::Go { as_it_is: true });
    }
    let covers = |b: &&Arc<PodDisruptionBudget>| {
        Selector::from_label_selector(b.spec.selector.as_deref())
            .is_ok_and(|s| s.matches(&pod.metadata.labels))
    };
    let mut covering = budgets.iter().filter(covers);
    let Some(budget) = covering.next() else { return Ok(Verdict::Go { as_it_is: false }) };
    if covering.next().is_some() {
        let message = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
        return Err(ApiError::new(500, "", message));
    }
    // A pod that is not ready counts for nothing, so its going costs nothing.
    let status = &budget.status;
    let healthy = status.current_healthy >= status.desired_healthy && status.desired_healthy > 0;
    let always = budget.spec.unhealthy_pod_eviction_policy.as_deref() == Some("AlwaysAllow");
    if !is_ready(pod) && (always || healthy) {
        return Ok(Verdict::Go { as_it_is: true });
    }
    Ok(Verdict::Charge(budget.metadata.name.clone()))
}

/// Whether the budget allows one more disruption.
fn check_budget(budget: &PodDisruptionBudget) -> ApiResult<()> {
    let (name, status) = (&budget.metadata.name, &budget.status);
    let refused = |seconds, why: String| {
        Err(ApiError::too_many_requests(REFUSED, seconds).with_cause("DisruptionBudget", &why, ""))
    };
    let forbidden = |why: &str| {
        let resource = Resource { group: "policy", plural: "poddisruptionbudget" };
        Err(ApiError::forbidden(resource, name, why))
    };
    if status.observed_generation < budget.metadata.generation {
        return refused(10, format!("The disruption budget {name} is still being processed by the server."));
    }
    match status.disruptions_allowed {
        ..0 => forbidden("pdb disruptions allowed is negative"),
        _ if status.disrupted_pods.len() > MOST_UNCONFIRMED => {
            forbidden("DisruptedPods map too big - too many evictions not confirmed by PDB controller")
        }
        0 => refused(0, exhausted(name, status)),
        1.. => Ok(()),
    }
}

fn exhausted(name: &str, status: &PodDisruptionBudgetStatus) -> String {
    let condition = status.conditions.iter().find(|c| c.type_ == "DisruptionAllowed");
    let condition = condition.filter(|c| c.status == "False" && !c.message.is_empty());
    match condition {
        Some(c) if c.reason == "SyncFailed" => format!(
            "The disruption budget {name} does not allow evicting pods currently because it failed sync: {}",
            c.message
        ),
        _ if status.current_healthy <= status.desired_healthy => format!(
            "The disruption budget {name} needs {} healthy pods and has {} currently",
            status.desired_healthy, status.current_healthy
        ),
        Some(c) => format!(
            "The disruption budget {name} does not allow evicting pods currently ({}): {}",
            c.reason, c.message
        ),
        None => format!("The disruption budget {name} does not allow evicting pods currently"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::meta::v1::LabelSelector;

    fn pod(phase: &str, ready: bool) -> Pod {
        let mut pod = Pod::default();
        pod.metadata.labels.insert("app".into(), "x".into());
        pod.status.phase = phase.into();
        let status = if ready { "True" } else { "False" };
        let ready = PodCondition { type_: "Ready".into(), status: status.into(), ..PodCondition::default() };
        pod.status.conditions.push(ready);
        pod
    }

    fn budget(app: &str, current: i32, desired: i32) -> Arc<PodDisruptionBudget> {
        let mut b = PodDisruptionBudget::default();
        b.metadata.name = "b".into();
        let mut selector = LabelSelector::default();
        selector.match_labels.insert("app".into(), app.into());
        b.spec.selector = Some(Box::new(selector));
        b.status.current_healthy = current;
        b.status.desired_healthy = desired;
        Arc::new(b)
    }

    #[test]
    fn the_pods_state_and_its_budgets_decide() {
        for (pod, budgets, want) in [
            (pod("Running", true), vec![], "Ok(Go { as_it_is: false })"),
            (pod("Running", true), vec![budget("y", 1, 1)], "Ok(Go { as_it_is: false })"),
            (pod("Running", true), vec![budget("x", 1, 1)], "Ok(Charge(\"b\"))"),
            (pod("Failed", true), vec![budget("x", 1, 1)], "Ok(Go { as_it_is: false })"),
            (pod("Pending", false), vec![budget("x", 1, 1)], "Ok(Go { as_it_is: true })"),
            (pod("Running", false), vec![budget("x", 1, 1)], "Ok(Go { as_it_is: true })"),
            (pod("Running", false), vec![budget("x", 0, 1)], "Ok(Charge(\"b\"))"),
        ] {
            assert_eq!(format!("{:?}", judge(&pod, &budgets)), want);
        }
        let two = judge(&pod("Running", true), &[budget("x", 1, 1), budget("x", 2, 2)]);
        assert_eq!(two.expect_err("refused").code(), 500);
    }

    #[test]
    fn a_budget_without_room_says_why() {
        let with = |change: fn(&mut PodDisruptionBudget)| {
            let mut b = PodDisruptionBudget::clone(&budget("x", 1, 1));
            change(&mut b);
            check_budget(&b).map_err(|e| {
                let causes = e.status().details.as_ref().map(|d| d.causes.clone()).unwrap_or_default();
                (e.code(), causes.first().map(|c| c.message.clone()).unwrap_or_default())
            })
        };
        assert_eq!(with(|b| b.status.disruptions_allowed = 1), Ok(()));
        let needs = "The disruption budget b needs 1 healthy pods and has 1 currently";
        assert_eq!(with(|_| {}), Err((429, needs.into())));
        let processed = "The disruption budget b is still being processed by the server.";
        assert_eq!(with(|b| b.metadata.generation = 1), Err((429, processed.into())));
        assert_eq!(with(|b| b.status.disruptions_allowed = -1), Err((403, String::new())));
    }
}
