//! From a request to what answers it.

use corten_api::KindInfo;
use corten_client::Target;
use corten_semantics::{ApiError, ApiResult};
use http::{Method, StatusCode};

use super::chain::Exchange;
use super::path::RequestInfo;
use super::response::{self, Response};
use corten_metrics::TEXT_FORMAT;

use super::{discovery, index, metrics, openapi, reviews, verbs, version};
use crate::aggregation::proxy;

/// What is done with an object or collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    Get,
    List,
    Watch,
    Create,
    Update,
    Patch,
    Delete,
    DeleteCollection,
    /// A stream to a pod, service or node, by any method.
    Connect,
}

/// Answers a request that may be made.
pub async fn dispatch(exchange: Exchange) -> ApiResult<Response> {
    if let Some(remote) = exchange.api.aggregation.for_path(&exchange.info.path) {
        // Every request would have to have room for it.
        return Box::pin(proxy::answer(exchange, remote)).await;
    }
    if !exchange.info.is_resource {
        return path(&exchange).await;
    }
    let info = &exchange.info;
    let registry = &exchange.api.registry;
    let kind = registry.kind(&info.group, &info.version, &info.resource);
    let is_served = |k: &&KindInfo| (k.group, k.version) == (&*info.group, &*info.version);
    if kind.is_none() && !registry.kinds().iter().any(is_served) {
        return Ok(response::text(StatusCode::NOT_FOUND, "404 page not found\n"));
    }
    let (target, verb) = resolve(kind, info, exchange.request.method())?;
    if reviews::is_review(target.kind) {
        return reviews::answer(exchange, target.kind).await;
    }
    let deprecated = deprecation(target.kind);
    if deprecated.is_some() {
        exchange.api.metrics.deprecated(info);
        exchange.context.notes.annotate("k8s.io/deprecated", "true");
    }
    let warning = deprecated.or_else(|| registry.custom_warning(target.kind));
    let mut answer = verbs::answer(exchange, target, verb).await?;
    response::warn(&mut answer, warning.as_slice());
    Ok(answer)
}

/// What clients of a kind on its way out are told (upstream's `endpoints/deprecation`).
fn deprecation(kind: &KindInfo) -> Option<String> {
    let why = match (kind.group, kind.kind) {
        ("", "Endpoints") => "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
        ("", "ComponentStatus") => "v1 ComponentStatus is deprecated in v1.19+",
        _ => return None,
    };
    Some(why.to_string())
}

/// A path that is no resource.
async fn path(exchange: &Exchange) -> ApiResult<Response> {
    let (api, path) = (&exchange.api, exchange.info.path.as_str());
    let trimmed = path.trim_end_matches('/');
    if !matches!(*exchange.request.method(), Method::GET | Method::HEAD) {
        return Err(method_not_allowed());
    }
    if let Some(answer) = api.health.answer(trimmed, &exchange.query).await {
        return Ok(answer);
    }
    match trimmed {
        "" | "/index.html" => return Ok(index::answer(exchange)),
        "/version" => return Ok(response::json(version::document())),
        "/metrics" => {
            return Ok(response::answer(StatusCode::OK, TEXT_FORMAT, metrics::text(api).await));
        }
        "/metrics/slis" => {
            return Ok(response::answer(StatusCode::OK, TEXT_FORMAT, metrics::service_levels(api)));
        }
        "/.well-known/openid-configuration" => return Ok(response::json(api.tokens.discovery())),
        "/openid/v1/jwks" => {
            return Ok(response::answer(StatusCode::OK, "application/jwk-set+json", api.tokens.key_set()));
        }
        _ => {}
    }
    if let Some(what) = trimmed.strip_prefix("/debug/api_priority_and_fairness/")
        && let Some(table) = api.flow.dump(what)
    {
        return Ok(response::answer(StatusCode::OK, "text/plain; charset=utf-8", table));
    }
    if trimmed.starts_with("/openapi")
        && let Some(answer) =
            openapi::answer(api.documents.as_ref(), trimmed, exchange.headers(), &exchange.query)
    {
        return Ok(answer);
    }
    if let Some(answer) = discovery::answer(exchange, trimmed)? {
        return Ok(answer);
    }
    Ok(response::text(StatusCode::NOT_FOUND, "404 page not found\n"))
}

