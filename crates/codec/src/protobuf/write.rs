//! From objects to protobuf, byte for byte as upstream's generated code: ascending tags, plain values always
//! written, lists never packed, maps in the order of their keys.

use super::wire::{FIXED64, VARINT, put_bytes, put_message, put_tag, put_varint};
use corten_api::{Field, IntOrString, Map, Struct, Type, View};
use jiff::Timestamp;

/// Appends the message of a struct.
pub(super) fn message(out: &mut Vec<u8>, value: &dyn Struct) {
    let fields = value.schema().fields;
    if fields.is_sorted_by_key(|f| f.tag) {
        for (number, f) in fields.iter().enumerate() {
            field(out, f, value.field(number).view());
        }
    } else {
        let mut order: Vec<usize> = (0..fields.len()).collect();
        order.sort_unstable_by_key(|number| fields[*number].tag);
        for number in order {
            field(out, &fields[number], value.field(number).view());
        }
    }
}

fn field(out: &mut Vec<u8>, field: &Field, view: View<'_>) {
    let tag = field.tag;
    if tag == 0 {
        return;
    }
    match view {
        // A plain time that is unset is an empty message.
        View::Null if field.nullable || field.name == "creationTimestamp" => put_bytes(out, tag, b""),
        View::Null => {}
        View::Bytes(b) if b.is_empty() && !field.optional => {}
        View::List(list) if matches!(field.ty, Type::Items(_)) => {
            if !list.is_empty() || field.optional {
                item(out, tag, field.ty, View::List(list));
            }
        }
        View::List(list) => {
            let of = field.ty.element().unwrap_or(field.ty);
            for at in 0..list.len() {
                if let Some(value) = list.item(at) {
                    item(out, tag, of, value.view());
                }
            }
        }
        View::Map(map) => entries(out, tag, field.ty, map),
        view => item(out, tag, field.ty, view),
    }
}

fn entries(out: &mut Vec<u8>, tag: u32, ty: &Type, map: &dyn Map) {
    let of = ty.element().unwrap_or(ty);
    for (key, value) in map.entries() {
        put_message(out, tag, |out| {
            put_bytes(out, 1, key.as_bytes());
            item(out, 2, of, value.view());
        });
    }
}

/// One value that is there.
fn item(out: &mut Vec<u8>, tag: u32, ty: &Type, view: View<'_>) {
    match view {
        View::Null => put_bytes(out, tag, b""),
        View::Bool(b) => varint(out, tag, u64::from(b)),
        View::Int(i) => varint(out, tag, i.cast_unsigned()),
        View::Float(f) => {
            put_tag(out, tag, FIXED64);
            out.extend_from_slice(&f.to_bits().to_le_bytes());
        }
        View::String(s) => put_bytes(out, tag, s.as_bytes()),
        View::Bytes(b) => put_bytes(out, tag, b),
        View::Quantity(q) => put_message(out, tag, |out| put_bytes(out, 1, q.to_string().as_bytes())),
        View::Time(t) => time(out, tag, t.0),
        View::MicroTime(t) => time(out, tag, t.0),
        View::IntOrString(value) => put_message(out, tag, |out| int_or_string(out, value)),
        View::Raw(raw) => put_message(out, tag, |out| {
            if !raw.is_empty() {
                put_bytes(out, 1, &raw.0);
            }
        }),
        View::Struct(s) => put_message(out, tag, |out| message(out, s)),
        View::List(list) => put_message(out, tag, |out| {
            let of = ty.element().unwrap_or(ty);
            for at in 0..list.len() {
                if let Some(value) = list.item(at) {
                    item(out, 1, of, value.view());
                }
            }
        }),
        // Upstream has no map within a list or map.
        View::Map(_) => {}
    }
}

fn varint(out: &mut Vec<u8>, tag: u32, value: u64) {
    put_tag(out, tag, VARINT);
    put_varint(out, value);
}

fn time(out: &mut Vec<u8>, tag: u32, t: Timestamp) {
    // Nanoseconds count forwards, also before 1970.
    let back = t.subsec_nanosecond() < 0;
    let seconds = t.as_second() - i64::from(back);
    let nanos = t.subsec_nanosecond() + if back { 1_000_000_000 } else { 0 };
    put_message(out, tag, |out| {
        varint(out, 1, seconds.cast_unsigned());
        varint(out, 2, i64::from(nanos).cast_unsigned());
    });
}

fn int_or_string(out: &mut Vec<u8>, value: &IntOrString) {
    let (kind, int, text) = match value {
        IntOrString::Int(i) => (0, *i, ""),
        IntOrString::String(s) => (1, 0, s.as_str()),
    };
    varint(out, 1, kind);
    varint(out, 2, i64::from(int).cast_unsigned());
    put_bytes(out, 3, text.as_bytes());
}
