//! Which paths the API has and what can be done there: the plan both versions are written from.

use corten_api::{Kind, KindInfo, Schema, builtin::KINDS, builtin::OPTIONAL};
use std::collections::BTreeSet;

/// What an operation takes or gives.
#[derive(Clone, Copy, Debug)]
pub enum Content {
    Struct(&'static Schema),
    ListOf(&'static KindInfo),
    /// An object of a kind that a definition declares.
    Custom(&'static KindInfo),
    Patch,
    Version,
    Text,
    /// A text in a form of its own.
    Document(&'static str),
}

/// Group, version and kind.
pub type Gvk = (&'static str, &'static str, &'static str);

type Names = &'static [&'static str];

/// What a method does at a path.
#[derive(Debug)]
pub struct Operation {
    pub method: &'static str,
    /// Unique in the document; generated clients name their functions by it.
    pub id: String,
    pub description: String,
    pub tag: String,
    /// `list`, `post` and so on; none of paths that serve no resource.
    pub action: Option<(&'static str, Gvk)>,
    pub body: Option<Content>,
    /// Keys of parameters.
    pub parameters: Vec<&'static str>,
    pub answers: Vec<(u16, Content)>,
    /// On a kind that a definition declares, which knows fewer forms.
    pub custom: bool,
}

/// A path with its operations.
#[derive(Debug)]
pub struct Path {
    pub path: String,
    /// What `{name}` names.
    pub named: Option<&'static str>,
    /// Keys of parameters of all operations.
    pub parameters: Vec<&'static str>,
    pub operations: Vec<Operation>,
}

/// A part of the API that has a document of its own in version 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Area {
    CoreVersions,
    Groups,
    Group(&'static str),
    GroupVersion(&'static str, &'static str),
    Version,
    /// Who issues service accounts' tokens, and with which keys.
    Issuer,
    IssuerKeys,
}

/// All areas.
pub fn areas() -> BTreeSet<Area> {
    let mut areas =
        BTreeSet::from([Area::CoreVersions, Area::Groups, Area::Version, Area::Issuer, Area::IssuerKeys]);
    for kind in served() {
        if !kind.group.is_empty() {
            areas.insert(Area::Group(kind.group));
        }
        areas.insert(Area::GroupVersion(kind.group, kind.version));
    }
    areas
}

/// Kinds that have a URL.
pub fn served() -> impl Iterator<Item = &'static KindInfo> {
    KINDS.iter().copied().filter(|kind| !kind.plural.is_empty())
}

/// Whether a client may do `verb` to the kind.
fn allows(kind: &KindInfo, verb: &str) -> bool {
    match kind.verbs.strip_prefix('-') {
        Some(without) => !without.split(',').any(|v| v == verb),
        None => kind.verbs.is_empty() || kind.verbs.split(',').any(|v| v == verb),
    }
}

impl Area {
    /// `api/v1`, `apis/apps/v1`, `apis/apps`, `version`.
    pub fn name(&self) -> String {
        match self {
            Area::CoreVersions => "api".into(),
            Area::Groups => "apis".into(),
            Area::Group(group) => format!("apis/{group}"),
            Area::GroupVersion("", version) => format!("api/{version}"),
            Area::GroupVersion(group, version) => format!("apis/{group}/{version}"),
            Area::Version => "version".into(),
            Area::Issuer => ".well-known/openid-configuration".into(),
            Area::IssuerKeys => "openid/v1/jwks".into(),
        }
    }

    /// Its paths.
    pub fn paths(&self) -> Vec<Path> {
        use corten_api::meta::v1::{APIGroup, APIGroupList, APIResourceList, APIVersions};
        let about = |tag: &str, id: String, description: &str, content| Path {
            path: format!("/{}/", self.name()),
            named: None,
            parameters: Vec::new(),
            operations: vec![Operation {
                method: "get",
                id,
                description: description.into(),
                tag: tag.into(),
                action: None,
                body: None,
                parameters: Vec::new(),
                answers: vec![(200, content)],
                custom: false,
            }],
        };
        match self {
            Area::CoreVersions => {
                let content = Content::Struct(APIVersions::schema());
                vec![about("core", "getCoreAPIVersions".into(), "get available API versions", content)]
            }
            Area::Groups => {
                let content = Content::Struct(APIGroupList::schema());
                vec![about("apis", "getAPIVersions".into(), "get available API versions", content)]
            }
            Area::Group(group) => {
                let (tag, content) = (group_name(group), Content::Struct(APIGroup::schema()));
                let id = format!("get{}APIGroup", pascal(&tag));
                vec![about(&tag, id, "get information of a group", content)]
            }
            Area::Version => {
                let what = "get the version information for this server";
                vec![about("version", "getCodeVersion".into(), what, Content::Version)]
            }
            Area::Issuer => {
                let what = "get the OpenID configuration of the issuer of service accounts' tokens";
                let id = "getServiceAccountIssuerOpenIDConfiguration";
                vec![about("WellKnown", id.into(), what, Content::Document("application/json"))]
            }
            Area::IssuerKeys => {
                let what = "get the public keys by which service accounts' tokens are verified";
                let id = "getServiceAccountIssuerOpenIDKeyset";
                vec![about("openid", id.into(), what, Content::Document("application/jwk-set+json"))]
            }
            Area::GroupVersion(group, version) => {
                let tag = format!("{}_{version}", group_name(group));
                let content = Content::Struct(APIResourceList::schema());
                let id = format!("get{}APIResources", pascal(&tag));
                let mut paths = vec![about(&tag, id, "get available resources", content)];
                let all = served().chain(OPTIONAL.iter().copied());
                for kind in all.filter(|k| (k.group, k.version) == (*group, *version)) {
                    resource(kind, &mut paths);
                    watches(kind, &mut paths);
                }
                paths
            }
        }
    }
}

/// `core`, `apps`, `rbacAuthorization`: how operations and tags name a group.
fn group_name(group: &str) -> String {
    if group.is_empty() {
        return "core".into();
    }
    let mut parts = group.trim_end_matches(".k8s.io").split('.');
    let first = parts.next().unwrap_or_default().to_string();
    parts.fold(first, |name, part| name + &pascal(part))
}

/// `core_v1` to `CoreV1`.
fn pascal(name: &str) -> String {
    name.split('_')
        .flat_map(|part| {
            let mut letters = part.chars();
            letters.next().map(|c| c.to_uppercase().chain(letters).collect::<String>())
        })
        .collect()
}

const LISTING: [&str; 10] = [
    "allowWatchBookmarks",
    "continue",
    "fieldSelector",
    "labelSelector",
    "limit",
    "resourceVersion",
    "resourceVersionMatch",
    "sendInitialEvents",
    "timeoutSeconds",
    "watch",
];
const DELETING: [&str; 5] = [
    "dryRun",
    "gracePeriodSeconds",
    "ignoreStoreReadErrorWithClusterBreakingPotential",
    "orphanDependents",
    "propagationPolicy",
];
const WRITING: [&str; 3] = ["dryRun", "fieldManager", "fieldValidation"];

/// What an object of the kind is.
fn content(kind: &'static KindInfo) -> Content {
    if kind.custom { Content::Custom(kind) } else { Content::Struct((kind.schema)()) }
}

/// The paths of one resource: all namespaces, its collection, its objects, their subresources.
pub fn resource(kind: &'static KindInfo, paths: &mut Vec<Path>) {
    let base = match kind.group {
        "" => format!("/api/{}", kind.version),
        group => format!("/apis/{group}/{}", kind.version),
    };
    let collection = match kind.namespaced {
        true => format!("{base}/namespaces/{{namespace}}/{}", kind.plural),
        false => format!("{base}/{}", kind.plural),
    };
    let at = Resource { kind };
    if kind.namespaced && allows(kind, "list") {
        let operation = Operation { id: at.id("list", "ForAllNamespaces", false), ..at.list() };
        paths.push(Path {
            path: format!("{base}/{}", kind.plural),
            named: None,
            parameters: vec!["pretty"],
            operations: vec![operation],
        });
    }
    let mut push = |path: String, named, operations: Vec<Operation>| {
        // What is passed on is not printed.
        let connects = operations.iter().any(|o| o.action.is_some_and(|(action, _)| action == "connect"));
        let mut parameters = if connects { Vec::new() } else { vec!["pretty"] };
        if kind.namespaced {
            parameters.push("namespace");
        }
        if !operations.is_empty() {
            paths.push(Path { path, named, parameters, operations });
        }
    };
    push(collection.clone(), None, at.collection());
    push(format!("{collection}/{{name}}"), Some(kind.kind), at.object());
    for name in kind.subresources {
        let sub = Subresource::of(kind, name);
        push(format!("{collection}/{{name}}/{name}"), Some(sub.gvk.2), at.subresource(&sub));
    }
    if kind.subresources.contains(&"proxy") {
        let sub = Subresource { rest: true, ..Subresource::of(kind, "proxy") };
        push(format!("{collection}/{{name}}/proxy/{{path}}"), Some(sub.gvk.2), at.subresource(&sub));
    }
}

/// The older paths of watches, which clients still know.
fn watches(kind: &'static KindInfo, paths: &mut Vec<Path>) {
    if !allows(kind, "watch") {
        return;
    }
    let base = match kind.group {
        "" => format!("/api/{}/watch", kind.version),
        group => format!("/apis/{group}/{}/watch", kind.version),
    };
    let at = Resource { kind };
    let mut push = |path: String, named: Option<&'static str>, (action, ending, one): (_, _, bool)| {
        let mut parameters = LISTING.to_vec();
        parameters.push("pretty");
        if path.contains("{namespace}") {
            parameters.push("namespace");
        }
        let what = if one { "an object" } else { "objects" };
        let operation = Operation {
            description: format!("watch {what} of kind {}; a list with watch=true does the same", kind.kind),
            answers: vec![(200, Content::Struct(corten_api::meta::v1::WatchEvent::schema()))],
            ..at.operation("get", action, at.id("watch", ending, path.contains("{namespace}")), at.gvk())
        };
        paths.push(Path { path, named, parameters, operations: vec![operation] });
    };
    let mut within = format!("{base}/{}", kind.plural);
    if kind.namespaced {
        push(within, None, ("watchlist", "ListForAllNamespaces", false));
        within = format!("{base}/namespaces/{{namespace}}/{}", kind.plural);
    }
    push(within.clone(), None, ("watchlist", "List", false));
    if allows(kind, "get") {
        push(format!("{within}/{{name}}"), Some(kind.kind), ("watch", "", true));
    }
}

/// A subresource: its body and what can be done to it.
struct Subresource {
    name: &'static str,
    gvk: Gvk,
    body: Content,
    verbs: Names,
    parameters: Names,
    /// With a path behind it.
    rest: bool,
}

impl Subresource {
    fn of(kind: &'static KindInfo, name: &'static str) -> Self {
        const CHANGED: &[&str] = &["get", "put", "patch"];
        const STREAMED: &[&str] = &["get", "post"];
        const PASSED: &[&str] = &["delete", "get", "head", "options", "patch", "post", "put"];
        const STREAMS: &[&str] = &["container", "stderr", "stdin", "stdout", "tty"];
        const EXECUTED: &[&str] = &["command", "container", "stderr", "stdin", "stdout", "tty"];
        let of = |body: &'static KindInfo, verbs: Names| -> (&'static KindInfo, _, Names, Names) {
            (body, body.kind, verbs, &[])
        };
        let (body, named, verbs, parameters) = match name {
            "scale" => of(corten_api::autoscaling::v1::Scale::INFO, CHANGED),
            "binding" => of(corten_api::core::v1::Binding::INFO, &["post"]),
            "eviction" => of(corten_api::policy::v1::Eviction::INFO, &["post"]),
            "token" => of(corten_api::authentication::v1::TokenRequest::INFO, &["post"]),
            "finalize" => of(kind, &["put"]),
            "exec" => (kind, "PodExecOptions", STREAMED, EXECUTED),
            "attach" => (kind, "PodAttachOptions", STREAMED, STREAMS),
            "portforward" => (kind, "PodPortForwardOptions", STREAMED, &["ports"][..]),
            "proxy" => (kind, proxy_options(kind), PASSED, &["path"][..]),
            "log" => (kind, kind.kind, &["log"][..], LOGGING),
            _ => of(kind, CHANGED),
        };
        let gvk = if kind.custom {
            (kind.group, kind.version, kind.kind)
        } else {
            (body.group, body.version, named)
        };
        let body = content(body);
        Subresource { name, gvk, body, verbs, parameters, rest: false }
    }

    /// Whether requests are passed on rather than answered.
    fn connects(&self) -> bool {
        self.gvk.2.ends_with("Options")
    }
}

const LOGGING: &[&str] = &[
    "container",
    "follow",
    "insecureSkipTLSVerifyBackend",
    "limitBytes",
    "previous",
    "sinceSeconds",
    "stream",
    "tailLines",
    "timestamps",
];

fn proxy_options(kind: &KindInfo) -> &'static str {
    match kind.plural {
        "pods" => "PodProxyOptions",
        "services" => "ServiceProxyOptions",
        _ => "NodeProxyOptions",
    }
}

/// Operations on a resource.
struct Resource {
    kind: &'static KindInfo,
}

impl Resource {
    /// `readAppsV1NamespacedDeployment` and the like.
    fn id(&self, verb: &str, ending: &str, namespaced: bool) -> String {
        let namespaced = if namespaced && self.kind.namespaced { "Namespaced" } else { "" };
        let group_version = pascal(&group_name(self.kind.group)) + &pascal(self.kind.version);
        match verb.split_once('+') {
            Some((verb, behind)) => {
                format!("{verb}{group_version}{behind}{namespaced}{}{ending}", self.kind.kind)
            }
            None => format!("{verb}{group_version}{namespaced}{}{ending}", self.kind.kind),
        }
    }

