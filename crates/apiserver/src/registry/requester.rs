//! Who asks for a certificate stands in the request itself; the server writes it, never the client
//! (upstream's `registry/certificates/certificates/strategy.go`).

use corten_api::Object;
use corten_api::authentication::v1::UserInfo;
use corten_api::certificates::v1::CertificateSigningRequest;

/// Names the caller in a new request; other kinds stay as they are.
pub(super) fn name(caller: &UserInfo, object: &mut dyn Object) {
    let Some(request) = object.downcast_mut::<CertificateSigningRequest>() else { return };
    request.spec.username.clone_from(&caller.username);
    request.spec.uid.clone_from(&caller.uid);
    request.spec.groups.clone_from(&caller.groups);
    request.spec.extra.clone_from(&caller.extra);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_names_its_caller_whatever_it_says() {
        let mut request = CertificateSigningRequest::default();
        request.spec.username = "system:node:other".into();
        request.spec.groups = vec!["system:masters".into()];
        let caller = UserInfo { username: "joe".into(), groups: vec!["devs".into()], ..UserInfo::default() };
        name(&caller, &mut request);
        assert_eq!((request.spec.username.as_str(), request.spec.groups), ("joe", vec!["devs".to_string()]));
    }
}
