//! From protobuf to objects. Unknown tags are passed over, packed lists are taken too, and what a message
//! asks for in memory is bounded by its size.

use super::wire::{Fields, Value, fault};
use crate::json::reader::Reader;
use crate::{Budget, DecodeError};
use corten_api::{
    Edit, Field, IntOrString, List, Map, MicroTime, Optional, Raw, Reflect, Struct, Time, Type,
};
use jiff::Timestamp;
use std::mem::size_of_val;

/// How deep messages may nest.
const MAX_DEPTH: usize = 200;

/// One reading in progress.
pub(super) struct Decoder {
    depth: usize,
    budget: Budget,
}

/// Fills `to` from its message.
pub(super) fn decode(bytes: &[u8], to: &mut dyn Struct) -> Result<(), DecodeError> {
    Decoder { depth: 0, budget: Budget::for_input(bytes.len()) }.message(bytes, to)
}

impl Decoder {
    fn message(&mut self, bytes: &[u8], to: &mut dyn Struct) -> Result<(), DecodeError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(fault("proto: exceeded max depth".to_string()));
        }
        let fields = to.schema().fields;
        let mut input = Fields::new(bytes);
        let mut last = 0;
        while let Some((tag, value)) = input.next()? {
            let found = match fields.get(last).is_some_and(|f| f.tag == tag) {
                true => Some(last),
                false => fields.iter().position(|f| f.tag == tag),
            };
            let Some(number) = found else { continue };
            self.field(&fields[number], to.field_mut(number), value)?;
            // The same list's next item, or the next field.
            let list = matches!(fields[number].ty, Type::List(_) | Type::Map(_));
            last = if list { number } else { number + 1 };
        }
        self.depth -= 1;
        Ok(())
    }

    fn field(&mut self, field: &Field, to: &mut dyn Reflect, value: Value<'_>) -> Result<(), DecodeError> {
        match (to.edit(), field.ty) {
            (Edit::List(list), Type::List(of)) => self.list_item(list, of, value, field),
            (Edit::Map(map), Type::Map(of)) => self.entry(map, of, bytes(value, field)?, field),
            (Edit::Optional(to), Type::Time | Type::MicroTime) => moment(to, bytes(value, field)?),
            _ => self.value(to, field.ty, value, field),
        }
    }

    fn list_item(
        &mut self,
        list: &mut dyn List,
        of: &'static Type,
        value: Value<'_>,
        field: &Field,
    ) -> Result<(), DecodeError> {
        if let (Type::Int32 | Type::Int64, Value::Bytes(packed)) = (of, value) {
            let mut packed = Fields::new(packed);
            while let Some(number) = packed.packed()? {
                self.value(list.push(), of, Value::Varint(number), field)?;
            }
            return Ok(());
        }
        let item = list.push();
        self.budget.take(size_of_val(item))?;
        self.value(item, of, value, field)
    }

    fn entry(
        &mut self,
        map: &mut dyn Map,
        of: &'static Type,
        entry: &[u8],
        field: &Field,
    ) -> Result<(), DecodeError> {
        let (mut key, mut content) = (String::new(), None);
        let mut input = Fields::new(entry);
        while let Some((tag, value)) = input.next()? {
            match (tag, value) {
                (1, value) => key = text(bytes(value, field)?),
                (2, value) => content = Some(value),
                _ => {}
            }
        }
        map.remove(&key);
        let to = map.entry(key);
        self.budget.take(size_of_val(to))?;
        match (to.edit(), content) {
            (_, None) => Ok(()),
            (Edit::Optional(to), Some(value)) if matches!(of, Type::Time | Type::MicroTime) => {
                moment(to, bytes(value, field)?)
            }
            (_, Some(value)) => self.value(to, of, value, field),
        }
    }

    fn value(
        &mut self,
        to: &mut dyn Reflect,
        ty: &'static Type,
        value: Value<'_>,
        field: &Field,
    ) -> Result<(), DecodeError> {
        match to.edit() {
            Edit::Optional(to) => self.value(to.set(), ty, value, field)?,
            Edit::Bool(to) => *to = varint(value, field)? != 0,
            // What does not fit is cut, as generated code does.
            Edit::Int32(to) => *to = varint(value, field)? as i32,
            Edit::Int64(to) => *to = varint(value, field)?.cast_signed(),
            Edit::Float(to) => match value {
                Value::Fixed64(bits) => *to = f64::from_bits(bits),
                _ => return Err(wrong_wire(value, field)),
            },
            Edit::String(to) => *to = text(bytes(value, field)?),
            Edit::Bytes(to) => *to = bytes(value, field)?.to_vec(),
            Edit::Quantity(to) => {
                let text = text(nested(bytes(value, field)?, 1)?);
                *to = text.parse().map_err(|e| DecodeError::Value(format!("{e}")))?;
            }
            Edit::Time(to) => *to = instant(bytes(value, field)?)?.map(Time::new).unwrap_or_default(),
            Edit::MicroTime(to) => {
                *to = instant(bytes(value, field)?)?.map(MicroTime::new).unwrap_or_default();
            }
            Edit::IntOrString(to) => *to = int_or_string(bytes(value, field)?, field)?,
            Edit::Raw(to) => *to = raw(nested(bytes(value, field)?, 1)?, field)?,
            Edit::Struct(to) => self.message(bytes(value, field)?, to)?,
            // A list in a message of its own.
            Edit::List(list) => {
                let Some(of) = ty.element() else { return Err(wrong_wire(value, field)) };
                let mut input = Fields::new(bytes(value, field)?);
                while let Some((tag, value)) = input.next()? {
                    if tag == 1 {
                        self.list_item(list, of, value, field)?;
                    }
                }
            }
            Edit::Map(_) => return Err(wrong_wire(value, field)),
        }
        Ok(())
    }
}

