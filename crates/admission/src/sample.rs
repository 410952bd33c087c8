//! Writes for the checks' tests.

use crate::check::{Check, Context, Operation};
use crate::notes::Notes;
use crate::server::Server;
use async_trait::async_trait;
use corten_api::admissionregistration::v1::WebhookClientConfig;
use corten_api::authentication::v1::UserInfo;
use corten_api::core::v1::{Container, Pod};
use corten_api::meta::v1::ObjectMeta;
use corten_api::{Kind, KindInfo, Object};
use corten_semantics::identity;
use corten_semantics::{ApiError, ApiResult};
use std::sync::Arc;
use std::time::Duration;

/// A write to be tried on a check.
pub struct Request {
    pub kind: &'static KindInfo,
    pub subresource: &'static str,
    pub operation: Operation,
    pub namespace: String,
    pub name: String,
    pub user: UserInfo,
    pub old: Option<Box<dyn Object>>,
    pub objects: Vec<Arc<dyn Object>>,
    pub notes: Notes,
}

/// A server that knows nobody and one version of everything.
pub struct Alone;

#[async_trait]
impl Server for Alone {
    async fn call(
        &self,
        _: &'static str,
        _: &WebhookClientConfig,
        _: Vec<u8>,
        _: Duration,
    ) -> Result<Vec<u8>, String> {
        Err("nobody is there".into())
    }

    fn equivalents(&self, _: &'static KindInfo) -> Vec<&'static KindInfo> {
        Vec::new()
    }

    async fn convert(&self, object: Box<dyn Object>, _: &'static KindInfo) -> ApiResult<Box<dyn Object>> {
        Ok(object)
    }

    fn find_kind(&self, api_version: &str, kind: &str) -> Option<&'static KindInfo> {
        let is_it = |k: &&&KindInfo| k.api_version() == api_version && k.kind == kind;
        corten_api::builtin::KINDS.iter().find(is_it).copied()
    }

    fn decode(&self, kind: &'static KindInfo, json: &[u8]) -> ApiResult<Box<dyn Object>> {
        let new = kind.new.ok_or_else(|| ApiError::internal("no such object"))?;
        let mut object = new();
        corten_codec::json::decode(json, &mut *object, &mut corten_codec::Problems::ignore())
            .map_err(ApiError::internal)?;
        Ok(object)
    }
}

impl Request {
    pub fn of<K: Kind>(operation: Operation, namespace: &str, name: &str) -> Self {
        Request {
            kind: K::INFO,
            subresource: "",
            operation,
            namespace: namespace.into(),
            name: name.into(),
            user: UserInfo { username: "jane".into(), ..UserInfo::default() },
            old: None,
            objects: Vec::new(),
            notes: Notes::default(),
        }
    }

    /// Done by a node.
    pub fn by_node(mut self, node: &str) -> Self {
        self.user.username = identity::node_user(node);
        self.user.groups = vec![identity::NODES.into()];
        self
    }

    /// On a subresource.
    pub fn on(mut self, subresource: &'static str) -> Self {
        self.subresource = subresource;
        self
    }

    /// On this object.
    pub fn old(mut self, old: impl Kind) -> Self {
        self.old = Some(Box::new(old));
        self
    }

    /// In a cluster with this object.
    pub fn has(&mut self, object: impl Kind) -> &mut Self {
        self.objects.push(Arc::new(object));
        self
    }

    pub fn context(&self) -> Context<'_> {
        Context {
            kind: self.kind,
            requested: self.kind,
            subresource: self.subresource,
            operation: self.operation,
            namespace: &self.namespace,
            name: &self.name,
            user: &self.user,
            dry_run: false,
            old: self.old.as_deref(),
            objects: &self.objects,
            notes: &self.notes,
            options: &(),
            server: &Alone,
            rounds: None,
            deadline: None,
        }
    }

    pub async fn admit(&self, check: &dyn Check, object: &mut dyn Object) -> ApiResult<()> {
        let context = self.context();
        if check.handles(&context) { check.admit(&context, object).await } else { Ok(()) }
    }

    pub async fn validate(&self, check: &dyn Check, object: &dyn Object) -> ApiResult<()> {
        let context = self.context();
        if check.handles(&context) { check.validate(&context, object).await } else { Ok(()) }
    }

    pub async fn delete(&self, check: &dyn Check) -> ApiResult<()> {
        let context = self.context();
        if check.handles(&context) { check.delete(&context).await } else { Ok(()) }
    }
}

pub fn meta(namespace: &str, name: &str) -> ObjectMeta {
    ObjectMeta { namespace: namespace.into(), name: name.into(), ..ObjectMeta::default() }
}

/// A pod of one container.
pub fn pod(name: &str) -> Pod {
    let mut pod = Pod { metadata: meta("ns", name), ..Pod::default() };
    pod.spec.containers = vec![Container { name: "main".into(), ..Container::default() }];
    pod
}
