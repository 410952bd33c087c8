//! Where admission takes part in a write.

use corten_admission::{Chain, Context, Notes, Operation, Options};
use corten_api::autoscaling::v1::Scale;
use corten_api::meta::v1 as meta;
use corten_api::{Object, View};
use corten_codec::json::encode_value;
use corten_metrics::Text;
use corten_semantics::ApiResult;
use serde_json::{Value, json};

use super::managed::Owners;
use super::modify::Modification;
use super::owner_references::drop_repeated;
use super::place::Place;
use super::{DeleteOptions, FieldValidation, Registry, RequestContext, Target, WriteOptions, signers};

/// A write on its way through admission.
pub(crate) struct Admission<'a> {
    pub ctx: &'a RequestContext,
    pub place: &'a Place,
    pub subresource: &'static str,
    pub operation: Operation,
    pub asked: Asked<'a>,
}

/// What is asked beside the object.
#[derive(Clone, Copy)]
pub(crate) enum Asked<'a> {
    Write(&'a WriteOptions),
    Delete(&'a DeleteOptions),
    /// Of one among all that a list selects: admission is not told its name.
    DeleteCollection(&'a DeleteOptions),
    Nothing,
}

impl Asked<'_> {
    pub(crate) fn dry_run(&self) -> bool {
        match self {
            Asked::Write(o) => o.dry_run,
            Asked::Delete(o) | Asked::DeleteCollection(o) => o.dry_run,
            Asked::Nothing => false,
        }
    }
}

impl Options for Admission<'_> {
    fn value(&self) -> Value {
        let (kind, mut value) = match self.asked {
            Asked::Nothing => return Value::Null,
            Asked::Write(o) => {
                let kind =
                    if self.operation == Operation::Create { "CreateOptions" } else { "UpdateOptions" };
                let mut value = json!({});
                if !o.field_manager.is_empty() {
                    value["fieldManager"] = json!(o.field_manager);
                }
                match o.field_validation {
                    FieldValidation::Strict => value["fieldValidation"] = json!("Strict"),
                    FieldValidation::Ignore => value["fieldValidation"] = json!("Ignore"),
                    FieldValidation::Warn => {}
                }
                (kind, value)
            }
            Asked::Delete(o) | Asked::DeleteCollection(o) => {
                let options = meta::DeleteOptions {
                    grace_period_seconds: o.grace_period_seconds,
                    preconditions: o.preconditions.clone().map(Box::new),
                    propagation_policy: o.propagation_policy.clone(),
                    orphan_dependents: o.orphan_dependents,
                    ..meta::DeleteOptions::default()
                };
                let mut encoded = Vec::new();
                encode_value(&mut encoded, View::Struct(&options));
                ("DeleteOptions", serde_json::from_slice(&encoded).unwrap_or_default())
            }
        };
        value["kind"] = json!(kind);
        value["apiVersion"] = json!("meta.k8s.io/v1");
        if self.asked.dry_run() {
            value["dryRun"] = json!(["All"]);
        }
        value
    }
}

impl Admission<'_> {
    pub(crate) fn context<'c>(&'c self, registry: &'c Registry, old: Option<&'c dyn Object>) -> Context<'c> {
        Context {
            kind: self.place.stored,
            requested: self.place.kind,
            subresource: self.subresource,
            operation: self.operation,
            namespace: &self.place.namespace,
            name: if let Asked::DeleteCollection(_) = self.asked { "" } else { &self.place.name },
            user: &self.ctx.user,
            dry_run: self.asked.dry_run(),
            old,
            objects: &*registry.cache,
            notes: &self.ctx.notes,
            options: self,
            server: registry,
            rounds: None,
            deadline: self.ctx.deadline,
        }
    }
}

/// The checks of the table that the registry makes itself, as they are turned on.
pub(crate) struct Duties {
    provide_namespaces: bool,
    owner_references: bool,
    approval: bool,
    signing: bool,
}

impl Duties {
    pub fn of(chain: &Chain) -> Self {
        Duties {
            provide_namespaces: chain.has("NamespaceAutoProvision"),
            owner_references: chain.has("OwnerReferencesPermissionEnforcement"),
            approval: chain.has("CertificateApproval"),
            signing: chain.has("CertificateSigning"),
        }
    }

    fn checks_signers(&self, subresource: &str) -> bool {
        if subresource == "approval" { self.approval } else { self.signing }
    }
}

/// Takes the owners of fields back to what they were if a webhook made them unreadable.
fn keep_readable(owners: Vec<meta::ManagedFieldsEntry>, object: &mut dyn Object, notes: &Notes) {
    let meta = object.meta_mut();
    if meta.managed_fields == owners {
        return;
    }
    if let Some(why) = corten_codec::apply::check(&meta.managed_fields) {
        meta.managed_fields = owners;
        notes.warn(format!(
            ".metadata.managedFields was in an invalid state after admission; this could be caused by an outdated mutating admission controller; please fix your requests: {why}"
        ));
    }
}

