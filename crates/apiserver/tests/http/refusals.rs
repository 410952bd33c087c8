//! What a server must refuse, and in which words: nothing is changed by it, and the server lives on.

use crate::world::{Answer, Call, World};
use corten_auth::pki::{Authority, Leaf};

/// A request, and what its refusal says.
struct Case {
    what: &'static str,
    method: &'static str,
    path: &'static str,
    headers: &'static [(&'static str, &'static str)],
    body: &'static str,
    code: u16,
    reason: &'static str,
    /// The whole message, or its beginning when it ends in `...`.
    message: &'static str,
}

const JSON: (&str, &str) = ("content-type", "application/json");
const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const THERE: &str = "/api/v1/namespaces/default/configmaps/there";
const PODS: &str = "/api/v1/namespaces/default/pods";
const NO_PATH: &str = "the server could not find the requested resource";
const NO_METHOD: &str = "the server does not allow this method on the requested resource";

const fn case(
    what: &'static str,
    (method, path): (&'static str, &'static str),
    body: &'static str,
    (code, reason, message): (u16, &'static str, &'static str),
) -> Case {
    Case { what, method, path, headers: &[JSON], body, code, reason, message }
}

const fn with(headers: &'static [(&'static str, &'static str)], case: Case) -> Case {
    Case { headers, ..case }
}

const MERGE: &[(&str, &str)] = &[("content-type", "application/merge-patch+json")];
const JSON_PATCH: &[(&str, &str)] = &[("content-type", "application/json-patch+json")];
const STRATEGIC: &[(&str, &str)] = &[("content-type", "application/strategic-merge-patch+json")];
const PROTOBUF: &[(&str, &str)] = &[("content-type", "application/vnd.kubernetes.protobuf")];

