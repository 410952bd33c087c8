//! Kubeconfig files: where a cluster is, and who calls.

use crate::pki::Identity;
use aws_lc_rs::encoding::{AsDer, EcPrivateKeyRfc5915Der};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;

/// How a caller proves who it is.
pub enum Proof<'a> {
    /// A certificate and its key.
    Certificate(&'a Identity),
    /// A bearer token.
    Token(&'a str),
}

/// One cluster, one user, one context.
pub struct Kubeconfig<'a> {
    /// The cluster's name in the file.
    pub cluster: &'a str,
    /// `https://HOST:PORT`.
    pub server: &'a str,
    /// The authority that signed the server's certificate, PEM.
    pub authority: &'a str,
    /// The user's name in the file.
    pub user: &'a str,
    /// The user's proof.
    pub proof: Proof<'a>,
}

impl Kubeconfig<'_> {
    /// The file's text, YAML; it holds a secret.
    pub fn to_yaml(&self) -> String {
        let quote = |text: &str| serde_json::Value::from(text).to_string();
        let (cluster, user) = (quote(self.cluster), quote(self.user));
        let context = quote(&format!("{}@{}", self.user, self.cluster));
        let proof = match &self.proof {
            Proof::Certificate(identity) => format!(
                "client-certificate-data: {}\n    client-key-data: {}",
                STANDARD.encode(&identity.certificate),
                STANDARD.encode(elliptic(&identity.key).as_deref().unwrap_or(&identity.key))
            ),
            Proof::Token(token) => format!("token: {}", quote(token)),
        };
        let (authority, server) = (STANDARD.encode(self.authority), quote(self.server));
        format!(
            "apiVersion: v1\nkind: Config\npreferences: {{}}\n\
             clusters:\n- name: {cluster}\n  cluster:\n    certificate-authority-data: {authority}\n    server: {server}\n\
             contexts:\n- name: {context}\n  context:\n    cluster: {cluster}\n    user: {user}\n\
             current-context: {context}\n\
             users:\n- name: {user}\n  user:\n    {proof}\n"
        )
    }
}

/// A key in the form that upstream gives those of elliptic curves, `EC PRIVATE KEY`: there are clients that take
/// any other key for one of RSA. `None` when it is no such key.
fn elliptic(key: &str) -> Option<String> {
    let pkcs8 = PrivatePkcs8KeyDer::from_pem_slice(key.as_bytes()).ok()?;
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.secret_pkcs8_der()).ok()?;
    let der: EcPrivateKeyRfc5915Der<'_> = pair.private_key().as_der().ok()?;
    let mut text = String::from("-----BEGIN EC PRIVATE KEY-----\n");
    for (n, letter) in STANDARD.encode(der.as_ref()).chars().enumerate() {
        if n > 0 && n % 64 == 0 {
            text.push('\n');
        }
        text.push(letter);
    }
    text.push_str("\n-----END EC PRIVATE KEY-----\n");
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::pki_types::PrivateKeyDer;

    #[test]
    fn a_kubeconfig_names_cluster_user_and_proof() {
        let identity = Identity { certificate: "CERT".into(), key: "KEY".into() };
        let mut config = Kubeconfig {
            cluster: "corten",
            server: "https://127.0.0.1:6443",
            authority: "CA",
            user: "admin",
            proof: Proof::Certificate(&identity),
        };
        assert_eq!(
            config.to_yaml(),
            r#"apiVersion: v1
kind: Config
preferences: {}
clusters:
- name: "corten"
  cluster:
    certificate-authority-data: Q0E=
    server: "https://127.0.0.1:6443"
contexts:
- name: "admin@corten"
  context:
    cluster: "corten"
    user: "admin"
current-context: "admin@corten"
users:
- name: "admin"
  user:
    client-certificate-data: Q0VSVA==
    client-key-data: S0VZ
"#
        );
        config.proof = Proof::Token("a\"b");
        assert!(config.to_yaml().ends_with("  user:\n    token: \"a\\\"b\"\n"));
    }

    #[test]
    fn a_key_is_written_as_one_of_an_elliptic_curve() {
        let key = rcgen::KeyPair::generate().unwrap();
        let text = elliptic(&key.serialize_pem()).unwrap();
        assert!(text.starts_with("-----BEGIN EC PRIVATE KEY-----\n"), "{text}");
        assert!(text.lines().all(|line| line.len() <= 64), "{text}");
        let read = PrivateKeyDer::from_pem_slice(text.as_bytes()).unwrap();
        let signer = crate::tls::provider().key_provider.load_private_key(read).unwrap();
        let public = signer.public_key().unwrap();
        assert!(public.as_ref().ends_with(key.public_key_raw()));
        assert_eq!(elliptic("KEY"), None);
    }
}
