//! The parameters of requests, by a name that is unique among them.

/// Where a parameter stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Path,
    Query,
}

impl Place {
    pub fn name(self) -> &'static str {
        match self {
            Place::Path => "path",
            Place::Query => "query",
        }
    }
}

/// One parameter.
#[derive(Debug)]
pub struct Parameter {
    /// Its name among shared parameters.
    pub key: &'static str,
    pub name: &'static str,
    pub place: Place,
    /// Its JSON type.
    pub ty: &'static str,
    pub description: &'static str,
    /// Written out in every operation, for clients that look for it there.
    pub inline: bool,
}

const fn query(name: &'static str, ty: &'static str, description: &'static str) -> Parameter {
    Parameter { key: name, name, place: Place::Query, ty, description, inline: false }
}

const fn path(key: &'static str, name: &'static str, description: &'static str) -> Parameter {
    Parameter { key, name, place: Place::Path, ty: "string", description, inline: false }
}

const fn inline(parameter: Parameter) -> Parameter {
    Parameter { inline: true, ..parameter }
}

/// All of them.
pub static PARAMETERS: &[Parameter] = &[
    query(
        "allowWatchBookmarks",
        "boolean",
        "Lets a watch send BOOKMARK events, which carry a resource version only.",
    ),
    query("command", "string", "The command to run and its arguments, one per parameter."),
    query("container", "string", "The container; it may be left out when the pod has one."),
    query("continue", "string", "The token that the page before gave, to go on from there."),
    inline(query("dryRun", "string", "`All` goes through every stage and stores nothing.")),
    query(
        "fieldManager",
        "string",
        "Who makes the change, as managed fields name them; 128 characters at most.",
    ),
    query("fieldSelector", "string", "Restricts what is listed by the objects' fields."),
    inline(query(
        "fieldValidation",
        "string",
        "What to do about unknown and duplicate fields: Ignore drops them, Warn (the default) drops them with a warning, Strict refuses the request.",
    )),
    query("follow", "boolean", "Keeps the log open and sends what is added."),
    query("force", "boolean", "An apply takes fields over that others own."),
    query("gracePeriodSeconds", "integer", "Seconds until the object goes; 0 means at once."),
    query(
        "ignoreStoreReadErrorWithClusterBreakingPotential",
        "boolean",
        "Deletes an object that can not be read, past finalizers and preconditions. May break the cluster.",
    ),
    query(
        "insecureSkipTLSVerifyBackend",
        "boolean",
        "Does not check the certificate of the node that has the log.",
    ),
    query("labelSelector", "string", "Restricts what is listed by the objects' labels."),
    query("limit", "integer", "The most items of an answer; `continue` asks for the rest."),
    query("limitBytes", "integer", "The most bytes of a log to send."),
    path("namespace", "namespace", "The namespace of the object."),
    query("orphanDependents", "boolean", "Older form of propagationPolicy; at most one of them may be set."),
    query("path", "string", "The path of the request that is passed on."),
    path("path-rest", "path", "The path of the request that is passed on."),
    query("ports", "integer", "The ports to forward."),
    query("pretty", "string", "`true` indents the answer."),
    query("previous", "boolean", "The log of the container's instance before this one."),
    query(
        "propagationPolicy",
        "string",
        "What becomes of dependents: Orphan keeps them, Background deletes them afterwards, Foreground before.",
    ),
    query("resourceVersion", "string", "The version of the resource to list at or watch from."),
    query("resourceVersionMatch", "string", "How resourceVersion applies to a list: Exact or NotOlderThan."),
    query("sendInitialEvents", "boolean", "Begins a watch with the present objects, closed by a bookmark."),
    query("sinceSeconds", "integer", "Only the log of the last so many seconds."),
    query("stderr", "boolean", "Passes standard error on."),
    query("stdin", "boolean", "Passes standard input on."),
    query("stdout", "boolean", "Passes standard output on."),
    query("stream", "string", "Which stream of the log: All, Stdout or Stderr."),
    query("tailLines", "integer", "Only so many lines from the end of the log."),
    query("timeoutSeconds", "integer", "The longest that the call may take."),
    query("timestamps", "boolean", "Puts a time stamp before each line."),
    query("tty", "boolean", "Gives the command a terminal."),
    query("watch", "boolean", "Sends changes as they happen instead of a list."),
];

/// The parameter of this key.
pub fn find(key: &str) -> Option<&'static Parameter> {
    PARAMETERS.iter().find(|p| p.key == key)
}
