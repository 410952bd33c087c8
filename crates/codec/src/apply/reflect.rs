//! The same comparison on built-in objects, by their tables: nothing is made but what differs. What Go would
//! leave out of JSON is absent here too.

use super::compare::{self, Comparison, Fate, pair};
use super::element::{Element, Name, same};
use super::types::{TypeRef, raw_is_merged};
use crate::json::{encode_value, left_out};
use crate::locate::locate;
use crate::openapi::markers;
use corten_api::{Field, Form, IntOrString, List, ListKind, Map, Reflect, Schema, Struct, Type, View};
use serde_json::Value;
use std::cmp::Ordering;

/// Fields of metadata that nobody owns.
pub(super) const UNOWNED: &[&str] = &[
    "clusterName",
    "creationTimestamp",
    "generation",
    "managedFields",
    "name",
    "namespace",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// Compares two objects of a kind. Fields that nobody owns are passed over.
pub fn compare_objects(old: &dyn Struct, new: &dyn Struct) -> Comparison {
    let mut out = Comparison::default();
    fields(Some(old), Some(new), Depth::Root, &mut out);
    out.settle();
    out
}

/// Where a struct stands in its object.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    Root,
    Metadata,
    Below,
}

/// Whether two objects of a kind are the same but for the owners of their fields.
pub fn same_objects(left: &dyn Struct, right: &dyn Struct) -> bool {
    left.schema().fields.iter().enumerate().all(|(number, field)| {
        let (l, r) = (left.field(number).view(), right.field(number).view());
        match (l, r) {
            (View::Struct(l), View::Struct(r)) if field.name == "metadata" => same_objects(l, r),
            _ => field.name == "managedFields" || same_view(&l, &r),
        }
    })
}

/// How a field's value is looked at.
#[derive(Clone, Copy)]
struct How {
    ty: &'static Type,
    atomic: bool,
    list: ListKind,
    keys: &'static [&'static str],
    /// JSON of any shape is merged key by key.
    merged: bool,
}

impl How {
    fn of_field(schema: &Schema, field: &'static Field) -> Self {
        let atomic = match (markers::map_type(schema, field), field.ty) {
            (Some(kind), _) => kind == "atomic",
            (None, Type::Struct(inner)) => markers::is_atomic(inner()),
            _ => false,
        };
        let merged = matches!(field.ty, Type::Raw) && raw_is_merged(schema);
        How { ty: field.ty, atomic, list: field.list, keys: field.keys, merged }
    }

    fn of_item(self) -> Self {
        let ty = self.ty.element().unwrap_or(&Type::Raw);
        let atomic = matches!(ty, Type::Struct(inner) if markers::is_atomic(inner()));
        How { ty, atomic, list: ListKind::Atomic, keys: &[], merged: false }
    }
}

fn structs(left: Option<&dyn Struct>, right: Option<&dyn Struct>) -> Comparison {
    let mut out = Comparison::default();
    fields(left, right, Depth::Below, &mut out);
    out.settle();
    out
}

fn fields(left: Option<&dyn Struct>, right: Option<&dyn Struct>, depth: Depth, out: &mut Comparison) {
    let Some(schema) = left.or(right).map(Struct::schema) else { return };
    for (number, field) in schema.fields.iter().enumerate() {
        let (l, r) = (left.map(|s| s.field(number).view()), right.map(|s| s.field(number).view()));
        if field.inline {
            fields(l.and_then(as_struct), r.and_then(as_struct), depth, out);
            continue;
        }
        let (l, r) = (l.filter(|v| !left_out(field, v)), r.filter(|v| !left_out(field, v)));
        if l.is_none() && r.is_none() || depth == Depth::Metadata && UNOWNED.contains(&field.name) {
            continue;
        }
        if depth == Depth::Root && field.name == "metadata" {
            let mut below = Comparison::default();
            fields(l.and_then(as_struct), r.and_then(as_struct), Depth::Metadata, &mut below);
            below.settle();
            out.push(Element::field(field.name), Fate::default(), below);
            continue;
        }
        let (fate, below) = views(l, r, How::of_field(schema, field));
        out.push(Element::field(field.name), fate, below);
    }
}

fn as_struct(view: View<'_>) -> Option<&dyn Struct> {
    match view {
        View::Struct(s) => Some(s),
        _ => None,
    }
}

