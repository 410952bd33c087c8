//! Requests for certificates.

use crate::discovery::has;
use anyhow::{Context, Result, ensure};
use corten_conformance::rest::{Resource, is_refused};
use corten_conformance::{Cluster, spec};
use corten_rt::random;
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};

const VERSION: &str = "certificates.k8s.io/v1";
const NAME: &str = "e2e.example.com";

async fn discovered(cluster: &Cluster) -> Result<()> {
    let groups = cluster.read("/apis").await?;
    ensure!(has(&groups["groups"], "name", "certificates.k8s.io"), "no certificates.k8s.io");
    let group = cluster.read("/apis/certificates.k8s.io").await?;
    ensure!(has(&group["versions"], "version", "v1"), "{group}");
    let resources = cluster.read(&format!("/apis/{VERSION}")).await?["resources"].take();
    for subresource in ["", "/approval", "/status"] {
        let name = format!("certificatesigningrequests{subresource}");
        ensure!(has(&resources, "name", &name), "no {name}");
    }
    Ok(())
}

#[tokio::test]
async fn csr_crud_approval_status() -> Result<()> {
    spec(async |cluster| {
        discovered(cluster).await?;
        let signer = format!("example.com/e2e-{}", random::name_suffix(8));
        let selector = format!("?fieldSelector=spec.signerName%3D{signer}");
        let requests = cluster.wide(VERSION, "certificatesigningrequests");
        let result = lives(&requests, &signer, &selector).await;
        requests.delete_all(&selector).await?;
        result?;
        ensure!(requests.items(&selector).await?.is_empty(), "some are left");
        Ok(())
    })
    .await
}

async fn lives(requests: &Resource<'_>, signer: &str, selector: &str) -> Result<()> {
    let key = KeyPair::generate()?;
    let params = CertificateParams::new([NAME.to_string()])?;
    let request = json!({
        "metadata": {"generateName": "e2e-example-csr-"},
        "spec": {
            "request": base64(&params.serialize_request(&key)?.pem()?),
            "signerName": signer, "expirationSeconds": 3600,
            "usages": ["digital signature", "key encipherment", "server auth"],
        },
    });
    requests.create(&request).await?;
    requests.create(&request).await?;
    let made = requests.create(&request).await?;
    let name = made["metadata"]["name"].as_str().context("a name")?;
    let read = requests.get(name).await?;
    ensure!(read["metadata"]["uid"] == made["metadata"]["uid"], "{read}");
    ensure!(read["spec"]["expirationSeconds"] == 3600, "{read}");
    let list = requests.list(selector).await?;
    ensure!(list["items"].as_array().is_some_and(|items| items.len() == 3), "{list}");
    let from = list["metadata"]["resourceVersion"].as_str().context("a revision")?;
    let parameters = format!("&fieldSelector=metadata.name%3D{name}&resourceVersion={from}");
    let mut watch = requests.watch(&parameters).await?;
    let patched = requests.merge(name, &annotation("patched")).await?;
    ensure!(patched["metadata"]["annotations"]["patched"] == "true", "{patched}");
    let update = |object: &mut Value| object["metadata"]["annotations"]["updated"] = json!("true");
    let updated = requests.change(name, update).await?;
    ensure!(updated["metadata"]["annotations"]["updated"] == "true", "{updated}");
    let seen =
        |kind: &str, o: &Value| kind == "MODIFIED" && o["metadata"]["annotations"]["patched"] == "true";
    watch.until("the patch", seen).await?;
    approval(requests, name, &made).await?;
    let certificate = base64(&params.self_signed(&key)?.pem());
    status(requests, name, &made, &certificate).await?;
    requests.delete(name).await?;
    ensure!(is_refused(requests.get(name).await, 404)?, "it is not deleted");
    ensure!(requests.items(selector).await?.len() == 2, "two must be left");
    Ok(())
}

fn annotation(name: &str) -> Value {
    json!({"metadata": {"annotations": {name: "true"}}})
}

fn condition(kind: &str) -> Value {
    json!({"type": kind, "status": "True", "reason": "E2E", "message": "Set from an e2e test"})
}

fn types(object: &Value) -> Vec<&str> {
    let conditions = object["status"]["conditions"].as_array().into_iter().flatten();
    conditions.filter_map(|condition| condition["type"].as_str()).collect()
}

async fn approval(requests: &Resource<'_>, name: &str, made: &Value) -> Result<()> {
    let approval = format!("{name}/approval");
    let read = requests.get(&approval).await?;
    ensure!(read["kind"] == "CertificateSigningRequest", "{read}");
    ensure!(read["metadata"]["uid"] == made["metadata"]["uid"], "{read}");
    let mut patch = annotation("patchedapproval");
    patch["status"]["conditions"] = json!([condition("ApprovalPatch")]);
    let patched = requests.merge(&approval, &patch).await?;
    ensure!(types(&patched) == ["ApprovalPatch"], "{patched}");
    ensure!(patched["metadata"]["annotations"]["patchedapproval"] == "true", "{patched}");
    let updated = requests.change(&approval, |object| add(object, "Approved")).await?;
    ensure!(types(&updated) == ["ApprovalPatch", "Approved"], "{updated}");
    Ok(())
}

async fn status(requests: &Resource<'_>, name: &str, made: &Value, certificate: &str) -> Result<()> {
    let status = format!("{name}/status");
    let read = requests.get(&status).await?;
    ensure!(read["kind"] == "CertificateSigningRequest", "{read}");
    ensure!(read["metadata"]["uid"] == made["metadata"]["uid"], "{read}");
    let mut patch = annotation("patchedstatus");
    patch["status"]["certificate"] = json!(certificate);
    let patched = requests.merge(&status, &patch).await?;
    ensure!(patched["status"]["certificate"] == certificate, "{patched}");
    ensure!(patched["metadata"]["annotations"]["patchedstatus"] == "true", "{patched}");
    let updated = requests.change(&status, |object| add(object, "StatusUpdate")).await?;
    ensure!(types(&updated) == ["ApprovalPatch", "Approved", "StatusUpdate"], "{updated}");
    Ok(())
}

fn add(object: &mut Value, kind: &str) {
    if let Some(conditions) = object["status"]["conditions"].as_array_mut() {
        conditions.push(condition(kind));
    }
}

fn base64(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(text)
}
