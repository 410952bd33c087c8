//! What a definition declares, ready to be served.

use crate::column::Column;
use crate::json_path::JsonPath;
use crate::published::published;
use crate::rules::Rules;
use crate::scale_path::Scale;
use crate::schema::{Builder, Ref, Schema};
use corten_api::KindInfo;
use corten_api::apiextensions::v1::{
    CustomResourceDefinition, CustomResourceDefinitionVersion, WebhookConversion,
};
use corten_api::dynamic::{Declared, intern};
use corten_codec::openapi::Custom;
use std::sync::{Arc, OnceLock};

/// Where a definition is read from when its schemas are first needed.
pub trait Source: Send + Sync {
    /// The definition of this name.
    fn definition(&self, name: &str) -> Option<CustomResourceDefinition>;
}

/// One version of a custom kind.
#[derive(Debug)]
pub struct Version {
    pub info: &'static KindInfo,
    pub served: bool,
    /// What clients of the version are told.
    pub warning: Option<String>,
    /// The columns behind the name; `None` when the first of them cannot be read.
    pub columns: Option<Box<[Column]>>,
    /// Fields that selectors may name, without a leading dot.
    pub selectable: Box<[(Box<str>, JsonPath)]>,
    pub status: bool,
    pub scale: Option<Scale>,
}

/// A custom resource: its versions, and their schemas.
pub struct Resource {
    /// `tests.example.com`.
    pub name: String,
    pub uid: String,
    pub generation: i64,
    pub versions: Box<[Version]>,
    /// Which of them is stored.
    pub storage: usize,
    /// How other versions are made, when not by changing `apiVersion` alone.
    pub webhook: Option<Box<WebhookConversion>>,
    /// No more objects may be created.
    pub terminating: bool,
    source: Arc<dyn Source>,
    schemas: OnceLock<Schemas>,
    rules: OnceLock<Box<[Option<Rules>]>>,
}

/// The schemas of all versions, and the root of each.
#[derive(Debug, Default)]
struct Schemas {
    table: Schema,
    roots: Box<[Option<u32>]>,
}

impl std::fmt::Debug for Resource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resource").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Resource {
    /// What a definition declares under its accepted names; `None` when it stores no version, which
    /// validation excludes.
    pub fn new(crd: &CustomResourceDefinition, source: Arc<dyn Source>) -> Option<Self> {
        let storage = crd.spec.versions.iter().position(|v| v.storage)?;
        let versions = crd.spec.versions.iter().map(|v| version(crd, v)).collect();
        let webhook = crd.spec.conversion.as_deref().filter(|c| c.strategy == "Webhook");
        Some(Resource {
            name: crd.metadata.name.clone(),
            uid: crd.metadata.uid.clone(),
            generation: crd.metadata.generation,
            versions,
            storage,
            webhook: webhook.and_then(|c| c.webhook.clone()),
            terminating: crd.metadata.deletion_timestamp.is_some(),
            source,
            schemas: OnceLock::new(),
            rules: OnceLock::new(),
        })
    }

    /// Whether the definition declared the same, by the same text.
    pub fn is_same(&self, other: &Self) -> bool {
        let declared = |r: &Self| (r.uid.clone(), r.generation, r.storage, r.terminating);
        declared(self) == declared(other)
            && self.versions.iter().zip(&other.versions).all(|(a, b)| std::ptr::eq(a.info, b.info))
    }

    /// Whether what is stored reads the same under either declaration.
    pub fn reads_like(&self, other: &Self) -> bool {
        (&self.uid, self.generation) == (&other.uid, other.generation)
            && std::ptr::eq(self.stored(), other.stored())
    }

    /// The kind that is stored.
    pub fn stored(&self) -> &'static KindInfo {
        self.versions[self.storage].info
    }

    /// The number of a version.
    pub fn version(&self, name: &str) -> Option<usize> {
        self.versions.iter().position(|v| v.info.version == name)
    }

    /// The schema of a version; `None` when it has none.
    pub fn schema(&self, version: usize) -> Option<Ref<'_>> {
        let schemas = self.schemas.get_or_init(|| self.compile());
        schemas.table.at(schemas.roots.get(version).copied().flatten()?)
    }

    /// The rules of a version's schema, compiled when an object first needs them.
    pub(crate) fn rules(&self, version: usize) -> Option<&Rules> {
        self.schema(version).filter(|schema| schema.has_rules())?;
        let compile = || {
            let crd = self.source.definition(&self.name);
            let of = |v: &Version| {
                let declared = crd.as_ref()?.spec.versions.iter().find(|d| d.name == v.info.version)?;
                Rules::of(declared.schema.as_ref()?.open_apiv3_schema.as_deref()?, true)
            };
            self.versions.iter().map(of).collect()
        };
        self.rules.get_or_init(compile).get(version)?.as_ref()
    }

    /// The served versions for an OpenAPI document; `v2` tells of which version. Those of another name are left
    /// out when one is given.
    pub fn published(&self, only: Option<&str>, v2: bool) -> Vec<Custom> {
        let Some(crd) = self.source.definition(&self.name) else { return Vec::new() };
        let wanted = |v: &&Version| v.served && only.is_none_or(|name| name == v.info.version);
        let of = |v: &Version| {
            let declared = crd.spec.versions.iter().find(|d| d.name == v.info.version);
            let schema = declared.and_then(|d| d.schema.as_ref()?.open_apiv3_schema.as_deref());
            Custom {
                kind: v.info,
                schema: schema
                    .filter(|_| !(v2 && crd.spec.preserve_unknown_fields))
                    .and_then(|schema| published(schema, v2)),
                selectable: v.selectable.iter().map(|(path, _)| path.to_string()).collect(),
            }
        };
        self.versions.iter().filter(wanted).map(of).collect()
    }

    fn compile(&self) -> Schemas {
        let Some(crd) = self.source.definition(&self.name) else { return Schemas::default() };
        let mut builder = Builder::default();
        let roots = self.versions.iter().map(|v| {
            let declared = crd.spec.versions.iter().find(|d| d.name == v.info.version)?;
            let schema = declared.schema.as_ref()?.open_apiv3_schema.as_deref()?;
            Some(builder.add(schema))
        });
        let roots = roots.collect();
        Schemas { table: builder.finish(), roots }
    }
}

