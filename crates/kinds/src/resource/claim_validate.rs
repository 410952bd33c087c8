//! What is wrong with a claim's specification.

use super::parts::{self, MOST_CONFIGS, class_name, configuration, duplicates, each, label, selectors};
use crate::errors::Errors;
use crate::metadata::Shown;
use corten_api::resource::v1::{DeviceClaim, DeviceRequest, DeviceSelector};
use std::collections::{BTreeMap, BTreeSet};

/// The most requests of a claim, and devices that it is given.
pub(super) const MOST_REQUESTS: usize = 32;
const MOST_CONSTRAINTS: usize = 32;
/// The most alternatives of a request.
const MOST_CHOICES: usize = 8;
const ONE_WAY: &str = "exactly one of `exactly` or `firstAvailable` is required";
const NO_REQUEST: &str =
    "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'";

/// The requests of a claim, each with its alternatives.
pub(super) struct RequestNames<'a>(BTreeMap<&'a str, BTreeSet<&'a str>>);

impl<'a> RequestNames<'a> {
    pub fn of(claim: &'a DeviceClaim) -> Self {
        let choices = |request: &'a DeviceRequest| request.first_available.iter().map(|c| c.name.as_str());
        RequestNames(claim.requests.iter().map(|r| (r.name.as_str(), choices(r).collect())).collect())
    }

    fn has(&self, name: &str) -> bool {
        match name.split_once('/') {
            None => self.0.contains_key(name),
            Some((request, choice)) => self.0.get(request).is_some_and(|choices| choices.contains(choice)),
        }
    }

    /// A reference to a request, or to one of its alternatives.
    pub fn reference(&self, errors: &mut Errors, name: &str, path: &str) {
        let parts: Vec<&str> = name.split('/').collect();
        if parts.len() > 2 {
            errors.invalid(path, name, NO_REQUEST);
            return;
        }
        for part in parts {
            label(errors, part, path);
        }
        if !self.has(name) {
            errors.invalid(path, name, NO_REQUEST);
        }
    }

    /// Several of them, each once.
    pub fn references(&self, errors: &mut Errors, list: &[String], path: &str) {
        each(errors, list, MOST_REQUESTS, path, |errors, name, at| self.reference(errors, name, at));
        duplicates(errors, list, MOST_REQUESTS, path, |name| name.clone());
    }
}

/// Checks what a claim asks for.
pub(super) fn devices(errors: &mut Errors, claim: &DeviceClaim, path: &str) {
    let known = RequestNames::of(claim);
    let at = format!("{path}.requests");
    each(errors, &claim.requests, MOST_REQUESTS, &at, request);
    duplicates(errors, &claim.requests, MOST_REQUESTS, &at, |request| request.name.clone());
    let at = format!("{path}.constraints");
    each(errors, &claim.constraints, MOST_CONSTRAINTS, &at, |errors, constraint, at| {
        known.references(errors, &constraint.requests, &format!("{at}.requests"));
        let path = format!("{at}.matchAttribute");
        match &constraint.match_attribute {
            Some(name) => parts::fully_qualified(errors, name, &path),
            None => errors.required(path, ""),
        }
    });
    let at = format!("{path}.config");
    each(errors, &claim.config, MOST_CONFIGS, &at, |errors, config, at| {
        known.references(errors, &config.requests, &format!("{at}.requests"));
        configuration(errors, &config.device_configuration, at);
    });
}

fn request(errors: &mut Errors, request: &DeviceRequest, path: &str) {
    label(errors, &request.name, &format!("{path}.name"));
    match (&request.exactly, request.first_available.is_empty()) {
        (None, true) => errors.required(path, ONE_WAY),
        (Some(_), false) => {
            let detail = format!("{ONE_WAY}, but multiple fields are set");
            errors.invalid(path, Shown("null".into()), detail);
        }
        (Some(exactly), true) => {
            let mode = (exactly.allocation_mode.as_str(), exactly.count);
            wanted(errors, &exactly.device_class_name, &exactly.selectors, mode, &format!("{path}.exactly"));
        }
        (None, false) => {
            let at = format!("{path}.firstAvailable");
            let choices = &request.first_available;
            each(errors, choices, MOST_CHOICES, &at, |errors, choice, at| {
                label(errors, &choice.name, &format!("{at}.name"));
                let mode = (choice.allocation_mode.as_str(), choice.count);
                wanted(errors, &choice.device_class_name, &choice.selectors, mode, at);
            });
            duplicates(errors, choices, MOST_CHOICES, &at, |choice| choice.name.clone());
        }
    }
}

/// A class, selectors, and how many devices of it.
fn wanted(errors: &mut Errors, class: &str, list: &[DeviceSelector], (mode, count): (&str, i64), path: &str) {
    class_name(errors, class, &format!("{path}.deviceClassName"));
    selectors(errors, list, &format!("{path}.selectors"));
    let at = format!("{path}.count");
    match mode {
        "All" if count != 0 => {
            errors.invalid(at, count, "must not be specified when allocationMode is 'All'");
        }
        "All" => {}
        "ExactCount" if count <= 0 => errors.invalid(at, count, "must be greater than zero"),
        "ExactCount" => {}
        other => errors.supported(format!("{path}.allocationMode"), other, &["All", "ExactCount"]),
    }
}
