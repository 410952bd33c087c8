//! Server-side apply: a configuration is merged into the object, and its applier owns what it says.

use corten_api::{KindInfo, Object, Time};
use corten_auth::Attributes;
use corten_codec::apply::{
    Application, Applied, ApplyError, Conflicts, LAST_APPLIED, Managed, TypeRef, Write,
};
use corten_codec::{Problems, json, yaml};
use corten_semantics::{ApiError, ApiResult};
use serde_json::Value;

use super::managed::{Owners, manager};
use super::managed_reset::reset_fields;
use super::managed_versions::{KindVersions, without_managers};
use super::modify::Modification;
use super::place::Place;
use super::{FieldValidation, Registry, Reply, RequestContext, Target, WriteOptions};
use crate::cache::{Entry, form};

/// How often apply starts anew when the object comes or goes meanwhile.
const ATTEMPTS: usize = 8;

/// A configuration as it was sent.
pub(super) struct Config {
    pub value: Value,
    /// What strict reading finds.
    problems: Option<String>,
}

impl Config {
    /// Reads YAML (or JSON, which is YAML).
    pub fn read(body: &[u8]) -> ApiResult<Self> {
        if let Some(value) = yaml::plain_json(body) {
            return Ok(Config { value, problems: None });
        }
        let bad = |why: String| ApiError::bad_request(format!("error decoding YAML: {why}"));
        let mut problems = Problems::strict();
        let text = yaml::to_json(body, &mut problems)
            .map_err(|e| bad(format!("error converting YAML to JSON: {e}")))?;
        let value: Value = serde_json::from_slice(&text).map_err(|e| bad(e.to_string()))?;
        let value = match value {
            Value::Null => Value::Object(serde_json::Map::new()),
            Value::Object(_) => value,
            other => {
                let what = match other {
                    Value::Array(_) => "array",
                    Value::String(_) => "string",
                    Value::Bool(_) => "bool",
                    _ => "number",
                };
                return Err(bad(format!(
                    "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {what} into Go value of type map[string]interface {{}}"
                )));
            }
        };
        let found = problems.found();
        let problems =
            (!found.is_empty()).then(|| format!("error converting YAML to JSON: {}", found.join(", ")));
        Ok(Config { value, problems })
    }

    fn text(&self, key: &str) -> &str {
        self.value[key].as_str().unwrap_or_default()
    }

    /// The group, version and kind as Go prints them: `apps/v1, Kind=Deployment`.
    fn kind(&self) -> String {
        let version = self.text("apiVersion");
        let version = if version.contains('/') { version.to_string() } else { format!("/{version}") };
        format!("{version}, Kind={}", self.text("kind"))
    }

    fn name(&self) -> String {
        let meta = |key: &str| self.value["metadata"][key].as_str().unwrap_or_default();
        format!("{}/{}; {}", meta("namespace"), meta("name"), self.kind())
    }

    /// Refuses a configuration that is of another kind, or names managers itself.
    fn check(&self, kind: &KindInfo) -> ApiResult<()> {
        if self.text("apiVersion") != kind.api_version() || self.text("kind") != kind.kind {
            return Err(ApiError::bad_request(format!("invalid object type: {}", self.kind())));
        }
        if self.value["metadata"]["managedFields"].is_array() {
            return Err(ApiError::bad_request("metadata.managedFields must be nil"));
        }
        Ok(())
    }

    /// Refuses what strict reading finds, or gives it as warnings.
    pub fn verdict(&self, validation: FieldValidation) -> ApiResult<Vec<String>> {
        match (validation, &self.problems) {
            (FieldValidation::Ignore, _) | (_, None) => Ok(Vec::new()),
            (FieldValidation::Warn, Some(why)) => Ok(corten_codec::warnings(why)),
            (FieldValidation::Strict, Some(why)) => {
                Err(ApiError::bad_request(format!("error strict decoding YAML: {why}")))
            }
        }
    }
}

