//! The four ways to bring the data of an object into a volume.

use Source::{ConfigMap, ProjectedConfigMap, ProjectedSecret, Secret};
use anyhow::Result;
use corten_api::core::v1;
use corten_client::DeleteOptions;
use corten_conformance::{Cluster, object};
use serde_json::{Value, json};

/// Where a volume's files come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    ConfigMap,
    Secret,
    ProjectedConfigMap,
    ProjectedSecret,
}

impl Source {
    fn is_secret(self) -> bool {
        matches!(self, Secret | ProjectedSecret)
    }

    fn is_projected(self) -> bool {
        matches!(self, ProjectedConfigMap | ProjectedSecret)
    }

    /// A volume of the object `name`. `more` are fields of the reference: `items`, `optional`; `mode` is the
    /// volume's `defaultMode`.
    pub fn volume(self, name: &str, more: Value, mode: Option<u32>) -> Value {
        let mut reference = more;
        let (field, key) = match self {
            Secret => ("secret", "secretName"),
            ProjectedSecret => ("secret", "name"),
            ConfigMap | ProjectedConfigMap => ("configMap", "name"),
        };
        reference[key] = json!(name);
        if !self.is_projected() {
            if let Some(mode) = mode {
                reference["defaultMode"] = json!(mode);
            }
            return json!({field: reference});
        }
        let mut projected = json!({"sources": [{field: reference}]});
        if let Some(mode) = mode {
            projected["defaultMode"] = json!(mode);
        }
        json!({"projected": projected})
    }

    /// Creates the object in a namespace.
    pub async fn create_in(self, cluster: &Cluster, space: &str, name: &str, data: Value) -> Result<()> {
        let whole = json!({"metadata": {"name": name}, self.data(): data});
        if self.is_secret() {
            cluster.client.namespaced(space).create(object::<v1::Secret>(&whole)?).await?;
        } else {
            cluster.client.namespaced(space).create(object::<v1::ConfigMap>(&whole)?).await?;
        }
        Ok(())
    }

    /// Creates the object in the spec's namespace.
    pub async fn create(self, cluster: &Cluster, name: &str, data: Value) -> Result<()> {
        self.create_in(cluster, &cluster.namespace, name, data).await
    }

    /// Replaces all data of the object.
    pub async fn replace(self, cluster: &Cluster, name: &str, data: Value) -> Result<()> {
        let whole = json!({"metadata": {"name": name}, self.data(): data});
        if self.is_secret() {
            cluster.api().update(object::<v1::Secret>(&whole)?).await?;
        } else {
            cluster.api().update(object::<v1::ConfigMap>(&whole)?).await?;
        }
        Ok(())
    }

    /// Deletes the object.
    pub async fn delete(self, cluster: &Cluster, name: &str) -> Result<()> {
        if self.is_secret() {
            cluster.api::<v1::Secret>().delete(name, DeleteOptions::default()).await?;
        } else {
            cluster.api::<v1::ConfigMap>().delete(name, DeleteOptions::default()).await?;
        }
        Ok(())
    }

    /// The field for data that is written as text.
    fn data(self) -> &'static str {
        if self.is_secret() { "stringData" } else { "data" }
    }
}
