//! What a connection asks for, as the object that admission sees: `PodExecOptions` and the like.

use corten_client::Target;
use serde_json::{Value, json};

use crate::http::query::{Query, encode};

/// The path behind a `proxy`, with the slash that the whole path ends with.
pub fn path(rest: &str, whole: &str) -> String {
    let slash = |absent: bool| if absent { "/" } else { "" };
    let start = slash(!rest.is_empty() && !rest.starts_with('/'));
    let end = slash(whole.ends_with('/') && !rest.ends_with('/'));
    format!("{start}{rest}{end}")
}

/// The options of the connection that a target and a query mean; `path` is that behind a `proxy`.
pub fn of(target: &Target, query: &Query, path: &str) -> Value {
    let kind = match (target.kind.plural, target.subresource) {
        ("pods", "exec") => "PodExecOptions",
        ("pods", "attach") => "PodAttachOptions",
        ("pods", "portforward") => "PodPortForwardOptions",
        ("pods", _) => "PodProxyOptions",
        ("services", _) => "ServiceProxyOptions",
        _ => "NodeProxyOptions",
    };
    let mut options = json!({ "kind": kind, "apiVersion": "v1" });
    match target.subresource {
        "exec" | "attach" => {
            for flag in ["stdin", "stdout", "stderr", "tty"] {
                if query.flag(flag) {
                    options[flag] = json!(true);
                }
            }
            if let Some(container) = query.get("container").filter(|c| !c.is_empty()) {
                options["container"] = json!(container);
            }
            if target.subresource == "exec" {
                options["command"] = query.all("command").collect();
            }
        }
        "portforward" => {
            let ports = query.all("ports").flat_map(|list| list.split(','));
            let ports: Vec<i32> = ports.filter_map(|port| port.parse().ok()).collect();
            if !ports.is_empty() {
                options["ports"] = json!(ports);
            }
        }
        _ if !path.is_empty() => options["path"] = json!(path),
        _ => {}
    }
    options
}

/// The query of a stream with these options, which admission has changed.
pub fn query(options: &Value) -> Query {
    let mut pairs: Vec<(&str, String)> = Vec::new();
    for flag in ["stdin", "stdout", "stderr", "tty"] {
        if options[flag] == true {
            pairs.push((flag, "true".into()));
        }
    }
    if let Some(container) = options["container"].as_str() {
        pairs.push(("container", container.into()));
    }
    let words = options["command"].as_array().into_iter().flatten();
    pairs.extend(words.filter_map(Value::as_str).map(|word| ("command", word.to_owned())));
    let ports = options["ports"].as_array().into_iter().flatten();
    pairs.extend(ports.filter_map(Value::as_i64).map(|port| ("ports", port.to_string())));
    Query::parse(&encode(pairs.iter().map(|(key, value)| (*key, value.as_str()))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::Kind;
    use corten_api::core::v1::{Node, Pod};

    #[test]
    fn queries_become_options() {
        let target = |kind, subresource| Target { kind, namespace: None, name: "n".into(), subresource };
        for (target, query, path, want) in [
            (
                target(Pod::INFO, "exec"),
                "command=ls&command=-l&stdout=true&container=c",
                "",
                json!({"kind": "PodExecOptions", "apiVersion": "v1", "stdout": true, "container": "c", "command": ["ls", "-l"]}),
            ),
            (
                target(Pod::INFO, "attach"),
                "stdin=1",
                "",
                json!({"kind": "PodAttachOptions", "apiVersion": "v1", "stdin": true}),
            ),
            (
                target(Pod::INFO, "portforward"),
                "ports=80,81",
                "",
                json!({"kind": "PodPortForwardOptions", "apiVersion": "v1", "ports": [80, 81]}),
            ),
            (
                target(Node::INFO, "proxy"),
                "",
                "/metrics",
                json!({"kind": "NodeProxyOptions", "apiVersion": "v1", "path": "/metrics"}),
            ),
        ] {
            assert_eq!(of(&target, &Query::parse(query), path), want);
            // What is made of options means the same again.
            if path.is_empty() {
                assert_eq!(of(&target, &self::query(&want), path), want);
            }
        }
    }
    #[test]
    fn the_path_behind_a_proxy_keeps_its_slashes() {
        for (rest, whole, want) in [
            ("", "/api/v1/nodes/n/proxy", ""),
            ("", "/api/v1/nodes/n/proxy/", "/"),
            ("a/b", "/api/v1/nodes/n/proxy/a/b", "/a/b"),
            ("a/b", "/api/v1/nodes/n/proxy/a/b/", "/a/b/"),
        ] {
            assert_eq!(super::path(rest, whole), want, "{whole}");
        }
    }
}
