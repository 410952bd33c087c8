//! What `/metrics` shows, under upstream's names. Texts are made when somebody asks.

mod callers;
mod reloads;
mod requests;

pub use callers::{Judgement, Known};
pub use reloads::Reloads;
pub use requests::{Lasting, Told, dry_run};

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use corten_auth::authenticate::TokenUses;
use corten_metrics::{Kind, Series, Text, write_process};
use parking_lot::Mutex;

use self::callers::Callers;
use self::requests::Requests;
use super::path::RequestInfo;
use super::{Api, version};
use crate::identity::AskedAll;

/// The most resources on their way out that are told.
const MOST_DEPRECATED: usize = 500;

/// Counters of the HTTP layer.
#[derive(Debug)]
pub struct Metrics {
    pub requests: Requests,
    pub callers: Callers,
    /// Requests that read, and that change something, under way.
    reading: AtomicI64,
    writing: AtomicI64,
    /// Open connections.
    pub connections: AtomicI64,
    /// Handshakes that failed.
    pub handshake_errors: AtomicU64,
    /// Requests refused because too many were worked on.
    pub dropped: AtomicU64,
    /// Resources on their way out that somebody has asked for.
    deprecated: Series<()>,
    /// Configuration that is taken over while the server runs.
    pub reloads: Mutex<Vec<Arc<Reloads>>>,
    /// Webhooks that authorize.
    pub asked: AskedAll,
}

impl Default for Metrics {
    fn default() -> Self {
        Metrics {
            requests: Requests::default(),
            callers: Callers::default(),
            reading: AtomicI64::new(0),
            writing: AtomicI64::new(0),
            connections: AtomicI64::new(0),
            handshake_errors: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            deprecated: Series::new(MOST_DEPRECATED),
            reloads: Mutex::default(),
            asked: AskedAll::default(),
        }
    }
}

/// A request under way.
pub struct Under<'a> {
    kind: &'a AtomicI64,
}

impl Drop for Under<'_> {
    fn drop(&mut self) {
        self.kind.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Metrics {
    /// Whether more than `most` such requests are under way.
    pub fn is_crowded(&self, is_read: bool, most: usize) -> bool {
        let kind = if is_read { &self.reading } else { &self.writing };
        usize::try_from(kind.load(Ordering::Relaxed)).is_ok_and(|count| most > 0 && count > most)
    }

    /// Counts a request that reads or changes something as long as it is worked on.
    pub fn under_way(&self, is_read: bool) -> Under<'_> {
        let kind = if is_read { &self.reading } else { &self.writing };
        kind.fetch_add(1, Ordering::Relaxed);
        Under { kind }
    }

    /// Whether no request is worked on, watches and streams aside.
    pub fn is_idle(&self) -> bool {
        self.reading.load(Ordering::Relaxed) <= 0 && self.writing.load(Ordering::Relaxed) <= 0
    }

    /// A resource on its way out was asked for.
    pub fn deprecated(&self, info: &RequestInfo) {
        // None of them has a release in which it ends.
        let labels = [
            ("group", info.group.as_str()),
            ("removed_release", ""),
            ("resource", &info.resource),
            ("subresource", &info.subresource),
            ("version", &info.version),
        ];
        self.deprecated.of(&labels, || ());
    }

    fn write(&self, out: &mut Text) {
        self.requests.write(out);
        out.family("apiserver_current_inflight_requests", Kind::Gauge, "Requests that are worked on.");
        for (kind, count) in [("mutating", &self.writing), ("readOnly", &self.reading)] {
            out.sample(&[("request_kind", kind)], count.load(Ordering::Relaxed));
        }
        let help = "Resources on their way out that were asked for.";
        out.family("apiserver_requested_deprecated_apis", Kind::Gauge, help);
        self.deprecated.each(|labels, ()| out.sample(labels, 1));
        self.callers.write(out);
        let connections = self.connections.load(Ordering::Relaxed).max(0);
        out.single("apiserver_open_connections", Kind::Gauge, "Open connections.", connections);
        for (name, help, count) in [
            ("apiserver_dropped_requests_total", "Requests refused for want of room.", &self.dropped),
            ("apiserver_tls_handshake_errors_total", "TLS handshakes that failed.", &self.handshake_errors),
        ] {
            out.single(name, Kind::Counter, help, count.load(Ordering::Relaxed));
        }
    }
}

