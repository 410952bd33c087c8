//! A certificate authority: its key, and what it signs.

use super::{Inspected, PkiError};
use corten_rt::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PublicKeyData, SanType, SerialNumber,
};
use rustls::pki_types::CertificateDer;
use std::net::IpAddr;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long an authority's certificate is good.
const AUTHORITY_LIFE: Duration = Duration::from_secs(10 * 365 * DAY.as_secs());
/// How long other certificates are good.
pub(crate) const LEAF_LIFE: Duration = Duration::from_secs(365 * DAY.as_secs());
/// Certificates begin this much earlier, for clocks that are behind.
const SKEW: Duration = Duration::from_secs(5 * 60);

/// Seconds since 1970 in the type that [`CertificateParams`] wants, which is named nowhere else.
macro_rules! date {
    ($t:expr) => {
        rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs($t.as_second().try_into().unwrap_or(0))
    };
}

/// A certificate and its private key, both PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// The certificate.
    pub certificate: String,
    /// Its private key, PKCS#8.
    pub key: String,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

/// What a certificate is used for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Purpose {
    /// To prove who calls.
    #[default]
    Client,
    /// To prove who answers.
    Server,
}

/// A certificate to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// The user.
    pub common_name: String,
    /// The user's group; may be empty.
    pub organization: String,
    /// Host names it answers for.
    pub hosts: Vec<String>,
    /// Addresses it answers for.
    pub addresses: Vec<IpAddr>,
    /// What it is used for.
    pub purpose: Purpose,
    /// How long it is good, unless the authority ends sooner.
    pub lifetime: Duration,
}

impl Default for Leaf {
    fn default() -> Self {
        Leaf {
            common_name: String::new(),
            organization: String::new(),
            hosts: Vec::new(),
            addresses: Vec::new(),
            purpose: Purpose::Client,
            lifetime: LEAF_LIFE,
        }
    }
}

impl Leaf {
    /// A client certificate for a user in a group (empty for none).
    pub fn client(user: &str, group: &str) -> Self {
        Leaf { common_name: user.into(), organization: group.into(), ..Leaf::default() }
    }

    /// Subject and alternative names: what a signing request says too.
    pub(crate) fn request_params(&self) -> Result<CertificateParams, PkiError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        if !self.organization.is_empty() {
            params.distinguished_name.push(DnType::OrganizationName, self.organization.as_str());
        }
        params.distinguished_name.push(DnType::CommonName, self.common_name.as_str());
        for host in &self.hosts {
            params.subject_alt_names.push(SanType::DnsName(host.as_str().try_into()?));
        }
        params.subject_alt_names.extend(self.addresses.iter().map(|a| SanType::IpAddress(*a)));
        Ok(params)
    }

    fn params(&self, now: Timestamp, end: Timestamp) -> Result<CertificateParams, PkiError> {
        let mut params = self.request_params()?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![match self.purpose {
            Purpose::Client => ExtendedKeyUsagePurpose::ClientAuth,
            Purpose::Server => ExtendedKeyUsagePurpose::ServerAuth,
        }];
        params.use_authority_key_identifier_extension = true;
        params.not_before = date!(now - SKEW);
        params.not_after = date!(end.min(now + self.lifetime));
        params.serial_number = Some(serial()?);
        Ok(params)
    }
}

/// A certificate authority with its key.
pub struct Authority {
    pem: String,
    der: CertificateDer<'static>,
    end: Timestamp,
    key: KeyPair,
}

