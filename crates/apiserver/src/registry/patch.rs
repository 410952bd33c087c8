//! Patching: the patch is applied to the current object as JSON, and goes on as an update.

use std::sync::Arc;

use corten_api::{KindInfo, Object};
use corten_codec::patch::{
    PatchError, apply_json_patch, apply_merge_patch, apply_strategic_merge_patch, judge_json_patch,
};
use corten_codec::{Problems, json};
use corten_kinds::{Strategy, strategy_for};
use corten_semantics::field::FieldError;
use corten_semantics::{ApiError, ApiResult};
use serde_json::Value;

use super::managed::Owners;
use super::modify::Modification;
use super::{FieldValidation, PatchType, Registry, Reply, RequestContext, Target, WriteOptions};
use crate::cache::{Entry, form};

impl Registry {
    /// Patches an object or a subresource; the patch is JSON.
    pub async fn patch(
        &self,
        ctx: &RequestContext,
        target: &Target,
        (kind, patch): (PatchType, &[u8]),
        o: &WriteOptions,
    ) -> ApiResult<Reply> {
        if kind == PatchType::Apply {
            return self.apply(ctx, target, patch, o).await;
        }
        let place = self.place_of_object(target)?;
        let mut warnings = Vec::new();
        let owners = if target.subresource == "scale" { Owners::Settled } else { Owners::Follow };
        let m = Modification { ctx, place: &place, subresource: target.subresource, options: o, owners };
        let reply = if target.subresource == "scale" {
            let propose = |entry: &Arc<Entry>| {
                let live = self.owned_scale(&place, &*entry.object())?;
                let scale = Entry::made(Arc::new(live.clone()));
                let how = (o.field_validation, strategy_for(scale.kind()));
                let mut patched = patched(&scale, kind, patch, how, &mut warnings)?;
                self.own_scale_changes((ctx, o), &mut *patched, &live);
                self.rescaled(&place, &*entry.object(), &*patched)
            };
            let reply = self.modify(&m, propose).await?;
            self.reply_scale(&place, reply)?
        } else {
            let propose = |entry: &Arc<Entry>| {
                let served = self.in_version(entry.clone(), place.kind);
                let how = (o.field_validation, &*place.strategy);
                let mut patched = patched(&served, kind, patch, how, &mut warnings)?;
                place.check_name(&mut *patched)?;
                self.convert(patched, place.stored)
            };
            self.modify(&m, propose).await?
        };
        warnings.extend(reply.warnings);
        Ok(Reply { warnings, ..reply })
    }
}

/// The object after the patch.
fn patched(
    entry: &Entry,
    kind: PatchType,
    patch: &[u8],
    (validation, strategy): (FieldValidation, &dyn Strategy),
    warnings: &mut Vec<String>,
) -> ApiResult<Box<dyn Object>> {
    let mut document: Value = serde_json::from_slice(&entry.json()).map_err(ApiError::internal)?;
    let mut problems = match validation {
        FieldValidation::Ignore => Problems::ignore(),
        FieldValidation::Warn | FieldValidation::Strict => Problems::strict(),
    };
    apply(&mut document, kind, patch, entry.kind())?;
    if validation != FieldValidation::Ignore {
        // What stands twice in the patch is once in what it makes.
        match kind {
            PatchType::Json => judge_json_patch(patch, &mut problems),
            _ => json::find_duplicates(patch, &mut problems),
        }
        .map_err(|e| ApiError::bad_request(e.to_string()))?;
    }
    let bytes = serde_json::to_vec(&document).map_err(ApiError::internal)?;
    let mut object = form::blank(entry.kind());
    let shown = if kind == PatchType::Strategic { patch } else { &bytes };
    json::decode(&bytes, &mut *object, &mut problems).map_err(|e| unfit(shown, &e.to_string()))?;
    let mut unknown = Vec::new();
    strategy.prune(&mut *object, &mut unknown).map_err(|why| unfit(shown, &why))?;
    unknown.iter().for_each(|path| problems.unknown(path));
    match (validation, problems.error()) {
        (FieldValidation::Strict, Some(error)) => return Err(unfit(shown, &error)),
        _ => *warnings = problems.warnings(),
    }
    Ok(object)
}

fn apply(document: &mut Value, kind: PatchType, patch: &[u8], of: &KindInfo) -> ApiResult<()> {
    if kind == PatchType::Json {
        return apply_json_patch(document, patch).map_err(refused);
    }
    let patch: Value = serde_json::from_slice(patch)
        .map_err(|e| ApiError::bad_request(format!("error decoding patch: {e}")))?;
    let applied = match kind {
        PatchType::Strategic => apply_strategic_merge_patch(document, patch, (of.schema)()),
        _ => apply_merge_patch(document, patch),
    };
    applied.map_err(refused)
}

fn refused(error: PatchError) -> ApiError {
    match error {
        PatchError::Malformed(why) => ApiError::bad_request(why),
        PatchError::TooLarge(why) => ApiError::too_large(format!("Request entity too large: {why}")),
        PatchError::Internal(why) => ApiError::new(500, "", why),
        PatchError::Unprocessable(why) => {
            // Upstream keeps the reason to itself.
            tracing::debug!(why, "a patch does not fit its object");
            ApiError::new(422, "Invalid", "the server rejected our request due to an error in our request")
        }
    }
}

/// 422: what the patch makes is no object of the kind.
fn unfit(patch: &[u8], why: &str) -> ApiError {
    let patch = String::from_utf8_lossy(patch);
    ApiError::invalid("", "", "", &[FieldError::invalid("patch", patch, why)])
}
