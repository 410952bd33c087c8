//! Kinds that a spec defines for itself.

use crate::rest::{Resource, is_refused};
use crate::{Cluster, wait};
use anyhow::{Context, Result, ensure};
use corten_rt::random;
use serde_json::{Value, json};

/// The versions of a kind: name, served, stored, schema.
pub fn version(name: &str, served: bool, storage: bool, schema: Value) -> Value {
    json!({"name": name, "served": served, "storage": storage, "schema": {"openAPIV3Schema": schema}})
}

/// The schema of objects that may have any field.
pub fn anything() -> Value {
    json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}

/// What is wanted of a definition.
pub struct Wanted {
    pub group: String,
    pub namespaced: bool,
    pub versions: Vec<Value>,
    /// More of the spec, such as `conversion`.
    pub more: Value,
    pub labels: Value,
}

impl Wanted {
    /// A namespaced kind of one version whose objects may have any field, in a group of its own.
    pub fn any() -> Self {
        let group = format!("group{}.example.com", random::name_suffix(6));
        let versions = vec![version("v1", true, true, anything())];
        Wanted { group, namespaced: true, versions, more: json!({}), labels: json!({}) }
    }

    /// The same with a schema.
    pub fn of(schema: Value) -> Self {
        Wanted { versions: vec![version("v1", true, true, schema)], ..Self::any() }
    }

    /// The same outside namespaces.
    #[must_use]
    pub fn wide(self) -> Self {
        Wanted { namespaced: false, ..self }
    }

    /// The object that defines it, under a name that nobody else has.
    pub fn object(&self) -> Value {
        let kind = format!("E2eTest{}Crd", random::name_suffix(6));
        let singular = kind.to_lowercase();
        let plural = format!("{singular}s");
        let scope = if self.namespaced { "Namespaced" } else { "Cluster" };
        let names = json!({
            "plural": plural, "singular": singular, "kind": kind, "listKind": format!("{kind}List"),
        });
        let mut object = json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("{plural}.{}", self.group), "labels": self.labels},
            "spec": {"group": self.group, "names": names, "scope": scope, "versions": self.versions},
        });
        for (name, value) in self.more.as_object().into_iter().flatten() {
            object["spec"][name] = value.clone();
        }
        object
    }
}

/// A kind that is defined and served.
pub struct Definition<'a> {
    cluster: &'a Cluster,
    /// As it was created.
    pub object: Value,
}

impl Cluster {
    /// All definitions.
    pub fn definitions(&self) -> Resource<'_> {
        self.wide("apiextensions.k8s.io/v1", "customresourcedefinitions")
    }

    /// Defines a kind, uses it, and takes the definition away.
    pub async fn defined<T>(
        &self,
        wanted: Wanted,
        body: impl AsyncFnOnce(&Definition<'_>) -> Result<T>,
    ) -> Result<T> {
        let definition = self.define(wanted).await?;
        let result = body(&definition).await;
        definition.remove().await?;
        result
    }

    /// Defines a kind and waits until it is served.
    pub async fn define(&self, wanted: Wanted) -> Result<Definition<'_>> {
        let object = self.definitions().create(&wanted.object()).await.context("define a kind")?;
        let definition = Definition { cluster: self, object };
        match definition.ready().await {
            Ok(()) => Ok(definition),
            Err(e) => {
                definition.remove().await?;
                Err(e)
            }
        }
    }
}

impl Definition<'_> {
    fn text(&self, pointer: &str) -> &str {
        self.object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// The definition's name.
    pub fn name(&self) -> &str {
        self.text("/metadata/name")
    }

    /// The kind's group.
    pub fn group(&self) -> &str {
        self.text("/spec/group")
    }

    /// The kind.
    pub fn kind(&self) -> &str {
        self.text("/spec/names/kind")
    }

    /// The resource.
    pub fn plural(&self) -> &str {
        self.text("/spec/names/plural")
    }

    /// The group with a version.
    pub fn api_version(&self, version: &str) -> String {
        format!("{}/{version}", self.group())
    }

    /// Its objects: all of them, or those of the spec's namespace.
    pub fn objects(&self, version: &str) -> Resource<'_> {
        match self.text("/spec/scope") {
            "Namespaced" => self.cluster.resource(&self.api_version(version), self.plural()),
            _ => self.cluster.wide(&self.api_version(version), self.plural()),
        }
    }

    /// An object of this kind with more fields.
    pub fn instance(&self, version: &str, name: &str, more: Value) -> Value {
        let mut object =
            json!({"apiVersion": self.api_version(version), "kind": self.kind(), "metadata": {"name": name}});
        for (field, value) in more.as_object().into_iter().flatten() {
            match field.as_str() {
                "metadata" => value.as_object().into_iter().flatten().for_each(|(field, value)| {
                    object["metadata"][field] = value.clone();
                }),
                _ => object[field] = value.clone(),
            }
        }
        object
    }

    async fn ready(&self) -> Result<()> {
        let established = |object: &Value| {
            let mut conditions = object["status"]["conditions"].as_array().into_iter().flatten();
            conditions.any(|c| c["type"] == "Established" && c["status"] == "True")
        };
        self.cluster.definitions().until(self.name(), "an established definition", established).await?;
        for version in self.object["spec"]["versions"].as_array().context("versions")? {
            if version["served"] == true {
                self.served(version["name"].as_str().unwrap_or_default()).await?;
            }
        }
        Ok(())
    }

    /// Waits until a version is served and found.
    pub async fn served(&self, version: &str) -> Result<()> {
        wait(&format!("{} at {version}", self.name()), async || {
            if is_refused(self.objects(version).list("?limit=1").await, 404)? {
                return Ok(None);
            }
            let list = self.cluster.read(&format!("/apis/{}", self.api_version(version))).await?;
            let mut resources = list["resources"].as_array().into_iter().flatten();
            Ok(resources.any(|resource| resource["name"] == self.plural()).then_some(()))
        })
        .await
    }

    /// Changes the definition.
    pub async fn change(&self, change: impl Fn(&mut Value)) -> Result<Value> {
        self.cluster.definitions().change(self.name(), change).await
    }

    /// Takes the definition away, and waits until it has gone with all of its objects.
    pub async fn remove(&self) -> Result<()> {
        if is_refused(self.cluster.definitions().delete(self.name()).await, 404)? {
            return Ok(());
        }
        self.cluster.definitions().gone(self.name()).await
    }
}

/// The fields of an object must be these, whatever its metadata says.
pub fn holds(object: &Value, fields: &Value) -> Result<()> {
    for (name, value) in fields.as_object().into_iter().flatten() {
        ensure!(object[name] == *value, "{name} is not {value} in {object}");
    }
    Ok(())
}
