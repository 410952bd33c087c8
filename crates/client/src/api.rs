//! Typed calls.

use crate::transport::*;
use corten_api::{Kind, KindInfo, Object};
use corten_semantics::{ApiError, ApiResult};
use futures::StreamExt;
use futures::stream::BoxStream;
use std::marker::PhantomData;
use std::sync::Arc;

/// A connection to the API under one identity. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    transport: Arc<dyn Transport>,
}

impl Client {
    /// A client over `transport`.
    pub fn new(transport: Arc<dyn Transport>) -> Self {
        Client { transport }
    }

    /// The transport below, for calls on kinds known only at run time.
    pub fn transport(&self) -> &Arc<dyn Transport> {
        &self.transport
    }

    /// Calls on cluster-scoped objects, or on all namespaces for lists and watches.
    pub fn all<K: Kind>(&self) -> Api<K> {
        Api { client: self.clone(), namespace: None, kind: PhantomData }
    }

    /// Calls on objects of one namespace.
    pub fn namespaced<K: Kind>(&self, namespace: &str) -> Api<K> {
        let namespace = K::INFO.namespaced.then(|| namespace.to_string());
        Api { client: self.clone(), namespace, kind: PhantomData }
    }

    /// Calls where an object like this one lives.
    pub fn beside<K: Kind>(&self, object: &K) -> Api<K> {
        self.namespaced(&object.meta().namespace)
    }

    /// A call on a kind known only at run time.
    pub async fn call(&self, target: Target, call: Call) -> ApiResult<Answer> {
        self.transport.call(target, call).await
    }
}

/// Calls on one kind, in one namespace or all.
#[derive(Clone)]
pub struct Api<K> {
    client: Client,
    namespace: Option<String>,
    kind: PhantomData<fn() -> K>,
}

impl<K: Kind> Api<K> {
    fn target(&self, name: &str, subresource: &'static str) -> Target {
        let kind: &'static KindInfo = K::INFO;
        Target { kind, namespace: self.namespace.clone(), name: name.to_string(), subresource }
    }

    async fn object<O: Kind>(&self, target: Target, call: Call) -> ApiResult<Arc<O>> {
        match self.client.transport.call(target, call).await? {
            Answer::Object(object) => typed(object),
            _ => Err(ApiError::internal("the server answered without an object")),
        }
    }

    /// Reads one object.
    pub async fn get(&self, name: &str) -> ApiResult<Arc<K>> {
        self.object(self.target(name, ""), Call::Get).await
    }

    /// Reads one object; `None` when it does not exist.
    pub async fn find(&self, name: &str) -> ApiResult<Option<Arc<K>>> {
        match self.get(name).await {
            Ok(object) => Ok(Some(object)),
            Err(e) if e.is_not_found() => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Lists.
    pub async fn list(&self, options: &ListOptions) -> ApiResult<ObjectList<K>> {
        match self.client.transport.call(self.target("", ""), Call::List(options.clone())).await? {
            Answer::List(list) => Ok(ObjectList {
                items: list.items.into_iter().map(typed).collect::<ApiResult<_>>()?,
                resource_version: list.resource_version,
                continue_: list.continue_,
            }),
            _ => Err(ApiError::internal("the server answered without a list")),
        }
    }

    /// Creates, and gives the object as the server has it.
    pub async fn create(&self, object: K) -> ApiResult<Arc<K>> {
        self.object(self.target("", ""), Call::Create(Arc::new(object), WriteOptions::default())).await
    }

    /// Replaces the object of this name.
    pub async fn update(&self, object: K) -> ApiResult<Arc<K>> {
        let target = self.target(&object.meta().name, "");
        self.object(target, Call::Update(Arc::new(object), WriteOptions::default())).await
    }

    /// Replaces the object's status.
    pub async fn update_status(&self, object: K) -> ApiResult<Arc<K>> {
        let target = self.target(&object.meta().name, "status");
        self.object(target, Call::Update(Arc::new(object), WriteOptions::default())).await
    }

    /// Patches the object.
    pub async fn patch(&self, name: &str, kind: PatchType, patch: Vec<u8>) -> ApiResult<Arc<K>> {
        self.object(self.target(name, ""), Call::Patch(kind, patch, WriteOptions::default())).await
    }

    /// Patches a subresource (`status`, mostly).
    pub async fn patch_sub(
        &self,
        name: &str,
        subresource: &'static str,
        kind: PatchType,
        patch: Vec<u8>,
    ) -> ApiResult<Arc<K>> {
        self.object(self.target(name, subresource), Call::Patch(kind, patch, WriteOptions::default())).await
    }

    /// Posts `body` to a subresource (`binding`, `eviction`, `token`), and gives the answer if it is an `O`.
    pub async fn create_sub<O: Kind>(
        &self,
        name: &str,
        subresource: &'static str,
        body: impl Kind,
    ) -> ApiResult<Option<Arc<O>>> {
        let call = Call::Create(Arc::new(body), WriteOptions::default());
        match self.client.transport.call(self.target(name, subresource), call).await? {
            Answer::Object(object) => Ok(object.downcast_arc()),
            _ => Ok(None),
        }
    }

    /// Deletes the object of this name. An object that is already gone is an error (`NotFound`).
    pub async fn delete(&self, name: &str, options: DeleteOptions) -> ApiResult<()> {
        self.client.transport.call(self.target(name, ""), Call::Delete(options)).await.map(|_| ())
    }

    /// Deletes what the options list.
    pub async fn delete_collection(&self, list: ListOptions, delete: DeleteOptions) -> ApiResult<()> {
        let call = Call::DeleteCollection(list, delete);
        self.client.transport.call(self.target("", ""), call).await.map(|_| ())
    }

    /// Watches the collection.
    pub async fn watch(&self, options: WatchOptions) -> ApiResult<BoxStream<'static, ApiResult<Event<K>>>> {
        let stream = self.client.transport.watch(self.target("", ""), options).await?;
        Ok(stream.map(|event| event.and_then(typed_event)).boxed())
    }
}

fn typed<K: Kind>(object: Arc<dyn Object>) -> ApiResult<Arc<K>> {
    let info = object.info();
    object.downcast_arc().ok_or_else(|| {
        ApiError::internal(format!("the server answered with a {info:?} instead of a {:?}", K::INFO))
    })
}

fn typed_event<K: Kind>(event: Event) -> ApiResult<Event<K>> {
    Ok(match event {
        Event::Added(o) => Event::Added(typed(o)?),
        Event::Modified(o) => Event::Modified(typed(o)?),
        Event::Deleted(o) => Event::Deleted(typed(o)?),
        Event::Bookmark { resource_version, initial_end } => {
            Event::Bookmark { resource_version, initial_end }
        }
    })
}
