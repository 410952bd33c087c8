//! CertificateSubjectRestriction: no client certificate is asked for in the group that may do anything.

use crate::check::{Check, Context, Operation};
use async_trait::async_trait;
use corten_api::Object;
use corten_api::certificates::v1::CertificateSigningRequest;
use corten_semantics::{ApiResult, identity};
use x509_parser::prelude::{FromDer, X509CertificationRequest};

const SIGNER: &str = "kubernetes.io/kube-apiserver-client";

pub(crate) struct CertificateSubjectRestriction;

/// The names in a certificate request; its signature is for the signer to check.
pub(crate) struct RequestSubject {
    pub(crate) common_name: String,
    pub(crate) organizations: Vec<String>,
}

impl RequestSubject {
    /// Reads a PEM request; `None` if it is malformed.
    pub(crate) fn parse(pem: &[u8]) -> Option<Self> {
        let (_, block) = x509_parser::pem::parse_x509_pem(pem).ok()?;
        let (_, request) = X509CertificationRequest::from_der(&block.contents).ok()?;
        let subject = &request.certification_request_info.subject;
        let common_name = subject.iter_common_name().filter_map(|n| n.as_str().ok()).last();
        let organizations = subject.iter_organization().filter_map(|n| n.as_str().ok());
        Some(RequestSubject {
            common_name: common_name.unwrap_or_default().to_string(),
            organizations: organizations.map(String::from).collect(),
        })
    }
}

#[async_trait]
impl Check for CertificateSubjectRestriction {
    fn name(&self) -> &'static str {
        "CertificateSubjectRestriction"
    }

    fn handles(&self, context: &Context<'_>) -> bool {
        context.operation == Operation::Create && context.is_whole::<CertificateSigningRequest>()
    }

    async fn validate(&self, context: &Context<'_>, object: &dyn Object) -> ApiResult<()> {
        let request = object.downcast_ref::<CertificateSigningRequest>();
        let Some(request) = request.filter(|r| r.spec.signer_name == SIGNER) else { return Ok(()) };
        let why = match RequestSubject::parse(&request.spec.request) {
            None => "failed to parse CSR: malformed certificate request".to_string(),
            Some(subject) if subject.organizations.iter().any(|o| o == identity::MASTERS) => {
                format!("use of {SIGNER} signer with {} group is not allowed", identity::MASTERS)
            }
            Some(_) => return Ok(()),
        };
        Err(context.forbidden(Some(request), &why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{Request, meta};

    #[tokio::test]
    async fn nobody_asks_to_be_a_master() {
        // The subject of this request is O=dev, O=system:masters, CN=jane.
        let pem = "-----BEGIN CERTIFICATE REQUEST-----\n\
             MIHyMIGYAgEAMDYxDDAKBgNVBAoMA2RldjEXMBUGA1UECgwOc3lzdGVtOm1hc3Rl\n\
             cnMxDTALBgNVBAMMBGphbmUwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAARF9z9u\n\
             R8TWi4xMsdW4vrkKaosKOSQUzYha3hb2gJzbG/XahwI7UPm/tpKIC7/WZB+SWr2J\n\
             4MBu1fLK4eU/stTDoAAwCgYIKoZIzj0EAwIDSQAwRgIhANn+sBH7uI4xH3lb/ePd\n\
             +RVOb1hAeEuylFCuWNDKALJ4AiEA+rkozob7ecCDnQ/qOhNVrYD2mYIb5sogBaQr\n\
             oyAIS9U=\n\
             -----END CERTIFICATE REQUEST-----\n";
        for (signer, pem, why) in [
            (
                SIGNER,
                pem,
                Some(
                    "use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed",
                ),
            ),
            (SIGNER, "garbage", Some("failed to parse CSR: malformed certificate request")),
            ("example.com/other", pem, None),
        ] {
            let request = Request::of::<CertificateSigningRequest>(Operation::Create, "", "r");
            let mut asked = CertificateSigningRequest { metadata: meta("", "r"), ..Default::default() };
            asked.spec.signer_name = signer.into();
            asked.spec.request = pem.as_bytes().to_vec();
            let found =
                request.validate(&CertificateSubjectRestriction, &asked).await.err().map(|e| e.to_string());
            let start = "certificatesigningrequests.certificates.k8s.io \"r\" is forbidden: ";
            assert_eq!(found, why.map(|w| format!("{start}{w}")));
        }
    }
}
