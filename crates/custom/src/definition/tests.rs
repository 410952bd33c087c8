use super::DefinitionStrategy;
use corten_api::apiextensions::v1::CustomResourceDefinition;
use corten_codec::{Problems, json};
use corten_kinds::KindStrategy;
use serde_json::{Value, json};

fn definition(versions: &Value) -> CustomResourceDefinition {
    let text = json!({
        "metadata": {"name": "tests.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced", "names": {"plural": "tests", "kind": "Test"},
            "versions": versions}
    });
    let mut crd = CustomResourceDefinition::default();
    json::decode(text.to_string().as_bytes(), &mut crd, &mut Problems::ignore()).expect("a definition");
    KindStrategy::default(&DefinitionStrategy, &mut crd);
    KindStrategy::prepare_create(&DefinitionStrategy, &mut crd);
    crd
}

fn told(crd: &CustomResourceDefinition) -> Vec<String> {
    KindStrategy::validate(&DefinitionStrategy, crd).iter().map(ToString::to_string).collect()
}

/// What is said of a version whose `spec` has this schema, without the path in front.
fn of_schema(schema: &Value) -> Vec<String> {
    let root = json!({"type": "object", "properties": {"spec": schema}});
    let crd = definition(&json!([
        {"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": root}}]));
    let front = "spec.validation.openAPIV3Schema.properties[spec]";
    told(&crd).iter().map(|t| t.replace(front, "$")).collect()
}

#[test]
fn definitions_are_judged_as_a_whole() {
    let schema = json!({"openAPIV3Schema": {"type": "object"}});
    for (versions, want) in [
        (json!([{"name": "v1", "served": true, "storage": true, "schema": schema}]), vec![]),
        (
            json!([{"name": "v1", "served": true, "storage": true}]),
            vec!["spec.versions[0].schema.openAPIV3Schema: Required value"],
        ),
        (
            json!([{"name": "v1", "served": true, "storage": false, "schema": schema}]),
            vec![
                r#"spec.versions: Invalid value: ["v1"]: must have exactly one version marked as storage version"#,
                "status.storedVersions: Invalid value: []: must have at least one stored version",
            ],
        ),
        (
            json!([{"name": "v1", "served": true, "storage": true, "schema": schema,
                "deprecationWarning": "x",
                "additionalPrinterColumns": [{"name": "", "type": "text", "jsonPath": "spec"}],
                "subresources": {"scale": {"specReplicasPath": ".x", "statusReplicasPath": ""}}}]),
            vec![
                "spec.versions[0].deprecationWarning: Invalid value: \"x\": can only be set for deprecated versions",
                "spec.subresources.scale.specReplicasPath: Invalid value: \".x\": should be a json path under .spec",
                "spec.subresources.scale.statusReplicasPath: Required value",
                "spec.additionalPrinterColumns[0].name: Required value",
                "spec.additionalPrinterColumns[0].type: Invalid value: \"text\": must be one of boolean,date,integer,number,string",
                "spec.additionalPrinterColumns[0].JSONPath: Invalid value: \"spec\": must be a simple json path starting with .",
            ],
        ),
    ] {
        assert_eq!(told(&definition(&versions)), want);
    }
    let mut crd = definition(&json!([{"name": "v1", "served": true, "storage": true, "schema": schema}]));
    crd.spec.group = "test.k8s.io".into();
    crd.metadata.name = "other".into();
    let got = told(&crd);
    assert_eq!(got[0], "metadata.name: Invalid value: \"other\": must be spec.names.plural+\".\"+spec.group");
    assert!(
        got[1].starts_with(
            "metadata.annotations[api-approved.kubernetes.io]: Required value: protected groups"
        ),
        "{got:?}"
    );
}

