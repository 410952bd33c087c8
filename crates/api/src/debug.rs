//! What `{:?}` prints of API values: one walk over the tables instead of code for every struct. What is unset is
//! left out.

use crate::Object;
use crate::reflect::{Reflect, Struct, View};
use std::fmt::{Debug, Formatter, Result};

/// The name and the fields that are set; for `derive(Api)`.
pub fn fmt_struct(value: &dyn Struct, f: &mut Formatter<'_>) -> Result {
    let schema = value.schema();
    let mut out = f.debug_struct(schema.name);
    for (number, field) in schema.fields.iter().enumerate() {
        let view = value.field(number).view();
        if !is_unset(&view) {
            out.field(if field.inline { "inline" } else { field.name }, &view);
        }
    }
    out.finish()
}

/// A `Some(false)` is worth printing, an empty list is not.
fn is_unset(view: &View<'_>) -> bool {
    match view {
        View::Null => true,
        View::List(list) => list.is_empty(),
        View::Map(map) => map.is_empty(),
        _ => false,
    }
}

impl Debug for dyn Reflect {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        self.view().fmt(f)
    }
}

impl Debug for dyn Object {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        fmt_struct(self.as_struct(), f)
    }
}

impl Debug for View<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            View::Null => f.write_str("None"),
            View::Bool(v) => v.fmt(f),
            View::Int(v) => v.fmt(f),
            View::Float(v) => v.fmt(f),
            View::String(v) => v.fmt(f),
            View::Bytes(v) => v.fmt(f),
            View::Quantity(v) => v.fmt(f),
            View::Time(v) => v.fmt(f),
            View::MicroTime(v) => v.fmt(f),
            View::IntOrString(v) => v.fmt(f),
            View::Raw(v) => v.fmt(f),
            View::Struct(v) => fmt_struct(*v, f),
            View::List(v) => f.debug_list().entries((0..v.len()).filter_map(|at| v.item(at))).finish(),
            View::Map(v) => f.debug_map().entries(v.entries()).finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::core::v1::{Container, Pod};

    #[test]
    fn what_is_set_is_printed() {
        let mut pod = Pod::default();
        pod.metadata.name = "web".into();
        pod.metadata.labels.insert("app".into(), "web".into());
        let container = Container { stdin: true, image: "nginx".into(), ..Default::default() };
        pod.spec.containers.push(container);
        let text = format!("{pod:?}");
        for part in
            ["Pod {", "name: \"web\"", "{\"app\": \"web\"}", "containers: [Container {", "stdin: true"]
        {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        assert!(!text.contains("initContainers"), "{text}");
    }
}
