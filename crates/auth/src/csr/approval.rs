//! Which requests are approved without a person, and what becomes of approved ones (upstream's `csrapproving`
//! and `csrsigning` controllers). All pure; a controller carries it out.

use super::{CLIENT_SIGNER, KUBELET_CLIENT_SIGNER, KUBELET_SERVING_SIGNER, Request};
use crate::pki::Authority;
use corten_api::certificates::v1::CertificateSigningRequest;
use corten_api::core::v1::Node;
use corten_rt::Timestamp;
use corten_semantics::Lookup;
use std::net::IpAddr;

/// A ground for approval: it holds if the request's user may `create` this subresource of
/// `certificatesigningrequests`, which a SubjectAccessReview tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ground {
    /// What the user must be allowed to create.
    pub subresource: &'static str,
    /// The message of the `Approved` condition.
    pub message: &'static str,
}

const SELF_CLIENT: Ground = Ground {
    subresource: "selfnodeclient",
    message: "Auto approving self kubelet client certificate after SubjectAccessReview.",
};
const CLIENT: Ground = Ground {
    subresource: "nodeclient",
    message: "Auto approving kubelet client certificate after SubjectAccessReview.",
};
/// Upstream approves no server certificates; here a node's own is good for the addresses its Node object has.
const SELF_SERVER: Ground = Ground {
    subresource: "selfnodeserver",
    message: "Auto approving self kubelet server certificate after SubjectAccessReview.",
};

/// The grounds on which a request that waits for approval may have it, in order; none if it needs a person.
pub fn grounds(request: &CertificateSigningRequest, objects: &dyn Lookup) -> Vec<Ground> {
    let spec = &request.spec;
    if !request.status.certificate.is_empty() || has(request, "Approved") || has(request, "Denied") {
        return Vec::new();
    }
    let Ok(parsed) = Request::parse(&spec.request) else { return Vec::new() };
    if parsed.check(&spec.signer_name, &spec.usages).is_err() {
        return Vec::new();
    }
    let own = parsed.common_name == spec.username;
    match spec.signer_name.as_str() {
        KUBELET_CLIENT_SIGNER if own => vec![SELF_CLIENT, CLIENT],
        KUBELET_CLIENT_SIGNER => vec![CLIENT],
        KUBELET_SERVING_SIGNER if own && is_at_home(&parsed, objects) => vec![SELF_SERVER],
        _ => Vec::new(),
    }
}

/// The certificate (PEM) for an approved request of one of our signers, or why it fails, which is
/// the message of a `Failed` condition with the reason `SignerValidationFailure`; `None` if nothing is to do.
pub fn certificate(
    request: &CertificateSigningRequest,
    authority: &Authority,
    now: Timestamp,
) -> Option<Result<String, String>> {
    let spec = &request.spec;
    let signer = spec.signer_name.as_str();
    let waits = has(request, "Approved")
        && !has(request, "Denied")
        && !has(request, "Failed")
        && request.status.certificate.is_empty();
    if !waits || ![CLIENT_SIGNER, KUBELET_CLIENT_SIGNER, KUBELET_SERVING_SIGNER].contains(&signer) {
        return None;
    }
    let signed = || {
        let parsed = Request::parse(&spec.request).map_err(|e| e.to_string())?;
        if signer == CLIENT_SIGNER {
            let signed = parsed.sign_client(authority, &spec.usages, spec.expiration_seconds, now);
            return signed.map_err(|e| e.to_string());
        }
        parsed.check(signer, &spec.usages)?;
        parsed.sign(authority, signer, spec.expiration_seconds, now).map_err(|e| e.to_string())
    };
    Some(signed())
}

fn has(request: &CertificateSigningRequest, condition: &str) -> bool {
    request.status.conditions.iter().any(|c| c.type_ == condition)
}

