//! Certificate signing requests of nodes and clients: which are good, and the certificates for them (upstream's
//! `kubernetes.io/kube-apiserver-client-kubelet`, `kubernetes.io/kubelet-serving` and
//! `kubernetes.io/kube-apiserver-client` signers).

mod approval;

pub use approval::{Ground, certificate, grounds};

use crate::pki::{Authority, Leaf, PkiError, Purpose};
use crate::pki::{alternative_names, common_name, organizations};
use corten_rt::Timestamp;
use corten_semantics::identity;
use rcgen::PublicKeyData;
use rustls::pki_types::CertificateSigningRequestDer;
use rustls::pki_types::pem::PemObject;
use std::net::IpAddr;
use std::time::Duration;
use x509_parser::prelude::{FromDer, ParsedExtension, X509CertificationRequest};
use x509_parser::x509::SubjectPublicKeyInfo;

/// Signs clients of the API in general.
pub const CLIENT_SIGNER: &str = "kubernetes.io/kube-apiserver-client";
/// Signs kubelets' client certificates.
pub const KUBELET_CLIENT_SIGNER: &str = "kubernetes.io/kube-apiserver-client-kubelet";
/// Signs kubelets' server certificates.
pub const KUBELET_SERVING_SIGNER: &str = "kubernetes.io/kubelet-serving";

/// Shortest life a request may ask for.
const SHORTEST: Duration = Duration::from_secs(600);

/// A request whose signature is good.
#[derive(Clone, Debug)]
pub struct Request {
    /// The subject's common name.
    pub common_name: String,
    /// The subject's organizations.
    pub organizations: Vec<String>,
    /// Host names asked for.
    pub hosts: Vec<String>,
    /// Addresses asked for.
    pub addresses: Vec<IpAddr>,
    /// How many alternative names are of other sorts.
    pub other_names: usize,
    /// The subject as it is written.
    subject: Vec<u8>,
    key: RequestKey,
}

#[derive(Clone, Debug)]
struct RequestKey {
    info: Vec<u8>,
    point: Vec<u8>,
    algorithm: &'static rcgen::SignatureAlgorithm,
}

impl PublicKeyData for RequestKey {
    fn der_bytes(&self) -> &[u8] {
        &self.point
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        self.algorithm
    }

    fn subject_public_key_info(&self) -> Vec<u8> {
        self.info.clone()
    }
}

impl Request {
    /// Reads a PEM request and checks that whoever made it has the key.
    ///
    /// # Errors
    /// When it is malformed, of an unknown algorithm, or its signature is wrong.
    pub fn parse(pem: &[u8]) -> Result<Self, PkiError> {
        let der = CertificateSigningRequestDer::from_pem_slice(pem)
            .map_err(|_| malformed("PEM block type must be CERTIFICATE REQUEST"))?;
        let (rest, request) = X509CertificationRequest::from_der(&der).map_err(malformed)?;
        if !rest.is_empty() {
            return Err(malformed("something follows the request"));
        }
        request.verify_signature().map_err(|_| malformed("the request's signature is wrong"))?;
        let info = &request.certification_request_info;
        let mut out = Request {
            common_name: common_name(&info.subject),
            organizations: organizations(&info.subject),
            hosts: Vec::new(),
            addresses: Vec::new(),
            other_names: 0,
            subject: info.subject.as_raw().to_vec(),
            key: RequestKey::of(&info.subject_pki)?,
        };
        for extension in request.requested_extensions().into_iter().flatten() {
            if let ParsedExtension::SubjectAlternativeName(names) = extension {
                let (hosts, addresses, others) = alternative_names(&names.general_names);
                out.hosts.extend(hosts);
                out.addresses.extend(addresses);
                out.other_names += others;
            }
        }
        Ok(out)
    }

