//! LimitRanges.

use super::CORE;
use super::pod::defaults::amounts;
use super::pod::resources;
use crate::errors::Errors;
use crate::names;
use crate::rules::Rules;
use crate::strategy::KindStrategy;
use corten_api::Quantity;
use corten_api::core::v1::{LimitRange, LimitRangeItem};
use corten_semantics::field::FieldError;
use std::collections::{BTreeMap, BTreeSet};

/// LimitRanges.
pub struct LimitRangeStrategy;

impl KindStrategy for LimitRangeStrategy {
    type Kind = LimitRange;
    const RULES: Rules = Rules { create_on_update: true, ..CORE };

    fn default(&self, range: &mut LimitRange) {
        for item in &mut range.spec.limits {
            if item.type_ == "Container" {
                for (name, most) in &item.max {
                    item.default_.entry(name.clone()).or_insert(*most);
                }
                for (name, limit) in item.default_.iter().chain(&item.min) {
                    item.default_request.entry(name.clone()).or_insert(*limit);
                }
            }
            for list in [
                &mut item.max,
                &mut item.min,
                &mut item.default_,
                &mut item.default_request,
                &mut item.max_limit_request_ratio,
            ] {
                amounts(list);
            }
        }
    }

    fn validate(&self, range: &LimitRange) -> Vec<FieldError> {
        let mut errors = Errors::default();
        for (i, item) in range.spec.limits.iter().enumerate() {
            let path = format!("spec.limits[{i}]");
            let type_ = format!("{path}.type");
            errors.format(&type_, &item.type_, names::qualified_name);
            let known = ["Pod", "Container", "PersistentVolumeClaim"].contains(&item.type_.as_str());
            if !item.type_.contains('/') && !item.type_.is_empty() && !known {
                errors.invalid(&type_, &item.type_, "must be a standard limit type or fully qualified");
            }
            if range.spec.limits[..i].iter().any(|other| other.type_ == item.type_) {
                errors.duplicate(type_, &item.type_);
            }
            validate_item(&mut errors, item, &path);
        }
        errors.into_vec()
    }
}

fn validate_item(errors: &mut Errors, item: &LimitRangeItem, path: &str) {
    let lists: [(&str, &BTreeMap<String, Quantity>); 5] = [
        ("max", &item.max),
        ("min", &item.min),
        ("default", &item.default_),
        ("defaultRequest", &item.default_request),
        ("maxLimitRequestRatio", &item.max_limit_request_ratio),
    ];
    for (list, amounts) in lists {
        if item.type_ == "Pod" && list.starts_with("default") {
            if !amounts.is_empty() {
                errors.forbidden(format!("{path}.{list}"), "may not be specified when `type` is 'Pod'");
            }
            continue;
        }
        for name in amounts.keys() {
            let at = format!("{path}.{list}[{name}]");
            if item.type_ == "Pod" || item.type_ == "Container" {
                resources::container_resource(errors, &at, name);
            } else {
                resources::standard_resource(errors, &at, name);
            }
        }
    }
    let has_storage = item.max.contains_key("storage") || item.min.contains_key("storage");
    if item.type_ == "PersistentVolumeClaim" && !has_storage {
        let detail = "either minimum or maximum storage value is required, but neither was provided";
        errors.required(format!("{path}.limits"), detail);
    }
    let names: BTreeSet<&String> = lists.iter().flat_map(|(_, amounts)| amounts.keys()).collect();
    for name in names {
        let (least, most) = (item.min.get(name), item.max.get(name));
        let (limit, request) = (item.default_.get(name), item.default_request.get(name));
        // The value told is not always the field's own.
        for (field, low, high, low_name, high_name, told) in [
            ("min", least, most, "min", "max", least),
            ("defaultRequest", least, request, "min", "default request", request),
            ("defaultRequest", request, most, "default request", "max", request),
            ("defaultRequest", request, limit, "default request", "default limit", request),
            ("default", least, limit, "min", "default", least),
            ("default", limit, most, "default", "max", most),
        ] {
            if let (Some(low), Some(high)) = (low, high)
                && low > high
            {
                let detail = format!("{low_name} value {low} is greater than {high_name} value {high}");
                let told = told.unwrap_or(low).to_string();
                errors.invalid(format!("{path}.{field}[{name}]"), told, detail);
            }
        }
        if let Some(ratio) = item.max_limit_request_ratio.get(name).filter(|r| **r < Quantity::whole(1)) {
            let at = format!("{path}.maxLimitRequestRatio[{name}]");
            errors.invalid(at, ratio.to_string(), format!("ratio {ratio} is less than 1"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::Quantity;
    use corten_api::core::v1::LimitRangeItem;

    #[test]
    fn defaults_come_from_the_bounds() {
        let mut range = LimitRange::default();
        let mut item = LimitRangeItem { type_: "Container".into(), ..Default::default() };
        item.max.insert("cpu".into(), Quantity::whole(2));
        item.min.insert("memory".into(), Quantity::bytes(1024));
        range.spec.limits.push(item);
        KindStrategy::default(&LimitRangeStrategy, &mut range);
        let item = &range.spec.limits[0];
        assert_eq!(
            (item.default_["cpu"], item.default_request["cpu"]),
            (Quantity::whole(2), Quantity::whole(2))
        );
        assert_eq!(item.default_request["memory"], Quantity::bytes(1024));
    }
}
