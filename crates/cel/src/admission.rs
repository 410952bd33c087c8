//! The variables that expressions of admission see: those of policies, of their variables and conditions, and of
//! webhooks' match conditions.

use crate::declared::{Declared, Field, ObjectType};
use crate::env::Env;
use crate::program::Program;
use crate::types::Type;
use std::sync::{Arc, LazyLock};

/// What an expression sees beside `object`, `oldObject`, `request` and `namespaceObject`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Visible {
    pub params: bool,
    pub authorizer: bool,
    /// What mutating policies make patches of.
    pub patches: bool,
}

/// Compiles the expressions of one policy; its variables are added in their order.
#[derive(Clone, Debug)]
pub struct Compiler {
    variables: ObjectType,
    composes: bool,
    object: Declared,
    params: Declared,
}

/// What expressions of configurations to be applied come to: an object.
pub fn configuration() -> Type {
    Type::Object(Arc::new(ObjectType { name: "Object".to_owned(), ..ObjectType::default() }))
}

/// What expressions of JSON patches come to: a list of operations.
pub fn operations() -> Type {
    Type::list(Type::Object(Arc::new(ObjectType { name: "JSONPatch".to_owned(), ..ObjectType::default() })))
}

/// The types of `request` and `namespaceObject`.
static TYPES: LazyLock<(Declared, Declared)> = LazyLock::new(|| (request(), namespace()));

fn object(name: &str, fields: &[(&str, Declared)]) -> Declared {
    let fields = fields.iter().map(|(property, declared)| ((*property).to_owned(), declared.clone()));
    Declared::Object(ObjectType::new(name, fields))
}

fn texts(name: &str, properties: &[&str]) -> Declared {
    object(name, &properties.iter().map(|property| (*property, Declared::STRING)).collect::<Vec<_>>())
}

fn request() -> Declared {
    let text = Declared::STRING;
    let kind = texts("kubernetes.GroupVersionKind", &["group", "version", "kind"]);
    let resource = texts("kubernetes.GroupVersionResource", &["group", "version", "resource"]);
    let groups = Declared::list(text.clone());
    let user = object(
        "kubernetes.UserInfo",
        &[
            ("username", text.clone()),
            ("uid", text.clone()),
            ("groups", groups.clone()),
            ("extra", Declared::map(groups)),
        ],
    );
    object(
        "kubernetes.AdmissionRequest",
        &[
            ("kind", kind.clone()),
            ("resource", resource.clone()),
            ("subResource", text.clone()),
            ("requestKind", kind),
            ("requestResource", resource),
            ("requestSubResource", text.clone()),
            ("name", text.clone()),
            ("namespace", text.clone()),
            ("operation", text),
            ("userInfo", user),
            ("dryRun", Declared::Bool),
            ("options", Declared::DYN),
        ],
    )
}

fn namespace() -> Declared {
    let text = Declared::STRING;
    let time = Declared::Other(Type::Timestamp);
    let list = Declared::list(text.clone());
    let map = Declared::map(text.clone());
    let condition = object(
        "kubernetes.NamespaceCondition",
        &[
            ("status", text.clone()),
            ("type", text.clone()),
            ("lastTransitionTime", time.clone()),
            ("message", text.clone()),
            ("reason", text.clone()),
        ],
    );
    let metadata = object(
        "kubernetes.NamespaceMetadata",
        &[
            ("name", text.clone()),
            ("generateName", text.clone()),
            ("namespace", text.clone()),
            ("labels", map.clone()),
            ("annotations", map),
            // Spelled so upstream.
            ("UID", text.clone()),
            ("creationTimestamp", time.clone()),
            ("deletionGracePeriodSeconds", Declared::Int),
            ("deletionTimestamp", time),
            ("generation", Declared::Int),
            ("resourceVersion", text.clone()),
            ("finalizers", list.clone()),
        ],
    );
    let status =
        object("kubernetes.NamespaceStatus", &[("conditions", Declared::list(condition)), ("phase", text)]);
    let spec = object("kubernetes.NamespaceSpec", &[("finalizers", list)]);
    object("kubernetes.Namespace", &[("metadata", metadata), ("spec", spec), ("status", status)])
}

impl Compiler {
    /// For expressions that see no variables of a policy.
    pub fn alone() -> Self {
        let variables = ObjectType { name: "kubernetes.variables".to_owned(), ..ObjectType::default() };
        Compiler { variables, composes: false, object: Declared::DYN, params: Declared::DYN }
    }

    /// For the expressions of a policy.
    pub fn composing() -> Self {
        Compiler { composes: true, ..Compiler::alone() }
    }

    /// With objects and parameters of these types, where they are known.
    #[must_use]
    pub fn typed(mut self, object: Option<Declared>, params: Option<Declared>) -> Self {
        self.object = object.unwrap_or(Declared::DYN);
        self.params = params.unwrap_or(Declared::DYN);
        self
    }

