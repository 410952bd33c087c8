//! What each path means.

use super::query::unescape;

/// A container of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub namespace: String,
    pub pod: String,
    /// Empty for port-forward, which is to a pod.
    pub container: String,
    /// When the client says which pod of that name it means.
    pub uid: Option<String>,
}

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
pub enum Route {
    Healthz,
    /// Whether the loop that looks after the pods still turns.
    SyncLoop,
    Configuration,
    Pods,
    RunningPods,
    /// A file or directory of the machine's logs.
    NodeLogs(String),
    Logs(Target),
    Exec(Target),
    Attach(Target),
    PortForward(Target),
    Metrics,
    ResourceMetrics,
    CadvisorMetrics,
    ProbeMetrics,
    Summary,
}

/// Finds what a path means; `None` when it means nothing.
pub fn find(path: &str) -> Option<Route> {
    let parts: Vec<String> = path.trim_matches('/').split('/').map(unescape).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    if parts.contains(&"") {
        return None;
    }
    Some(match parts.as_slice() {
        ["healthz"] | ["healthz", "ping" | "log"] => Route::Healthz,
        ["healthz", "syncloop"] => Route::SyncLoop,
        ["configz"] => Route::Configuration,
        ["pods"] => Route::Pods,
        ["runningpods"] => Route::RunningPods,
        ["logs", rest @ ..] => Route::NodeLogs(rest.join("/")),
        ["metrics"] => Route::Metrics,
        ["metrics", "resource"] => Route::ResourceMetrics,
        ["metrics", "cadvisor"] => Route::CadvisorMetrics,
        ["metrics", "probes"] => Route::ProbeMetrics,
        ["stats", "summary"] => Route::Summary,
        ["containerLogs", namespace, pod, container] => Route::Logs(target(namespace, pod, None, container)),
        ["exec", rest @ ..] => Route::Exec(in_container(rest)?),
        ["attach", rest @ ..] => Route::Attach(in_container(rest)?),
        ["portForward", namespace, pod] => Route::PortForward(target(namespace, pod, None, "")),
        ["portForward", namespace, pod, uid] => Route::PortForward(target(namespace, pod, Some(uid), "")),
        _ => return None,
    })
}

fn in_container(parts: &[&str]) -> Option<Target> {
    match parts {
        [namespace, pod, container] => Some(target(namespace, pod, None, container)),
        [namespace, pod, uid, container] => Some(target(namespace, pod, Some(uid), container)),
        _ => None,
    }
}

fn target(namespace: &str, pod: &str, uid: Option<&str>, container: &str) -> Target {
    Target {
        namespace: namespace.to_string(),
        pod: pod.to_string(),
        container: container.to_string(),
        uid: uid.map(str::to_string),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_upstreams() {
        let to = |uid| target("ns", "p", uid, "c");
        for (path, want) in [
            ("/healthz", Some(Route::Healthz)),
            ("/healthz/syncloop", Some(Route::SyncLoop)),
            ("/healthz/none", None),
            ("/pods/", Some(Route::Pods)),
            ("/logs/a/b", Some(Route::NodeLogs("a/b".into()))),
            ("/metrics/probes", Some(Route::ProbeMetrics)),
            ("/containerLogs/ns/p/c", Some(Route::Logs(to(None)))),
            ("/exec/ns/p/c", Some(Route::Exec(to(None)))),
            ("/attach/ns/p/u%31/c", Some(Route::Attach(to(Some("u1"))))),
            ("/portForward/ns/p", Some(Route::PortForward(target("ns", "p", None, "")))),
            ("/metrics/resource", Some(Route::ResourceMetrics)),
            ("/exec/ns/p", None),
            ("/exec/ns//c", None),
            ("/", None),
            ("/run/ns/p/c", None),
        ] {
            assert_eq!(find(path), want, "{path}");
        }
    }
}
