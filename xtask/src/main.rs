//! Generators and the rules of the repository, run as `cargo xtask COMMAND`.

mod api;
mod conformance;
mod cri;
mod tidy;
mod wire;

use anyhow::{Result, bail};
use std::path::{Path, PathBuf};

const USAGE: &str = "name a command:
  api MODEL.json OUT   write the API's structs from a model of upstream's API into OUT
  conformance          count the conformance specs that have a test of their name
  conformance --run    run them against the cluster of CORTEN_CONFORMANCE_KUBECONFIG, and count those that pass
  conformance --count FILE
                       count those that pass by what a run of the tests has said
  cri [MODEL.json]     write the CRI messages and services of crate node-api
  tidy                 check the rules of the repository that no compiler knows
  wire                 write the messages and services of CSI and of plugins";

fn main() -> Result<()> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["api", model, out] => api::run(Path::new(model), Path::new(out)),
        ["conformance"] => conformance::run(repository),
        ["conformance", "--run"] => conformance::passes::run(repository),
        ["conformance", "--count", file] => conformance::passes::count(repository, Path::new(file)),
        ["cri"] => cri::run(repository, None),
        ["cri", model] => cri::run(repository, Some(PathBuf::from(model))),
        ["tidy"] => tidy::run(repository),
        ["wire"] => wire::run(repository),
        _ => bail!(USAGE),
    }
}
