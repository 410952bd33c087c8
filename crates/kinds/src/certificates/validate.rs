//! What is wrong with a CertificateSigningRequest, and with changes of its status and its approval.

use super::pem;
use crate::errors::Errors;
use crate::names;
use corten_api::certificates::v1::{CertificateSigningRequest, CertificateSigningRequestCondition};
use corten_semantics::field::FieldError;

/// What keys may be used for.
const USAGES: &[&str] = &[
    "any",
    "cert sign",
    "client auth",
    "code signing",
    "content commitment",
    "crl sign",
    "data encipherment",
    "decipher only",
    "digital signature",
    "email protection",
    "encipher only",
    "ipsec end system",
    "ipsec tunnel",
    "ipsec user",
    "key agreement",
    "key encipherment",
    "microsoft sgc",
    "netscape sgc",
    "ocsp signing",
    "s/mime",
    "server auth",
    "signing",
    "timestamping",
];
const CONDITIONS: &str = "status.conditions";
const CERTIFICATE: &str = "status.certificate";

/// Which update it is: what may change depends on it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Update {
    Plain,
    Status,
    Approval,
}

/// Mistakes of a request; what is wrong in the old one already is put up with.
pub(super) fn request(
    csr: &CertificateSigningRequest,
    old: Option<&CertificateSigningRequest>,
) -> Vec<FieldError> {
    let mut errors = Errors::default();
    let spec = &csr.spec;
    if let Some(wrong) = pem::wrong_request(&spec.request) {
        // The request is shown as JSON shows bytes; whoever sent it knows it.
        errors.invalid("spec.request", "<request data>", wrong);
    }
    if spec.usages.is_empty() {
        errors.required("spec.usages", "");
    }
    let unknown =
        |csr: &CertificateSigningRequest| csr.spec.usages.iter().any(|u| !USAGES.contains(&u.as_str()));
    for (i, usage) in spec.usages.iter().enumerate() {
        if !old.is_some_and(unknown) {
            errors.supported(format!("spec.usages[{i}]"), usage, USAGES);
        }
    }
    for (i, usage) in spec.usages.iter().enumerate() {
        // The specification never changes, so an old one has the same twice.
        if old.is_none() && spec.usages[..i].contains(usage) {
            errors.duplicate(format!("spec.usages[{i}]"), usage);
        }
    }
    let legacy = "kubernetes.io/legacy-unknown";
    if spec.signer_name == legacy && old.is_none() {
        errors.invalid(
            "spec.signerName",
            legacy,
            "the legacy signerName is not allowed via this API version",
        );
    } else {
        signer_name(&mut errors, &spec.signer_name, "spec.signerName");
    }
    if let Some(seconds) = spec.expiration_seconds.filter(|s| *s < 600) {
        let detail = "may not specify a duration less than 600 seconds (10 minutes)";
        errors.invalid("spec.expirationSeconds", seconds, detail);
    }
    conditions(&mut errors, csr, old);
    let touched = old.is_none_or(|old| {
        old.status.certificate != csr.status.certificate
            && pem::wrong_certificate(&old.status.certificate).is_none()
    });
    if let Some(wrong) = pem::wrong_certificate(&csr.status.certificate).filter(|_| touched) {
        errors.invalid(CERTIFICATE, "<certificate data>", wrong);
    }
    errors.into_vec()
}

/// Mistakes of an update.
pub(super) fn update(
    new: &CertificateSigningRequest,
    old: &CertificateSigningRequest,
    update: Update,
) -> Vec<FieldError> {
    let mut errors = Errors::default();
    errors.extend(request(new, Some(old)));
    for type_ in ["Approved", "Denied", "Failed"] {
        if of_type(new, type_).len() < of_type(old, type_).len() {
            errors.forbidden(CONDITIONS, format!("updates may not remove a condition of type {type_:?}"));
        }
    }
    for type_ in ["Approved", "Denied"].into_iter().filter(|_| update != Update::Approval) {
        let (has, had) = (of_type(new, type_), of_type(old, type_));
        if has.len() > had.len() {
            errors.forbidden(CONDITIONS, format!("updates may not add a condition of type {type_:?}"));
        } else if has.len() == had.len() && has != had {
            errors.forbidden(CONDITIONS, format!("updates may not modify a condition of type {type_:?}\n"));
        }
    }
    if new.status.certificate != old.status.certificate {
        if update != Update::Status {
            errors.forbidden(CERTIFICATE, "updates may not set certificate content");
        } else if !old.status.certificate.is_empty() {
            errors.forbidden(CERTIFICATE, "updates may not modify existing certificate content");
        }
    }
    errors.into_vec()
}

