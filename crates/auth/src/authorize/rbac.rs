//! RBAC: roles and bindings, indexed by who is bound (upstream's `rbac` authorizer).

use super::{Attributes, Decision, Reason, rules};
use corten_api::authentication::v1::UserInfo;
use corten_api::rbac::v1::{
    ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject,
};
use corten_api::selector::Selector;
use corten_api::{Kind, Object};
use corten_semantics::identity;
use parking_lot::RwLock;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

/// A binding of subjects to a role, in a namespace or, with an empty one, in the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Binding {
    namespace: String,
    name: String,
    role_kind: String,
    role_name: String,
    subjects: Vec<(String, String, String)>,
}

impl Binding {
    fn new(namespace: &str, name: &str, role: &RoleRef, subjects: &[Subject]) -> Self {
        Binding {
            namespace: namespace.into(),
            name: name.into(),
            role_kind: role.kind.clone(),
            role_name: role.name.clone(),
            subjects: subjects
                .iter()
                .map(|s| (s.kind.clone(), s.namespace.clone(), s.name.clone()))
                .collect(),
        }
    }

    /// Users and groups that the binding is for; service accounts by their user names.
    fn keys(&self) -> impl Iterator<Item = (usize, Bound)> {
        self.subjects.iter().enumerate().filter_map(|(i, (kind, namespace, name))| {
            let namespace = if namespace.is_empty() { &self.namespace } else { namespace };
            let key = match kind.as_str() {
                "User" => Bound::User(name.clone()),
                "Group" => Bound::Group(name.clone()),
                "ServiceAccount" if !namespace.is_empty() => {
                    Bound::User(identity::service_account_user(namespace, name))
                }
                _ => return None,
            };
            Some((i, key))
        })
    }

    /// The first subject that is this user.
    fn subject_of(&self, user: &UserInfo) -> Option<usize> {
        self.keys()
            .find(|(_, key)| match key {
                Bound::User(name) => *name == user.username,
                Bound::Group(name) => user.groups.contains(name),
            })
            .map(|(i, _)| i)
    }

