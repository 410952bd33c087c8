//! The transport of components that run in the server's process: the same calls, without a network, on the
//! objects of the cache.

use std::sync::Arc;

use async_trait::async_trait;
use corten_api::Object;
use corten_api::authentication::v1::UserInfo;
use corten_api::selector::{FieldSelector, Selector};
use corten_auth::Attributes;
use corten_client::transport as client;
use corten_client::transport::{Answer, Call, ObjectList, Target, Transport, WatchStream};
use corten_semantics::ApiResult;
use futures::StreamExt;

use crate::Registry;
use crate::cache::{Entry, WatchEvent};
use crate::http::path::exact_name;
use crate::registry::{
    Body, DeleteOptions, FieldValidation, GetOptions, List, ListOptions, Reply, RequestContext, WatchOptions,
    WriteOptions,
};

/// Calls on a registry under one identity.
pub struct LocalTransport {
    registry: Arc<Registry>,
    user: Arc<UserInfo>,
    agent: Arc<str>,
}

impl LocalTransport {
    /// Calls as `user`.
    pub fn new(registry: Arc<Registry>, user: UserInfo) -> Self {
        let agent = component(&user.username).into();
        LocalTransport { registry, user: Arc::new(user), agent }
    }

    fn context(&self) -> RequestContext {
        let agent = self.agent.clone();
        RequestContext { user: self.user.clone(), agent, ..RequestContext::default() }
    }

    fn authorize(&self, target: &Target, verb: &str, (fields, labels): (&str, &str)) -> ApiResult<()> {
        // Who lists or watches one object by its name asks for that object alone.
        let selected = matches!(verb, "list" | "watch").then(|| exact_name(fields)).flatten();
        let name = selected.filter(|_| target.name.is_empty()).unwrap_or_else(|| target.name.clone());
        let fields = FieldSelector::parse(fields).ok().filter(|f| !f.is_everything());
        let labels = Selector::parse(labels).ok().filter(|l| !l.is_everything());
        let attributes = Attributes {
            version: target.kind.version,
            subresource: target.subresource,
            namespace: target.namespace.as_deref().unwrap_or_default(),
            name: &name,
            fields: fields.as_ref(),
            labels: labels.as_ref(),
            ..Attributes::resource(&self.user, verb, target.kind.group, target.kind.plural)
        };
        self.registry.authorizer().check(&attributes)
    }
}

/// What a component's requests would call themselves over HTTP: the owner of the fields that it writes.
fn component(user: &str) -> &str {
    match user.strip_prefix("system:").unwrap_or(user) {
        node if node.starts_with("node:") => "kubelet",
        controller if controller.starts_with("serviceaccount:kube-system:") => "kube-controller-manager",
        "apiserver" => crate::AGENT,
        other => other,
    }
}

#[async_trait]
impl Transport for LocalTransport {
    async fn call(&self, target: Target, call: Call) -> ApiResult<Answer> {
        self.authorize(&target, verb(&call), selectors(&call))?;
        let (registry, ctx) = (&self.registry, &self.context());
        match call {
            Call::Get => {
                let entry = registry.get(ctx, &target, &GetOptions::default()).await?;
                Ok(Answer::Object(entry.object()))
            }
            Call::List(o) => Ok(listed(registry.list(ctx, &target, &list_options(o)).await?)),
            Call::Create(object, o) => {
                answer(registry.create(ctx, &target, owned(object), &write_options(o)).await?)
            }
            Call::Update(object, o) => {
                answer(registry.update(ctx, &target, owned(object), &write_options(o)).await?)
            }
            Call::Patch(kind, patch, o) => {
                answer(registry.patch(ctx, &target, (kind, &patch), &write_options(o)).await?)
            }
            Call::Delete(o) => answer(registry.delete(ctx, &target, &delete_options(o)).await?),
            Call::DeleteCollection(l, o) => {
                registry.delete_collection(ctx, &target, &list_options(l), &delete_options(o)).await?;
                Ok(Answer::Done)
            }
        }
    }

    async fn watch(&self, target: Target, options: client::WatchOptions) -> ApiResult<WatchStream> {
        self.authorize(&target, "watch", (&options.field_selector, &options.label_selector))?;
        let (initial, metadata_only) = (options.initial_events, options.metadata_only);
        let options = WatchOptions {
            label_selector: options.label_selector,
            field_selector: options.field_selector,
            resource_version: options.resource_version,
            resource_version_match: if initial { "NotOlderThan".into() } else { String::new() },
            send_initial_events: initial.then_some(true),
            allow_bookmarks: true,
            paced: false,
            timeout: None,
        };
        let watch = self.registry.watch(&self.context(), &target, &options).await?;
        Ok(watch.map(move |changed| event(changed, metadata_only)).boxed())
    }
}

fn verb(call: &Call) -> &'static str {
    match call {
        Call::Get => "get",
        Call::List(_) => "list",
        Call::Create(..) => "create",
        Call::Update(..) => "update",
        Call::Patch(..) => "patch",
        Call::Delete(_) => "delete",
        Call::DeleteCollection(..) => "deletecollection",
    }
}

fn selectors(call: &Call) -> (&str, &str) {
    match call {
        Call::List(o) | Call::DeleteCollection(o, _) => (&o.field_selector, &o.label_selector),
        _ => ("", ""),
    }
}

fn owned(object: Arc<dyn Object>) -> Box<dyn Object> {
    object.clone_object()
}

fn answer(reply: Reply) -> ApiResult<Answer> {
    Ok(match reply.body {
        _ if reply.deleted => Answer::Done,
        Body::Object(entry) => Answer::Object(entry.object()),
        Body::Status(_) => Answer::Done,
    })
}

fn listed(list: List) -> Answer {
    Answer::List(ObjectList {
        items: list.items.iter().map(|e| e.object()).collect(),
        resource_version: list.revision.to_string(),
        continue_: list.continue_,
    })
}

fn event(event: WatchEvent, metadata_only: bool) -> ApiResult<client::Event> {
    let object = |e: Arc<Entry>| if metadata_only { e.metadata_in_passing() } else { e.object() };
    match event {
        WatchEvent::Added(e) => Ok(client::Event::Added(object(e))),
        WatchEvent::Modified(e) => Ok(client::Event::Modified(object(e))),
        WatchEvent::Deleted(e) => Ok(client::Event::Deleted(object(e))),
        WatchEvent::Bookmark { revision, initial_end } => {
            Ok(client::Event::Bookmark { resource_version: revision.to_string(), initial_end })
        }
        WatchEvent::Error(error) => Err(error),
    }
}

fn list_options(o: client::ListOptions) -> ListOptions {
    ListOptions {
        label_selector: o.label_selector,
        field_selector: o.field_selector,
        limit: o.limit,
        continue_: o.continue_,
        resource_version: o.resource_version,
        resource_version_match: String::new(),
    }
}

fn write_options(o: client::WriteOptions) -> WriteOptions {
    WriteOptions {
        dry_run: o.dry_run,
        field_manager: o.field_manager,
        field_validation: FieldValidation::Ignore,
        force: o.force,
    }
}

fn delete_options(o: client::DeleteOptions) -> DeleteOptions {
    DeleteOptions {
        dry_run: o.dry_run,
        grace_period_seconds: o.grace_period_seconds,
        preconditions: o.preconditions,
        propagation_policy: o.propagation_policy,
        orphan_dependents: None,
    }
}
