//! Which struct stands in which file.

use super::{Model, table};
use anyhow::{Result, bail};
use std::collections::{BTreeMap, BTreeSet};

/// File names (without ending) with their structs, in the model's order of discovery.
pub fn files(model: &Model, package: &str) -> Result<BTreeMap<String, Vec<String>>> {
    let mut claimed = BTreeSet::new();
    let mut out: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let anchors =
        table::ANCHORS.iter().filter(|a| a.0 == package).map(|a| (a.1.to_string(), a.2.to_string()));
    let roots = table::ROOTS
        .iter()
        .filter(|r| r.package == package)
        .map(|r| (r.kind.to_string(), file_of_root(r.kind, r.attributes)));
    let rest = model.packages[package].structs.keys().map(|s| (s.clone(), snake(s)));
    let whole = matches!(package, "meta_v1");
    for (name, file) in anchors.chain(roots).chain(rest.filter(|_| whole)) {
        if !model.packages[package].structs.contains_key(&name) {
            bail!("the model has no struct {package}.{name}");
        }
        let mut order = Vec::new();
        reach(model, package, &name, &mut claimed, &mut order);
        if !order.is_empty() {
            out.entry(file).or_default().extend(order);
        }
    }
    Ok(out)
}

fn file_of_root(kind: &str, attributes: &str) -> String {
    match kind {
        k if attributes == "bare" && k.ends_with("Options") => "options".to_string(),
        k if k.starts_with("API") && attributes == "bare" => "discovery".to_string(),
        k => snake(k),
    }
}

fn reach(model: &Model, package: &str, name: &str, claimed: &mut BTreeSet<String>, order: &mut Vec<String>) {
    if table::LEFT_OUT.contains(&(package, name)) || !claimed.insert(name.to_string()) {
        return;
    }
    order.push(name.to_string());
    for f in &model.packages[package].structs[name].fields {
        let base = base_type(model, package, &f.ty);
        if model.packages[package].structs.contains_key(&base) {
            reach(model, package, &base, claimed, order);
        }
    }
}

/// The name within `*[]map[string]NAME`, aliases resolved.
pub fn base_type(model: &Model, package: &str, ty: &str) -> String {
    let mut t = ty.trim_start_matches(['*', '[', ']']).to_string();
    while let Some(rest) = t.strip_prefix("map[") {
        t = rest.split_once(']').map_or("", |p| p.1).trim_start_matches(['*', '[', ']']).to_string();
    }
    match model.packages[package].aliases.get(&t).and_then(|a| a.as_str()) {
        Some(alias) if alias.contains(['[', ']']) => base_type(model, package, alias),
        _ => t,
    }
}

/// `PodTemplateSpec` to `pod_template_spec`, `CSIDriver` to `csi_driver`, `podIPs` to `pod_ips`.
pub fn snake(name: &str) -> String {
    let name = ["IPs", "CIDRs", "URLs", "IDs", "WWNs", "WWIDs"].iter().fold(name.to_string(), |n, plural| {
        let word = plural[..1].to_string() + &plural[1..].to_lowercase();
        n.replace(plural, &word)
    });
    let letters: Vec<char> = name.chars().collect();
    let mut out = String::new();
    for (i, c) in letters.iter().enumerate() {
        if c.is_ascii_uppercase() {
            let after_lower = i > 0 && !letters[i - 1].is_ascii_uppercase();
            let before_lower = i > 0 && letters.get(i + 1).is_some_and(|n| n.is_ascii_lowercase());
            if (after_lower || before_lower) && !out.ends_with('_') && !out.is_empty() {
                out.push('_');
            }
            out.push(c.to_ascii_lowercase());
        } else if c.is_ascii_alphanumeric() {
            out.push(*c);
        } else if !out.is_empty() {
            out.push('_');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::snake;

    #[test]
    fn names_become_snake_case() {
        for (from, want) in [
            ("PodTemplateSpec", "pod_template_spec"),
            ("CSIDriver", "csi_driver"),
            ("podIPs", "pod_ips"),
            ("hostIPC", "host_ipc"),
            ("clusterIP", "cluster_ip"),
            ("x-kubernetes-int-or-string", "x_kubernetes_int_or_string"),
            ("$ref", "ref"),
            ("awsElasticBlockStore", "aws_elastic_block_store"),
        ] {
            assert_eq!(snake(from), want);
        }
    }
}
