//! Taints and the tolerations that bear them.

use corten_api::core::v1::{Taint, Toleration};

/// Whether `toleration` bears `taint` (core/v1 `ToleratesTaint`).
pub fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    if !toleration.effect.is_empty() && toleration.effect != taint.effect {
        return false;
    }
    if !toleration.key.is_empty() && toleration.key != taint.key {
        return false;
    }
    match toleration.operator.as_str() {
        "" | "Equal" => !toleration.key.is_empty() && toleration.value == taint.value,
        "Exists" => true,
        _ => false,
    }
}

/// Whether one of `tolerations` bears `taint`.
pub fn is_tolerated(taint: &Taint, tolerations: &[Toleration]) -> bool {
    tolerations.iter().any(|t| tolerates(t, taint))
}

/// The first taint of one of these effects that nothing bears.
pub fn untolerated<'a>(
    taints: &'a [Taint],
    tolerations: &[Toleration],
    effects: &[&str],
) -> Option<&'a Taint> {
    taints.iter().find(|t| effects.contains(&t.effect.as_str()) && !is_tolerated(t, tolerations))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tolerations_match_by_key_value_and_effect() {
        let taint =
            Taint { key: "k".into(), value: "v".into(), effect: "NoSchedule".into(), ..Taint::default() };
        for (key, operator, value, effect, want) in [
            ("k", "Equal", "v", "NoSchedule", true),
            ("k", "", "v", "", true),
            ("k", "Equal", "w", "", false),
            ("k", "Exists", "", "NoExecute", false),
            ("", "Exists", "", "", true),
            ("j", "Exists", "", "", false),
        ] {
            let t = Toleration {
                key: key.into(),
                operator: operator.into(),
                value: value.into(),
                effect: effect.into(),
                ..Toleration::default()
            };
            assert_eq!(tolerates(&t, &taint), want, "{key} {operator} {value} {effect}");
        }
    }
}
