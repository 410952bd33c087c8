//! NodeRestriction: a node writes only itself, its lease, and what the pods bound to it need. Which objects it
//! may touch at all is for the Node authorizer; here is what the Node authorizer cannot see.

mod mirror_pod;
mod node;
mod token;

use crate::certificate_subject_restriction::RequestSubject;
use crate::check::{Check, Context, Operation};
use async_trait::async_trait;
use corten_api::Kind;
use corten_api::Object;
use corten_api::certificates::v1::CertificateSigningRequest;
use corten_api::coordination::v1::Lease;
use corten_api::core::v1::{Node, PersistentVolumeClaim, PersistentVolumeClaimStatus, Pod, ServiceAccount};
use corten_api::policy::v1::Eviction;
use corten_api::resource::v1::ResourceSlice;
use corten_api::storage::v1::CSINode;
use corten_semantics::{ApiError, ApiResult, identity};
use std::sync::Arc;

const KUBELET_SIGNERS: [&str; 2] =
    ["kubernetes.io/kube-apiserver-client-kubelet", "kubernetes.io/kubelet-serving"];
const LEASES: &str = "kube-node-lease";

pub(crate) struct NodeRestriction;

#[async_trait]
impl Check for NodeRestriction {
    fn name(&self) -> &'static str {
        "NodeRestriction"
    }

    fn handles(&self, context: &Context<'_>) -> bool {
        context.operation != Operation::Connect && identity::node_of(context.user).is_some()
    }

    async fn admit(&self, context: &Context<'_>, object: &mut dyn Object) -> ApiResult<()> {
        judge(context, Some(object))
    }

    async fn delete(&self, context: &Context<'_>) -> ApiResult<()> {
        judge(context, None)
    }
}

/// A refusal in words, or an error of another sort.
enum Refused {
    Because(String),
    Error(ApiError),
}

impl From<String> for Refused {
    fn from(why: String) -> Self {
        Refused::Because(why)
    }
}

type Judged = Result<(), Refused>;

fn refuse_if(wrong: bool, why: impl FnOnce() -> String) -> Judged {
    if wrong { Err(Refused::Because(why())) } else { Ok(()) }
}

fn judge(context: &Context<'_>, object: Option<&dyn Object>) -> ApiResult<()> {
    let name = identity::node_of(context.user).unwrap_or_default();
    let judged = if name.is_empty() {
        Err(format!("could not determine node from user {:?}", context.user.username).into())
    } else {
        by_resource(context, name, object)
    };
    judged.map_err(|refused| match refused {
        Refused::Because(why) => context.forbidden(object, &why),
        Refused::Error(error) => error,
    })
}

fn by_resource(context: &Context<'_>, node: &str, object: Option<&dyn Object>) -> Judged {
    if context.is_for::<Pod>() {
        return pod(context, node, object);
    }
    if context.is_for::<Node>() {
        return node::judge(context, node, object);
    }
    if context.is_for::<PersistentVolumeClaim>() {
        refuse_if(context.subresource != "status", || "may only update PVC status".into())?;
        return claim_status(context, node, object);
    }
    if context.is_for::<ServiceAccount>() {
        return token::token(context, node, object);
    }
    if context.is_for::<Lease>() {
        refuse_if(context.namespace != LEASES, || {
            format!("can only access leases in the {LEASES:?} system namespace")
        })?;
        return own_name(context, node, object, "node lease");
    }
    if context.is_for::<CSINode>() {
        return own_name(context, node, object, "CSINode");
    }
    if context.is_for::<ResourceSlice>() {
        return slice(context, node, object);
    }
    if context.is_for::<CertificateSigningRequest>() && context.operation == Operation::Create {
        return request(node, object);
    }
    Ok(())
}

fn own_name(context: &Context<'_>, node: &str, object: Option<&dyn Object>, what: &str) -> Judged {
    // A new object's name stands in the object.
    let name = match (context.operation, object) {
        (Operation::Create, Some(object)) => object.meta().name.as_str(),
        _ => context.name,
    };
    refuse_if(name != node, || format!("can only access {what} with the same name as the requesting node"))
}

