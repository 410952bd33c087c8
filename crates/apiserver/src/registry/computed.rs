//! Objects that are stored nowhere, but made when somebody asks.

use std::sync::Arc;

use async_trait::async_trait;
use corten_api::selector::{FieldSelector, Selector};
use corten_api::{KindInfo, Object};
use corten_kinds::check_field_label;
use corten_semantics::{ApiError, ApiResult};

use super::component_status::{is_component_status, no_such_component};
use super::{Body, List, ListOptions, Registry, Reply, Target};
use crate::cache::Entry;

/// Makes objects.
#[async_trait]
pub trait Computed: Send + Sync {
    /// The objects of a kind: of a namespace where one is given, of a name where one is given.
    async fn objects(&self, kind: &'static KindInfo, namespace: &str, name: &str) -> Vec<Arc<dyn Object>>;
}

/// Answers questions (`TokenReview`, `SubjectAccessReview`) of this process's own components.
#[async_trait]
pub trait Reviewer: Send + Sync {
    /// Fills in the question's status.
    async fn answer(&self, question: &mut dyn Object) -> ApiResult<()>;
}

/// Whether objects of the kind are made when somebody asks.
pub(super) fn is_computed(kind: &KindInfo) -> bool {
    corten_api::builtin::COMPUTED.contains(&kind) || is_component_status(kind)
}

impl Registry {
    /// Sets who makes the objects of computed kinds; only the first counts.
    pub fn compute_with(&self, source: Arc<dyn Computed>) {
        let _ = self.computed.set(source);
    }

    /// Sets who answers questions; only the first counts.
    pub fn review_with(&self, reviewer: Arc<dyn Reviewer>) {
        let _ = self.reviewer.set(reviewer);
    }

    /// Answers a question; gives the object back if it is none.
    pub(super) async fn review(
        &self,
        mut question: Box<dyn Object>,
    ) -> Result<ApiResult<Reply>, Box<dyn Object>> {
        let kind = question.info();
        let asks =
            matches!(kind.group, "authentication.k8s.io" | "authorization.k8s.io") && kind.verbs == "create";
        let Some(reviewer) = self.reviewer.get().filter(|_| asks) else { return Err(question) };
        Ok(reviewer.answer(question.as_mut()).await.map(|()| Reply {
            code: 201,
            body: Body::Object(Entry::made(question.into())),
            warnings: Vec::new(),
            deleted: false,
        }))
    }

    async fn computed(&self, target: &Target) -> ApiResult<Vec<Arc<dyn Object>>> {
        if is_component_status(target.kind) {
            return Ok(self.component_statuses().await);
        }
        let source = self.computed.get().ok_or_else(|| ApiError::unavailable("the server is starting"))?;
        let namespace = target.namespace.as_deref().unwrap_or_default();
        Ok(source.objects(target.kind, namespace, &target.name).await)
    }

    pub(super) async fn get_computed(&self, target: &Target) -> ApiResult<Arc<Entry>> {
        let made = self.computed(target).await?;
        let is_it = |o: &Arc<dyn Object>| o.meta().name == target.name;
        // metrics-server names its kinds, not its resources.
        let what = format!("{}.{}", target.kind.singular(), target.kind.group);
        let name = match target.namespace.as_deref().unwrap_or_default() {
            "" => target.name.clone(),
            namespace => format!("{namespace}/{}", target.name),
        };
        if is_component_status(target.kind) {
            return made
                .into_iter()
                .find(is_it)
                .map(Entry::made)
                .ok_or_else(|| no_such_component(&target.name));
        }
        let missing = || ApiError::new(404, "NotFound", format!("{what} {name:?} not found"));
        made.into_iter().find(is_it).map(Entry::made).ok_or_else(missing)
    }

    pub(super) async fn list_computed(&self, target: &Target, o: &ListOptions) -> ApiResult<List> {
        let bad = |e: corten_api::selector::ParseError| ApiError::bad_request(e.to_string());
        let labels = Selector::parse(&o.label_selector).map_err(bad)?;
        let fields = FieldSelector::parse(&o.field_selector).map_err(bad)?;
        for (path, ..) in &fields.terms {
            check_field_label(target.kind, path)?;
        }
        let selected = |object: &Arc<dyn Object>| {
            let meta = object.meta();
            let field = |path: &str| match path {
                "metadata.name" => meta.name.as_str().into(),
                "metadata.namespace" => meta.namespace.as_str().into(),
                _ => "".into(),
            };
            labels.matches(&meta.labels) && fields.matches(field)
        };
        let mut made = self.computed(target).await?;
        made.retain(selected);
        made.sort_by(|a, b| {
            let key = |o: &Arc<dyn Object>| (o.meta().namespace.clone(), o.meta().name.clone());
            key(a).cmp(&key(b))
        });
        Ok(List {
            kind: target.kind,
            items: made.into_iter().map(Entry::made).collect(),
            revision: 0,
            continue_: String::new(),
            remaining: None,
        })
    }
}
