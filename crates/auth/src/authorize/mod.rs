//! May they: first whoever may do anything, then the Node authorizer, then RBAC, as upstream with
//! `--authorization-mode=Node,RBAC`; or in the order of [`Mode`]s that an operator sets.

mod abac;
mod conditions;
mod config;
mod escalation;
mod graph;
mod modes;
mod node;
mod rbac;
mod review;
mod rules;
mod selectors;

pub use abac::Policies;
pub use conditions::MatchConditions;
pub use config::{
    AuthorizationConfiguration, AuthorizerConfiguration, ConnectionInfo, WebhookConfiguration, duration,
};
pub use escalation::{covers, missing};
pub use graph::NodeGraph;
pub use modes::{Answer, Mode, Verdict, Webhook};
pub use rbac::{Binding, Rbac, aggregated_rules};
pub use review::review;
pub use rules::allows;
pub use selectors::Narrowed;

use arc_swap::ArcSwapOption;
use corten_api::Object;
use corten_api::authentication::v1::UserInfo;
use corten_api::selector::{FieldSelector, Selector};
use corten_semantics::status::Resource;
use corten_semantics::{ApiError, identity};
use std::fmt;
use std::sync::Arc;

/// What somebody wants to do: with a resource, or, when `resource` is empty, with a path.
#[derive(Clone, Copy, Debug)]
pub struct Attributes<'a> {
    /// Who wants it.
    pub user: &'a UserInfo,
    /// `get`, `list`, `create` and so on.
    pub verb: &'a str,
    /// The API group; empty for the core group.
    pub group: &'a str,
    /// The API version.
    pub version: &'a str,
    /// The resource's plural.
    pub resource: &'a str,
    /// Empty for the object itself.
    pub subresource: &'a str,
    /// Empty for cluster-scoped resources and for all namespaces.
    pub namespace: &'a str,
    /// Empty if the request names no object.
    pub name: &'a str,
    /// The path, when no resource is meant.
    pub path: &'a str,
    /// What a list, watch or deletion of many is narrowed to.
    pub fields: Option<&'a FieldSelector>,
    /// The same by labels.
    pub labels: Option<&'a Selector>,
}

impl<'a> Attributes<'a> {
    /// Something done with a resource; the fields left empty are for the caller to fill.
    pub fn resource(user: &'a UserInfo, verb: &'a str, group: &'a str, resource: &'a str) -> Self {
        Attributes { group, resource, ..Self::path(user, verb, "") }
    }

    /// Something done with a path that is no resource.
    pub fn path(user: &'a UserInfo, verb: &'a str, path: &'a str) -> Self {
        Attributes {
            user,
            verb,
            group: "",
            version: "",
            resource: "",
            subresource: "",
            namespace: "",
            name: "",
            path,
            fields: None,
            labels: None,
        }
    }

    /// Whether a resource is meant, and not a path.
    pub fn is_resource(&self) -> bool {
        !self.resource.is_empty()
    }

    /// The 403 for whoever may not do this.
    pub fn forbidden(&self, reason: &str) -> ApiError {
        let (user, verb) = (&self.user.username, self.verb);
        let mut why = if !self.is_resource() {
            format!("User {user:?} cannot {verb} path {:?}", self.path)
        } else {
            let slash = if self.subresource.is_empty() { "" } else { "/" };
            let resource = format!("{}{slash}{}", self.resource, self.subresource);
            let place = match self.namespace {
                "" => "at the cluster scope".to_string(),
                namespace => format!("in the namespace {namespace:?}"),
            };
            format!("User {user:?} cannot {verb} resource {resource:?} in API group {:?} {place}", self.group)
        };
        // A browser that is shown this must not read it as HTML.
        why = why.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        if !reason.is_empty() {
            why = format!("{why}: {reason}");
        }
        ApiError::forbidden(Resource { group: self.group, plural: self.resource }, self.name, &why)
    }
}

/// What the authorizers say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether it may be done.
    pub allowed: bool,
    /// Whether an authorizer forbids it, whatever others would say.
    pub denied: bool,
    /// What kept an authorizer from deciding; mostly nothing.
    pub error: String,
    /// Why; written out only when asked.
    pub reason: Reason,
}

impl Decision {
    fn allow(reason: Reason) -> Self {
        Decision { allowed: true, denied: false, error: String::new(), reason }
    }

    fn no_opinion(reason: impl Into<String>) -> Self {
        Decision { allowed: false, denied: false, error: String::new(), reason: Reason::Text(reason.into()) }
    }
}

/// Why something is allowed or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// In words; may be empty.
    Text(String),
    /// This binding grants it to the subject of that index.
    Granted { binding: Arc<Binding>, subject: usize },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Text(text) => f.write_str(text),
            Reason::Granted { binding, subject } => {
                write!(f, "RBAC: allowed by ")?;
                binding.describe(*subject, f)
            }
        }
    }
}

/// All authorizers with what they know. Fed by whoever sees the objects change; reading takes a short lock.
#[derive(Default)]
pub struct Authorizer {
    /// Roles and their bindings.
    pub rbac: Rbac,
    /// Which objects belong to which node.
    pub nodes: NodeGraph,
    modes: ArcSwapOption<Vec<Mode>>,
}

impl Authorizer {
    /// Whether it may be done.
    pub fn authorize(&self, attributes: &Attributes<'_>) -> Decision {
        if identity::in_group(attributes.user, identity::MASTERS) {
            return Decision::allow(Reason::Text(String::new()));
        }
        if let Some(modes) = self.modes.load().as_deref() {
            return self.ask(modes, attributes);
        }
        let node = node::authorize(&self.nodes, attributes);
        if node.allowed {
            return node;
        }
        let mut role = self.rbac.authorize(attributes);
        if let (false, Reason::Text(by_node), Reason::Text(by_role)) =
            (role.allowed, &node.reason, &mut role.reason)
            && !by_node.is_empty()
        {
            let line = if by_role.is_empty() { "" } else { "\n" };
            *by_role = format!("{by_node}{line}{by_role}");
        }
        role
    }

    /// Whether it may be done.
    ///
    /// # Errors
    /// 403 as upstream's if not.
    pub fn check(&self, attributes: &Attributes<'_>) -> Result<(), ApiError> {
        let decision = self.authorize(attributes);
        if decision.allowed { Ok(()) } else { Err(attributes.forbidden(&decision.reason.to_string())) }
    }

    /// Takes note of an object that is new or has changed; kinds that no authorizer cares for are ignored.
    pub fn observe(&self, object: &dyn Object) {
        self.rbac.observe(object);
        self.nodes.observe(object);
    }

    /// Takes note of an object that is gone.
    pub fn forget(&self, object: &dyn Object) {
        self.rbac.forget(object);
        self.nodes.forget(object);
    }
}

#[cfg(test)]
mod tests;
