//! The behaviour of custom kinds.

use crate::column::printed;
use crate::finding::invalid;
use crate::json_path::Found;
use crate::object::{content, set_content, to_value};
use crate::resource::{Resource, Version};
use crate::rules::{Change, evaluate};
use crate::scale_path::{at, put};
use crate::schema::Ref;
use crate::value::{self, Old};
use corten_api::autoscaling::v1::Scale;
use corten_api::{DynamicObject, KindInfo, Object, Raw};
use corten_kinds::columns::{PLAIN, age};
use corten_kinds::{Rules, Strategy, TableColumn, metadata_field, names};
use corten_semantics::field::{FieldError, Mistake};
use corten_semantics::{ApiError, ApiResult};
use jiff::Timestamp;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// One version of a custom resource.
pub struct CustomStrategy {
    resource: Arc<Resource>,
    version: usize,
    /// Whether an update ever left something as it was that a rule refuses; only then are there warnings of it.
    ratchets: AtomicBool,
}

/// Defaults, pruning and all checks are the schema's; the rest is the same for all custom kinds.
static RULES: Rules = Rules { unconditional_update: false, generation: true, ..Rules::ANY_FINALIZERS };

/// Mistakes after which rules are not asked.
const BLOCKING: [Mistake; 5] =
    [Mistake::NotSupported, Mistake::Required, Mistake::TooLong, Mistake::TooMany, Mistake::TypeInvalid];
const UNCHECKED: &str = "some validation rules were not checked because the object was invalid; correct the existing errors to complete validation";

impl CustomStrategy {
    /// The behaviour of the resource's version of this number, which must exist.
    pub fn new(resource: Arc<Resource>, version: usize) -> Self {
        CustomStrategy { resource, version, ratchets: AtomicBool::new(false) }
    }

    fn version(&self) -> &Version {
        &self.resource.versions[self.version]
    }

    fn schema(&self) -> Option<Ref<'_>> {
        self.resource.schema(self.version)
    }

    fn has_status(&self) -> bool {
        self.version().status
    }

    /// What is wrong beside metadata, when all but the value's own checks are the same for `old`.
    fn check(&self, object: &DynamicObject, old: Option<&DynamicObject>, base: &str) -> Vec<FieldError> {
        let Some(schema) = self.schema() else { return Vec::new() };
        let value = to_value(object);
        let was = old.map(to_value);
        let mut errors = match base {
            "" => value::validate("", &value, was.as_ref().map_or(Old::Unknown, Old::Was), schema),
            part => match (value.get(part), schema.property(part)) {
                (Some(new), Some(schema)) => {
                    let was = was.as_ref().and_then(|w| w.get(part)).map_or(Old::Unknown, Old::Was);
                    value::validate(part, new, was, schema)
                }
                _ => Vec::new(),
            },
        };
        if let Some(scale) = &self.version().scale {
            errors.extend(scale.check(&value, base.is_empty()));
        }
        if base.is_empty() && schema.has_resources() {
            errors.extend(value::check_resources(&value, schema));
        }
        if schema.has_lists() && was.as_ref().is_none_or(|was| value::check_lists(was, schema).is_empty()) {
            errors.extend(value::check_lists(&value, schema));
        }
        if let Some(rules) = self.resource.rules(self.version) {
            if errors.iter().any(|e| BLOCKING.contains(&e.mistake)) {
                errors.push(invalid("<nil>".into(), &Value::Null, UNCHECKED));
            } else {
                let change = was.as_ref().map_or(Change::NONE, |was| Change::update(&value, was, schema));
                let found = evaluate(rules, schema, "", &value, change);
                if !found.ratcheted.is_empty() {
                    self.ratchets.store(true, Ordering::Relaxed);
                }
                errors.extend(found.errors);
            }
        }
        errors
    }

    /// What rules would refuse, were it not as it was before.
    fn ratcheted(&self, new: &DynamicObject, old: &DynamicObject) -> Vec<String> {
        let rules =
            if self.ratchets.load(Ordering::Relaxed) { self.resource.rules(self.version) } else { None };
        let Some((rules, schema)) = rules.zip(self.schema()) else { return Vec::new() };
        let (value, was) = (to_value(new), to_value(old));
        let found = evaluate(rules, schema, "", &value, Change::update(&value, &was, schema));
        found.ratcheted.iter().map(ToString::to_string).collect()
    }
}

fn dynamic(obj: &dyn Object) -> Option<&DynamicObject> {
    obj.as_any().downcast_ref()
}

