//! Access reviews: whether somebody may do something, possibly with less than all objects of a resource.

use corten_api::authentication::v1::UserInfo;
use corten_api::authorization::v1::{
    FieldSelectorAttributes, LabelSelectorAttributes, LocalSubjectAccessReview, NonResourceAttributes,
    ResourceAttributes, SelfSubjectAccessReview, SubjectAccessReview, SubjectAccessReviewSpec,
    SubjectAccessReviewStatus,
};
use corten_api::meta::v1::ObjectMeta;
use corten_auth::authorize::Narrowed;
use corten_auth::{Attributes, Authorizer};
use corten_codec::json;
use corten_kinds::selectors;
use corten_semantics::field::FieldError;
use corten_semantics::{ApiError, ApiResult};

const GROUP: &str = "authorization.k8s.io";

/// Answers a question about anybody.
pub fn anywhere(authorizer: &Authorizer, review: &mut SubjectAccessReview) -> ApiResult<()> {
    review.metadata.namespace.clear();
    let mut errors = spec(&review.spec);
    errors.extend(metadata(&review.metadata, "must be empty"));
    refused("SubjectAccessReview", errors)?;
    review.status = answer(authorizer, &asked_user(&review.spec), &review.spec);
    Ok(())
}

/// Answers a question about who asks.
pub fn own(authorizer: &Authorizer, review: &mut SelfSubjectAccessReview, user: &UserInfo) -> ApiResult<()> {
    review.metadata.namespace.clear();
    let asked = SubjectAccessReviewSpec {
        resource_attributes: review.spec.resource_attributes.clone(),
        non_resource_attributes: review.spec.non_resource_attributes.clone(),
        ..SubjectAccessReviewSpec::default()
    };
    let mut errors: Vec<FieldError> = wanted(&asked).into_iter().collect();
    errors.extend(narrowed(&asked));
    errors.extend(metadata(&review.metadata, "must be empty"));
    refused("SelfSubjectAccessReview", errors)?;
    review.status = answer(authorizer, user, &asked);
    Ok(())
}

/// Answers a question about anybody in the namespace of the request.
pub fn local(
    authorizer: &Authorizer,
    review: &mut LocalSubjectAccessReview,
    namespace: &str,
) -> ApiResult<()> {
    if !review.metadata.namespace.is_empty() && review.metadata.namespace != namespace {
        let why = "the namespace of the provided object does not match the namespace sent on the request";
        return Err(ApiError::bad_request(why));
    }
    review.metadata.namespace = namespace.to_string();
    let mut errors = spec(&review.spec);
    let unnamed = ObjectMeta { namespace: String::new(), ..review.metadata.clone() };
    // The message shows the namespace too.
    if metadata(&unnamed, "").is_some() {
        errors.extend(metadata(&review.metadata, "must be empty except for namespace"));
    }
    if let Some(asked) = review.spec.resource_attributes.as_ref().filter(|a| a.namespace != namespace) {
        let path = "spec.resourceAttributes.namespace";
        errors.push(FieldError::invalid(path, &asked.namespace, "must match metadata.namespace"));
    }
    if let Some(asked) = &review.spec.non_resource_attributes {
        let why = "disallowed on this kind of request";
        errors.push(shown("spec.nonResourceAttributes", path_attributes(asked), why));
    }
    refused("LocalSubjectAccessReview", errors)?;
    review.status = answer(authorizer, &asked_user(&review.spec), &review.spec);
    Ok(())
}

fn refused(kind: &str, errors: Vec<FieldError>) -> ApiResult<()> {
    if errors.is_empty() { Ok(()) } else { Err(ApiError::invalid(GROUP, kind, "", &errors)) }
}

fn shown(path: &str, value: String, why: &str) -> FieldError {
    FieldError { value, ..FieldError::invalid(path, "", why) }
}

fn path_attributes(asked: &NonResourceAttributes) -> String {
    format!("{{\"Path\":{:?},\"Verb\":{:?}}}", asked.path, asked.verb)
}

