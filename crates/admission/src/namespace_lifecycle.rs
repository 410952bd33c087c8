//! NamespaceLifecycle: nothing is written into a namespace that is not there, nothing new into one that ends,
//! and some namespaces never end.

use crate::check::{Check, Context, Operation};
use async_trait::async_trait;
use corten_api::authorization::v1::LocalSubjectAccessReview;
use corten_api::core::v1::Namespace;
use corten_api::{Kind, Object};
use corten_semantics::status::Resource;
use corten_semantics::{ApiError, ApiResult};

const IMMORTAL: [&str; 3] = ["default", "kube-system", "kube-public"];

pub(crate) struct NamespaceLifecycle;

#[async_trait]
impl Check for NamespaceLifecycle {
    fn name(&self) -> &'static str {
        "NamespaceLifecycle"
    }

    fn handles(&self, context: &Context<'_>) -> bool {
        match context.operation {
            Operation::Delete => context.is_for::<Namespace>(),
            // What one may do in a namespace says nothing about whether it exists.
            Operation::Create | Operation::Update => {
                !context.namespace.is_empty()
                    && !context.is_for::<Namespace>()
                    && !context.is_for::<LocalSubjectAccessReview>()
            }
            Operation::Connect => false,
        }
    }

    async fn admit(&self, context: &Context<'_>, object: &mut dyn Object) -> ApiResult<()> {
        let name = context.namespace;
        let Some(namespace) = context.objects.get::<Namespace>("", name) else {
            return Err(ApiError::not_found(Namespace::INFO, name));
        };
        if context.operation == Operation::Create && namespace.status.phase == "Terminating" {
            let why =
                format!("unable to create new content in namespace {name} because it is being terminated");
            let message = format!("namespace {name} is being terminated");
            return Err(context.forbidden(Some(object), &why).with_cause(
                "NamespaceTerminating",
                &message,
                "metadata.namespace",
            ));
        }
        Ok(())
    }

    async fn delete(&self, context: &Context<'_>) -> ApiResult<()> {
        if context.subresource.is_empty() && IMMORTAL.contains(&context.name) {
            let namespaces: Resource<'_> = Namespace::INFO.into();
            return Err(ApiError::forbidden(namespaces, context.name, "this namespace may not be deleted"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{Request, meta};
    use corten_api::core::v1::{ConfigMap, Node};

    fn namespace(name: &str, phase: &str) -> Namespace {
        let mut namespace = Namespace { metadata: meta("", name), ..Namespace::default() };
        namespace.status.phase = phase.into();
        namespace
    }

    #[tokio::test]
    async fn the_namespace_must_be_there_and_not_ending() {
        for (namespace_name, operation, expected) in [
            ("live", Operation::Create, None),
            ("live", Operation::Update, None),
            ("none", Operation::Create, Some((404, "namespaces \"none\" not found"))),
            ("none", Operation::Update, Some((404, "namespaces \"none\" not found"))),
            ("ending", Operation::Update, None),
            (
                "ending",
                Operation::Create,
                Some((
                    403,
                    "configmaps \"c\" is forbidden: unable to create new content in namespace ending because it is being terminated",
                )),
            ),
        ] {
            let mut request = Request::of::<ConfigMap>(operation, namespace_name, "c");
            request.has(namespace("live", "Active")).has(namespace("ending", "Terminating"));
            let mut object = ConfigMap { metadata: meta(namespace_name, "c"), ..ConfigMap::default() };
            let result = request.admit(&NamespaceLifecycle, &mut object).await;
            let found = result.as_ref().err().map(|e| (e.code(), e.to_string()));
            assert_eq!(found, expected.map(|(c, m)| (c, m.to_string())), "{namespace_name} {operation}");
            if let Err(error) = result
                && error.code() == 403
            {
                let details = error.status().details.as_ref().expect("details");
                assert_eq!(details.causes[0].reason, "NamespaceTerminating");
                assert_eq!(details.causes[0].field, "metadata.namespace");
            }
        }
        let mut node = Node { metadata: meta("", "n"), ..Node::default() };
        let request = Request::of::<Node>(Operation::Create, "", "n");
        assert_eq!(request.admit(&NamespaceLifecycle, &mut node).await, Ok(()));
    }

    #[tokio::test]
    async fn some_namespaces_never_end() {
        for (name, allowed) in
            [("default", false), ("kube-system", false), ("kube-public", false), ("mine", true)]
        {
            let request = Request::of::<Namespace>(Operation::Delete, "", name);
            let result = request.delete(&NamespaceLifecycle).await;
            assert_eq!(result.is_ok(), allowed, "{name}");
            if let Err(error) = result {
                let message =
                    format!("namespaces \"{name}\" is forbidden: this namespace may not be deleted");
                assert_eq!(error.to_string(), message);
            }
        }
    }
}
