//! One connection to a supervisor: frames, and descriptors beside them.

use super::{Error, Result};
use corten_pod::protocol::{Reply, Request};
use corten_pod::wire::{MAX_FRAME, Wire};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use tokio::io::Interest;
use tokio::net::UnixStream;

/// The most descriptors that come with one answer.
const MOST_DESCRIPTORS: usize = 8;

/// A connection on which one request is answered.
#[derive(Debug)]
pub struct Connection(UnixStream);

impl Connection {
    /// Speaks on a socket that is connected.
    pub fn new(stream: UnixStream) -> Self {
        Connection(stream)
    }

    /// Sends the request, with descriptors beside its first byte.
    pub async fn send(&self, request: &Request, descriptors: &[BorrowedFd<'_>]) -> Result<()> {
        let frame = request.frame();
        let mut sent = 0;
        while sent < frame.len() {
            let descriptors = if sent == 0 { descriptors } else { &[] };
            let write = || send_some(&self.0, &frame[sent..], descriptors);
            sent += self.0.async_io(Interest::WRITABLE, write).await.map_err(Error::Gone)?;
        }
        Ok(())
    }

    /// The next answer and what came with it.
    ///
    /// # Errors
    /// [`Error::Failed`] when the supervisor said so; [`Error::Gone`] at the connection's end.
    pub async fn receive(&self) -> Result<(Reply, Vec<OwnedFd>)> {
        let mut descriptors = Vec::new();
        let mut length = [0; 4];
        self.fill(&mut length, &mut descriptors).await?;
        let length = u32::from_le_bytes(length) as usize;
        if length > MAX_FRAME {
            return Err(Error::Wire(corten_pod::wire::WireError::TooLong));
        }
        let mut body = vec![0; length];
        self.fill(&mut body, &mut descriptors).await?;
        match Reply::from_bytes(&body)? {
            Reply::Failed(failure) => Err(Error::Failed(failure)),
            reply => Ok((reply, descriptors)),
        }
    }

    async fn fill(&self, buffer: &mut [u8], descriptors: &mut Vec<OwnedFd>) -> Result<()> {
        let mut got = 0;
        while got < buffer.len() {
            let read = || receive_some(&self.0, &mut buffer[got..], descriptors);
            match self.0.async_io(Interest::READABLE, read).await.map_err(Error::Gone)? {
                0 => return Err(Error::Gone(io::ErrorKind::UnexpectedEof.into())),
                count => got += count,
            }
        }
        Ok(())
    }
}

fn send_some(socket: &UnixStream, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<usize> {
    let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(descriptors.len()))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::Error::other("too many descriptors for one message"));
    }
    Ok(sendmsg(socket, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL)?)
}

fn receive_some(socket: &UnixStream, buffer: &mut [u8], descriptors: &mut Vec<OwnedFd>) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let got = recvmsg(socket, &mut [IoSliceMut::new(buffer)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            descriptors.extend(rights);
        }
    }
    Ok(got.bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_pod::protocol::{Hello, Signal};
    use std::io::{Read, Write};
    use std::os::fd::AsFd;

    #[tokio::test]
    async fn requests_and_answers_travel_with_descriptors() {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().expect("pair");
        ours.set_nonblocking(true).expect("nonblocking");
        theirs.set_nonblocking(true).expect("nonblocking");
        let (ours, theirs) = (
            Connection::new(UnixStream::from_std(ours).expect("ours")),
            UnixStream::from_std(theirs).expect("theirs"),
        );
        let (mut reader, writer) = std::io::pipe().expect("pipe");
        let request = Request::Signal(Signal { container: "c".into(), number: 15, all: false });
        ours.send(&request, &[writer.as_fd()]).await.expect("sent");
        drop(writer);

        let (mut got, mut passed) = (vec![0; 256], Vec::new());
        theirs.readable().await.expect("readable");
        let count = receive_some(&theirs, &mut got, &mut passed).expect("received");
        assert_eq!(Request::from_bytes(&got[4..count]), Ok(request));
        std::io::PipeWriter::from(passed.remove(0)).write_all(b"through").expect("written");
        let mut text = String::new();
        reader.read_to_string(&mut text).expect("read");
        assert_eq!(text, "through");

        let hello = Reply::Hello(Hello { version: 1, pid: 7, sandbox: "s".into() });
        // In two parts: a frame may be cut anywhere.
        let frame = hello.frame();
        send_some(&theirs, &frame[..6], &[]).expect("sent");
        send_some(&theirs, &frame[6..], &[]).expect("sent");
        assert_eq!(ours.receive().await.expect("answer").0, hello);
        drop(theirs);
        assert!(matches!(ours.receive().await, Err(Error::Gone(_))));
    }
}
