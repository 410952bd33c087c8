//! A server of gRPC's health protocol.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

/// Answers every health check with SERVING.
pub fn health(port: &str) -> std::io::Result<()> {
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
