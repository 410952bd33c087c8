//! What containers write: into their logs, and to those who have attached. Each stream is read once per
//! round, so that no writer keeps the others waiting. Whoever attached and does not read holds the container
//! up, as a terminal does, but not for ever: then they are left out.

use super::{Supervisor, Watch};
use crate::container::{Container, Output, Tap};
use crate::kernel::events::{QUIET, READABLE, WRITABLE};
use crate::kernel::{files, now, uptime};
use crate::lines::stamp;
use std::io;

/// How long somebody who attached may take nothing, in nanoseconds.
pub(super) const PATIENCE: i64 = 10_000_000_000;

/// The most that is read of streams that something holds open after the container's end.
const MAX_REST: usize = 4 << 20;

/// What came of reading once.
#[derive(PartialEq, Eq)]
enum Read {
    Some(usize),
    Nothing,
    End,
}

impl Supervisor {
    /// Takes what is there on a stream, once.
    pub(super) fn pump(&mut self, id: &str, index: usize) {
        let Some(mut container) = self.containers.remove(id) else { return };
        if index < container.outputs.len() {
            let mut outputs = std::mem::take(&mut container.outputs);
            self.pump_once(&mut container, &mut outputs[index]);
            container.outputs = outputs;
        }
        self.containers.insert(id.to_owned(), container);
        self.finish_if_silent(id);
    }

    fn pump_once(&mut self, container: &mut Container, output: &mut Output) -> Read {
        let Some(source) = &output.source else { return Read::End };
        let mut buffer = std::mem::take(&mut self.buffer);
        let read = match files::read(source, &mut buffer) {
            Ok(0) => Read::End,
            Ok(count) => Read::Some(count),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Read::Nothing,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Read::Nothing,
            // A terminal whose other side is closed.
            Err(_) => Read::End,
        };
        if let Read::Some(count) = read {
            self.take(container, output, &buffer[..count]);
        }
        self.buffer = buffer;
        if read == Read::End {
            self.end_output(container, output);
        }
        read
    }

    fn take(&mut self, container: &mut Container, output: &mut Output, bytes: &[u8]) {
        if container.log.is_open() {
            let time = stamp(now());
            let mut log = Vec::with_capacity(bytes.len() + 256);
            // Short lines grow much by their heads, so it is done in parts.
            for part in bytes.chunks(8 << 10) {
                output.lines.push(part, output.name, &time, &mut log);
                container.log.write(&log);
                log.clear();
            }
        }
        let mut taps = std::mem::take(&mut output.taps);
        taps.retain_mut(|tap| {
            let waited = !tap.pending.is_empty();
            tap.pending.extend_from_slice(bytes);
            match tap.flush() {
                Ok(()) => {
                    if !tap.pending.is_empty() && !waited {
                        let _ = self.events.change(&tap.sink, tap.token, WRITABLE);
                    }
                    true
                }
                Err(_) => {
                    self.unwatch(tap.token, &tap.sink);
                    false
                }
            }
        });
        output.taps = taps;
        self.hold_or_go_on(output);
    }

    /// Reads a stream only while all who attached keep up.
    fn hold_or_go_on(&self, output: &Output) {
        if let Some(source) = &output.source {
            let held = output.taps.iter().any(|tap| !tap.pending.is_empty());
            let _ = self.events.change(source, output.token, if held { QUIET } else { READABLE });
        }
    }

    /// Ends a stream: what has no line's end is written as it is.
    pub(super) fn end_output(&mut self, container: &mut Container, output: &mut Output) {
        let Some(source) = output.source.take() else { return };
        self.unwatch(output.token, &source);
        let mut log = Vec::new();
        output.lines.finish(output.name, &stamp(now()), &mut log);
        container.log.write(&log);
    }

    /// Reads what a container left in its streams.
    pub(super) fn drain(&mut self, id: &str) {
        let Some(mut container) = self.containers.remove(id) else { return };
        let mut outputs = std::mem::take(&mut container.outputs);
        for output in &mut outputs {
            let mut rest = 0;
            while let Read::Some(count) = self.pump_once(&mut container, output) {
                rest += count;
                if rest > MAX_REST {
                    break;
                }
            }
        }
        container.outputs = outputs;
        self.containers.insert(id.to_owned(), container);
    }