fn spec(spec: &SubjectAccessReviewSpec) -> Vec<FieldError> {
    let mut errors: Vec<FieldError> = wanted(spec).into_iter().collect();
    if spec.user.is_empty() && spec.groups.is_empty() {
        let why = "at least one of user or group must be specified";
        errors.push(FieldError::invalid("spec.user", "", why));
    }
    errors.extend(narrowed(spec));
    errors
}

fn wanted(spec: &SubjectAccessReviewSpec) -> Option<FieldError> {
    match (&spec.resource_attributes, &spec.non_resource_attributes) {
        (Some(_), Some(asked)) => Some(shown(
            "spec.nonResourceAttributes",
            path_attributes(asked),
            "cannot be specified in combination with resourceAttributes",
        )),
        (None, None) => Some(shown(
            "spec.resourceAttributes",
            "null".into(),
            "exactly one of nonResourceAttributes or resourceAttributes must be specified",
        )),
        _ => None,
    }
}

fn metadata(meta: &ObjectMeta, why: &str) -> Option<FieldError> {
    let meta = ObjectMeta { managed_fields: Vec::new(), ..meta.clone() };
    (meta != ObjectMeta::default()).then(|| {
        let text = String::from_utf8_lossy(&json::encode_struct(&meta)).into_owned();
        shown("metadata", text, why)
    })
}

fn narrowed(spec: &SubjectAccessReviewSpec) -> Vec<FieldError> {
    let Some(asked) = &spec.resource_attributes else { return Vec::new() };
    let mut errors = Vec::new();
    if let Some(selector) = &asked.field_selector {
        let FieldSelectorAttributes { raw_selector, requirements } = &**selector;
        let path = "spec.resourceAttributes.fieldSelector";
        errors.extend(either(path, raw_selector, requirements.is_empty()));
        for (i, requirement) in requirements.iter().enumerate() {
            let path = format!("{path}.requirements[{i}]");
            errors.extend(selectors::validate_field_requirement(requirement, &path));
        }
    }
    if let Some(selector) = &asked.label_selector {
        let LabelSelectorAttributes { raw_selector, requirements } = &**selector;
        let path = "spec.resourceAttributes.labelSelector";
        errors.extend(either(path, raw_selector, requirements.is_empty()));
        for (i, requirement) in requirements.iter().enumerate() {
            let path = format!("{path}.requirements[{i}]");
            errors.extend(selectors::validate_requirement(requirement, &path, true));
        }
    }
    errors
}

fn either(path: &str, raw: &str, no_requirements: bool) -> Option<FieldError> {
    match (raw.is_empty(), no_requirements) {
        (false, false) => {
            let why = "may not specified at the same time as requirements";
            Some(FieldError::invalid(format!("{path}.rawSelector"), raw, why))
        }
        (true, true) => {
            let why = format!("when {path} is specified, requirements or rawSelector is required");
            Some(FieldError::required(format!("{path}.requirements"), why))
        }
        _ => None,
    }
}

fn asked_user(spec: &SubjectAccessReviewSpec) -> UserInfo {
    UserInfo {
        username: spec.user.clone(),
        uid: spec.uid.clone(),
        groups: spec.groups.clone(),
        extra: spec.extra.clone(),
    }
}

fn answer(
    authorizer: &Authorizer,
    user: &UserInfo,
    spec: &SubjectAccessReviewSpec,
) -> SubjectAccessReviewStatus {
    let (decision, narrowed) = match (&spec.resource_attributes, &spec.non_resource_attributes) {
        (Some(asked), _) => {
            let narrowed = Narrowed::of(asked);
            (authorizer.authorize(&of_resource(user, asked, &narrowed)), narrowed)
        }
        (None, Some(asked)) => {
            let attributes = Attributes::path(user, &asked.verb, &asked.path);
            (authorizer.authorize(&attributes), Narrowed::default())
        }
        (None, None) => return SubjectAccessReviewStatus::default(),
    };
    SubjectAccessReviewStatus {
        allowed: decision.allowed,
        denied: decision.denied,
        reason: decision.reason.to_string(),
        evaluation_error: narrowed.evaluation_error(decision.error),
    }
}

