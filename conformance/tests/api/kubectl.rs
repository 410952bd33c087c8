//! SIG CLI: stock `kubectl` on workloads.

use crate::guestbook;
use anyhow::{Context, Result, ensure};
use corten_conformance::{Cluster, pods, spec, wait};
use corten_rt::sleep;
use serde_json::{Value, json};
use std::time::Duration;

/// Another name for an image: it is never pulled where it is used.
const OTHER_IMAGE: &str = "corten.local/other:1";

/// A controller of one web server and its Service.
fn primary() -> (Value, Value) {
    let labels = json!({"app": "agnhost", "role": "primary"});
    let mut template = pods::template(&labels);
    let mut server = pods::shell("agnhost-primary", "echo Paused; exec sleep 100000");
    server["ports"] = json!([{"name": "agnhost-server", "containerPort": 6379}]);
    template["spec"]["containers"] = json!([server]);
    let controller = json!({
        "apiVersion": "v1", "kind": "ReplicationController",
        "metadata": {"name": "agnhost-primary", "labels": labels},
        "spec": {"replicas": 1, "selector": labels, "template": template},
    });
    let service = json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "agnhost-primary", "labels": labels},
        "spec": {"ports": [{"port": 6379, "targetPort": "agnhost-server"}], "selector": labels},
    });
    (controller, service)
}

/// Creates the controller (and the Service) and waits for its pod, whose name it gives.
async fn start(cluster: &Cluster, objects: &[&Value]) -> Result<String> {
    for object in objects {
        cluster.kubectl_with(&["create", "-f", "-"], &object.to_string()).await?;
    }
    wait("the running pod", async || {
        let found = cluster.resource("v1", "pods").items("?labelSelector=app%3Dagnhost").await?;
        let running = found.iter().find(|pod| pod["status"]["phase"] == "Running");
        Ok(running.and_then(|pod| Some(pod["metadata"]["name"].as_str()?.to_string())))
    })
    .await
}

/// Some line must have each group of words.
fn tells(printed: &str, wanted: &[&[&str]]) -> Result<()> {
    let mut lines = printed.lines();
    for words in wanted {
        let found = lines.any(|line| words.iter().all(|word| line.contains(word)));
        ensure!(found, "no line with {words:?}, in this order, in:\n{printed}");
    }
    Ok(())
}

#[tokio::test]
async fn kubectl_describe_pod_rc_svc_node_ns() -> Result<()> {
    spec(async |cluster| {
        let (controller, service) = primary();
        let pod = start(cluster, &[&controller, &service]).await?;
        let namespace = cluster.namespace.as_str();
        let describe = async |kind: &str, name: &str| cluster.kubectl(&["describe", kind, name]).await;
        let wanted: [&[&str]; 12] = [
            &["Name:", "agnhost-primary-"],
            &["Namespace:", namespace],
            &["Node:"],
            &["Labels:", "app=agnhost"],
            &["role=primary"],
            &["Annotations:"],
            &["Status:", "Running"],
            &["IP:"],
            &["Controlled By:", "ReplicationController/agnhost-primary"],
            &["Image:", pods::IMAGE],
            &["State:", "Running"],
            &["QoS Class:", "BestEffort"],
        ];
        tells(&describe("pod", &pod).await?, &wanted)?;
        let wanted: [&[&str]; 11] = [
            &["Name:", "agnhost-primary"],
            &["Namespace:", namespace],
            &["Selector:", "app=agnhost,role=primary"],
            &["Labels:", "app=agnhost"],
            &["role=primary"],
            &["Annotations:"],
            &["Replicas:", "1 current", "1 desired"],
            &["Pods Status:", "1 Running", "0 Waiting", "0 Succeeded", "0 Failed"],
            &["Pod Template:"],
            &["Image:", pods::IMAGE],
            &["Events:"],
        ];
        wait("the controller's description", async || {
            Ok(tells(&describe("rc", "agnhost-primary").await?, &wanted).ok())
        })
        .await?;
        let wanted: [&[&str]; 11] = [
            &["Name:", "agnhost-primary"],
            &["Namespace:", namespace],
            &["Labels:", "app=agnhost"],
            &["role=primary"],
            &["Annotations:"],
            &["Selector:", "app=agnhost", "role=primary"],
            &["Type:", "ClusterIP"],
            &["IP:"],
            &["Port:", "<unset>", "6379/TCP"],
            &["Endpoints:"],
            &["Session Affinity:", "None"],
        ];
        tells(&describe("service", "agnhost-primary").await?, &wanted)?;
        let nodes = cluster.wide("v1", "nodes").items("").await?;
        let node = nodes[0]["metadata"]["name"].as_str().context("a node's name")?;
        let wanted: [&[&str]; 14] = [
            &["Name:", node],
            &["Labels:"],
            &["Annotations:"],
            &["CreationTimestamp:"],
            &["Conditions:"],
            &["Type", "Status", "LastHeartbeatTime", "LastTransitionTime", "Reason", "Message"],
            &["Addresses:"],
            &["Capacity:"],
            &["Kernel Version:"],
            &["OS Image:"],
            &["Container Runtime Version:"],
            &["Kubelet Version:"],
            &["Kube-Proxy Version:"],
            &["Pods:"],
        ];
        tells(&describe("node", node).await?, &wanted)?;
        let wanted: [&[&str]; 4] =
            [&["Name:", namespace], &["Labels:"], &["Annotations:"], &["Status:", "Active"]];
        tells(&describe("namespace", namespace).await?, &wanted)
    })
    .await
}