    /// Somebody who attached has room again.
    pub(super) fn tap_ready(&mut self, id: &str, index: usize, token: u64, what: u32) {
        if what & WRITABLE == 0 {
            // Nobody reads it any more.
            self.drop_leftover(token);
            return self.drop_taps(|tap| tap.token == token);
        }
        if let Some(tap) = self.leftovers.get_mut(&token) {
            if tap.flush().is_err() || tap.pending.is_empty() {
                self.drop_leftover(token);
            }
            return;
        }
        let Some(mut container) = self.containers.remove(id) else { return };
        if let Some(output) = container.outputs.get_mut(index)
            && let Some(at) = output.taps.iter().position(|tap| tap.token == token)
        {
            match output.taps[at].flush() {
                Ok(()) if output.taps[at].pending.is_empty() => {
                    let _ = self.events.change(&output.taps[at].sink, token, QUIET);
                }
                Ok(()) => {}
                Err(_) => {
                    let tap = output.taps.remove(at);
                    self.unwatch(tap.token, &tap.sink);
                }
            }
            self.hold_or_go_on(output);
        }
        self.containers.insert(id.to_owned(), container);
    }

    /// Keeps a copy that was not taken yet when its stream ended.
    pub(super) fn leave_tap(&mut self, mut tap: Tap) {
        let there = tap.flush().is_ok() && !tap.pending.is_empty();
        if there && self.watches.contains_key(&tap.token) {
            let _ = self.events.change(&tap.sink, tap.token, WRITABLE);
            self.leftovers.insert(tap.token, tap);
        } else {
            self.unwatch(tap.token, &tap.sink);
        }
    }

    fn drop_leftover(&mut self, token: u64) {
        if let Some(tap) = self.leftovers.remove(&token) {
            self.unwatch(token, &tap.sink);
        }
    }

    /// Leaves out those who have not read for too long.
    pub(super) fn drop_stuck_taps(&mut self, now: i64) {
        let stuck = |tap: &Tap| !tap.pending.is_empty() && tap.since + PATIENCE <= now;
        let old: Vec<u64> =
            self.leftovers.iter().filter(|(_, tap)| stuck(tap)).map(|(token, _)| *token).collect();
        old.into_iter().for_each(|token| self.drop_leftover(token));
        self.drop_taps(stuck);
    }

    /// Takes copies away from all containers' streams.
    pub(super) fn drop_taps(&mut self, which: impl Fn(&Tap) -> bool) {
        let mut containers = std::mem::take(&mut self.containers);
        for output in containers.values_mut().flat_map(|container| &mut container.outputs) {
            let before = output.taps.len();
            let taps = std::mem::take(&mut output.taps);
            let (gone, kept): (Vec<Tap>, Vec<Tap>) = taps.into_iter().partition(&which);
            output.taps = kept;
            gone.iter().for_each(|tap| self.unwatch(tap.token, &tap.sink));
            if output.taps.len() != before {
                self.hold_or_go_on(output);
            }
        }
        self.containers = containers;
    }

    /// Adds somebody who gets a copy of a stream.
    pub(super) fn add_tap(&mut self, id: &str, index: usize, connection: u64, sink: std::os::fd::OwnedFd) {
        files::never_wait(&sink);
        let token = self.token(Watch::Tap(id.to_owned(), index));
        // A plain file cannot be waited for, and is never full either.
        let _ = self.events.add(&sink, token, QUIET);
        let tap = Tap { connection, sink, token, pending: Vec::new(), since: uptime() };
        if let Some(output) = self.containers.get_mut(id).and_then(|it| it.outputs.get_mut(index)) {
            output.taps.push(tap);
        }
    }
}

impl Tap {
    /// Hands over as much as there is room for.
    fn flush(&mut self) -> io::Result<()> {
        let mut sent = 0;
        let mut result = Ok(());
        while sent < self.pending.len() {
            match files::write(&self.sink, &self.pending[sent..]) {
                Ok(count) => {
                    sent += count;
                    self.since = uptime();
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    result = Err(error);
                    break;
                }
            }
        }
        self.pending.drain(..sent);
        if self.pending.is_empty() {
            self.pending = Vec::new();
        }
        result
    }
}
