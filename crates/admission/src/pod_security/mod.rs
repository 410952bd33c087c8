//! PodSecurity: a namespace's labels say how much its pods may do (privileged, baseline, restricted), as of
//! which version of these levels, and what follows: refusal, a warning, an entry in the audit log.

mod baseline;
mod counts;
mod level;
mod levels;
mod namespace;
mod restricted;
mod subject;

pub use level::{Level, LevelVersion, Policy, Version};

use self::counts::{Counts, Mode};
use crate::check::{Check, Context, Operation};
use async_trait::async_trait;
use corten_api::Object;
use corten_api::apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet};
use corten_api::batch::v1::{CronJob, Job};
use corten_api::core::v1::{
    Container, Namespace, Pod, PodSpec, PodTemplate, PodTemplateSpec, ReplicationController,
};
use corten_api::meta::v1::ObjectMeta;
use corten_metrics::Text;
use corten_semantics::field::FieldError;
use corten_semantics::{ApiError, ApiResult};
use std::sync::Arc;

/// What annotations of the audit log begin with.
const PREFIX: &str = "pod-security.kubernetes.io/";
/// Subresources of pods that change nothing of what is judged.
const HARMLESS: [&str; 8] =
    ["exec", "attach", "binding", "eviction", "log", "portforward", "proxy", "status"];

/// What holds where namespaces say nothing, and who is not judged. The defaults let everything pass.
#[derive(Clone, Debug, Default)]
pub struct PodSecurity {
    pub defaults: Policy,
    pub exempt_users: Vec<String>,
    pub exempt_namespaces: Vec<String>,
    pub exempt_runtime_classes: Vec<String>,
    /// What has come of it so far.
    pub counts: Arc<Counts>,
}

impl PodSecurity {
    /// The policy of a namespace with these labels, and what is wrong with them.
    fn policy(&self, namespace: &Namespace) -> (Policy, Vec<FieldError>) {
        level::policy(&namespace.metadata.labels, self.defaults)
    }

    /// Whether nobody judges the write; the audit log is told why.
    fn is_exempt(&self, context: &Context<'_>) -> bool {
        let why = if self.exempt_namespaces.iter().any(|n| n == context.namespace) {
            "namespace"
        } else if self.exempt_users.contains(&context.user.username) {
            "user"
        } else {
            return false;
        };
        annotate(context, "exempt", why);
        self.counts.exempted(context);
        true
    }

    fn judge(&self, context: &Context<'_>, object: &dyn Object) -> ApiResult<()> {
        let pod = object.downcast_ref::<Pod>();
        if self.is_exempt(context) {
            return Ok(());
        }
        let Some(namespace) = context.objects.get::<Namespace>("", context.namespace) else {
            self.counts.failed(context, true);
            let why = format!("failed to lookup namespace {:?}", context.namespace);
            return if pod.is_some() { Err(ApiError::internal(why)) } else { Ok(()) };
        };
        let (policy, errors) = self.policy(&namespace);
        let matters = |level: LevelVersion| level.level != Level::Privileged;
        if errors.is_empty() && !matters(policy.warn) && !matters(policy.audit) {
            if pod.is_some() && !matters(policy.enforce) {
                annotate(context, "enforce-policy", &policy.enforce.to_string());
                self.counts.evaluated(context, (Mode::Enforce, policy.enforce), true);
                return Ok(());
            } else if pod.is_none() {
                return Ok(());
            }
        }
        if let (Some(pod), Some(old)) = (pod, context.old::<Pod>())
            && !is_significant(&pod.spec, &old.spec)
        {
            return Ok(());
        }
        match template(object) {
            Some((meta, spec)) => self.evaluate(context, object, (meta, spec), (&policy, &errors)),
            None => Ok(()),
        }
    }

