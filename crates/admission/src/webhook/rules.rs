//! Whether a request is one of those that a rule names (upstream's `predicates/rules`).

use crate::check::{Context, Operation};
use corten_api::KindInfo;
use corten_api::admissionregistration::v1::RuleWithOperations;

/// What rules look at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Requested<'a> {
    pub group: &'a str,
    pub version: &'a str,
    pub resource: &'a str,
    pub subresource: &'a str,
    /// That of a namespace is its own name.
    pub namespace: &'a str,
    pub operation: Operation,
}

impl<'a> Requested<'a> {
    /// The request as it was made.
    pub fn of(context: &Context<'a>, name: &'a str) -> Self {
        let requested = context.requested;
        let is_namespace = requested.group.is_empty() && requested.plural == "namespaces";
        Requested {
            group: requested.group,
            version: requested.version,
            resource: requested.plural,
            subresource: context.subresource,
            namespace: if is_namespace { name } else { context.namespace },
            operation: context.operation,
        }
    }

    /// The same request, had it been made of another kind.
    pub fn through(self, kind: &'a KindInfo) -> Self {
        Requested { group: kind.group, version: kind.version, resource: kind.plural, ..self }
    }

    pub fn is_of_namespaces(&self) -> bool {
        self.resource == "namespaces"
    }
}

/// Whether the rule names the request.
pub(crate) fn matches(rule: &RuleWithOperations, requested: &Requested<'_>) -> bool {
    let parts = &rule.rule;
    let any = |list: &[String], wanted: &str| list.iter().any(|item| item == "*" || item == wanted);
    scope(parts.scope.as_deref(), requested)
        && any(&rule.operations, &requested.operation.to_string())
        && any(&parts.api_groups, requested.group)
        && any(&parts.api_versions, requested.version)
        && parts.resources.iter().any(|resource| names(resource, requested))
}

fn scope(scope: Option<&str>, requested: &Requested<'_>) -> bool {
    let is_namespace =
        requested.is_of_namespaces() && requested.group.is_empty() && requested.version == "v1";
    let is_cluster = is_namespace || requested.namespace.is_empty();
    match scope {
        None | Some("*") => true,
        Some("Namespaced") => !is_cluster,
        Some("Cluster") => is_cluster,
        Some(_) => false,
    }
}

fn names(rule: &str, requested: &Requested<'_>) -> bool {
    let (resource, subresource) = rule.split_once('/').unwrap_or((rule, ""));
    (resource == "*" || resource == requested.resource)
        && (subresource == "*" || subresource == requested.subresource)
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::admissionregistration::v1::Rule;

    fn rule(
        operations: &str,
        groups: &str,
        versions: &str,
        resources: &str,
        scope: &str,
    ) -> RuleWithOperations {
        let list = |text: &str| text.split(',').map(String::from).collect();
        RuleWithOperations {
            operations: list(operations),
            rule: Rule {
                api_groups: list(groups),
                api_versions: list(versions),
                resources: list(resources),
                scope: Some(scope.into()),
            },
        }
    }

    #[test]
    fn rules_name_requests() {
        let pods = Requested {
            group: "",
            version: "v1",
            resource: "pods",
            subresource: "",
            namespace: "ns",
            operation: Operation::Create,
        };
        let exec = Requested { subresource: "exec", operation: Operation::Connect, ..pods };
        let nodes = Requested { resource: "nodes", namespace: "", ..pods };
        let namespace = Requested { resource: "namespaces", namespace: "x", ..pods };
        for (rule, request, want) in [
            (rule("*", "*", "*", "*", "*"), pods, true),
            (rule("*", "*", "*", "*", "*"), exec, false),
            (rule("*", "*", "*", "*/*", "*"), exec, true),
            (rule("CONNECT", "", "v1", "pods/exec", "*"), exec, true),
            (rule("CREATE", "", "v1", "pods/exec", "*"), exec, false),
            (rule("UPDATE,CREATE", "", "v1", "services,pods", "*"), pods, true),
            (rule("CREATE", "apps", "v1", "pods", "*"), pods, false),
            (rule("CREATE", "", "v2", "pods", "*"), pods, false),
            (rule("CREATE", "", "v1", "pods", "Cluster"), pods, false),
            (rule("CREATE", "", "v1", "pods", "Namespaced"), pods, true),
            (rule("CREATE", "", "v1", "*", "Cluster"), nodes, true),
            (rule("CREATE", "", "v1", "*", "Namespaced"), nodes, false),
            (rule("CREATE", "", "v1", "*", "Cluster"), namespace, true),
            (rule("CREATE", "", "v1", "*", "Namespaced"), namespace, false),
        ] {
            assert_eq!(matches(&rule, &request), want, "{rule:?} {request:?}");
        }
    }
}
