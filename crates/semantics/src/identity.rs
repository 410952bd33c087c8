//! The names of users and groups that the system itself gives and recognizes (k8s.io/apiserver
//! `authentication/user` and `serviceaccount`).

use corten_api::authentication::v1::UserInfo;

/// Who has proved nothing.
pub const ANONYMOUS: &str = "system:anonymous";
/// The group of whoever has proved nothing.
pub const UNAUTHENTICATED: &str = "system:unauthenticated";
/// The group of everyone who has proved who they are.
pub const AUTHENTICATED: &str = "system:authenticated";
/// The group whose members may do anything.
pub const MASTERS: &str = "system:masters";
/// The group of nodes.
pub const NODES: &str = "system:nodes";
/// The group of bootstrap tokens.
pub const BOOTSTRAPPERS: &str = "system:bootstrappers";
/// The group of all service accounts.
pub const SERVICE_ACCOUNTS: &str = "system:serviceaccounts";
/// The user of the controllers' process.
pub const CONTROLLER_MANAGER: &str = "system:kube-controller-manager";
/// The user of the scheduler.
pub const SCHEDULER: &str = "system:kube-scheduler";
/// The user of the service proxy.
pub const PROXY: &str = "system:kube-proxy";

const NODE_PREFIX: &str = "system:node:";
const SERVICE_ACCOUNT_PREFIX: &str = "system:serviceaccount:";

/// The user of a node.
pub fn node_user(name: &str) -> String {
    format!("{NODE_PREFIX}{name}")
}

/// The user of a service account.
pub fn service_account_user(namespace: &str, name: &str) -> String {
    format!("{SERVICE_ACCOUNT_PREFIX}{namespace}:{name}")
}

/// The groups of a namespace's service accounts, without that of everyone authenticated.
pub fn service_account_groups(namespace: &str) -> Vec<String> {
    vec![SERVICE_ACCOUNTS.to_string(), format!("{SERVICE_ACCOUNTS}:{namespace}")]
}

/// A service account with its groups, as its tokens make it one.
pub fn service_account(namespace: &str, name: &str) -> UserInfo {
    let mut groups = service_account_groups(namespace);
    groups.push(AUTHENTICATED.to_string());
    UserInfo { username: service_account_user(namespace, name), groups, ..UserInfo::default() }
}

/// Namespace and name of the service account whose user this is.
pub fn split_service_account(user: &str) -> Option<(&str, &str)> {
    let (namespace, name) = user.strip_prefix(SERVICE_ACCOUNT_PREFIX)?.split_once(':')?;
    (!namespace.is_empty() && !name.is_empty() && !name.contains(':')).then_some((namespace, name))
}

/// The node that this user is: `None` if it is none, an empty name if it cannot be told which.
pub fn node_of(user: &UserInfo) -> Option<&str> {
    let name = user.username.strip_prefix(NODE_PREFIX)?;
    in_group(user, NODES).then_some(name)
}

/// The API server itself.
pub fn api_server() -> UserInfo {
    UserInfo {
        username: "system:apiserver".into(),
        groups: vec![MASTERS.into(), AUTHENTICATED.into()],
        ..UserInfo::default()
    }
}

/// Whether the user is a member of `group`.
pub fn in_group(user: &UserInfo, group: &str) -> bool {
    user.groups.iter().any(|g| g == group)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_accounts_and_nodes_are_told_from_their_names() {
        for (user, account) in [
            ("system:serviceaccount:ns:sa", Some(("ns", "sa"))),
            ("system:serviceaccount:ns", None),
            ("system:serviceaccount::sa", None),
            ("system:serviceaccount:ns:", None),
            ("system:serviceaccount:ns:sa:x", None),
            ("alice", None),
        ] {
            assert_eq!(split_service_account(user), account, "{user}");
        }
        for (user, groups, node) in [
            ("system:node:a", vec![NODES], Some("a")),
            ("system:node:", vec![NODES], Some("")),
            ("system:node:a", vec![], None),
            ("a", vec![NODES], None),
        ] {
            let groups = groups.into_iter().map(String::from).collect();
            let info = UserInfo { username: user.into(), groups, ..UserInfo::default() };
            assert_eq!(node_of(&info), node, "{user}");
        }
    }
}
