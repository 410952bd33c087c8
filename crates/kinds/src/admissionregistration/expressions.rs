//! Expressions of policies and webhooks, compiled as they are written.

use super::validate;
use crate::errors::Errors;
use crate::names;
use corten_api::admissionregistration::v1::{
    AuditAnnotation, MatchCondition, ParamKind, ValidatingAdmissionPolicy, Validation, Variable,
};
use corten_api::admissionregistration::v1beta1::MutatingAdmissionPolicySpec;
use corten_cel::Type;
use corten_cel::admission::{Compiler, Visible, configuration, operations};

/// The most audit annotations of one policy.
const MOST_ANNOTATIONS: usize = 20;
/// The longest expression of an audit annotation.
const LONGEST_ANNOTATION: usize = 5 * 1024;
const REASONS: &[&str] = &["Forbidden", "Invalid", "RequestEntityTooLarge"];
/// Words of the language, which can name no variable.
const RESERVED: &[&str] = &[
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// The match conditions of a webhook, or of a policy with or without parameters.
pub(super) fn conditions(errors: &mut Errors, list: &[MatchCondition], params: bool, path: &str) {
    validate::conditions(errors, list, path);
    let visible = Visible { params, authorizer: true, patches: false };
    let compiler = Compiler::alone();
    for (i, condition) in list.iter().enumerate() {
        let expression = condition.expression.trim();
        if !expression.is_empty()
            && let Err(why) = compiler.compile(expression, &[Type::Bool], visible)
        {
            errors.invalid(format!("{path}[{i}].expression"), expression, why);
        }
    }
}

/// The variables, validations and audit annotations of a policy.
pub(super) fn policy(errors: &mut Errors, policy: &ValidatingAdmissionPolicy) {
    let spec = &policy.spec;
    let composing = !spec.variables.is_empty();
    let mut compiler = if composing { Compiler::composing() } else { Compiler::alone() };
    let asking = Visible { params: spec.param_kind.is_some(), authorizer: true, patches: false };
    for (i, variable) in spec.variables.iter().enumerate() {
        self::variable(errors, &mut compiler, variable, asking, &format!("spec.variables[{i}]"));
    }
    if spec.validations.is_empty() && spec.audit_annotations.is_empty() {
        let detail = "validations or auditAnnotations must contain at least one item";
        errors.required("spec.validations", detail);
        errors.required("spec.auditAnnotations", detail);
        return;
    }
    for (i, validation) in spec.validations.iter().enumerate() {
        self::validation(errors, &compiler, validation, asking, &format!("spec.validations[{i}]"));
    }
    let path = "spec.auditAnnotations";
    let annotations = &spec.audit_annotations;
    if annotations.len() > MOST_ANNOTATIONS {
        let detail = format!("must not have more than {MOST_ANNOTATIONS} auditAnnotations");
        let keys: Vec<&str> = annotations.iter().map(|annotation| annotation.key.as_str()).collect();
        errors.invalid(path, keys, detail);
    }
    for (i, annotation) in annotations.iter().enumerate() {
        let at = format!("{path}[{i}]");
        self::annotation(errors, &compiler, &policy.metadata.name, annotation, asking, &at);
        if annotations[..i].iter().any(|other| other.key == annotation.key) {
            errors.duplicate(format!("{at}.key"), &annotation.key);
        }
    }
}

/// The variables and mutations of a policy.
pub(super) fn mutating(errors: &mut Errors, spec: &MutatingAdmissionPolicySpec) {
    let mut compiler = Compiler::composing();
    let visible = Visible { params: spec.param_kind.is_some(), authorizer: true, patches: false };
    for (i, variable) in spec.variables.iter().enumerate() {
        self::variable(errors, &mut compiler, variable, visible, &format!("spec.variables[{i}]"));
    }
    if spec.mutations.is_empty() {
        errors.required("spec.mutations", "mutations must contain at least one item");
    }
    let visible = Visible { patches: true, ..visible };
    for (i, mutation) in spec.mutations.iter().enumerate() {
        let path = format!("spec.mutations[{i}]");
        let apply = mutation.apply_configuration.as_ref().map(|apply| apply.expression.as_str());
        let patch = mutation.json_patch.as_ref().map(|patch| patch.expression.as_str());
        let sort = mutation.patch_type.as_str();
        let (own, name, results, (other, other_name)) = match sort {
            "JSONPatch" => (patch, "jsonPatch", operations(), (apply, "applyConfiguration")),
            "ApplyConfiguration" => (apply, "applyConfiguration", configuration(), (patch, "jsonPatch")),
            sort => {
                errors.one_of(format!("{path}.patchType"), sort, &["ApplyConfiguration", "JSONPatch"]);
                continue;
            }
        };
        match own.map(str::trim) {
            None => {
                errors.required(
                    format!("{path}.{name}"),
                    &format!("must be specified when patchType is {sort}"),
                );
            }
            Some("") => errors.required(format!("{path}.{name}.expression"), ""),
            Some(expression) => {
                if let Err(why) = compiler.compile(expression, &[results], visible) {
                    errors.invalid(format!("{path}.{name}.expression"), expression, why);
                }
            }
        }
        if other.is_some() {
            let detail = format!("must not be specified when patchType is {sort}");
            errors.invalid(format!("{path}.{other_name}"), format!("{{{other_name}}}"), detail);
        }
    }
}

fn is_identifier(name: &str) -> bool {
    let begins = name.starts_with(|c: char| c == '_' || c.is_ascii_alphabetic());
    begins && name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric()) && !RESERVED.contains(&name)
}