fn of_type<'a>(
    csr: &'a CertificateSigningRequest,
    type_: &str,
) -> Vec<&'a CertificateSigningRequestCondition> {
    csr.status.conditions.iter().filter(|c| c.type_ == type_).collect()
}

fn conditions(errors: &mut Errors, csr: &CertificateSigningRequest, old: Option<&CertificateSigningRequest>) {
    let both = |csr: &CertificateSigningRequest| {
        !of_type(csr, "Approved").is_empty() && !of_type(csr, "Denied").is_empty()
    };
    let twice = |csr: &CertificateSigningRequest| {
        let list = &csr.status.conditions;
        list.iter().enumerate().any(|(i, c)| list[..i].iter().any(|d| d.type_ == c.type_))
    };
    let nameless = |csr: &CertificateSigningRequest| !of_type(csr, "").is_empty();
    let list = &csr.status.conditions;
    for (i, c) in list.iter().enumerate() {
        let (before, at) = (&list[..i], format!("{CONDITIONS}[{i}]"));
        if c.type_.is_empty() && !old.is_some_and(nameless) {
            errors.required(format!("{at}.type"), "");
        }
        let verdict = matches!(c.type_.as_str(), "Approved" | "Denied" | "Failed");
        let allowed: &[&str] = if verdict { &["True"] } else { &["False", "True", "Unknown"] };
        errors.one_of(format!("{at}.status"), &c.status, allowed);
        let other = match c.type_.as_str() {
            "Approved" => "Denied",
            "Denied" => "Approved",
            _ => "",
        };
        if !other.is_empty() && before.iter().any(|b| b.type_ == other) && !old.is_some_and(both) {
            errors.invalid(CONDITIONS, &c.type_, "Approved and Denied conditions are mutually exclusive");
        }
        if before.iter().any(|b| b.type_ == c.type_) && !old.is_some_and(twice) {
            errors.duplicate(format!("{at}.type"), &c.type_);
        }
    }
}

/// Checks the name of a signer: a domain and a path.
fn signer_name(errors: &mut Errors, name: &str, path: &str) {
    if name.is_empty() {
        errors.required(path, "");
        return;
    }
    let Some((domain, rest)) = name.split_once('/').filter(|(_, rest)| !rest.contains('/')) else {
        let detail = "must be a fully qualified domain and path of the form 'example.com/signer-name'";
        errors.invalid(path, name, detail);
        return;
    };
    if domain.len() > 253 {
        errors.too_long(path, 253);
    }
    labels(errors, domain, path, names::dns_label);
    if !domain.contains('.') {
        errors.invalid(path, domain, "should be a domain with at least two segments separated by dots");
    }
    labels(errors, rest, path, names::dns_subdomain);
    if name.len() > 571 {
        errors.too_long(path, 571);
    }
}

