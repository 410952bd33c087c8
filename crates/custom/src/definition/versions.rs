//! The versions of a definition: what each declares for itself, and what all of them declare alike.

use super::openapi;
use super::spec::{check_column, check_scale, check_schema, check_selectable};
use corten_api::apiextensions::v1::{
    CustomResourceDefinition, CustomResourceDefinitionVersion, JSONSchemaProps,
};
use corten_kinds::names;
use corten_semantics::field::{FieldError, Mistake};

pub(super) fn check_versions(
    crd: &CustomResourceDefinition,
    old: Option<&CustomResourceDefinition>,
    errors: &mut Vec<FieldError>,
) {
    let versions = &crd.spec.versions;
    let shared = Shared::of(versions);
    let schema = |v: &CustomResourceDefinitionVersion| schema_of(v).is_some();
    let all_had = old.is_none_or(|old| old.spec.versions.iter().all(schema));
    for (i, version) in versions.iter().enumerate().filter(|(_, v)| !schema(v)) {
        let path = format!("spec.versions[{i}].schema.openAPIV3Schema");
        if all_had {
            errors.push(FieldError::required(path, ""));
        } else if version.served {
            errors.push(FieldError::required(path, "because otherwise all fields are pruned"));
        }
    }
    for (i, version) in versions.iter().enumerate() {
        let path = format!("spec.versions[{i}]");
        let wrong = names::dns_1035_label(&version.name);
        if !wrong.is_empty() {
            errors.push(FieldError::invalid(format!("{path}.name"), &version.name, wrong.join(",")));
        }
        check_version(&path, version, old, &shared, errors);
    }
    let listed = || {
        let text: Vec<String> = versions.iter().map(|v| format!("{:?}", v.name)).collect();
        format!("[{}]", text.join(","))
    };
    let mut refuse = |detail: &str| {
        errors.push(FieldError {
            path: "spec.versions".into(),
            mistake: Mistake::Invalid,
            value: listed(),
            detail: detail.into(),
        });
    };
    if versions.iter().enumerate().any(|(i, v)| versions[..i].iter().any(|other| other.name == v.name)) {
        refuse("must contain unique version names");
    }
    if versions.iter().filter(|v| v.storage).count() != 1 {
        refuse("must have exactly one version marked as storage version");
    }
}

/// What all versions declare alike. Upstream knows that once, beside the versions, and says so in its messages.
struct Shared {
    schema: bool,
    subresources: bool,
    columns: bool,
    selectable: bool,
}

impl Shared {
    fn of(versions: &[CustomResourceDefinitionVersion]) -> Self {
        let alike =
            |same: &dyn Fn(&CustomResourceDefinitionVersion, &CustomResourceDefinitionVersion) -> bool| {
                versions.windows(2).all(|pair| same(&pair[0], &pair[1]))
            };
        let schema = alike(&|a, b| a.schema == b.schema);
        Shared {
            schema,
            subresources: alike(&|a, b| a.subresources == b.subresources),
            columns: alike(&|a, b| a.additional_printer_columns == b.additional_printer_columns),
            // What they point to must be shared as well.
            selectable: schema && alike(&|a, b| a.selectable_fields == b.selectable_fields),
        }
    }
}

pub(super) fn schema_of(version: &CustomResourceDefinitionVersion) -> Option<&JSONSchemaProps> {
    version.schema.as_ref()?.open_apiv3_schema.as_deref()
}

/// The same version as it was.
pub(super) fn before<'a>(
    version: &CustomResourceDefinitionVersion,
    old: Option<&'a CustomResourceDefinition>,
) -> Option<&'a CustomResourceDefinitionVersion> {
    old?.spec.versions.iter().find(|v| v.name == version.name)
}

/// Checks what all versions declare alike.
pub(super) fn check_shared(
    crd: &CustomResourceDefinition,
    old: Option<&CustomResourceDefinition>,
    errors: &mut Vec<FieldError>,
) {
    let versions = &crd.spec.versions;
    let Some(first) = versions.first() else { return };
    let shared = Shared::of(versions);
    let status =
        |v: &CustomResourceDefinitionVersion| v.subresources.as_deref().is_some_and(|s| s.status.is_some());
    if shared.schema {
        check_schema_of("spec.validation", first, versions.iter().any(status), old, errors);
    }
    if shared.subresources {
        check_subresources("spec", first, errors);
    }
    if shared.columns {
        check_columns("spec", first, errors);
    }
    if shared.selectable {
        check_selectable("spec.selectableFields", first, old, errors);
    }
}

fn check_version(
    path: &str,
    version: &CustomResourceDefinitionVersion,
    old: Option<&CustomResourceDefinition>,
    shared: &Shared,
    errors: &mut Vec<FieldError>,
) {
    for why in deprecation(version) {
        let told = version.deprecation_warning.as_deref().unwrap_or_default();
        errors.push(FieldError::invalid(format!("{path}.deprecationWarning"), told, why));
    }
    if !shared.schema {
        let status = version.subresources.as_deref().is_some_and(|s| s.status.is_some());
        check_schema_of(&format!("{path}.schema"), version, status, old, errors);
    }
    if !shared.subresources {
        check_subresources(path, version, errors);
    }
    if !shared.columns {
        check_columns(path, version, errors);
    }
    if !shared.selectable {
        check_selectable(&format!("{path}.selectableFields"), version, old, errors);
    }
}

fn check_schema_of(
    path: &str,
    version: &CustomResourceDefinitionVersion,
    status: bool,
    old: Option<&CustomResourceDefinition>,
    errors: &mut Vec<FieldError>,
) {
    let Some(schema) = schema_of(version) else { return };
    let kept = before(version, old).is_some_and(|before| before.schema == version.schema);
    let lenient = openapi::leniency(old);
    check_schema(&format!("{path}.openAPIV3Schema"), schema, status, kept, (old, lenient), errors);
}

fn check_subresources(path: &str, version: &CustomResourceDefinitionVersion, errors: &mut Vec<FieldError>) {
    if let Some(scale) = version.subresources.as_deref().and_then(|s| s.scale.as_deref()) {
        check_scale(&format!("{path}.subresources"), scale, errors);
    }
}

fn check_columns(path: &str, version: &CustomResourceDefinitionVersion, errors: &mut Vec<FieldError>) {
    for (n, column) in version.additional_printer_columns.iter().enumerate() {
        check_column(&format!("{path}.additionalPrinterColumns[{n}]"), column, errors);
    }
}

fn deprecation(version: &CustomResourceDefinitionVersion) -> Vec<String> {
    let Some(told) = version.deprecation_warning.as_deref() else { return Vec::new() };
    if !version.deprecated {
        return vec!["can only be set for deprecated versions".into()];
    }
    let mut wrong = Vec::new();
    if told.len() > 256 {
        wrong.push("must be <= 256 characters long".into());
    }
    if told.is_empty() {
        wrong.push("must not be an empty string".into());
    }
    if let Some((at, _)) = told.char_indices().find(|(_, c)| c.is_control()) {
        wrong.push(format!(
            "must only contain printable UTF-8 characters; non-printable character found at index {at}"
        ));
    }
    wrong
}
