//! A certificate for a subject as a request has it: rcgen writes but one name of each sort, so the subject of
//! what it made is exchanged, and that signed again.

use super::PkiError;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{KeyPair, SigningKey};
use x509_parser::prelude::{FromDer, X509Certificate};

const SEQUENCE: u8 = 0x30;
const BIT_STRING: u8 = 0x03;

/// The certificate `made` for another subject, signed by `key`; PEM.
pub(super) fn replace(made: &[u8], subject: &[u8], key: &KeyPair) -> Result<String, PkiError> {
    let malformed = |e: String| PkiError::Malformed(e);
    let (_, read) = X509Certificate::from_der(made).map_err(|e| malformed(e.to_string()))?;
    let (signed, old) = (read.tbs_certificate.as_ref(), read.subject().as_raw());
    // Both are parts of `made`: what is before and after the subject stays.
    let start = (old.as_ptr() as usize).checked_sub(signed.as_ptr() as usize);
    let header = signed.len() - contents(signed).ok_or_else(|| malformed("no sequence".into()))?.len();
    let parts = start.and_then(|at| Some((signed.get(header..at)?, signed.get(at + old.len()..)?)));
    let (before, after) = parts.ok_or_else(|| malformed("the subject is not in the certificate".into()))?;
    let signed = element(SEQUENCE, &[before, subject, after].concat());
    let mut signature = vec![0];
    signature.extend(key.sign(&signed)?);
    // What follows is the algorithm, and the signature of rcgen's.
    let whole = contents(made).ok_or_else(|| malformed("no sequence".into()))?;
    let rest = whole.get(read.tbs_certificate.as_ref().len()..).unwrap_or_default();
    let algorithm = length(rest).and_then(|n| rest.get(..n));
    let algorithm = algorithm.ok_or_else(|| malformed("no algorithm".into()))?;
    let whole = [signed.as_slice(), algorithm, &element(BIT_STRING, &signature)].concat();
    let text = STANDARD.encode(element(SEQUENCE, &whole));
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in text.as_bytes().chunks(64) {
        pem.extend(line.iter().map(|byte| char::from(*byte)));
        pem.push('\n');
    }
    Ok(pem + "-----END CERTIFICATE-----\n")
}

/// An element of DER.
fn element(tag: u8, contents: &[u8]) -> Vec<u8> {
    let bytes = contents.len().to_be_bytes();
    let bytes: Vec<u8> = bytes.into_iter().skip_while(|byte| *byte == 0).collect();
    let mut out = vec![tag];
    match contents.len() {
        short @ 0..128 => out.push(u8::try_from(short).unwrap_or_default()),
        _ => {
            out.push(0x80 | u8::try_from(bytes.len()).unwrap_or_default());
            out.extend(bytes);
        }
    }
    out.extend_from_slice(contents);
    out
}

/// Where the first element's contents begin, and how long they are.
fn frame(der: &[u8]) -> Option<(usize, usize)> {
    match *der.get(1)? {
        short @ 0..128 => Some((2, short.into())),
        long => {
            let bytes = der.get(2..2 + usize::from(long & 0x7f)).filter(|bytes| bytes.len() <= 4)?;
            let size = bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
            Some((2 + bytes.len(), size))
        }
    }
}

fn contents(der: &[u8]) -> Option<&[u8]> {
    let (start, size) = frame(der)?;
    der.get(start..start + size)
}

fn length(der: &[u8]) -> Option<usize> {
    frame(der).map(|(start, size)| start + size)
}
