//! From objects to JSON, in Go's order of fields and with Go's rules of what is left out.

use super::text::{write_float, write_string};
use super::time::{self, Layout};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use corten_api::{Field, Form, IntOrString, KindInfo, Map, Object, Struct, View};
use std::io::Write;

/// An object as JSON, with `kind` and `apiVersion` in front.
pub fn encode(object: &dyn Object) -> Vec<u8> {
    encode_struct(object.as_struct())
}

/// The same for any struct; `kind` and `apiVersion` are written if it has them.
pub fn encode_struct(value: &dyn Struct) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    Encoder { out: &mut out, keep_resource_version: true }.root(value);
    out
}

/// Appends any struct to `out`.
pub fn encode_into(out: &mut Vec<u8>, value: &dyn Struct) {
    Encoder { out, keep_resource_version: true }.root(value);
}

/// Appends a value that stands alone: a field of an object, say.
pub fn encode_value(out: &mut Vec<u8>, value: View<'_>) {
    Encoder { out, keep_resource_version: true }.value(value, false);
}

/// Appends `"kind":...,"apiVersion":...` of a kind.
pub(crate) fn write_type_meta(out: &mut Vec<u8>, info: &KindInfo) {
    out.extend_from_slice(b"\"kind\":\"");
    out.extend_from_slice(info.kind.as_bytes());
    out.extend_from_slice(b"\",\"apiVersion\":\"");
    if !info.group.is_empty() {
        out.extend_from_slice(info.group.as_bytes());
        out.push(b'/');
    }
    out.extend_from_slice(info.version.as_bytes());
    out.push(b'"');
}

pub(super) struct Encoder<'o> {
    pub out: &'o mut Vec<u8>,
    /// Whether `metadata.resourceVersion` of the root is written.
    pub keep_resource_version: bool,
}

