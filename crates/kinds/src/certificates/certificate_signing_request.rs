//! CertificateSigningRequests. Who asks (`spec.username` and so on) is filled in by the server.

use super::validate::{self, Update};
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

    /// The certificate and failures are the signer's; verdicts stay as they are.
    fn prepare_status_update(&self, new: &mut CertificateSigningRequest, old: &CertificateSigningRequest) {
        new.spec = old.spec.clone();
        for type_ in ["Approved", "Denied"] {
            let had: Vec<_> = old.status.conditions.iter().filter(|c| c.type_ == type_).collect();
            let has: Vec<_> = new.status.conditions.iter_mut().filter(|c| c.type_ == type_).collect();
            // Where some were added or removed, validation says so.
            if has.len() == had.len() {
                has.into_iter().zip(had).for_each(|(has, had)| has.clone_from(had));
            }
        }
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
        validate::request(csr, None)
    }

    fn validate_update(
        &self,
        new: &CertificateSigningRequest,
        old: &CertificateSigningRequest,
    ) -> Vec<FieldError> {
        validate::update(new, old, Update::Plain)
    }

    fn validate_status_update(
        &self,
        new: &CertificateSigningRequest,
        old: &CertificateSigningRequest,
    ) -> Vec<FieldError> {
        validate::update(new, old, Update::Status)
    }

    fn validate_subresource_update(
        &self,
        _subresource: &str,
        new: &CertificateSigningRequest,
        old: &CertificateSigningRequest,
    ) -> Vec<FieldError> {
        validate::update(new, old, Update::Approval)
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