    fn operation(&self, method: &'static str, action: &'static str, id: String, gvk: Gvk) -> Operation {
        Operation {
            method,
            id,
            description: String::new(),
            tag: format!("{}_{}", group_name(self.kind.group), self.kind.version),
            action: Some((action, gvk)),
            body: None,
            parameters: Vec::new(),
            answers: Vec::new(),
            custom: self.kind.custom,
        }
    }

    fn gvk(&self) -> Gvk {
        (self.kind.group, self.kind.version, self.kind.kind)
    }

    fn list(&self) -> Operation {
        Operation {
            description: format!("list or watch objects of kind {}", self.kind.kind),
            parameters: LISTING.to_vec(),
            answers: vec![(200, Content::ListOf(self.kind))],
            ..self.operation("get", "list", self.id("list", "", true), self.gvk())
        }
    }

    fn collection(&self) -> Vec<Operation> {
        let mut operations = Vec::new();
        if allows(self.kind, "list") {
            operations.push(self.list());
        }
        if allows(self.kind, "create") {
            let id = self.id("create", "", true);
            let description = format!("create a {}", self.kind.kind);
            operations.push(Operation { description, ..self.create(id, self.gvk(), content(self.kind)) });
        }
        if allows(self.kind, "deletecollection") {
            let listing = LISTING.iter().copied().filter(|p| !matches!(*p, "allowWatchBookmarks" | "watch"));
            operations.push(Operation {
                description: format!("delete collection of {}", self.kind.kind),
                body: Some(Content::Struct(corten_api::meta::v1::DeleteOptions::schema())),
                parameters: listing.chain(DELETING).collect(),
                answers: vec![(200, Content::Struct(corten_api::meta::v1::Status::schema()))],
                ..self.operation(
                    "delete",
                    "deletecollection",
                    self.id("delete+Collection", "", true),
                    self.gvk(),
                )
            });
        }
        operations
    }

