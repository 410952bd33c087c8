//! One connection of the runtime.

use crate::frames::Frames;
use crate::kernel::sockets;
use corten_pod::protocol::Reply;
use corten_pod::wire::{Wire, WireError};
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

/// How much may wait to be sent to somebody who does not read.
const MAX_WAITING: usize = 1 << 20;

/// What a connection is there for, which is what ends with it.
#[derive(Clone, PartialEq, Eq)]
pub enum Role {
    /// Questions that are answered at once.
    Plain,
    /// It hears of every change.
    Subscriber,
    /// A container is being started for it.
    Launch(String),
    /// A process runs for it.
    Exec(i32),
    /// It has joined a container's streams.
    Attach(String),
}

struct Waiting {
    bytes: Vec<u8>,
    sent: usize,
    descriptors: Vec<OwnedFd>,
}

/// A connection.
pub struct Connection {
    /// Its socket, which never waits.
    pub socket: OwnedFd,
    /// What it is there for.
    pub role: Role,
    /// Descriptors that came and were not taken yet.
    pub descriptors: Vec<OwnedFd>,
    frames: Frames,
    waiting: VecDeque<Waiting>,
}

/// What a read brought.
pub enum Came {
    /// Whole requests, perhaps none.
    Frames(Vec<Vec<u8>>),
    /// The other end is gone, or speaks nonsense.
    End,
}

impl Connection {
    /// A new one.
    pub fn new(socket: OwnedFd) -> Self {
        Connection {
            socket,
            role: Role::Plain,
            descriptors: Vec::new(),
            frames: Frames::default(),
            waiting: VecDeque::new(),
        }
    }

    /// Reads once, so that nobody keeps the others waiting.
    pub fn read(&mut self, buffer: &mut [u8]) -> Came {
        match sockets::receive(&self.socket, buffer) {
            Ok((0, _)) => Came::End,
            Ok((count, descriptors)) => {
                self.descriptors.extend(descriptors);
                self.frames.push(&buffer[..count]);
                self.whole_frames().map_or(Came::End, Came::Frames)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Came::Frames(Vec::new()),
            Err(_) => Came::End,
        }
    }

    fn whole_frames(&mut self) -> Result<Vec<Vec<u8>>, WireError> {
        let mut frames = Vec::new();
        while let Some(frame) = self.frames.next()? {
            frames.push(frame);
        }
        Ok(frames)
    }

    /// Sends an answer, or keeps it until there is room. `false` if the other end reads nothing.
    pub fn send(&mut self, reply: &Reply, descriptors: Vec<OwnedFd>) -> bool {
        self.waiting.push_back(Waiting { bytes: reply.frame(), sent: 0, descriptors });
        self.flush() && self.waiting.iter().map(|waiting| waiting.bytes.len()).sum::<usize>() <= MAX_WAITING
    }

    /// Sends what waits, as far as there is room; `false` if nobody is there.
    pub fn flush(&mut self) -> bool {
        while let Some(first) = self.waiting.front_mut() {
            let numbers: Vec<_> = first.descriptors.iter().map(AsRawFd::as_raw_fd).collect();
            match sockets::send(&self.socket, &first.bytes[first.sent..], &numbers) {
                Ok(count) => {
                    first.descriptors.clear();
                    first.sent += count;
                    if first.sent == first.bytes.len() {
                        self.waiting.pop_front();
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                Err(_) => return false,
            }
        }
        true
    }

    /// Whether something waits to be sent.
    pub fn waits(&self) -> bool {
        !self.waiting.is_empty()
    }
}