#[test]
fn schemas_must_be_structural() {
    for (schema, want) in [
        (json!({"type": "object"}), vec![]),
        (json!({}), vec!["$.type: Required value: must not be empty for specified object fields"]),
        (json!({"type": "array"}), vec!["$.items: Required value: must be specified"]),
        (
            json!({"type": "object", "anyOf": [{"type": "string", "description": "x"}]}),
            vec![
                "$.anyOf[0].description: Forbidden: must be empty to be structural",
                "$.anyOf[0].type: Forbidden: must be empty to be structural",
            ],
        ),
        (
            json!({"x-kubernetes-int-or-string": true, "anyOf": [{"type": "integer"}, {"type": "string"}]}),
            vec![],
        ),
        (
            json!({"type": "string", "pattern": "("}),
            vec![
                "$.pattern: Invalid value: \"(\": must be a valid regular expression, but isn't: error parsing regexp: missing closing ): `(`",
            ],
        ),
        (
            json!({"type": "string", "x-kubernetes-embedded-resource": true}),
            vec![
                "$.properties: Required value: must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields",
                "$.type: Invalid value: \"string\": must be object if x-kubernetes-embedded-resource is true",
            ],
        ),
    ] {
        assert_eq!(of_schema(&schema), want, "{schema}");
    }
}

