//! Whether the server behind an APIService is there: the `Available` condition (upstream's
//! `controllers/status/remote`).

use std::sync::Arc;

use corten_api::Time;
use corten_api::apiregistration::v1::{APIService, APIServiceCondition, ServiceReference};
use corten_api::core::v1::Service;
use corten_api::discovery::v1::EndpointSlice;

pub(super) const AVAILABLE: &str = "Available";

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub available: bool,
    pub reason: &'static str,
    pub message: String,
}

impl Finding {
    fn missing(reason: &'static str, message: String) -> Self {
        Finding { available: false, reason, message }
    }

    /// Its discovery does not answer.
    pub fn silent(message: String) -> Self {
        Finding::missing("FailedDiscoveryCheck", message)
    }

    /// All is well.
    pub fn passed() -> Self {
        Finding { available: true, reason: "Passed", message: "all checks passed".into() }
    }

    /// This server answers itself.
    pub fn local() -> Self {
        let message = "Local APIServices are always available".into();
        Finding { available: true, reason: "Local", message }
    }

    /// The object with this as its condition; none when it says so already.
    pub fn told(&self, service: &APIService, now: Time) -> Option<APIService> {
        let status = if self.available { "True" } else { "False" };
        let mut told = service.clone();
        let conditions = &mut told.status.conditions;
        match conditions.iter_mut().find(|c| c.type_ == AVAILABLE) {
            Some(known) => {
                if known.status != status {
                    known.status = status.into();
                    known.last_transition_time = Some(now);
                }
                known.reason = self.reason.into();
                known.message.clone_from(&self.message);
            }
            None => conditions.push(APIServiceCondition {
                type_: AVAILABLE.into(),
                status: status.into(),
                last_transition_time: Some(now),
                reason: self.reason.into(),
                message: self.message.clone(),
            }),
        }
        (told != *service).then_some(told)
    }
}

/// Whether the object says that its server is there.
pub(super) fn is_available(service: &APIService) -> bool {
    service.status.conditions.iter().any(|c| c.type_ == AVAILABLE && c.status == "True")
}

/// What the cluster's objects alone tell against it.
pub(super) fn missing(
    reference: &ServiceReference,
    service: Option<&Service>,
    slices: &[Arc<EndpointSlice>],
) -> Option<Finding> {
    let (name, namespace) = (&reference.name, &reference.namespace);
    let Some(service) = service else {
        let message = format!("service/{name} in {namespace:?} is not present");
        return Some(Finding::missing("ServiceNotFound", message));
    };
    if service.spec.type_ != "ClusterIP" {
        return None;
    }
    let asked = reference.port.unwrap_or(443);
    let Some(port) = service.spec.ports.iter().find(|p| p.port == asked) else {
        let message = format!("service/{name} in {namespace:?} is not listening on port {asked}");
        return Some(Finding::missing("ServicePortError", message));
    };
    if slices.is_empty() {
        let message = format!("cannot find endpointslices for service/{name} in {namespace:?}");
        return Some(Finding::missing("EndpointsNotFound", message));
    }
    let is_active = |slice: &Arc<EndpointSlice>| {
        slice.endpoints.iter().any(|e| e.conditions.ready.unwrap_or(true))
            && slice
                .ports
                .iter()
                .any(|p| p.name.as_deref().unwrap_or_default() == port.name && p.port.is_some())
    };
    if slices.iter().any(is_active) {
        return None;
    }
    let port = &port.name;
    let message = format!(
        "endpointslices for service/{name} in {namespace:?} have no addresses with port name {port:?}"
    );
    Some(Finding::missing("MissingEndpoints", message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::core::v1::ServicePort;
    use corten_api::discovery::v1::{Endpoint, EndpointConditions, EndpointPort};

    #[test]
    fn what_is_missing_has_upstreams_reasons() {
        let reference = ServiceReference { namespace: "ns".into(), name: "api".into(), port: Some(443) };
        let mut service = Service::default();
        service.spec.type_ = "ClusterIP".into();
        let mut listening = service.clone();
        listening.spec.ports = vec![ServicePort { port: 443, ..ServicePort::default() }];
        let slice = |ready| {
            let conditions = EndpointConditions { ready: Some(ready), ..EndpointConditions::default() };
            Arc::new(EndpointSlice {
                ports: vec![EndpointPort { name: Some(String::new()), port: Some(1), ..Default::default() }],
                endpoints: vec![Endpoint { conditions, ..Endpoint::default() }],
                ..EndpointSlice::default()
            })
        };
        for (service, slices, want) in [
            (None, vec![], Some(("ServiceNotFound", "service/api in \"ns\" is not present"))),
            (
                Some(&service),
                vec![],
                Some(("ServicePortError", "service/api in \"ns\" is not listening on port 443")),
            ),
            (
                Some(&listening),
                vec![],
                Some(("EndpointsNotFound", "cannot find endpointslices for service/api in \"ns\"")),
            ),
            (
                Some(&listening),
                vec![slice(false)],
                Some((
                    "MissingEndpoints",
                    "endpointslices for service/api in \"ns\" have no addresses with port name \"\"",
                )),
            ),
            (Some(&listening), vec![slice(true)], None),
        ] {
            let found = missing(&reference, service, &slices);
            let found = found.as_ref().map(|f| (f.reason, f.message.as_str()));
            assert_eq!(found, want);
        }
    }

    #[test]
    fn a_condition_is_told_once() {
        let now = Time::new(corten_rt::Timestamp::UNIX_EPOCH);
        let later = Time::new(corten_rt::Timestamp::from_second(60).expect("a time"));
        let told = Finding::passed().told(&APIService::default(), now).expect("news");
        assert!(is_available(&told));
        assert_eq!(Finding::passed().told(&told, later), None);
        let gone = Finding::silent("x".into()).told(&told, later).expect("news");
        assert!(!is_available(&gone));
        assert_eq!(gone.status.conditions[0].last_transition_time, Some(later));
    }
}
