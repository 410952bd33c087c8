//! CertificateSigningRequests. Who asks (`spec.username` and so on) is filled in by the server.

use crate::columns::{self, AGE, Column, NAME, or_none, row};
use crate::names;
use crate::rules::Rules;
use crate::strategy::KindStrategy;
use corten_api::certificates::v1::{CertificateSigningRequest, CertificateSigningRequestStatus};
use corten_semantics::field::FieldError;
use jiff::Timestamp;
use serde_json::Value;
use std::borrow::Cow;

/// CertificateSigningRequests.
pub struct CertificateSigningRequestStrategy;

impl KindStrategy for CertificateSigningRequestStrategy {
    type Kind = CertificateSigningRequest;
    const RULES: Rules = Rules { name: names::path_segment, ..Rules::USUAL };
    const COLUMNS: &'static [Column] = &[
        NAME,
        AGE,
        Column::text("SignerName"),
        Column::text("Requestor"),
        Column::text("RequestedDuration"),
        Column::text("Condition"),
    ];
    const FIELD_LABELS: &'static [&'static str] = &["spec.signerName"];

    fn prepare_create(&self, csr: &mut CertificateSigningRequest) {
        csr.status = CertificateSigningRequestStatus::default();
    }

    fn prepare_update(&self, new: &mut CertificateSigningRequest, old: &CertificateSigningRequest) {
        new.spec = old.spec.clone();
        new.status = old.status.clone();
    }

    /// The certificate and failures are the signer's; verdicts stay.
    fn prepare_status_update(&self, new: &mut CertificateSigningRequest, old: &CertificateSigningRequest) {
        new.spec = old.spec.clone();
        let verdict = |type_: &str| type_ == "Approved" || type_ == "Denied";
        let told = std::mem::take(&mut new.status.conditions);
        let mut kept = old.status.conditions.iter().filter(|c| verdict(&c.type_)).cloned();
        for condition in told {
            match verdict(&condition.type_) {
                true => new.status.conditions.extend(kept.next()),
                false => new.status.conditions.push(condition),
            }
        }
        new.status.conditions.extend(kept);
    }

    fn prepare_subresource_update(
        &self,
        subresource: &str,
        new: &mut CertificateSigningRequest,
        old: &CertificateSigningRequest,
    ) {
        if subresource == "approval" {
            new.spec = old.spec.clone();
            new.status.certificate.clone_from(&old.status.certificate);
        }
    }

    fn validate(&self, csr: &CertificateSigningRequest) -> Vec<FieldError> {
        let mut errors = Vec::new();
        if csr.spec.request.is_empty() {
            errors.push(FieldError::required("spec.request", ""));
        }
        if csr.spec.usages.is_empty() {
            errors.push(FieldError::required("spec.usages", ""));
        }
        if csr.spec.signer_name.is_empty() {
            errors.push(FieldError::required("spec.signerName", ""));
        } else if !csr.spec.signer_name.contains('/') {
            let detail = "must be a fully qualified domain and path of the form 'example.com/signer-name'";
            errors.push(FieldError::invalid("spec.signerName", &csr.spec.signer_name, detail));
        }
        if let Some(seconds) = csr.spec.expiration_seconds.filter(|s| *s < 600) {
            let detail = "may not specify a duration less than 600 seconds (10 minutes)";
            errors.push(FieldError::invalid("spec.expirationSeconds", seconds, detail));
        }
        errors
    }

    fn validate_update(
        &self,
        _: &CertificateSigningRequest,
        _: &CertificateSigningRequest,
    ) -> Vec<FieldError> {
        Vec::new()
    }

    fn row(&self, csr: &CertificateSigningRequest, now: Timestamp) -> Vec<Value> {
        let spec = &csr.spec;
        row![
            csr.metadata.name.as_str(),
            columns::age(csr.metadata.creation_timestamp, now),
            or_none(spec.signer_name.as_str()),
            spec.username.as_str(),
            spec.expiration_seconds.map_or("<none>".into(), |s| columns::duration(s.into())),
            state(csr),
        ]
    }

    fn selectable_field<'a>(&self, csr: &'a CertificateSigningRequest, _label: &str) -> Cow<'a, str> {
        csr.spec.signer_name.as_str().into()
    }
}

fn state(csr: &CertificateSigningRequest) -> String {
    let has = |type_: &str| csr.status.conditions.iter().any(|c| c.type_ == type_);
    let verdict = match (has("Denied"), has("Approved")) {
        (true, _) => "Denied",
        (false, true) => "Approved",
        (false, false) => "Pending",
    };
    let failed = if has("Failed") { ",Failed" } else { "" };
    let issued = if csr.status.certificate.is_empty() { "" } else { ",Issued" };
    format!("{verdict}{failed}{issued}")
}