/// Bodies and their fields.
const BODIES: &[Case] = &[
    case(
        "an empty body",
        ("POST", MAPS),
        "",
        (
            400,
            "BadRequest",
            "the object provided is unrecognized (must be of type ConfigMap): couldn't get version/kind; json parse error: unexpected end of JSON input (<empty>)",
        ),
    ),
    case(
        "truncated JSON",
        ("POST", MAPS),
        r#"{"kind":"ConfigMap","metadata":{"#,
        (
            400,
            "BadRequest",
            "the object provided is unrecognized (must be of type ConfigMap): couldn't get version/kind; json parse error: unexpected end of JSON input...",
        ),
    ),
    case(
        "no JSON",
        ("POST", MAPS),
        "hello",
        (
            400,
            "BadRequest",
            "the object provided is unrecognized (must be of type ConfigMap): couldn't get version/kind; json parse error: ...",
        ),
    ),
    case(
        "a list for an object",
        ("POST", MAPS),
        "[]",
        (
            400,
            "BadRequest",
            "the object provided is unrecognized (must be of type ConfigMap): couldn't get version/kind; json parse error: json: cannot unmarshal array into Go value of type struct...",
        ),
    ),
    case(
        "another kind of the version",
        ("POST", MAPS),
        r#"{"kind":"Secret","apiVersion":"v1","metadata":{"name":"x"}}"#,
        (
            400,
            "BadRequest",
            "Secret in version \"v1\" cannot be handled as a ConfigMap: converting (v1.Secret) to (core.ConfigMap): unknown conversion",
        ),
    ),
    case(
        "another group's kind",
        ("POST", "/apis/apps/v1/namespaces/default/deployments"),
        r#"{"kind":"Pod","apiVersion":"v1"}"#,
        (
            400,
            "BadRequest",
            "Pod in version \"v1\" cannot be handled as a Deployment: converting (v1.Pod) to (apps.Deployment): unknown conversion",
        ),
    ),
    case(
        "an unknown kind",
        ("POST", MAPS),
        r#"{"kind":"Nothing","apiVersion":"v1"}"#,
        (
            400,
            "BadRequest",
            "Nothing in version \"v1\" cannot be handled as a ConfigMap: no kind \"Nothing\" is registered for version \"v1\" in scheme \"pkg/api/legacyscheme/scheme.go:30\"",
        ),
    ),
    case(
        "an unknown version",
        ("POST", MAPS),
        r#"{"kind":"ConfigMap","apiVersion":"v9"}"#,
        (
            400,
            "BadRequest",
            "ConfigMap in version \"v9\" cannot be handled as a ConfigMap: no kind \"ConfigMap\" is registered for version \"v9\" in scheme \"pkg/api/legacyscheme/scheme.go:30\"",
        ),
    ),
    case(
        "another version of the kind",
        ("POST", "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers"),
        r#"{"kind":"HorizontalPodAutoscaler","apiVersion":"autoscaling/v1","metadata":{"name":"x"}}"#,
        (
            400,
            "BadRequest",
            "the API version in the data (autoscaling/v1) does not match the expected API version (autoscaling/v2)",
        ),
    ),
    case(
        "a number for a text",
        ("POST", MAPS),
        r#"{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":5}}"#,
        (
            400,
            "BadRequest",
            "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: json: cannot unmarshal number into Go struct field ObjectMeta.metadata.name of type string",
        ),
    ),
    case(
        "a text for a list",
        ("POST", PODS),
        r#"{"kind":"Pod","apiVersion":"v1","metadata":{"name":"x"},"spec":{"containers":"x"}}"#,
        (
            400,
            "BadRequest",
            "Pod in version \"v1\" cannot be handled as a Pod: json: cannot unmarshal string into Go struct field PodSpec.spec.containers of type []v1.Container",
        ),
    ),
    case(
        "a list for a map",
        ("POST", MAPS),
        r#"{"kind":"ConfigMap","apiVersion":"v1","data":["a"]}"#,
        (
            400,
            "BadRequest",
            "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: json: cannot unmarshal array into Go struct field ConfigMap.data of type map[string]string",
        ),
    ),
    case(
        "a fraction for a number",
        ("POST", "/apis/apps/v1/namespaces/default/deployments"),
        r#"{"kind":"Deployment","apiVersion":"apps/v1","spec":{"replicas":1.5}}"#,
        (
            400,
            "BadRequest",
            "Deployment in version \"v1\" cannot be handled as a Deployment: json: cannot unmarshal number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
    ),
    case(
        "an overflow",
        ("POST", "/apis/apps/v1/namespaces/default/deployments"),
        r#"{"kind":"Deployment","apiVersion":"apps/v1","spec":{"replicas":99999999999}}"#,
        (
            400,
            "BadRequest",
            "Deployment in version \"v1\" cannot be handled as a Deployment: json: cannot unmarshal number 99999999999 into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
    ),
    case(
        "a malformed quantity",
        ("POST", PODS),
        r#"{"kind":"Pod","apiVersion":"v1","metadata":{"name":"x"},"spec":{"containers":[{"name":"c","image":"i","resources":{"limits":{"cpu":"lots"}}}]}}"#,
        (
            400,
            "BadRequest",
            "Pod in version \"v1\" cannot be handled as a Pod: quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
        ),
    ),
    case(
        "a malformed time",
        ("POST", MAPS),
        r#"{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"x","creationTimestamp":"today"}}"#,
        (
            400,
            "BadRequest",
            "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: parsing time \"today\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"today\" as \"2006\"",
        ),
    ),
    case(
        "malformed base64",
        ("POST", "/api/v1/namespaces/default/secrets"),
        r#"{"kind":"Secret","apiVersion":"v1","metadata":{"name":"x"},"data":{"a":"%%%"}}"#,
        (
            400,
            "BadRequest",
            "Secret in version \"v1\" cannot be handled as a Secret: illegal base64 data at input byte 0",
        ),
    ),
    case(
        "an unknown field, strictly",
        ("POST", "/api/v1/namespaces/default/configmaps?fieldValidation=Strict"),
        r#"{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"x"},"dat":{}}"#,
        (
            400,
            "BadRequest",
            "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: strict decoding error: unknown field \"dat\"",
        ),
    ),
    case(
        "a duplicate field, strictly",
        ("POST", "/api/v1/namespaces/default/configmaps?fieldValidation=Strict"),
        r#"{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"x","name":"x"}}"#,
        (
            400,
            "BadRequest",
            "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: strict decoding error: duplicate field \"metadata.name\"",
        ),
    ),
    case(
        "an unknown field below, strictly",
        ("POST", "/api/v1/namespaces/default/pods?fieldValidation=Strict"),
        r#"{"kind":"Pod","apiVersion":"v1","metadata":{"name":"x"},"spec":{"containers":[{"name":"c","image":"i","imag":"x"}]}}"#,
        (
            400,
            "BadRequest",
            "Pod in version \"v1\" cannot be handled as a Pod: strict decoding error: unknown field \"spec.containers[0].imag\"",
        ),
    ),
    with(
        PROTOBUF,
        case(
            "no protobuf",
            ("POST", MAPS),
            "hello",
            (400, "BadRequest", "the object provided is unrecognized (must be of type ConfigMap): ..."),
        ),
    ),
    with(
        PROTOBUF,
        case(
            "truncated protobuf",
            ("POST", MAPS),
            "k8s\0\n\u{7f}",
            (400, "BadRequest", "the object provided is unrecognized (must be of type ConfigMap): ..."),
        ),
    ),
    with(
        &[("content-type", "text/plain")],
        case(
            "an unknown format",
            ("POST", MAPS),
            "x",
            (
                415,
                "UnsupportedMediaType",
                "the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf",
            ),
        ),
    ),
    with(
        &[("content-type", "application/yaml")],
        case("malformed YAML", ("POST", MAPS), "a: [", (400, "BadRequest", "...")),
    ),
];

/// Names, namespaces, validation.
const OBJECTS: &[Case] = &[
    case(
        "a name that is taken",
        ("POST", MAPS),
        r#"{"metadata":{"name":"there"}}"#,
        (409, "AlreadyExists", "configmaps \"there\" already exists"),
    ),
    case(
        "no name",
        ("POST", MAPS),
        r#"{"metadata":{}}"#,
        (
            422,
            "Invalid",
            "ConfigMap \"\" is invalid: metadata.name: Required value: name or generateName is required",
        ),
    ),
    case(
        "a malformed name",
        ("POST", MAPS),
        r#"{"metadata":{"name":"A_b"}}"#,
        (
            422,
            "Invalid",
            "ConfigMap \"A_b\" is invalid: metadata.name: Invalid value: \"A_b\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
        ),
    ),
    case(
        "a malformed label",
        ("POST", MAPS),
        r#"{"metadata":{"name":"x","labels":{"a":"b c"}}}"#,
        (
            422,
            "Invalid",
            "ConfigMap \"x\" is invalid: metadata.labels: Invalid value: \"b c\": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
        ),
    ),
    case(
        "another namespace in the body",
        ("POST", MAPS),
        r#"{"metadata":{"name":"x","namespace":"other"}}"#,
        (
            400,
            "BadRequest",
            "the namespace of the provided object does not match the namespace sent on the request",
        ),
    ),
    case(
        "a namespace that does not exist",
        ("POST", "/api/v1/namespaces/none/configmaps"),
        r#"{"metadata":{"name":"x"}}"#,
        (404, "NotFound", "namespaces \"none\" not found"),
    ),
    case(
        "another name in the body",
        ("PUT", THERE),
        r#"{"metadata":{"name":"other"}}"#,
        (400, "BadRequest", "the name of the object (other) does not match the name on the URL (there)"),
    ),
    case(
        "no name in the body",
        ("PUT", THERE),
        r#"{"metadata":{}}"#,
        (
            400,
            "BadRequest",
            "the name of the object (there based on URL) was undeterminable: name must be provided",
        ),
    ),
    case(
        "a stale version",
        ("PUT", THERE),
        r#"{"metadata":{"name":"there","resourceVersion":"1"}}"#,
        (
            409,
            "Conflict",
            "Operation cannot be fulfilled on configmaps \"there\": the object has been modified; please apply your changes to the latest version and try again",
        ),
    ),
    case(
        "another UID",
        ("PUT", THERE),
        r#"{"metadata":{"name":"there","uid":"00000000-0000-0000-0000-000000000000"}}"#,
        (
            409,
            "Conflict",
            "Operation cannot be fulfilled on configmaps \"there\": Precondition failed: UID in precondition: 00000000-0000-0000-0000-000000000000, UID in object meta: ...",
        ),
    ),
    with(
        MERGE,
        case(
            "a patch of the UID",
            ("PATCH", THERE),
            r#"{"metadata":{"uid":"00000000-0000-0000-0000-000000000000"}}"#,
            (
                422,
                "Invalid",
                "ConfigMap \"there\" is invalid: metadata.uid: Invalid value: \"00000000-0000-0000-0000-000000000000\": field is immutable",
            ),
        ),
    ),
    case(
        "an update of nothing",
        ("PUT", "/api/v1/namespaces/default/configmaps/none"),
        r#"{"metadata":{"name":"none"}}"#,
        (404, "NotFound", "configmaps \"none\" not found"),
    ),
    case(
        "a read of nothing",
        ("GET", "/api/v1/namespaces/default/configmaps/none"),
        "",
        (404, "NotFound", "configmaps \"none\" not found"),
    ),
    case(
        "a deletion of nothing",
        ("DELETE", "/apis/apps/v1/namespaces/default/deployments/none"),
        "",
        (404, "NotFound", "deployments.apps \"none\" not found"),
    ),
    case(
        "a version on creation",
        ("POST", MAPS),
        r#"{"metadata":{"name":"x","resourceVersion":"5"}}"#,
        (500, "", "resourceVersion should not be set on objects to be created"),
    ),
    case(
        "a service without ports",
        ("POST", "/api/v1/namespaces/default/services"),
        r#"{"metadata":{"name":"s"},"spec":{}}"#,
        (422, "Invalid", "Service \"s\" is invalid: spec.ports: Required value"),
    ),
    case(
        "a pod without containers",
        ("POST", PODS),
        r#"{"metadata":{"name":"x"},"spec":{}}"#,
        (422, "Invalid", "Pod \"x\" is invalid: spec.containers: Required value"),
    ),
];

/// Patches and deletions.
const CHANGES: &[Case] = &[
    case(
        "a patch of an unknown sort",
        ("PATCH", THERE),
        "{}",
        (
            415,
            "UnsupportedMediaType",
            "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json, application/apply-patch+yaml",
        ),
    ),
    with(
        MERGE,
        case(
            "a patch of nothing",
            ("PATCH", "/api/v1/namespaces/default/configmaps/none"),
            "{}",
            (404, "NotFound", "configmaps \"none\" not found"),
        ),
    ),
    with(MERGE, case("a patch that is no JSON", ("PATCH", THERE), "x", (400, "BadRequest", "..."))),
    with(
        MERGE,
        case(
            "a merge patch that is a list",
            ("PATCH", THERE),
            "[{}]",
            (
                400,
                "BadRequest",
                "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}",
            ),
        ),
    ),
    with(
        MERGE,
        case(
            "a merge patch that is null",
            ("PATCH", THERE),
            "null",
            (400, "BadRequest", "Invalid JSON Patch"),
        ),
    ),
    with(
        JSON_PATCH,
        case("a JSON patch that is no list", ("PATCH", THERE), "{}", (400, "BadRequest", "...")),
    ),
    with(
        JSON_PATCH,
        case(
            "a JSON patch whose test fails",
            ("PATCH", THERE),
            r#"[{"op":"test","path":"/data/a","value":"x"}]"#,
            (422, "Invalid", "..."),
        ),
    ),
    with(
        JSON_PATCH,
        case(
            "a JSON patch to nowhere",
            ("PATCH", THERE),
            r#"[{"op":"remove","path":"/data/none"}]"#,
            (422, "Invalid", "..."),
        ),
    ),
    with(
        MERGE,
        case(
            "a patch with a stale version",
            ("PATCH", THERE),
            r#"{"metadata":{"resourceVersion":"1"}}"#,
            (409, "Conflict", "Operation cannot be fulfilled on configmaps \"there\": ..."),
        ),
    ),
    with(
        MERGE,
        case(
            "a forced patch",
            ("PATCH", "/api/v1/namespaces/default/configmaps/there?force=true"),
            "{}",
            (
                422,
                "Invalid",
                "PatchOptions.meta.k8s.io \"\" is invalid: force: Forbidden: may not be specified for non-apply patch",
            ),
        ),
    ),
    with(
        STRATEGIC,
        case(
            "a patch to the wrong type",
            ("PATCH", THERE),
            r#"{"data":5}"#,
            (422, "Invalid", " \"\" is invalid: patch: Invalid value: ..."),
        ),
    ),
    case(
        "an unknown propagation",
        ("DELETE", THERE),
        r#"{"kind":"DeleteOptions","apiVersion":"v1","propagationPolicy":"Some"}"#,
        (
            422,
            "Invalid",
            "DeleteOptions.meta.k8s.io \"\" is invalid: propagationPolicy: Unsupported value: \"Some\": supported values: \"Foreground\", \"Background\", \"Orphan\", \"nil\"",
        ),
    ),
    case(
        "both ways to orphan",
        (
            "DELETE",
            "/api/v1/namespaces/default/configmaps/there?orphanDependents=true&propagationPolicy=Orphan",
        ),
        "",
        (
            422,
            "Invalid",
            "DeleteOptions.meta.k8s.io \"\" is invalid: propagationPolicy: Invalid value: \"Orphan\": orphanDependents and deletionPropagation cannot be both set",
        ),
    ),
    case(
        "a deletion of another UID",
        ("DELETE", THERE),
        r#"{"kind":"DeleteOptions","apiVersion":"v1","preconditions":{"uid":"0"}}"#,
        (
            409,
            "Conflict",
            "Operation cannot be fulfilled on ConfigMap \"there\": the UID in the precondition (0) does not match the UID in record (...",
        ),
    ),
    case(
        "grace that is no number",
        ("DELETE", "/api/v1/namespaces/default/configmaps/there?gracePeriodSeconds=x"),
        "",
        (400, "BadRequest", "strconv.ParseInt: parsing \"x\": invalid syntax"),
    ),
    case(
        "options that are no options",
        ("DELETE", THERE),
        r#"{"kind":"Pod","apiVersion":"v1"}"#,
        (400, "BadRequest", "..."),
    ),
];

/// Queries and paths.
const QUERIES: &[Case] = &[
    case(
        "a dry run of an unknown sort",
        ("POST", "/api/v1/namespaces/default/configmaps?dryRun=Some"),
        r#"{"metadata":{"name":"x"}}"#,
        (
            422,
            "Invalid",
            "CreateOptions.meta.k8s.io \"\" is invalid: dryRun: Unsupported value: [\"Some\"]: supported values: \"All\"",
        ),
    ),
    case(
        "field validation of an unknown sort",
        ("POST", "/api/v1/namespaces/default/configmaps?fieldValidation=Some"),
        r#"{"metadata":{"name":"x"}}"#,
        (
            422,
            "Invalid",
            "CreateOptions.meta.k8s.io \"\" is invalid: fieldValidation: Unsupported value: \"Some\": supported values: \"\", \"Ignore\", \"Strict\", \"Warn\"",
        ),
    ),
    case(
        "a limit that is no number",
        ("GET", "/api/v1/configmaps?limit=x"),
        "",
        (400, "BadRequest", "strconv.ParseInt: parsing \"x\": invalid syntax"),
    ),
    case(
        "a malformed label selector",
        ("GET", "/api/v1/configmaps?labelSelector=a%3D%3D%3Db"),
        "",
        (400, "BadRequest", "..."),
    ),
    case(
        "an unknown field selector",
        ("GET", "/api/v1/namespaces/default/configmaps?fieldSelector=spec.x%3D1"),
        "",
        (
            400,
            "BadRequest",
            "\"spec.x\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"",
        ),
    ),
    case(
        "a malformed continue token",
        ("GET", "/api/v1/configmaps?limit=1&continue=x"),
        "",
        (400, "BadRequest", "..."),
    ),
    case(
        "a match without a version",
        ("GET", "/api/v1/configmaps?resourceVersionMatch=Exact"),
        "",
        (
            422,
            "Invalid",
            "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided",
        ),
    ),
    case(
        "a version that is no number",
        ("GET", "/api/v1/configmaps?resourceVersion=x"),
        "",
        (400, "BadRequest", "..."),
    ),
    case(
        "initial events for a list",
        ("GET", "/api/v1/configmaps?sendInitialEvents=true"),
        "",
        (
            422,
            "Invalid",
            "ListOptions.meta.k8s.io \"\" is invalid: sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list",
        ),
    ),
    case(
        "initial events without a match",
        ("GET", "/api/v1/configmaps?watch=1&sendInitialEvents=true"),
        "",
        (
            422,
            "Invalid",
            "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
        ),
    ),
    case("an unknown resource", ("GET", "/api/v1/nothings"), "", (404, "NotFound", NO_PATH)),
    case("an unknown resource of a group", ("GET", "/apis/apps/v1/nothings"), "", (404, "NotFound", NO_PATH)),
    case(
        "an unknown subresource",
        ("GET", "/api/v1/namespaces/default/configmaps/there/none"),
        "",
        (404, "NotFound", NO_PATH),
    ),
    case(
        "a node in a namespace",
        ("GET", "/api/v1/namespaces/default/nodes"),
        "",
        (404, "NotFound", NO_PATH),
    ),
    case(
        "creation without a namespace",
        ("POST", "/api/v1/configmaps"),
        "{}",
        (405, "MethodNotAllowed", NO_METHOD),
    ),
    case("creation at a name", ("POST", THERE), "{}", (405, "MethodNotAllowed", NO_METHOD)),
    case(
        "a collection of namespaces deleted",
        ("DELETE", "/api/v1/namespaces"),
        "",
        (405, "MethodNotAllowed", NO_METHOD),
    ),
    case(
        "a review read",
        ("GET", "/apis/authorization.k8s.io/v1/subjectaccessreviews"),
        "",
        (405, "MethodNotAllowed", NO_METHOD),
    ),
    with(
        &[("accept", "text/plain")],
        case(
            "an answer that cannot be had",
            ("GET", THERE),
            "",
            (
                406,
                "NotAcceptable",
                "only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf",
            ),
        ),
    ),
    with(
        &[JSON, ("accept", "application/json;as=Table;v=v1;g=meta.k8s.io")],
        case(
            "a review as a table",
            ("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"),
            r#"{"spec":{"nonResourceAttributes":{"path":"/","verb":"get"}}}"#,
            (
                406,
                "NotAcceptable",
                "only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf",
            ),
        ),
    ),
    case(
        "a review that asks nothing",
        ("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews"),
        r#"{"spec":{"user":"a"}}"#,
        (422, "Invalid", "..."),
    ),
    case(
        "exec without an upgrade",
        ("GET", "/api/v1/namespaces/default/pods/none/exec"),
        "",
        (404, "NotFound", "pods \"none\" not found"),
    ),
    with(
        &[("impersonate-group", "a")],
        case(
            "a group without a user",
            ("GET", THERE),
            "",
            (400, "BadRequest", "requested [{Group  a    }] without impersonating a user"),
        ),
    ),
    with(
        &[("impersonate-user", "alice")],
        case(
            "another who may not",
            ("GET", "/api/v1/namespaces/default/secrets"),
            "",
            (
                403,
                "Forbidden",
                "secrets is forbidden: User \"alice\" cannot list resource \"secrets\" in API group \"\" in the namespace \"default\"",
            ),
        ),
    ),
    with(
        &[("impersonate-user", "alice")],
        case(
            "another at the cluster scope",
            ("DELETE", "/api/v1/nodes/n"),
            "",
            (
                403,
                "Forbidden",
                "nodes \"n\" is forbidden: User \"alice\" cannot delete resource \"nodes\" in API group \"\" at the cluster scope",
            ),
        ),
    ),
    with(
        &[("impersonate-user", "alice")],
        case(
            "another at a path",
            ("GET", "/metrics"),
            "",
            (403, "Forbidden", "forbidden: User \"alice\" cannot get path \"/metrics\""),
        ),
    ),
    with(
        &[("impersonate-user", "alice")],
        case(
            "another at a subresource",
            ("PUT", "/apis/apps/v1/namespaces/a/deployments/d/scale"),
            "{}",
            (
                403,
                "Forbidden",
                "deployments.apps \"d\" is forbidden: User \"alice\" cannot update resource \"deployments/scale\" in API group \"apps\" in the namespace \"a\"",
            ),
        ),
    ),
];

/// What differs from the case's refusal; empty when nothing does.
fn difference(case: &Case, answer: &Answer) -> String {
    let (code, reason, message) = answer.refusal();
    let fits = match case.message.strip_suffix("...") {
        Some(beginning) => message.starts_with(beginning),
        None => message == case.message,
    };
    let is_status = answer.json()["kind"] == "Status";
    if code == case.code && reason == case.reason && fits && is_status {
        return String::new();
    }
    let (what, body) = (case.what, answer.text());
    let got = if is_status { format!("{code} {reason}: {message}") } else { format!("{code} {body}") };
    format!("{what}:\n   want {} {}: {}\n    got {got}\n", case.code, case.reason, case.message)
}

#[tokio::test]
async fn bad_requests_are_refused_in_upstreams_words() {
    let world = World::new().await;
    world.furnish().await;
    let before = world.admin("GET", "/api/v1/configmaps", "").await.json();
    let mut wrong = String::new();
    let all = [BODIES, OBJECTS, CHANGES, QUERIES].concat_cases();
    assert!(all.len() >= 60, "{}", all.len());
    for case in all {
        let call =
            Call { method: case.method, path: case.path, headers: case.headers, body: case.body.as_bytes() };
        let answer = world.ask(Some(&world.pki.admin), &call).await;
        wrong += &difference(case, &answer);
    }
    assert!(wrong.is_empty(), "{wrong}");
    let after = world.admin("GET", "/api/v1/configmaps", "").await.json();
    assert_eq!(after["items"], before["items"], "nothing was changed");
    assert_eq!(world.admin("GET", "/livez", "").await.text(), "ok");
    world.end().await;
}

trait Concat {
    fn concat_cases(&self) -> Vec<&'static Case>;
}

impl Concat for [&'static [Case]; 4] {
    fn concat_cases(&self) -> Vec<&'static Case> {
        self.iter().flat_map(|cases| cases.iter()).collect()
    }
}

#[tokio::test]
async fn bodies_beyond_bounds_are_refused() {
    let world = World::new().await;
    world.furnish().await;
    let large = format!(r#"{{"metadata":{{"name":"x"}},"data":{{"a":"{}"}}}}"#, "x".repeat(10 << 20));
    let answer = world.admin("POST", MAPS, &large).await;
    let want = (413, "RequestEntityTooLarge".into(), "Request entity too large: limit is 3145728".into());
    assert_eq!(answer.refusal(), want);
    let deep =
        format!(r#"{{"metadata":{{"name":"x"}},"data":{}{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
    let answer = world.admin("POST", MAPS, &deep).await;
    assert_eq!(answer.code, 400, "{}", answer.text());
    let deep = format!(
        r#"{{"metadata":{{"name":"x"}},"nothing":{}1{}}}"#,
        r#"{"a":"#.repeat(10_001),
        "}".repeat(10_001)
    );
    let answer = world.admin("POST", MAPS, &deep).await;
    assert_eq!(answer.code, 400, "{}", answer.text());
    assert_eq!(world.admin("GET", "/livez", "").await.text(), "ok");
    world.end().await;
}

#[tokio::test]
async fn strangers_are_told_so() {
    let world = World::new().await;
    let get = |path, headers| Call { method: "GET", path, headers, body: b"" };
    let unauthorized = (401, "Unauthorized".to_string(), "Unauthorized".to_string());
    // Nobody.
    assert_eq!(world.ask(None, &get("/api/v1/pods", &[])).await.refusal(), unauthorized);
    assert_eq!(world.ask(None, &get("/metrics", &[])).await.refusal(), unauthorized);
    // A token that is not ours, on an open path too.
    let token: &[(&str, &str)] = &[("authorization", "Bearer abc")];
    assert_eq!(world.ask(None, &get("/api/v1/pods", token)).await.refusal(), unauthorized);
    assert_eq!(world.ask(None, &get("/version", token)).await.refusal(), unauthorized);
    // A certificate of another authority.
    let now = corten_rt::Clock::system().now();
    let other = Authority::create("other", now).expect("an authority");
    let stranger = other.issue(&Leaf::client("admin", "system:masters"), now).expect("a certificate");
    assert_eq!(world.ask(Some(&stranger), &get("/api/v1/pods", &[])).await.refusal(), unauthorized);
    // One of ours with no rights.
    let alice = world.pki.ca.issue(&Leaf::client("alice", ""), now).expect("a certificate");
    let (code, reason, message) = world.ask(Some(&alice), &get("/api/v1/pods", &[])).await.refusal();
    assert_eq!((code, reason.as_str()), (403, "Forbidden"));
    let want = "pods is forbidden: User \"alice\" cannot list resource \"pods\" in API group \"\" at the cluster scope";
    assert_eq!(message, want);
    world.end().await;
}

#[tokio::test]
async fn findings_are_told_in_warnings() {
    let world = World::new().await;
    world.furnish().await;
    let made = world.admin("POST", MAPS, r#"{"metadata":{"name":"w"},"dat":{}}"#).await;
    assert_eq!((made.code, made.headers["warning"].as_str()), (201, r#"299 - "unknown field \"dat\"""#));
    let quiet = "/api/v1/namespaces/default/configmaps?fieldValidation=Ignore";
    let made = world.admin("POST", quiet, r#"{"metadata":{"name":"v"},"dat":{}}"#).await;
    assert_eq!((made.code, made.headers.get("warning")), (201, None));
    world.end().await;
}
