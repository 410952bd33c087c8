//! ServiceCIDRs: they are ready once they are protected, and stay while cluster IPs of theirs would be left
//! without a range (upstream's `servicecidrs`).

use crate::Context;
use crate::shell::{Controller, wake_by};
use async_trait::async_trait;
use corten_api::Time;
use corten_api::meta::v1::Condition;
use corten_api::networking::v1::{IPAddress, ServiceCIDR};
use corten_client::{Client, Informer, Key, WorkQueue};
use corten_rt::{Clock, Timestamp};
use corten_semantics::ApiResult;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

const FINALIZER: &str = "networking.k8s.io/service-cidr-finalizer";
const MANAGED_BY: &str = "ipaddress.kubernetes.io/managed-by";
const MANAGER: &str = "ipallocator.k8s.io";
/// How long a range that goes is kept, so that everybody has noticed.
const GRACE: i64 = 10;

/// The controller.
pub struct ServiceCidrs {
    client: Client,
    clock: Clock,
    ranges: Informer<ServiceCIDR>,
    addresses: Informer<IPAddress>,
}

/// What is to be done with a ServiceCIDR.
#[derive(Clone, Debug, PartialEq)]
enum Plan {
    Leave,
    Protect,
    Condition { status: &'static str, reason: &'static str, message: &'static str },
    Wait(Duration),
    Release,
}

impl ServiceCidrs {
    pub fn new(context: &Context) -> Self {
        ServiceCidrs {
            client: context.client.clone(),
            clock: context.clock,
            ranges: context.informers.of(),
            addresses: context.informers.of(),
        }
    }
}

/// The bits of an address, and how many there are.
fn bits(address: IpAddr) -> (u128, u32) {
    match address {
        IpAddr::V4(four) => (u128::from(u32::from(four)), 32),
        IpAddr::V6(six) => (u128::from(six), 128),
    }
}

fn prefix(range: &str) -> Option<(IpAddr, u32)> {
    let (address, length) = range.split_once('/')?;
    Some((address.parse().ok()?, length.parse().ok()?))
}

/// Whether the range holds all addresses that agree with `address` in the first `length` bits.
fn contains(range: &str, address: IpAddr, length: u32) -> bool {
    let Some((network, common)) = prefix(range) else { return false };
    let ((network, width), (address, other)) = (bits(network), bits(address));
    let shift = width.saturating_sub(common);
    width == other && length >= common && (shift >= 128 || network >> shift == address >> shift)
}

fn holding(
    all: &[Arc<ServiceCIDR>],
    address: IpAddr,
    length: u32,
) -> impl Iterator<Item = &Arc<ServiceCIDR>> {
    all.iter().filter(move |cidr| cidr.spec.cidrs.iter().any(|range| contains(range, address, length)))
}

/// Whether no address would be left without a range.
fn may_go(cidr: &ServiceCIDR, all: &[Arc<ServiceCIDR>], addresses: &[IpAddr]) -> bool {
    let name = &cidr.metadata.name;
    let elsewhere = |address, length| holding(all, address, length).any(|other| other.metadata.name != *name);
    if cidr.spec.cidrs.iter().all(|range| prefix(range).is_some_and(|(ip, length)| elsewhere(ip, length))) {
        return true;
    }
    let mine = |ip: &&IpAddr| cidr.spec.cidrs.iter().any(|range| contains(range, **ip, bits(**ip).1));
    addresses.iter().filter(mine).all(|ip| elsewhere(*ip, bits(*ip).1))
}

fn plan(cidr: &ServiceCIDR, all: &[Arc<ServiceCIDR>], addresses: &[IpAddr], now: Timestamp) -> Plan {
    let protected = cidr.metadata.finalizers.iter().any(|f| f == FINALIZER);
    let wanted = match cidr.metadata.deletion_timestamp {
        Some(_) if !protected => return Plan::Leave,
        Some(since) if may_go(cidr, all, addresses) => {
            return match since.seconds().saturating_add(GRACE) - now.as_second() {
                left @ 1.. => Plan::Wait(Duration::from_secs(left.unsigned_abs())),
                _ => Plan::Release,
            };
        }
        Some(_) => Plan::Condition {
            status: "False",
            reason: "Terminating",
            message: "There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR",
        },
        None if !protected => return Plan::Protect,
        None => Plan::Condition { status: "True", reason: "", message: "Kubernetes Service CIDR is ready" },
    };
    let Plan::Condition { status, reason, message } = wanted else { return wanted };
    let same = |c: &Condition| {
        (c.type_.as_str(), c.status.as_str(), c.reason.as_str(), c.message.as_str())
            == ("Ready", status, reason, message)
    };
    if cidr.status.conditions.iter().any(same) { Plan::Leave } else { wanted }
}

#[async_trait]
impl Controller for ServiceCidrs {
    fn workers(&self) -> usize {
        1
    }

