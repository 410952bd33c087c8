//! What people show to be known: certificates, requests for them, tokens.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use corten_auth::csr::Request;
use corten_auth::pki::Inspected;
use corten_auth::token::{ISSUER, TokenSigner};
use rcgen::KeyPair;
use rustls::pki_types::CertificateDer;
use std::sync::LazyLock;

static SIGNER: LazyLock<TokenSigner> = LazyLock::new(|| {
    let key = KeyPair::generate().expect("a key");
    TokenSigner::new(ISSUER, &key).expect("a signer")
});

pub fn certificate(input: &[u8]) {
    let _ = Inspected::from_der(&CertificateDer::from(input));
    if let Ok(text) = std::str::from_utf8(input) {
        let _ = Inspected::from_pem(text);
    }
}

/// As bytes of PEM, and as what PEM holds.
pub fn request(input: &[u8]) {
    let _ = Request::parse(input);
    let armoured = format!(
        "-----BEGIN CERTIFICATE REQUEST-----\n{}\n-----END CERTIFICATE REQUEST-----\n",
        STANDARD.encode(input)
    );
    let _ = Request::parse(armoured.as_bytes());
}

/// As a token, and as the claims of one that nobody signed.
pub fn token(input: &[u8]) {
    if let Ok(text) = std::str::from_utf8(input) {
        assert!(SIGNER.verify(text).is_err(), "nobody signed it");
    }
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"ES256"}"#);
    let unsigned = format!("{header}.{}.{}", URL_SAFE_NO_PAD.encode(input), URL_SAFE_NO_PAD.encode([7; 64]));
    assert!(SIGNER.verify(&unsigned).is_err(), "nobody signed it");
}