/// One call of apply.
pub(super) struct Apply<'a> {
    pub ctx: &'a RequestContext,
    pub options: &'a WriteOptions,
    pub subresource: &'static str,
    pub config: &'a Config,
    /// The kind of the configuration: that of the place, or `Scale`.
    pub kind: &'static KindInfo,
}

impl Registry {
    /// Applies a configuration to an object or its subresource; an object that is not there is created.
    pub(crate) async fn apply(
        &self,
        ctx: &RequestContext,
        target: &Target,
        body: &[u8],
        o: &WriteOptions,
    ) -> ApiResult<Reply> {
        let place = self.place_of_object(target)?;
        let config = Config::read(body)?;
        if target.subresource == "scale" {
            return self.apply_scale(ctx, &place, &config, o).await;
        }
        let apply =
            Apply { ctx, options: o, subresource: target.subresource, config: &config, kind: place.kind };
        for _ in 0..ATTEMPTS {
            let done = match self.current(&place).await? {
                Some(_) => self.apply_to_present(&apply, &place).await,
                None if target.subresource.is_empty() => self.apply_anew(&apply, target).await,
                None => Err(place.not_found()),
            };
            match done {
                // It went, or came, just now.
                Err(error) if target.subresource.is_empty() && error.is_not_found() => {
                    if self.current(&place).await?.is_some() || place_is_gone(&error, &place) {
                        continue;
                    }
                    return Err(error);
                }
                Err(error) if target.subresource.is_empty() && error.is_already_exists() => {}
                other => return other,
            }
        }
        Err(place.modified())
    }

    async fn apply_to_present(&self, apply: &Apply<'_>, place: &Place) -> ApiResult<Reply> {
        let m = Modification {
            ctx: apply.ctx,
            place,
            subresource: apply.subresource,
            options: apply.options,
            owners: Owners::Settled,
        };
        let mut warnings = Vec::new();
        let reply = self
            .modify(&m, |entry| {
                let served = self.in_version(entry.clone(), place.kind);
                let mut object = self.applied(apply, place, &*served.object(), &served)?;
                warnings = apply.config.verdict(apply.options.field_validation)?;
                place.check_name(&mut *object)?;
                self.convert(object, place.stored)
            })
            .await?;
        Ok(with_warnings(reply, warnings))
    }

    async fn apply_anew(&self, apply: &Apply<'_>, target: &Target) -> ApiResult<Reply> {
        let place = self.place_of_object(target)?;
        let blank = Entry::made(form::blank(place.kind).into());
        let mut object = self.applied(apply, &place, &*blank.object(), &blank)?;
        let warnings = apply.config.verdict(apply.options.field_validation)?;
        let uid = &object.meta().uid;
        if !uid.is_empty() {
            let why = format!(
                "uid mismatch: the provided object specified uid {uid}, and no existing object was found"
            );
            return Err(ApiError::conflict(place.kind, &place.name, &why));
        }
        place.check_name(&mut *object)?;
        self.may_create(apply.ctx, &place)?;
        object.meta_mut().resource_version.clear();
        let object = self.convert(object, place.stored)?;
        let reply = self.create_at(apply.ctx, place, object, apply.options, Owners::Settled).await?;
        Ok(with_warnings(reply, warnings))
    }

    /// Who applies to what is not there must be allowed to create it.
    fn may_create(&self, ctx: &RequestContext, place: &Place) -> ApiResult<()> {
        self.authorizer.check(&Attributes {
            version: place.kind.version,
            namespace: &place.namespace,
            name: &place.name,
            ..Attributes::resource(&ctx.user, "create", place.kind.group, place.kind.plural)
        })
    }