fn variable(errors: &mut Errors, compiler: &mut Compiler, variable: &Variable, visible: Visible, path: &str) {
    let (name, expression) = (&variable.name, &variable.expression);
    if name.trim().is_empty() {
        errors.required(format!("{path}.name"), "name is not specified");
    } else if !is_identifier(name) {
        errors.invalid(format!("{path}.name"), name, "must be a valid CEL identifier");
    }
    if expression.trim().is_empty() {
        errors.required(format!("{path}.expression"), "expression is not specified");
    } else if let Err(why) = compiler.add_variable(name, expression, visible) {
        errors.invalid(format!("{path}.expression"), expression, why);
    }
}

fn validation(
    errors: &mut Errors,
    compiler: &Compiler,
    validation: &Validation,
    visible: Visible,
    path: &str,
) {
    let at = |field: &str| format!("{path}.{field}");
    let expression = &validation.expression;
    if expression.trim().is_empty() {
        errors.required(at("expression"), "expression is not specified");
    } else if let Err(why) = compiler.compile(expression, &[Type::Bool], visible) {
        errors.invalid(at("expression"), expression, why);
    }
    let message = &validation.message_expression;
    let quiet = Visible { authorizer: false, ..visible };
    if !message.is_empty() && message.trim().is_empty() {
        errors.invalid(at("messageExpression"), message, "must be non-empty if specified");
    } else if !message.is_empty()
        && let Err(why) = compiler.compile(message, &[Type::String], quiet)
    {
        errors.invalid(at("messageExpression"), message, why);
    }
    let message = &validation.message;
    if !message.is_empty() && message.trim().is_empty() {
        errors.invalid(at("message"), message, "must be non-empty if specified");
    } else if message.trim().contains(['\n', '\r']) {
        errors.invalid(at("message"), message, "must not contain line breaks");
    }
    if let Some(reason) = &validation.reason {
        errors.supported(at("reason"), reason, REASONS);
    }
}

fn annotation(
    errors: &mut Errors,
    compiler: &Compiler,
    policy: &str,
    annotation: &AuditAnnotation,
    visible: Visible,
    path: &str,
) {
    let key = format!("{path}.key");
    if policy.is_empty() {
        errors.invalid(key, &annotation.key, "requires metadata.name be non-empty");
    } else {
        errors.format(&key, &format!("{policy}/{}", annotation.key), names::qualified_name);
    }
    let path = format!("{path}.valueExpression");
    match annotation.value_expression.trim() {
        "" => errors.required(path, "valueExpression is not specified"),
        long if long.len() > LONGEST_ANNOTATION => {
            errors.required(path, &format!("must not exceed {LONGEST_ANNOTATION} bytes in length"));
        }
        expression => {
            if let Err(why) = compiler.compile(expression, &[Type::String, Type::Null], visible) {
                errors.invalid(path, &annotation.value_expression, why);
            }
        }
    }
}

/// The kind of a policy's parameters.
pub(super) fn param_kind(errors: &mut Errors, kind: &ParamKind) {
    let path = "spec.paramKind.apiVersion";
    let api_version = kind.api_version.as_str();
    match (api_version, api_version.split('/').collect::<Vec<_>>().as_slice()) {
        ("", _) => errors.required(path, ""),
        ("/", _) => errors.invalid(path, api_version, "version must be specified"),
        (_, [version]) => group_version(errors, path, api_version, ("", version)),
        (_, [group, version]) => group_version(errors, path, api_version, (group, version)),
        _ => errors.invalid(path, api_version, format!("unexpected GroupVersion string: {api_version}")),
    }
    let path = "spec.paramKind.kind";
    if kind.kind.is_empty() {
        errors.required(path, "");
        return;
    }
    let wrong = names::dns_1035_label(&kind.kind.to_lowercase());
    if !wrong.is_empty() {
        let detail = format!("may have mixed case, but should otherwise match: {}", wrong.join(","));
        errors.invalid(path, &kind.kind, detail);
    }
}

