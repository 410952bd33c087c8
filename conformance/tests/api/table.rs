//! Tables.

use anyhow::{Result, ensure};
use corten_conformance::spec;
use http::Method;
use serde_json::json;

#[tokio::test]
async fn table_406_for_backend_without_metadata() -> Result<()> {
    spec(async |cluster| {
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"nonResourceAttributes": {"path": "/", "verb": "get"}},
        });
        let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
        let asked = cluster.ask(Method::POST, path).json(&review);
        let reply = asked.header("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io").send().await?;
        let message = reply.refused(406)?;
        ensure!(message.contains("application/json"), "{message}");
        Ok(())
    })
    .await
}