    fn object(&self) -> Vec<Operation> {
        let (kind, content) = (self.kind, content(self.kind));
        let mut operations = Vec::new();
        for method in ["get", "put", "patch"] {
            let verb = if method == "put" { "update" } else { method };
            if allows(kind, verb) {
                operations.push(self.change(method, "", self.gvk(), content));
            }
        }
        if allows(kind, "delete") {
            let gone = match gives_deleted(kind) {
                true => content,
                false => Content::Struct(corten_api::meta::v1::Status::schema()),
            };
            operations.push(Operation {
                description: format!("delete a {}", kind.kind),
                body: Some(Content::Struct(corten_api::meta::v1::DeleteOptions::schema())),
                parameters: DELETING.to_vec(),
                answers: vec![(200, gone), (202, gone)],
                ..self.operation("delete", "delete", self.id("delete", "", true), self.gvk())
            });
        }
        operations
    }

    fn create(&self, id: String, gvk: Gvk, content: Content) -> Operation {
        Operation {
            body: Some(content),
            parameters: WRITING.to_vec(),
            answers: vec![(200, content), (201, content), (202, content)],
            ..self.operation("post", "post", id, gvk)
        }
    }

    /// Reading, replacing or patching an object or a subresource.
    fn change(&self, method: &'static str, ending: &str, gvk: Gvk, content: Content) -> Operation {
        let (verb, description) = match method {
            "get" => ("read", "read the specified"),
            "put" => ("replace", "replace the specified"),
            _ => ("patch", "partially update the specified"),
        };
        let mut operation = self.operation(method, method, self.id(verb, ending, true), gvk);
        operation.description = match ending {
            "" => format!("{description} {}", self.kind.kind),
            _ => format!("{description} {} ({})", self.kind.kind, ending.to_lowercase()),
        };
        operation.answers.push((200, content));
        if method != "get" {
            operation.body = Some(if method == "patch" { Content::Patch } else { content });
            operation.parameters.extend(WRITING);
            operation.answers.push((201, content));
        }
        if method == "patch" {
            operation.parameters.push("force");
        }
        operation
    }

