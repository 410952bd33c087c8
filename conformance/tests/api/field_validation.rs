//! Unknown and repeated fields.

use anyhow::{Context, Result, ensure};
use corten_conformance::definitions::Wanted;
use corten_conformance::rest::Reply;
use corten_conformance::spec;
use http::Method;
use serde_json::{Value, json};

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

/// The schema of upstream's specs, with more of the spec's schema.
fn schema(more: &Value) -> Value {
    let (text, number) = (json!({"type": "string"}), json!({"type": "integer", "format": "int32"}));
    let port = json!({
        "containerPort": number, "hostIP": text, "hostPort": number, "name": text, "protocol": text,
    });
    let ports = json!({
        "type": "array", "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["containerPort", "protocol"],
        "items": {"type": "object", "required": ["containerPort", "protocol"], "properties": port},
    });
    let pattern = r"^(\d+|\*)(/\d+)?(\s+(\d+|\*)(/\d+)?){4}$";
    let mut spec = json!({
        "type": "object",
        "properties": {"foo": text, "cronSpec": {"type": "string", "pattern": pattern}, "ports": ports},
    });
    for (name, value) in more.as_object().into_iter().flatten() {
        match name.as_str() {
            "template" => spec["properties"]["template"] = value.clone(),
            _ => spec[name] = value.clone(),
        }
    }
    json!({"type": "object", "properties": {"spec": spec}})
}

/// Applies YAML strictly to a kind with this schema.
async fn applied(
    wanted: Wanted,
    judge: impl FnOnce(Reply) -> Result<()>,
    metadata: &str,
    rest: &str,
) -> Result<()> {
    spec(async |cluster| {
        cluster
            .defined(wanted.wide(), async |definition| {
                let path = format!(
                    "{}/mytest?fieldManager=field_validation_mgr&fieldValidation=Strict",
                    definition.objects("v1").path
                );
                let yaml = format!(
                    "\napiVersion: {}\nkind: {}\nmetadata:\n  name: mytest\n{metadata}{rest}\n  cronSpec: \
                     \"* * * * */5\"\n  ports:\n  - name: x\n    containerPort: 80\n    protocol: TCP",
                    definition.api_version("v1"),
                    definition.kind()
                );
                let asked = cluster.ask(Method::PATCH, &path).body("application/apply-patch+yaml", yaml);
                judge(asked.send().await?)
            })
            .await
    })
    .await
}

fn accepted(reply: Reply) -> Result<()> {
    reply.ok().map(drop)
}

/// The answer must tell of one of these.
fn complains(complaints: &'static [&'static str]) -> impl FnOnce(Reply) -> Result<()> {
    move |reply| {
        ensure!(complaints.iter().any(|complaint| reply.text().contains(complaint)), "{}", reply.text());
        Ok(())
    }
}

#[tokio::test]
async fn fieldvalidation_valid_cr_with_schema() -> Result<()> {
    applied(Wanted::of(schema(&json!({}))), accepted, "", "spec:\n  foo: foo1").await
}

#[tokio::test]
async fn fieldvalidation_cr_no_schema_accepts_unknown() -> Result<()> {
    applied(Wanted::any(), accepted, "", "spec:\n  unknown: uk1").await
}

#[tokio::test]
async fn fieldvalidation_cr_unknown_field_rejected() -> Result<()> {
    let judge = complains(&[".unknownField: field not declared in schema"]);
    applied(Wanted::of(schema(&json!({}))), judge, "", "unknownField: unknown\nspec:\n  foo: foo1").await
}

#[tokio::test]
async fn fieldvalidation_cr_unknown_metadata_root_embedded() -> Result<()> {
    let metadata = json!({"type": "object", "properties": {"name": {"type": "string"}}});
    let template = json!({
        "type": "object", "x-kubernetes-embedded-resource": true,
        "properties": {"metadata": metadata, "spec": {"type": "object"}},
    });
    let schema = schema(&json!({"x-kubernetes-preserve-unknown-fields": true, "template": template}));
    let judge = complains(&[
        ".spec.template.metadata.unknownSubMeta: field not declared in schema",
        ".metadata.unknownMeta: field not declared in schema",
    ]);
    let rest = "spec:\n  template:\n    apiversion: foo/v1\n    kind: Sub\n    metadata:\n        unknownSubMeta: \
                unknown\n        name: subobject\n        namespace: any\n  foo: foo1";
    applied(Wanted::of(schema), judge, "  unknownMeta: unknown\n", rest).await
}

#[tokio::test]
async fn fieldvalidation_cr_duplicates_rejected_w_preserve_unknown() -> Result<()> {
    let schema = schema(&json!({"x-kubernetes-preserve-unknown-fields": true}));
    let judge = complains(&[r#"line 9: key \"foo\" already set in map"#]);
    applied(Wanted::of(schema), judge, "", "spec:\n  unknown: uk1\n  foo: foo1\n  foo: foo2").await
}
