//! Runs the specs against a real cluster, and counts those that pass.

use super::{RUNGS, Spec, parse, read};
use anyhow::{Context, Result, bail};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Stdio};

/// Names the kubeconfig of the cluster under test.
const KUBECONFIG: &str = "CORTEN_CONFORMANCE_KUBECONFIG";
/// Names the program that some specs bring into containers.
const HELPER: &str = "CORTEN_CONFORMANCE_HELPER";
/// How many specs run at the same time: they mostly wait.
const THREADS: &str = "12";

/// Runs every test of crate `corten-conformance`, shows what they say, and prints how many specs pass.
pub fn run(repository: &Path) -> Result<()> {
    if std::env::var_os(KUBECONFIG).is_none() {
        bail!("{KUBECONFIG} must name the kubeconfig of the cluster to test");
    }
    let helper = repository.join("target/conformance-helper.gz");
    let built = Command::new(repository.join("conformance/helper/build")).arg(&helper).status();
    if !built.context("run conformance/helper/build")?.success() {
        bail!("conformance/helper/build failed");
    }
    let words =
        ["test", "--no-fail-fast", "--package", "corten-conformance", "--", "--test-threads", THREADS];
    let output = Command::new("cargo")
        .args(words)
        .current_dir(repository)
        .env("RUST_BACKTRACE", "0")
        .env(HELPER, helper)
        .stderr(Stdio::inherit())
        .output()
        .context("run cargo test")?;
    let said = String::from_utf8_lossy(&output.stdout);
    print!("{said}");
    tell(repository, &said)
}

/// The same for a run that is over, of which `file` has what it said.
pub fn count(repository: &Path, file: &Path) -> Result<()> {
    let said = std::fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
    tell(repository, &said)
}

fn tell(repository: &Path, said: &str) -> Result<()> {
    let (mut counts, mut failing) = (Vec::new(), BTreeSet::new());
    let waiting = waiting(said);
    for (rung, list) in RUNGS {
        let text = read(repository, list)?;
        let specs = parse(&text)?;
        let (count, others) = judge(&specs, said);
        counts.push(format!("{rung}: {count} of {}", specs.len()));
        failing.extend(others.into_iter().map(str::to_string));
    }
    println!("specs that pass: {}", counts.join(", "));
    for (test, why) in &waiting {
        println!("not yet: {test}: {why}");
        failing.remove(*test);
    }
    if !failing.is_empty() {
        let names: Vec<_> = failing.into_iter().collect();
        bail!("these do not pass: {}", names.join(", "));
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

/// The tests that are not run, since something is known to be missing: it does not count as passed, nor as new.
fn waiting(said: &str) -> BTreeMap<&str, &str> {
    said.lines()
        .filter_map(|line| line.strip_prefix("test ")?.split_once(" ... ignored, "))
        .map(|(path, why)| (path.rsplit("::").next().unwrap_or(path), why))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tests_that_are_ok_pass() {
        let specs = parse("apps\tA\ta\ta_a\napps\tA\tb\ta_b\napps\tA\tc\ta_c\n").expect("parses");
        let said = "test apps::a_a ... ok\ntest apps::a_b ... FAILED\n";
        assert_eq!(judge(&specs, said), (1, vec!["a_b", "a_c"]));
        let said = "test apps::a_c ... ignored, needs more\n";
        assert_eq!(waiting(said), [("a_c", "needs more")].into());
    }
}