/// The object or collection that a path names, and what is to be done with it.
fn resolve(
    kind: Option<&'static KindInfo>,
    info: &RequestInfo,
    method: &Method,
) -> ApiResult<(Target, Verb)> {
    let kind = kind.ok_or_else(ApiError::no_such_path)?;
    let is_namespaces = kind.group.is_empty() && kind.plural == "namespaces";
    let namespaced_path = !info.namespace.is_empty() && !is_namespaces;
    let watches_part = info.verb == "watch" && !info.subresource.is_empty();
    if namespaced_path && !kind.namespaced || info.verb == "proxy" || watches_part {
        return Err(ApiError::no_such_path());
    }
    let subresource = match info.subresource.as_str() {
        "" => "",
        sub => kind.subresources.iter().find(|s| **s == sub).copied().ok_or_else(ApiError::no_such_path)?,
    };
    if !info.rest.is_empty() && subresource != "proxy" {
        return Err(ApiError::no_such_path());
    }
    // A name that only a field selector demands stays a list.
    let has_name = !info.name.is_empty() && !matches!(info.verb.as_str(), "list" | "deletecollection");
    let watches_one = info.verb == "watch" && info.verb_in_path && has_name;
    let name = if info.verb == "watch" && !watches_one || !has_name { "" } else { info.name.as_str() };
    if kind.namespaced && !namespaced_path && !name.is_empty() {
        return Err(ApiError::no_such_path());
    }
    let everywhere = kind.namespaced && !namespaced_path;
    // What a custom kind cannot do everywhere has no path there.
    if everywhere && kind.custom && !matches!(info.verb.as_str(), "list" | "watch") {
        return Err(ApiError::no_such_path());
    }
    let verb = verb(kind, info, method, subresource, name)?;
    if everywhere && !matches!(verb, Verb::List | Verb::Watch) && !reviews::is_review(kind) {
        return Err(method_not_allowed());
    }
    let namespace = namespaced_path.then(|| info.namespace.clone());
    Ok((Target { kind, namespace, name: name.to_string(), subresource }, verb))
}

fn verb(
    kind: &KindInfo,
    info: &RequestInfo,
    method: &Method,
    subresource: &str,
    name: &str,
) -> ApiResult<Verb> {
    let of_subresource: &[Verb] = match subresource {
        "" => &[],
        "exec" | "attach" | "portforward" => &[Verb::Get, Verb::Create],
        "proxy" => return Ok(Verb::Connect),
        "log" => &[Verb::Get],
        "binding" | "eviction" | "token" => &[Verb::Create],
        "finalize" => &[Verb::Update],
        _ => &[Verb::Get, Verb::Update, Verb::Patch],
    };
    let does_all = kind.verbs.is_empty() || kind.verbs.starts_with('-');
    let listed = |word: &str| kind.verbs.split(',').any(|listed| listed.trim() == word);
    if !name.is_empty() && !does_all && !["get", "update", "patch", "delete"].into_iter().any(listed) {
        // Objects of kinds that are only made, such as Bindings, have no path.
        return Err(ApiError::no_such_path());
    }
    let verb = match (info.verb.as_str(), name.is_empty()) {
        _ if *method == Method::HEAD => return Err(method_not_allowed()),
        ("get", false) => Verb::Get,
        ("list", _) => Verb::List,
        ("watch", _) => Verb::Watch,
        ("create", no_name) if no_name == subresource.is_empty() => Verb::Create,
        ("update", false) => Verb::Update,
        ("patch", false) => Verb::Patch,
        ("delete", false) => Verb::Delete,
        ("deletecollection", true) => Verb::DeleteCollection,
        _ => return Err(method_not_allowed()),
    };
    if subresource.is_empty() {
        let allowed = match kind.verbs {
            "" => true,
            "-deletecollection" => verb != Verb::DeleteCollection,
            _ => listed(word(verb)),
        };
        return if allowed { Ok(verb) } else { Err(method_not_allowed()) };
    }
    match of_subresource.contains(&verb) {
        false => Err(method_not_allowed()),
        true if matches!(subresource, "exec" | "attach" | "portforward" | "log") => Ok(Verb::Connect),
        true => Ok(verb),
    }
}

fn word(verb: Verb) -> &'static str {
    match verb {
        Verb::Get => "get",
        Verb::List => "list",
        Verb::Watch => "watch",
        Verb::Create => "create",
        Verb::Update => "update",
        Verb::Patch => "patch",
        Verb::Delete => "delete",
        Verb::DeleteCollection => "deletecollection",
        Verb::Connect => "connect",
    }
}

