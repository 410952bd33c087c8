//! What a certificate says.

use super::PkiError;
use corten_rt::Timestamp;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::net::IpAddr;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};
use x509_parser::x509::X509Name;

/// The parts of a certificate that decisions are made on.
#[derive(Clone, Debug)]
pub struct Inspected {
    /// The certificate itself.
    pub der: CertificateDer<'static>,
    /// The subject's common name; empty if it has none.
    pub common_name: String,
    /// The subject's organizations, in order.
    pub organizations: Vec<String>,
    /// Host names it answers for.
    pub hosts: Vec<String>,
    /// Addresses it answers for.
    pub addresses: Vec<IpAddr>,
    /// From when it is good.
    pub not_before: Timestamp,
    /// Until when it is good.
    pub not_after: Timestamp,
    /// Whether it may sign others.
    pub is_authority: bool,
    pub(crate) public_key: Vec<u8>,
}

impl Inspected {
    /// Reads the first certificate of a PEM text.
    ///
    /// # Errors
    /// When there is none, or it is malformed.
    pub fn from_pem(pem: &str) -> Result<Self, PkiError> {
        let der = CertificateDer::from_pem_slice(pem.as_bytes())
            .map_err(|e| PkiError::Malformed(format!("no PEM certificate: {e}")))?;
        Self::from_der(&der)
    }

    /// Reads a certificate.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn from_der(der: &CertificateDer<'_>) -> Result<Self, PkiError> {
        let certificate = parse(der)?;
        let names = certificate
            .subject_alternative_name()
            .map_err(malformed)?
            .map_or(&[][..], |ext| ext.value.general_names.as_slice());
        let (hosts, addresses, _) = alternative_names(names);
        let seconds = |t: i64| Timestamp::from_second(t).map_err(malformed);
        Ok(Inspected {
            der: der.clone().into_owned(),
            common_name: common_name(certificate.subject()),
            organizations: organizations(certificate.subject()),
            hosts,
            addresses,
            not_before: seconds(certificate.validity().not_before.timestamp())?,
            not_after: seconds(certificate.validity().not_after.timestamp())?,
            is_authority: certificate.is_ca(),
            public_key: certificate.public_key().subject_public_key.data.to_vec(),
        })
    }

    /// Whether a third or less of its life is left.
    pub fn is_worn(&self, now: Timestamp) -> bool {
        let life = self.not_after.as_second() - self.not_before.as_second();
        (self.not_after.as_second() - now.as_second()) * 3 <= life
    }

    pub(super) fn is_signed_by(&self, authority: &CertificateDer<'_>) -> bool {
        let (Ok(this), Ok(authority)) = (parse(&self.der), parse(authority)) else { return false };
        this.issuer() == authority.subject() && this.verify_signature(Some(authority.public_key())).is_ok()
    }
}

fn parse<'a>(der: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, PkiError> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        Ok(_) => Err(PkiError::Malformed("something follows the certificate".into())),
        Err(e) => Err(malformed(e)),
    }
}

fn malformed(e: impl std::fmt::Display) -> PkiError {
    PkiError::Malformed(format!("malformed certificate: {e}"))
}

/// The last common name, as Go reads it; empty if there is none.
pub(crate) fn common_name(subject: &X509Name<'_>) -> String {
    let names = subject.iter_common_name().filter_map(|a| a.as_str().ok());
    names.last().unwrap_or_default().to_string()
}

/// The organizations in order.
pub(crate) fn organizations(subject: &X509Name<'_>) -> Vec<String> {
    subject.iter_organization().filter_map(|a| a.as_str().ok()).map(String::from).collect()
}

/// Host names, addresses, and how many names of other sorts there are.
pub(crate) fn alternative_names(names: &[GeneralName<'_>]) -> (Vec<String>, Vec<IpAddr>, usize) {
    let (mut hosts, mut addresses, mut others) = (Vec::new(), Vec::new(), 0);
    for name in names {
        match name {
            GeneralName::DNSName(host) => hosts.push((*host).to_string()),
            GeneralName::IPAddress(bytes) => match address(bytes) {
                Some(address) => addresses.push(address),
                None => others += 1,
            },
            _ => others += 1,
        }
    }
    (hosts, addresses, others)
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(four.into());
    }
    <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from)
}
