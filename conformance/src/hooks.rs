//! A webhook in the cluster: the helper in a Deployment, behind a Service, with a certificate for it.

use crate::helper::{helped, with_helper};
use crate::rest::{Refused, Resource};
use crate::{Cluster, wait};
use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use corten_rt::random;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::{Value, json};

const SERVICE: &str = "e2e-test-webhook";
/// The port of the Service, and that of the container.
const PORT: u16 = 8443;
const INNER: u16 = 8444;

/// A server of the helper that runs, and how it is reached.
pub struct Hooks<'a> {
    cluster: &'a Cluster,
    /// The authority that signed the server's certificate, in base64.
    pub authority: String,
    /// A namespace in which webhooks show that they are ready.
    markers: String,
}

impl Cluster {
    /// Runs a server of the helper (`webhook`, `sample-apiserver`) behind a Service of that name, and gives the
    /// authority of its certificate, in base64.
    pub async fn serve_helper(&self, service: &str, subcommand: &str) -> Result<String> {
        self.bring_helper().await?;
        let mut authority = CertificateParams::new(Vec::new())?;
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
        let key = KeyPair::generate()?;
        let names = vec![format!("{service}.{}.svc", self.namespace)];
        let certificate = CertificateParams::new(names)?.signed_by(&key, &authority)?;
        let files = json!({"tls.crt": certificate.pem(), "tls.key": key.serialize_pem()});
        let secret = json!({"metadata": {"name": service}, "stringData": files});
        self.resource("v1", "secrets").create(&secret).await?;
        self.deploy(service, subcommand).await?;
        Ok(STANDARD.encode(authority.pem()))
    }

    async fn deploy(&self, service: &str, subcommand: &str) -> Result<()> {
        let line = format!("exec /tmp/helper {subcommand} {INNER} /tls/tls.crt /tls/tls.key");
        let mut container = helped("server", &line);
        if let Some(mounts) = container["volumeMounts"].as_array_mut() {
            mounts.push(json!({"name": "tls", "mountPath": "/tls", "readOnly": true}));
        }
        let probe = json!({"scheme": "HTTPS", "port": INNER, "path": "/readyz"});
        container["readinessProbe"] = json!({"httpGet": probe, "periodSeconds": 1, "failureThreshold": 60});
        let volumes = json!([{"name": "tls", "secret": {"secretName": service}}]);
        let labels = json!({"app": service});
        let spec = json!({"terminationGracePeriodSeconds": 0, "containers": [container], "volumes": volumes});
        let template = with_helper(json!({"metadata": {"labels": labels}, "spec": spec}));
        let deployments = self.resource("apps/v1", "deployments");
        let spec = json!({"replicas": 1, "selector": {"matchLabels": labels}, "template": template});
        deployments.create(&json!({"metadata": {"name": service}, "spec": spec})).await?;
        let spec = json!({"selector": labels, "ports": [{"port": PORT, "targetPort": INNER}]});
        self.resource("v1", "services").create(&json!({"metadata": {"name": service}, "spec": spec})).await?;
        deployments.until(service, "a ready server", |d| d["status"]["readyReplicas"] == 1).await?;
        let slices = self.resource("discovery.k8s.io/v1", "endpointslices");
        let query = format!("?labelSelector=kubernetes.io/service-name%3D{service}");
        wait("the server's endpoint", async || {
            let found = slices.items(&query).await?;
            let mut endpoints = found.iter().filter_map(|slice| slice["endpoints"].as_array()).flatten();
            Ok(endpoints.any(|endpoint| endpoint["conditions"]["ready"] == true).then_some(()))
        })
        .await
    }

