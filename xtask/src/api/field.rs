//! One field of a struct: its Rust name, type and attribute.

use super::layout::{base_type, snake};
use super::{FieldModel, Model};
use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;

/// The declaration with its attribute; empty for the type metadata, which a root's declaration implies.
pub fn declaration(
    model: &Model,
    package: &str,
    f: &FieldModel,
    file: &[String],
    uses: &mut BTreeSet<String>,
) -> Result<String> {
    if f.ty.ends_with("TypeMeta") || f.json == "-" && f.tag == 0 {
        return Ok(String::new());
    }
    let name = if f.inline {
        snake(&f.go)
    } else {
        snake(if f.json == "-" || f.json.is_empty() { &f.go } else { &f.json })
    };
    let name = match name.as_str() {
        "type" | "continue" | "ref" | "enum" | "default" | "static" => format!("{name}_"),
        _ => name,
    };
    let mut needs = BTreeSet::new();
    let ty = rust_type(model, package, &f.ty, &mut needs)?;
    if file.contains(&base_type(model, package, &f.ty)) {
        needs.remove("super::*");
    }
    uses.append(&mut needs);
    let nullable = f.ty.ends_with("Time") && !f.ty.starts_with('*') && !f.ty.contains('[');
    let ty = if nullable { format!("Option<{ty}>") } else { ty };
    Ok(format!("    #[api({})]\n    pub {name}: {ty},\n", attribute(f, &name, nullable).join(", ")))
}

fn attribute(f: &FieldModel, name: &str, nullable: bool) -> Vec<String> {
    let mut a = Vec::new();
    if f.tag != 0 {
        a.push(format!("tag = {}", f.tag));
    }
    if f.inline {
        a.push("inline".to_string());
        return a;
    }
    let json = if f.json == "-" { "" } else { f.json.as_str() };
    if camel(name) != json {
        a.push(format!("json = \"{json}\""));
    }
    if f.omitempty && !f.ty.starts_with('*') && json != "creationTimestamp" {
        a.push("omitempty".to_string());
    }
    if nullable && json != "creationTimestamp" {
        a.push("nullable".to_string());
    }
    let marker = |key: &str| {
        f.markers.iter().filter_map(|m| m.strip_prefix(key)).map(str::to_string).collect::<Vec<_>>()
    };
    if !f.omitempty && !f.markers.iter().any(|m| m == "+optional") {
        a.push("required".to_string());
    }
    if marker("+mapType=").iter().chain(&marker("+structType=")).any(|m| m == "atomic") {
        a.push("atomic".to_string());
    }
    if let Some(list) = marker("+listType=").first().filter(|l| *l != "atomic") {
        a.push(format!("list = \"{list}\""));
    }
    let keys = marker("+listMapKey=");
    if !keys.is_empty() {
        a.push(format!("keys = \"{}\"", keys.join(",")));
    }
    if !f.patch_strategy.is_empty() {
        a.push(format!("patch = \"{}\"", f.patch_strategy));
    }
    if !f.patch_merge_key.is_empty() {
        a.push(format!("key = \"{}\"", f.patch_merge_key));
    }
    if let Some(default) = marker("+default=").first().filter(|d| !d.starts_with("ref(")) {
        a.push(format!("default = {default:?}"));
    }
    a
}

fn camel(name: &str) -> String {
    let mut words = name.trim_end_matches('_').split('_');
    let mut out = words.next().unwrap_or_default().to_string();
    for w in words {
        out.push_str(&w[..1].to_ascii_uppercase());
        out.push_str(&w[1..]);
    }
    out
}

fn rust_type(model: &Model, package: &str, ty: &str, uses: &mut BTreeSet<String>) -> Result<String> {
    if let Some(inner) = ty.strip_prefix('*') {
        let inner_type = rust_type(model, package, inner, uses)?;
        return Ok(if is_struct(model, package, inner) {
            format!("Option<Box<{inner_type}>>")
        } else {
            format!("Option<{inner_type}>")
        });
    }
    if ty == "[]byte" {
        return Ok("Vec<u8>".into());
    }
    if let Some(inner) = ty.strip_prefix("[]") {
        return Ok(format!("Vec<{}>", rust_type(model, package, inner, uses)?));
    }
    if let Some(rest) = ty.strip_prefix("map[") {
        let (_, value) = rest.split_once(']').context("a map has a key")?;
        uses.insert("std::collections::BTreeMap".into());
        return Ok(format!("BTreeMap<String, {}>", rust_type(model, package, value, uses)?));
    }
    let (from, name) = match ty.split_once('.') {
        Some((prefix, name)) => (resolve(package, prefix)?, name),
        None => (package, ty),
    };
    Ok(match name {
        "string" | "UID" | "QualifiedName" if !model.packages[from].structs.contains_key(name) => {
            "String".into()
        }
        "bool" => "bool".into(),
        "int32" => "i32".into(),
        "int64" => "i64".into(),
        "float64" => "f64".into(),
        "Quantity" | "Time" | "MicroTime" | "IntOrString" => {
            uses.insert(format!("crate::{name}"));
            name.into()
        }
        "RawExtension" | "FieldsV1" | "JSON" => {
            uses.insert("crate::Raw".into());
            "Raw".into()
        }
        "ExtraValue" | "Verbs" => {
            uses.insert("crate::Items".into());
            "Items".into()
        }
        _ if model.packages.get(from).is_some_and(|p| p.structs.contains_key(name)) => {
            uses.insert(if from == package {
                "super::*".into()
            } else {
                format!("crate::{}::{name}", from.replacen('_', "::", 1))
            });
            name.into()
        }
        _ => match model.packages.get(from).and_then(|p| p.aliases.get(name)).and_then(|a| a.as_str()) {
            Some(alias) if alias != "struct" && alias != name => rust_type(model, from, alias, uses)?,
            _ => "String".into(),
        },
    })
}

fn is_struct(model: &Model, package: &str, ty: &str) -> bool {
    let (from, name) = match ty.split_once('.') {
        Some((prefix, name)) => (resolve(package, prefix).unwrap_or(package), name),
        None => (package, ty),
    };
    !matches!(name, "FieldsV1" | "JSON")
        && model.packages.get(from).is_some_and(|p| p.structs.contains_key(name))
}

/// The package that a Go import name means.
fn resolve<'a>(package: &'a str, prefix: &str) -> Result<&'a str> {
    Ok(match prefix {
        "metav1" => "meta_v1",
        "resource" | "intstr" | "types" | "runtime" => "meta_v1",
        "v1" | "corev1" | "core" | "apiv1" if !matches!(package, "core_v1" | "meta_v1") => {
            if prefix == "v1" && matches!(package, "apidiscovery_v2") { "meta_v1" } else { "core_v1" }
        }
        "authenticationv1" => "authentication_v1",
        "autoscalingv1" => "autoscaling_v1",
        other => bail!("{package}: what is {other}?"),
    })
}
