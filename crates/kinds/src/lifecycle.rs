//! The order in which a write is prepared and checked (upstream's `rest.BeforeCreate` and
//! `rest.BeforeUpdate`). Generated names, uids and creation times are set before, by the server.

use crate::metadata;
use crate::strategy::Strategy;
use corten_api::meta::v1::ObjectMeta;
use corten_api::{KindInfo, Object};
use corten_semantics::field::FieldError;
use corten_semantics::{ApiError, ApiResult};

/// Prepares and checks an object that is to be created. Defaults must have been filled.
pub fn before_create(strategy: &dyn Strategy, obj: &mut dyn Object) -> ApiResult<()> {
    strategy.prepare_create(obj);
    let info = obj.info();
    let mut errors = metadata::validate(obj.meta(), info.namespaced, strategy.rules());
    errors.extend(strategy.validate(obj));
    verdict(info, &obj.meta().name, errors)
}

/// Prepares and checks an object that is to replace `old`; `subresource` is empty for the main endpoint.
pub fn before_update(
    strategy: &dyn Strategy,
    subresource: &str,
    new: &mut dyn Object,
    old: &dyn Object,
) -> ApiResult<()> {
    new.meta_mut().generation = old.meta().generation;
    match subresource {
        "" => strategy.prepare_update(new, old),
        "status" => strategy.prepare_status_update(new, old),
        other => strategy.prepare_subresource_update(other, new, old),
    }
    restore_system_fields(new.meta_mut(), old.meta());
    let info = old.info();
    let mut errors = metadata::validate_common(new.meta(), info.namespaced);
    errors.extend(metadata::validate_update(new.meta(), old.meta(), strategy.rules()));
    errors.extend(match subresource {
        "" => strategy.validate_update(new, old),
        "status" => strategy.validate_status_update(new, old),
        other => strategy.validate_subresource_update(other, new, old),
    });
    verdict(info, &new.meta().name, errors)
}

/// What no update may change or remove.
fn restore_system_fields(new: &mut ObjectMeta, old: &ObjectMeta) {
    if new.uid.is_empty() {
        new.uid.clone_from(&old.uid);
    }
    if old.creation_timestamp.is_some() {
        new.creation_timestamp = old.creation_timestamp;
    }
    if old.deletion_timestamp.is_some() {
        new.deletion_timestamp = old.deletion_timestamp;
    }
    new.deletion_grace_period_seconds =
        new.deletion_grace_period_seconds.or(old.deletion_grace_period_seconds);
    new.self_link.clear();
}

fn verdict(info: &KindInfo, name: &str, errors: Vec<FieldError>) -> ApiResult<()> {
    // Events of either group are one kind to whoever judges them.
    let group = if info.kind == "Event" && !info.custom { "" } else { info.group };
    if errors.is_empty() { Ok(()) } else { Err(ApiError::invalid(group, info.kind, name, &errors)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strategy_for;
    use corten_api::Kind;
    use corten_api::core::v1::ResourceQuota;

    fn quota() -> ResourceQuota {
        let mut q = ResourceQuota::default();
        q.metadata.name = "q".into();
        q.metadata.namespace = "ns".into();
        q.metadata.resource_version = "1".into();
        q
    }

    #[test]
    fn the_main_endpoint_keeps_the_status_and_the_status_keeps_the_rest() {
        let strategy = strategy_for(ResourceQuota::INFO);
        let mut created = quota();
        created.status.used.insert("pods".into(), corten_api::Quantity::whole(1));
        before_create(strategy, &mut created).expect("valid");
        assert!(created.status.used.is_empty());

        let mut new = created.clone();
        new.status.used.insert("pods".into(), corten_api::Quantity::whole(2));
        before_update(strategy, "", &mut new, &created).expect("valid");
        assert!(new.status.used.is_empty());

        let mut new = created.clone();
        new.status.used.insert("pods".into(), corten_api::Quantity::whole(2));
        new.spec.scopes.push("Terminating".into());
        new.metadata.annotations.insert("a".into(), "b".into());
        before_update(strategy, "status", &mut new, &created).expect("valid");
        assert_eq!((new.status.used.len(), new.spec.scopes.len()), (1, 0));
        assert_eq!(new.metadata.annotations.len(), 1);
    }

    #[test]
    fn identity_is_immutable() {
        let old = quota();
        let mut new = quota();
        new.metadata.name = "other".into();
        let error =
            before_update(strategy_for(ResourceQuota::INFO), "", &mut new, &old).expect_err("renamed");
        assert_eq!(
            error.to_string(),
            "ResourceQuota \"other\" is invalid: metadata.name: Invalid value: \"other\": field is immutable"
        );
    }
}
