//! By what a peer's certificate is judged.

use std::sync::{Arc, OnceLock};

use corten_auth::any_server;
use corten_auth::pki::{Identity, Inspected};
use corten_auth::tls;
use corten_rt::Clock;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

/// By what a peer's certificate is judged.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Trust {
    /// By these authorities, in PEM; without any, by the machine's own.
    Bundle(Vec<u8>),
    /// By nothing: any certificate will do.
    Anyone,
    /// There is none: nothing is encrypted.
    Plain,
}

/// The authorities of a bundle.
///
/// # Errors
/// In upstream's words, when there is none.
pub fn authorities(bundle: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bundle).collect();
    let found = found.map_err(|_| "unable to load root certificates: unable to parse bytes as PEM block")?;
    if found.is_empty() {
        return Err("unable to load root certificates: unable to parse bytes as PEM block".into());
    }
    for certificate in &found {
        Inspected::from_der(certificate).map_err(|e| {
            format!("unable to load root certificates: failed to parse certificate: x509: {e}")
        })?;
    }
    Ok(found)
}

/// TLS as a client that judges by `trust` and shows `identity` when asked.
///
/// # Errors
/// When a certificate is malformed.
pub fn client(
    trust: &Trust,
    identity: Option<&Identity>,
    protocols: &[&[u8]],
    clock: Clock,
) -> Result<ClientConfig, String> {
    let provider = tls::provider();
    let verifier: Arc<dyn ServerCertVerifier> = match trust {
        Trust::Anyone | Trust::Plain => any_server::verifier(Arc::clone(&provider)),
        Trust::Bundle(bundle) => judging(bundle, Arc::clone(&provider), clock)?,
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let (chain, key) = shown(identity)?;
            builder.with_client_auth_cert(chain, key).map_err(|e| e.to_string())?
        }
    };
    config.alpn_protocols = protocols.iter().map(|p| p.to_vec()).collect();
    Ok(config)
}

fn judging(
    bundle: &[u8],
    provider: Arc<CryptoProvider>,
    clock: Clock,
) -> Result<Arc<dyn ServerCertVerifier>, String> {
    let (roots, own) = if bundle.is_empty() {
        (machine(), Vec::new())
    } else {
        let own = authorities(bundle)?;
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(own.iter().cloned());
        (Arc::new(roots), own)
    };
    let usual = WebPkiServerVerifier::builder_with_provider(roots, provider)
        .build()
        .map_err(|e| format!("unable to load root certificates: {e}"))?;
    Ok(Arc::new(Verifier { usual, own, clock }))
}

/// A certificate's chain and key as TLS takes them.
pub fn shown(identity: &Identity) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), String> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(identity.certificate.as_bytes()).collect();
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).map_err(|e| e.to_string())?;
    Ok((chain.map_err(|e| e.to_string())?, key))
}

/// The machine's own authorities, read once.
fn machine() -> Arc<RootCertStore> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    let read = || {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        Arc::new(roots)
    };
    Arc::clone(ROOTS.get_or_init(read))
}

/// The usual judgement; and, as Go, a certificate that is among the authorities itself is good, though it
/// signs itself.
#[derive(Debug)]
struct Verifier {
    usual: Arc<WebPkiServerVerifier>,
    own: Vec<CertificateDer<'static>>,
    clock: Clock,
}

impl Verifier {
    fn itself(&self, shown: &CertificateDer<'_>, name: &ServerName<'_>) -> Result<(), Error> {
        let bad = |e: CertificateError| Error::InvalidCertificate(e);
        let inspected = Inspected::from_der(shown).map_err(|_| bad(CertificateError::BadEncoding))?;
        let now = self.clock.now();
        if now > inspected.not_after {
            return Err(bad(CertificateError::Expired));
        }
        if now < inspected.not_before {
            return Err(bad(CertificateError::NotValidYet));
        }
        rustls::client::verify_server_name(&ParsedCertificate::try_from(shown)?, name)
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.own.iter().any(|own| own.as_ref() == shown.as_ref()) {
            return self.itself(shown, name).map(|()| ServerCertVerified::assertion());
        }
        self.usual.verify_server_cert(shown, between, name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.usual.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.usual.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.usual.supported_verify_schemes()
    }
}