    /// Runs webhooks, uses them, and takes away their configurations.
    pub async fn hooked<T>(&self, body: impl AsyncFnOnce(&Hooks<'_>) -> Result<T>) -> Result<T> {
        let authority = self.serve_helper(SERVICE, "webhook").await?;
        let markers = format!("{}-markers", self.namespace);
        self.new_namespace(&markers).await?;
        let namespaces = self.wide("v1", "namespaces");
        let label = |label: &str| json!({"metadata": {"labels": {label: "true"}}});
        namespaces.merge(&self.namespace, &label(&self.namespace)).await?;
        namespaces.merge(&markers, &label(&markers)).await?;
        let hooks = Hooks { cluster: self, authority, markers };
        let result = body(&hooks).await;
        for kind in Hooks::KINDS {
            hooks.configurations(kind).delete_all(&format!("?labelSelector={}", self.namespace)).await?;
        }
        self.remove(&hooks.markers).await?;
        result
    }
}

impl Hooks<'_> {
    /// The kinds of configurations.
    pub const KINDS: [&'static str; 2] = ["validating", "mutating"];

    /// All configurations of a kind.
    pub fn configurations(&self, kind: &str) -> Resource<'_> {
        self.cluster.wide("admissionregistration.k8s.io/v1", &format!("{kind}webhookconfigurations"))
    }

    /// How the server is reached at a path.
    pub fn client(&self, path: &str) -> Value {
        let service =
            json!({"namespace": self.cluster.namespace, "name": SERVICE, "path": path, "port": PORT});
        json!({"service": service, "caBundle": self.authority})
    }

    /// A webhook for operations on resources (`apps/v1/deployments`, `v1/pods`) of the spec's namespace.
    pub fn hook(&self, name: &str, path: &str, operations: &[&str], resource: (&str, &str, &str)) -> Value {
        let (group, version, resource) = resource;
        let rule = json!({
            "operations": operations, "apiGroups": [group], "apiVersions": [version], "resources": [resource],
        });
        json!({
            "name": format!("{name}.k8s.io"), "rules": [rule], "clientConfig": self.client(path),
            "sideEffects": "None", "admissionReviewVersions": ["v1", "v1beta1"],
            "namespaceSelector": {"matchLabels": {&self.cluster.namespace: "true"}},
        })
    }

    /// A configuration of webhooks, of which one more tells when all are ready.
    pub fn configuration(&self, name: &str, hooks: &[Value]) -> Value {
        let mut ready = self.hook(
            "is-webhook-configuration-ready",
            "/always-deny",
            &["CREATE"],
            ("", "v1", "configmaps"),
        );
        ready["failurePolicy"] = json!("Ignore");
        ready["namespaceSelector"] = json!({"matchLabels": {&self.markers: "true"}});
        ready["objectSelector"] = json!({"matchLabels": {&self.cluster.namespace: "true"}});
        let labels = json!({&self.cluster.namespace: "true"});
        let mut hooks = hooks.to_vec();
        hooks.push(ready);
        json!({"metadata": {"name": name, "labels": labels}, "webhooks": hooks})
    }

    /// Registers webhooks under the spec's name, and waits until they are called.
    pub async fn register(&self, kind: &str, hooks: &[Value]) -> Result<Value> {
        let name = self.cluster.namespace.as_str();
        let made = self.configurations(kind).create(&self.configuration(name, hooks)).await?;
        self.ready().await?;
        Ok(made)
    }

    /// Waits until the latest configuration is in use.
    pub async fn ready(&self) -> Result<()> {
        let maps = self.cluster.resource_in(&self.markers, "v1", "configmaps");
        wait("webhooks that are called", async || {
            let name = random::name_suffix(10);
            let labels = json!({&self.cluster.namespace: "true"});
            match maps.create(&json!({"metadata": {"name": name, "labels": labels}})).await {
                Ok(_) => {
                    maps.delete(&name).await?;
                    Ok(None)
                }
                Err(e) => match e.downcast_ref::<Refused>() {
                    Some(refused) if refused.status.contains("denied") => Ok(Some(())),
                    _ => Err(e).context("a marker"),
                },
            }
        })
        .await
    }
}