/// The kinds that a definition declares under its accepted names: the stored one first, then the others that
/// are served.
pub fn declared_kinds(crd: &CustomResourceDefinition) -> Vec<&'static KindInfo> {
    let mut versions: Vec<_> = crd.spec.versions.iter().filter(|v| v.served).collect();
    versions.sort_by_key(|v| !v.storage);
    versions.into_iter().map(|v| identity(crd, v)).collect()
}

/// The identity of a version's kind.
fn identity(crd: &CustomResourceDefinition, v: &CustomResourceDefinitionVersion) -> &'static KindInfo {
    let names = &crd.status.accepted_names;
    let subresources = v.subresources.as_deref();
    intern(&Declared {
        group: &crd.spec.group,
        version: &v.name,
        kind: &names.kind,
        list_kind: &names.list_kind,
        plural: &names.plural,
        singular: &names.singular,
        namespaced: crd.spec.scope == "Namespaced",
        short_names: &names.short_names,
        categories: &names.categories,
        status: subresources.is_some_and(|s| s.status.is_some()),
        scale: subresources.is_some_and(|s| s.scale.is_some()),
    })
}

fn version(crd: &CustomResourceDefinition, v: &CustomResourceDefinitionVersion) -> Version {
    let subresources = v.subresources.as_deref();
    let scale = subresources.and_then(|s| s.scale.as_ref());
    let declared = &v.additional_printer_columns;
    let columns = Some(Column::readable(declared)).filter(|c| declared.is_empty() || !c.is_empty());
    let selectable = v.selectable_fields.iter().filter_map(|f| {
        let name = f.json_path.strip_prefix('.').unwrap_or(&f.json_path);
        Some((name.into(), JsonPath::parse(&f.json_path).ok()?))
    });
    Version {
        info: identity(crd, v),
        served: v.served,
        warning: v
            .deprecated
            .then(|| v.deprecation_warning.clone().unwrap_or_else(|| deprecation(crd, &v.name))),
        columns,
        selectable: selectable.collect(),
        status: subresources.is_some_and(|s| s.status.is_some()),
        scale: scale.map(|s| Scale {
            spec_replicas: s.spec_replicas_path.as_str().into(),
            status_replicas: s.status_replicas_path.as_str().into(),
            label_selector: s.label_selector_path.as_deref().unwrap_or_default().into(),
        }),
    }
}

/// What is said of a deprecated version that says nothing itself.
fn deprecation(crd: &CustomResourceDefinition, version: &str) -> String {
    let spec = &crd.spec;
    let said = format!("{}/{version} {} is deprecated", spec.group, spec.names.kind);
    let better = spec.versions.iter().filter(|v| v.served && !v.deprecated).map(|v| v.name.as_str());
    let newest = better.filter(|v| priority(v) > priority(version)).max_by_key(|v| priority(v));
    match newest {
        Some(newest) => format!("{said}; use {}/{newest} {}", spec.group, spec.names.kind),
        None => said,
    }
}

/// The order of versions, the greatest preferred: stable ones, beta, alpha, each by number; then all others,
/// the alphabet's first before its last.
pub fn priority(version: &str) -> (u8, u64, u64, std::cmp::Reverse<String>) {
    let other = || (0, 0, 0, std::cmp::Reverse(version.to_string()));
    let Some(rest) = version.strip_prefix('v') else { return other() };
    let digits = |text: &str| {
        let fits = !text.is_empty() && !text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit());
        if fits { text.parse::<u64>().ok() } else { None }
    };
    let parsed = if let Some((major, minor)) = rest.split_once("alpha") {
        digits(major).zip(digits(minor).or(minor.is_empty().then_some(0))).map(|(a, b)| (1, a, b))
    } else if let Some((major, minor)) = rest.split_once("beta") {
        digits(major).zip(digits(minor).or(minor.is_empty().then_some(0))).map(|(a, b)| (2, a, b))
    } else {
        digits(rest).map(|major| (3, major, 0))
    };
    match parsed {
        Some((stage, major, minor)) => (stage, major, minor, std::cmp::Reverse(String::new())),
        None => other(),
    }
}

#[cfg(test)]
mod tests {
    use super::priority;

    #[test]
    fn versions_are_ordered_as_upstream_orders_them() {
        let mut versions =
            ["v10beta3", "foo1", "v1", "v11alpha2", "v10", "v3beta1", "v12alpha1", "foo10", "v2", "v11beta2"];
        versions.sort_by_key(|v| std::cmp::Reverse(priority(v)));
        let want =
            ["v10", "v2", "v1", "v11beta2", "v10beta3", "v3beta1", "v12alpha1", "v11alpha2", "foo1", "foo10"];
        assert_eq!(versions, want);
    }
}