    fn subresource(&self, sub: &Subresource) -> Vec<Operation> {
        let ending = pascal(sub.name);
        let one = |verb: &'static str| match verb {
            _ if sub.connects() => {
                let with = if sub.rest { "WithPath" } else { "" };
                let id = self.id(&format!("connect+{}", pascal(verb)), &format!("{ending}{with}"), true);
                let mut parameters = sub.parameters.to_vec();
                if sub.rest {
                    parameters.push("path-rest");
                }
                Operation {
                    description: format!(
                        "connect {} requests to {} of {}",
                        verb.to_uppercase(),
                        sub.name,
                        self.kind.kind
                    ),
                    parameters,
                    answers: vec![(200, Content::Text)],
                    ..self.operation(verb, "connect", id, sub.gvk)
                }
            }
            "log" => Operation {
                description: format!("read log of the specified {}", self.kind.kind),
                parameters: sub.parameters.to_vec(),
                answers: vec![(200, Content::Text)],
                ..self.operation("get", "get", self.id("read", &ending, true), sub.gvk)
            },
            "post" => Operation {
                description: format!("create {} of a {}", sub.name, self.kind.kind),
                ..self.create(self.id("create", &ending, true), sub.gvk, sub.body)
            },
            method => self.change(method, &ending, sub.gvk, sub.body),
        };
        sub.verbs.iter().map(|verb| one(verb)).collect()
    }
}

/// Kinds of which a delete answers with the object instead of a Status.
fn gives_deleted(kind: &KindInfo) -> bool {
    match kind.group {
        "" => matches!(
            kind.kind,
            "PersistentVolumeClaim"
                | "Pod"
                | "PodTemplate"
                | "ResourceQuota"
                | "ServiceAccount"
                | "Service"
                | "PersistentVolume"
        ),
        "resource.k8s.io" => true,
        "storage.k8s.io" => kind.kind != "CSIStorageCapacity",
        _ => false,
    }
}