/// A map with entries.
fn as_map(view: View<'_>) -> Option<&dyn Map> {
    match view {
        View::Map(map) if !map.is_empty() => Some(map),
        _ => None,
    }
}

/// A list with items.
fn as_list(view: View<'_>) -> Option<&dyn List> {
    match view {
        View::List(list) if !list.is_empty() => Some(list),
        _ => None,
    }
}

fn views(left: Option<View<'_>>, right: Option<View<'_>>, how: How) -> (Fate, Comparison) {
    let (has_left, has_right) = (left.is_some(), right.is_some());
    let branch = |below| (Fate::of_branch(has_left, has_right), below);
    match how.ty {
        Type::Struct(schema) if schema().form != Form::Object => return as_json(left, right),
        Type::Raw if how.merged => return as_json(left, right),
        Type::Struct(_) if !how.atomic => {
            let (l, r) = (left.and_then(as_struct), right.and_then(as_struct));
            if !(shows_nothing(l) && shows_nothing(r)) {
                return branch(structs(l, r));
            }
        }
        Type::Map(_) if !how.atomic => {
            let (l, r) = (left.and_then(as_map), right.and_then(as_map));
            if l.is_some() || r.is_some() {
                return branch(maps(l, r, how.of_item()));
            }
        }
        Type::List(_) | Type::Items(_) if how.list != ListKind::Atomic => {
            let (l, r) = (left.and_then(as_list), right.and_then(as_list));
            if l.is_some() || r.is_some() {
                return branch(lists(l, r, how));
            }
        }
        _ => {}
    }
    let is_same = || left.as_ref().zip(right.as_ref()).is_some_and(|(l, r)| same_view(l, r));
    (Fate::of_leaf(has_left, has_right, is_same), Comparison::default())
}

/// Whether JSON would show an empty object.
fn shows_nothing(value: Option<&dyn Struct>) -> bool {
    value.is_none_or(|value| {
        value.schema().fields.iter().enumerate().all(|(number, field)| {
            let view = value.field(number).view();
            match &view {
                View::Struct(inner) if field.inline => shows_nothing(Some(*inner)),
                _ => left_out(field, &view),
            }
        })
    })
}

fn maps(left: Option<&dyn Map>, right: Option<&dyn Map>, how: How) -> Comparison {
    let mut out = Comparison::default();
    let mut push = |key: &str, (fate, below): (Fate, Comparison)| {
        if fate != Fate::default() || below != Comparison::default() {
            out.push(Element::Field(Name::Owned(key.to_string())), fate, below);
        }
    };
    for (key, value) in left.iter().flat_map(|l| l.entries()) {
        let other = right.and_then(|r| r.value(key)).map(Reflect::view);
        push(key, views(Some(value.view()), other, how));
    }
    for (key, value) in right.iter().flat_map(|r| r.entries()) {
        if left.is_none_or(|l| l.value(key).is_none()) {
            push(key, views(None, Some(value.view()), how));
        }
    }
    out.settle();
    out
}

/// An item of one of two lists.
struct Named<'a> {
    name: Element,
    right: bool,
    item: &'a dyn Reflect,
}

