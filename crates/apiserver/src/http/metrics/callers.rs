//! Who calls, whether they were known, and whether they might.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use corten_metrics::{Histogram, Kind, Text};

/// The upper bounds of the buckets, in seconds, each twice the one before.
const TOOK: [f64; 15] = [
    0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.024, 2.048, 4.096, 8.192, 16.384,
];
/// Bounds of what is left of a certificate's life, in seconds: from half an hour to a year.
const LEFT: [f64; 14] = [
    0.0,
    1800.0,
    3600.0,
    7200.0,
    21600.0,
    43200.0,
    86400.0,
    172_800.0,
    345_600.0,
    604_800.0,
    2_592_000.0,
    7_776_000.0,
    15_552_000.0,
    31_104_000.0,
];
/// Names that are told apart. Of all others nobody learns more than whether they look like an address.
const USERS: [&str; 7] = [
    "admin",
    "client",
    "kube_proxy",
    "kubelet",
    "system:serviceaccount:kube-system:default",
    "email_id",
    "other",
];

/// What came of authentication, in the order of its names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// By whatever they showed; or as nobody, where that is allowed.
    Success,
    /// They showed nothing.
    Failure,
    /// What they showed is no good.
    Error,
}

/// What came of authorization, in the order of its names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    Allowed,
    Denied,
    NoOpinion,
    Error,
}

/// The counts of all callers.
#[derive(Debug)]
pub struct Callers {
    known: [Histogram; 3],
    allowed: [Histogram; 4],
    users: [AtomicU64; USERS.len()],
    certificates: Histogram,
}

impl Default for Callers {
    fn default() -> Self {
        Callers {
            known: [(); 3].map(|()| Histogram::new(&TOOK)),
            allowed: [(); 4].map(|()| Histogram::new(&TOOK)),
            users: Default::default(),
            certificates: Histogram::new(&LEFT),
        }
    }
}

impl Callers {
    /// A request's caller was found out, or not.
    pub fn identified(&self, known: Known, took: Duration) {
        self.known[known as usize].took(took);
    }

    /// Whose request it is.
    pub fn is(&self, name: &str) {
        let known = USERS.iter().position(|user| *user == name && !matches!(name, "email_id" | "other"));
        let at = known.unwrap_or(USERS.len() - if name.contains('@') { 2 } else { 1 });
        self.users[at].fetch_add(1, Ordering::Relaxed);
    }

    /// Whether it might be done.
    pub fn authorized(&self, judgement: Judgement, took: Duration) {
        self.allowed[judgement as usize].took(took);
    }

    /// A certificate was shown that lives for so many more seconds.
    pub fn showed_certificate(&self, seconds_left: f64) {
        self.certificates.observe(seconds_left);
    }

    /// Writes the metrics.
    pub fn write(&self, out: &mut Text) {
        out.family("authenticated_user_requests", Kind::Counter, "Requests by the sort of their caller.");
        for (user, count) in USERS.iter().zip(&self.users) {
            let count = count.load(Ordering::Relaxed);
            if count > 0 {
                out.sample(&[("username", *user)], count);
            }
        }
        let (known, allowed) =
            (["success", "failure", "error"], ["allowed", "denied", "no-opinion", "error"]);
        let help = "Requests by whether their caller was known.";
        results(
            out,
            ("authentication_attempts", "authentication_duration_seconds", help),
            &known,
            &self.known,
        );
        let help = "Requests by whether their caller might make them.";
        let names = ("authorization_attempts_total", "authorization_duration_seconds", help);
        results(out, names, &allowed, &self.allowed);
        let help = "How long clients' certificates still live, by request.";
        out.family("apiserver_client_certificate_expiration_seconds", Kind::Histogram, help);
        out.histogram("", &self.certificates);
    }
}

fn results(
    out: &mut Text,
    (attempts, durations, help): (&str, &str, &str),
    names: &[&str],
    counts: &[Histogram],
) {
    let counted = || names.iter().zip(counts).filter(|(_, times)| times.count() > 0);
    out.family(attempts, Kind::Counter, help);
    counted().for_each(|(name, times)| out.sample(&[("result", *name)], times.count()));
    out.family(durations, Kind::Histogram, "How long that took.");
    counted().for_each(|(name, times)| out.histogram(&[("result", *name)], times));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_are_told_apart_as_upstream_does() {
        let callers = Callers::default();
        let took = Duration::from_millis(3);
        callers.identified(Known::Success, took);
        callers.identified(Known::Error, took);
        for name in ["admin", "a@b", "email_id", "other", "somebody"] {
            callers.is(name);
        }
        callers.authorized(Judgement::NoOpinion, took);
        callers.showed_certificate(100.0);
        let mut out = Text::default();
        callers.write(&mut out);
        let out = out.finish();
        for line in [
            "authenticated_user_requests{username=\"admin\"} 1",
            "authenticated_user_requests{username=\"email_id\"} 1",
            "authenticated_user_requests{username=\"other\"} 3",
            "authentication_attempts{result=\"success\"} 1",
            "authentication_duration_seconds_bucket{result=\"error\",le=\"0.004\"} 1",
            "authorization_attempts_total{result=\"no-opinion\"} 1",
            "apiserver_client_certificate_expiration_seconds_bucket{le=\"0\"} 0",
            "apiserver_client_certificate_expiration_seconds_bucket{le=\"1800\"} 1",
            "apiserver_client_certificate_expiration_seconds_bucket{le=\"2.592e+06\"} 1",
        ] {
            assert!(out.lines().any(|l| l == line), "{line}\n{out}");
        }
    }
}
