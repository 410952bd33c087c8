//! Admission webhooks, each run of specs with a server of its own in the cluster.

use crate::discovery::has;
use anyhow::{Context, Result, ensure};
use corten_client::PatchType;
use corten_conformance::definitions::{Wanted, anything, version};
use corten_conformance::hooks::Hooks;
use corten_conformance::rest::{Refused, is_refused, refusal};
use corten_conformance::{Cluster, pods, spec, wait};
use corten_rt::random;
use serde_json::{Value, json};

const CONFIGMAPS: (&str, &str, &str) = ("", "v1", "configmaps");
const PODS: (&str, &str, &str) = ("", "v1", "pods");

/// Runs a spec with webhooks at hand.
async fn hooked(body: impl AsyncFnOnce(&Cluster, &Hooks<'_>) -> Result<()>) -> Result<()> {
    spec(async |cluster| cluster.hooked(async |hooks| body(cluster, hooks).await).await).await
}

#[tokio::test]
async fn admissionwebhook_in_discovery_docs() -> Result<()> {
    const GROUP: &str = "admissionregistration.k8s.io";
    spec(async |cluster| {
        ensure!(has(&cluster.read("/apis").await?["groups"], "name", GROUP), "/apis has no {GROUP}");
        let group = cluster.read(&format!("/apis/{GROUP}")).await?;
        ensure!(group["name"] == GROUP && has(&group["versions"], "version", "v1"), "{group}");
        let list = cluster.read(&format!("/apis/{GROUP}/v1")).await?;
        ensure!(list["groupVersion"] == format!("{GROUP}/v1"), "{}", list["groupVersion"]);
        for kind in Hooks::KINDS {
            let name = format!("{kind}webhookconfigurations");
            ensure!(has(&list["resources"], "name", &name), "no {name}");
        }
        Ok(())
    })
    .await
}

fn deny_data(hooks: &Hooks<'_>) -> Value {
    hooks.hook("deny-unwanted-configmap-data", "/configmaps", &["CREATE", "UPDATE", "DELETE"], CONFIGMAPS)
}

fn add_data(hooks: &Hooks<'_>, stage: u8) -> Value {
    let name = format!("adding-configmap-data-stage-{stage}");
    hooks.hook(&name, "/mutating-configmaps", &["CREATE"], CONFIGMAPS)
}

fn map(name: &str, data: Value) -> Value {
    json!({"metadata": {"name": name}, "data": data})
}

/// The refusal must have these words.
fn refused_for(result: Result<Value>, words: &[&str]) -> Result<Refused> {
    let refused = refusal(result)?;
    for word in words {
        ensure!(refused.status.contains(word), "no {word:?} in {refused}");
    }
    Ok(refused)
}

#[tokio::test]
async fn admissionwebhook_deny_pod_configmap_create_update_hang_timeout_namespaceselector_exempt()
-> Result<()> {
    const UNWANTED: &[&str] = &["denied the request", "the configmap contains unwanted key and value"];
    hooked(async |cluster, hooks| {
        let skip = ("skip-webhook-admission", "yes");
        let mut deny = deny_data(hooks);
        deny["namespaceSelector"]["matchExpressions"] =
            json!([{"key": skip.0, "operator": "NotIn", "values": [skip.1]}]);
        let mut open = hooks.hook("fail-open", "/configmaps", &["CREATE"], CONFIGMAPS);
        open["failurePolicy"] = json!("Ignore");
        open["clientConfig"].as_object_mut().context("a client")?.remove("caBundle");
        let deny_pods = hooks.hook("deny-unwanted-pod-container-name-and-label", "/pods", &["CREATE"], PODS);
        hooks.register("validating", &[deny_pods, deny, open]).await?;
        denied_pods(cluster).await?;

        let maps = cluster.resource("v1", "configmaps");
        let unwanted = json!({"webhook-e2e-test": "webhook-disallow"});
        refused_for(maps.create(&map("disallowed-configmap", unwanted.clone())).await, UNWANTED)?;
        maps.create(&map("allowed-configmap", json!({"admit": "this"}))).await?;
        let change = |object: &mut Value| object["data"]["webhook-e2e-test"] = json!("webhook-disallow");
        refused_for(maps.change("allowed-configmap", change).await, UNWANTED)?;
        let patch = json!({"data": unwanted});
        refused_for(maps.patch("allowed-configmap", PatchType::Strategic, &patch).await, UNWANTED)?;

        let exempt = format!("{}-exempt", cluster.namespace);
        cluster.new_namespace(&exempt).await?;
        let labels = json!({"metadata": {"labels": {skip.0: skip.1, &cluster.namespace: "true"}}});
        cluster.wide("v1", "namespaces").merge(&exempt, &labels).await?;
        let maps = cluster.resource_in(&exempt, "v1", "configmaps");
        let made = maps.create(&map("disallowed-configmap", unwanted)).await;
        cluster.remove(&exempt).await?;
        made.map(drop)
    })
    .await
}

async fn denied_pods(cluster: &Cluster) -> Result<()> {
    let held = cluster.resource("v1", "pods");
    let labelled = |name: &str, label: &str| {
        let mut pod = pods::pod(name, &[pods::container(label)]);
        pod["metadata"]["labels"] = json!({"webhook-e2e-test": label});
        pod
    };
    let words = ["the pod contains unwanted container name", "the pod contains unwanted label"];
    refused_for(held.create(&labelled("disallowed-pod", "webhook-disallow")).await, &words)?;
    refused_for(held.create(&labelled("hanging-pod", "wait-forever")).await, &["webhook", "deadline"])?;
    ensure!(is_refused(held.get("hanging-pod").await, 404)?, "the refused pod is there");
    Ok(())
}

#[tokio::test]
async fn admissionwebhook_deny_connect_pods_attach() -> Result<()> {
    hooked(async |cluster, hooks| {
        let hook = hooks.hook("deny-attaching-pod", "/pods/attach", &["CONNECT"], ("", "v1", "pods/attach"));
        hooks.register("validating", &[hook]).await?;
        let held = cluster.resource("v1", "pods");
        held.create(&pods::pod("to-be-attached-pod", &[pods::container("container1")])).await?;
        let runs = |pod: &Value| pod["status"]["phase"] == "Running";
        held.until("to-be-attached-pod", "a running pod", runs).await?;
        let words = ["attach", "to-be-attached-pod", "-i", "-c=container1"];
        let (code, printed) = cluster.kubectl_ends(&words, "").await?;
        let refusal = "attaching to pod 'to-be-attached-pod' is not allowed";
        ensure!(code != 0 && printed.contains(refusal), "{code}: {printed}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn admissionwebhook_deny_cr_create_update_delete() -> Result<()> {
    const UNWANTED: &[&str] = &["the custom resource contains unwanted data"];
    hooked(async |cluster, hooks| {
        let definition = async |definition: &corten_conformance::definitions::Definition<'_>| {
            let resource = (definition.group(), "v1", definition.plural());
            let all = ["CREATE", "UPDATE", "DELETE"];
            let hook = hooks.hook("deny-unwanted-custom-resource-data", "/custom-resource", &all, resource);
            hooks.register("validating", &[hook]).await?;
            let objects = definition.objects("v1");
            let data = |value: &str| json!({"data": {"webhook-e2e-test": value}});
            let unwanted = definition.instance("v1", "cr-instance-1", data("webhook-disallow"));
            refused_for(objects.create(&unwanted).await, UNWANTED)?;
            let kept = definition.instance("v1", "cr-instance-2", data("webhook-nondeletable"));
            objects.create(&kept).await?;
            let set = |value: &'static str| move |o: &mut Value| o["data"]["webhook-e2e-test"] = json!(value);
            refused_for(objects.change("cr-instance-2", set("webhook-disallow")).await, UNWANTED)?;
            let why = "the custom resource cannot be deleted because it contains unwanted key and value";
            refused_for(objects.delete("cr-instance-2").await, &[why])?;
            objects.change("cr-instance-2", set("webhook-allow")).await?;
            objects.delete("cr-instance-2").await.map(drop)
        };
        cluster.defined(Wanted::any(), definition).await
    })
    .await
}

#[tokio::test]
async fn admissionwebhook_fail_closed_without_ca() -> Result<()> {
    hooked(async |cluster, hooks| {
        let mut hook = hooks.hook("fail-closed", "/configmaps", &["CREATE"], CONFIGMAPS);
        hook["failurePolicy"] = json!("Fail");
        hook["clientConfig"].as_object_mut().context("a client")?.remove("caBundle");
        hooks.register("validating", &[hook]).await?;
        let maps = cluster.resource("v1", "configmaps");
        let refused = refusal(maps.create(&map("foo", json!({}))).await)?;
        ensure!(refused.code == 500 && refused.status.contains("InternalError"), "{refused}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn admissionwebhook_ordered_mutation_of_configmap() -> Result<()> {
    hooked(async |cluster, hooks| {
        hooks.register("mutating", &[add_data(hooks, 1), add_data(hooks, 2)]).await?;
        let maps = cluster.resource("v1", "configmaps");
        let made = maps.create(&map("to-be-mutated", json!({"mutation-start": "yes"}))).await?;
        let whole = json!({"mutation-start": "yes", "mutation-stage-1": "yes", "mutation-stage-2": "yes"});
        ensure!(made["data"] == whole, "{made}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn admissionwebhook_mutate_pod_then_default() -> Result<()> {
    hooked(async |cluster, hooks| {
        let hook = hooks.hook("adding-init-container", "/mutating-pods", &["CREATE"], PODS);
        hooks.register("mutating", &[hook]).await?;
        let pod = pods::pod("webhook-to-be-mutated", &[pods::container("example")]);
        let made = cluster.resource("v1", "pods").create(&pod).await?;
        let added = made["spec"]["initContainers"].as_array().context("no init container")?;
        ensure!(added.len() == 1 && added[0]["name"] == "webhook-added-init-container", "{added:?}");
        ensure!(added[0]["terminationMessagePolicy"] == "File", "{added:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn admissionwebhook_webhook_configs_exempt_from_webhooks() -> Result<()> {
    const GROUP: &str = "admissionregistration.k8s.io";
    hooked(async |cluster, hooks| {
        let all = |name: &str, path: &str, operation: &str| {
            let mut hook =
                hooks.hook(name, path, &[operation], (GROUP, "*", "validatingwebhookconfigurations"));
            hook["rules"][0]["resources"] =
                json!(["validatingwebhookconfigurations", "mutatingwebhookconfigurations"]);
            hook["failurePolicy"] = json!("Fail");
            hook
        };
        let deny = all("deny-webhook-configuration-deletions", "/always-deny", "DELETE");
        hooks.register("validating", &[deny]).await?;
        let label = all("add-label-to-webhook-configurations", "/add-label", "CREATE");
        hooks.register("mutating", &[label]).await?;
        for kind in Hooks::KINDS {
            let name = format!("{}-dummy", cluster.namespace);
            let mut dummy = hooks.hook("dummy", "", &["CREATE"], ("", "v1", "invalid"));
            dummy["failurePolicy"] = json!("Ignore");
            dummy["clientConfig"].as_object_mut().context("a client")?.remove("caBundle");
            let made = hooks.configurations(kind).create(&hooks.configuration(&name, &[dummy])).await?;
            ensure!(made["metadata"]["labels"]["added-label"].is_null(), "{kind} was changed: {made}");
            hooks.ready().await?;
            hooks.configurations(kind).delete(&name).await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn admissionwebhook_deny_crd_create() -> Result<()> {
    hooked(async |cluster, hooks| {
        let resource = ("apiextensions.k8s.io", "*", "customresourcedefinitions");
        let mut hook = hooks.hook("deny-crd-with-unwanted-label", "/crd", &["CREATE"], resource);
        hook.as_object_mut().context("a hook")?.remove("namespaceSelector");
        hook["objectSelector"] = json!({"matchLabels": {&cluster.namespace: "true"}});
        hooks.register("validating", &[hook]).await?;
        let labels = json!({&cluster.namespace: "true", "webhook-e2e-test": "webhook-disallow"});
        let wanted = Wanted { labels, ..Wanted::any() };
        let refused = cluster.definitions().create(&wanted.object()).await;
        refused_for(refused, &["the crd contains unwanted label"]).map(drop)
    })
    .await
}

fn stages(hooks: &Hooks<'_>, resource: (&str, &str, &str), versions: &[&str]) -> [Value; 2] {
    [1, 2].map(|stage| {
        let operations: &[&str] = if stage == 1 { &["CREATE", "UPDATE"] } else { &["CREATE"] };
        let name = format!("mutate-custom-resource-data-stage-{stage}");
        let mut hook = hooks.hook(&name, "/mutating-custom-resource", operations, resource);
        hook["rules"][0]["apiVersions"] = json!(versions);
        hook
    })
}

/// An object that is to be changed in two stages must have these data once it is created.
async fn mutated(wanted: Wanted, data: Value) -> Result<()> {
    hooked(async |cluster, hooks| {
        cluster
            .defined(wanted, async |definition| {
                let resource = (definition.group(), "v1", definition.plural());
                let served: Vec<&str> = match &definition.object["spec"]["versions"] {
                    Value::Array(versions) => versions.iter().filter_map(|v| v["name"].as_str()).collect(),
                    _ => Vec::new(),
                };
                hooks.register("mutating", &stages(hooks, resource, &served)).await?;
                let start = json!({"data": {"mutation-start": "yes"}});
                let object = definition.instance("v1", "cr-instance-1", start);
                let made = definition.objects("v1").create(&object).await?;
                ensure!(made["data"] == data, "{made}");
                Ok(())
            })
            .await
    })
    .await
}

#[tokio::test]
async fn admissionwebhook_mutate_cr() -> Result<()> {
    let data = json!({"mutation-start": "yes", "mutation-stage-1": "yes", "mutation-stage-2": "yes"});
    mutated(Wanted::any(), data).await
}

#[tokio::test]
async fn admissionwebhook_mutate_cr_then_prune() -> Result<()> {
    let text = json!({"type": "string"});
    let data = json!({"type": "object", "properties": {"mutation-start": text, "mutation-stage-1": text}});
    let schema = json!({"type": "object", "properties": {"data": data}});
    let versions = vec![version("v1", true, true, schema.clone()), version("v2", true, false, schema)];
    let data = json!({"mutation-start": "yes", "mutation-stage-1": "yes"});
    mutated(Wanted { versions, ..Wanted::any() }, data).await
}

#[tokio::test]
async fn admissionwebhook_mutate_cr_after_storage_version_switch() -> Result<()> {
    let versions = |stored: &str| -> Vec<Value> {
        ["v1", "v2"].map(|name| version(name, true, name == stored, anything())).into()
    };
    hooked(async |cluster, hooks| {
        cluster
            .defined(Wanted { versions: versions("v1"), ..Wanted::any() }, async |definition| {
                let resource = (definition.group(), "v1", definition.plural());
                hooks.register("mutating", &stages(hooks, resource, &["v1", "v2"])).await?;
                let start = json!({"data": {"mutation-start": "yes"}});
                let object = definition.instance("v1", "cr-instance-1", start);
                definition.objects("v1").create(&object).await?;
                definition.change(|object| object["spec"]["versions"] = json!(versions("v2"))).await?;
                let patch = json!([{"op": "add", "path": "/dummy", "value": "test"}]);
                let patched =
                    definition.objects("v2").patch("cr-instance-1", PatchType::Json, &patch).await?;
                let data =
                    json!({"mutation-start": "yes", "mutation-stage-1": "yes", "mutation-stage-2": "yes"});
                ensure!(patched["data"] == data && patched["dummy"] == "test", "{patched}");
                Ok(())
            })
            .await
    })
    .await
}

#[tokio::test]
async fn admissionwebhook_timeoutseconds_x_failurepolicy() -> Result<()> {
    const NAME: &str = "e2e-test-slow-webhook-configmap";
    hooked(async |cluster, hooks| {
        let maps = cluster.resource("v1", "configmaps");
        for (policy, seconds, passes) in [
            ("Fail", Some(1), false),
            ("Ignore", Some(1), true),
            ("Fail", Some(10), true),
            ("Fail", None, true),
        ] {
            let path = "/always-allow-delay-5s";
            let mut hook = hooks.hook("allow-configmap-with-delay-webhook", path, &["CREATE"], CONFIGMAPS);
            hook["failurePolicy"] = json!(policy);
            if let Some(seconds) = seconds {
                hook["timeoutSeconds"] = json!(seconds);
            }
            hooks.register("validating", &[hook]).await?;
            let made = maps.create(&map(NAME, json!({}))).await;
            if passes {
                made.with_context(|| format!("{policy} after {seconds:?} s"))?;
                maps.delete(NAME).await?;
            } else {
                let refused = refused_for(made, &["/always-allow-delay-5s?timeout=1s"])?;
                let told =
                    ["context deadline exceeded", "timeout"].iter().any(|w| refused.status.contains(w));
                ensure!(told, "{refused}");
            }
            hooks.configurations("validating").delete(&cluster.namespace).await?;
        }
        Ok(())
    })
    .await
}

/// Waits until unwanted ConfigMaps are refused, or pass.
async fn until_denied(cluster: &Cluster, denied: bool) -> Result<()> {
    let maps = cluster.resource("v1", "configmaps");
    wait(if denied { "a refusal" } else { "no refusal" }, async || {
        let name = random::name_suffix(10);
        let unwanted = map(&name, json!({"webhook-e2e-test": "webhook-disallow"}));
        match maps.create(&unwanted).await {
            Ok(_) => {
                maps.delete(&name).await?;
                Ok((!denied).then_some(()))
            }
            Err(e) => {
                let refused = e.downcast::<Refused>()?;
                ensure!(refused.status.contains("denied"), "{refused}");
                Ok(denied.then_some(()))
            }
        }
    })
    .await
}

/// Waits until ConfigMaps are changed when they are created, or left as they are.
async fn until_mutated(cluster: &Cluster, mutated: bool) -> Result<()> {
    let maps = cluster.resource("v1", "configmaps");
    wait(if mutated { "a change" } else { "no change" }, async || {
        let name = random::name_suffix(10);
        let made = maps.create(&map(&name, json!({"mutation-start": "yes"}))).await?;
        maps.delete(&name).await?;
        let changed = !made["data"]["mutation-stage-1"].is_null();
        Ok((changed == mutated).then_some(()))
    })
    .await
}

fn revision(object: &Value) -> Option<u64> {
    object["metadata"]["resourceVersion"].as_str()?.parse().ok()
}

const CREATES: &str = r#"[{"op": "replace", "path": "/webhooks/0/rules/0/operations", "value": ["CREATE"]}]"#;

/// A configuration is updated not to apply to creations, and patched to apply again.
async fn changed(
    kind: &str,
    cluster: &Cluster,
    hooks: &Hooks<'_>,
    until: impl AsyncFn(bool) -> Result<()>,
) -> Result<()> {
    let all = hooks.configurations(kind);
    let update = |object: &mut Value| object["webhooks"][0]["rules"][0]["operations"] = json!(["UPDATE"]);
    let updated = all.change(&cluster.namespace, update).await?;
    until(false).await?;
    let patch = serde_json::from_str(CREATES)?;
    let patched = all.patch(&cluster.namespace, PatchType::Json, &patch).await?;
    ensure!(revision(&updated) < revision(&patched), "the patch did not raise the revision");
    until(true).await
}

#[tokio::test]
async fn admissionwebhook_update_patch_validating_config_takes_effect() -> Result<()> {
    hooked(async |cluster, hooks| {
        hooks.register("validating", &[deny_data(hooks)]).await?;
        until_denied(cluster, true).await?;
        changed("validating", cluster, hooks, async |denied| until_denied(cluster, denied).await).await
    })
    .await
}

#[tokio::test]
async fn admissionwebhook_update_patch_mutating_config_takes_effect() -> Result<()> {
    hooked(async |cluster, hooks| {
        hooks.register("mutating", &[add_data(hooks, 1)]).await?;
        changed("mutating", cluster, hooks, async |mutated| until_mutated(cluster, mutated).await).await
    })
    .await
}

/// Ten configurations are listed, and deleted together.
async fn ten(kind: &str, cluster: &Cluster, hooks: &Hooks<'_>, hook: Value) -> Result<String> {
    let all = hooks.configurations(kind);
    for place in 0..10 {
        let name = format!("{}-{place}", cluster.namespace);
        all.create(&hooks.configuration(&name, std::slice::from_ref(&hook))).await?;
    }
    let selector = format!("?labelSelector={}%3Dtrue", cluster.namespace);
    let found = all.items(&selector).await?.len();
    ensure!(found == 10, "{found} are listed");
    hooks.ready().await?;
    Ok(selector)
}

#[tokio::test]
async fn admissionwebhook_list_deletecollection_10_validating_configs() -> Result<()> {
    hooked(async |cluster, hooks| {
        let selector = ten("validating", cluster, hooks, deny_data(hooks)).await?;
        until_denied(cluster, true).await?;
        hooks.configurations("validating").delete_all(&selector).await?;
        until_denied(cluster, false).await
    })
    .await
}

#[tokio::test]
async fn admissionwebhook_list_deletecollection_10_mutating_configs() -> Result<()> {
    hooked(async |cluster, hooks| {
        let selector = ten("mutating", cluster, hooks, add_data(hooks, 1)).await?;
        until_mutated(cluster, true).await?;
        hooks.configurations("mutating").delete_all(&selector).await?;
        until_mutated(cluster, false).await
    })
    .await
}
