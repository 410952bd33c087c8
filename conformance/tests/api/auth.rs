//! SIG Auth: service accounts, their tokens, and who may do what.

use anyhow::{Context, Result, ensure};
use corten_conformance::helper::{helped, with_helper};
use corten_conformance::rest::{Resource, refusal};
use corten_conformance::{Cluster, pods, spec};
use corten_rt::random;
use http::Method;
use serde_json::{Value, json};

const MOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

#[tokio::test]
async fn serviceaccounts_opt_out_of_automount() -> Result<()> {
    spec(async |cluster| {
        let (accounts, held) = (cluster.resource("v1", "serviceaccounts"), cluster.resource("v1", "pods"));
        for (name, automount) in [("mount", true), ("nomount", false)] {
            let account = json!({"metadata": {"name": name}, "automountServiceAccountToken": automount});
            accounts.create(&account).await?;
        }
        for (account, of_account) in [("default", true), ("mount", true), ("nomount", false)] {
            for of_pod in [None, Some(true), Some(false)] {
                let name = format!("{account}-{}", of_pod.map_or("unsaid".into(), |on| on.to_string()));
                let mut pod = pods::pod(&name, &[pods::container("token-test")]);
                pod["spec"]["serviceAccountName"] = json!(account);
                pod["spec"]["automountServiceAccountToken"] = json!(of_pod);
                let made = held.create(&pod).await?;
                let mounts = made["spec"]["containers"][0]["volumeMounts"].as_array();
                let mounted = mounts.is_some_and(|all| all.iter().any(|m| m["mountPath"] == MOUNT));
                ensure!(mounted == of_pod.unwrap_or(of_account), "{name}: {made}");
            }
        }
        Ok(())
    })
    .await
}

fn token_volume(seconds: u32, audience: Option<&str>) -> Value {
    let mut token = json!({"path": "token", "expirationSeconds": seconds});
    if let Some(audience) = audience {
        token["audience"] = json!(audience);
    }
    json!({"projected": {"sources": [{"serviceAccountToken": token}]}})
}