/// 405 as upstream gives it for a path that knows other methods.
pub fn method_not_allowed() -> ApiError {
    let message = "the server does not allow this method on the requested resource";
    ApiError::new(405, "MethodNotAllowed", message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::query::Query;

    /// What a request leads to: the code of its refusal, or target and verb.
    fn lead(method: &str, path: &str) -> String {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let info = RequestInfo::new(&method, path, &Query::default());
        let kind = corten_api::builtin::KINDS
            .iter()
            .copied()
            .find(|k| (k.group, k.version, k.plural) == (&*info.group, &*info.version, &*info.resource));
        match resolve(kind, &info, &method) {
            Ok((t, verb)) => {
                let namespace = t.namespace.unwrap_or_default();
                format!("{verb:?} {namespace}/{}/{}/{}", t.kind.plural, t.name, t.subresource)
            }
            Err(e) => e.code().to_string(),
        }
    }

    #[test]
    fn requests_lead_to_objects_or_are_refused() {
        for (method, path, want) in [
            ("GET", "/api/v1/namespaces/a/pods", "List a/pods//"),
            ("GET", "/api/v1/pods", "List /pods//"),
            ("GET", "/api/v1/namespaces/a/pods/x", "Get a/pods/x/"),
            ("GET", "/api/v1/pods/x", "404"),
            ("POST", "/api/v1/pods", "405"),
            ("DELETE", "/api/v1/pods", "405"),
            ("POST", "/api/v1/namespaces/a/pods", "Create a/pods//"),
            ("POST", "/api/v1/namespaces/a/pods/x", "405"),
            ("PUT", "/api/v1/namespaces/a/pods", "405"),
            ("PUT", "/api/v1/namespaces/a/pods/x/status", "Update a/pods/x/status"),
            ("DELETE", "/api/v1/namespaces/a/pods/x/status", "405"),
            ("GET", "/api/v1/namespaces/a/pods/x/none", "404"),
            ("GET", "/api/v1/namespaces/a/pods/x/log", "Connect a/pods/x/log"),
            ("POST", "/api/v1/namespaces/a/pods/x/log", "405"),
            ("POST", "/api/v1/namespaces/a/pods/x/exec", "Connect a/pods/x/exec"),
            ("POST", "/api/v1/namespaces/a/pods/x/eviction", "Create a/pods/x/eviction"),
            ("GET", "/api/v1/namespaces/a/pods/x/eviction", "405"),
            ("DELETE", "/api/v1/namespaces/a/services/s/proxy/x/y", "Connect a/services/s/proxy"),
            ("GET", "/api/v1/namespaces/a", "Get /namespaces/a/"),
            ("GET", "/api/v1/namespaces", "List /namespaces//"),
            ("DELETE", "/api/v1/namespaces", "405"),
            ("PUT", "/api/v1/namespaces/a/finalize", "Update /namespaces/a/finalize"),
            ("GET", "/api/v1/namespaces/a/nodes", "404"),
            ("GET", "/api/v1/nodes/n", "Get /nodes/n/"),
            ("GET", "/api/v1/nothings", "404"),
            ("GET", "/apis/apps/v1/namespaces/a/deployments/d/scale", "Get a/deployments/d/scale"),
            ("GET", "/apis/authorization.k8s.io/v1/subjectaccessreviews", "405"),
            ("GET", "/apis/authorization.k8s.io/v1/subjectaccessreviews/x", "404"),
            ("GET", "/api/v1/namespaces/a/bindings", "405"),
            ("PUT", "/api/v1/namespaces/a/bindings/x", "404"),
            ("PUT", "/api/v1/componentstatuses/x", "405"),
            ("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", "Create /subjectaccessreviews//"),
            ("GET", "/api/v1/watch/namespaces/a/pods", "Watch a/pods//"),
            ("GET", "/api/v1/watch/namespaces/a/pods/x", "Watch a/pods/x/"),
            ("GET", "/api/v1/watch/pods", "Watch /pods//"),
            ("HEAD", "/api/v1/pods", "405"),
            ("OPTIONS", "/api/v1/pods", "405"),
        ] {
            assert_eq!(lead(method, path), want, "{method} {path}");
        }
    }
}
