//! DenyServiceExternalIPs: Services get no further external addresses, with which one could take others'
//! traffic. Off unless enabled.

use crate::check::{Check, Context, Operation};
use async_trait::async_trait;
use corten_api::Object;
use corten_api::core::v1::Service;
use corten_semantics::ApiResult;

pub(crate) struct DenyServiceExternalIPs;

#[async_trait]
impl Check for DenyServiceExternalIPs {
    fn name(&self) -> &'static str {
        "DenyServiceExternalIPs"
    }

    fn handles(&self, context: &Context<'_>) -> bool {
        matches!(context.operation, Operation::Create | Operation::Update) && context.is_whole::<Service>()
    }

    async fn validate(&self, context: &Context<'_>, object: &dyn Object) -> ApiResult<()> {
        let Some(new) = object.downcast_ref::<Service>() else { return Ok(()) };
        let had = context.old::<Service>().map(|old| old.spec.external_ips.as_slice()).unwrap_or_default();
        if new.spec.external_ips.iter().all(|ip| had.contains(ip)) {
            return Ok(());
        }
        Err(context.forbidden(Some(object), "Use of external IPs is denied by admission control"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{Request, meta};

    #[tokio::test]
    async fn external_addresses_may_only_become_fewer() {
        let service = |ips: &[&str]| {
            let mut service = Service { metadata: meta("ns", "s"), ..Service::default() };
            service.spec.external_ips = ips.iter().map(ToString::to_string).collect();
            service
        };
        for (old, new, allowed) in [
            (&[][..], &[][..], true),
            (&[], &["192.0.2.1"], false),
            (&["192.0.2.1", "192.0.2.2"], &["192.0.2.1"], true),
            (&["192.0.2.1"], &["192.0.2.2"], false),
        ] {
            let request = Request::of::<Service>(Operation::Update, "ns", "s").old(service(old));
            let found = request.validate(&DenyServiceExternalIPs, &service(new)).await;
            assert_eq!(found.is_ok(), allowed, "{old:?} {new:?}");
        }
    }
}
