//! Registries with certificates of an authority that only the configuration knows.

use super::fake::{Layer, Registry};
use super::*;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::sync::Arc;

/// An authority's certificate (PEM) and a server's identity for 127.0.0.1, signed by it.
fn identity() -> (String, tokio_rustls::TlsAcceptor) {
    let mut authority = CertificateParams::new(Vec::<String>::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let chain = vec![CertificateDer::from(certificate.der().to_vec())];
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    (authority.pem(), tokio_rustls::TlsAcceptor::from(Arc::new(config)))
}

#[tokio::test]
async fn only_authorities_of_machine_and_configuration_are_trusted() {
    if !root() {
        return;
    }
    let (right, server) = identity();
    let (wrong, _) = identity();
    let registry = Registry::start_with(Some(server)).await;
    registry.put_image("lib/app", "v1", &[Layer::of(&[("app", b"one")])]);
    let directory = tempfile::tempdir().unwrap();
    let pull = async |pem: &str| {
        let ca = directory.path().join("ca.pem");
        std::fs::write(&ca, pem).unwrap();
        let config = RegistryConfig { ca: vec![ca], ..RegistryConfig::default() };
        let images = open_with(&directory.path().join("images"), [(registry.address.clone(), config)]);
        images.pull(&registry.name("lib/app:v1"), None).await.map(drop)
    };
    let error = pull(&wrong).await.unwrap_err().to_string();
    assert!(error.contains("certificate") && error.contains("`ca` in the configuration"), "{error}");
    let error = pull("-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n")
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("ca.pem cannot be read"), "{error}");
    pull(&right).await.unwrap();
}
