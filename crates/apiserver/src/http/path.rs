//! What a request asks for, from its method, path and query (apiserver `endpoints/request.RequestInfo`).

use super::query::{Query, decode};
use corten_api::authentication::v1::UserInfo;
use corten_api::selector::FieldSelector;
use corten_auth::Attributes;
use http::Method;

/// What a request is about, before anything is looked up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestInfo {
    /// The decoded path.
    pub path: String,
    /// `get`, `list`, `watch`, `create`, ...; the method in lower case for paths that are no resource.
    pub verb: String,
    /// Whether the path names a resource.
    pub is_resource: bool,
    pub group: String,
    pub version: String,
    pub namespace: String,
    pub resource: String,
    pub name: String,
    pub subresource: String,
    /// What follows the subresource, without a leading slash.
    pub rest: String,
    /// Whether the verb stands in the path (`/api/v1/watch/...`).
    pub verb_in_path: bool,
}

impl RequestInfo {
    /// Reads a request line.
    pub fn new(method: &Method, raw_path: &str, query: &Query) -> Self {
        let path = decode(raw_path, false);
        let mut info = RequestInfo {
            verb: method.as_str().to_ascii_lowercase(),
            path: path.clone(),
            ..RequestInfo::default()
        };
        let trimmed = path.trim_matches('/');
        let parts: Vec<&str> = if trimmed.is_empty() { Vec::new() } else { trimmed.split('/').collect() };
        let rest = match parts.as_slice() {
            ["api", rest @ ..] if rest.len() >= 2 => rest,
            ["apis", group, rest @ ..] if rest.len() >= 2 => {
                info.group = (*group).to_string();
                rest
            }
            _ => return info,
        };
        info.is_resource = true;
        info.version = rest[0].to_string();
        let mut rest = &rest[1..];
        info.verb = verb_of(method).to_string();
        if let ["watch" | "proxy", after @ ..] = rest
            && !after.is_empty()
        {
            info.verb = rest[0].to_string();
            info.verb_in_path = true;
            rest = after;
        }
        if let ["namespaces", namespace, after @ ..] = rest {
            info.namespace = (*namespace).to_string();
            if !matches!(after, [] | ["status" | "finalize", ..]) {
                rest = after;
            }
        }
        info.name_parts(rest);
        info.settle_verb(query);
        info
    }

    fn name_parts(&mut self, parts: &[&str]) {
        let at = |n: usize| parts.get(n).map(ToString::to_string).unwrap_or_default();
        (self.resource, self.name) = (at(0), at(1));
        if self.verb != "proxy" {
            self.subresource = at(2);
            self.rest = parts.get(3..).unwrap_or_default().join("/");
        }
    }

    /// Without a name, a read is a list or watch, and a deletion one of the collection.
    fn settle_verb(&mut self, query: &Query) {
        if !self.name.is_empty() {
            return;
        }
        match self.verb.as_str() {
            "get" => {
                self.verb = if query.flag("watch") { "watch" } else { "list" }.into();
                self.name = query.get("fieldSelector").and_then(exact_name).unwrap_or_default();
            }
            "delete" => self.verb = "deletecollection".into(),
            _ => {}
        }
    }

    /// Whether the request may take as long as it likes: watches and streams.
    pub fn is_long_running(&self) -> bool {
        self.is_resource
            && (matches!(self.verb.as_str(), "watch" | "proxy")
                || matches!(self.subresource.as_str(), "attach" | "exec" | "proxy" | "log" | "portforward"))
    }

    /// What `user` would do with the resource by `verb`, for the authorizer.
    pub fn attributes<'a>(&'a self, user: &'a UserInfo, verb: &'a str) -> Attributes<'a> {
        Attributes {
            version: &self.version,
            subresource: &self.subresource,
            namespace: &self.namespace,
            name: &self.name,
            path: &self.path,
            ..Attributes::resource(user, verb, &self.group, &self.resource)
        }
    }

    /// Whether the request changes nothing.
    pub fn is_read(&self) -> bool {
        matches!(self.verb.as_str(), "get" | "list" | "watch" | "head")
    }
}

fn verb_of(method: &Method) -> &'static str {
    match *method {
        Method::POST => "create",
        Method::GET | Method::HEAD => "get",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        _ => "",
    }
}

