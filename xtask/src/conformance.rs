//! `xtask conformance`: how many specs of a rung have a test of their name.
//!
//! `conformance/rung1.tsv` and its like list the specs (SIG, group, label, test name); one that belongs to two rungs
//! stands in both, under one name. A spec counts as covered on a real cluster by a test of that name below
//! `conformance/tests`, and in virtual time by one below `crates/testkit/tests`. Whether the tests pass is for the
//! test runs to say.

pub mod passes;

use anyhow::{Context, Result, bail};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The rungs: what they are called, and the files that list their specs.
const RUNGS: [(&str, &str); 3] =
    [("rung 1", "conformance/rung1.tsv"), ("node", "conformance/rung2.tsv"), ("API", "conformance/api.tsv")];

/// A line of a list.
#[derive(Debug, PartialEq, Eq)]
struct Spec<'a> {
    sig: &'a str,
    title: String,
    test: &'a str,
}

/// Where a test was found.
#[derive(Default)]
struct Found {
    cluster: BTreeSet<String>,
    simulated: BTreeSet<String>,
}

/// Prints the count and what is missing.
pub fn run(repository: &Path) -> Result<()> {
    let found = Found {
        cluster: tests_below(&repository.join("conformance/tests"))?,
        simulated: tests_below(&repository.join("crates/testkit/tests"))?,
    };
    for (rung, list) in RUNGS {
        let text = read(repository, list)?;
        print!("{rung}\n{}", report(&parse(&text)?, &found));
    }
    Ok(())
}

fn read(repository: &Path, list: &str) -> Result<String> {
    let path = repository.join(list);
    std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))
}

fn parse(text: &str) -> Result<Vec<Spec<'_>>> {
    let mut specs = Vec::new();
    let mut names = BTreeSet::new();
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let [sig, group, label, test] = line.split('\t').collect::<Vec<_>>()[..] else {
            bail!("`{line}`: SIG, group, label and test name, divided by tabs, are needed");
        };
        if !names.insert(test) {
            bail!("`{test}` is named twice");
        }
        specs.push(Spec { sig, title: format!("{group} {label}"), test });
    }
    Ok(specs)
}

/// The names of all test functions in the Rust files below `folder`.
fn tests_below(folder: &Path) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| format!("list {}", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text =
                    std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
                found.extend(tests(&text).map(str::to_owned));
            }
        }
    }
    Ok(found)
}

/// The names of the test functions in `text`: a `fn` that follows an attribute ending in `test`, with or
/// without arguments, and no `#[ignore]` without a reason.
fn tests(text: &str) -> impl Iterator<Item = &str> {
    let (mut is_test, mut ignored) = (false, false);
    text.lines().map(str::trim).filter_map(move |line| {
        if let Some(attribute) = line.strip_prefix("#[") {
            let name = attribute.split(['(', ']', ' ']).next().unwrap_or_default();
            is_test |= name == "test" || name.ends_with("::test");
            ignored |= name == "ignore" && !attribute.contains('=');
            return None;
        }
        let function = line.strip_prefix("async fn ").or_else(|| line.strip_prefix("fn "))?;
        let wanted = std::mem::take(&mut is_test) & !std::mem::take(&mut ignored);
        wanted.then(|| function.split(['(', '<']).next().unwrap_or_default())
    })
}

fn report(specs: &[Spec<'_>], found: &Found) -> String {
    let mut by_sig: BTreeMap<&str, [usize; 4]> = BTreeMap::new();
    let mut missing = String::new();
    for spec in specs {
        let (cluster, simulated) = (found.cluster.contains(spec.test), found.simulated.contains(spec.test));
        let either = cluster || simulated;
        let counted = [true, cluster, simulated, either];
        for (sum, one) in by_sig.entry(spec.sig).or_default().iter_mut().zip(counted) {
            *sum += usize::from(one);
        }
        if !either {
            missing += &format!("no test {} ({}: {})\n", spec.test, spec.sig, spec.title);
        }
    }
    let mut out =
        format!("{:<16} {:>5} {:>8} {:>10} {:>7}\n", "SIG", "specs", "cluster", "simulated", "either");
    let total = by_sig.values().fold([0; 4], |sum, one| std::array::from_fn(|i| sum[i] + one[i]));
    for (sig, [specs, cluster, simulated, either]) in by_sig.into_iter().chain([("all", total)]) {
        out += &format!("{sig:<16} {specs:>5} {cluster:>8} {simulated:>10} {either:>7}\n");
    }
    out + &missing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn specs_are_counted_where_their_tests_stand() {
        let specs = parse("# list\napps\tDeployment\tstatus\tdeployment_status\napps\tPods\tgo\tpods_go\n")
            .expect("parses");
        let code = "#[tokio::test(start_paused = true)]\nasync fn deployment_status() -> Result<()> {\n";
        let found = Found { simulated: tests(code).map(str::to_owned).collect(), ..Found::default() };
        let said = report(&specs, &found);
        let lines: Vec<Vec<&str>> = said.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[1], ["apps", "2", "0", "1", "1"]);
        assert_eq!(lines[2], ["all", "2", "0", "1", "1"]);
        assert_eq!(said.lines().last(), Some("no test pods_go (apps: Pods go)"));
    }

    #[test]
    fn tests_are_told_from_other_functions() {
        let code = "
            fn helper() {}
            #[test]
            fn plain() {}
            #[tokio::test]
            /// Documented.
            async fn waits() {}
            fn another() {}
            #[test]
            #[ignore]
            fn ignored() {}
        ";
        assert_eq!(tests(code).collect::<Vec<_>>(), ["plain", "waits"]);
    }

    #[test]
    fn a_list_that_is_broken_is_refused() {
        for broken in ["apps\tDeployment\tstatus\n", "a\tb\tc\tsame\na\tb\td\tsame\n"] {
            assert!(parse(broken).is_err(), "{broken}");
        }
    }
}
