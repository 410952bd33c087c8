//! `corten bench` alone, for measuring any API server without building the rest:
//! `cargo run -p corten-cli --example bench -- api --kubeconfig FILE`.

use clap::Parser;
use corten_cli::bench::{BenchArgs, run};

#[derive(Parser)]
struct Program {
    #[command(flatten)]
    bench: BenchArgs,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    run(Program::parse().bench, &[]).await
}