fn group_version(errors: &mut Errors, path: &str, api_version: &str, (group, version): (&str, &str)) {
    let wrong = if group.is_empty() { Vec::new() } else { names::dns_subdomain(group) };
    if !wrong.is_empty() {
        errors.invalid(path, group, wrong.join(","));
    }
    let wrong = names::dns_1035_label(version);
    if version.is_empty() {
        errors.invalid(path, api_version, "version must be specified");
    } else if !wrong.is_empty() {
        errors.invalid(path, api_version, wrong.join(","));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strategy::KindStrategy;
    use corten_api::admissionregistration::v1::*;
    use corten_api::meta::v1::ObjectMeta;

    fn policy() -> ValidatingAdmissionPolicy {
        let metadata = ObjectMeta { name: "policy".into(), ..ObjectMeta::default() };
        let list = |text: &str| vec![text.to_owned()];
        let rule = Rule {
            api_groups: list("apps"),
            api_versions: list("v1"),
            resources: list("deployments"),
            scope: None,
        };
        let rule = RuleWithOperations { operations: list("CREATE"), rule };
        let mut policy = ValidatingAdmissionPolicy { metadata, ..ValidatingAdmissionPolicy::default() };
        policy.spec.match_constraints.get_or_insert_default().resource_rules =
            vec![NamedRuleWithOperations { rule_with_operations: rule, ..Default::default() }];
        policy.spec.validations =
            vec![Validation { expression: "object.spec.replicas <= 5".into(), ..Validation::default() }];
        KindStrategy::default(&super::super::ValidatingAdmissionPolicyStrategy, &mut policy);
        policy
    }

    fn told(policy: &ValidatingAdmissionPolicy) -> Vec<String> {
        let wrong = KindStrategy::validate(&super::super::ValidatingAdmissionPolicyStrategy, policy);
        wrong.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_does_not_compile_is_not_written() {
        assert_eq!(told(&policy()), [""; 0]);
        type Change = fn(&mut ValidatingAdmissionPolicySpec);
        let cases: [(Change, &str); 9] = [
            (
                |spec| spec.validations[0].expression = "object.x ==".into(),
                "spec.validations[0].expression: Invalid value: \"object.x ==\": compilation failed: ERROR: <input>:1:12: \
                 Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', \
                 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}\n | object.x ==\n | ...........^",
            ),
            (
                |spec| spec.validations[0].expression = "'text'".into(),
                "spec.validations[0].expression: Invalid value: \"'text'\": must evaluate to bool but got string",
            ),
            (
                |spec| {
                    spec.validations[0].message_expression =
                        "authorizer.path('/').check('get').reason()".into()
                },
                "spec.validations[0].messageExpression: Invalid value: \"authorizer.path('/').check('get').reason()\": \
                 compilation failed: ERROR: <input>:1:1: undeclared reference to 'authorizer' (in container '')\n | \
                 authorizer.path('/').check('get').reason()\n | ^",
            ),
            (
                |spec| spec.validations[0].message = "two\nlines".into(),
                "spec.validations[0].message: Invalid value: \"two\\nlines\": must not contain line breaks",
            ),
            (
                |spec| spec.validations[0].reason = Some("Teapot".into()),
                "spec.validations[0].reason: Unsupported value: \"Teapot\": supported values: \"Forbidden\", \
                 \"Invalid\", \"RequestEntityTooLarge\"",
            ),
            (
                |spec| spec.variables = vec![Variable { name: "for".into(), expression: "1".into() }],
                "spec.variables[0].name: Invalid value: \"for\": must be a valid CEL identifier",
            ),
            (
                |spec| {
                    let expression = "variables.x".into();
                    spec.match_conditions = vec![MatchCondition { name: "a".into(), expression }];
                },
                "spec.matchConditions[0].expression: Invalid value: \"variables.x\": compilation failed: ERROR: \
                 <input>:1:1: undeclared reference to 'variables' (in container '')\n | variables.x\n | ^",
            ),
            (
                |spec| {
                    spec.audit_annotations =
                        vec![AuditAnnotation { key: "k".into(), value_expression: "1".into() }];
                },
                "spec.auditAnnotations[0].valueExpression: Invalid value: \"1\": must evaluate to one of [string \
                 null_type] but got int",
            ),
            (
                |spec| {
                    spec.param_kind =
                        Some(Box::new(ParamKind { api_version: "a/b/c".into(), kind: "K".into() }));
                },
                "spec.paramKind.apiVersion: Invalid value: \"a/b/c\": unexpected GroupVersion string: a/b/c",
            ),
        ];
        for (change, expected) in cases {
            let mut policy = policy();
            change(&mut policy.spec);
            assert_eq!(told(&policy), [expected]);
        }
    }

    #[test]
    fn conditions_are_judged_when_they_change() {
        let mut old = policy();
        let expression = "nope".into();
        old.spec.match_conditions = vec![MatchCondition { name: "a".into(), expression }];
        let mut new = old.clone();
        new.spec.failure_policy = Some("Ignore".into());
        let strategy = super::super::ValidatingAdmissionPolicyStrategy;
        assert_eq!(KindStrategy::validate_update(&strategy, &new, &old), []);
        new.spec.match_conditions[0].expression = "neither".into();
        assert_eq!(KindStrategy::validate_update(&strategy, &new, &old).len(), 1);
    }
}
