//! The versions of a kind, as owners of fields know them.

use std::sync::Arc;

use corten_api::{KindInfo, Object};
use corten_codec::apply::{TypeRef, Versions};
use corten_codec::{Problems, json};
use serde_json::{Value, json};

use super::Registry;
use super::place::{Place, stored_as};
use crate::cache::{convert, form};
use crate::custom::Served;

/// The versions in which a place's objects are served.
pub(crate) struct KindVersions<'a> {
    registry: &'a Registry,
    kind: &'static KindInfo,
    stored: &'static KindInfo,
    custom: Option<Arc<Served>>,
}

impl<'a> KindVersions<'a> {
    pub fn new(registry: &'a Registry, place: &Place) -> Self {
        let custom = registry.custom.served_as(place.kind).filter(|_| place.kind.custom);
        KindVersions { registry, kind: place.kind, stored: place.stored, custom }
    }

    /// The kind in a version.
    pub fn kind_of(&self, version: &str) -> Option<&'static KindInfo> {
        if self.kind.api_version() == version {
            return Some(self.kind);
        }
        if self.kind.custom {
            let of_group = version.strip_prefix(self.kind.group)?.strip_prefix('/')?;
            return self.registry.kind(self.kind.group, of_group, self.kind.plural);
        }
        let mut all = corten_api::builtin::KINDS.iter().chain(corten_api::builtin::OPTIONAL).copied();
        all.find(|k| !k.plural.is_empty() && stored_as(k) == self.stored && k.api_version() == version)
    }

    /// The object as a value, without its managers.
    pub fn value_of(&self, object: &dyn Object) -> Value {
        let mut value: Value = serde_json::from_slice(&json::encode(object)).unwrap_or_default();
        without_managers(&mut value);
        value
    }

    /// An object of the kind with nothing in it.
    pub fn blank(&self) -> Value {
        if self.kind.custom {
            return json!({"apiVersion": self.kind.api_version(), "kind": self.kind.kind});
        }
        self.value_of(&*form::blank(self.kind))
    }
}

/// Takes the managers out of a value.
pub(crate) fn without_managers(value: &mut Value) {
    if let Some(meta) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        meta.remove("managedFields");
    }
}

impl Versions for KindVersions<'_> {
    fn convert(&self, object: &Value, version: &str) -> Result<Option<Value>, String> {
        if object["apiVersion"] == version {
            return Ok(Some(object.clone()));
        }
        let Some(to) = self.kind_of(version) else { return Ok(None) };
        if self.kind.custom {
            let mut object = object.clone();
            object["apiVersion"] = version.into();
            return Ok(Some(object));
        }
        let from = object["apiVersion"].as_str().and_then(|v| self.kind_of(v)).unwrap_or(self.kind);
        let mut typed = form::blank(from);
        json::decode(object.to_string().as_bytes(), &mut *typed, &mut Problems::ignore())
            .map_err(|e| e.to_string())?;
        let converted =
            convert::convert(typed, to).map_err(|o| format!("no way from {:?} to {to:?}", o.info()))?;
        Ok(Some(self.value_of(&*converted)))
    }

    fn type_of(&self, version: &str) -> Option<TypeRef<'_>> {
        let kind = self.kind_of(version)?;
        if !kind.custom {
            return Some(TypeRef::Struct((kind.schema)()));
        }
        let resource = &self.custom.as_ref()?.resource;
        let schema = resource.version(kind.version).and_then(|number| resource.schema(number));
        Some(schema.map_or(TypeRef::Deduced, |root| root.apply_type()))
    }
}
