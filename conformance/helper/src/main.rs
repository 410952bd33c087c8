//! What the specs need in a container and busybox has not: a UDP server and client, a server of gRPC's health
//! protocol, what a setuid program sees, webhooks for admission and conversion, a small API server to aggregate, and
//! a check of a token by what its issuer publishes. `build` compiles it; a ConfigMap brings it into containers.

mod base64;
mod client;
mod convert;
mod grpc;
mod oidc;
mod sample;
mod web;
mod webhook;

use std::io::{Error, Result, Write};
use std::net::UdpSocket;
use std::process::ExitCode;
use std::time::Duration;

const USAGE: &str = "name one of: udp PORT, ask ADDRESS:PORT, grpc PORT, euid, webhook PORT CERTIFICATE KEY, \
    sample-apiserver PORT CERTIFICATE KEY, oidc TOKEN AUDIENCE";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let done = match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["udp", port] => answer(port),
        ["ask", address] => ask(address),
        ["grpc", port] => grpc::health(port),
        ["euid"] => euid(),
        ["webhook", port, certificate, key] => webhook::serve(port, certificate, key),
        ["sample-apiserver", port, certificate, key] => sample::serve(port, certificate, key),
        ["oidc", token, audience] => oidc::check(token, audience),
        _ => Err(Error::other(USAGE)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("error: {e}");
            ExitCode::FAILURE
        }
    }
}

/// Answers every datagram with the host's name.
fn answer(port: &str) -> Result<()> {
    let name = std::fs::read("/proc/sys/kernel/hostname")?;
    let socket = UdpSocket::bind(format!("0.0.0.0:{port}"))?;
    let mut message = [0; 1500];
    loop {
        let (_, sender) = socket.recv_from(&mut message)?;
        socket.send_to(&name, sender)?;
    }
}

/// Sends a datagram and prints the answer.
fn ask(address: &str) -> Result<()> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.set_read_timeout(Some(Duration::from_secs(2)))?;
    socket.send_to(b"hostName", address)?;
    let mut message = [0; 1500];
    let length = socket.recv(&mut message)?;
    std::io::stdout().write_all(&message[..length])
}

/// Prints the effective user id.
fn euid() -> Result<()> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let ids = status.lines().find_map(|line| line.strip_prefix("Uid:")).unwrap_or_default();
    println!("Effective uid: {}", ids.split_whitespace().nth(1).unwrap_or("unknown"));
    Ok(())
}