fn of_resource<'a>(
    user: &'a UserInfo,
    asked: &'a ResourceAttributes,
    narrowed: &'a Narrowed,
) -> Attributes<'a> {
    Attributes {
        version: if asked.version.is_empty() { "*" } else { &asked.version },
        subresource: &asked.subresource,
        namespace: &asked.namespace,
        name: &asked.name,
        fields: narrowed.fields.as_ref(),
        labels: narrowed.labels.as_ref(),
        ..Attributes::resource(user, &asked.verb, &asked.group, &asked.resource)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::meta::v1::{FieldSelectorRequirement, LabelSelectorRequirement};

    fn asked(change: impl FnOnce(&mut ResourceAttributes)) -> SubjectAccessReview {
        let mut attributes = Box::new(ResourceAttributes::default());
        (attributes.verb, attributes.resource) = ("list".into(), "pods".into());
        change(&mut attributes);
        let mut review = SubjectAccessReview::default();
        review.spec.user = "system:node:n1".into();
        review.spec.groups = vec!["system:nodes".into()];
        review.spec.resource_attributes = Some(attributes);
        review
    }

    fn fields(raw: &str, operators: &[&str]) -> Option<Box<FieldSelectorAttributes>> {
        let requirement = |operator: &&str| FieldSelectorRequirement {
            key: "spec.nodeName".into(),
            operator: operator.to_string(),
            values: vec!["n1".into()],
        };
        let requirements = operators.iter().map(requirement).collect();
        Some(Box::new(FieldSelectorAttributes { raw_selector: raw.into(), requirements }))
    }

    #[test]
    fn a_node_may_list_what_is_narrowed_to_it() {
        for (selector, allowed, error) in [
            (None, false, ""),
            (fields("spec.nodeName=n1", &[]), true, ""),
            (fields("spec.nodeName=n2", &[]), false, ""),
            (fields("", &["In"]), true, ""),
            (
                fields("", &["In", "Near"]),
                true,
                "spec.resourceAttributes.fieldSelector partially ignored due to parse error",
            ),
            (
                fields("nonsense", &[]),
                false,
                "spec.resourceAttributes.fieldSelector ignored due to parse error",
            ),
        ] {
            let mut review = asked(|a| a.field_selector = selector);
            anywhere(&Authorizer::default(), &mut review).expect("answered");
            let (told, spec) = (&review.status, &review.spec);
            assert_eq!((told.allowed, told.evaluation_error.as_str()), (allowed, error), "{spec:?}");
        }
    }

    #[test]
    fn mistakes_are_told_in_upstreams_words() {
        let mut both = asked(|a| {
            a.field_selector = fields("a=b", &["Exists"]);
            let requirement = LabelSelectorRequirement { key: "a b".into(), ..Default::default() };
            let requirements = vec![requirement];
            let raw_selector = String::new();
            a.label_selector = Some(Box::new(LabelSelectorAttributes { raw_selector, requirements }));
        });
        both.metadata.name = "x".into();
        let empty = asked(|a| a.field_selector = fields("", &[]));
        for (review, says) in [
            (
                both.clone(),
                "fieldSelector.rawSelector: Invalid value: \"a=b\": may not specified at the same",
            ),
            (both.clone(), "fieldSelector.requirements[0].values: Forbidden: may not be specified when"),
            (both.clone(), "labelSelector.requirements[0].key: Invalid value: \"a b\": name part must"),
            (both.clone(), "metadata: Invalid value: {\"name\":\"x\"}: must be empty"),
            (empty, "when spec.resourceAttributes.fieldSelector is specified, requirements or rawSelector"),
        ] {
            let why = anywhere(&Authorizer::default(), &mut { review }).expect_err("refused").to_string();
            assert!(why.contains(says), "{why}");
        }
    }
}
