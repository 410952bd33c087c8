//! Unknown and repeated fields.

use anyhow::{Context, Result, ensure};
use corten_conformance::spec;
use http::Method;

const UNKNOWN_AND_DUPLICATE: &str = r#"{
    "apiVersion": "apps/v1", "kind": "Deployment",
    "metadata": {"name": "my-dep", "labels": {"app": "nginx"}},
    "spec": {
        "unknownField": "foo", "replicas": 2, "replicas": 3,
        "selector": {"matchLabels": {"app": "nginx"}},
        "template": {
            "metadata": {"labels": {"app": "nginx"}},
            "spec": {"containers": [{"name": "nginx", "image": "nginx:latest"}]}
        }
    }
}"#;
const UNKNOWN_METADATA: &str = r#"{
    "apiVersion": "apps/v1", "kind": "Deployment",
    "metadata": {"name": "my-dep", "unknownMeta": "foo", "labels": {"app": "nginx"}},
    "spec": {
        "selector": {"matchLabels": {"app": "nginx"}},
        "template": {
            "metadata": {"labels": {"app": "nginx"}},
            "spec": {"containers": [{"name": "nginx", "image": "nginx:latest"}]}
        }
    }
}"#;

/// The body must be refused with a message that has `complaint`.
async fn refused(body: &str, complaint: &str) -> Result<()> {
    spec(async |cluster| {
        let path = format!(
            "/apis/apps/v1/namespaces/{}/deployments?fieldManager=field_validation_mgr&fieldValidation=Strict",
            cluster.namespace
        );
        let reply = cluster.ask(Method::POST, &path).body("application/json", body).send().await?;
        let message = reply.refused(400).context("strict decoding")?;
        ensure!(message.contains(complaint), "{message}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn fieldvalidation_typed_unknown_duplicate() -> Result<()> {
    let complaint =
        r#"strict decoding error: unknown field "spec.unknownField", duplicate field "spec.replicas""#;
    refused(UNKNOWN_AND_DUPLICATE, complaint).await
}

#[tokio::test]
async fn fieldvalidation_typed_unknown_metadata() -> Result<()> {
    refused(UNKNOWN_METADATA, r#"strict decoding error: unknown field "metadata.unknownMeta""#).await
}
