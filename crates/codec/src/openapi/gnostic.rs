//! Version 2 as protobuf: gnostic's `openapi.v2.Document` (`OpenAPIv2/OpenAPIv2.proto`), by tables of the
//! messages that our document has. JSON in, bytes out; what no table names is left out.

use crate::protobuf::wire::{FIXED64, VARINT, put_bytes, put_message, put_tag, put_varint};
use crate::yaml;
use serde_json::{Map, Value};

/// How a JSON value becomes a field's content.
enum Shape {
    Text,
    Flag,
    /// A whole number.
    Count,
    /// A number with a fraction.
    Number,
    /// Any value, as YAML.
    Any,
    /// A schema, or whether there may be what no schema names.
    SchemaOrFlag,
    /// One field for each item.
    Each(&'static Shape),
    Message(&'static Message),
    /// A message that has nothing but field `0`, with this content.
    Only(u32, &'static Shape),
    /// An object becomes a message whose field `0` repeats a pair of name and value.
    Named(u32, &'static Shape),
    /// A parameter, or a reference to one.
    ParameterItem,
    Parameter,
}

struct Message {
    /// The field of `x-...` keys.
    extensions: u32,
    /// JSON key, tag, content.
    fields: &'static [(&'static str, u32, Shape)],
}

use Shape::{Any, Count, Each, Flag, Named, Number, Only, Text};

/// The document as protobuf.
pub fn encode(document: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    if let Some(object) = document.as_object() {
        DOCUMENT.put(&mut out, object);
    }
    out
}

impl Message {
    fn put(&self, out: &mut Vec<u8>, object: &Map<String, Value>) {
        for (key, tag, shape) in self.fields {
            if let Some(value) = object.get(*key) {
                shape.put(out, *tag, value);
            }
        }
        for (key, value) in object.iter().filter(|(key, _)| key.starts_with("x-")) {
            put_message(out, self.extensions, |out| {
                put_bytes(out, 1, key.as_bytes());
                Any.put(out, 2, value);
            });
        }
    }
}

impl Shape {
    fn put(&self, out: &mut Vec<u8>, tag: u32, value: &Value) {
        match (self, value) {
            (Shape::Text, Value::String(text)) => put_bytes(out, tag, text.as_bytes()),
            (Shape::Flag, Value::Bool(true)) => {
                put_tag(out, tag, VARINT);
                put_varint(out, 1);
            }
            (Shape::Count, Value::Number(number)) => {
                if let Some(count) = number.as_i64().filter(|count| *count != 0) {
                    put_tag(out, tag, VARINT);
                    put_varint(out, count.cast_unsigned());
                }
            }
            (Shape::Number, Value::Number(number)) => {
                if let Some(number) = number.as_f64().filter(|number| *number != 0.0) {
                    put_tag(out, tag, FIXED64);
                    out.extend_from_slice(&number.to_le_bytes());
                }
            }
            (Shape::Any, value) => {
                put_message(out, tag, |out| put_bytes(out, 2, yaml::of_value(value).as_bytes()));
            }
            (Shape::SchemaOrFlag, Value::Bool(is_so)) => put_message(out, tag, |out| {
                put_tag(out, 2, VARINT);
                put_varint(out, u64::from(*is_so));
            }),
            (Shape::SchemaOrFlag, _) => {
                put_message(out, tag, |out| SCHEMA_SHAPE.put(out, 1, value));
            }
            (Shape::Each(shape), Value::Array(items)) => {
                items.iter().for_each(|item| shape.put(out, tag, item));
            }
            (Shape::Message(message), Value::Object(object)) => {
                put_message(out, tag, |out| message.put(out, object));
            }
            (Shape::Only(field, shape), _) => put_message(out, tag, |out| shape.put(out, *field, value)),
            (Shape::Named(field, shape), Value::Object(object)) => put_message(out, tag, |out| {
                for (name, value) in object {
                    put_message(out, *field, |out| {
                        put_bytes(out, 1, name.as_bytes());
                        shape.put(out, 2, value);
                    });
                }
            }),
            (Shape::ParameterItem, Value::Object(object)) => put_message(out, tag, |out| {
                if object.contains_key("$ref") {
                    Shape::Message(&REFERENCE).put(out, 2, value);
                } else {
                    Shape::Parameter.put(out, 1, value);
                }
            }),
            (Shape::Parameter, Value::Object(object)) => {
                put_message(out, tag, |out| match object.get("in").and_then(Value::as_str) {
                    Some("body") => Shape::Message(&BODY).put(out, 1, value),
                    Some("path") => put_message(out, 2, |out| Shape::Message(&IN_PATH).put(out, 4, value)),
                    _ => put_message(out, 2, |out| Shape::Message(&IN_QUERY).put(out, 3, value)),
                })
            }
            _ => {}
        }
    }
}

static TEXTS: Shape = Each(&Text);
static SCHEMA_SHAPE: Shape = Shape::Message(&SCHEMA);
static STRINGS: Shape = Only(1, &TEXTS);

static DOCUMENT: Message = Message {
    extensions: 16,
    fields: &[
        ("swagger", 1, Text),
        ("info", 2, Shape::Message(&INFO)),
        ("paths", 8, Named(2, &Shape::Message(&PATH_ITEM))),
        ("definitions", 9, Named(1, &SCHEMA_SHAPE)),
        ("parameters", 10, Named(1, &Shape::Parameter)),
        ("security", 12, Each(&Named(1, &STRINGS))),
        // Of the ways to be let in, ours is the second, an API key.
        ("securityDefinitions", 13, Named(1, &Only(2, &Shape::Message(&API_KEY)))),
    ],
};

static INFO: Message = Message { extensions: 7, fields: &[("title", 1, Text), ("version", 2, Text)] };

static API_KEY: Message = Message {
    extensions: 5,
    fields: &[("type", 1, Text), ("name", 2, Text), ("in", 3, Text), ("description", 4, Text)],
};

static PATH_ITEM: Message = Message {
    extensions: 10,
    fields: &[
        ("get", 2, Shape::Message(&OPERATION)),
        ("put", 3, Shape::Message(&OPERATION)),
        ("post", 4, Shape::Message(&OPERATION)),
        ("delete", 5, Shape::Message(&OPERATION)),
        ("options", 6, Shape::Message(&OPERATION)),
        ("head", 7, Shape::Message(&OPERATION)),
        ("patch", 8, Shape::Message(&OPERATION)),
        ("parameters", 9, Each(&Shape::ParameterItem)),
    ],
};

static OPERATION: Message = Message {
    extensions: 13,
    fields: &[
        ("tags", 1, Each(&Text)),
        ("description", 3, Text),
        ("operationId", 5, Text),
        ("produces", 6, Each(&Text)),
        ("consumes", 7, Each(&Text)),
        ("parameters", 8, Each(&Shape::ParameterItem)),
        ("responses", 9, Named(1, &Only(1, &Shape::Message(&RESPONSE)))),
        ("schemes", 10, Each(&Text)),
    ],
};

static RESPONSE: Message =
    Message { extensions: 5, fields: &[("description", 1, Text), ("schema", 2, Only(1, &SCHEMA_SHAPE))] };

static REFERENCE: Message = Message { extensions: 0, fields: &[("$ref", 1, Text)] };

static BODY: Message = Message {
    extensions: 6,
    fields: &[
        ("description", 1, Text),
        ("name", 2, Text),
        ("in", 3, Text),
        ("required", 4, Flag),
        ("schema", 5, Shape::Message(&SCHEMA)),
    ],
};

static IN_QUERY: Message = Message {
    extensions: 23,
    fields: &[
        ("required", 1, Flag),
        ("in", 2, Text),
        ("description", 3, Text),
        ("name", 4, Text),
        ("type", 6, Text),
        ("uniqueItems", 20, Flag),
    ],
};

static IN_PATH: Message = Message {
    extensions: 22,
    fields: &[
        ("required", 1, Flag),
        ("in", 2, Text),
        ("description", 3, Text),
        ("name", 4, Text),
        ("type", 5, Text),
        ("uniqueItems", 19, Flag),
    ],
};

static SCHEMA: Message = Message {
    extensions: 31,
    fields: &[
        ("$ref", 1, Text),
        ("format", 2, Text),
        ("title", 3, Text),
        ("description", 4, Text),
        ("default", 5, Any),
        ("multipleOf", 6, Number),
        ("maximum", 7, Number),
        ("exclusiveMaximum", 8, Flag),
        ("minimum", 9, Number),
        ("exclusiveMinimum", 10, Flag),
        ("maxLength", 11, Count),
        ("minLength", 12, Count),
        ("pattern", 13, Text),
        ("maxItems", 14, Count),
        ("minItems", 15, Count),
        ("uniqueItems", 16, Flag),
        ("maxProperties", 17, Count),
        ("minProperties", 18, Count),
        ("required", 19, Each(&Text)),
        ("enum", 20, Each(&Any)),
        ("additionalProperties", 21, Shape::SchemaOrFlag),
        ("type", 22, Only(1, &Text)),
        ("items", 23, Only(1, &SCHEMA_SHAPE)),
        ("allOf", 24, Each(&SCHEMA_SHAPE)),
        ("properties", 25, Named(1, &SCHEMA_SHAPE)),
        ("externalDocs", 29, Shape::Message(&EXTERNAL_DOCS)),
        ("example", 30, Any),
    ],
};

static EXTERNAL_DOCS: Message =
    Message { extensions: 3, fields: &[("description", 1, Text), ("url", 2, Text)] };
