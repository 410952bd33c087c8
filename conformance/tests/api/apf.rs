//! The kinds of flow control.

use crate::crud::Crud;
use anyhow::Result;
use corten_conformance::spec;
use serde_json::json;

const GROUP: &str = "flowcontrol.apiserver.k8s.io";

#[tokio::test]
async fn apf_flowschema_crud_status_discovery() -> Result<()> {
    let schema = json!({"spec": {
        "matchingPrecedence": 10000,
        "priorityLevelConfiguration": {"name": "global-default"},
        "distinguisherMethod": {"type": "ByUser"},
        "rules": [{
            "subjects": [{"kind": "User", "user": {"name": "example-e2e-non-existent-user"}}],
            "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
        }],
    }});
    let crud = Crud {
        group: GROUP,
        plural: "flowschemas",
        object: schema,
        change: json!({"matchingPrecedence": 9999}),
        again: json!({"matchingPrecedence": 9998}),
        status: true,
    };
    spec(async |cluster| crud.run(cluster).await).await
}

#[tokio::test]
async fn apf_prioritylevelconfiguration_crud_status_discovery() -> Result<()> {
    let level = json!({"spec": {
        "type": "Limited",
        "limited": {"nominalConcurrencyShares": 2, "limitResponse": {"type": "Reject"}},
    }});
    let crud = Crud {
        group: GROUP,
        plural: "prioritylevelconfigurations",
        object: level,
        change: json!({"limited": {"nominalConcurrencyShares": 4}}),
        again: json!({"limited": {"nominalConcurrencyShares": 6}}),
        status: true,
    };
    spec(async |cluster| crud.run(cluster).await).await
}
