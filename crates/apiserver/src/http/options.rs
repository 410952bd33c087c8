//! Options of calls from their query or body, held to upstream's rules (apimachinery
//! `meta/v1/validation` and `meta/internalversion/validation`).

use std::time::Duration;

use corten_api::meta::v1 as meta;
use corten_semantics::field::FieldError;
use corten_semantics::{ApiError, ApiResult};

use super::query::Query;
use crate::registry::{
    DeleteOptions, FieldValidation, GetOptions, ListOptions, PatchType, WatchOptions, WriteOptions,
};

/// The most bytes in the name of a field manager.
const MANAGER_BYTES: usize = 128;

/// 422 about the options themselves, when there are mistakes.
fn check(kind: &str, errors: Vec<FieldError>) -> ApiResult<()> {
    if errors.is_empty() { Ok(()) } else { Err(ApiError::invalid("meta.k8s.io", kind, "", &errors)) }
}

/// Options of get.
pub fn get(query: &Query) -> ApiResult<GetOptions> {
    if query.flag("export") {
        let message = "the export parameter, deprecated since v1.14, is no longer supported";
        return Err(ApiError::bad_request(message));
    }
    Ok(GetOptions { resource_version: query.text("resourceVersion") })
}

/// Options of create (`CreateOptions`) and update (`UpdateOptions`).
pub fn write(query: &Query, kind: &str) -> ApiResult<WriteOptions> {
    let mut errors = Vec::new();
    let options = common(query, &mut errors);
    check(kind, errors)?;
    Ok(options)
}

/// Options of patch.
pub fn patch(query: &Query, patch: PatchType) -> ApiResult<WriteOptions> {
    let mut errors = Vec::new();
    match (patch, query.get("fieldManager").unwrap_or_default(), query.flag_if_set("force")) {
        (PatchType::Apply, "", _) => {
            errors.push(FieldError::required("fieldManager", "is required for apply patch"));
        }
        (PatchType::Apply, ..) | (_, _, None) => {}
        (_, _, Some(_)) => {
            errors.push(FieldError::forbidden("force", "may not be specified for non-apply patch"));
        }
    }
    let mut options = common(query, &mut errors);
    options.force = query.flag("force");
    check("PatchOptions", errors)?;
    Ok(options)
}

fn common(query: &Query, errors: &mut Vec<FieldError>) -> WriteOptions {
    let field_manager = query.text("fieldManager");
    if field_manager.len() > MANAGER_BYTES {
        errors.push(FieldError::too_long("fieldManager", MANAGER_BYTES));
    }
    if let Some((at, c)) = field_manager.char_indices().find(|(_, c)| c.is_control()) {
        let detail = format!("invalid character U+{:04X} (at position {at})", u32::from(c));
        errors.push(FieldError::invalid("fieldManager", &field_manager, detail));
    }
    let dry_run = dry_run(&query.all("dryRun").collect::<Vec<_>>(), errors);
    let field_validation = match query.get("fieldValidation").unwrap_or_default() {
        "" | "Warn" => FieldValidation::Warn,
        "Ignore" => FieldValidation::Ignore,
        "Strict" => FieldValidation::Strict,
        other => {
            let known = ["", "Ignore", "Strict", "Warn"];
            errors.push(FieldError::not_supported("fieldValidation", other, &known));
            FieldValidation::Warn
        }
    };
    WriteOptions { dry_run, field_manager, field_validation, force: false }
}

fn dry_run(values: &[&str], errors: &mut Vec<FieldError>) -> bool {
    if values.iter().any(|v| *v != "All") {
        let list: Vec<String> = values.iter().map(|v| format!("{v:?}")).collect();
        errors.push(FieldError::not_supported("dryRun", JsonText(format!("[{}]", list.join(","))), &["All"]));
    }
    !values.is_empty()
}

/// A value shown as it stands, as upstream shows lists.
struct JsonText(String);

impl std::fmt::Debug for JsonText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Options of list and deletecollection.
pub fn list(query: &Query) -> ApiResult<ListOptions> {
    let limit = query.integer("limit")?.unwrap_or(0);
    query.integer("timeoutSeconds")?;
    let options = ListOptions {
        label_selector: query.text("labelSelector"),
        field_selector: query.text("fieldSelector"),
        limit: usize::try_from(limit).unwrap_or(0),
        continue_: query.text("continue"),
        resource_version: query.text("resourceVersion"),
        resource_version_match: query.text("resourceVersionMatch"),
    };
    let mut errors = Vec::new();
    let forbidden = |why| FieldError::forbidden("resourceVersionMatch", why);
    let matching = options.resource_version_match.as_str();
    if !matching.is_empty() {
        if options.resource_version.is_empty() {
            errors.push(forbidden("resourceVersionMatch is forbidden unless resourceVersion is provided"));
        }
        if !options.continue_.is_empty() {
            errors.push(forbidden("resourceVersionMatch is forbidden when continue is provided"));
        }
        if !matches!(matching, "Exact" | "NotOlderThan") {
            let known = ["Exact", "NotOlderThan", ""];
            errors.push(FieldError::not_supported("resourceVersionMatch", matching, &known));
        }
        if matching == "Exact" && options.resource_version == "0" {
            let why = "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"";
            errors.push(forbidden(why));
        }
    }
    if query.get("sendInitialEvents").is_some() {
        let why = "sendInitialEvents is forbidden for list";
        errors.push(FieldError::forbidden("sendInitialEvents", why));
    }
    check("ListOptions", errors)?;
    Ok(options)
}