/// The Service leads to the one pod's port.
async fn exposed(cluster: &Cluster, name: &str, port: u16) -> Result<()> {
    let service = cluster.resource("v1", "services").get(name).await?;
    let ports = service["spec"]["ports"].as_array().context("ports")?;
    ensure!(ports.len() == 1 && ports[0]["port"] == port && ports[0]["targetPort"] == 6379, "{service}");
    let slices = cluster.resource("discovery.k8s.io/v1", "endpointslices");
    wait(&format!("an endpoint of {name}"), async || {
        let found = slices.items(&format!("?labelSelector=kubernetes.io/service-name%3D{name}")).await?;
        let all: Vec<_> =
            found.iter().filter(|s| s["endpoints"].as_array().is_some_and(|e| !e.is_empty())).collect();
        ensure!(all.len() <= 1, "too many slices: {all:?}");
        let Some(slice) = all.first() else { return Ok(None) };
        ensure!(slice["endpoints"].as_array().is_some_and(|e| e.len() == 1), "too many endpoints: {slice}");
        ensure!(slice["ports"][0]["port"] == 6379, "{slice}");
        Ok(Some(()))
    })
    .await
}

#[tokio::test]
async fn kubectl_expose_rc() -> Result<()> {
    spec(async |cluster| {
        let pod = start(cluster, &[&primary().0]).await?;
        cluster
            .until_logs(&pod, "agnhost-primary", "the server's word", |log| log.contains("Paused"))
            .await?;
        let words = ["expose", "rc", "agnhost-primary", "--name=rm2", "--port=1234", "--target-port=6379"];
        cluster.kubectl(&words).await?;
        exposed(cluster, "rm2", 1234).await?;
        let words = ["expose", "service", "rm2", "--name=rm3", "--port=2345", "--target-port=6379"];
        cluster.kubectl(&words).await?;
        exposed(cluster, "rm3", 2345).await
    })
    .await
}

#[tokio::test]
async fn kubectl_patch_annotations() -> Result<()> {
    spec(async |cluster| {
        let pod = start(cluster, &[&primary().0]).await?;
        let patch = r#"{"metadata":{"annotations":{"x":"y"}}}"#;
        cluster.kubectl(&["patch", "pod", &pod, "-p", patch]).await?;
        let patched = cluster.resource("v1", "pods").get(&pod).await?;
        ensure!(patched["metadata"]["annotations"]["x"] == "y", "{patched}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn kubectl_diff() -> Result<()> {
    let labels = json!({"app": "diff"});
    let mut deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "httpd-deployment"},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": pods::template(&labels)},
    });
    spec(async |cluster| {
        cluster.kubectl_with(&["create", "-f", "-"], &deployment.to_string()).await?;
        deployment["spec"]["template"]["spec"]["containers"][0]["image"] = json!(OTHER_IMAGE);
        let (code, printed) = cluster.kubectl_ends(&["diff", "-f", "-"], &deployment.to_string()).await?;
        ensure!(code == 1, "kubectl diff ended with {code}: {printed}");
        for image in [pods::IMAGE, OTHER_IMAGE] {
            ensure!(printed.contains(image), "no {image} in {printed}");
        }
        cluster.kubectl_with(&["delete", "-f", "-"], &deployment.to_string()).await.map(drop)
    })
    .await
}