    fn watch(&self, queue: &WorkQueue<Key>) {
        // A range may let another go, and so may an address that goes.
        let ranges = self.ranges.clone();
        wake_by(&self.ranges, queue, move |changed| {
            let others = ranges.list().into_iter().filter(|c| c.metadata.deletion_timestamp.is_some());
            others.map(|c| Key::of(&*c)).chain([Key::of(changed)]).collect()
        });
        let ranges = self.ranges.clone();
        wake_by(&self.addresses, queue, move |_| {
            let going = ranges.list().into_iter().filter(|c| c.metadata.deletion_timestamp.is_some());
            going.map(|c| Key::of(&*c)).collect()
        });
    }

    async fn synced(&self) {
        self.ranges.synced().await;
        self.addresses.synced().await;
    }

    async fn reconcile(&self, key: &Key) -> ApiResult<Option<Duration>> {
        let Some(cidr) = self.ranges.get(key) else { return Ok(None) };
        let ours = |a: &Arc<IPAddress>| a.metadata.labels.get(MANAGED_BY).is_some_and(|m| m == MANAGER);
        let addresses: Vec<IpAddr> = if cidr.metadata.deletion_timestamp.is_some() {
            let all = self.addresses.list().into_iter().filter(ours);
            all.filter_map(|a| a.metadata.name.parse().ok()).collect()
        } else {
            Vec::new()
        };
        let now = self.clock.now();
        let api = self.client.all::<ServiceCIDR>();
        let mut changed = (*cidr).clone();
        let written = match plan(&cidr, &self.ranges.list(), &addresses, now) {
            Plan::Leave => return Ok(None),
            Plan::Wait(left) => return Ok(Some(left)),
            Plan::Protect => {
                changed.metadata.finalizers.push(FINALIZER.into());
                api.update(changed).await
            }
            Plan::Release => {
                changed.metadata.finalizers.retain(|f| f != FINALIZER);
                api.update(changed).await
            }
            Plan::Condition { status, reason, message } => {
                changed.status.conditions.retain(|c| c.type_ != "Ready");
                changed.status.conditions.push(Condition {
                    type_: "Ready".into(),
                    status: status.into(),
                    reason: reason.into(),
                    message: message.into(),
                    last_transition_time: Some(Time::new(now)),
                    ..Condition::default()
                });
                api.update_status(changed).await
            }
        };
        match written {
            // The cache is behind; its next change wakes the range again.
            Err(e) if e.is_conflict() || e.is_not_found() => Ok(None),
            other => other.map(|_| None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cidr(name: &str, range: &str, protected: bool, deleted: Option<&str>) -> Arc<ServiceCIDR> {
        let mut cidr = ServiceCIDR::default();
        cidr.metadata.name = name.into();
        cidr.spec.cidrs = vec![range.into()];
        cidr.metadata.finalizers.extend(protected.then(|| FINALIZER.to_string()));
        cidr.metadata.deletion_timestamp = deleted.map(|t| Time::new(t.parse().expect("a time")));
        Arc::new(cidr)
    }

    #[test]
    fn ranges_are_protected_ready_and_released() {
        let now: Timestamp = "2026-01-01T00:01:00Z".parse().expect("a time");
        let (before, just) = (Some("2026-01-01T00:00:00Z"), Some("2026-01-01T00:00:55Z"));
        let used = ["10.97.0.2".parse().expect("an address")];
        let condition = |plan: &Plan| match plan {
            Plan::Condition { status, .. } => (*status).to_string(),
            other => format!("{other:?}"),
        };
        for (range, protected, deleted, other, addresses, want) in [
            ("10.97.0.0/24", false, None, None, &used[..], "Protect"),
            ("10.97.0.0/24", true, None, None, &used, "True"),
            ("10.97.0.0/24", true, before, None, &used, "False"),
            ("10.97.0.0/24", true, before, None, &[], "Release"),
            ("10.98.0.0/24", true, before, None, &used, "Release"),
            ("10.97.0.0/24", true, just, None, &[], "Wait(5s)"),
            ("10.97.0.0/24", true, before, Some("10.97.0.0/16"), &used, "Release"),
            ("10.97.0.0/24", true, before, Some("10.97.0.0/28"), &used, "Release"),
            ("10.97.0.0/24", true, before, Some("10.97.0.16/28"), &used, "False"),
            ("10.97.0.0/24", false, before, None, &used, "Leave"),
        ] {
            let mine = cidr("mine", range, protected, deleted);
            let all: Vec<_> =
                other.map(|o| cidr("other", o, true, None)).into_iter().chain([mine.clone()]).collect();
            let got = plan(&mine, &all, addresses, now);
            assert_eq!(condition(&got), want, "{range} {deleted:?} {other:?}");
        }
    }
}