#[tokio::test]
async fn serviceaccounts_projected_token() -> Result<()> {
    spec(async |cluster| {
        let container =
            pods::mounting(pods::shell("reader", "cat /test-volume/token"), &[("token", "/test-volume")]);
        let pod =
            pods::with_volumes(pods::pod("reader", &[container]), &[("token", token_volume(3600, None))]);
        let (phase, output) = cluster.output_of(pod, "reader").await?;
        let parts: Vec<_> = output.trim().split('.').collect();
        let letters = |part: &&str| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_=".contains(&b))
        };
        ensure!(phase == "Succeeded" && parts.len() == 3 && parts.iter().all(letters), "{phase}: {output:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn serviceaccounts_token_create_tokenreview() -> Result<()> {
    spec(async |cluster| {
        let (accounts, name) =
            (cluster.resource("v1", "serviceaccounts"), format!("e2e-sa-{}", random::name_suffix(5)));
        accounts.create(&json!({"metadata": {"name": name}})).await?;
        let path = format!("{}/{name}/token", accounts.path);
        let request = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}});
        let made = cluster.ask(Method::POST, &path).json(&request).ok().await?;
        let token = made["status"]["token"].as_str().filter(|t| !t.is_empty()).context("no token")?;
        let reviews = cluster.wide("authentication.k8s.io/v1", "tokenreviews");
        let status = reviews.create(&json!({"spec": {"token": token}})).await?["status"].take();
        ensure!(status["authenticated"] == true && status["error"].is_null(), "{status}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn serviceaccounts_oidc_issuer_discovery_from_pod() -> Result<()> {
    const ROLE: &str = "system:service-account-issuer-discovery";
    spec(async |cluster| {
        let bindings = cluster.wide("rbac.authorization.k8s.io/v1", "clusterrolebindings");
        let name = format!("{}-{ROLE}", cluster.namespace);
        let subject = json!({"kind": "ServiceAccount", "name": "default", "namespace": cluster.namespace});
        let role = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": ROLE});
        let binding = json!({"metadata": {"name": name}, "subjects": [subject], "roleRef": role});
        bindings.create(&binding).await?;
        let result = validated(cluster).await;
        bindings.delete(&name).await?;
        result
    })
    .await
}

/// A pod checks its own token by what the issuer publishes, reached as pods reach the API.
async fn validated(cluster: &Cluster) -> Result<()> {
    cluster.bring_helper().await?;
    let line = "/tmp/helper oidc /tokens/token oidc-discovery-test";
    let mut container = helped("validator", line);
    if let Some(mounts) = container["volumeMounts"].as_array_mut() {
        mounts.push(json!({"name": "token", "mountPath": "/tokens", "readOnly": true}));
    }
    let pod = pods::pod("oidc-discovery-validator", &[container]);
    let volume = token_volume(600, Some("oidc-discovery-test"));
    let pod = with_helper(pods::with_volumes(pod, &[("token", volume)]));
    let (phase, output) = cluster.output_of(pod, "validator").await?;
    let account = format!("valid: system:serviceaccount:{}:default", cluster.namespace);
    ensure!(phase == "Succeeded" && output.lines().any(|line| line == account), "{phase}: {output}");
    Ok(())
}

/// What a review of either kind says of listing ConfigMaps.
async fn reviewed(
    reviews: &Resource<'_>,
    cluster: &Cluster,
    user: &str,
    groups: &[String],
    uid: &Value,
) -> Result<bool> {
    let attributes =
        json!({"verb": "list", "resource": "configmaps", "namespace": cluster.namespace, "version": "v1"});
    let review = json!({
        "metadata": {"namespace": cluster.namespace},
        "spec": {"resourceAttributes": attributes, "user": user, "groups": groups, "uid": uid},
    });
    let made = reviews.create(&review).await?;
    made["status"]["allowed"].as_bool().with_context(|| format!("no verdict: {made}"))
}

#[tokio::test]
async fn subjectreview_sar_localsar_with_impersonation() -> Result<()> {
    const GROUP: &str = "authorization.k8s.io/v1";
    spec(async |cluster| {
        let namespace = &cluster.namespace;
        let accounts = cluster.resource("v1", "serviceaccounts");
        let account = accounts.create(&json!({"metadata": {"name": "e2e"}})).await?;
        let user = format!("system:serviceaccount:{namespace}:e2e");
        let uid = &account["metadata"]["uid"];
        let groups = ["authenticated", "serviceaccounts", &format!("serviceaccounts:{namespace}")]
            .map(|group| format!("system:{group}"));
        let sar = cluster.wide(GROUP, "subjectaccessreviews");
        let local = cluster.resource(GROUP, "localsubjectaccessreviews");
        for allowed in [false, true] {
            if allowed {
                allow(cluster).await?;
            }
            let mut list = cluster.ask(Method::GET, &cluster.resource("v1", "configmaps").path);
            list = list.header("Impersonate-User", &user);
            list = list.header("Impersonate-Uid", uid.as_str().context("a uid")?);
            for group in &groups {
                list = list.header("Impersonate-Group", group);
            }
            let done = list.ok().await;
            if !allowed {
                let refused = refusal(done)?;
                ensure!(refused.code == 403, "{refused}");
            } else {
                done?;
            }
            let said = reviewed(&sar, cluster, &user, &groups, uid).await?;
            ensure!(said == allowed, "SubjectAccessReview: {said}");
            let said = reviewed(&local, cluster, &user, &groups, uid).await?;
            ensure!(said == allowed, "LocalSubjectAccessReview: {said}");
        }
        Ok(())
    })
    .await
}

/// The spec's account may read ConfigMaps from now on.
async fn allow(cluster: &Cluster) -> Result<()> {
    const GROUP: &str = "rbac.authorization.k8s.io";
    let rule = json!({"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]});
    let role = json!({"metadata": {"name": "lists"}, "rules": [rule]});
    cluster.resource("rbac.authorization.k8s.io/v1", "roles").create(&role).await?;
    let binding = json!({
        "metadata": {"name": "lists"},
        "subjects": [{"kind": "ServiceAccount", "name": "e2e", "namespace": cluster.namespace}],
        "roleRef": {"apiGroup": GROUP, "kind": "Role", "name": "lists"},
    });
    cluster.resource("rbac.authorization.k8s.io/v1", "rolebindings").create(&binding).await?;
    Ok(())
}