/// Tells of the first label that is wrong.
fn labels(errors: &mut Errors, text: &str, path: &str, check: fn(&str) -> Vec<String>) {
    let wrong = text.split('.').map(|label| (label, check(label))).find(|(_, wrong)| !wrong.is_empty());
    let (label, messages) = wrong.unwrap_or_default();
    for message in messages {
        errors.invalid(path, text, format!("validating label {label:?}: {message}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(label: &str) -> String {
        format!("-----BEGIN {label}-----\nMIIB\n-----END {label}-----\n")
    }

    fn good() -> CertificateSigningRequest {
        let mut csr = CertificateSigningRequest::default();
        csr.spec.request = pem::REQUEST.as_bytes().to_vec();
        csr.spec.usages = vec!["client auth".into()];
        csr.spec.signer_name = "example.com/serving".into();
        csr
    }

    fn condition(type_: &str, status: &str) -> CertificateSigningRequestCondition {
        CertificateSigningRequestCondition {
            type_: type_.into(),
            status: status.into(),
            ..Default::default()
        }
    }

    #[test]
    fn bad_requests_are_told_as_upstream_tells_them() {
        type Change = fn(&mut CertificateSigningRequest);
        let rows: &[(Change, &str)] = &[
            (|_| {}, ""),
            (
                |c| c.spec.request = block("CERTIFICATE").into_bytes(),
                "spec.request: Invalid value: \"<request data>\": PEM block type must be CERTIFICATE REQUEST",
            ),
            (
                |c| c.spec.request = block("CERTIFICATE REQUEST").into_bytes(),
                "spec.request: Invalid value: \"<request data>\": asn1: syntax error: data truncated",
            ),
            (
                |c| c.spec.request = pem::forged(),
                "spec.request: Invalid value: \"<request data>\": x509: ECDSA verification failure",
            ),
            (
                |c| c.spec.usages.push("client auth".into()),
                "spec.usages[1]: Duplicate value: \"client auth\"",
            ),
            (
                |c| c.spec.signer_name = "a".into(),
                "spec.signerName: Invalid value: \"a\": must be a fully qualified domain and path of the form 'example.com/signer-name'",
            ),
            (
                |c| c.spec.signer_name = "a/b".into(),
                "spec.signerName: Invalid value: \"a\": should be a domain with at least two segments separated by dots",
            ),
            (
                |c| c.spec.signer_name = "kubernetes.io/legacy-unknown".into(),
                "spec.signerName: Invalid value: \"kubernetes.io/legacy-unknown\": the legacy signerName is not allowed via this API version",
            ),
        ];
        for (change, want) in rows {
            let mut csr = good();
            change(&mut csr);
            let told: Vec<String> = request(&csr, None).iter().map(ToString::to_string).collect();
            assert_eq!(told.join("; "), *want);
        }
    }

    #[test]
    fn verdicts_and_certificates_have_their_places() {
        type Change = fn(&mut CertificateSigningRequest);
        let rows: &[(Update, Change, &str)] = &[
            (
                Update::Approval,
                |c| c.status.conditions.push(condition("Denied", "True")),
                "status.conditions: Invalid value: \"Denied\": Approved and Denied conditions are mutually exclusive",
            ),
            (
                Update::Approval,
                |c| c.status.conditions.clear(),
                "status.conditions: Forbidden: updates may not remove a condition of type \"Approved\"",
            ),
            (
                Update::Status,
                |c| c.status.conditions[0].message = "m".into(),
                "status.conditions: Forbidden: updates may not modify a condition of type \"Approved\"\n",
            ),
            (
                Update::Status,
                |c| c.status.conditions.push(condition("Failed", "False")),
                "status.conditions[1].status: Unsupported value: \"False\": supported values: \"True\"",
            ),
            (Update::Status, |c| c.status.conditions.push(condition("Mine", "False")), ""),
            (Update::Status, |c| c.status.certificate = pem::CERTIFICATE.as_bytes().to_vec(), ""),
            (
                Update::Status,
                |c| c.status.certificate = block("CERTIFICATE").into_bytes(),
                "status.certificate: Invalid value: \"<certificate data>\": x509: malformed certificate",
            ),
            (
                Update::Status,
                |c| c.status.certificate = b"x".to_vec(),
                "status.certificate: Invalid value: \"<certificate data>\": must contain at least one CERTIFICATE PEM block",
            ),
            (
                Update::Approval,
                |c| c.status.certificate = pem::CERTIFICATE.as_bytes().to_vec(),
                "status.certificate: Forbidden: updates may not set certificate content",
            ),
        ];
        let mut old = good();
        old.status.conditions.push(condition("Approved", "True"));
        for (which, change, want) in rows {
            let mut new = old.clone();
            change(&mut new);
            let told: Vec<String> = update(&new, &old, *which).iter().map(ToString::to_string).collect();
            assert_eq!(told.join("; "), *want);
        }
    }
}