/// Whether every name and address asked for is the node's.
fn is_at_home(request: &Request, objects: &dyn Lookup) -> bool {
    let Some(name) = request.common_name.strip_prefix("system:node:") else { return false };
    let Some(node) = objects.get::<Node>("", name) else { return false };
    let known: Vec<&str> = node.status.addresses.iter().map(|a| a.address.as_str()).collect();
    let has_address = |a: &IpAddr| known.iter().any(|k| k.parse() == Ok(*a));
    request.hosts.iter().all(|h| h == name || known.contains(&h.as_str()))
        && request.addresses.iter().all(has_address)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::csr::for_node;
    use crate::pki::Inspected;
    use corten_api::Object;
    use corten_api::certificates::v1::CertificateSigningRequestCondition;
    use corten_api::core::v1::NodeAddress;
    use std::sync::Arc;

    fn asked(node: &str, addresses: &[IpAddr], user: &str) -> CertificateSigningRequest {
        let hosts = if addresses.is_empty() { vec![] } else { vec![node.to_string()] };
        let (pem, _) = for_node(node, &hosts, addresses).expect("a request");
        let (signer, usage) = match addresses {
            [] => (KUBELET_CLIENT_SIGNER, "client auth"),
            _ => (KUBELET_SERVING_SIGNER, "server auth"),
        };
        let mut request = CertificateSigningRequest::default();
        request.spec.request = pem.into_bytes();
        request.spec.signer_name = signer.into();
        request.spec.usages = vec!["digital signature".into(), usage.into()];
        request.spec.username = user.into();
        request
    }

    fn with(mut request: CertificateSigningRequest, condition: &str) -> CertificateSigningRequest {
        let type_ = condition.to_string();
        request.status.conditions.push(CertificateSigningRequestCondition { type_, ..Default::default() });
        request
    }

    #[test]
    fn joining_and_renewing_nodes_need_no_person() {
        let mut node = Node::default();
        node.metadata.name = "n1".into();
        node.status.addresses = vec![NodeAddress { type_: "InternalIP".into(), address: "10.0.0.1".into() }];
        let objects: Vec<Arc<dyn Object>> = vec![Arc::new(node)];
        let (home, away) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let mut other_signer = asked("n1", &[], "system:node:n1");
        other_signer.spec.signer_name = "example.com/other".into();
        let mut other_usage = asked("n1", &[], "system:node:n1");
        other_usage.spec.usages.push("code signing".into());
        for (request, expected) in [
            (asked("n1", &[], "system:bootstrap:abcdef"), vec!["nodeclient"]),
            (asked("n1", &[], "system:node:n1"), vec!["selfnodeclient", "nodeclient"]),
            (asked("n1", &[home], "system:node:n1"), vec!["selfnodeserver"]),
            (asked("n1", &[away], "system:node:n1"), vec![]),
            (asked("n1", &[home], "system:node:n2"), vec![]),
            (asked("n2", &[home], "system:node:n2"), vec![]),
            (with(asked("n1", &[], "system:node:n1"), "Approved"), vec![]),
            (with(asked("n1", &[], "system:node:n1"), "Denied"), vec![]),
            (other_signer, vec![]),
            (other_usage, vec![]),
        ] {
            let found: Vec<_> = grounds(&request, &objects).iter().map(|g| g.subresource).collect();
            assert_eq!(found, expected, "{} {:?}", request.spec.username, request.spec.usages);
        }
    }

    #[test]
    fn approved_requests_are_signed_once() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
        let authority = Authority::create("kubernetes", now).expect("an authority");
        let sign = |request: &CertificateSigningRequest| certificate(request, &authority, now);
        let request = asked("n1", &[], "system:bootstrap:abcdef");
        assert_eq!(sign(&request), None);
        let approved = with(request, "Approved");
        let pem = sign(&approved).expect("due").expect("signed");
        assert_eq!(Inspected::from_pem(&pem).expect("a certificate").common_name, "system:node:n1");
        assert_eq!(sign(&with(approved.clone(), "Failed")), None);
        assert_eq!(sign(&with(approved.clone(), "Denied")), None);
        let mut wrong = approved.clone();
        wrong.spec.usages = vec!["any".into()];
        assert!(sign(&wrong).expect("due").is_err());
        let mut done = approved;
        done.status.certificate = pem.into_bytes();
        assert_eq!(sign(&done), None);
    }

    #[test]
    fn a_client_gets_a_certificate_for_the_subject_it_names() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
        let authority = Authority::create("kubernetes", now).expect("an authority");
        let mut request = CertificateSigningRequest::default();
        request.spec.request = JANE.as_bytes().to_vec();
        request.spec.signer_name = CLIENT_SIGNER.into();
        request.spec.expiration_seconds = Some(3600);
        request.spec.usages = vec!["client auth".into(), "digital signature".into()];
        let request = with(request, "Approved");
        let pem = certificate(&request, &authority, now).expect("due").expect("signed");
        let read = Inspected::from_pem(&pem).expect("a certificate");
        assert_eq!((read.common_name.as_str(), read.organizations.len()), ("jane", 3));
        assert_eq!(read.not_after, now + std::time::Duration::from_secs(3600));
        let users = crate::authenticate::ClientCertificates::new(authority.certificate()).expect("judges");
        let user = users.authenticate(std::slice::from_ref(&read.der), now).expect("it is believed").user;
        assert_eq!(user.groups, ["a", "b", "c", "system:authenticated"]);
        for (usages, says) in [
            (vec!["server auth"], "invalid usage for client certificate: server auth"),
            (vec!["digital signature"], "missing required usage for client certificate: client auth"),
        ] {
            let mut wrong = request.clone();
            wrong.spec.usages = usages.into_iter().map(String::from).collect();
            assert_eq!(certificate(&wrong, &authority, now), Some(Err(says.to_string())));
        }
    }

    /// `O=a, O=b, O=c, CN=jane`.
    const JANE: &str = "-----BEGIN CERTIFICATE REQUEST-----\n\
MIHtMIGVAgEAMDMxCjAIBgNVBAoMAWExCjAIBgNVBAoMAWIxCjAIBgNVBAoMAWMx\n\
DTALBgNVBAMMBGphbmUwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQeYZn1uRww\n\
mS/zl6vpGuoIu79iNlhXtJxTuyGRrPiSnMhDykoeoHG7AqXqlFRk9YqjBZebKBUV\n\
bbFOC34iDrf9oAAwCgYIKoZIzj0EAwIDRwAwRAIgf/qabBoT03Wi7Ll56UzJHS7N\n\
Dd+S3ofkxty01+cRKWcCIHwpk9HoaDn+oEcWo9caAklNoEbLc3Mw8WCsjGIXlFM7\n\
-----END CERTIFICATE REQUEST-----\n";
}