    fn evaluate(
        &self,
        context: &Context<'_>,
        object: &dyn Object,
        (meta, spec): (&ObjectMeta, &PodSpec),
        (policy, errors): (&Policy, &[FieldError]),
    ) -> ApiResult<()> {
        if spec.runtime_class_name.as_ref().is_some_and(|class| self.exempt_runtime_classes.contains(class)) {
            annotate(context, "exempt", "runtimeClass");
            self.counts.exempted(context);
            return Ok(());
        }
        if !errors.is_empty() {
            let all: Vec<String> = errors.iter().map(ToString::to_string).collect();
            let all = if let [one] = &all[..] { one.clone() } else { format!("[{}]", all.join(", ")) };
            annotate(context, "error", &format!("Failed to parse policy: {all}"));
            self.counts.failed(context, false);
        }
        let subject = subject::Subject::new(meta, spec);
        let enforced = object.downcast_ref::<Pod>().is_some();
        if enforced {
            annotate(context, "enforce-policy", &policy.enforce.to_string());
        }
        let refused = levels::violations(policy.enforce, &subject).filter(|_| enforced);
        if enforced {
            self.counts.evaluated(context, (Mode::Enforce, policy.enforce), refused.is_none());
        }
        if let Some(found) = levels::violations(policy.audit, &subject) {
            let text = format!("would violate PodSecurity \"{}\": {}", policy.audit, found.detail());
            annotate(context, "audit-violations", &text);
            self.counts.evaluated(context, (Mode::Audit, policy.audit), false);
        }
        if let Some(found) = refused {
            let why = format!("violates PodSecurity \"{}\": {}", policy.enforce, found.detail());
            return Err(context.forbidden(Some(object), &why));
        }
        if let Some(found) = levels::violations(policy.warn, &subject) {
            let text = format!("would violate PodSecurity \"{}\": {}", policy.warn, found.detail());
            context.notes.warn(text);
            self.counts.evaluated(context, (Mode::Warn, policy.warn), false);
        }
        Ok(())
    }
}

fn annotate(context: &Context<'_>, key: &str, value: &str) {
    context.notes.annotate(format!("{PREFIX}{key}"), value);
}

/// The pod that an object is, or makes.
fn template(object: &dyn Object) -> Option<(&ObjectMeta, &PodSpec)> {
    fn of(template: &PodTemplateSpec) -> Option<(&ObjectMeta, &PodSpec)> {
        Some((&template.metadata, &template.spec))
    }
    if let Some(pod) = object.downcast_ref::<Pod>() {
        Some((&pod.metadata, &pod.spec))
    } else if let Some(o) = object.downcast_ref::<PodTemplate>() {
        of(&o.template)
    } else if let Some(o) = object.downcast_ref::<ReplicationController>() {
        of(o.spec.template.as_deref()?)
    } else if let Some(o) = object.downcast_ref::<ReplicaSet>() {
        of(&o.spec.template)
    } else if let Some(o) = object.downcast_ref::<Deployment>() {
        of(&o.spec.template)
    } else if let Some(o) = object.downcast_ref::<DaemonSet>() {
        of(&o.spec.template)
    } else if let Some(o) = object.downcast_ref::<StatefulSet>() {
        of(&o.spec.template)
    } else if let Some(o) = object.downcast_ref::<Job>() {
        of(&o.spec.template)
    } else {
        of(&object.downcast_ref::<CronJob>()?.spec.job_template.spec.template)
    }
}

/// Whether an update of a pod can change the verdict: its images, or its containers.
fn is_significant(new: &PodSpec, old: &PodSpec) -> bool {
    let images = |containers: &[Container]| containers.iter().map(|c| c.image.clone()).collect::<Vec<_>>();
    let grown = new.ephemeral_containers.iter().any(|container| {
        let common = &container.ephemeral_container_common;
        let same = old.ephemeral_containers.iter().map(|o| &o.ephemeral_container_common);
        same.into_iter().find(|o| o.name == common.name).is_none_or(|o| o.image != common.image)
    });
    grown
        || images(&new.containers) != images(&old.containers)
        || images(&new.init_containers) != images(&old.init_containers)
}

#[async_trait]
impl Check for PodSecurity {
    fn name(&self) -> &'static str {
        "PodSecurity"
    }

    fn write_metrics(&self, out: &mut Text) {
        self.counts.write(out);
    }

    fn handles(&self, context: &Context<'_>) -> bool {
        if !matches!(context.operation, Operation::Create | Operation::Update) {
            return false;
        }
        if context.is_for::<Pod>() {
            return !HARMLESS.contains(&context.subresource);
        }
        context.subresource.is_empty()
            && (context.is_for::<Namespace>()
                || context.is_for::<PodTemplate>()
                || context.is_for::<ReplicationController>()
                || context.is_for::<ReplicaSet>()
                || context.is_for::<Deployment>()
                || context.is_for::<DaemonSet>()
                || context.is_for::<StatefulSet>()
                || context.is_for::<Job>()
                || context.is_for::<CronJob>())
    }

    async fn validate(&self, context: &Context<'_>, object: &dyn Object) -> ApiResult<()> {
        match object.downcast_ref::<Namespace>() {
            Some(namespace) => self.judge_namespace(context, namespace),
            None => self.judge(context, object),
        }
    }
}

#[cfg(test)]
mod tests;
