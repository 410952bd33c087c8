//! What the attributes say, read into plain structs.

use syn::{Attribute, Expr, ExprLit, Lit, LitStr, Result, meta::ParseNestedMeta};

#[derive(Default)]
pub struct StructAttributes {
    pub package: String,
    pub form: Option<String>,
    pub kind: Option<KindAttributes>,
}

#[derive(Default)]
pub struct KindAttributes {
    pub group: String,
    pub version: String,
    pub kind: Option<String>,
    pub plural: Option<String>,
    pub storage: Option<String>,
    pub short: Vec<String>,
    pub categories: Vec<String>,
    pub subresources: Vec<String>,
    pub cluster: bool,
    pub verbs: Option<String>,
    pub meta: bool,
}

#[derive(Default)]
pub struct FieldAttributes {
    pub tag: u32,
    pub json: Option<String>,
    pub omitempty: bool,
    pub nullable: bool,
    pub inline: bool,
    pub required: bool,
    pub atomic: bool,
    pub list: Option<String>,
    pub keys: Vec<String>,
    pub patch: Option<String>,
    pub key: Option<String>,
    pub default: Option<String>,
}

fn text(meta: &ParseNestedMeta) -> Result<String> {
    Ok(meta.value()?.parse::<LitStr>()?.value())
}

fn words(meta: &ParseNestedMeta) -> Result<Vec<String>> {
    Ok(text(meta)?.split(',').map(|s| s.trim().to_string()).filter(|s| !s.is_empty()).collect())
}

pub fn of_struct(attributes: &[Attribute]) -> Result<StructAttributes> {
    let mut out = StructAttributes::default();
    for attribute in attributes {
        if attribute.path().is_ident("api") {
            attribute.parse_nested_meta(|m| {
                match name(&m).as_str() {
                    "package" => out.package = text(&m)?,
                    "form" => out.form = Some(text(&m)?),
                    other => return Err(m.error(format!("unknown struct attribute {other}"))),
                }
                Ok(())
            })?;
        } else if attribute.path().is_ident("kind") {
            out.kind = Some(of_kind(attribute)?);
        }
    }
    Ok(out)
}

fn of_kind(attribute: &Attribute) -> Result<KindAttributes> {
    let mut out = KindAttributes { meta: true, ..Default::default() };
    attribute.parse_nested_meta(|m| {
        match name(&m).as_str() {
            "group" => out.group = text(&m)?,
            "version" => out.version = text(&m)?,
            "kind" => out.kind = Some(text(&m)?),
            "plural" => out.plural = Some(text(&m)?),
            "storage" => out.storage = Some(text(&m)?),
            "short" => out.short = words(&m)?,
            "categories" => out.categories = words(&m)?,
            "subresources" => out.subresources = words(&m)?,
            "verbs" => out.verbs = Some(text(&m)?),
            "cluster" => out.cluster = true,
            "bare" => out.meta = false,
            other => return Err(m.error(format!("unknown kind attribute {other}"))),
        }
        Ok(())
    })?;
    Ok(out)
}

pub fn of_field(attributes: &[Attribute]) -> Result<FieldAttributes> {
    let mut out = FieldAttributes::default();
    for attribute in attributes.iter().filter(|a| a.path().is_ident("api")) {
        attribute.parse_nested_meta(|m| {
            match name(&m).as_str() {
                "tag" => out.tag = number(&m)?,
                "json" => out.json = Some(text(&m)?),
                "omitempty" => out.omitempty = true,
                "nullable" => out.nullable = true,
                "inline" => out.inline = true,
                "required" => out.required = true,
                "atomic" => out.atomic = true,
                "list" => out.list = Some(text(&m)?),
                "keys" => out.keys = words(&m)?,
                "patch" => out.patch = Some(text(&m)?),
                "key" => out.key = Some(text(&m)?),
                "default" => out.default = Some(text(&m)?),
                other => return Err(m.error(format!("unknown field attribute {other}"))),
            }
            Ok(())
        })?;
    }
    Ok(out)
}

fn name(meta: &ParseNestedMeta) -> String {
    meta.path.get_ident().map(|i| i.to_string()).unwrap_or_default()
}

fn number(meta: &ParseNestedMeta) -> Result<u32> {
    match meta.value()?.parse::<Expr>()? {
        Expr::Lit(ExprLit { lit: Lit::Int(i), .. }) => i.base10_parse(),
        other => Err(syn::Error::new_spanned(other, "a number is wanted")),
    }
}
