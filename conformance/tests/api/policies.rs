//! ValidatingAdmissionPolicies.

use crate::crud::Crud;
use anyhow::{Result, ensure};
use corten_conformance::rest::Refused;
use corten_conformance::{Cluster, spec, wait};
use serde_json::{Value, json};

const GROUP: &str = "admissionregistration.k8s.io";
const VERSION: &str = "admissionregistration.k8s.io/v1";

#[tokio::test]
async fn vap_policy_crud_status() -> Result<()> {
    let rule = json!({
        "operations": ["CREATE"], "apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"],
    });
    let policy = json!({"spec": {
        "validations": [{"expression": "object.spec.replicas <= 100"}],
        "matchConstraints": {"resourceRules": [rule]},
    }});
    let crud = Crud {
        group: GROUP,
        plural: "validatingadmissionpolicies",
        object: policy,
        change: json!({"failurePolicy": "Ignore"}),
        again: json!({"failurePolicy": "Fail"}),
        status: true,
    };
    spec(async |cluster| crud.run(cluster).await).await
}

#[tokio::test]
async fn vap_binding_crud() -> Result<()> {
    let binding =
        json!({"spec": {"policyName": "replicalimit-policy.example.com", "validationActions": ["Deny"]}});
    let crud = Crud {
        group: GROUP,
        plural: "validatingadmissionpolicybindings",
        object: binding,
        change: json!({"validationActions": ["Warn"]}),
        again: json!({"validationActions": ["Deny"]}),
        status: false,
    };
    spec(async |cluster| crud.run(cluster).await).await
}

fn workload(name: &str, replicas: u32) -> Value {
    let labels = json!({"app": "nginx"});
    let containers = json!([{"name": "nginx", "image": "nginx:latest"}]);
    let template = json!({"metadata": {"labels": labels}, "spec": {"containers": containers}});
    json!({
        "metadata": {"name": name, "labels": labels},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template},
    })
}

/// With a policy (variables, validations) in force, a Deployment of one replica is refused, one of `passes` is not,
/// and a ReplicaSet is none of its business.
async fn enforced(cluster: &Cluster, variables: Value, validations: Value, passes: u32) -> Result<()> {
    let namespace = &cluster.namespace;
    let (policies, bindings) = (
        cluster.wide(VERSION, "validatingadmissionpolicies"),
        cluster.wide(VERSION, "validatingadmissionpolicybindings"),
    );
    let label = json!({"metadata": {"labels": {namespace: "true"}}});
    cluster.wide("v1", "namespaces").merge(namespace, &label).await?;
    let selector = json!({"matchLabels": {namespace: "true"}});
    let rule = json!({
        "operations": ["CREATE", "UPDATE"], "apiGroups": ["apps"], "apiVersions": ["v1"],
        "resources": ["deployments"],
    });
    let (policy, binding) = (format!("{namespace}.policy"), format!("{namespace}.binding"));
    policies
        .create(&json!({
            "metadata": {"name": policy},
            "spec": {
                "matchConstraints": {"namespaceSelector": selector, "resourceRules": [rule]},
                "variables": variables, "validations": validations,
            },
        }))
        .await?;
    let matched = json!({"namespaceSelector": selector});
    let spec = json!({"policyName": policy, "matchResources": matched, "validationActions": ["Deny"]});
    bindings.create(&json!({"metadata": {"name": binding}, "spec": spec})).await?;
    let result = refused_and_not(cluster, passes).await;
    bindings.delete(&binding).await?;
    policies.delete(&policy).await?;
    result
}

async fn refused_and_not(cluster: &Cluster, passes: u32) -> Result<()> {
    let deployments = cluster.resource("apps/v1", "deployments");
    wait("a policy in force", async || match deployments.create(&workload("marker-deployment", 1)).await {
        Ok(_) => {
            deployments.delete("marker-deployment").await?;
            Ok(None)
        }
        Err(e) => {
            let refused = e.downcast::<Refused>()?;
            ensure!(refused.code == 422 && refused.status.contains("\"Invalid\""), "{refused}");
            Ok(Some(()))
        }
    })
    .await?;
    deployments.create(&workload("replicated", passes)).await?;
    deployments.delete("replicated").await?;
    let sets = cluster.resource("apps/v1", "replicasets");
    sets.create(&workload("non-replicated", 1)).await?;
    sets.delete("non-replicated").await.map(drop)
}

#[tokio::test]
async fn vap_validate_deployment() -> Result<()> {
    spec(async |cluster| {
        let here = format!("namespaceObject.metadata.name == '{}'", cluster.namespace);
        let validations = json!([
            {
                "expression": "object.spec.replicas > 1",
                "messageExpression": "'wants replicas > 1, got ' + object.spec.replicas",
            },
            {"expression": here, "message": "Internal error! Other namespace should not be allowed."},
        ]);
        enforced(cluster, json!([]), validations, 2).await
    })
    .await
}

#[tokio::test]
async fn vap_variables() -> Result<()> {
    let variables = json!([
        {"name": "replicas", "expression": "object.spec.replicas"},
        {"name": "oddReplicas", "expression": "variables.replicas % 2 == 1"},
    ]);
    let validations =
        json!([{"expression": "variables.replicas > 1"}, {"expression": "variables.oddReplicas"}]);
    spec(async |cluster| enforced(cluster, variables, validations, 3).await).await
}
