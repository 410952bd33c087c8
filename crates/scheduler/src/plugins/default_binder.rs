//! Binds through the pod's `binding` subresource.

use crate::framework::{Bind, Plugin};
use crate::pod_info::PodInfo;
use async_trait::async_trait;
use corten_api::core::v1::{Binding, ObjectReference, Pod};
use corten_api::meta::v1::ObjectMeta;
use corten_client::Client;
use corten_semantics::ApiError;

/// The plugin.
pub struct DefaultBinder;

impl Plugin for DefaultBinder {
    fn name(&self) -> &'static str {
        "DefaultBinder"
    }
    fn bind(&self) -> Option<&dyn Bind> {
        Some(self)
    }
}

#[async_trait]
impl Bind for DefaultBinder {
    async fn bind(&self, client: &Client, pod: &PodInfo, node: &str) -> Result<(), ApiError> {
        let binding = Binding {
            metadata: ObjectMeta {
                namespace: pod.key.namespace.clone(),
                name: pod.key.name.clone(),
                uid: pod.uid().into(),
                ..ObjectMeta::default()
            },
            target: ObjectReference { kind: "Node".into(), name: node.into(), ..ObjectReference::default() },
        };
        let pods = client.namespaced::<Pod>(&pod.key.namespace);
        pods.create_sub::<Binding>(&pod.key.name, "binding", binding).await.map(|_| ())
    }
}
