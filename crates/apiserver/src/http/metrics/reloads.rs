//! Configuration that is taken over while the server runs, as `/metrics` counts it.

use aws_lc_rs::digest::{SHA256, digest};
use corten_metrics::{Kind, Text};
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

    /// Writes the metrics.
    pub(super) fn write(&self, out: &mut Text) {
        let (state, server) = (self.state.lock(), ("apiserver_id_hash", self.server.as_str()));
        let name = format!("apiserver_{}_config_controller", self.of);
        let each = || {
            let named = ["success", "failure"].into_iter().zip(state.counts);
            named.filter_map(|(status, count)| Some((status, count?)))
        };
        if each().next().is_some() {
            let help = "How often the configuration was reloaded.";
            out.family(format!("{name}_automatic_reloads_total"), Kind::Counter, help);
            each().for_each(|(status, (count, _))| out.sample(&[server, ("status", status)], count));
            let help = "When the configuration was reloaded last.";
            out.family(format!("{name}_automatic_reload_last_timestamp_seconds"), Kind::Gauge, help);
            each().for_each(|(status, (_, last))| out.sample(&[server, ("status", status)], last));
        }
        let help = "What the configuration is that was taken over last.";
        out.family(format!("{name}_last_config_info"), Kind::Gauge, help);
        out.sample(&[server, ("hash", state.hash.as_str())], 1);
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
            let mut out = Text::default();
            reloads.write(&mut out);
            out.finish()
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
