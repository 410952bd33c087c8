//! From JSON to CBOR, in the deterministic order of RFC 8949, section 4.2.1.

use super::head::{self, Major, syntax};
use super::{BASE64, MARK};
use crate::DecodeError;
use crate::json::reader::{Reader, Token};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use corten_api::{Form, Schema, Type};

/// How deep JSON may nest that is written.
const MAX_DEPTH: usize = 400;

/// What a JSON value is: that tells bytes from texts, and floats from integers.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// Nobody knows: texts are texts, and numbers are what they look like.
    Any,
    Struct(&'static Schema),
    /// A list of objects of this struct.
    List(&'static Schema),
    /// A table whose rows may carry objects of this struct.
    Table(&'static Schema),
    /// The items of a list, or one of them.
    Items(&'static Schema),
    /// The rows of a table, or one of them.
    Rows(&'static Schema),
    /// The value of a field.
    Value(&'static Type),
}

impl Shape {
    /// A member of an object.
    fn member(self, key: &str) -> Shape {
        match self {
            Shape::List(of) if key == "items" => Shape::Items(of),
            Shape::Table(of) if key == "rows" => Shape::Rows(of),
            Shape::Rows(of) if key == "object" => Shape::Struct(of),
            Shape::Items(of) | Shape::Struct(of) => {
                let of = object_of(of);
                of.lookup(key).map_or(Shape::Any, |field| Shape::Value(field.ty))
            }
            Shape::Value(Type::Struct(schema)) => Shape::Struct(schema()).member(key),
            Shape::Value(Type::Map(of)) => Shape::Value(of),
            _ => Shape::Any,
        }
    }

    /// An item of an array.
    fn item(self) -> Shape {
        match self {
            Shape::Items(_) | Shape::Rows(_) => self,
            Shape::Value(Type::List(of) | Type::Items(of)) => Shape::Value(of),
            // One of the unions that may be a list.
            Shape::Value(Type::Struct(schema)) => Shape::Struct(schema()),
            _ => Shape::Any,
        }
    }
}

/// The struct whose fields an object has that may also be something else.
fn object_of(schema: &'static Schema) -> &'static Schema {
    if schema.form == Form::Object {
        return schema;
    }
    schema.fields.iter().find_map(|field| field.ty.as_struct()).unwrap_or(schema)
}

/// JSON as CBOR, marked as such.
///
/// # Errors
/// When it is no JSON, or nests deeper than is written.
pub fn from_json(json: &[u8], shape: Shape) -> Result<Vec<u8>, DecodeError> {
    let text = std::str::from_utf8(json).map_err(|e| syntax(e.to_string()))?;
    let mut reader = Reader::new(text);
    let mut out = Vec::with_capacity(json.len() + MARK.len());
    out.extend_from_slice(&MARK);
    value(&mut reader, shape, &mut out, 0)?;
    reader.end()?;
    Ok(out)
}

fn value(reader: &mut Reader<'_>, shape: Shape, out: &mut Vec<u8>, depth: usize) -> Result<(), DecodeError> {
    if depth > MAX_DEPTH {
        return Err(syntax("the object nests too deep for CBOR"));
    }
    match reader.peek()? {
        Token::Null => {
            reader.null()?;
            out.push(0xf6);
        }
        Token::Bool => out.push(if reader.bool()? { 0xf5 } else { 0xf4 }),
        Token::Number => number(reader.number()?, shape, out)?,
        Token::String => {
            let text = reader.string()?;
            let bytes = match shape {
                Shape::Value(Type::Bytes) => STANDARD.decode(text.as_bytes()).ok(),
                _ => None,
            };
            match bytes {
                Some(bytes) => {
                    head::write(out, Major::Tag, BASE64);
                    string(&bytes, out);
                }
                None => string(text.as_bytes(), out),
            }
        }
        Token::Array => array(reader, shape, out, depth)?,
        Token::Object => object(reader, shape, out, depth)?,
    }
    Ok(())
}

/// A text as bytes, whose encoding nobody needs to check.
pub(crate) fn string(bytes: &[u8], out: &mut Vec<u8>) {
    head::write(out, Major::Bytes, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn number(text: &str, shape: Shape, out: &mut Vec<u8>) -> Result<(), DecodeError> {
    let whole = match shape {
        Shape::Value(Type::Float64) => None,
        _ => text.parse::<i64>().ok(),
    };
    match whole {
        Some(whole) if whole < 0 => head::write(out, Major::Negative, !whole.cast_unsigned()),
        Some(whole) => head::write(out, Major::Positive, whole.cast_unsigned()),
        None => {
            let float = text.parse::<f64>().ok().filter(|float| float.is_finite());
            head::write_float(out, float.ok_or_else(|| syntax(format!("{text} is too large a number")))?);
        }
    }
    Ok(())
}

fn array(reader: &mut Reader<'_>, shape: Shape, out: &mut Vec<u8>, depth: usize) -> Result<(), DecodeError> {
    reader.open();
    let mut items = Vec::new();
    let (mut first, mut count) = (true, 0);
    while reader.item(&mut first)? {
        value(reader, shape.item(), &mut items, depth + 1)?;
        count += 1;
    }
    head::write(out, Major::Array, count);
    out.extend_from_slice(&items);
    Ok(())
}

fn object(reader: &mut Reader<'_>, shape: Shape, out: &mut Vec<u8>, depth: usize) -> Result<(), DecodeError> {
    reader.open();
    // All members, and where each key and its value end.
    let mut members = Vec::new();
    let mut places: Vec<(usize, usize, usize)> = Vec::new();
    let mut first = true;
    while let Some(key) = reader.key(&mut first)? {
        let start = members.len();
        string(key.as_bytes(), &mut members);
        let middle = members.len();
        value(reader, shape.member(&key), &mut members, depth + 1)?;
        places.push((start, middle, members.len()));
    }
    places.sort_by(|a, b| members[a.0..a.1].cmp(&members[b.0..b.1]));
    head::write(out, Major::Map, places.len() as u64);
    for (start, _, end) in places {
        out.extend_from_slice(&members[start..end]);
    }
    Ok(())
}
