//! What tolerations cover: shared by the checks that add or restrict them.

use corten_api::core::v1::Toleration;
use serde_json::Value;

/// Both lists as one, without those that another covers.
pub(crate) fn merge(first: &[Toleration], second: &[Toleration]) -> Vec<Toleration> {
    let all: Vec<&Toleration> = first.iter().chain(second).collect();
    let mut merged: Vec<Toleration> = Vec::new();
    for (i, toleration) in all.iter().enumerate() {
        let before = merged.iter().any(|m| covers(m, toleration));
        let after = all[i + 1..].iter().any(|later| later != toleration && covers(later, toleration));
        if !before && !after {
            merged.push((*toleration).clone());
        }
    }
    merged
}

/// Whether all that `inner` tolerates `outer` tolerates too.
pub(crate) fn covers(outer: &Toleration, inner: &Toleration) -> bool {
    if outer == inner {
        return true;
    }
    let key = inner.key == outer.key || (outer.key.is_empty() && outer.operator == "Exists");
    let effect = inner.effect == outer.effect || outer.effect.is_empty();
    let time = match outer.toleration_seconds.filter(|_| outer.effect == "NoExecute") {
        Some(most) => inner.toleration_seconds.is_some_and(|seconds| seconds <= most),
        None => true,
    };
    let value = match outer.operator.as_str() {
        "" | "Equal" => inner.operator == "Equal" && inner.value == outer.value,
        "Exists" => true,
        _ => false,
    };
    key && effect && time && value
}

/// From JSON: a list of objects.
pub(crate) fn parse(list: &Value) -> Option<Vec<Toleration>> {
    let text = |value: &Value, key: &str| match value.get(key) {
        None | Some(Value::Null) => Some(String::new()),
        Some(value) => value.as_str().map(str::to_string),
    };
    let one = |value: &Value| {
        Some(Toleration {
            key: text(value, "key")?,
            operator: text(value, "operator")?,
            value: text(value, "value")?,
            effect: text(value, "effect")?,
            toleration_seconds: value.get("tolerationSeconds").and_then(Value::as_i64),
        })
    };
    match list {
        Value::Null => Some(Vec::new()),
        list => list.as_array()?.iter().map(one).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_another_covers_goes() {
        let list = |value: Value| parse(&value).expect("tolerations");
        let all = list(json!([{"operator": "Exists"}]));
        let one = list(json!([{"key": "a", "operator": "Equal", "value": "1", "effect": "NoSchedule"}]));
        assert_eq!(merge(&one, &all), all);
        assert_eq!(merge(&one, &one), one);
        let other =
            list(json!([{"key": "b", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}]));
        assert_eq!(merge(&one, &other).len(), 2);
        let longer =
            list(json!([{"key": "b", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 9}]));
        assert!(covers(&longer[0], &other[0]) && !covers(&other[0], &longer[0]));
        assert_eq!(parse(&json!([{"key": 1}])), None);
    }
}