fn lists(left: Option<&dyn List>, right: Option<&dyn List>, how: How) -> Comparison {
    let mut all: Vec<Named<'_>> = Vec::new();
    for (list, right) in [(left, false), (right, true)] {
        let Some(list) = list else { continue };
        let items = (0..list.len()).filter_map(|at| list.item(at));
        all.extend(items.filter_map(|item| Some(Named { name: name_of(item, how)?, right, item })));
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    let item = how.of_item();
    let mut out = Comparison::default();
    for group in all.chunk_by(|a, b| a.name.cmp(&b.name) == Ordering::Equal) {
        let l: Vec<&dyn Reflect> = group.iter().filter(|n| !n.right).map(|n| n.item).collect();
        let r: Vec<&dyn Reflect> = group.iter().filter(|n| n.right).map(|n| n.item).collect();
        let equal = || l.len() == r.len() && l.iter().zip(&r).all(|(l, r)| same_view(&l.view(), &r.view()));
        let (fate, below) = pair((l.len(), r.len()), equal, |l_at, r_at| {
            let (l, r) = (l.first().filter(|_| l_at), r.first().filter(|_| r_at));
            views(l.map(|l| l.view()), r.map(|r| r.view()), item)
        });
        if fate != Fate::default() || below != Comparison::default() {
            out.push(group[0].name.clone(), fate, below);
        }
    }
    out
}

/// The step that names an item; `None` for one without any key.
fn name_of(item: &dyn Reflect, how: How) -> Option<Element> {
    let view = item.view();
    if how.keys.is_empty() {
        return scalar(&view).map(Element::Value);
    }
    let View::Struct(of) = view else { return None };
    let mut keys: Vec<(Name, Value)> = Vec::with_capacity(how.keys.len());
    let schema = how.ty.element().and_then(Type::as_struct)?;
    for key in how.keys {
        let Some(place) = locate(schema.fields, key, 0) else { continue };
        let (last, inline) = place.route();
        let mut inmost = of;
        for step in inline {
            let View::Struct(inner) = inmost.field(*step).view() else { return None };
            inmost = inner;
        }
        let view = inmost.field(last).view();
        let value = match left_out(place.field, &view) {
            true => place.field.default.and_then(|text| serde_json::from_str(text).ok()),
            false => scalar(&view),
        };
        keys.extend(value.map(|v| (Name::Borrowed(*key), v)));
    }
    keys.sort_by(|a, b| a.0.cmp(&b.0));
    (!keys.is_empty()).then_some(Element::Key(keys))
}

fn scalar(view: &View<'_>) -> Option<Value> {
    match view {
        View::Null => Some(Value::Null),
        View::Bool(b) => Some((*b).into()),
        View::Int(i) => Some((*i).into()),
        View::Float(f) => Some((*f).into()),
        View::String(s) => Some((*s).into()),
        View::IntOrString(IntOrString::Int(i)) => Some((*i).into()),
        View::IntOrString(IntOrString::String(s)) => Some(s.as_str().into()),
        View::Struct(_) | View::List(_) | View::Map(_) => None,
        _ => Some(json(view)),
    }
}

fn json(view: &View<'_>) -> Value {
    let mut out = Vec::new();
    encode_value(&mut out, *view);
    serde_json::from_slice(&out).unwrap_or(Value::Null)
}

/// Compares what has no table of its own.
fn as_json(left: Option<View<'_>>, right: Option<View<'_>>) -> (Fate, Comparison) {
    if let (Some(View::Raw(l)), Some(View::Raw(r))) = (&left, &right)
        && l == r
    {
        return Default::default();
    }
    let (left, right) = (left.as_ref().map(json), right.as_ref().map(json));
    compare::fields(left.as_ref(), right.as_ref(), TypeRef::Deduced)
}

fn item_at(list: &dyn List, at: usize) -> View<'_> {
    list.item(at).map_or(View::Null, |item| item.view())
}

/// Whether two values are the same as a whole.
fn same_view(left: &View<'_>, right: &View<'_>) -> bool {
    match (left, right) {
        (View::Null, View::Null) => true,
        (View::Bool(a), View::Bool(b)) => a == b,
        (View::Int(a), View::Int(b)) => a == b,
        (View::Float(a), View::Float(b)) => a == b,
        (View::String(a), View::String(b)) => a == b,
        (View::Bytes(a), View::Bytes(b)) => a == b,
        (View::Time(a), View::Time(b)) => a == b,
        (View::MicroTime(a), View::MicroTime(b)) => a == b,
        (View::IntOrString(a), View::IntOrString(b)) => a == b,
        // `1` and `1000m` are the same amount, written otherwise.
        (View::Quantity(a), View::Quantity(b)) => a.to_string() == b.to_string(),
        (View::Raw(a), View::Raw(b)) => a == b || same(&json(left), &json(right)),
        (View::Struct(a), View::Struct(b)) => (0..a.schema().fields.len())
            .all(|number| same_view(&a.field(number).view(), &b.field(number).view())),
        (View::List(a), View::List(b)) => {
            a.len() == b.len() && (0..a.len()).all(|at| same_view(&item_at(*a, at), &item_at(*b, at)))
        }
        (View::Map(a), View::Map(b)) => {
            let same_value = |(key, value): (&str, &dyn Reflect)| {
                b.value(key).is_some_and(|other| same_view(&value.view(), &other.view()))
            };
            a.len() == b.len() && a.entries().all(same_value)
        }
        _ => false,
    }
}
