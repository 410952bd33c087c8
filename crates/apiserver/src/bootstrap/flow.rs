//! The objects of flow control: those that are mandatory stay as they must be, the others as long as nobody
//! says otherwise (apiserver `flowcontrol/ensurer`).

use corten_api::Kind;
use corten_api::flowcontrol::v1::{FlowSchema, PriorityLevelConfiguration};
use corten_semantics::ApiResult;

use super::System;
use crate::flow::bootstrap::{AUTO_UPDATE, MANDATORY, levels, schemas};

pub(super) async fn ensure(system: &System) -> ApiResult<()> {
    for wanted in levels() {
        let spec = wanted.spec.clone();
        system
            .ensure_as(wanted, |found: &mut PriorityLevelConfiguration| {
                if is_ours(found) {
                    // What exempt requests count for is left to the administrator.
                    let kept = found.spec.exempt.take().filter(|_| spec.type_ == "Exempt");
                    found.spec = spec;
                    found.spec.exempt = kept.or(found.spec.exempt.take());
                }
            })
            .await?;
    }
    for wanted in schemas() {
        let spec = wanted.spec.clone();
        system
            .ensure_as(wanted, |found: &mut FlowSchema| {
                if is_ours(found) {
                    found.spec = spec;
                }
            })
            .await?;
    }
    Ok(())
}

/// Whether the object is kept as it is shipped. An object that nobody has changed, and that says nothing,
/// says so from now on.
fn is_ours(found: &mut impl Kind) -> bool {
    let meta = found.meta_mut();
    let said = meta.annotations.get(AUTO_UPDATE).map(String::as_str);
    let ours = MANDATORY.contains(&meta.name.as_str())
        || said == Some("true")
        || said != Some("false") && meta.generation == 1;
    if ours && said != Some("true") {
        meta.annotations.insert(AUTO_UPDATE.into(), "true".into());
    }
    ours
}