    fn env(&self, visible: Visible) -> Env {
        let mut env = Env::new()
            .variable("object", self.object.clone())
            .variable("oldObject", self.object.clone())
            .variable("request", TYPES.0.clone())
            .variable("namespaceObject", TYPES.1.clone());
        if visible.params {
            env = env.variable("params", self.params.clone());
        }
        if visible.authorizer {
            env = env.variable("authorizer", Type::Opaque("kubernetes.authorization.Authorizer")).variable(
                "authorizer.requestResource",
                Type::Opaque("kubernetes.authorization.ResourceCheck"),
            );
        }
        if self.composes {
            env = env.variable("variables", Declared::Object(Arc::new(self.variables.clone())));
        }
        if visible.patches { env.with_patches() } else { env }
    }

    /// Compiles an expression that must come to one of these types; to anything, if there are none.
    ///
    /// # Errors
    /// As upstream's API says it: `compilation failed: ...`, `must evaluate to bool but got string`.
    pub fn compile(&self, expression: &str, results: &[Type], visible: Visible) -> Result<Program, String> {
        let program =
            self.env(visible).compile(expression).map_err(|error| format!("compilation failed: {error}"))?;
        let found = program.result_type();
        if results.is_empty() || results.contains(found) {
            return Ok(program);
        }
        let found = found.declared_name();
        Err(match results {
            [one] => format!("must evaluate to {} but got {found}", one.declared_name()),
            several => {
                let several: Vec<String> = several.iter().map(Type::declared_name).collect();
                format!("must evaluate to one of [{}] but got {found}", several.join(" "))
            }
        })
    }

    /// Compiles a variable of the policy, which later expressions see by its name, also when it is wrong.
    ///
    /// # Errors
    /// As [`Compiler::compile`].
    pub fn add_variable(
        &mut self,
        name: &str,
        expression: &str,
        visible: Visible,
    ) -> Result<Program, String> {
        let compiled = self.compile(expression, &[], visible);
        let declared = compiled.as_ref().map_or(Declared::DYN, |program| plain(program.result_type()));
        self.variables.fields.insert(name.to_owned(), Field { property: name.to_owned(), declared });
        compiled
    }
}

/// The type of a variable: what expressions of others know of it.
fn plain(of: &Type) -> Declared {
    Declared::Other(match of {
        Type::List(items) => Type::list(plain(items).to_type()),
        Type::Map(entry) => Type::map(plain(&entry.0).to_type(), plain(&entry.1).to_type()),
        Type::Object(_) | Type::Opaque(_) | Type::Optional(_) | Type::Type(_) | Type::Error => Type::Dyn,
        Type::Param(_) => Type::Dyn,
        scalar => scalar.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_checked_as_admission_does() {
        let all = Visible { params: true, authorizer: true, patches: false };
        let bool_only = [Type::Bool];
        let texts = [Type::String, Type::Null];
        type Case<'a> = (&'a str, &'a [Type], Visible, Result<(), &'a str>);
        let cases: [Case<'_>; 12] = [
            ("object.spec.replicas <= 5", &bool_only, all, Ok(())),
            ("has(request.userInfo.groups) && 'a' in request.userInfo.groups", &bool_only, all, Ok(())),
            ("namespaceObject.metadata.labels['a'] == 'b'", &bool_only, all, Ok(())),
            ("authorizer.group('').resource('pods').check('get').allowed()", &bool_only, all, Ok(())),
            ("authorizer.requestResource.check('get').allowed()", &bool_only, all, Ok(())),
            ("params == null", &bool_only, all, Ok(())),
            ("1", &bool_only, all, Err("must evaluate to bool but got int")),
            ("1", &texts, all, Err("must evaluate to one of [string null_type] but got int")),
            ("'a'", &texts, all, Ok(())),
            (
                "params == null",
                &bool_only,
                Visible::default(),
                Err(
                    "compilation failed: ERROR: <input>:1:1: undeclared reference to 'params' (in container '')\n | \
                     params == null\n | ^",
                ),
            ),
            (
                "variables.a",
                &bool_only,
                all,
                Err(
                    "compilation failed: ERROR: <input>:1:1: undeclared reference to 'variables' (in container '')\n \
                     | variables.a\n | ^",
                ),
            ),
            (
                "request.nope == ''",
                &bool_only,
                all,
                Err(
                    "compilation failed: ERROR: <input>:1:8: undefined field 'nope'\n | request.nope == ''\n | \
                     .......^",
                ),
            ),
        ];
        for (expression, results, visible, expected) in cases {
            let compiled = Compiler::alone().compile(expression, results, visible);
            assert_eq!(compiled.map(|_| ()), expected.map_err(str::to_owned), "{expression}");
        }
    }

    #[test]
    fn variables_have_types() {
        let visible = Visible::default();
        let mut compiler = Compiler::composing();
        assert!(compiler.add_variable("n", "1 + 1", visible).is_ok());
        assert!(compiler.add_variable("list", "[variables.n]", visible).is_ok());
        assert!(compiler.add_variable("bad", "nope", visible).is_err());
        assert!(compiler.compile("variables.list.all(n, n > 1)", &[Type::Bool], visible).is_ok());
        assert!(compiler.compile("variables.bad == 'x'", &[Type::Bool], visible).is_ok());
        assert!(compiler.compile("variables.n == 'x'", &[Type::Bool], visible).is_err());
        assert!(compiler.compile("variables.later", &[Type::Bool], visible).is_err());
    }
}
