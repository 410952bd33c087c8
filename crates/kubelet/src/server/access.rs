//! Who may ask: the API server, administrators, and whom the API server lets (upstream's `server/auth.go`).

use super::Node;
use super::response::Refusal;
use corten_api::authentication::v1::UserInfo;
use corten_auth::authenticate::Peer;
use corten_auth::pki::KUBELET_CLIENT;
use corten_semantics::identity;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Method, StatusCode};

/// Refuses who is nobody (401) or may not (403).
pub async fn check(
    node: &Node,
    peer: &Peer,
    headers: &HeaderMap,
    method: &Method,
    path: &str,
) -> Result<(), Refusal> {
    let user = who(node, peer, headers).await?;
    if user.username == KUBELET_CLIENT || user.groups.iter().any(|group| group == identity::MASTERS) {
        return Ok(());
    }
    let (verb, parts) = (verb(method), subresources(path));
    for subresource in &parts {
        match node.directory.may(&user, verb, subresource).await {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(%error, "the API server does not tell who may ask this node");
                return Err(Refusal::internal("Internal Error"));
            }
        }
    }
    let (name, parts) = (&user.username, parts.join(","));
    Err(Refusal::new(
        StatusCode::FORBIDDEN,
        format!("Forbidden (user={name}, verb={verb}, resource=nodes, subresource(s)=[{parts}])"),
    ))
}

/// The bearer of a good certificate, or of a token that the API server knows.
async fn who(node: &Node, peer: &Peer, headers: &HeaderMap) -> Result<UserInfo, Refusal> {
    let nobody = || Refusal::new(StatusCode::UNAUTHORIZED, "Unauthorized");
    if let Peer::Known(known) = peer {
        return if known.not_after < node.clock.now() { Err(nobody()) } else { Ok((*known.user).clone()) };
    }
    let header = headers.get(AUTHORIZATION).and_then(|h| h.to_str().ok());
    let token =
        header.and_then(|h| h.split_once(' ')).filter(|(kind, _)| kind.eq_ignore_ascii_case("bearer"));
    let Some((_, token)) = token.filter(|(_, token)| !token.trim().is_empty()) else { return Err(nobody()) };
    match node.directory.who(token.trim()).await {
        Ok(Some(user)) => Ok(user),
        Ok(None) => Err(nobody()),
        Err(error) => {
            tracing::warn!(%error, "the API server does not tell whose token this is");
            Err(nobody())
        }
    }
}

fn verb(method: &Method) -> &'static str {
    match *method {
        Method::POST => "create",
        Method::GET => "get",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        _ => "",
    }
}

/// The parts of the node's resource of which one must be allowed.
fn subresources(path: &str) -> Vec<&'static str> {
    let first = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    match first {
        "pods" | "runningpods" => vec!["pods", "proxy"],
        "healthz" => vec!["healthz", "proxy"],
        "configz" => vec!["configz", "proxy"],
        "stats" => vec!["stats"],
        "metrics" => vec!["metrics"],
        "logs" => vec!["log"],
        "checkpoint" => vec!["checkpoint"],
        _ => vec!["proxy"],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_parts_of_the_node() {
        for (path, want) in [
            ("/pods", "pods,proxy"),
            ("/runningpods/", "pods,proxy"),
            ("/healthz/syncloop", "healthz,proxy"),
            ("/configz", "configz,proxy"),
            ("/stats/summary", "stats"),
            ("/metrics", "metrics"),
            ("/metrics/cadvisor", "metrics"),
            ("/logs/syslog", "log"),
            ("/containerLogs/ns/p/c", "proxy"),
            ("/exec/ns/p/c", "proxy"),
            ("/podsandmore", "proxy"),
        ] {
            assert_eq!(subresources(path).join(","), want, "{path}");
        }
    }
}