/// The name that a field selector demands by `metadata.name=`.
pub fn exact_name(selector: &str) -> Option<String> {
    let selector = FieldSelector::parse(selector).ok()?;
    let name = selector.required("metadata.name")?;
    (!name.is_empty() && name != "." && name != ".." && !name.contains(['/', '%'])).then(|| name.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_taken_apart() {
        // method, path, query -> verb, group/version, namespace, resource, name, subresource, rest
        type Case = (&'static str, &'static str, &'static str, [&'static str; 7]);
        let cases: &[Case] = &[
            ("GET", "/api/v1/pods", "", ["list", "/v1", "", "pods", "", "", ""]),
            ("GET", "/api/v1/namespaces/a/pods", "watch=1", ["watch", "/v1", "a", "pods", "", "", ""]),
            ("GET", "/api/v1/namespaces/a/pods/x", "", ["get", "/v1", "a", "pods", "x", "", ""]),
            ("HEAD", "/api/v1/namespaces/a/pods/x", "", ["get", "/v1", "a", "pods", "x", "", ""]),
            (
                "PUT",
                "/api/v1/namespaces/a/pods/x/status",
                "",
                ["update", "/v1", "a", "pods", "x", "status", ""],
            ),
            (
                "GET",
                "/api/v1/namespaces/a/services/http:x:80/proxy/b/c",
                "",
                ["get", "/v1", "a", "services", "http:x:80", "proxy", "b/c"],
            ),
            ("GET", "/api/v1/namespaces", "", ["list", "/v1", "", "namespaces", "", "", ""]),
            ("GET", "/api/v1/namespaces/a", "", ["get", "/v1", "a", "namespaces", "a", "", ""]),
            (
                "PUT",
                "/api/v1/namespaces/a/finalize",
                "",
                ["update", "/v1", "a", "namespaces", "a", "finalize", ""],
            ),
            (
                "DELETE",
                "/apis/apps/v1/namespaces/a/deployments",
                "",
                ["deletecollection", "apps/v1", "a", "deployments", "", "", ""],
            ),
            (
                "PATCH",
                "/apis/apps/v1/namespaces/a/deployments/d",
                "",
                ["patch", "apps/v1", "a", "deployments", "d", "", ""],
            ),
            ("GET", "/api/v1/watch/namespaces/a/pods", "", ["watch", "/v1", "a", "pods", "", "", ""]),
            ("GET", "/api/v1/watch/namespaces/a/pods/x", "", ["watch", "/v1", "a", "pods", "x", "", ""]),
            (
                "GET",
                "/api/v1/watch/namespaces/a/pods/x/log",
                "",
                ["watch", "/v1", "a", "pods", "x", "log", ""],
            ),
            ("GET", "/api/v1/watch/nodes", "", ["watch", "/v1", "", "nodes", "", "", ""]),
            ("POST", "/api/v1/nodes", "", ["create", "/v1", "", "nodes", "", "", ""]),
            ("OPTIONS", "/api/v1/nodes", "", ["", "/v1", "", "nodes", "", "", ""]),
            (
                "GET",
                "/api/v1/pods",
                "fieldSelector=metadata.name%3Dx,spec.nodeName%3Dn",
                ["list", "/v1", "", "pods", "x", "", ""],
            ),
        ];
        for (method, path, query, want) in cases {
            let method = Method::from_bytes(method.as_bytes()).expect("a method");
            let i = RequestInfo::new(&method, path, &Query::parse(query));
            assert!(i.is_resource, "{path}");
            let gv = format!("{}/{}", i.group, i.version);
            let got = [&*i.verb, &*gv, &*i.namespace, &*i.resource, &*i.name, &*i.subresource, &*i.rest];
            assert_eq!(&got, want, "{method} {path}");
        }
    }

    #[test]
    fn short_paths_are_no_resource() {
        for path in ["/", "/api", "/api/v1", "/apis", "/apis/apps", "/apis/apps/v1", "/healthz", "/a/b/c/d"] {
            let i = RequestInfo::new(&Method::GET, path, &Query::default());
            assert!(!i.is_resource && i.verb == "get" && i.path == path, "{i:?}");
        }
    }
}