impl Authority {
    /// A new authority with a new key.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn create(name: &str, now: Timestamp) -> Result<Self, PkiError> {
        Self::with_key(KeyPair::generate()?, name, now)
    }

    pub(super) fn from_key(key_pem: &str, name: &str, now: Timestamp) -> Result<Self, PkiError> {
        Self::with_key(KeyPair::from_pem(key_pem)?, name, now)
    }

    pub(super) fn renewed(self, name: &str, now: Timestamp) -> Result<Self, PkiError> {
        Self::with_key(self.key, name, now)
    }

    fn with_key(key: KeyPair, name: &str, now: Timestamp) -> Result<Self, PkiError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::KeyEncipherment,
            KeyUsagePurpose::KeyCertSign,
        ];
        params.not_before = date!(now - SKEW);
        params.not_after = date!(now + AUTHORITY_LIFE);
        params.serial_number = Some(serial()?);
        let made = params.self_signed(&key)?;
        Ok(Authority { pem: made.pem(), der: made.der().clone(), end: now + AUTHORITY_LIFE, key })
    }

    /// Reads an authority.
    ///
    /// # Errors
    /// When the texts are no authority's certificate and its key.
    pub fn load(pem: &str, key_pem: &str) -> Result<Self, PkiError> {
        let key = KeyPair::from_pem(key_pem)?;
        let read = Inspected::from_pem(pem)?;
        if !read.is_authority {
            return Err(PkiError::Malformed("the certificate is not an authority's".into()));
        }
        if read.public_key != key.public_key_raw() {
            return Err(PkiError::Malformed("the key is not the certificate's".into()));
        }
        Ok(Authority { pem: pem.into(), end: read.not_after, der: read.der, key })
    }

    /// The certificate, PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// The certificate.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.der
    }

    pub(super) fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    pub(super) fn is_worn(&self, now: Timestamp) -> bool {
        Inspected::from_der(&self.der).map_or(true, |read| read.is_worn(now))
    }

    /// Makes a key and signs a certificate for it.
    ///
    /// # Errors
    /// When a host name cannot be written in a certificate.
    pub fn issue(&self, leaf: &Leaf, now: Timestamp) -> Result<Identity, PkiError> {
        let key = KeyPair::generate()?;
        Ok(Identity { certificate: self.sign(leaf, &key, now)?, key: key.serialize_pem() })
    }

    /// Signs a certificate for somebody's key; PEM.
    ///
    /// # Errors
    /// When a name cannot be written in a certificate.
    pub fn sign(&self, leaf: &Leaf, key: &impl PublicKeyData, now: Timestamp) -> Result<String, PkiError> {
        let issuer = Issuer::from_ca_cert_der(&self.der, &self.key)?;
        Ok(leaf.params(now, self.end)?.signed_by(key, &issuer)?.pem())
    }

    /// Signs a certificate for somebody's key and a subject as it is written (DER); PEM. `uses` are signatures,
    /// and encryption of keys.
    ///
    /// # Errors
    /// When a name cannot be written in a certificate.
    pub(crate) fn sign_subject(
        &self,
        leaf: &Leaf,
        uses: (bool, bool),
        subject: &[u8],
        key: &impl PublicKeyData,
        now: Timestamp,
    ) -> Result<String, PkiError> {
        let issuer = Issuer::from_ca_cert_der(&self.der, &self.key)?;
        let mut params = leaf.params(now, self.end)?;
        params.key_usages.clear();
        params.key_usages.extend(uses.0.then_some(KeyUsagePurpose::DigitalSignature));
        params.key_usages.extend(uses.1.then_some(KeyUsagePurpose::KeyEncipherment));
        let made = params.signed_by(key, &issuer)?;
        super::subject::replace(made.der(), subject, &self.key)
    }

    /// Whether a certificate made earlier is all that `leaf` wants, signed by this authority, belongs to its
    /// key and has more than a third of its life left.
    pub(super) fn still_serves(&self, found: &Identity, leaf: &Leaf, now: Timestamp) -> bool {
        let (Ok(read), Ok(key)) = (Inspected::from_pem(&found.certificate), KeyPair::from_pem(&found.key))
        else {
            return false;
        };
        let organizations: &[String] = match leaf.organization.as_str() {
            "" => &[],
            _ => std::slice::from_ref(&leaf.organization),
        };
        read.public_key == key.public_key_raw()
            && read.common_name == leaf.common_name
            && read.organizations == organizations
            && leaf.hosts.iter().all(|h| read.hosts.contains(h))
            && leaf.addresses.iter().all(|a| read.addresses.contains(a))
            && !read.is_worn(now)
            && read.is_signed_by(&self.der)
    }
}

fn serial() -> Result<SerialNumber, PkiError> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| PkiError::Random)?;
    bytes[0] &= 0x7f;
    Ok(SerialNumber::from_slice(&bytes))
}