/// The text of `/metrics`.
pub async fn text(api: &Api) -> String {
    let mut out = Text::default();
    api.metrics.write(&mut out);
    api.flow.write_metrics(&mut out);
    write_storage(&mut out, api).await;
    write_audit(&mut out, api);
    write_tokens(&mut out, &api.authenticator.service_accounts.uses);
    if let Some(encryption) = api.registry.encryption() {
        encryption.write_metrics(&mut out);
    }
    for reloads in api.metrics.reloads.lock().iter() {
        reloads.write(&mut out);
    }
    api.metrics.asked.write(&mut out);
    api.registry.write_admission_metrics(&mut out);
    api.registry.custom.write_metrics(&mut out);
    api.aggregation.write_metrics(&mut out);
    out.family("kubernetes_feature_enabled", Kind::Gauge, "Whether features are on that can be turned on.");
    for (name, stage, open) in api.registry.gates().each() {
        out.sample(&[("name", name), ("stage", stage)], u8::from(open));
    }
    out.family("kubernetes_build_info", Kind::Gauge, "What this server is.");
    out.sample(&[("git_version", version::git_version())], 1);
    write_process(&mut out);
    out.finish()
}

/// The text of `/metrics/slis`.
pub fn service_levels(api: &Api) -> String {
    let mut out = Text::default();
    api.health.write_metrics(&mut out);
    out.finish()
}

/// What is stored, and how much room it takes.
async fn write_storage(out: &mut Text, api: &Api) {
    let extents = api.registry.extents();
    out.family("apiserver_storage_objects", Kind::Gauge, "Stored objects by kind.");
    for (kind, extent) in &extents {
        let dot = if kind.group.is_empty() { "" } else { "." };
        out.sample(&[("resource", format!("{}{dot}{}", kind.plural, kind.group))], extent.objects);
    }
    out.family("apiserver_resource_objects", Kind::Gauge, "Stored objects by kind.");
    for (kind, extent) in &extents {
        out.sample(&[("group", kind.group), ("resource", kind.plural)], extent.objects);
    }
    if let Ok(size) = api.registry.store().size().await {
        out.family("apiserver_storage_size_bytes", Kind::Gauge, "Bytes of the store's files.");
        out.sample(&[("storage_cluster_id", "etcd-0")], size.disk_bytes);
    }
}

fn write_tokens(out: &mut Text, uses: &TokenUses) {
    for (name, count, what) in [
        ("legacy_tokens", &uses.legacy, "Uses of tokens without audience."),
        ("stale_tokens", &uses.stale, "Uses of tokens that should have been read again."),
        ("valid_tokens", &uses.valid, "Uses of tokens that may live longer, in their time."),
        ("legacy_manual_token_uses", &uses.manual, "Uses of tokens of Secrets that people made."),
        ("legacy_auto_token_uses", &uses.generated, "Uses of tokens of Secrets made by themselves."),
        ("invalid_legacy_auto_token_uses", &uses.invalid, "Uses of the same that are marked as invalid."),
    ] {
        let name = format!("serviceaccount_{name}_total");
        out.single(&name, Kind::Counter, what, count.load(Ordering::Relaxed));
    }
}

fn write_audit(out: &mut Text, api: &Api) {
    let Some(counts) = api.audit.as_ref().map(|audit| audit.counts()) else { return };
    out.single("apiserver_audit_event_total", Kind::Counter, "Audit events written.", counts.events);
    out.family("apiserver_audit_error_total", Kind::Counter, "Audit events lost, by what lost them.");
    for (plugin, lost) in [
        ("log", counts.failed),
        ("buffered", counts.dropped),
        ("webhook", counts.unsent),
        ("truncate", counts.oversized),
    ] {
        out.sample(&[("plugin", plugin)], lost);
    }
    out.family("apiserver_audit_level_total", Kind::Counter, "Requests by the audit policy's level.");
    for (level, count) in &counts.levels {
        out.sample(&[("level", level)], count);
    }
    let help = "Requests refused for want of an audit log.";
    out.single("apiserver_audit_requests_rejected_total", Kind::Counter, help, counts.rejected);
}
