//! Who may ask: the API server and administrators.

use super::response::Refusal;
use corten_auth::authenticate::Peer;
use corten_auth::pki::KUBELET_CLIENT;
use corten_rt::Timestamp;
use corten_semantics::identity;
use http::{Method, StatusCode};

/// Refuses who is nobody (401) or somebody else (403).
pub fn check(peer: &Peer, method: &Method, now: Timestamp) -> Result<(), Refusal> {
    let Peer::Known(known) = peer else {
        return Err(Refusal::new(StatusCode::UNAUTHORIZED, "Unauthorized"));
    };
    if known.not_after < now {
        return Err(Refusal::new(StatusCode::UNAUTHORIZED, "Unauthorized"));
    }
    let user = &known.user;
    if user.username == KUBELET_CLIENT || user.groups.iter().any(|group| group == identity::MASTERS) {
        return Ok(());
    }
    let verb = match *method {
        Method::POST => "create",
        Method::PUT => "update",
        Method::DELETE => "delete",
        _ => "get",
    };
    let name = &user.username;
    Err(Refusal::new(StatusCode::FORBIDDEN, format!("Forbidden (user={name}, verb={verb}, resource=nodes)")))
}