/// Options of watch.
pub fn watch(query: &Query) -> ApiResult<WatchOptions> {
    query.integer("limit")?;
    let seconds = query.integer("timeoutSeconds")?.unwrap_or(0);
    let options = WatchOptions {
        label_selector: query.text("labelSelector"),
        field_selector: query.text("fieldSelector"),
        resource_version: query.text("resourceVersion"),
        resource_version_match: query.text("resourceVersionMatch"),
        send_initial_events: query.flag_if_set("sendInitialEvents"),
        allow_bookmarks: query.flag("allowWatchBookmarks"),
        paced: true,
        timeout: u64::try_from(seconds).ok().filter(|s| *s > 0).map(Duration::from_secs),
    };
    let mut errors = Vec::new();
    let forbidden = |why| FieldError::forbidden("resourceVersionMatch", why);
    let matching = options.resource_version_match.as_str();
    if options.send_initial_events.is_some() && matching != "NotOlderThan" {
        errors.push(forbidden("sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"));
    }
    if !matching.is_empty() {
        if options.send_initial_events.is_none() {
            let why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
            errors.push(forbidden(why));
        }
        if matching != "NotOlderThan" {
            errors.push(FieldError::not_supported("resourceVersionMatch", matching, &["NotOlderThan"]));
        }
        if query.get("continue").is_some_and(|c| !c.is_empty()) {
            errors.push(forbidden("resourceVersionMatch is forbidden when continue is provided"));
        }
    }
    check("ListOptions", errors)?;
    Ok(options)
}

/// Options of delete from a body.
pub fn delete_body(body: meta::DeleteOptions) -> ApiResult<DeleteOptions> {
    let mut errors = Vec::new();
    let values: Vec<&str> = body.dry_run.iter().map(String::as_str).collect();
    let policy = body.propagation_policy.clone();
    if let Some(policy) = &policy {
        if body.orphan_dependents.is_some() {
            let why = "orphanDependents and deletionPropagation cannot be both set";
            errors.push(FieldError::invalid("propagationPolicy", policy, why));
        }
        if !matches!(policy.as_str(), "Foreground" | "Background" | "Orphan") {
            let known = ["Foreground", "Background", "Orphan", "nil"];
            errors.push(FieldError::not_supported("propagationPolicy", policy, &known));
        }
    }
    let dry_run = dry_run(&values, &mut errors);
    check("DeleteOptions", errors)?;
    Ok(DeleteOptions {
        dry_run,
        grace_period_seconds: body.grace_period_seconds,
        preconditions: body.preconditions.map(|p| *p),
        propagation_policy: policy,
        orphan_dependents: body.orphan_dependents,
    })
}

/// Options of delete from the query, for requests without a body.
pub fn delete_query(query: &Query) -> ApiResult<DeleteOptions> {
    delete_body(meta::DeleteOptions {
        dry_run: query.all("dryRun").map(str::to_string).collect(),
        grace_period_seconds: query.integer("gracePeriodSeconds")?,
        orphan_dependents: query.flag_if_set("orphanDependents"),
        propagation_policy: query.get("propagationPolicy").map(str::to_string),
        ..meta::DeleteOptions::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_told_in_upstreams_words() {
        let write = |q: &Query| write(q, "CreateOptions").map(|_| ());
        let merge = |q: &Query| patch(q, PatchType::Merge).map(|_| ());
        let list = |q: &Query| list(q).map(|_| ());
        let watch = |q: &Query| watch(q).map(|_| ());
        let delete = |q: &Query| delete_query(q).map(|_| ());
        type Read<'a> = &'a dyn Fn(&Query) -> ApiResult<()>;
        let cases: &[(Read<'_>, &str, &str)] = &[
            (&write, "dryRun=All&fieldValidation=Strict&fieldManager=me", ""),
            (
                &write,
                "dryRun=Some",
                "CreateOptions.meta.k8s.io \"\" is invalid: dryRun: Unsupported value: [\"Some\"]: supported values: \"All\"",
            ),
            (
                &write,
                "fieldValidation=Lax",
                "CreateOptions.meta.k8s.io \"\" is invalid: fieldValidation: Unsupported value: \"Lax\": supported values: \"\", \"Ignore\", \"Strict\", \"Warn\"",
            ),
            (
                &merge,
                "force=true",
                "PatchOptions.meta.k8s.io \"\" is invalid: force: Forbidden: may not be specified for non-apply patch",
            ),
            (&list, "limit=x", "strconv.ParseInt: parsing \"x\": invalid syntax"),
            (&list, "resourceVersion=5&resourceVersionMatch=Exact", ""),
            (
                &list,
                "resourceVersionMatch=Exact",
                "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided",
            ),
            (
                &list,
                "sendInitialEvents=true",
                "ListOptions.meta.k8s.io \"\" is invalid: sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list",
            ),
            (&watch, "sendInitialEvents=true&resourceVersionMatch=NotOlderThan", ""),
            (
                &watch,
                "sendInitialEvents=true",
                "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
            ),
            (&delete, "propagationPolicy=Orphan&gracePeriodSeconds=0", ""),
            (
                &delete,
                "propagationPolicy=Some",
                "DeleteOptions.meta.k8s.io \"\" is invalid: propagationPolicy: Unsupported value: \"Some\": supported values: \"Foreground\", \"Background\", \"Orphan\", \"nil\"",
            ),
        ];
        for (read, query, want) in cases {
            let got = read(&Query::parse(query)).err().map(|e| e.to_string()).unwrap_or_default();
            assert_eq!(&got, want, "{query}");
        }
    }
}
