//! TLS for whoever serves and whoever calls.
//!
//! A server asks for a client certificate but does not judge it during the handshake: a stranger's gets 401
//! with a `Status`, as upstream's, and not a broken connection. [`crate::authenticate`] judges.

use crate::pki::{Identity, PkiError};
use crate::tls_settings::Protocols;
use arc_swap::ArcSwap;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{
    ClientConfig, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, ServerConfig,
    SignatureScheme,
};
use std::sync::Arc;

/// The protocols that servers and clients offer, the preferred one first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// The cryptography that all of Corten's TLS uses.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn malformed(e: impl std::fmt::Display) -> PkiError {
    PkiError::Malformed(e.to_string())
}

fn chain(identity: &Identity) -> Result<Vec<CertificateDer<'static>>, PkiError> {
    let certificates: Result<Vec<_>, _> =
        CertificateDer::pem_slice_iter(identity.certificate.as_bytes()).collect();
    certificates.map_err(malformed)
}

fn key(identity: &Identity) -> Result<PrivateKeyDer<'static>, PkiError> {
    PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).map_err(malformed)
}

/// The certificate that a server shows; replaced without a restart.
#[derive(Debug)]
pub struct ServerIdentity(ArcSwap<CertifiedKey>);

impl ServerIdentity {
    /// Shows `identity`.
    ///
    /// # Errors
    /// When the texts are no certificate and its key.
    pub fn new(identity: &Identity) -> Result<Self, PkiError> {
        Ok(ServerIdentity(ArcSwap::from_pointee(certified(identity)?)))
    }

    /// Shows `identity` from the next connection on.
    ///
    /// # Errors
    /// When the texts are no certificate and its key; the old one then stays.
    pub fn replace(&self, identity: &Identity) -> Result<(), PkiError> {
        self.0.store(Arc::new(certified(identity)?));
        Ok(())
    }
}

fn certified(identity: &Identity) -> Result<CertifiedKey, PkiError> {
    CertifiedKey::from_der(chain(identity)?, key(identity)?, &provider()).map_err(malformed)
}

impl ResolvesServerCert for ServerIdentity {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

/// A server that asks its clients for a certificate of one of `authorities`, and takes them without too.
///
/// # Errors
/// When an authority's certificate is malformed.
pub fn server_config(
    identity: Arc<ServerIdentity>,
    authorities: &[CertificateDer<'static>],
) -> Result<ServerConfig, PkiError> {
    server_config_of(identity, authorities, &Protocols::default())
}

/// The same with certificates for names of their own, and by other protocols.
///
/// # Errors
/// When an authority's certificate is malformed, or no protocol is left.
pub fn server_config_of(
    identity: Arc<dyn ResolvesServerCert>,
    authorities: &[CertificateDer<'static>],
    protocols: &Protocols,
) -> Result<ServerConfig, PkiError> {
    let provider = protocols.provider();
    let hints = roots(authorities)?.subjects();
    let verifier = AnyCertificate { hints, algorithms: provider.signature_verification_algorithms };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(protocols.versions())
        .map_err(malformed)?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_cert_resolver(identity);
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    Ok(config)
}

/// A client that trusts servers of `authorities` and shows `identity` when asked.
///
/// # Errors
/// When a certificate or key is malformed.
pub fn client_config(
    authorities: &[CertificateDer<'static>],
    identity: Option<&Identity>,
) -> Result<ClientConfig, PkiError> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(malformed)?
        .with_root_certificates(roots(authorities)?);
    let mut config = match identity {
        Some(identity) => {
            builder.with_client_auth_cert(chain(identity)?, key(identity)?).map_err(malformed)?
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    Ok(config)
}

pub(crate) fn roots(authorities: &[CertificateDer<'static>]) -> Result<RootCertStore, PkiError> {
    let mut store = RootCertStore::empty();
    for authority in authorities {
        store.add(authority.clone()).map_err(malformed)?;
    }
    Ok(store)
}

/// Takes any client certificate whose key the client has.
#[derive(Debug)]
struct AnyCertificate {
    hints: Vec<DistinguishedName>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ClientCertVerifier for AnyCertificate {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
