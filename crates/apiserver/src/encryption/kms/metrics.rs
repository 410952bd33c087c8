//! What `/metrics` shows of plugins, under upstream's names.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use parking_lot::Mutex;
use tonic::Code;

use crate::http::{Histogram, metrics_head as head};

/// The most keys of one plugin that are told apart.
const MOST: usize = 100;

/// A direction, and the hash of a key's name.
type Use = (&'static str, String);

/// The counters of one plugin.
#[derive(Default)]
pub struct Counts {
    calls: Mutex<BTreeMap<(&'static str, String), Histogram>>,
    /// Values by direction and key: how many, and when the last one was.
    keys: Mutex<BTreeMap<Use, (u64, i64)>>,
    /// When the plugin last said that it uses a key.
    status: Mutex<BTreeMap<String, i64>>,
    invalid: Mutex<BTreeMap<&'static str, u64>>,
}

/// As keys' names are shown.
pub fn hash(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    let bytes = digest(&SHA256, text.as_bytes());
    let hex: String = bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

impl Counts {
    /// A call has ended.
    pub fn called(&self, method: &'static str, code: Code, took: Duration) {
        let code = format!("{code:?}");
        self.calls.lock().entry((method, code)).or_default().observe(took.as_secs_f64());
    }

    /// A value was written (`to_storage`) or read (`from_storage`) by a key.
    pub fn used(&self, direction: &'static str, key_hash: &str, now: i64) {
        let mut keys = self.keys.lock();
        let name = (direction, key_hash.to_string());
        if keys.len() < MOST || keys.contains_key(&name) {
            let count = keys.entry(name).or_default();
            *count = (count.0 + 1, now);
        }
    }

    /// The plugin said that it uses a key.
    pub fn said(&self, key_hash: &str, now: i64) {
        let mut status = self.status.lock();
        if status.len() < MOST || status.contains_key(key_hash) {
            status.insert(key_hash.to_string(), now);
        }
    }

    /// The plugin named a key as no key can be named.
    pub fn invalid(&self, why: &'static str) {
        *self.invalid.lock().entry(why).or_default() += 1;
    }
}

/// Appends the text of all plugins: name, counters, and how many seeds are remembered.
pub fn write(out: &mut String, plugins: &[(&str, &Counts, usize)], server: &str) {
    let prefix = "apiserver_envelope_encryption";
    let mut family = |name: &str, kind: &str, help: &str, rows: &dyn Fn(&mut String, &str)| {
        let name = format!("{prefix}_{name}");
        head(out, &name, kind, help);
        rows(out, &name);
    };
    let server = format!("apiserver_id_hash=\"{server}\"");
    let each = |out: &mut String, row: &dyn Fn(&mut String, &str, &Counts, usize)| {
        for (name, counts, seeds) in plugins {
            row(out, &format!("provider_name=\"{name}\""), counts, *seeds);
        }
    };
    family("kms_operations_latency_seconds", "histogram", "How long plugins took.", &|out, name| {
        each(out, &|out, plugin, counts, _| {
            for ((method, code), took) in counts.calls.lock().iter() {
                let labels = format!("grpc_status_code=\"{code}\",method_name=\"{method}\",{plugin}");
                took.write(out, name, &labels);
            }
        });
    });
    let keys = |out: &mut String, name: &str, last: bool| {
        each(out, &|out, plugin, counts, _| {
            for ((direction, key), (count, time)) in counts.keys.lock().iter() {
                let value = if last { *time } else { i64::try_from(*count).unwrap_or(i64::MAX) };
                let key = format!("key_id_hash=\"{key}\",{plugin},transformation_type=\"{direction}\"");
                let _ = writeln!(out, "{name}{{{server},{key}}} {value}");
            }
        });
    };
    family("key_id_hash_total", "counter", "Values by key.", &|out, name| keys(out, name, false));
    let help = "When a key was used last.";
    family("key_id_hash_last_timestamp_seconds", "gauge", help, &|out, name| keys(out, name, true));
    let help = "When a plugin said last that it uses a key.";
    family("key_id_hash_status_last_timestamp_seconds", "gauge", help, &|out, name| {
        each(out, &|out, plugin, counts, _| {
            for (key, time) in counts.status.lock().iter() {
                let _ = writeln!(out, "{name}{{{server},key_id_hash=\"{key}\",{plugin}}} {time}");
            }
        });
    });
    let help = "Names of keys that are none.";
    family("invalid_key_id_from_status_total", "counter", help, &|out, name| {
        each(out, &|out, plugin, counts, _| {
            for (why, count) in counts.invalid.lock().iter() {
                let _ = writeln!(out, "{name}{{error=\"{why}\",{plugin}}} {count}");
            }
        });
    });
    family("dek_source_cache_size", "gauge", "Seeds that are remembered.", &|out, name| {
        each(out, &|out, plugin, _, seeds| {
            let _ = writeln!(out, "{name}{{{plugin}}} {seeds}");
        });
    });
}
