//! kube-rs against the API server of KUBECONFIG: create, watch, reflect, patch, page and delete. Prints one
//! line per check and fails on the first difference.

mod follow;
mod objects;
mod workloads;

use anyhow::{Context, Result, bail};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, DeleteParams, PostParams};
use kube::{Client, ResourceExt};
use std::time::{Duration, Instant};

const NAMESPACE: &str = "clients-kube-rs";
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let client = Client::try_default().await.context("read KUBECONFIG")?;
    let namespaces: Api<Namespace> = Api::all(client.clone());
    namespaces.create(&PostParams::default(), &namespace()).await.context("create the namespace")?;

    let mut passed = 0;
    macro_rules! check {
        ($name:literal, $run:expr) => {
            let begun = Instant::now();
            let done = tokio::time::timeout(2 * PATIENCE, $run).await.context("takes too long").flatten();
            done.context($name)?;
            passed += 1;
            println!("ok   {NAMESPACE}: {} ({} ms)", $name, begun.elapsed().as_millis());
        };
    }
    check!("version and discovery", objects::discovery(&client));
    check!("ConfigMap life", objects::life(&client));
    check!("error types", objects::errors(&client));
    check!("patches", objects::patches(&client));
    check!("server-side apply", objects::apply(&client));
    check!("pages", objects::pages(&client));
    check!("metadata only", objects::metadata_only(&client));
    check!("dynamic objects", objects::dynamic(&client));
    check!("watch", follow::watch(&client));
    check!("reflector by list and watch", follow::reflect(&client, false));
    check!("reflector by streamed list", follow::reflect(&client, true));
    check!("Deployment life", workloads::deployment(&client));
    check!("scale and status", workloads::scale(&client));
    check!("namespace goes", delete_namespace(&namespaces));
    println!("{passed} passed, 0 failed");
    Ok(())
}

fn namespace() -> Namespace {
    let mut namespace = Namespace::default();
    namespace.metadata.name = Some(NAMESPACE.into());
    namespace
}

async fn delete_namespace(namespaces: &Api<Namespace>) -> Result<()> {
    namespaces.delete(NAMESPACE, &DeleteParams::default()).await?;
    eventually("the namespace is gone", async || Ok(namespaces.get_opt(NAMESPACE).await?.is_none())).await
}

/// Asks until the answer is yes.
async fn eventually(what: &str, mut probe: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        if probe().await? {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    bail!("{what}: not within {PATIENCE:?}")
}

fn names<K: kube::Resource>(objects: &[K]) -> Vec<String> {
    objects.iter().map(ResourceExt::name_any).collect()
}