    pub(super) fn describe(&self, subject: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.namespace.as_str() {
            "" => write!(f, "ClusterRoleBinding {:?}", self.name)?,
            namespace => write!(f, "RoleBinding {:?}", format!("{}/{namespace}", self.name))?,
        }
        write!(f, " of {} {:?} to ", self.role_kind, self.role_name)?;
        match self.subjects.get(subject) {
            Some((kind, namespace, name)) if kind == "ServiceAccount" => {
                let namespace = if namespace.is_empty() { &self.namespace } else { namespace };
                write!(f, "{kind} {:?}", format!("{name}/{namespace}"))
            }
            Some((kind, _, name)) => write!(f, "{kind} {name:?}"),
            None => Ok(()),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Bound {
    User(String),
    Group(String),
}

type Rules = Arc<[PolicyRule]>;

/// One namespace, or the cluster.
#[derive(Default)]
struct Scope {
    roles: HashMap<String, Rules>,
    bindings: HashMap<String, Arc<Binding>>,
    bound: HashMap<Bound, BTreeSet<String>>,
}

impl Scope {
    fn unbind(&mut self, name: &str) {
        let Some(old) = self.bindings.remove(name) else { return };
        for (_, key) in old.keys() {
            if let Some(names) = self.bound.get_mut(&key) {
                names.remove(name);
                if names.is_empty() {
                    self.bound.remove(&key);
                }
            }
        }
    }

    fn bind(&mut self, binding: Binding) {
        self.unbind(&binding.name);
        for (_, key) in binding.keys() {
            self.bound.entry(key).or_default().insert(binding.name.clone());
        }
        self.bindings.insert(binding.name.clone(), Arc::new(binding));
    }

    /// The user's bindings, by name.
    fn bindings_of(&self, user: &UserInfo) -> Vec<&Arc<Binding>> {
        let keys = std::iter::once(Bound::User(user.username.clone()))
            .chain(user.groups.iter().cloned().map(Bound::Group));
        let names: BTreeSet<&String> = keys.filter_map(|key| self.bound.get(&key)).flatten().collect();
        names.into_iter().filter_map(|name| self.bindings.get(name)).collect()
    }

    fn is_empty(&self) -> bool {
        self.roles.is_empty() && self.bindings.is_empty()
    }
}

#[derive(Default)]
struct Index {
    /// By namespace; the cluster under the empty name.
    scopes: HashMap<String, Scope>,
    /// Cluster roles as written; their rules in force are in the cluster's scope.
    cluster_roles: BTreeMap<String, Arc<ClusterRole>>,
}

/// Roles and bindings as they are now.
#[derive(Default)]
pub struct Rbac(RwLock<Index>);

impl Rbac {
    /// Whether a role grants it.
    pub fn authorize(&self, wanted: &Attributes<'_>) -> Decision {
        let mut errors = Vec::new();
        let index = self.0.read();
        for (binding, rules) in index.granted(wanted.user, wanted.namespace) {
            match rules {
                Ok(rules) if rules.iter().any(|rule| rules::allows(rule, wanted)) => {
                    let subject = binding.subject_of(wanted.user).unwrap_or_default();
                    return Decision::allow(Reason::Granted { binding: Arc::clone(binding), subject });
                }
                Ok(_) => {}
                Err(missing) => errors.push(missing),
            }
        }
        Decision::no_opinion(match errors.as_slice() {
            [] => String::new(),
            _ => format!("RBAC: {}", join(errors)),
        })
    }

    /// All rules that hold for a user in a namespace (in the cluster when empty), and what could not be read.
    pub fn rules_for(&self, user: &UserInfo, namespace: &str) -> (Vec<PolicyRule>, String) {
        let (mut all, mut errors) = (Vec::new(), Vec::new());
        let index = self.0.read();
        for (_, rules) in index.granted(user, namespace) {
            match rules {
                Ok(rules) => all.extend(rules.iter().cloned()),
                Err(missing) => errors.push(missing),
            }
        }
        (all, if errors.is_empty() { String::new() } else { join(errors) })
    }

    /// The rules of the role that a binding in `namespace` refers to; `None` if there is no such role.
    pub fn rules_of(&self, role: &RoleRef, namespace: &str) -> Option<Arc<[PolicyRule]>> {
        self.0.read().role(&role.kind, &role.name, namespace).cloned()
    }

    /// Takes note of a role or binding; other kinds are ignored.
    pub fn observe(&self, object: &dyn Object) {
        let meta = object.meta();
        let (namespace, name) = (meta.namespace.as_str(), meta.name.as_str());
        if let Some(role) = object.downcast_ref::<Role>() {
            let rules = role.rules.as_slice().into();
            self.0.write().scopes.entry(namespace.into()).or_default().roles.insert(name.into(), rules);
        } else if let Some(role) = object.downcast_ref::<ClusterRole>() {
            self.0.write().set_cluster_role(name, Some(role));
        } else if let Some(binding) = object.downcast_ref::<RoleBinding>() {
            self.bind(Binding::new(namespace, name, &binding.role_ref, &binding.subjects));
        } else if let Some(binding) = object.downcast_ref::<ClusterRoleBinding>() {
            self.bind(Binding::new("", name, &binding.role_ref, &binding.subjects));
        }
    }

    fn bind(&self, binding: Binding) {
        self.0.write().scopes.entry(binding.namespace.clone()).or_default().bind(binding);
    }

    /// Takes note that a role or binding is gone.
    pub fn forget(&self, object: &dyn Object) {
        let (kind, name) = (object.info(), object.meta().name.as_str());
        if kind == ClusterRole::INFO {
            return self.0.write().set_cluster_role(name, None);
        }
        let is_role = kind == Role::INFO;
        if !is_role && kind != RoleBinding::INFO && kind != ClusterRoleBinding::INFO {
            return;
        }
        let mut index = self.0.write();
        let namespace = object.meta().namespace.as_str();
        let Some(scope) = index.scopes.get_mut(namespace) else { return };
        if is_role {
            scope.roles.remove(name);
        } else {
            scope.unbind(name);
        }
        if scope.is_empty() {
            index.scopes.remove(namespace);
        }
    }
}

impl Index {
    fn role(&self, kind: &str, name: &str, namespace: &str) -> Option<&Rules> {
        let scope = if kind == "ClusterRole" { "" } else { namespace };
        self.scopes.get(scope)?.roles.get(name)
    }

    /// The user's bindings, the cluster's first, with the rules each grants or what is wrong with it.
    fn granted<'a>(
        &'a self,
        user: &UserInfo,
        namespace: &'a str,
    ) -> impl Iterator<Item = (&'a Arc<Binding>, Result<&'a Rules, String>)> {
        let cluster = self.scopes.get("");
        let own = self.scopes.get(namespace).filter(|_| !namespace.is_empty());
        let bindings: Vec<_> = cluster.into_iter().chain(own).flat_map(|s| s.bindings_of(user)).collect();
        bindings.into_iter().map(|binding| {
            let (kind, name) = (binding.role_kind.as_str(), binding.role_name.as_str());
            let missing = || match kind {
                "Role" | "ClusterRole" => {
                    format!("{}.rbac.authorization.k8s.io {name:?} not found", kind.to_lowercase())
                }
                _ => format!("unsupported role reference kind: {kind:?}"),
            };
            (binding, self.role(kind, name, &binding.namespace).ok_or_else(missing))
        })
    }

    fn set_cluster_role(&mut self, name: &str, role: Option<&ClusterRole>) {
        let old = match role {
            Some(role) => self.cluster_roles.insert(name.into(), Arc::new(role.clone())),
            None => self.cluster_roles.remove(name),
        };
        let roles = &mut self.scopes.entry(String::new()).or_default().roles;
        match role {
            Some(role) => roles.insert(name.into(), role.rules.as_slice().into()),
            None => roles.remove(name),
        };
        let changed: Vec<&ClusterRole> = old.as_deref().into_iter().chain(role).collect();
        let touched = |aggregate: &ClusterRole| {
            aggregate.metadata.name == name || changed.iter().any(|role| selects(aggregate, role))
        };
        // Aggregates may be parts of aggregates, so when one is touched all are made anew.
        let aggregates: Vec<_> =
            self.cluster_roles.values().filter(|r| r.aggregation_rule.is_some()).cloned().collect();
        if aggregates.iter().any(|a| touched(a)) {
            for aggregate in aggregates {
                let rules = aggregated_rules(&aggregate, &self.cluster_roles);
                roles.insert(aggregate.metadata.name.clone(), rules.into());
            }
        }
    }
}

fn selects(aggregate: &ClusterRole, role: &ClusterRole) -> bool {
    let selectors = aggregate.aggregation_rule.iter().flat_map(|a| &a.cluster_role_selectors);
    selectors
        .filter_map(|s| Selector::from_label_selector(Some(s)).ok())
        .any(|s| s.matches(&role.metadata.labels))
}

/// The rules that an aggregated role gathers from `roles` (by name), each once; also what its object shows.
pub fn aggregated_rules(
    aggregate: &ClusterRole,
    roles: &BTreeMap<String, Arc<ClusterRole>>,
) -> Vec<PolicyRule> {
    let (mut out, mut seen) = (Vec::new(), HashSet::from([aggregate.metadata.name.as_str()]));
    let mut open = vec![aggregate];
    while let Some(next) = open.pop() {
        for role in roles.values().filter(|role| selects(next, role)) {
            if !seen.insert(role.metadata.name.as_str()) {
                continue;
            }
            if role.aggregation_rule.is_some() {
                open.push(role);
                continue;
            }
            for rule in &role.rules {
                if !out.contains(rule) {
                    out.push(rule.clone());
                }
            }
        }
    }
    out
}

fn join(mut errors: Vec<String>) -> String {
    errors.dedup();
    match errors.as_slice() {
        [one] => one.clone(),
        many => format!("[{}]", many.join(", ")),
    }
}
