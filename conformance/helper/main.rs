//! What the specs need in a container and busybox has not: a UDP server and client, a server of gRPC's health
//! protocol, and what a setuid program sees. `run` compiles it statically; a ConfigMap brings it into containers.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::ExitCode;
use std::time::Duration;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let done = match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["udp", port] => answer(port),
        ["ask", address] => ask(address),
        ["grpc", port] => health(port),
        ["euid"] => euid(),
        _ => Err(std::io::Error::other("name one of: udp PORT, ask ADDRESS:PORT, grpc PORT, euid")),
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
fn answer(port: &str) -> std::io::Result<()> {
    let name = std::fs::read("/proc/sys/kernel/hostname")?;
    let socket = UdpSocket::bind(format!("0.0.0.0:{port}"))?;
    let mut message = [0; 1500];
    loop {
        let (_, sender) = socket.recv_from(&mut message)?;
        socket.send_to(&name, sender)?;
    }
}

/// Sends a datagram and prints the answer.
fn ask(address: &str) -> std::io::Result<()> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.set_read_timeout(Some(Duration::from_secs(2)))?;
    socket.send_to(b"hostName", address)?;
    let mut message = [0; 1500];
    let length = socket.recv(&mut message)?;
    std::io::stdout().write_all(&message[..length])
}

/// Prints the effective user id.
fn euid() -> std::io::Result<()> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let ids = status.lines().find_map(|line| line.strip_prefix("Uid:")).unwrap_or_default();
    println!("Effective uid: {}", ids.split_whitespace().nth(1).unwrap_or("unknown"));
    Ok(())
}

/// Answers every health check with SERVING.
fn health(port: &str) -> std::io::Result<()> {
    let listener = TcpListener::bind(format!("0.0.0.0:{port}"))?;
    for connection in listener.incoming() {
        let connection = connection?;
        std::thread::spawn(move || serve(connection));
    }
    Ok(())
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const ACK: u8 = 1;

/// Speaks as much of HTTP/2 as one health check needs.
fn serve(mut connection: TcpStream) -> std::io::Result<()> {
    let mut preface = [0; 24];
    connection.read_exact(&mut preface)?;
    frame(&mut connection, SETTINGS, 0, [0; 4], &[])?;
    loop {
        let mut head = [0; 9];
        connection.read_exact(&mut head)?;
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let mut payload = vec![0; length];
        connection.read_exact(&mut payload)?;
        let stream = [head[5], head[6], head[7], head[8]];
        match (head[3], head[4]) {
            (SETTINGS, 0) => frame(&mut connection, SETTINGS, ACK, stream, &[])?,
            (PING, 0) => frame(&mut connection, PING, ACK, stream, &payload)?,
            (DATA | HEADERS, flags) if flags & END_STREAM != 0 => respond(&mut connection, stream)?,
            _ => {}
        }
    }
}

/// The response: headers, the message `status: SERVING`, trailers.
fn respond(connection: &mut TcpStream, stream: [u8; 4]) -> std::io::Result<()> {
    let mut headers = vec![0x88]; // `:status: 200` of the static table
    field(&mut headers, "content-type", "application/grpc");
    frame(connection, HEADERS, END_HEADERS, stream, &headers)?;
    frame(connection, DATA, 0, stream, &[0, 0, 0, 0, 2, 0x08, 1])?;
    let mut trailers = Vec::new();
    field(&mut trailers, "grpc-status", "0");
    frame(connection, HEADERS, END_HEADERS | END_STREAM, stream, &trailers)
}

/// A header that stands in no table.
fn field(block: &mut Vec<u8>, name: &str, value: &str) {
    block.push(0);
    for text in [name, value] {
        block.push(text.len() as u8);
        block.extend(text.bytes());
    }
}

fn frame(to: &mut TcpStream, kind: u8, flags: u8, stream: [u8; 4], payload: &[u8]) -> std::io::Result<()> {
    let length = (payload.len() as u32).to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend(stream);
    bytes.extend(payload);
    to.write_all(&bytes)
}
