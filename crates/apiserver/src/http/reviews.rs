//! Kinds that are questions: nothing is stored, the answer stands in the object's status.

use std::sync::Arc;

use async_trait::async_trait;
use corten_admission::Notes;
use corten_api::authentication::v1::{SelfSubjectReview, SelfSubjectReviewStatus, TokenReview, UserInfo};
use corten_api::authorization::v1::{
    LocalSubjectAccessReview, NonResourceRule, ResourceRule, SelfSubjectAccessReview, SelfSubjectRulesReview,
    SubjectAccessReview, SubjectRulesReviewStatus,
};
use corten_api::{KindInfo, Object, Time};
use corten_auth::authenticate::Remarks;
use corten_auth::{Authenticator, Authorizer};
use corten_client::Target;
use corten_semantics::{ApiError, ApiResult};
use http::StatusCode;

use super::chain::Exchange;
use super::encode::Encoder;
use super::negotiate::{self, Offer};
use super::response::{self, Response};
use super::{Api, access, decode, options, verbs};
use crate::cache::Entry;
use crate::registry::Reviewer;

/// Answers the questions that this process's own components ask: a node's kubelet, about its callers.
pub struct Reviews {
    pub authenticator: Arc<Authenticator>,
    pub authorizer: Arc<Authorizer>,
}

#[async_trait]
impl Reviewer for Reviews {
    async fn answer(&self, question: &mut dyn Object) -> ApiResult<()> {
        if let Some(review) = question.downcast_mut::<SubjectAccessReview>() {
            return access::anywhere(&self.authorizer, review);
        }
        match question.downcast_mut::<TokenReview>() {
            Some(review) => token(&self.authenticator, review, &mut Remarks::default()).await,
            None => Err(ApiError::no_such_path()),
        }
    }
}

/// Whether the kind is a question.
pub fn is_review(kind: &KindInfo) -> bool {
    matches!(kind.group, "authentication.k8s.io" | "authorization.k8s.io") && kind.verbs == "create"
}

/// Answers a question.
pub async fn answer(mut exchange: Exchange, kind: &'static KindInfo) -> ApiResult<Response> {
    let accepted = negotiate::answer(exchange.headers(), &exchange.query, Offer::NoTable, exchange.gates())?;
    let strategy = exchange.api.registry.strategy(kind);
    let mut encoder = Encoder::new(accepted, strategy, &exchange.query, exchange.api.clock.now())?;
    let format = negotiate::body(exchange.headers(), exchange.gates())?;
    let bytes = verbs::read_body(&mut exchange).await?;
    let options = options::write(&exchange.query, "CreateOptions")?;
    let strategy = exchange.api.registry.strategy(kind);
    let read = decode::object(&bytes, format, kind, &*strategy, options.field_validation)?;
    let target = Target {
        kind,
        namespace: kind.namespaced.then(|| exchange.info.namespace.clone()),
        name: String::new(),
        subresource: "",
    };
    let registry = &exchange.api.registry;
    let question = registry.admit_question(&exchange.context, &target, read.object, &options).await?;
    let answered = judge(&exchange, question).await?;
    let body = encoder.object(&Entry::made(answered))?;
    let mut answer =
        response::object_answer(exchange.headers(), StatusCode::CREATED, encoder.media_type(), body);
    response::warn(&mut answer, &read.warnings);
    response::warn(&mut answer, &exchange.context.notes.take_warnings());
    Ok(answer)
}

async fn judge(exchange: &Exchange, mut question: Box<dyn Object>) -> ApiResult<Arc<dyn Object>> {
    let (api, user) = (&exchange.api, &exchange.context.user);
    if let Some(review) = question.downcast_mut::<SubjectAccessReview>() {
        access::anywhere(&api.authorizer, review)?;
    } else if let Some(review) = question.downcast_mut::<LocalSubjectAccessReview>() {
        access::local(&api.authorizer, review, &exchange.info.namespace)?;
    } else if let Some(review) = question.downcast_mut::<SelfSubjectAccessReview>() {
        access::own(&api.authorizer, review, user)?;
    } else if let Some(review) = question.downcast_mut::<SelfSubjectRulesReview>() {
        if review.spec.namespace.is_empty() {
            return Err(ApiError::bad_request("no namespace on request"));
        }
        review.status = rules(api, user, &review.spec.namespace);
    } else if let Some(review) = question.downcast_mut::<SelfSubjectReview>() {
        review.metadata.creation_timestamp = Some(Time::new(api.clock.now()));
        review.status = SelfSubjectReviewStatus { user_info: (**user).clone() };
    } else if let Some(review) = question.downcast_mut::<TokenReview>() {
        let mut remarks = Remarks::default();
        let done = token(&api.authenticator, review, &mut remarks).await;
        remarked(&exchange.context.notes, remarks);
        done?;
    } else {
        return Err(ApiError::no_such_path());
    }
    Ok(question.into())
}

fn rules(api: &Api, user: &UserInfo, namespace: &str) -> SubjectRulesReviewStatus {
    let (found, error) = api.authorizer.rbac.rules_for(user, namespace);
    let mut status =
        SubjectRulesReviewStatus { evaluation_error: error, ..SubjectRulesReviewStatus::default() };
    status.incomplete = !status.evaluation_error.is_empty();
    if corten_semantics::identity::in_group(user, corten_semantics::identity::MASTERS) {
        let all = || vec!["*".to_string()];
        status.resource_rules.push(ResourceRule {
            verbs: all(),
            api_groups: all(),
            resources: all(),
            ..ResourceRule::default()
        });
        status.non_resource_rules.push(NonResourceRule { verbs: all(), non_resource_urls: all() });
    }
    for rule in found {
        if !rule.resources.is_empty() {
            status.resource_rules.push(ResourceRule {
                verbs: rule.verbs.clone(),
                api_groups: rule.api_groups,
                resources: rule.resources,
                resource_names: rule.resource_names,
            });
        }
        if !rule.non_resource_urls.is_empty() {
            status
                .non_resource_rules
                .push(NonResourceRule { verbs: rule.verbs, non_resource_urls: rule.non_resource_urls });
        }
    }
    status
}

/// Passes on what authentication says.
pub fn remarked(notes: &Notes, remarks: Remarks) {
    remarks.annotations.into_iter().for_each(|(key, value)| notes.annotate(key, value));
    remarks.warnings.into_iter().for_each(|warning| notes.warn(warning));
}

async fn token(
    authenticator: &Authenticator,
    review: &mut TokenReview,
    remarks: &mut Remarks,
) -> ApiResult<()> {
    if review.spec.token.is_empty() {
        return Err(ApiError::bad_request("token is required for TokenReview in authentication"));
    }
    review.status = Default::default();
    match authenticator.token(&review.spec.token, &review.spec.audiences, remarks).await {
        Ok(Some(accepted)) => {
            review.status.authenticated = true;
            review.status.user = accepted.user;
            review.status.audiences = accepted.audiences;
        }
        Ok(None) => review.status.error = "invalid bearer token".into(),
        Err(why) => review.status.error = format!("[invalid bearer token, {why}]"),
    }
    Ok(())
}
