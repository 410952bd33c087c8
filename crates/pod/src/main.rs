//! The supervisor of one pod; see the library for what it is spoken to in.

#![deny(unsafe_code)]

mod cgroups;
mod child;
mod connection;
mod container;
mod executable;
mod frames;
mod kernel;
mod lines;
mod log;
mod passwd;
mod sandbox;
mod supervisor;
mod trouble;

fn main() -> std::process::ExitCode {
    match supervisor::Supervisor::new() {
        Ok(mut supervisor) => {
            supervisor.run();
            std::process::ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("the pod's supervisor cannot start: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}
