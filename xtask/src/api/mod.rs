//! `xtask api MODEL`: writes the structs of crate `api` from a model of upstream's API (names, types, tags,
//! merge and list rules as JSON). It ran once; the files it wrote are edited by hand since. Run it into an
//! empty directory to compare with a newer model.

mod field;
mod layout;
mod table;

use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result};

#[derive(Deserialize)]
pub struct Model {
    pub packages: BTreeMap<String, Package>,
}

#[derive(Deserialize)]
pub struct Package {
    pub structs: BTreeMap<String, StructModel>,
    pub aliases: BTreeMap<String, serde_json::Value>,
}

#[derive(Deserialize)]
pub struct StructModel {
    pub fields: Vec<FieldModel>,
}

#[derive(Deserialize)]
pub struct FieldModel {
    pub go: String,
    #[serde(rename = "type")]
    pub ty: String,
    pub json: String,
    #[serde(default)]
    pub omitempty: bool,
    #[serde(default)]
    pub inline: bool,
    #[serde(default)]
    pub tag: u32,
    #[serde(default)]
    pub markers: Vec<String>,
    #[serde(default)]
    pub patch_strategy: String,
    #[serde(default)]
    pub patch_merge_key: String,
}

/// Reads the model at `model` and writes the modules below `out`.
pub fn run(model: &Path, out: &Path) -> Result<()> {
    let model: Model = serde_json::from_slice(&std::fs::read(model)?)?;
    let mut groups: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (package, group) in table::PACKAGES {
        let (name, version) = package.split_once('_').context("a package is named group_version")?;
        groups.entry(name).or_default().insert(version);
        let files = layout::files(&model, package)?;
        let directory = out.join(name).join(version);
        std::fs::create_dir_all(&directory)?;
        let mut module = String::new();
        for file in files.keys() {
            writeln!(module, "mod {file};")?;
        }
        module.push('\n');
        for file in files.keys() {
            writeln!(module, "pub use {file}::*;")?;
        }
        std::fs::write(directory.join("mod.rs"), module)?;
        for (file, structs) in &files {
            let text = structs_of_file(&model, package, group, structs)?;
            std::fs::write(directory.join(format!("{file}.rs")), text)?;
        }
    }
    for (group, versions) in &groups {
        let text: String = versions.iter().map(|v| format!("pub mod {v};\n")).collect();
        std::fs::write(out.join(group).join("mod.rs"), text)?;
    }
    std::fs::write(out.join("builtin.rs"), builtin())?;
    Ok(())
}

fn structs_of_file(model: &Model, package: &str, group: &str, structs: &[String]) -> Result<String> {
    let mut body = String::new();
    let mut uses = BTreeSet::new();
    for name in structs {
        let fields = &model.packages[package].structs[name].fields;
        let root = table::ROOTS.iter().find(|r| r.package == package && r.kind == name);
        let dotted = package.replacen('_', ".", 1);
        let form = match name.as_str() {
            "JSONSchemaPropsOrBool" => ", form = \"schema-or-bool\"",
            "JSONSchemaPropsOrArray" => ", form = \"schema-or-list\"",
            "JSONSchemaPropsOrStringArray" => ", form = \"schema-or-strings\"",
            _ => "",
        };
        writeln!(body, "\n#[derive(Api, Clone, Default, PartialEq)]\n#[api(package = \"{dotted}\"{form})]")?;
        if let Some(root) = root {
            let version = package.split_once('_').map_or("", |p| p.1);
            let group = if package == "meta_v1" { "" } else { group };
            let more =
                if root.attributes.is_empty() { String::new() } else { format!(", {}", root.attributes) };
            writeln!(body, "#[kind(group = \"{group}\", version = \"{version}\"{more})]")?;
        }
        writeln!(body, "pub struct {name} {{")?;
        for f in fields {
            body.push_str(&field::declaration(model, package, f, structs, &mut uses)?);
        }
        body.push_str("}\n");
    }
    let uses: String = uses.iter().map(|u| format!("use {u};\n")).collect();
    Ok(format!("use crate::Api;\n{uses}{body}"))
}

fn builtin() -> String {
    let mut out = String::from(
        "//! The plain, ordered list of built-in kinds.\n\nuse crate::{Kind, KindInfo};\n\n/// Every kind with object metadata; those with a plural have routes.\npub static KINDS: &[&KindInfo] = &[\n",
    );
    for r in table::ROOTS.iter().filter(|r| r.attributes != "bare") {
        let path = r.package.replacen('_', "::", 1);
        out.push_str(&format!("    crate::{path}::{}::INFO,\n", r.kind));
    }
    out.push_str("];\n");
    out.replace("::INFO", " as Kind>::INFO").replace("    crate::", "    <crate::")
}
