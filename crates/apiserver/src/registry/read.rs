//! Reading: get, list, watch.

use std::sync::Arc;

use corten_api::KindInfo;
use corten_semantics::field::FieldError;
use corten_semantics::{ApiError, ApiResult};
use corten_store::Revision;

use super::computed::is_computed;
use super::place::Place;
use super::{GetOptions, List, ListOptions, Registry, RequestContext, Target, WatchOptions};
use crate::cache::{Entry, ListPlan, Match, Selection, Start, Watch, WatchEvent, WatchPlan};

impl Registry {
    /// Fails when reads do not see what is committed.
    pub async fn is_synced(&self) -> ApiResult<()> {
        self.cache.wait_until_fresh().await.map(drop)
    }

    /// Reads one object, or its `scale`.
    pub async fn get(&self, _ctx: &RequestContext, target: &Target, o: &GetOptions) -> ApiResult<Arc<Entry>> {
        if is_computed(target.kind) {
            return self.get_computed(target).await;
        }
        let place = self.place_of_object(target)?;
        match revision(&o.resource_version).map_err(bad_revision)? {
            None => drop(self.cache.wait_until_fresh().await?),
            Some(revision) => self.cache.wait_for(revision).await?,
        }
        let entry = place.resource.get(&place.key()).ok_or_else(|| place.not_found())?;
        let entry = self.shown(entry, place.kind).await?;
        match target.subresource {
            "scale" => Ok(Entry::made(Arc::new(self.readable_scale(&place, &*entry.object())?))),
            _ => Ok(entry),
        }
    }

    /// Lists a collection.
    pub async fn list(&self, _ctx: &RequestContext, target: &Target, o: &ListOptions) -> ApiResult<List> {
        if is_computed(target.kind) {
            return self.list_computed(target, o).await;
        }
        let place = self.place(target)?;
        let plan = self.list_plan(&place, o)?;
        let listed = self.cache.list(&place.resource, &plan).await?;
        Ok(List {
            kind: place.kind,
            items: self.all_shown(listed.items, place.kind).await?,
            revision: listed.revision,
            continue_: listed.continue_,
            remaining: listed.remaining,
        })
    }

    /// Watches a collection, or one object when the target has a name.
    pub async fn watch(&self, _ctx: &RequestContext, target: &Target, o: &WatchOptions) -> ApiResult<Watch> {
        let place = self.place(target)?;
        let selection = self.selection(&place, &o.label_selector, &o.field_selector)?;
        let start = watch_start(place.kind, o)?;
        let initial = o.send_initial_events == Some(true);
        let timeout = o.timeout.filter(|t| !t.is_zero()).unwrap_or_else(|| {
            let least = self.config.watch_time;
            least + least.mul_f64(corten_rt::random::unit())
        });
        let plan = WatchPlan {
            selection,
            start,
            mark_initial_end: initial && o.allow_bookmarks,
            bookmarks: o.allow_bookmarks,
            paced: o.paced,
            timeout,
        };
        let watch = self.cache.watch(&place.resource, plan).await?;
        if place.kind == place.stored {
            return Ok(watch);
        }
        let kind = place.kind;
        Ok(watch.with(move |event| converted(event, kind)))
    }

    fn list_plan(&self, place: &Place, o: &ListOptions) -> ApiResult<ListPlan> {
        let selection = self.selection(place, &o.label_selector, &o.field_selector)?;
        let at = list_match(o)?;
        Ok(ListPlan { selection, at, limit: o.limit, continue_: o.continue_.clone() })
    }

    fn selection(&self, place: &Place, labels: &str, fields: &str) -> ApiResult<Selection> {
        let selection = Selection::new(place.kind, place.strategy.clone(), place.prefix(), labels, fields)?;
        let translator = if place.kind.custom { self.custom.translator(place.kind) } else { None };
        let selection = selection.translated_by(translator);
        Ok(if place.name.is_empty() { selection } else { selection.only(place.key().to_string()) })
    }
}

fn converted(event: WatchEvent, kind: &'static KindInfo) -> WatchEvent {
    let convert = |e| crate::cache::convert::in_version(e, kind);
    match event {
        WatchEvent::Added(e) => WatchEvent::Added(convert(e)),
        WatchEvent::Modified(e) => WatchEvent::Modified(convert(e)),
        WatchEvent::Deleted(e) => WatchEvent::Deleted(convert(e)),
        other => other,
    }
}

/// Reads a `resourceVersion`; `None` when it is unset.
fn revision(text: &str) -> Result<Option<Revision>, FieldError> {
    if text.is_empty() {
        return Ok(None);
    }
    let bad = |_| {
        let detail = format!("strconv.ParseUint: parsing {text:?}: invalid syntax");
        FieldError::invalid("resourceVersion", text, detail)
    };
    text.parse().map(Some).map_err(bad)
}

/// 400 for the `resourceVersion` of a get or list.
fn bad_revision(error: FieldError) -> ApiError {
    ApiError::bad_request(format!("invalid resource version: {error}"))
}

