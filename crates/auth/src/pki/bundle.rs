//! Files with several authorities' certificates.

use super::{Inspected, PkiError};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use corten_rt::Timestamp;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::time::Duration;

/// The most certificates of a file.
const MOST: usize = 1024;
/// A certificate that ended less than this ago is still told of: clocks differ.
const LENIENCE: Duration = Duration::from_secs(5 * 60);

/// The certificates of a PEM text, of which there is at least one.
///
/// # Errors
/// When there is none, too many, or one is malformed.
pub fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, PkiError> {
    let mut found = Vec::new();
    for one in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let one = one.map_err(|e| PkiError::Malformed(format!("the PEM text is broken: {e}")))?;
        Inspected::from_der(&one)?;
        found.push(one);
        if found.len() > MOST {
            return Err(PkiError::Malformed(format!("there are more than {MOST} certificates")));
        }
    }
    if found.is_empty() {
        let why = "data does not contain any valid RSA or ECDSA certificates";
        return Err(PkiError::Malformed(why.into()));
    }
    Ok(found)
}

/// Both, each certificate once and none that has ended; PEM.
pub fn merged(some: &[CertificateDer<'_>], others: &[CertificateDer<'_>], now: Timestamp) -> String {
    let lives =
        |one: &CertificateDer<'_>| Inspected::from_der(one).is_ok_and(|read| read.not_after + LENIENCE > now);
    let mut seen: Vec<&CertificateDer<'_>> = Vec::new();
    let mut text = String::new();
    for one in some.iter().chain(others).filter(|one| lives(one)) {
        if !seen.contains(&one) {
            seen.push(one);
            write(&mut text, one);
        }
    }
    text
}

fn write(text: &mut String, certificate: &CertificateDer<'_>) {
    text.push_str("-----BEGIN CERTIFICATE-----\n");
    for (n, letter) in STANDARD.encode(certificate).chars().enumerate() {
        if n > 0 && n % 64 == 0 {
            text.push('\n');
        }
        text.push(letter);
    }
    text.push_str("\n-----END CERTIFICATE-----\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::Authority;

    #[test]
    fn bundles_are_read_and_merged() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
        let [one, two] = ["one", "two"].map(|name| Authority::create(name, now).expect("an authority"));
        let [a, b] = [&one, &two].map(|authority| vec![authority.certificate().clone()]);
        let both = format!("a comment\n{}{}", one.pem(), two.pem());
        assert_eq!(certificates(&both).expect("read"), [a.clone(), b.clone()].concat());
        for wrong in ["", "nothing", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            assert!(certificates(wrong).is_err(), "{wrong}");
        }
        let text = merged(&[a.clone(), b.clone()].concat(), &a, now);
        assert_eq!(certificates(&text).expect("read"), [a.clone(), b.clone()].concat());
        let years = Duration::from_secs(11 * 365 * 86_400);
        assert_eq!(merged(&a, &b, now + years), "", "what has ended is left out");
    }
}
