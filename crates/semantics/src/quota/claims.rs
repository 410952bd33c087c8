//! Claims of volumes: their number and what they ask for, in all and by storage class.

use super::{one, selects};
use crate::resources::ResourceList;
use crate::storage_class::class_of;
use corten_api::Quantity;
use corten_api::core::v1::{PersistentVolumeClaim, ScopedResourceSelectorRequirement};

const BY_CLASS: &str = ".storageclass.storage.k8s.io/";
const NUMBER: &str = "persistentvolumeclaims";
const STORAGE: &str = "requests.storage";

pub(super) fn matches(name: &str) -> bool {
    let own = |name: &str| name == NUMBER || name == STORAGE;
    let of_class = name.rfind(BY_CLASS).map(|at| &name[at + BY_CLASS.len()..]);
    name == "count/persistentvolumeclaims" || own(name) || of_class.is_some_and(own)
}

pub(super) fn usage(claim: &PersistentVolumeClaim) -> ResourceList {
    let class = class_of(&claim.metadata, claim.spec.storage_class_name.as_deref());
    let class = class.filter(|class| !class.is_empty());
    let mut usage = one("count/persistentvolumeclaims");
    let mut charge = |name: &str, amount: Quantity| {
        usage.insert(name.into(), amount);
        if let Some(class) = class {
            usage.insert(format!("{class}{BY_CLASS}{name}"), amount);
        }
    };
    charge(NUMBER, Quantity::whole(1));
    if let Some(asked) = claim.spec.resources.requests.get("storage") {
        // A volume that has grown further than was asked for counts as it is.
        let allocated = claim.status.allocated_resources.get("storage");
        charge(STORAGE, whole(allocated.filter(|a| *a > asked).unwrap_or(asked)));
    }
    usage
}

/// The amount in whole bytes, rounded up.
fn whole(amount: &Quantity) -> Quantity {
    if amount.is_whole() { *amount } else { Quantity::whole(amount.value()) }
}

/// The names of the VolumeAttributesClasses that the claim asks for, has, or is about to have.
pub fn attributes_classes(claim: &PersistentVolumeClaim) -> Vec<&str> {
    let asked = claim.spec.volume_attributes_class_name.as_deref();
    let current = claim.status.current_volume_attributes_class_name.as_deref();
    let next =
        claim.status.modify_volume_status.as_ref().map(|m| m.target_volume_attributes_class_name.as_str());
    let mut classes: Vec<&str> =
        [asked, current, next].into_iter().flatten().filter(|class| !class.is_empty()).collect();
    classes.sort_unstable();
    classes.dedup();
    classes
}

pub(super) fn in_scope(scope: &ScopedResourceSelectorRequirement, claim: &PersistentVolumeClaim) -> bool {
    scope.scope_name == "VolumeAttributesClass" && selects(scope, &attributes_classes(claim))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_count_in_all_and_by_class() {
        let mut claim = PersistentVolumeClaim::default();
        claim.spec.storage_class_name = Some("gold".into());
        claim.spec.resources.requests.insert("storage".into(), Quantity::milli(1500));
        let text =
            |list: &ResourceList| list.iter().map(|(n, a)| format!("{n}={a}")).collect::<Vec<_>>().join(" ");
        assert_eq!(
            text(&usage(&claim)),
            "count/persistentvolumeclaims=1 gold.storageclass.storage.k8s.io/persistentvolumeclaims=1 \
             gold.storageclass.storage.k8s.io/requests.storage=2 persistentvolumeclaims=1 requests.storage=2"
        );
        claim.spec.storage_class_name = None;
        claim.status.allocated_resources.insert("storage".into(), Quantity::whole(9));
        assert_eq!(
            text(&usage(&claim)),
            "count/persistentvolumeclaims=1 persistentvolumeclaims=1 requests.storage=9"
        );
    }
}