#[test]
fn fields_of_schemas_are_checked() {
    for (schema, want) in [
        (
            json!({"type": "wrong"}),
            vec![
                r#"$.type: Unsupported value: "wrong": supported values: "array", "boolean", "integer", "number", "object", "string""#,
            ],
        ),
        (
            json!({"type": "array", "uniqueItems": true, "items": {"type": "string"}}),
            vec![
                "$.uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic",
            ],
        ),
        (
            json!({"type": "object", "x-kubernetes-list-type": "set"}),
            vec!["$.type: Invalid value: \"object\": must be array if x-kubernetes-list-type is specified"],
        ),
        (
            json!({"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["a"],
                "items": {"type": "object", "properties": {"a": {"type": "string"}}}}),
            vec![
                "$.items.properties[a].default: Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property",
            ],
        ),
        (
            json!({"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "object"}}),
            vec![
                "$.items.x-kubernetes-map-type: Invalid value: null: must be atomic as item of a list with x-kubernetes-list-type=set",
            ],
        ),
        (
            json!({"type": "integer", "default": "x"}),
            vec![r#"$.default: Invalid value: "string":  in body must be of type integer: "string""#],
        ),
        (
            json!({"type": "object", "default": {"a": 1}}),
            vec![r#"$.default: Invalid value: {"a":1}: must not have unknown fields"#],
        ),
        (
            json!({"type": "object", "x-kubernetes-validations": [{"rule": " "}, {"rule": "true", "message": " "}, {"rule": "true", "reason": "x", "fieldPath": ".b"}]}),
            vec![
                "$.x-kubernetes-validations[0].rule: Required value: rule is not specified",
                "$.x-kubernetes-validations[1].message: Invalid value: \" \": must be non-empty if specified",
                r#"$.x-kubernetes-validations[2].reason: Unsupported value: "x": supported values: "FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired""#,
                "$.x-kubernetes-validations[2].fieldPath: Invalid value: \".b\": must be a valid path",
            ],
        ),
    ] {
        assert_eq!(of_schema(&schema), want, "{schema}");
    }
}

#[test]
fn what_is_validated_must_be_specified() {
    let schema = json!({"type": "object", "allOf": [{"properties": {"a": {"minimum": 1}}}]});
    let crd = definition(&json!([
        {"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}]));
    let path = "spec.validation.openAPIV3Schema";
    let want = format!(
        "{path}.properties[a]: Required value: because it is defined in {path}.allOf[0].properties[a]"
    );
    assert_eq!(told(&crd), [want]);
}

#[test]
fn rules_must_compile_and_be_cheap() {
    let rule = |value: Value| {
        json!({"type": "object", "x-kubernetes-validations": [value], "properties": {
        "a": {"type": "string"}, "n": {"type": "integer"},
        "list": {"type": "array", "items": {"type": "string"}}}})
    };
    let at = "$.x-kubernetes-validations[0]";
    let shown = |rule: &str| {
        format!(
            r#"{{"Rule":{rule:?},"Message":"","MessageExpression":"","Reason":null,"FieldPath":"","OptionalOldSelf":null}}"#
        )
    };
    const ADVICE: &str = "(try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)";
    for (schema, want) in [
        (rule(json!({"rule": "self.n > 0"})), vec![]),
        (
            rule(json!({"rule": "self.n"})),
            vec![format!("{at}.rule: Invalid value: {}: cel expression must evaluate to a bool", shown("self.n"))],
        ),
        (
            rule(json!({"rule": "self.x == 1"})),
            vec![format!(
                "{at}.rule: Invalid value: {}: compilation failed: ERROR: <input>:1:5: undefined field 'x'\n | self.x == 1\n | ....^",
                shown("self.x == 1")
            )],
        ),
        (
            rule(json!({"rule": "self.list.all(a, self.list.all(b, a == b))"})),
            vec![
                format!("{at}.rule: Forbidden: estimated rule cost exceeds budget by factor of more than 100x {ADVICE}"),
                format!("{at}.rule: Forbidden: contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema"),
                format!("spec.validation.openAPIV3Schema: Forbidden: x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema exceeds budget by factor of more than 100x {ADVICE}"),
            ],
        ),
        (
            rule(json!({"rule": "self.n > 0", "optionalOldSelf": true})),
            vec![format!("{at}.optionalOldSelf: Invalid value: true: may not be set if oldSelf is not used in rule")],
        ),
        (
            json!({"type": "array", "items": {"type": "integer", "x-kubernetes-validations": [{"rule": "self > oldSelf"}]}}),
            vec!["$.items.x-kubernetes-validations[0].rule: Invalid value: \"self > oldSelf\": oldSelf cannot be used on the uncorrelatable portion of the schema within $".to_string()],
        ),
        (
            json!({"type": "string", "default": "b", "x-kubernetes-validations": [{"rule": "self == 'a'"}]}),
            vec!["$.default: Invalid value: \"b\": failed rule: self == 'a'".to_string()],
        ),
    ] {
        assert_eq!(of_schema(&schema), want, "{schema}");
    }
}

#[test]
fn what_all_versions_declare_alike_is_judged_once() {
    let version = |name: &str, field: &str| {
        json!({"name": name, "served": true, "storage": name == "v1",
            "schema": {"openAPIV3Schema": {"type": "object", "properties": {field: {}}}},
            "additionalPrinterColumns": [{"name": "a", "type": "string"}]})
    };
    let column = "spec.additionalPrinterColumns[0].JSONPath: Required value".to_string();
    let schema = |path: &str, field: &str| {
        format!(
            "{path}.openAPIV3Schema.properties[{field}].type: Required value: must not be empty for specified object fields"
        )
    };
    for (fields, want) in [
        (["a", "a"], vec![schema("spec.validation", "a")]),
        (["a", "b"], vec![schema("spec.versions[0].schema", "a"), schema("spec.versions[1].schema", "b")]),
    ] {
        let got = told(&definition(&json!([version("v1", fields[0]), version("v2", fields[1])])));
        let about = |text: &&String| text.contains(".type: ") || text.contains("Columns");
        let got: Vec<_> = got.iter().filter(about).cloned().collect();
        assert_eq!(got, [want, vec![column.clone()]].concat());
    }
}

#[test]
fn defaults_within_metadata_must_make_metadata() {
    let embedded = |default: Value| {
        json!({"type": "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true,
            "properties": {"metadata": {"type": "object", "default": default}}})
    };
    let path = "$.properties[metadata].default";
    for (default, want) in [
        (json!({"name": "bar", "unknown": "x"}), None),
        (json!({"name": "a/b"}), Some("must result in valid metadata: metadata.name")),
        (json!({"labels": 7}), Some("must result in valid metadata: metadata")),
    ] {
        let got = of_schema(&embedded(default.clone()));
        match want {
            None => assert_eq!(got, Vec::<String>::new(), "{default}"),
            Some(want) => {
                assert!(got.iter().any(|t| t.starts_with(path) && t.contains(want)), "{default}: {got:?}")
            }
        }
    }
}