/// A time; one without any field set is unset.
fn moment(to: &mut dyn Optional, message: &[u8]) -> Result<(), DecodeError> {
    let Some(instant) = instant(message)? else {
        to.unset();
        return Ok(());
    };
    match to.set().edit() {
        Edit::Time(t) => *t = Time::new(instant),
        Edit::MicroTime(t) => *t = MicroTime::new(instant),
        _ => {}
    }
    Ok(())
}

fn instant(message: &[u8]) -> Result<Option<Timestamp>, DecodeError> {
    let (mut seconds, mut nanos) = (0i64, 0i32);
    let mut input = Fields::new(message);
    while let Some((tag, value)) = input.next()? {
        match (tag, value) {
            (1, Value::Varint(v)) => seconds = v.cast_signed(),
            (2, Value::Varint(v)) => nanos = v as i32,
            _ => {}
        }
    }
    if seconds == 0 && nanos == 0 {
        return Ok(None);
    }
    let instant = Timestamp::new(seconds, nanos);
    instant.map(Some).map_err(|_| DecodeError::Value(format!("proto: time out of range: {seconds} s")))
}

fn int_or_string(message: &[u8], field: &Field) -> Result<IntOrString, DecodeError> {
    let (mut kind, mut int, mut string) = (0, 0, String::new());
    let mut input = Fields::new(message);
    while let Some((tag, value)) = input.next()? {
        match tag {
            1 => kind = varint(value, field)?,
            2 => int = varint(value, field)? as i32,
            3 => string = text(bytes(value, field)?),
            _ => {}
        }
    }
    Ok(if kind == 1 { IntOrString::String(string) } else { IntOrString::Int(int) })
}

/// Only JSON may be kept as text, for it is written into JSON as it is.
fn raw(bytes: &[u8], field: &Field) -> Result<Raw, DecodeError> {
    if bytes.is_empty() {
        return Ok(Raw::default());
    }
    let fault = |e: String| DecodeError::Value(format!("proto: field {} holds no JSON: {e}", go_name(field)));
    let text = std::str::from_utf8(bytes).map_err(|e| fault(e.to_string()))?;
    let mut reader = Reader::new(text);
    let value = reader.skip().map_err(|e| fault(e.to_string()))?;
    reader.end().map_err(|e| fault(e.to_string()))?;
    Ok(Raw(crate::json::compact(value)))
}

/// The bytes under `tag` of a message with one field.
fn nested(message: &[u8], tag: u32) -> Result<&[u8], DecodeError> {
    let mut found: &[u8] = b"";
    let mut input = Fields::new(message);
    while let Some((t, value)) = input.next()? {
        if let (true, Value::Bytes(bytes)) = (t == tag, value) {
            found = bytes;
        }
    }
    Ok(found)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn bytes<'a>(value: Value<'a>, field: &Field) -> Result<&'a [u8], DecodeError> {
    match value {
        Value::Bytes(bytes) => Ok(bytes),
        _ => Err(wrong_wire(value, field)),
    }
}

fn varint(value: Value<'_>, field: &Field) -> Result<u64, DecodeError> {
    match value {
        Value::Varint(v) => Ok(v),
        _ => Err(wrong_wire(value, field)),
    }
}

#[cold]
fn wrong_wire(value: Value<'_>, field: &Field) -> DecodeError {
    let wire = match value {
        Value::Varint(_) => 0,
        Value::Fixed64(_) => 1,
        Value::Bytes(_) => 2,
        Value::Other => 5,
    };
    fault(format!("proto: wrong wireType = {wire} for field {}", go_name(field)))
}

/// The field's name as Go's struct has it.
fn go_name(field: &Field) -> String {
    let mut letters = field.name.chars();
    letters.next().map(|c| c.to_ascii_uppercase()).into_iter().chain(letters).collect()
}