    /// Whether this is a kubelet's request for that signer; the error says what is wrong, as upstream's.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn check(&self, signer: &str, usages: &[String]) -> Result<(), String> {
        let wrong = |what: &str| Err(what.to_string());
        if self.organizations != [identity::NODES] {
            return wrong("subject organization is not system:nodes");
        }
        let serving = signer == KUBELET_SERVING_SIGNER;
        if serving && self.hosts.is_empty() && self.addresses.is_empty() {
            return wrong("DNS or IP subjectAltName is required");
        }
        if !serving && !self.hosts.is_empty() {
            return wrong("DNS subjectAltNames are not allowed");
        }
        if !serving && !self.addresses.is_empty() {
            return wrong("IP subjectAltNames are not allowed");
        }
        if self.other_names > 0 {
            return wrong("Email and URI subjectAltNames are not allowed");
        }
        if !self.common_name.starts_with("system:node:") {
            return wrong("subject common name does not begin with system:node:");
        }
        let purpose = if serving { "server auth" } else { "client auth" };
        let required = ["digital signature", purpose];
        let has = |u: &str| usages.iter().any(|x| x == u);
        let known = |u: &String| required.contains(&u.as_str()) || u == "key encipherment";
        if !required.iter().all(|u| has(u)) || !usages.iter().all(known) {
            return Err(format!("usages did not match [{} key encipherment {purpose}]", required[0]));
        }
        Ok(())
    }

    /// Signs a request of a client of the API, whose usages are good, for the subject that it names; PEM.
    ///
    /// # Errors
    /// When the usages are not a client's, or a name cannot be written in a certificate.
    pub fn sign_client(
        &self,
        authority: &Authority,
        usages: &[String],
        seconds: Option<i32>,
        now: Timestamp,
    ) -> Result<String, PkiError> {
        let known = ["digital signature", "key encipherment", "client auth"];
        if let Some(other) = usages.iter().find(|usage| !known.contains(&usage.as_str())) {
            return Err(malformed(format!("invalid usage for client certificate: {other}")));
        }
        let has = |usage: &str| usages.iter().any(|u| u == usage);
        if !has("client auth") {
            return Err(malformed("missing required usage for client certificate: client auth"));
        }
        let leaf = Leaf {
            hosts: self.hosts.clone(),
            addresses: self.addresses.clone(),
            lifetime: lifetime(seconds),
            ..Leaf::default()
        };
        let uses = (has("digital signature"), has("key encipherment"));
        authority.sign_subject(&leaf, uses, &self.subject, &self.key, now)
    }

    /// Signs a request that [`Request::check`] found good; PEM. `seconds` is `spec.expirationSeconds`.
    ///
    /// # Errors
    /// When a name cannot be written in a certificate.
    pub fn sign(
        &self,
        authority: &Authority,
        signer: &str,
        seconds: Option<i32>,
        now: Timestamp,
    ) -> Result<String, PkiError> {
        let [organization] = self.organizations.as_slice() else {
            return Err(malformed("the subject must have one organization"));
        };
        let leaf = Leaf {
            common_name: self.common_name.clone(),
            organization: organization.clone(),
            hosts: self.hosts.clone(),
            addresses: self.addresses.clone(),
            purpose: if signer == KUBELET_SERVING_SIGNER { Purpose::Server } else { Purpose::Client },
            lifetime: lifetime(seconds),
        };
        authority.sign(&leaf, &self.key, now)
    }
}

/// How long a certificate is good that is asked for so many seconds.
fn lifetime(seconds: Option<i32>) -> Duration {
    let longest = crate::pki::LEAF_LIFE;
    let asked = seconds.map_or(longest, |s| Duration::from_secs(s.max(0).unsigned_abs().into()));
    asked.clamp(SHORTEST, longest)
}

