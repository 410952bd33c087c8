//! What a schema does to values: pruning, defaults, validation.

mod defaults;
mod format;
mod lists;
mod number;
pub(crate) mod path;
mod pattern;
mod prune;
mod resources;
mod same;
mod validate;

pub use defaults::{drop_nulls, set_defaults};
pub use lists::check_lists;
pub use path::Path;
pub use pattern::{check_pattern, matches};
pub use prune::prune;
pub use resources::{check_default, check_resources, coerce_default, coerce_resources};
pub(crate) use same::{old_item, same};
pub use validate::{Old, validate};

/// A number as messages show it.
pub(crate) fn shown_number(number: &serde_json::Number) -> String {
    number::Num::of(number).shown()
}

/// Whether a float stands for an integer.
pub(crate) fn is_whole(value: f64) -> bool {
    number::is_whole(value)
}

/// Fields of every resource, which no schema needs to name.
pub(crate) const META_FIELDS: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// A float cut to an integer, as Go converts.
pub(crate) fn cut(value: f64) -> i64 {
    number::cut(value)
}

/// A part of a resource without what its schema does not know.
pub(crate) fn pruned(value: &serde_json::Value, schema: crate::schema::Ref<'_>) -> serde_json::Value {
    let mut value = value.clone();
    prune::value(&mut value, schema);
    value
}
