//! The conditions of definitions.

use corten_api::Time;
use corten_api::apiextensions::v1::{
    CustomResourceDefinition, CustomResourceDefinitionCondition as Condition,
};

/// The condition of a type, if the definition has it.
pub(crate) fn find<'a>(crd: &'a CustomResourceDefinition, type_: &str) -> Option<&'a Condition> {
    crd.status.conditions.iter().find(|c| c.type_ == type_)
}

/// Whether the condition of a type is true.
pub(crate) fn is_true(crd: &CustomResourceDefinition, type_: &str) -> bool {
    find(crd, type_).is_some_and(|c| c.status == "True")
}

/// A condition to be set.
pub(crate) fn condition(type_: &str, status: bool, reason: &str, message: &str) -> Condition {
    Condition {
        type_: type_.into(),
        status: if status { "True" } else { "False" }.into(),
        reason: reason.into(),
        message: message.into(),
        ..Condition::default()
    }
}

/// Sets a condition; the time of its last change stays while its status does.
pub(crate) fn set(crd: &mut CustomResourceDefinition, mut new: Condition, now: Time) {
    new.last_transition_time = Some(now);
    match crd.status.conditions.iter_mut().find(|c| c.type_ == new.type_) {
        Some(old) => {
            if old.status == new.status {
                new.last_transition_time = old.last_transition_time;
            }
            *old = new;
        }
        None => crd.status.conditions.push(new),
    }
}