impl Encoder<'_> {
    pub fn root(&mut self, value: &dyn Struct) {
        let schema = value.schema();
        if schema.form != Form::Object {
            return self.schema_or(schema.form, value);
        }
        self.out.push(b'{');
        let mut first = true;
        if let Some(info) = value.kind() {
            write_type_meta(self.out, info);
            first = false;
        }
        for (number, field) in schema.fields.iter().enumerate() {
            if !self.keep_resource_version && field.name == "metadata" {
                self.metadata(value.field(number).view(), &mut first);
            } else {
                self.field(field, value.field(number).view(), &mut first, schema.package);
            }
        }
        self.out.push(b'}');
    }

    /// The root's metadata without its resource version.
    fn metadata(&mut self, view: View<'_>, first: &mut bool) {
        let View::Struct(meta) = view else { return };
        self.key("metadata", first);
        self.out.push(b'{');
        let (schema, mut first) = (meta.schema(), true);
        for (number, field) in schema.fields.iter().enumerate() {
            if field.name != "resourceVersion" {
                self.field(field, meta.field(number).view(), &mut first, schema.package);
            }
        }
        self.out.push(b'}');
    }

    fn nested(&mut self, value: &dyn Struct) {
        let schema = value.schema();
        if schema.form != Form::Object {
            return self.schema_or(schema.form, value);
        }
        self.out.push(b'{');
        let mut first = true;
        // A kind inside another one (a volume claim template) names itself, as upstream's defaults make it.
        if let Some(info) = schema.kind.filter(|info| info.new.is_some()) {
            write_type_meta(self.out, info);
            first = false;
        }
        self.fields(value, &mut first);
        self.out.push(b'}');
    }

    fn fields(&mut self, value: &dyn Struct, first: &mut bool) {
        let schema = value.schema();
        for (number, field) in schema.fields.iter().enumerate() {
            self.field(field, value.field(number).view(), first, schema.package);
        }
    }

    fn field(&mut self, field: &Field, view: View<'_>, first: &mut bool, package: &str) {
        if field.inline {
            match view {
                View::Struct(inner) => self.fields(inner, first),
                View::Map(rest) => self.rest(rest, first),
                _ => {}
            }
            return;
        }
        if left_out(field, &view) {
            return;
        }
        self.key(field.name, first);
        // Discovery, tables and the like show an empty list; elsewhere Go's nil shows.
        self.value(view, package == "meta.v1");
    }

    /// The fields of an object that no table knows.
    fn rest(&mut self, map: &dyn Map, first: &mut bool) {
        for (key, value) in map.entries() {
            if !std::mem::take(first) {
                self.out.push(b',');
            }
            write_string(self.out, key);
            self.out.push(b':');
            self.value(value.view(), false);
        }
    }

    /// A field's name needs no escapes.
    fn key(&mut self, name: &str, first: &mut bool) {
        if !*first {
            self.out.push(b',');
        }
        *first = false;
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    fn value(&mut self, view: View<'_>, empty_list: bool) {
        match view {
            View::Null => self.null(),
            View::Bool(b) => self.out.extend_from_slice(if b { b"true" } else { b"false" }),
            View::Int(i) => self.int(i),
            View::Float(f) => write_float(self.out, f),
            View::String(s) => write_string(self.out, s),
            View::Bytes(b) => self.bytes(b),
            View::Quantity(q) => self.display(q),
            View::Time(t) => self.time(t.0, Layout::Seconds),
            View::MicroTime(t) => self.time(t.0, Layout::Micros),
            View::IntOrString(IntOrString::Int(i)) => self.int(i64::from(*i)),
            View::IntOrString(IntOrString::String(s)) => write_string(self.out, s),
            View::Raw(raw) if raw.is_empty() => self.null(),
            View::Raw(raw) => self.out.extend_from_slice(&raw.0),
            View::Struct(s) => self.nested(s),
            View::List(list) if list.is_empty() && !empty_list => self.null(),
            View::List(list) => {
                self.out.push(b'[');
                for at in 0..list.len() {
                    if at > 0 {
                        self.out.push(b',');
                    }
                    let item = list.item(at).map_or(View::Null, |item| item.view());
                    self.value(item, false);
                }
                self.out.push(b']');
            }
            View::Map(map) if map.is_empty() => self.null(),
            View::Map(map) => self.map(map),
        }
    }

    fn map(&mut self, map: &dyn Map) {
        self.out.push(b'{');
        for (at, (key, value)) in map.entries().enumerate() {
            if at > 0 {
                self.out.push(b',');
            }
            write_string(self.out, key);
            self.out.push(b':');
            self.value(value.view(), false);
        }
        self.out.push(b'}');
    }

    fn null(&mut self) {
        self.out.extend_from_slice(b"null");
    }

    fn int(&mut self, value: i64) {
        self.out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }

    /// A text without characters to escape.
    fn display(&mut self, value: &dyn std::fmt::Display) {
        // Writing to a vector cannot fail.
        let _ = write!(self.out, "\"{value}\"");
    }

    fn time(&mut self, value: jiff::Timestamp, layout: Layout) {
        self.out.push(b'"');
        time::write(self.out, value, layout);
        self.out.push(b'"');
    }

    fn bytes(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return self.out.extend_from_slice(b"\"\"");
        }
        self.out.push(b'"');
        self.out.extend_from_slice(STANDARD.encode(bytes).as_bytes());
        self.out.push(b'"');
    }

    /// The unions of apiextensions.
    fn schema_or(&mut self, form: Form, value: &dyn Struct) {
        let (schema, other) = if form == Form::SchemaOrBool { (1, 0) } else { (0, 1) };
        let (schema, other) = (value.field(schema).view(), value.field(other).view());
        match (form, other) {
            (Form::SchemaOrBool, other) if matches!(schema, View::Null) => self.value(other, false),
            (Form::SchemaOrList | Form::SchemaOrStrings, other @ View::List(_)) if !other.is_empty() => {
                self.value(other, false);
            }
            _ => self.value(schema, false),
        }
    }
}

/// Whether Go would not write the field.
pub(crate) fn left_out(field: &Field, view: &View<'_>) -> bool {
    match view {
        // A plain time is `null` when unset, as is a pointer without `omitempty`.
        View::Null => !(field.nullable || field.optional && field.required),
        // A struct to Go, which it never leaves out: `null`.
        View::Raw(_) => false,
        _ => field.name.is_empty() || (field.omit_empty && view.is_empty()),
    }
}
