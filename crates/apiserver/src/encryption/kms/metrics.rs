//! What `/metrics` shows of plugins, under upstream's names.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use corten_metrics::{Histogram, Kind, Text};
use parking_lot::Mutex;
use tonic::Code;

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
        self.calls.lock().entry((method, code)).or_insert_with(|| Histogram::new(&TOOK)).took(took);
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

/// The upper bounds of the buckets of calls, in seconds, each twice the one before.
const TOOK: [f64; 20] = [
    0.0001, 0.0002, 0.0004, 0.0008, 0.0016, 0.0032, 0.0064, 0.0128, 0.0256, 0.0512, 0.1024, 0.2048, 0.4096,
    0.8192, 1.6384, 3.2768, 6.5536, 13.1072, 26.2144, 52.4288,
];

/// Writes the samples of a plugin, by its label.
type Row<'a> = &'a dyn Fn(&mut Text, (&str, &str), &Counts, usize);

/// Writes the metrics of all plugins: name, counters, and how many seeds are remembered.
pub fn write(out: &mut Text, plugins: &[(&str, &Counts, usize)], server: &str) {
    let server = ("apiserver_id_hash", server);
    let mut family = |(name, kind, help): (&str, Kind, &str), row: Row<'_>| {
        out.family(format!("apiserver_envelope_encryption_{name}"), kind, help);
        for (name, counts, seeds) in plugins {
            row(out, ("provider_name", name), counts, *seeds);
        }
    };
    let about = ("kms_operations_latency_seconds", Kind::Histogram, "How long plugins took.");
    family(about, &|out, plugin, counts, _| {
        for ((method, code), took) in counts.calls.lock().iter() {
            out.histogram(&[("grpc_status_code", code.as_str()), ("method_name", *method), plugin], took);
        }
    });
    for (about, last) in [
        (("key_id_hash_total", Kind::Counter, "Values by key."), false),
        (("key_id_hash_last_timestamp_seconds", Kind::Gauge, "When a key was used last."), true),
    ] {
        family(about, &|out, plugin, counts, _| {
            for ((direction, key), (count, time)) in counts.keys.lock().iter() {
                let value = if last { *time } else { i64::try_from(*count).unwrap_or(i64::MAX) };
                let key = ("key_id_hash", key.as_str());
                out.sample(&[server, key, plugin, ("transformation_type", direction)], value);
            }
        });
    }
    let help = "When a plugin said last that it uses a key.";
    family(("key_id_hash_status_last_timestamp_seconds", Kind::Gauge, help), &|out, plugin, counts, _| {
        for (key, time) in counts.status.lock().iter() {
            out.sample(&[server, ("key_id_hash", key), plugin], time);
        }
    });
    let help = "Names of keys that are none.";
    family(("invalid_key_id_from_status_total", Kind::Counter, help), &|out, plugin, counts, _| {
        for (why, count) in counts.invalid.lock().iter() {
            out.sample(&[("error", *why), plugin], count);
        }
    });
    let about = ("dek_source_cache_size", Kind::Gauge, "Seeds that are remembered.");
    family(about, &|out, plugin, _, seeds| out.sample(&[plugin], seeds));
}
