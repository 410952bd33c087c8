//! Configuration that is taken over while the server runs, as `/metrics` counts it.

use std::fmt::Write;

use aws_lc_rs::digest::{SHA256, digest};
use corten_rt::Clock;
use parking_lot::Mutex;

/// How often one kind of configuration was reloaded.
#[derive(Debug)]
pub struct Reloads {
    of: &'static str,
    server: String,
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// What holds now, as a hash.
    hash: String,
    /// Successes and failures: how many, and the seconds of the last one.
    counts: [Option<(u64, i64)>; 2],
}

impl Reloads {
    /// Of `authentication`, `authorization` or `encryption`, whose text now is `text`; `server` names this
    /// process among others.
    pub fn new(of: &'static str, server: &str, clock: Clock, text: &[u8]) -> Self {
        let state = State { hash: hash(text), ..State::default() };
        Reloads { of, server: hash(server.as_bytes()), clock, state: Mutex::new(state) }
    }

    /// `text` holds from now on.
    pub fn succeeded(&self, text: &[u8]) {
        self.count(0);
        self.state.lock().hash = hash(text);
    }

    /// What is there now could not be taken over.
    pub fn failed(&self) {
        self.count(1);
    }

    fn count(&self, which: usize) {
        let now = self.clock.now().as_second();
        let count = &mut self.state.lock().counts[which];
        *count = Some((count.map_or(0, |(before, _)| before) + 1, now));
    }

    /// Appends the text for `/metrics`.
    pub(super) fn write(&self, out: &mut String) {
        let (state, server) = (self.state.lock(), &self.server);
        let name = format!("apiserver_{}_config_controller", self.of);
        let told = |out: &mut String, which: &str, kind: &str, what: &str| {
            super::metrics::head(out, &format!("{name}_{which}"), kind, what);
        };
        let each = || {
            let named = ["success", "failure"].into_iter().zip(state.counts);
            named.filter_map(|(status, count)| Some((status, count?)))
        };
        if each().next().is_some() {
            told(out, "automatic_reloads_total", "counter", "How often the configuration was reloaded.");
            for (status, (count, _)) in each() {
                let labels = format!("apiserver_id_hash=\"{server}\",status=\"{status}\"");
                let _ = writeln!(out, "{name}_automatic_reloads_total{{{labels}}} {count}");
            }
            let what = "When the configuration was reloaded last.";
            told(out, "automatic_reload_last_timestamp_seconds", "gauge", what);
            for (status, (_, last)) in each() {
                let labels = format!("apiserver_id_hash=\"{server}\",status=\"{status}\"");
                let _ = writeln!(out, "{name}_automatic_reload_last_timestamp_seconds{{{labels}}} {last}");
            }
        }
        told(out, "last_config_info", "gauge", "What the configuration is that was taken over last.");
        let labels = format!("apiserver_id_hash=\"{server}\",hash=\"{}\"", state.hash);
        let _ = writeln!(out, "{name}_last_config_info{{{labels}}} 1");
    }
}

fn hash(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return String::new();
    }
    let hex: String = digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reloads_are_told_by_their_outcome() {
        let reloads = Reloads::new("authentication", "", Clock::system(), b"");
        let text = |reloads: &Reloads| {
            let mut out = String::new();
            reloads.write(&mut out);
            out
        };
        let name = "apiserver_authentication_config_controller";
        let quiet = text(&reloads);
        assert!(!quiet.contains("automatic_reloads_total"), "{quiet}");
        reloads.failed();
        reloads.failed();
        reloads.succeeded(b"abc");
        let told = text(&reloads);
        for line in [
            "_automatic_reloads_total{apiserver_id_hash=\"\",status=\"success\"} 1",
            "_automatic_reloads_total{apiserver_id_hash=\"\",status=\"failure\"} 2",
            "_last_config_info{apiserver_id_hash=\"\",hash=\"sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"} 1",
        ] {
            assert!(told.contains(&format!("{name}{line}\n")), "{told}");
        }
    }
}
