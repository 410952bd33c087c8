//! Which sandboxes and containers a request means: pure.

use std::collections::HashMap;

/// Whether labels hold every pair that is selected.
pub fn has_labels(labels: &HashMap<String, String>, selector: &HashMap<String, String>) -> bool {
    selector.iter().all(|(key, value)| labels.get(key) == Some(value))
}

/// Whether an id begins as asked for; nothing asked for is met by all.
pub fn has_id(id: &str, asked: &str) -> bool {
    id.starts_with(asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_and_ids() {
        let map = |pairs: &[(&str, &str)]| -> HashMap<String, String> {
            pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
        };
        let labels = map(&[("a", "1"), ("b", "2")]);
        for (selector, met) in [
            (map(&[]), true),
            (map(&[("a", "1")]), true),
            (map(&[("a", "1"), ("b", "2")]), true),
            (map(&[("a", "2")]), false),
            (map(&[("c", "")]), false),
        ] {
            assert_eq!(has_labels(&labels, &selector), met, "{selector:?}");
        }
        for (asked, met) in [("", true), ("0a", true), ("0a1", true), ("a", false), ("0a12", false)] {
            assert_eq!(has_id("0a1", asked), met, "{asked:?}");
        }
    }
}
