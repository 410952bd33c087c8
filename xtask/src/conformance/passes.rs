//! Runs the specs against a real cluster, and counts those that pass.

use super::{Spec, parse};
use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

/// Names the kubeconfig of the cluster under test.
const KUBECONFIG: &str = "CORTEN_CONFORMANCE_KUBECONFIG";
/// How many specs run at the same time.
const THREADS: &str = "4";

/// Runs every test of crate `corten-conformance`, shows what they say, and prints how many specs pass.
pub fn run(repository: &Path) -> Result<()> {
    if std::env::var_os(KUBECONFIG).is_none() {
        bail!("{KUBECONFIG} must name the kubeconfig of the cluster to test");
    }
    let list = repository.join("conformance/rung1.tsv");
    let text = std::fs::read_to_string(&list).with_context(|| format!("read {}", list.display()))?;
    let specs = parse(&text)?;
    let words = ["test", "--package", "corten-conformance", "--", "--test-threads", THREADS];
    let output = Command::new("cargo")
        .args(words)
        .current_dir(repository)
        .env("RUST_BACKTRACE", "0")
        .stderr(Stdio::inherit())
        .output()
        .context("run cargo test")?;
    let said = String::from_utf8_lossy(&output.stdout);
    print!("{said}");
    let (count, failing) = judge(&specs, &said);
    println!("rung 1: {count} of {} specs pass", specs.len());
    if !failing.is_empty() {
        bail!("these do not pass: {}", failing.join(", "));
    }
    Ok(())
}

/// How many specs pass by what `cargo test` said, and the tests of the others.
fn judge<'a>(specs: &[Spec<'a>], said: &str) -> (usize, Vec<&'a str>) {
    let passed: BTreeSet<&str> = said
        .lines()
        .filter_map(|line| line.strip_prefix("test ")?.strip_suffix(" ... ok"))
        .map(|path| path.rsplit("::").next().unwrap_or(path))
        .collect();
    let failing: Vec<_> = specs.iter().map(|spec| spec.test).filter(|test| !passed.contains(test)).collect();
    (specs.len() - failing.len(), failing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tests_that_are_ok_pass() {
        let specs = parse("apps\tA\ta\ta_a\napps\tA\tb\ta_b\napps\tA\tc\ta_c\n").expect("parses");
        let said = "test apps::a_a ... ok\ntest apps::a_b ... FAILED\n";
        assert_eq!(judge(&specs, said), (1, vec!["a_b", "a_c"]));
    }
}
