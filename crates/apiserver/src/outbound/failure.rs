//! What went wrong, in the words of Go's client.

use std::io::{Error as IoError, ErrorKind};

use corten_rt::Timestamp;
use rustls::{AlertDescription, CertificateError, Error as TlsError};

/// What went wrong with a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure(pub String);

impl Failure {
    /// The time is over.
    pub fn deadline() -> Self {
        Failure("context deadline exceeded".into())
    }

    /// A connection that did not come about.
    pub fn dial(address: &str, error: &IoError) -> Self {
        let why = match error.kind() {
            ErrorKind::ConnectionRefused => "connect: connection refused".to_string(),
            ErrorKind::TimedOut => "i/o timeout".into(),
            ErrorKind::HostUnreachable => "connect: no route to host".into(),
            ErrorKind::NetworkUnreachable => "connect: network is unreachable".into(),
            _ => format!("connect: {error}"),
        };
        Failure(format!("dial tcp {address}: {why}"))
    }

    /// A handshake that failed.
    pub fn handshake(error: &IoError, host: &str, now: Timestamp) -> Self {
        let inner = error.get_ref().and_then(|e| e.downcast_ref::<TlsError>());
        Failure(match (inner, error.kind()) {
            (Some(tls), _) => tls_words(tls, host, now),
            (None, ErrorKind::UnexpectedEof) => "EOF".into(),
            (None, ErrorKind::ConnectionReset) => "read: connection reset by peer".into(),
            (None, _) => error.to_string(),
        })
    }

    /// An exchange that broke off.
    pub fn http(error: &hyper::Error) -> Self {
        if let Some(io) = std::error::Error::source(error).and_then(|e| e.downcast_ref::<IoError>()) {
            return Failure::handshake(io, "", Timestamp::UNIX_EPOCH);
        }
        Failure(match error {
            e if e.is_incomplete_message() || e.is_closed() || e.is_canceled() => "EOF".into(),
            e if e.is_parse() => {
                "net/http: HTTP/1.x transport connection broken: malformed HTTP response".into()
            }
            e => match std::error::Error::source(e) {
                Some(why) => format!("{e}: {why}"),
                None => e.to_string(),
            },
        })
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

fn tls_words(error: &TlsError, host: &str, now: Timestamp) -> String {
    match error {
        TlsError::InvalidCertificate(why) => {
            format!("tls: failed to verify certificate: x509: {}", certificate(why, host, now))
        }
        TlsError::AlertReceived(alert) => format!("remote error: tls: {}", alert_words(*alert)),
        // A server that knows no TLS answers the handshake with a refusal in plain HTTP.
        TlsError::InvalidMessage(_) => "http: server gave HTTP response to HTTPS client".into(),
        TlsError::NoCertificatesPresented => "tls: server did not send a certificate".into(),
        other => format!("tls: {other}"),
    }
}

fn certificate(error: &CertificateError, host: &str, now: Timestamp) -> String {
    let shown = |seconds: u64| {
        let at = i64::try_from(seconds).ok().and_then(|s| Timestamp::from_second(s).ok());
        at.map(second).unwrap_or_default()
    };
    let expired = "certificate has expired or is not yet valid:";
    match error {
        CertificateError::UnknownIssuer => "certificate signed by unknown authority".into(),
        CertificateError::Expired => format!("{expired} current time {} is after its end", second(now)),
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("{expired} current time {} is after {}", second(now), shown(not_after.as_secs()))
        }
        CertificateError::NotValidYet => {
            format!("{expired} current time {} is before its start", second(now))
        }
        CertificateError::NotValidYetContext { not_before, .. } => {
            format!("{expired} current time {} is before {}", second(now), shown(not_before.as_secs()))
        }
        CertificateError::NotValidForNameContext { presented, .. } => names(presented, host),
        CertificateError::NotValidForName => names(&[], host),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "certificate specifies an incompatible key usage".into()
        }
        CertificateError::BadSignature => "certificate signed by unknown authority".into(),
        other => format!("{other}"),
    }
}

fn second(time: Timestamp) -> String {
    Timestamp::from_second(time.as_second()).map(|t| t.to_string()).unwrap_or_default()
}

/// The names that the certificate has, of which `host` is none.
fn names(presented: &[String], host: &str) -> String {
    let bare = |name: &String| {
        let inner = name.split_once('(').map_or(name.as_str(), |(_, rest)| rest.trim_end_matches(')'));
        inner.trim_matches('"').to_string()
    };
    let is_address = host.parse::<std::net::IpAddr>().is_ok();
    let of_sort = |name: &&String| name.starts_with("IpAddress") == is_address;
    let known: Vec<String> = presented.iter().filter(of_sort).map(bare).collect();
    match (known.is_empty(), is_address) {
        (true, true) => {
            format!("cannot validate certificate for {host} because it doesn't contain any IP SANs")
        }
        (true, false) => {
            format!("certificate is not valid for any names, but wanted to match {host}")
        }
        (false, _) => format!("certificate is valid for {}, not {host}", known.join(", ")),
    }
}

fn alert_words(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::BadCertificate => "bad certificate".into(),
        AlertDescription::HandshakeFailure => "handshake failure".into(),
        AlertDescription::InternalError => "internal error".into(),
        AlertDescription::UnrecognisedName => "unrecognized name".into(),
        AlertDescription::CertificateRequired => "certificate required".into(),
        AlertDescription::ProtocolVersion => "protocol version not supported".into(),
        AlertDescription::UnknownCA => "unknown certificate authority".into(),
        AlertDescription::CertificateExpired => "expired certificate".into(),
        other => format!("{other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_refused_in_gos_words() {
        let now = Timestamp::UNIX_EPOCH;
        let prefix = "tls: failed to verify certificate: x509: ";
        for (error, host, want) in [
            (CertificateError::UnknownIssuer, "a", "certificate signed by unknown authority"),
            (
                CertificateError::NotValidForName,
                "a.b.svc",
                "certificate is not valid for any names, but wanted to match a.b.svc",
            ),
        ] {
            let error = IoError::other(TlsError::InvalidCertificate(error));
            assert_eq!(Failure::handshake(&error, host, now).0, format!("{prefix}{want}"));
        }
        let presented = ["DnsName(\"x.y\")".to_string(), "IpAddress(10.0.0.1)".to_string()];
        assert_eq!(names(&presented, "a"), "certificate is valid for x.y, not a");
        assert_eq!(names(&presented, "10.0.0.2"), "certificate is valid for 10.0.0.1, not 10.0.0.2");
    }

    #[test]
    fn connections_are_refused_in_gos_words() {
        let refused = IoError::from(ErrorKind::ConnectionRefused);
        assert_eq!(
            Failure::dial("10.0.0.1:1", &refused).0,
            "dial tcp 10.0.0.1:1: connect: connection refused"
        );
        let alert = IoError::other(TlsError::AlertReceived(AlertDescription::HandshakeFailure));
        let told = Failure::handshake(&alert, "", Timestamp::UNIX_EPOCH).0;
        assert_eq!(told, "remote error: tls: handshake failure");
    }
}
