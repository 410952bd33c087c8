//! Comparing and copying values of one type without knowing it.

use corten_api::{Edit, IntOrString, Object, Reflect, Struct, View};
use serde_json::Value;

/// Whether two values of one type are equal; an absent list or map equals an empty one.
pub(crate) fn equal(a: &dyn Reflect, b: &dyn Reflect) -> bool {
    match (a.view(), b.view()) {
        (View::Null, View::Null) => true,
        (View::Bool(a), View::Bool(b)) => a == b,
        (View::Int(a), View::Int(b)) => a == b,
        (View::Float(a), View::Float(b)) => a == b,
        (View::String(a), View::String(b)) => a == b,
        (View::Bytes(a), View::Bytes(b)) => a == b,
        (View::Quantity(a), View::Quantity(b)) => a == b,
        (View::Time(a), View::Time(b)) => a == b,
        (View::MicroTime(a), View::MicroTime(b)) => a == b,
        (View::IntOrString(a), View::IntOrString(b)) => a == b,
        (View::Raw(a), View::Raw(b)) => a == b || a.to_value() == b.to_value(),
        (View::Struct(a), View::Struct(b)) => {
            (0..a.schema().fields.len()).all(|n| equal(a.field(n), b.field(n)))
        }
        (View::List(a), View::List(b)) => {
            a.len() == b.len()
                && (0..a.len()).all(|i| match (a.item(i), b.item(i)) {
                    (Some(a), Some(b)) => equal(a, b),
                    _ => false,
                })
        }
        (View::Map(a), View::Map(b)) => {
            a.len() == b.len() && a.entries().all(|(k, v)| b.value(k).is_some_and(|other| equal(v, other)))
        }
        _ => false,
    }
}

/// Makes `to` equal to `from`, which is of the same type.
pub(crate) fn copy(to: &mut dyn Reflect, from: &dyn Reflect) {
    to.reset();
    match (to.edit(), from.view()) {
        (Edit::Optional(_), View::Null) => {}
        (Edit::Optional(to), _) => copy(to.set(), from),
        (Edit::Bool(to), View::Bool(v)) => *to = v,
        (Edit::Int32(to), View::Int(v)) => *to = i32::try_from(v).unwrap_or_default(),
        (Edit::Int64(to), View::Int(v)) => *to = v,
        (Edit::Float(to), View::Float(v)) => *to = v,
        (Edit::String(to), View::String(v)) => *to = v.to_string(),
        (Edit::Bytes(to), View::Bytes(v)) => *to = v.to_vec(),
        (Edit::Quantity(to), View::Quantity(v)) => *to = *v,
        (Edit::Time(to), View::Time(v)) => *to = *v,
        (Edit::MicroTime(to), View::MicroTime(v)) => *to = *v,
        (Edit::IntOrString(to), View::IntOrString(v)) => *to = v.clone(),
        (Edit::Raw(to), View::Raw(v)) => *to = v.clone(),
        (Edit::Struct(to), View::Struct(from)) => {
            for n in 0..from.schema().fields.len() {
                copy(to.field_mut(n), from.field(n));
            }
        }
        (Edit::List(to), View::List(from)) => {
            for item in (0..from.len()).filter_map(|i| from.item(i)) {
                copy(to.push(), item);
            }
        }
        (Edit::Map(to), View::Map(from)) => {
            for (key, value) in from.entries() {
                copy(to.entry(key.to_string()), value);
            }
        }
        _ => {}
    }
}

/// Clears the status of an object that has one.
pub(crate) fn clear_status(obj: &mut dyn Object) {
    let holder = obj.as_struct_mut();
    if let Some((n, _)) = holder.schema().find("status") {
        holder.field_mut(n).reset();
    }
}

/// Gives `new` the status of `old`.
pub(crate) fn keep_status(new: &mut dyn Object, old: &dyn Object) {
    if let Some((n, _)) = old.as_struct().schema().find("status") {
        copy(new.as_struct_mut().field_mut(n), old.as_struct().field(n));
    }
}

fn numbers_beside_status(holder: &dyn Struct) -> Vec<usize> {
    let fields = holder.schema().fields.iter().enumerate();
    fields.filter(|(_, f)| f.name != "metadata" && f.name != "status").map(|(n, _)| n).collect()
}

/// Gives `new` everything of `old` but metadata and status.
pub(crate) fn keep_all_but_status(new: &mut dyn Object, old: &dyn Object) {
    for n in numbers_beside_status(old.as_struct()) {
        copy(new.as_struct_mut().field_mut(n), old.as_struct().field(n));
    }
}

/// Whether anything but metadata and status differs.
pub(crate) fn specification_differs(new: &dyn Object, old: &dyn Object) -> bool {
    let (new, old) = (new.as_struct(), old.as_struct());
    numbers_beside_status(old).into_iter().any(|n| !equal(new.field(n), old.field(n)))
}

/// A value as JSON, for messages.
pub(crate) fn json(value: &dyn Reflect) -> Value {
    match value.view() {
        View::Null => Value::Null,
        View::Bool(v) => v.into(),
        View::Int(v) => v.into(),
        View::Float(v) => v.into(),
        View::String(v) => v.into(),
        View::Bytes(v) => format!("<{} bytes>", v.len()).into(),
        View::Quantity(v) => v.to_string().into(),
        View::Time(v) => v.to_string().into(),
        View::MicroTime(v) => v.to_string().into(),
        View::IntOrString(IntOrString::Int(v)) => (*v).into(),
        View::IntOrString(IntOrString::String(v)) => v.as_str().into(),
        View::Raw(v) => v.to_value().unwrap_or_default(),
        View::List(list) => (0..list.len()).filter_map(|i| list.item(i)).map(json).collect(),
        View::Map(map) => map.entries().map(|(k, v)| (k.to_string(), json(v))).collect(),
        View::Struct(holder) => {
            let mut out = serde_json::Map::new();
            for (n, field) in holder.schema().fields.iter().enumerate() {
                let value = holder.field(n);
                if field.inline {
                    out.extend(json(value).as_object().cloned().unwrap_or_default());
                } else if !value.view().is_empty() {
                    out.insert(field.name.to_string(), json(value));
                }
            }
            out.into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::core::v1::{Container, Pod};

    #[test]
    fn copies_are_equal_and_differences_are_seen() {
        let mut pod = Pod::default();
        pod.metadata.labels.insert("a".into(), "b".into());
        pod.spec.containers.push(Container { name: "main".into(), ..Container::default() });
        pod.spec.priority = Some(0);
        pod.status.phase = "Running".into();
        let mut other = Pod::default();
        copy(&mut other, &pod);
        assert_eq!(other, pod);
        assert!(equal(&other, &pod));
        other.spec.priority = None;
        assert!(specification_differs(&other, &pod));
        keep_all_but_status(&mut other, &pod);
        assert!(!specification_differs(&other, &pod));
        clear_status(&mut other);
        assert_eq!(other.status.phase, "");
        keep_status(&mut other, &pod);
        assert_eq!(other.status.phase, "Running");
    }
}