impl Registry {
    /// Lets the checks change the object.
    pub(crate) async fn mutate(
        &self,
        admission: &Admission<'_>,
        object: &mut Box<dyn Object>,
        old: Option<&dyn Object>,
    ) -> ApiResult<()> {
        if self.duties.provide_namespaces {
            self.provide_namespace(admission).await?;
        }
        let owners = object.meta().managed_fields.clone();
        self.config.admission.admit(&admission.context(self, old), object).await?;
        keep_readable(owners, &mut **object, &admission.ctx.notes);
        drop_repeated(&mut **object, &admission.ctx.notes, " after mutating admission happens");
        Ok(())
    }

    /// Asks the checks about the object as it will be stored, and whether its writer may give the rights
    /// that it gives.
    pub(crate) async fn validate(
        &self,
        admission: &Admission<'_>,
        object: &dyn Object,
        old: Option<&dyn Object>,
    ) -> ApiResult<()> {
        self.check_escalation(admission.ctx, object, old)?;
        self.check_policy_params(admission.ctx, object, old)?;
        if self.duties.checks_signers(admission.subresource) {
            signers::check(&self.authorizer, &admission.ctx.user, admission.subresource, object, old)?;
        }
        if self.duties.owner_references {
            self.check_owner_references(admission, object, old)?;
        }
        self.config.admission.validate(&admission.context(self, old), object).await
    }

    /// Lets the checks change what becomes of an object. Of a write to `scale` they see the scale; what the
    /// server writes itself they have judged as it was asked for.
    pub(crate) async fn mutate_change(
        &self,
        m: &Modification<'_>,
        admission: &Admission<'_>,
        new: &mut Box<dyn Object>,
        old: &dyn Object,
    ) -> ApiResult<()> {
        match (m.owners, m.subresource) {
            (Owners::Stay, _) => Ok(()),
            (_, "scale") => {
                let was = self.scale_of(m.place, old)?;
                let mut scale: Box<dyn Object> = Box::new(self.scale_of(m.place, &**new)?);
                self.mutate(admission, &mut scale, Some(&was)).await?;
                if let Some(scale) = scale.downcast_ref::<Scale>() {
                    m.place.strategy.set_replicas(&mut **new, scale.spec.replicas);
                }
                Ok(())
            }
            _ => self.mutate(admission, new, Some(old)).await,
        }
    }

    /// As [`Registry::mutate_change`], for the judgement.
    pub(crate) async fn validate_change(
        &self,
        m: &Modification<'_>,
        admission: &Admission<'_>,
        new: &dyn Object,
        old: &dyn Object,
    ) -> ApiResult<()> {
        match (m.owners, m.subresource) {
            (Owners::Stay, _) => Ok(()),
            (_, "scale") => {
                let (is, was) = (self.scale_of(m.place, new)?, self.scale_of(m.place, old)?);
                self.validate(admission, &is, Some(&was)).await
            }
            _ => self.validate(admission, new, Some(old)).await,
        }
    }

    /// Asks the checks about what is posted to a subresource of an object, such as `binding`.
    pub(crate) async fn admit_posted(
        &self,
        ctx: &RequestContext,
        (place, subresource): (&Place, &'static str),
        mut posted: Box<dyn Object>,
        o: &WriteOptions,
    ) -> ApiResult<Box<dyn Object>> {
        let (operation, asked) = (Operation::Create, Asked::Write(o));
        let admission = Admission { ctx, place, subresource, operation, asked };
        self.mutate(&admission, &mut posted, None).await?;
        self.validate(&admission, &*posted, None).await?;
        Ok(posted)
    }

    /// Asks the checks about a question to the server, such as a TokenReview.
    pub(crate) async fn admit_question(
        &self,
        ctx: &RequestContext,
        target: &Target,
        question: Box<dyn Object>,
        o: &WriteOptions,
    ) -> ApiResult<Box<dyn Object>> {
        // Nothing of it is stored anywhere.
        let place = Place {
            kind: target.kind,
            stored: target.kind,
            strategy: self.strategy(target.kind),
            resource: self.cache.no_resource(),
            namespace: target.namespace.clone().unwrap_or_default(),
            name: target.name.clone(),
        };
        self.admit_posted(ctx, (&place, ""), question, o).await
    }

    /// Asks the checks about a deletion.
    pub(crate) async fn validate_delete(&self, admission: &Admission<'_>, old: &dyn Object) -> ApiResult<()> {
        self.config.admission.delete(&admission.context(self, Some(old))).await
    }

    /// Writes what has come of calls to webhooks, and how long checks took.
    pub(crate) fn write_admission_metrics(&self, out: &mut Text) {
        self.config.admission.write_metrics(out);
    }

    /// Asks the checks about a connection to what the target names; `options` is its `PodExecOptions` and the
    /// like, which they may change.
    pub(crate) async fn admit_connection(
        &self,
        ctx: &RequestContext,
        target: &Target,
        options: &mut Value,
    ) -> ApiResult<()> {
        let place = self.place(target)?;
        let admission = Admission {
            ctx,
            place: &place,
            subresource: target.subresource,
            operation: Operation::Connect,
            asked: Asked::Nothing,
        };
        self.config.admission.connect(&admission.context(self, None), options).await
    }
}