/// Runs a pod of the usual image.
async fn run(cluster: &Cluster, name: &str) -> Result<()> {
    let (image, label) = (format!("--image={}", pods::IMAGE), format!("--labels=run={name}"));
    cluster.kubectl(&["run", name, &image, &label, "--pod-running-timeout=2m0s"]).await.map(drop)
}

#[tokio::test]
async fn kubectl_server_side_dry_run() -> Result<()> {
    const NAME: &str = "e2e-test-agnhost-pod";
    spec(async |cluster| {
        run(cluster, NAME).await?;
        let patch = json!({"spec": {"containers": [{"name": NAME, "image": OTHER_IMAGE}]}}).to_string();
        cluster.kubectl(&["patch", "pod", NAME, "-p", &patch, "--dry-run=server"]).await?;
        let pod = cluster.resource("v1", "pods").get(NAME).await?;
        ensure!(pod["spec"]["containers"][0]["image"] == pods::IMAGE, "{pod}");
        cluster.kubectl(&["delete", "pods", NAME, "--grace-period=1"]).await.map(drop)
    })
    .await
}

#[tokio::test]
async fn kubectl_replace_pod_image() -> Result<()> {
    const NAME: &str = "e2e-test-agnhost-pod";
    spec(async |cluster| {
        run(cluster, NAME).await?;
        let pods = cluster.resource("v1", "pods");
        pods.until(NAME, "a running pod", |pod| pod["status"]["phase"] == "Running").await?;
        let pod = cluster.kubectl(&["get", "pod", NAME, "-o", "json"]).await?;
        ensure!(pod.contains(NAME), "{pod}");
        let other = pod.replacen(pods::IMAGE, OTHER_IMAGE, 1);
        cluster.kubectl_with(&["replace", "-f", "-"], &other).await?;
        let pod = pods.get(NAME).await?;
        ensure!(pod["spec"]["containers"][0]["image"] == OTHER_IMAGE, "{pod}");
        cluster.kubectl(&["delete", "pods", NAME, "--grace-period=1"]).await.map(drop)
    })
    .await
}

const DEMO: &str = "update-demo";

/// The controller of the demonstration: pods that serve the name of their picture.
fn demo() -> Value {
    let labels = json!({"name": DEMO, "version": "nautilus"});
    let mut template = pods::template(&labels);
    let line =
        r#"mkdir /tmp/www; echo '{"image": "nautilus.jpg"}' >/tmp/www/data.json; exec httpd -f -h /tmp/www"#;
    let mut server = pods::shell(DEMO, line);
    server["ports"] = json!([{"containerPort": 80}]);
    template["spec"]["containers"] = json!([server]);
    json!({
        "apiVersion": "v1", "kind": "ReplicationController", "metadata": {"name": "update-demo-nautilus"},
        "spec": {"replicas": 2, "selector": labels, "template": template},
    })
}

/// Waits until as many pods run as are wanted, and all of them serve; asks as upstream does, by templates and the
/// proxy to pods.
async fn validate(cluster: &Cluster, wanted: usize) -> Result<()> {
    let names = "--template={{range .items}}{{.metadata.name}} {{end}}";
    let runs = r#"--template={{if (exists . "status" "containerStatuses")}}{{range .status.containerStatuses}}{{if (and (eq .name "update-demo") (exists . "state" "running"))}}true{{end}}{{end}}{{end}}"#;
    let image = r#"--template={{if (exists . "spec" "containers")}}{{range .spec.containers}}{{if eq .name "update-demo"}}{{.image}}{{end}}{{end}}{{end}}"#;
    wait(&format!("{wanted} pods that serve"), async || {
        let printed =
            cluster.kubectl(&["get", "pods", "-o", "template", names, "-l", "name=update-demo"]).await?;
        let found: Vec<&str> = printed.split_whitespace().collect();
        if found.len() != wanted {
            return Ok(None);
        }
        for pod in found {
            let Ok(state) = cluster.kubectl(&["get", "pods", pod, "-o", "template", runs]).await else {
                return Ok(None);
            };
            if state != "true" {
                return Ok(None);
            }
            ensure!(
                cluster.kubectl(&["get", "pods", pod, "-o", "template", image]).await? == pods::IMAGE,
                "{pod}"
            );
            let path = format!("/api/v1/namespaces/{}/pods/{pod}/proxy/data.json", cluster.namespace);
            match cluster.read(&path).await {
                Ok(data) => ensure!(data["image"] == "nautilus.jpg", "{data}"),
                Err(_) => return Ok(None),
            }
        }
        Ok(Some(()))
    })
    .await
}

