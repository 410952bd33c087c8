//! Who may depend on whom. Crates stand in rows; a crate uses rows below its own (smaller numbers), and
//! beside that only what [`BESIDE`] allows. [`NEVER`] forbids what the rows would allow.

use super::Finding;

/// Every crate of ours and its row.
const ROWS: [(&str, u8); 26] = [
    ("sys", 0),
    ("rt", 0),
    ("store", 0),
    ("streaming", 0),
    ("api-derive", 0),
    ("pod", 0),
    ("api", 1),
    ("cel", 2),
    ("codec", 2),
    ("semantics", 2),
    ("kinds", 3),
    ("custom", 3),
    ("client", 3),
    ("metrics", 3),
    ("auth", 4),
    ("admission", 4),
    ("node-api", 4),
    ("apiserver", 5),
    ("controllers", 5),
    ("scheduler", 5),
    ("kubelet", 5),
    ("runtime", 5),
    ("network", 5),
    ("dns", 5),
    ("cli", 5),
    ("corten", 6),
];

/// Used within a row: tasks and the clock are needed by what runs in row 0 itself; custom kinds are kinds.
const BESIDE: [(&str, &str); 3] = [("store", "rt"), ("streaming", "rt"), ("custom", "kinds")];

/// What a crate must not use although it stands lower, and why.
const NEVER: [(&str, &[&str], &str); 19] = [
    ("api", &["rt", "sys", "store", "streaming", "tokio", "hyper"], "types do no input or output"),
    ("cel", &["rt", "sys", "store", "streaming", "tokio", "hyper"], "values in, values out"),
    ("codec", &["rt", "sys", "store", "streaming", "tokio", "hyper"], "bytes in, objects out"),
    ("semantics", &["rt", "sys", "store", "streaming", "tokio", "hyper"], "pure rules"),
    ("kinds", &["rt", "sys", "store", "streaming", "tokio", "hyper"], "strategies are pure"),
    ("custom", &["rt", "sys", "store", "streaming", "client", "tokio", "hyper"], "schemas are pure"),
    ("client", &["store"], "storage is the API server's"),
    ("metrics", &["rt", "sys", "store", "streaming", "tokio", "hyper"], "counts, and is read"),
    ("auth", &["store", "client"], "other objects come through `semantics::Lookup`"),
    ("admission", &["store", "client"], "other objects come through `semantics::Lookup`"),
    ("node-api", &["store", "api", "client"], "wire types know no objects"),
    ("controllers", &["store", "kinds", "sys"], "a controller is a client of the API"),
    ("scheduler", &["store", "kinds", "sys"], "the scheduler is a client of the API"),
    ("kubelet", &["store", "kinds"], "the kubelet is a client of the API"),
    ("pod", &["rt", "sys", "store", "streaming", "tokio", "serde"], "one is resident per pod"),
    ("runtime", &["store", "api", "client"], "a runtime knows CRI, no objects"),
    ("network", &["store", "client"], "takes plain values, calls nobody"),
    ("dns", &["store", "kinds"], "DNS is a client of the API"),
    ("cli", &["store", "kinds"], "verbs speak to the API from outside"),
];

/// What is wrong with the manifest `path` (relative to the repository) that holds `text`.
///
/// Tests may use any crate (`dev-dependencies`), for they put parts together; nothing that is shipped uses
/// the crates of tests and tools.
pub fn check(path: &str, text: &str) -> Vec<Finding> {
    let name = path.trim_end_matches("/Cargo.toml").rsplit('/').next().unwrap_or_default();
    let tool = matches!(name, "conformance" | "cri" | "testkit" | "xtask");
    let mut found = Vec::new();
    let mut report =
        |line: usize, text: String| found.push(Finding { path: path.to_owned(), line: line + 1, text });
    if !tool && row(name).is_none() {
        report(0, format!("crate `{name}` has no row; give it one in xtask/src/tidy/dependencies.rs"));
        return found;
    }
    for (line, dependency) in used(text) {
        let never =
            NEVER.iter().find(|(user, forbidden, _)| *user == name && forbidden.contains(&dependency));
        if let Some((_, _, reason)) = never {
            report(line, format!("`{name}` must not use `{dependency}`: {reason}"));
        } else if dependency == "testkit" && !tool {
            report(line, "`testkit` is for tests; name it under [dev-dependencies]".to_owned());
        } else if let (Some(own), Some(other)) = (row(name), row(dependency))
            && other >= own
            && !BESIDE.contains(&(name, dependency))
        {
            report(line, format!("`{name}` (row {own}) must not use `{dependency}` (row {other})"));
        }
    }
    found
}

fn row(name: &str) -> Option<u8> {
    ROWS.iter().find(|(known, _)| *known == name).map(|(_, row)| *row)
}

/// The dependencies that are shipped, each with its line: our crates without their `corten-`.
fn used(manifest: &str) -> Vec<(usize, &str)> {
    let mut in_dependencies = false;
    let mut found = Vec::new();
    for (line, text) in manifest.lines().enumerate() {
        let text = text.trim();
        if let Some(section) = text.strip_prefix('[') {
            let section = section.trim_end_matches(']');
            in_dependencies = section.ends_with("dependencies") && !section.ends_with("dev-dependencies");
        } else if in_dependencies && !text.is_empty() && !text.starts_with('#') {
            let name = text.split(['.', '=', ' ']).next().unwrap_or_default();
            found.push((line, name.strip_prefix("corten-").unwrap_or(name)));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn rows_are_kept() {
        let cases = [
            ("apiserver", "[dependencies]\ncorten-store.workspace = true\n", vec![]),
            ("controllers", "[dependencies]\ncorten-client.workspace = true\n", vec![]),
            ("controllers", "[dependencies]\ncorten-store.workspace = true\n", vec![2]),
            ("scheduler", "[dependencies]\n\ncorten-controllers.workspace = true\n", vec![3]),
            ("store", "[dependencies]\ncorten-rt.workspace = true\n", vec![]),
            ("rt", "[dependencies]\ncorten-store.workspace = true\n", vec![2]),
            ("codec", "[dependencies]\ntokio.workspace = true\n", vec![2]),
            ("codec", "[dev-dependencies]\ntokio.workspace = true\n", vec![]),
            ("codec", "[dependencies]\n# tokio = \"1\"\n[dev-dependencies]\ncorten-kinds = {}\n", vec![]),
            ("network", "[target.'cfg(unix)'.dependencies]\ncorten-client.workspace = true\n", vec![2]),
            ("corten", "[dependencies]\ncorten-testkit.workspace = true\n", vec![2]),
            ("testkit", "[dependencies]\ncorten-kubelet.workspace = true\n", vec![]),
            ("novel", "[dependencies]\n", vec![1]),
        ];
        for (name, manifest, expected) in cases {
            let found = check(&format!("crates/{name}/Cargo.toml"), manifest);
            let lines: Vec<usize> = found.iter().map(|finding| finding.line).collect();
            assert_eq!(lines, expected, "{name} with {manifest:?}: {found:?}");
        }
    }
}