fn dynamic_mut(obj: &mut dyn Object) -> Option<&mut DynamicObject> {
    obj.as_any_mut().downcast_mut()
}

/// Whether two sets of fields mean the same.
fn same(a: &BTreeMap<String, Raw>, b: &BTreeMap<String, Raw>) -> bool {
    a.len() == b.len()
        && a.iter().all(|(name, raw)| {
            b.get(name).is_some_and(|other| raw == other || raw.to_value() == other.to_value())
        })
}

impl Strategy for CustomStrategy {
    fn rules(&self) -> &Rules {
        &RULES
    }

    fn prune(&self, obj: &mut dyn Object, unknown: &mut Vec<String>) -> Result<(), String> {
        let Some(object) = dynamic_mut(obj) else { return Ok(()) };
        let mut fields = content(object);
        let schema = self.schema();
        value::prune(&mut fields, schema, Some(unknown));
        value::drop_nulls(&mut fields, schema);
        let mut whole = Value::Object(fields);
        if let Some(schema) = schema.filter(|s| s.has_resources()) {
            value::coerce_resources(&mut whole, schema, unknown).map_err(|e| e.to_string())?;
        }
        if let Value::Object(fields) = whole {
            set_content(object, fields);
        }
        Ok(())
    }

    fn default(&self, obj: &mut dyn Object) {
        let Some(object) = dynamic_mut(obj) else { return };
        let mut fields = content(object);
        let schema = self.schema();
        value::prune(&mut fields, schema, None);
        value::drop_nulls(&mut fields, schema);
        if let Some(schema) = schema.filter(|schema| schema.has_defaults()) {
            value::set_defaults(&mut fields, schema);
            if schema.has_resources() {
                let mut whole = Value::Object(fields);
                // Defaults were judged with their definition; what was stored before may be of any form.
                let _ = value::coerce_resources(&mut whole, schema, &mut Vec::new());
                let Value::Object(coerced) = whole else { return };
                fields = coerced;
            }
        }
        set_content(object, fields);
    }

    fn prepare_create(&self, obj: &mut dyn Object) {
        if let Some(object) = dynamic_mut(obj).filter(|_| self.has_status()) {
            object.content.remove("status");
        }
        obj.meta_mut().generation = 1;
    }

    fn prepare_update(&self, new: &mut dyn Object, old: &dyn Object) {
        let (Some(object), Some(old)) = (dynamic_mut(new), dynamic(old)) else { return };
        if self.has_status() {
            match old.content.get("status") {
                Some(status) => drop(object.content.insert("status".into(), status.clone())),
                None => drop(object.content.remove("status")),
            }
        }
        if !same(&object.content, &old.content) {
            object.metadata.generation = old.metadata.generation + 1;
        }
    }

    fn prepare_status_update(&self, new: &mut dyn Object, old: &dyn Object) {
        let (Some(object), Some(old)) = (dynamic_mut(new), dynamic(old)) else { return };
        let status = object.content.remove("status");
        object.content.clone_from(&old.content);
        match status {
            Some(status) => drop(object.content.insert("status".into(), status)),
            None => drop(object.content.remove("status")),
        }
        let fields = std::mem::take(&mut object.metadata.managed_fields);
        object.metadata.clone_from(&old.metadata);
        object.metadata.managed_fields = fields;
    }

    fn validate(&self, obj: &dyn Object) -> Vec<FieldError> {
        dynamic(obj).map_or(Vec::new(), |object| self.check(object, None, ""))
    }

    fn validate_update(&self, new: &dyn Object, old: &dyn Object) -> Vec<FieldError> {
        dynamic(new).map_or(Vec::new(), |object| self.check(object, dynamic(old), ""))
    }

    fn validate_status_update(&self, new: &dyn Object, old: &dyn Object) -> Vec<FieldError> {
        dynamic(new).map_or(Vec::new(), |object| self.check(object, dynamic(old), "status"))
    }

    fn warnings(&self, new: &dyn Object, old: Option<&dyn Object>) -> Vec<String> {
        let known = |name: &String| old.is_some_and(|old| old.meta().finalizers.contains(name));
        let mut added: Vec<&String> = new.meta().finalizers.iter().filter(|name| !known(name)).collect();
        added.sort();
        added.dedup();
        let mut said: Vec<String> = added.into_iter().flat_map(|name| finalizer_warnings(name)).collect();
        if let Some((new, old)) = dynamic(new).zip(old.and_then(dynamic)) {
            said.extend(self.ratcheted(new, old));
        }
        said
    }

