//! Builds the pods' supervisor, to be carried in the executable: small, without shared libraries and at a
//! fixed address, for one is resident per pod. It is another executable than the one that is being built, so
//! another cargo builds it, with flags of its own.

use std::env;
use std::hash::{DefaultHasher, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What of the outer cargo's environment holds for the inner one as well: where packages come from, and how
/// many may be compiled at once. All else says how the outer is built.
const KEPT: [&str; 6] =
    ["CARGO_HOME", "CARGO_MAKEFLAGS", "CARGO_NET_", "CARGO_HTTP_", "CARGO_REGISTRIES_", "CARGO_SOURCE_"];

fn main() {
    let manifest = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo says where the crate is"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo says where output goes"));
    let pod = manifest.join("../pod");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={}", pod.join("src").display());
    println!("cargo::rerun-if-changed={}", pod.join("Cargo.toml").display());

    let built = build(&pod, &out, true).or_else(|| {
        println!(
            "cargo::warning=the pods' supervisor is linked dynamically, for there is no static C library"
        );
        build(&pod, &out, false)
    });
    let built = built.expect("the pods' supervisor can be built; see above why not");
    let bytes = std::fs::read(built).expect("what was built can be read");
    let mut hasher = DefaultHasher::new();
    hasher.write(&bytes);
    std::fs::write(out.join("corten-pod"), &bytes).expect("the output directory can be written");
    println!("cargo::rustc-env=CORTEN_POD_HASH={:016x}", hasher.finish());
}

/// Runs the inner cargo; the executable, or `None` if that failed.
fn build(pod: &Path, out: &Path, statically: bool) -> Option<PathBuf> {
    let (host, target) = (env::var("HOST").ok()?, env::var("TARGET").ok()?);
    // A build for development has to be quick, not small.
    let (profile, folder) =
        if env::var("PROFILE").as_deref() == Ok("release") { ("pod", "pod") } else { ("dev", "debug") };
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        let outer = text.starts_with("CARGO") || text.starts_with("RUST") && text.contains("FLAGS");
        if outer && !KEPT.iter().any(|kept| text.starts_with(kept)) || text == "RUSTC_WORKSPACE_WRAPPER" {
            cargo.env_remove(&name);
        }
    }
    let mut flags = vec!["-C", "relocation-model=static"];
    if statically {
        flags.extend(["-C", "target-feature=+crt-static"]);
    }
    let inner = out.join(if statically { "static" } else { "dynamic" });
    cargo
        .current_dir(pod)
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"))
        // The outer cargo has fetched and locked what there is.
        .args(["build", "--quiet", "--locked", "--offline", "--bin", "corten-pod", "--profile", profile])
        .arg("--target-dir")
        .arg(&inner);
    let mut folders = inner.clone();
    if host != target {
        cargo.args(["--target", &target]);
        folders.push(&target);
    }
    let path = folders.join(folder).join("corten-pod");
    cargo.status().ok().filter(|status| status.success() && path.exists()).map(|_| path)
}
