//! What is wrong with a request for a certificate, and with an issued one: the frame, the contents, and whether
//! who asks has the key.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use x509_parser::error::X509Error;
use x509_parser::prelude::{FromDer, X509Certificate, X509CertificationRequest};
use x509_parser::public_key::PublicKey;

/// Keys of RSA that are shorter, in bits, are not judged by the signatures they make.
const SHORTEST_RSA: usize = 2048;

/// What is wrong with a request.
pub(super) fn wrong_request(pem: &[u8]) -> Option<String> {
    match blocks(pem) {
        Ok(blocks) => match blocks.first() {
            Some((label, der)) if label == "CERTIFICATE REQUEST" => wrong_der(der),
            _ => Some("PEM block type must be CERTIFICATE REQUEST".into()),
        },
        Err(_) => Some("PEM block type must be CERTIFICATE REQUEST".into()),
    }
}

fn wrong_der(der: &[u8]) -> Option<String> {
    let request = match X509CertificationRequest::from_der(der) {
        Ok(([], request)) => request,
        Ok(_) => return Some("asn1: syntax error: trailing data".into()),
        Err(x509_parser::nom::Err::Incomplete(_)) => {
            return Some("asn1: syntax error: data truncated".into());
        }
        Err(x509_parser::nom::Err::Error(wrong) | x509_parser::nom::Err::Failure(wrong)) => {
            return Some(format!("asn1: structure error: {wrong}"));
        }
    };
    // Signatures of other sorts are for the signers to judge.
    let Err(X509Error::SignatureVerificationError) = request.verify_signature() else { return None };
    match request.certification_request_info.subject_pki.parsed() {
        Ok(PublicKey::RSA(key)) if key.key_size() < SHORTEST_RSA => None,
        Ok(PublicKey::RSA(_)) => Some("crypto/rsa: verification error".into()),
        Ok(PublicKey::EC(_)) => Some("x509: ECDSA verification failure".into()),
        _ => Some("x509: Ed25519 verification failure".into()),
    }
}

/// What is wrong with an issued certificate.
pub(super) fn wrong_certificate(pem: &[u8]) -> Option<String> {
    if pem.is_empty() {
        return None;
    }
    let blocks = match blocks(pem) {
        Ok(blocks) => blocks,
        Err(wrong) => return Some(wrong.into()),
    };
    for (label, der) in &blocks {
        if label != "CERTIFICATE" {
            return Some(format!("only CERTIFICATE PEM blocks are allowed, found {label:?}"));
        }
        if der.is_empty() {
            return Some("found CERTIFICATE PEM block containing 0 certificates".into());
        }
        let mut rest = der.as_slice();
        while !rest.is_empty() {
            match X509Certificate::from_der(rest) {
                Ok((after, _)) => rest = after,
                Err(_) => return Some("x509: malformed certificate".into()),
            }
        }
    }
    blocks.is_empty().then(|| "must contain at least one CERTIFICATE PEM block".into())
}

/// The blocks of a text in PEM: label and contents. What is no block is passed over; blocks with headers are
/// wrong.
fn blocks(pem: &[u8]) -> Result<Vec<(String, Vec<u8>)>, &'static str> {
    let text = String::from_utf8_lossy(pem);
    let mut found = Vec::new();
    let mut rest = &*text;
    while let Some(at) = rest.find("-----BEGIN ") {
        rest = &rest[at + "-----BEGIN ".len()..];
        let Some((label, body)) = rest.split_once("-----") else { break };
        let Some((body, after)) = body.split_once(&format!("-----END {label}-----")) else { continue };
        if label.contains('\n') {
            continue;
        }
        if body.contains(':') {
            return Err("no PEM block headers are permitted");
        }
        let body: String = body.split_ascii_whitespace().collect();
        if let Ok(contents) = STANDARD.decode(body) {
            found.push((label.to_string(), contents));
        }
        rest = after;
    }
    Ok(found)
}

/// A request that is good.
#[cfg(test)]
pub(super) const REQUEST: &str = "-----BEGIN CERTIFICATE REQUEST-----\n\
MIHXMH8CAQAwHTEMMAoGA1UECgwDZGV2MQ0wCwYDVQQDDARqYW5lMFkwEwYHKoZI\n\
zj0CAQYIKoZIzj0DAQcDQgAEHmGZ9bkcMJkv85er6RrqCLu/YjZYV7ScU7shkaz4\n\
kpzIQ8pKHqBxuwKl6pRUZPWKowWXmygVFW2xTgt+Ig63/aAAMAoGCCqGSM49BAMC\n\
A0gAMEUCIAxY7joZkOn4pINgwuJIjaXU8wfUkIoqw8CD+MVSxtLUAiEAjyF1L+Mu\n\
Xc5OLwuUn7Cx+JuQpzYs7zkOqv5yn0pKvTQ=\n\
-----END CERTIFICATE REQUEST-----\n";

/// A certificate that is good.
#[cfg(test)]
pub(super) const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\n\
MIIBdTCCARugAwIBAgIUUYOwC12psuQA10hQ36fSAFP5zt8wCgYIKoZIzj0EAwIw\n\
DzENMAsGA1UEAwwEamFuZTAgFw0yNjExMjExOTM4MDBaGA8yMTI2MTAyODE5Mzgw\n\
MFowDzENMAsGA1UEAwwEamFuZTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABB5h\n\
mfW5HDCZL/OXq+ka6gi7v2I2WFe0nFO7IZGs+JKcyEPKSh6gcbsCpeqUVGT1iqMF\n\
l5soFRVtsU4LfiIOt/2jUzBRMB0GA1UdDgQWBBTr7VfeUb17qsKAGSmnNTcc4JJT\n\
2zAfBgNVHSMEGDAWgBTr7VfeUb17qsKAGSmnNTcc4JJT2zAPBgNVHRMBAf8EBTAD\n\
AQH/MAoGCCqGSM49BAMCA0gAMEUCIQCXk69VMEPosyzNLbiCSPaRjagQzzEOkjjt\n\
CTLs58XadQIgcNlDV6sHqomF4czQGIE/zr1wSaq9dLGdHgsMtb6oLyI=\n\
-----END CERTIFICATE-----\n";

/// The good request for another user, signed as it was.
#[cfg(test)]
pub(super) fn forged() -> Vec<u8> {
    let (_, mut der) = blocks(REQUEST.as_bytes()).expect("blocks").remove(0);
    let at = der.windows(4).position(|window| window == b"jane").expect("the name");
    der[at] = b'J';
    let body = STANDARD.encode(der);
    format!("-----BEGIN CERTIFICATE REQUEST-----\n{body}\n-----END CERTIFICATE REQUEST-----\n").into_bytes()
}
