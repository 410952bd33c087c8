//! `corten`: the whole of Kubernetes as one executable. This crate holds no logic of the system: it reads
//! flags, starts the roles that they ask for, and wires the crates together.

mod config;
mod control;
mod images;
mod join;
mod node;
mod pod_create;
mod process;
mod reset;
mod runtime;
mod up;

use anyhow::Result;
use clap::Parser;
use config::{Command, Flags, ImageCommand, TokenCommand};
use std::process::ExitCode;

// Gives memory back sooner and fragments less than the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    if corten_kubelet::cni::is_plugin_call() {
        return corten_kubelet::cni::run_plugin();
    }
    let flags = Flags::parse();
    process::start_logging(flags.verbose);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().on_thread_park(process::rest).build();
    let outcome = runtime.map_err(Into::into).and_then(|r| r.block_on(run(flags)));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(flags: Flags) -> Result<()> {
    match flags.command {
        Command::Up(up) if up.detach => process::detach(&up),
        Command::Up(up) => Box::pin(up::run(*up)).await,
        Command::Server(server) => Box::pin(up::run_server(*server)).await,
        Command::Node(node) => Box::pin(join::run(*node)).await,
        Command::Down(at) => process::down(&at.data_dir).await,
        Command::Reset(at) => reset::run(&at.data_dir).await,
        Command::Token { command: TokenCommand::Create(token) } => control::token::create(token).await,
        Command::Image { command } => match command {
            ImageCommand::List(at) => runtime::images::list(&at.data_dir).await,
            ImageCommand::Pull { name, at } => runtime::images::pull(&at.data_dir, &name).await,
            ImageCommand::Import { file, at } => runtime::images::import(&at.data_dir, &file).await,
            ImageCommand::Demo { name, file: Some(file), .. } => images::demo(&name, &file),
            ImageCommand::Demo { name, file: None, at } => {
                runtime::images::import_demo(&at.data_dir, &name).await
            }
        },
        Command::Cri(cri) => Box::pin(runtime::cri::run(cri)).await,
        Command::Bench(bench) => corten_cli::bench::run(bench, pod_create::PARTS).await,
    }
}
