//! The namespace that a run makes for itself and removes.

use anyhow::{Context, Result};
use hyper::Method;
use serde::Deserialize;
use serde_json::json;

use super::http::{Call, Connection};

/// A namespace of this run alone.
#[derive(Clone, Debug)]
pub struct Namespace(String);

impl Namespace {
    /// Makes one with a new name.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn create(connection: &mut Connection) -> Result<Namespace> {
        let name = format!("corten-bench-{}", corten_rt::random::name_suffix(5));
        let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        let call = Call::with(Method::POST, "/api/v1/namespaces", body.to_string());
        connection.call(call).await.context("cannot make a namespace for the run")?;
        Ok(Namespace(name))
    }

    /// The path of a collection in it, such as `pods`.
    pub fn path(&self, resource: &str) -> String {
        format!("/api/v1/namespaces/{}/{resource}", self.0)
    }

    /// The resource version of a collection in it, to watch from.
    ///
    /// # Errors
    /// When the server's answer is not a list.
    pub async fn version(&self, connection: &mut Connection, resource: &str) -> Result<String> {
        #[derive(Deserialize)]
        struct List {
            metadata: Metadata,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Metadata {
            resource_version: String,
        }
        let path = format!("{}?limit=1", self.path(resource));
        let body = connection.call(Call::new(Method::GET, path)).await?;
        let list: List = serde_json::from_slice(&body).context("a list was answered with something else")?;
        Ok(list.metadata.resource_version)
    }

    /// What makes an object go with the namespace: the owner that it names.
    ///
    /// # Errors
    /// When the server does not show the namespace.
    pub async fn reference(&self, connection: &mut Connection) -> Result<serde_json::Value> {
        let call = Call::new(Method::GET, format!("/api/v1/namespaces/{}", self.0));
        let namespace: serde_json::Value = serde_json::from_slice(&connection.call(call).await?)
            .context("a namespace was answered with something else")?;
        let uid = &namespace["metadata"]["uid"];
        Ok(json!({"apiVersion": "v1", "kind": "Namespace", "name": self.0, "uid": uid}))
    }

    /// Removes it with all that is in it, without waiting for the end.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn remove(&self, connection: &mut Connection) -> Result<()> {
        let call = Call::new(Method::DELETE, format!("/api/v1/namespaces/{}", self.0));
        connection.call(call).await.with_context(|| format!("cannot remove the namespace {}", self.0))?;
        Ok(())
    }
}
