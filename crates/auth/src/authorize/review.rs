//! What is wanted as the spec of a SubjectAccessReview, in JSON.

use super::Attributes;
use corten_api::authentication::v1::UserInfo;
use corten_api::selector::{Operator, Requirement};
use serde_json::{Map, Value, json};

/// The spec with all its texts, also the empty ones: as expressions see it.
pub fn review(attributes: &Attributes<'_>) -> Value {
    let UserInfo { username, uid, groups, extra } = attributes.user;
    let extra: Map<String, Value> = extra.iter().map(|(k, v)| (k.clone(), json!(v.0))).collect();
    let mut spec = json!({"user": username, "uid": uid, "groups": groups, "extra": extra});
    if !attributes.is_resource() {
        spec["nonResourceAttributes"] = json!({"path": attributes.path, "verb": attributes.verb});
        return spec;
    }
    spec["resourceAttributes"] = json!({
        "namespace": attributes.namespace,
        "verb": attributes.verb,
        "group": attributes.group,
        "version": attributes.version,
        "resource": attributes.resource,
        "subresource": attributes.subresource,
        "name": attributes.name,
    });
    let terms = attributes.fields.map_or(&[][..], |fields| &fields.terms);
    if !terms.is_empty() {
        let requirement = |(key, equal, value): &(String, bool, String)| {
            let operator = if *equal { "In" } else { "NotIn" };
            json!({"key": key, "operator": operator, "values": [value]})
        };
        let requirements: Vec<Value> = terms.iter().map(requirement).collect();
        spec["resourceAttributes"]["fieldSelector"] = json!({"requirements": requirements});
    }
    let requirements: Vec<Value> = attributes
        .labels
        .map_or(&[][..], |labels| labels.requirements())
        .iter()
        .filter_map(label_requirement)
        .collect();
    if !requirements.is_empty() {
        spec["resourceAttributes"]["labelSelector"] = json!({"requirements": requirements});
    }
    spec
}

/// What a review cannot say is left out: the question is then about more than was wanted.
fn label_requirement(requirement: &Requirement) -> Option<Value> {
    let operator = match requirement.operator {
        Operator::In | Operator::Equals | Operator::DoubleEquals => "In",
        Operator::NotIn | Operator::NotEquals => "NotIn",
        Operator::Exists => "Exists",
        Operator::DoesNotExist => "DoesNotExist",
        Operator::GreaterThan | Operator::LessThan => return None,
    };
    let mut told = json!({"key": requirement.key, "operator": operator});
    if !requirement.values.is_empty() {
        told["values"] = json!(requirement.values);
    }
    Some(told)
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::selector::{FieldSelector, Selector};

    #[test]
    fn what_is_wanted_is_told_whole() {
        let user = UserInfo { username: "jane".into(), groups: vec!["a".into()], ..UserInfo::default() };
        let fields = FieldSelector::parse("spec.nodeName=n,status.phase!=Failed").expect("a selector");
        let mut wanted = Attributes::resource(&user, "list", "", "pods");
        (wanted.fields, wanted.namespace) = (Some(&fields), "ns");
        let labels = Selector::parse("a in (c,b),!d,e>3").expect("a selector");
        wanted.labels = Some(&labels);
        let told = review(&wanted);
        assert_eq!(told["user"], "jane");
        assert_eq!(told["resourceAttributes"]["namespace"], "ns");
        assert_eq!(
            told["resourceAttributes"]["fieldSelector"]["requirements"],
            json!([
                {"key": "spec.nodeName", "operator": "In", "values": ["n"]},
                {"key": "status.phase", "operator": "NotIn", "values": ["Failed"]},
            ])
        );
        assert_eq!(
            told["resourceAttributes"]["labelSelector"]["requirements"],
            json!([
                {"key": "a", "operator": "In", "values": ["b", "c"]},
                {"key": "d", "operator": "DoesNotExist"},
            ])
        );
        let told = review(&Attributes::path(&user, "get", "/metrics"));
        assert_eq!(told["nonResourceAttributes"], json!({"path": "/metrics", "verb": "get"}));
        assert!(told.get("resourceAttributes").is_none());
    }
}
