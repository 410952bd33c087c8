//! LimitRanges.

use super::CORE;
use super::pod::defaults::amounts;
use crate::rules::Rules;
use crate::strategy::KindStrategy;
use corten_api::core::v1::LimitRange;

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