fn pod(context: &Context<'_>, node: &str, object: Option<&dyn Object>) -> Judged {
    let operation = context.operation;
    match (context.subresource, operation) {
        ("", Operation::Create) => mirror_pod::judge(context, node, object),
        ("", Operation::Delete) => {
            let pod = existing::<Pod>(context, context.name)?;
            refuse_if(pod.spec.node_name != node, || {
                format!("node {node:?} can only delete pods with spec.nodeName set to itself")
            })
        }
        ("", _) => Err(format!(
            "unexpected operation \"{operation}\", node {node:?} can only create and delete mirror pods"
        )
        .into()),
        ("status", Operation::Update) => pod_status(context, node, object),
        ("status", _) => Err(format!("unexpected operation \"{operation}\"").into()),
        ("eviction", Operation::Create) => {
            let eviction = object.and_then(|o| o.downcast_ref::<Eviction>());
            let own = eviction.map_or("", |e| e.metadata.name.as_str());
            let name = if context.name.is_empty() { own } else { context.name };
            refuse_if(name.is_empty(), || "could not determine pod from request data".into())?;
            let pod = existing::<Pod>(context, name)?;
            refuse_if(pod.spec.node_name != node, || {
                format!("node {node} can only evict pods with spec.nodeName set to itself")
            })
        }
        ("eviction", _) => Err(format!("unexpected operation {operation}").into()),
        (other, _) => {
            Err(format!("unexpected pod subresource {other:?}, only 'status' and 'eviction' are allowed")
                .into())
        }
    }
}

fn pod_status(context: &Context<'_>, node: &str, object: Option<&dyn Object>) -> Judged {
    let (Some(new), Some(old)) = (typed::<Pod>(object), context.old::<Pod>()) else {
        return unexpected_type();
    };
    refuse_if(old.spec.node_name != node, || {
        format!("node {node:?} can only update pod status for pods with spec.nodeName set to itself")
    })?;
    refuse_if(new.metadata.labels != old.metadata.labels, || {
        format!("node {node:?} cannot update labels through pod status")
    })?;
    refuse_if(new.status.resource_claim_statuses != old.status.resource_claim_statuses, || {
        format!("node {node:?} cannot update resource claim statues")
    })?;
    refuse_if(new.status.extended_resource_claim_status != old.status.extended_resource_claim_status, || {
        format!("node {node:?} cannot update extended resource claim status")
    })
}

fn claim_status(context: &Context<'_>, node: &str, object: Option<&dyn Object>) -> Judged {
    refuse_if(context.operation != Operation::Update, || {
        format!("unexpected operation \"{}\"", context.operation)
    })?;
    let (Some(new), Some(old)) =
        (typed::<PersistentVolumeClaim>(object), context.old::<PersistentVolumeClaim>())
    else {
        return unexpected_type();
    };
    let rest = |claim: &PersistentVolumeClaim| {
        let mut rest = claim.clone();
        rest.metadata.resource_version.clear();
        rest.metadata.managed_fields.clear();
        rest.status = PersistentVolumeClaimStatus {
            capacity: Default::default(),
            conditions: Vec::new(),
            allocated_resources: Default::default(),
            allocated_resource_statuses: Default::default(),
            ..rest.status
        };
        rest
    };
    refuse_if(rest(new) != rest(old), || {
        format!(
            "node {node:?} is not allowed to update fields other than status.quantity and status.conditions"
        )
    })
}

fn slice(context: &Context<'_>, node: &str, object: Option<&dyn Object>) -> Judged {
    let (slice, verb) = match context.operation {
        Operation::Create => (typed::<ResourceSlice>(object), "create"),
        Operation::Delete => (context.old::<ResourceSlice>(), "delete"),
        _ => return Ok(()),
    };
    let Some(slice) = slice else { return unexpected_type() };
    refuse_if(slice.spec.node_name.as_deref() != Some(node), || {
        format!("can only {verb} ResourceSlice with the same NodeName as the requesting node")
    })
}

/// A signing request for a kubelet's certificate must name the node itself.
fn request(node: &str, object: Option<&dyn Object>) -> Judged {
    let Some(request) = typed::<CertificateSigningRequest>(object) else { return unexpected_type() };
    if !KUBELET_SIGNERS.contains(&request.spec.signer_name.as_str()) {
        return Ok(());
    }
    let subject = RequestSubject::parse(&request.spec.request)
        .ok_or_else(|| Refused::Because("unable to parse csr: malformed certificate request".into()))?;
    let own = identity::node_user(node);
    refuse_if(subject.common_name != own, || format!("can only create a node CSR with CN={own}"))
}

fn typed<K: Kind>(object: Option<&dyn Object>) -> Option<&K> {
    object.and_then(|o| o.downcast_ref())
}

fn unexpected_type() -> Judged {
    Err("unexpected type".to_string().into())
}

/// The object of that name in the write's namespace.
fn existing<K: Kind>(context: &Context<'_>, name: &str) -> Result<Arc<K>, Refused> {
    find(context, context.namespace, name)
}

fn existing_node(context: &Context<'_>, name: &str) -> Result<Arc<Node>, Refused> {
    find(context, "", name)
}

fn find<K: Kind>(context: &Context<'_>, namespace: &str, name: &str) -> Result<Arc<K>, Refused> {
    let missing = || Refused::Error(ApiError::not_found(K::INFO, name));
    context.objects.get::<K>(namespace, name).ok_or_else(missing)
}

#[cfg(test)]
mod tests;