fn invalid_options(field: &str, detail: &str) -> ApiError {
    let error = FieldError::forbidden(field, detail);
    ApiError::invalid("meta.k8s.io", "ListOptions", "", &[error])
}

/// Which state the options ask for (kubernetes.io, "Resource versions", the table for list).
fn list_match(o: &ListOptions) -> ApiResult<Match> {
    let wanted = revision(&o.resource_version).map_err(bad_revision)?;
    let field = "resourceVersionMatch";
    match (o.resource_version_match.as_str(), wanted) {
        ("" | "NotOlderThan" | "Exact", _) => {}
        (other, _) => {
            let error = FieldError::not_supported(field, other, &["Exact", "NotOlderThan", ""]);
            return Err(ApiError::invalid("meta.k8s.io", "ListOptions", "", &[error]));
        }
    }
    let has_match = !o.resource_version_match.is_empty();
    if has_match && wanted.is_none() {
        let detail = "resourceVersionMatch is forbidden unless resourceVersion is provided";
        return Err(invalid_options(field, detail));
    }
    if has_match && !o.continue_.is_empty() {
        return Err(invalid_options(field, "resourceVersionMatch is forbidden when continue is provided"));
    }
    if o.resource_version_match == "Exact" && wanted == Some(0) {
        let detail = "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"";
        return Err(invalid_options(field, detail));
    }
    if !o.continue_.is_empty() && wanted.is_some_and(|r| r != 0) {
        return Err(ApiError::bad_request("specifying resource version is not allowed when using continue"));
    }
    Ok(match (o.resource_version_match.as_str(), wanted) {
        (_, None) => Match::Latest,
        (_, Some(0)) => Match::Any,
        ("Exact", Some(r)) => Match::Exact(r),
        ("", Some(r)) if o.limit > 0 => Match::Exact(r),
        (_, Some(r)) => Match::NotOlderThan(r),
    })
}

fn watch_start(kind: &KindInfo, o: &WatchOptions) -> ApiResult<Start> {
    let wanted = revision(&o.resource_version)
        .map_err(|error| ApiError::invalid(kind.group, kind.plural, "", &[error]))?;
    let matches = o.resource_version_match.as_str();
    match o.send_initial_events {
        None if !matches.is_empty() => Err(invalid_options(
            "resourceVersionMatch",
            "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
        )),
        Some(_) if matches != "NotOlderThan" => Err(invalid_options(
            "resourceVersionMatch",
            "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
        )),
        Some(true) => Ok(wanted.map_or(Start::Latest, Start::Present)),
        Some(false) => Ok(wanted.filter(|r| *r != 0).map_or(Start::Now, Start::After)),
        None => Ok(match wanted {
            None => Start::Latest,
            Some(0) => Start::Present(0),
            Some(r) => Start::After(r),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::{Kind, core};

    #[test]
    fn list_options_choose_the_state() {
        let options = |rv: &str, matches: &str, limit, continue_: &str| ListOptions {
            resource_version: rv.into(),
            resource_version_match: matches.into(),
            limit,
            continue_: continue_.into(),
            ..ListOptions::default()
        };
        for (o, want) in [
            (options("", "", 0, ""), Ok(Match::Latest)),
            (options("0", "", 0, ""), Ok(Match::Any)),
            (options("0", "NotOlderThan", 0, ""), Ok(Match::Any)),
            (options("7", "", 0, ""), Ok(Match::NotOlderThan(7))),
            (options("7", "", 5, ""), Ok(Match::Exact(7))),
            (options("7", "NotOlderThan", 5, ""), Ok(Match::NotOlderThan(7))),
            (options("7", "Exact", 0, ""), Ok(Match::Exact(7))),
            (options("", "Exact", 0, ""), Err(422)),
            (options("0", "Exact", 0, ""), Err(422)),
            (options("7", "Nearly", 0, ""), Err(422)),
            (options("x", "", 0, ""), Err(400)),
            (options("7", "", 0, "token"), Err(400)),
            (options("7", "Exact", 0, "token"), Err(422)),
        ] {
            assert_eq!(list_match(&o).map_err(|e| e.code()), want, "{o:?}");
        }
    }

    #[test]
    fn watch_options_choose_the_start() {
        let options = |rv: &str, matches: &str, initial| WatchOptions {
            resource_version: rv.into(),
            resource_version_match: matches.into(),
            send_initial_events: initial,
            ..WatchOptions::default()
        };
        for (o, want) in [
            (options("", "", None), Ok(Start::Latest)),
            (options("0", "", None), Ok(Start::Present(0))),
            (options("7", "", None), Ok(Start::After(7))),
            (options("", "NotOlderThan", Some(true)), Ok(Start::Latest)),
            (options("7", "NotOlderThan", Some(true)), Ok(Start::Present(7))),
            (options("", "NotOlderThan", Some(false)), Ok(Start::Now)),
            (options("", "", Some(true)), Err(422)),
            (options("7", "NotOlderThan", None), Err(422)),
            (options("-1", "", None), Err(422)),
        ] {
            assert_eq!(watch_start(core::v1::Pod::INFO, &o).map_err(|e| e.code()), want, "{o:?}");
        }
    }
}