impl RequestKey {
    /// The certificate's key as it stood in the request; P-256 and P-384 are signed, and RSA.
    fn of(info: &SubjectPublicKeyInfo<'_>) -> Result<Self, PkiError> {
        use x509_parser::public_key::PublicKey;
        let algorithm = match info.parsed().map_err(malformed)? {
            PublicKey::EC(point) if point.key_size() == 256 => &rcgen::PKCS_ECDSA_P256_SHA256,
            PublicKey::EC(point) if point.key_size() == 384 => &rcgen::PKCS_ECDSA_P384_SHA384,
            PublicKey::RSA(key) if key.key_size() >= 2048 => &rcgen::PKCS_RSA_SHA256,
            _ => {
                return Err(malformed(
                    "only keys of ECDSA P-256, P-384, and RSA of 2048 bits and more are signed",
                ));
            }
        };
        Ok(RequestKey { info: info.raw.to_vec(), point: info.subject_public_key.data.to_vec(), algorithm })
    }
}

/// Makes a key and a node's request for it; both PEM: (request, key).
///
/// # Errors
/// When the system gives no randomness or a host name is malformed.
pub fn for_node(node: &str, hosts: &[String], addresses: &[IpAddr]) -> Result<(String, String), PkiError> {
    let key = rcgen::KeyPair::generate()?;
    let leaf = Leaf {
        hosts: hosts.to_vec(),
        addresses: addresses.to_vec(),
        ..Leaf::client(&identity::node_user(node), identity::NODES)
    };
    let request = leaf.request_params()?.serialize_request(&key)?;
    Ok((request.pem()?, key.serialize_pem()))
}

fn malformed(e: impl std::fmt::Display) -> PkiError {
    PkiError::Malformed(e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::Inspected;

    fn usages(list: &[&str]) -> Vec<String> {
        list.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_node_gets_the_certificate_it_asks_for() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
        let authority = Authority::create("kubernetes", now).expect("authority");
        let client = usages(&["digital signature", "client auth"]);
        let server = usages(&["key encipherment", "digital signature", "server auth"]);
        let (pem, key) = for_node("n1", &[], &[]).expect("request");
        let request = Request::parse(pem.as_bytes()).expect("good");
        assert_eq!(request.check(KUBELET_CLIENT_SIGNER, &client), Ok(()));
        assert!(request.check(KUBELET_CLIENT_SIGNER, &server).is_err());
        assert!(request.check(KUBELET_SERVING_SIGNER, &server).is_err());
        let signed = request.sign(&authority, KUBELET_CLIENT_SIGNER, Some(3600), now).expect("signed");
        let read = Inspected::from_pem(&signed).expect("a certificate");
        assert_eq!(
            (read.common_name.as_str(), read.organizations.as_slice()),
            ("system:node:n1", &["system:nodes".to_string()][..])
        );
        assert_eq!(read.not_after, now + Duration::from_secs(3600));
        let key = rcgen::KeyPair::from_pem(&key).expect("a key");
        assert_eq!(read.public_key, key.public_key_raw());

        let address = IpAddr::from([10, 0, 0, 1]);
        let (pem, _) = for_node("n1", &["n1".into()], &[address]).expect("request");
        let request = Request::parse(pem.as_bytes()).expect("good");
        assert_eq!(request.check(KUBELET_SERVING_SIGNER, &server), Ok(()));
        assert!(request.check(KUBELET_CLIENT_SIGNER, &client).is_err());
        let signed = request.sign(&authority, KUBELET_SERVING_SIGNER, None, now).expect("signed");
        assert_eq!(Inspected::from_pem(&signed).expect("a certificate").addresses, [address]);
    }

    #[test]
    fn damaged_requests_are_refused() {
        let (pem, _) = for_node("n1", &[], &[]).expect("request");
        let der = CertificateSigningRequestDer::from_pem_slice(pem.as_bytes()).expect("PEM");
        let mut forged = der.to_vec();
        let at = forged.windows(2).position(|w| w == b"n1").expect("the name");
        forged[at + 1] = b'2';
        use base64::Engine;
        let body = base64::engine::general_purpose::STANDARD.encode(&forged);
        let forged =
            format!("-----BEGIN CERTIFICATE REQUEST-----\n{body}\n-----END CERTIFICATE REQUEST-----\n");
        let error = Request::parse(forged.as_bytes()).expect_err("forged").to_string();
        assert_eq!(error, "the request's signature is wrong");
        assert!(Request::parse(b"nothing").is_err());
    }
}