    /// The object after the configuration was applied, with its managers. `shown` is the live object's entry.
    pub(super) fn applied(
        &self,
        apply: &Apply<'_>,
        place: &Place,
        live: &dyn Object,
        shown: &Entry,
    ) -> ApiResult<Box<dyn Object>> {
        let managed = Managed::read(&live.meta().managed_fields)
            .map_err(|why| ApiError::new(500, "", format!("failed to decode managed fields: {why}")))?;
        apply.config.check(apply.kind)?;
        let mut value: Value = serde_json::from_slice(&shown.json()).map_err(ApiError::internal)?;
        without_managers(&mut value);
        let api_version = apply.kind.api_version();
        let config_name = apply.config.name();
        let meta = live.meta();
        let (_, kind) = config_name.rsplit_once("; ").unwrap_or_default();
        let live_name = format!("{}/{}; {kind}", meta.namespace, meta.name);
        let kinds = KindVersions::new(self, place);
        let scale = ScaleVersions(apply.kind);
        // What it is compared with while nobody is known to own anything.
        let blank =
            if apply.subresource == "scale" || !managed.is_empty() { Value::Null } else { kinds.blank() };
        let application = Application {
            live: &value,
            blank: &blank,
            config: &apply.config.value,
            config_name: &config_name,
            live_name: &live_name,
            versions: if apply.subresource == "scale" { &scale } else { &kinds },
            write: Write {
                manager: manager(apply.ctx, apply.options),
                api_version: &api_version,
                subresource: apply.subresource,
                reset: reset_fields(place.kind, apply.subresource),
                now: Time::new(self.config.clock.now()),
            },
            force: apply.options.force,
        };
        let Applied { object, managed, last_applied } = application.run(managed).map_err(refused)?;
        let mut object = match object {
            None => live.clone_object(),
            Some(value) => typed(apply.kind, &value, &config_name)?,
        };
        object.meta_mut().managed_fields = managed.write();
        let annotations = &mut object.meta_mut().annotations;
        match last_applied {
            Some(Some(text)) => drop(annotations.insert(LAST_APPLIED.to_string(), text)),
            Some(None) => drop(annotations.remove(LAST_APPLIED)),
            None => {}
        }
        Ok(object)
    }
}

/// The scale subresource has one version.
struct ScaleVersions(&'static KindInfo);

impl corten_codec::apply::Versions for ScaleVersions {
    fn convert(&self, object: &Value, version: &str) -> Result<Option<Value>, String> {
        Ok((self.0.api_version() == version).then(|| object.clone()))
    }

    fn type_of(&self, version: &str) -> Option<TypeRef<'_>> {
        (self.0.api_version() == version).then(|| TypeRef::Struct((self.0.schema)()))
    }
}

fn typed(kind: &'static KindInfo, value: &Value, name: &str) -> ApiResult<Box<dyn Object>> {
    let mut object = form::blank(kind);
    json::decode(value.to_string().as_bytes(), &mut *object, &mut Problems::ignore()).map_err(|e| {
        ApiError::new(500, "", format!("failed to convert new object ({name}) to proper version: {e}"))
    })?;
    Ok(object)
}

fn refused(error: ApplyError) -> ApiError {
    match error {
        ApplyError::Failed(why) => ApiError::new(500, "", why),
        ApplyError::Conflicts(conflicts) => conflict(&conflicts),
    }
}

fn conflict(conflicts: &Conflicts) -> ApiError {
    let error = ApiError::new(409, "Conflict", conflicts.to_string());
    conflicts
        .causes()
        .iter()
        .fold(error, |error, (message, field)| error.with_cause("FieldManagerConflict", message, field))
}

/// Whether the error says that the place's own object is not there, rather than its namespace.
fn place_is_gone(error: &ApiError, place: &Place) -> bool {
    let details = error.status().details.as_ref();
    details
        .is_some_and(|d| d.name == place.name && d.kind == place.kind.plural && d.group == place.kind.group)
}

fn with_warnings(mut reply: Reply, warnings: Vec<String>) -> Reply {
    reply.warnings.splice(0..0, warnings);
    reply
}