/// Deletes the controller as users do, and sees that nothing is left.
async fn clean(cluster: &Cluster) -> Result<()> {
    let words = ["delete", "--grace-period=0", "--force", "-f", "-"];
    cluster.kubectl_with(&words, &demo().to_string()).await?;
    wait("no pods of the demonstration", async || {
        let words = ["get", "rc,svc,pods", "-l", "name=update-demo", "--no-headers"];
        Ok(cluster.kubectl(&words).await?.trim().is_empty().then_some(()))
    })
    .await
}

#[tokio::test]
async fn kubectl_update_demo_create() -> Result<()> {
    spec(async |cluster| {
        cluster.kubectl_with(&["create", "-f", "-"], &demo().to_string()).await?;
        validate(cluster, 2).await?;
        clean(cluster).await
    })
    .await
}

#[tokio::test]
async fn kubectl_update_demo_scale() -> Result<()> {
    spec(async |cluster| {
        cluster.kubectl_with(&["create", "-f", "-"], &demo().to_string()).await?;
        validate(cluster, 2).await?;
        for replicas in [1, 2] {
            let flag = format!("--replicas={replicas}");
            cluster.kubectl(&["scale", "rc", "update-demo-nautilus", &flag, "--timeout=5m"]).await?;
            validate(cluster, replicas).await?;
        }
        clean(cluster).await
    })
    .await
}

#[tokio::test]
async fn kubectl_guestbook() -> Result<()> {
    spec(async |cluster| {
        let objects = guestbook::objects();
        for object in &objects {
            cluster.kubectl_with(&["create", "-f", "-"], &object.to_string()).await?;
        }
        let ask = async |query: &str, wanted: &str| {
            let path = format!(
                "/api/v1/namespaces/{}/services/frontend/proxy/cgi-bin/guestbook?{query}",
                cluster.namespace
            );
            wait(&format!("{wanted} of {query}"), async || {
                let reply = cluster.ask(http::Method::GET, &path).send().await?;
                Ok((reply.code == 200 && reply.text().trim() == wanted).then_some(()))
            })
            .await
        };
        ask("cmd=get&key=messages", r#"{"data":""}"#).await?;
        ask("cmd=set&key=messages&value=TestEntry", r#"{"message":"Updated"}"#).await?;
        ask("cmd=get&key=messages", r#"{"data":"TestEntry"}"#).await?;
        for object in &objects {
            let words = ["delete", "--grace-period=0", "--force", "-f", "-"];
            cluster.kubectl_with(&words, &object.to_string()).await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn kubectl_logs_filters() -> Result<()> {
    const POD: &str = "logs-generator";
    let line = "for i in $(seq 100); do echo GET /api/v1/namespaces/kube-system/pods/$i; sleep 0.2; done";
    spec(async |cluster| {
        let image = format!("--image={}", pods::IMAGE);
        let words = ["run", POD, &image, "--restart=Never", "--command", "--", "sh", "-c", line];
        cluster.kubectl(&words).await?;
        let ended =
            |pod: &Value| ["Running", "Succeeded"].iter().any(|phase| pod["status"]["phase"] == *phase);
        cluster.resource("v1", "pods").until(POD, "a running pod", ended).await?;
        cluster.until_logs(POD, POD, "five lines", |log| log.lines().count() > 5).await?;
        let logs = async |flags: &[&str]| cluster.kubectl(&[&["logs", POD, POD], flags].concat()).await;
        let last = logs(&["--tail=1"]).await?;
        ensure!(last.trim_end().lines().count() == 1 && last.contains("kube-system"), "{last:?}");
        let byte = logs(&["--limit-bytes=1"]).await?;
        ensure!(byte == "G", "{byte:?}");
        let stamped = logs(&["--tail=1", "--timestamps"]).await?;
        ensure!(stamped.trim_end().lines().count() == 1, "{stamped:?}");
        let (stamp, rest) = stamped.split_once(' ').context("a stamp and a line")?;
        ensure!(stamp.parse::<jiff::Timestamp>().is_ok() && rest.starts_with("GET"), "{stamped:?}");
        // The first lines must be older than a second.
        sleep(Duration::from_millis(2500)).await;
        let recent = logs(&["--since=1s"]).await?.lines().count();
        let older = logs(&["--since=24h"]).await?.lines().count();
        ensure!(recent < older, "{recent} lines of the last second, {older} of the day");
        cluster.kubectl(&["delete", "pod", POD, "--grace-period=1"]).await.map(drop)
    })
    .await
}