    fn table_columns(&self) -> Vec<TableColumn<'_>> {
        let mut columns = vec![TableColumn::from(&PLAIN[0])];
        match self.version().columns.as_deref() {
            Some([]) => columns.push(TableColumn {
                name: "Age",
                type_: "date",
                format: "",
                description: "Custom resource definition column (in JSONPath format): .metadata.creationTimestamp",
                priority: 0,
            }),
            Some(own) => columns.extend(own.iter().map(|c| TableColumn {
                name: &c.name,
                type_: &c.type_,
                format: &c.format,
                description: &c.description,
                priority: c.priority,
            })),
            None => {}
        }
        columns
    }

    fn row(&self, obj: &dyn Object, now: Timestamp) -> Vec<Value> {
        let mut cells = vec![Value::from(obj.meta().name.as_str())];
        match (self.version().columns.as_deref(), dynamic(obj)) {
            (Some([]), _) => cells.push(age(obj.meta().creation_timestamp, now).into()),
            (Some(columns), Some(object)) => {
                let value = to_value(object);
                cells.extend(columns.iter().map(|c| c.cell(&value, now)));
            }
            _ => {}
        }
        cells
    }

    fn check_field_label(&self, kind: &KindInfo, label: &str) -> ApiResult<()> {
        let known = match label {
            "metadata.name" => true,
            "metadata.namespace" => kind.namespaced,
            other => self.version().selectable.iter().any(|(name, _)| **name == *other),
        };
        if known { Ok(()) } else { Err(ApiError::bad_request(format!("field label not supported: {label}"))) }
    }

    fn selectable_field<'a>(&self, obj: &'a dyn Object, label: &str) -> Option<Cow<'a, str>> {
        metadata_field(obj, label).or_else(|| {
            let (_, path) = self.version().selectable.iter().find(|(name, _)| **name == *label)?;
            let value = Value::Object(content(dynamic(obj)?));
            Some(match path.first(&value) {
                Some(Found::Value(found)) if !found.is_null() => printed(found).into(),
                _ => "".into(),
            })
        })
    }

    fn scale(&self, obj: &dyn Object) -> Option<Scale> {
        let (paths, object) = (self.version().scale.as_ref()?, dynamic(obj)?);
        let value = Value::Object(content(object));
        let number = |path: &str| at(&value, path).ok().flatten().and_then(Value::as_i64);
        let mut scale = Scale::default();
        let meta = &object.metadata;
        scale.metadata.name.clone_from(&meta.name);
        scale.metadata.namespace.clone_from(&meta.namespace);
        scale.metadata.uid.clone_from(&meta.uid);
        scale.metadata.resource_version.clone_from(&meta.resource_version);
        scale.metadata.creation_timestamp = meta.creation_timestamp;
        let small = |number: Option<i64>| i32::try_from(number.unwrap_or(0)).unwrap_or(i32::MAX);
        scale.spec.replicas = small(number(&paths.spec_replicas));
        scale.status.replicas = small(number(&paths.status_replicas));
        if !paths.label_selector.is_empty() {
            let selector = at(&value, &paths.label_selector).ok().flatten().and_then(Value::as_str);
            scale.status.selector = selector.unwrap_or_default().to_string();
        }
        Some(scale)
    }

    fn missing_replicas(&self, obj: &dyn Object) -> Option<String> {
        let path = &self.version().scale.as_ref()?.spec_replicas;
        let value = Value::Object(content(dynamic(obj)?));
        at(&value, path).ok()?.is_none().then(|| path.to_string())
    }

    fn set_replicas(&self, obj: &mut dyn Object, replicas: i32) {
        let (Some(paths), Some(object)) = (&self.version().scale, dynamic_mut(obj)) else { return };
        let mut fields = content(object);
        put(&mut fields, &paths.spec_replicas, replicas.into());
        set_content(object, fields);
    }
}

fn finalizer_warnings(name: &str) -> Vec<String> {
    let path = "metadata.finalizers";
    let mut said: Vec<String> =
        names::qualified_name(name).into_iter().map(|why| format!("{path}: {name:?}: {why}")).collect();
    if !name.contains('/') && !["orphan", "foregroundDeletion", "kubernetes"].contains(&name) {
        let path_too = if name.contains('.') { " including a path (/)" } else { "" };
        said.push(format!(
            "{path}: {name:?}: prefer a domain-qualified finalizer name{path_too} to avoid accidental conflicts with other finalizer writers"
        ));
    }
    said
}
