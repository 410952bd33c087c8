//! Versions of custom kinds that a webhook converts.

use crate::definitions::host_and_port;
use anyhow::{Result, ensure};
use corten_conformance::definitions::Definition;
use corten_conformance::rest::{Events, is_refused};
use corten_conformance::{Cluster, spec, wait};
use corten_rt::random;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Runs a spec with a kind of two versions.
async fn converted(
    selectable: bool,
    body: impl AsyncFnOnce(&Cluster, &Definition<'_>) -> Result<()>,
) -> Result<()> {
    spec(async |cluster| {
        cluster
            .hooked(async |hooks| {
                let wanted = host_and_port(cluster, hooks.client("/crdconvert"), selectable);
                cluster
                    .defined(wanted, async |definition| {
                        converts(definition).await?;
                        body(cluster, definition).await
                    })
                    .await
            })
            .await
    })
    .await
}

/// Waits until the webhook is called.
async fn converts(definition: &Definition<'_>) -> Result<()> {
    let name = random::name_suffix(10);
    let marker = definition.instance("v1", &name, json!({}));
    let objects = definition.objects("v1");
    wait("an object at either version", async || {
        if objects.create(&marker).await.is_err() && is_refused(objects.get(&name).await, 404)? {
            return Ok(None);
        }
        Ok(definition.objects("v2").get(&name).await.is_ok().then_some(()))
    })
    .await?;
    objects.delete(&name).await.map(drop)
}

fn at_v1(definition: &Definition<'_>, object: &Value) -> Result<()> {
    let right =
        object["hostPort"] == "localhost:8080" && object["host"].is_null() && object["port"].is_null();
    ensure!(right && object["apiVersion"] == definition.api_version("v1"), "{object}");
    Ok(())
}

fn at_v2(definition: &Definition<'_>, object: &Value) -> Result<()> {
    let right = object["host"] == "localhost" && object["port"] == "8080" && object["hostPort"].is_null();
    ensure!(right && object["apiVersion"] == definition.api_version("v2"), "{object}");
    Ok(())
}

#[tokio::test]
async fn crdconversion_convert_v1_v2() -> Result<()> {
    converted(false, async |_, definition| {
        let object = definition.instance("v1", "cr-instance-1", json!({"hostPort": "localhost:8080"}));
        definition.objects("v1").create(&object).await?;
        at_v2(definition, &definition.objects("v2").get("cr-instance-1").await?)
    })
    .await
}

#[tokio::test]
async fn crdconversion_list_non_homogeneous_stored_versions() -> Result<()> {
    converted(false, async |_, definition| {
        let (first, second) = (definition.objects("v1"), definition.objects("v2"));
        let object = |name: &str| definition.instance("v1", name, json!({"hostPort": "localhost:8080"}));
        first.create(&object("cr-instance-1")).await?;
        let switch = |object: &mut Value| {
            object["spec"]["versions"][0]["storage"] = json!(false);
            object["spec"]["versions"][1]["storage"] = json!(true);
        };
        definition.change(switch).await?;
        first.create(&object("cr-instance-2")).await?;
        let names = |items: &[Value]| -> BTreeSet<String> {
            items.iter().filter_map(|item| item["metadata"]["name"].as_str().map(str::to_string)).collect()
        };
        let both = ["cr-instance-1", "cr-instance-2"].map(str::to_string).into();
        let items = first.items("").await?;
        ensure!(names(&items) == both, "{items:?}");
        items.iter().try_for_each(|item| at_v1(definition, item))?;
        let items = second.items("").await?;
        ensure!(names(&items) == both, "{items:?}");
        items.iter().try_for_each(|item| at_v2(definition, item))
    })
    .await
}

/// Which objects a watch has told of: added, deleted.
#[derive(Default, Debug, PartialEq)]
struct Told([BTreeSet<String>; 2]);

/// A watch, and what it has told.
struct Follower {
    watch: Events,
    told: Told,
}

impl Follower {
    async fn until(&mut self, added: &[&str], deleted: &[&str]) -> Result<()> {
        let set = |names: &[&str]| names.iter().map(|name| name.to_string()).collect::<BTreeSet<_>>();
        let expected = Told([set(added), set(deleted)]);
        while self.told != expected {
            let event = self.watch.next_within(std::time::Duration::from_secs(30)).await?;
            let Some((kind, object)) = event else {
                anyhow::bail!("told {:?} instead of {expected:?}", self.told);
            };
            let name = object["metadata"]["name"].as_str().unwrap_or_default().to_string();
            match kind.as_str() {
                "ADDED" => drop(self.told.0[0].insert(name)),
                "DELETED" => drop(self.told.0[1].insert(name)),
                _ => {}
            }
        }
        Ok(())
    }
}

#[tokio::test]
async fn crdfieldselectors_selectablefields_list_watch_informer_conversion() -> Result<()> {
    // A watch from the start, and one as informers of client-go open it.
    const PLAIN: &str = "";
    const INFORMER: &str =
        "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    const HOST: &str = "host%3Dhost1";
    const HOST_AND_PORT: &str = "host%3Dhost1,port%3D80";
    const JOINED: &str = "hostPort%3Dhost1:80";
    converted(true, async |_, definition| {
        let (first, second) = (definition.objects("v1"), definition.objects("v2"));
        let mut followers = Vec::new();
        for (objects, selector, form) in [
            (&second, HOST, PLAIN),
            (&second, HOST_AND_PORT, PLAIN),
            (&first, JOINED, PLAIN),
            (&second, HOST, INFORMER),
            (&second, HOST_AND_PORT, INFORMER),
        ] {
            let watch = objects.watch(&format!("&fieldSelector={selector}{form}")).await?;
            followers.push((selector == HOST, Follower { watch, told: Told::default() }));
        }
        for (name, fields) in [
            ("both", json!({"host": "host1", "port": "80"})),
            ("one", json!({"host": "host1", "port": "8080"})),
            ("none", json!({"host": "host2"})),
        ] {
            second.create(&definition.instance("v2", name, fields)).await?;
        }
        let selected = async |objects: &corten_conformance::rest::Resource<'_>,
                              selector: &str,
                              wanted: &[&str]| {
            let items = objects.items(&format!("?fieldSelector={selector}")).await?;
            let names: Vec<_> = items.iter().filter_map(|item| item["metadata"]["name"].as_str()).collect();
            ensure!(names == wanted, "{selector} selects {names:?}, not {wanted:?}");
            Ok(())
        };
        selected(&second, HOST, &["both", "one"]).await?;
        selected(&second, HOST_AND_PORT, &["both"]).await?;
        selected(&first, JOINED, &["both"]).await?;
        selected(&first, "hostPort%3Dhost1:8080", &["one"]).await?;
        for (any_port, follower) in &mut followers {
            follower.until(if *any_port { &["both", "one"] } else { &["both"] }, &[]).await?;
        }
        second.delete_all(&format!("?fieldSelector={HOST_AND_PORT}")).await?;
        second.change("one", |object| object["host"] = json!("host2")).await?;
        selected(&second, HOST, &[]).await?;
        selected(&second, HOST_AND_PORT, &[]).await?;
        for (any_port, follower) in &mut followers {
            let names: &[&str] = if *any_port { &["both", "one"] } else { &["both"] };
            follower.until(names, names).await?;
        }
        Ok(())
    })
    .await
}
