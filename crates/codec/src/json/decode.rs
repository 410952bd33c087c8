//! From JSON to objects: one walk over the text and the schema together.

use super::path::{Path, Step};
use super::reader::{Reader, Token, too_deep};
use super::time::Layout;
use crate::locate::{Place, locate};
use crate::{Budget, DecodeError, Problems};
use corten_api::{Edit, Form, List, Map, MicroTime, Object, Reflect, Struct, Time, Type};
use std::borrow::Cow;
use std::collections::HashSet;

/// How deep typed values may nest. Only schemas of custom resources contain themselves; they stay far below.
const MAX_TYPED_DEPTH: usize = 200;

/// Fills `object` from JSON. Unknown and duplicate fields go to `problems`; `apiVersion` and `kind` are passed
/// over, see [`type_meta`](super::type_meta). Errors carry upstream's text.
pub fn decode(bytes: &[u8], object: &mut dyn Object, problems: &mut Problems) -> Result<(), DecodeError> {
    decode_struct(bytes, object.as_struct_mut(), problems)
}

/// The same for any struct: a body without object metadata, or a part of an object.
pub fn decode_struct(bytes: &[u8], to: &mut dyn Struct, problems: &mut Problems) -> Result<(), DecodeError> {
    // Go reads what is not UTF-8 as the replacement character.
    let text = String::from_utf8_lossy(bytes);
    let result = decode_text(&text, to, problems);
    if matches!(result, Err(DecodeError::Value(_))) {
        // A fault in the text itself is told before one in a value.
        let mut reader = Reader::new(&text);
        reader.skip()?;
        reader.end()?;
    }
    result
}

fn decode_text(text: &str, to: &mut dyn Struct, problems: &mut Problems) -> Result<(), DecodeError> {
    let mut decoder = Decoder::new(text, problems);
    decoder.whole(to)?;
    decoder.finish()
}

/// One reading in progress.
pub(super) struct Decoder<'a, 'p> {
    pub reader: Reader<'a>,
    pub path: Path<'a>,
    pub problems: &'p mut Problems,
    pub strict: bool,
    /// The first value that did not fit; reading goes on behind it, for a fault in the text is worse.
    saved: Option<DecodeError>,
    depth: usize,
    pub budget: Budget,
}

impl<'a, 'p> Decoder<'a, 'p> {
    pub(super) fn new(text: &'a str, problems: &'p mut Problems) -> Self {
        Decoder {
            reader: Reader::new(text),
            path: Path::default(),
            strict: problems.looks(),
            problems,
            saved: None,
            depth: 0,
            budget: Budget::for_input(text.len()),
        }
    }

    /// A struct that may be `null`.
    pub(super) fn whole(&mut self, to: &mut dyn Struct) -> Result<(), DecodeError> {
        match self.reader.peek()? {
            Token::Null => self.reader.null(),
            token => self.struct_of(token, to),
        }
    }

    pub(super) fn finish(mut self) -> Result<(), DecodeError> {
        self.reader.end()?;
        self.saved.map_or(Ok(()), Err)
    }

    /// Keeps the first error.
    pub(super) fn save(&mut self, error: DecodeError) {
        self.saved.get_or_insert(error);
    }

    /// Saves that a `value` was found where a `ty` is wanted.
    #[cold]
    pub(super) fn type_error(&mut self, value: &str, ty: &str) {
        let place = self.path.place();
        self.save(DecodeError::Value(format!("json: cannot unmarshal {value} into {place} of type {ty}")));
    }

    /// The same, and passes over the value.
    #[cold]
    pub(super) fn mismatch(&mut self, token: Token, ty: &str) -> Result<(), DecodeError> {
        let value = match token {
            Token::Null => "null",
            Token::Bool => "bool",
            Token::Number => "number",
            Token::String => "string",
            Token::Array => "array",
            Token::Object => "object",
        };
        self.type_error(value, ty);
        self.reader.skip().map(drop)
    }

    fn value(&mut self, to: &mut dyn Reflect, ty: &'static Type) -> Result<(), DecodeError> {
        let token = self.reader.peek()?;
        if token == Token::Null {
            self.reader.null()?;
            unset(to);
            return Ok(());
        }
        self.fill(token, to, ty)
    }

    fn fill(&mut self, token: Token, to: &mut dyn Reflect, ty: &'static Type) -> Result<(), DecodeError> {
        match to.edit() {
            Edit::Optional(to) => self.fill(token, to.set(), ty),
            Edit::String(to) => {
                if let Some(text) = self.text(token)? {
                    *to = text.into_owned();
                }
                Ok(())
            }
            Edit::Struct(to) => self.struct_of(token, to),
            Edit::List(to) => self.list(token, to, ty),
            Edit::Map(to) => self.map(token, to, ty),
            Edit::Bool(to) => self.bool(token, to),
            Edit::Int32(to) => self.int32(token, to),
            Edit::Int64(to) => self.int64(token, to),
            Edit::Float(to) => self.float(token, to),
            Edit::Bytes(to) => self.bytes(token, to),
            Edit::Quantity(to) => self.quantity(token, to),
            Edit::Time(to) => {
                if let Some(t) = self.time(token, Layout::Seconds)? {
                    *to = Time::new(t);
                }
                Ok(())
            }
            Edit::MicroTime(to) => {
                if let Some(t) = self.time(token, Layout::Micros)? {
                    *to = MicroTime::new(t);
                }
                Ok(())
            }
            Edit::IntOrString(to) => self.int_or_string(token, to),
            Edit::Raw(to) => self.raw(to),
        }
    }

    fn enter(&mut self) -> Result<(), DecodeError> {
        self.depth += 1;
        if self.depth > MAX_TYPED_DEPTH { Err(too_deep()) } else { Ok(()) }
    }

    fn struct_of(&mut self, token: Token, to: &mut dyn Struct) -> Result<(), DecodeError> {
        let schema = to.schema();
        if schema.form != Form::Object {
            let form = schema.form;
            return self.schema_or(form, token, to);
        }
        if token != Token::Object {
            let ty = struct_name(schema.package, schema.name);
            return self.mismatch(token, &ty);
        }
        self.enter()?;
        self.fields(to)?;
        self.depth -= 1;
        Ok(())
    }

    fn fields(&mut self, to: &mut dyn Struct) -> Result<(), DecodeError> {
        let schema = to.schema();
        let (name, fields) = (schema.name, schema.fields);
        let root = to.kind().is_some();
        // Where fields go that the table does not know.
        let rest =
            fields.last().filter(|f| f.inline && matches!(f.ty, Type::Map(_))).map(|_| fields.len() - 1);
        let mut seen = 0u128;
        let mut next = 0;
        let mut first = true;
        self.reader.open();
        while let Some(key) = self.reader.key(&mut first)? {
            let (field, bit) = match locate(fields, &key, next) {
                Some(place) => {
                    next = place.steps[0] + 1;
                    let bit = 1u128.checked_shl(place.ordinal).unwrap_or(0);
                    (Some(place), bit)
                }
                None if root && key == "kind" => (None, 1 << 126),
                None if root && key == "apiVersion" => (None, 1 << 127),
                None => {
                    match rest {
                        Some(number) => self.keep(to.field_mut(number), key)?,
                        None if self.strict => {
                            self.problems.unknown(&self.path.strict(&key));
                            self.reader.skip()?;
                        }
                        None => drop(self.reader.skip()?),
                    }
                    continue;
                }
            };
            if self.strict && seen & bit != 0 {
                self.problems.duplicate(&self.path.strict(&key));
            }
            seen |= bit;
            let depth = self.path.0.len();
            match field {
                Some(place) => self.field(name, &place, to)?,
                None => {
                    let name_of = if key == "kind" { "kind" } else { "apiVersion" };
                    self.path.0.push(Step::Inline("TypeMeta"));
                    self.path.0.push(Step::Field(name, name_of));
                    match self.reader.peek()? {
                        Token::Null => self.reader.null()?,
                        token => drop(self.text(token)?),
                    }
                }
            }
            self.path.0.truncate(depth);
        }
        Ok(())
    }

    /// A field that no table knows, as it is.
    fn keep(&mut self, rest: &mut dyn Reflect, key: Cow<'a, str>) -> Result<(), DecodeError> {
        if let Edit::Map(map) = rest.edit()
            && let Edit::Raw(raw) = map.entry(key.into_owned()).edit()
        {
            return self.raw(raw);
        }
        self.reader.skip().map(drop)
    }

    fn field(&mut self, of: &'static str, place: &Place, to: &mut dyn Struct) -> Result<(), DecodeError> {
        let mut inmost = to;
        let (last, inline) = place.route();
        for step in inline {
            self.path
                .0
                .push(Step::Inline(inmost.schema().fields[*step].ty.as_struct().map_or("", |s| s.name)));
            let Edit::Struct(inner) = inmost.field_mut(*step).edit() else { return Ok(()) };
            inmost = inner;
        }
        self.path.0.push(Step::Field(of, place.field.name));
        self.value(inmost.field_mut(last), place.field.ty)
    }

    fn list(&mut self, token: Token, to: &mut dyn List, ty: &'static Type) -> Result<(), DecodeError> {
        if token != Token::Array {
            return self.mismatch(token, &type_name(ty));
        }
        let Some(of) = ty.element() else { return self.mismatch(token, &type_name(ty)) };
        self.enter()?;
        to.reset();
        self.reader.open();
        let mut first = true;
        let mut at = 0;
        while self.reader.item(&mut first)? {
            self.path.0.push(Step::Index(at));
            let item = to.push();
            self.budget.take(size_of_val(item))?;
            self.value(item, of)?;
            self.path.0.pop();
            at += 1;
        }
        if at == 0 && of.as_struct().is_some_and(|s| s.name == "ManagedFieldsEntry") {
            // An empty list asks that all owners be forgotten, as one empty entry does; absence does not.
            to.push();
        }
        self.depth -= 1;
        Ok(())
    }

    fn map(&mut self, token: Token, to: &mut dyn Map, ty: &'static Type) -> Result<(), DecodeError> {
        if token != Token::Object {
            return self.mismatch(token, &type_name(ty));
        }
        let Some(of) = ty.element() else { return self.mismatch(token, &type_name(ty)) };
        self.enter()?;
        // The keys of this text, should the map hold others from before.
        let mut seen = (!to.is_empty()).then(HashSet::new);
        self.reader.open();
        let mut first = true;
        while let Some(key) = self.reader.key(&mut first)? {
            let again = match &mut seen {
                Some(seen) => !seen.insert(key.to_string()),
                None => to.value(&key).is_some(),
            };
            if again && self.strict {
                self.problems.duplicate(&self.path.strict(&key));
            }
            to.remove(&key);
            let token = self.reader.peek()?;
            let deep = self.strict && matches!(token, Token::Object | Token::Array);
            if deep {
                self.path.0.push(Step::Key(Cow::Owned(key.to_string())));
            }
            self.value(to.entry(key.into_owned()), of)?;
            if deep {
                self.path.0.pop();
            }
        }
        self.depth -= 1;
        Ok(())
    }

    /// The unions of apiextensions: a schema, or something else. Upstream does not look into them strictly.
    fn schema_or(&mut self, form: Form, token: Token, to: &mut dyn Struct) -> Result<(), DecodeError> {
        let strict = std::mem::replace(&mut self.strict, false);
        let fields = to.schema().fields;
        // The number of the schema's field, and of the other one's.
        let (schema, other) = if form == Form::SchemaOrBool { (1, 0) } else { (0, 1) };
        to.reset();
        match (form, token) {
            (Form::SchemaOrBool, Token::Bool) => self.value(to.field_mut(other), fields[other].ty)?,
            (_, Token::Object) => {
                if let Edit::Bool(allows) = to.field_mut(other).edit() {
                    *allows = true;
                }
                self.value(to.field_mut(schema), fields[schema].ty)?;
            }
            (Form::SchemaOrBool, _) => {
                return Err(DecodeError::Value("boolean or JSON schema expected".to_string()));
            }
            (_, Token::Array) => self.value(to.field_mut(other), fields[other].ty)?,
            _ => drop(self.reader.skip()?),
        }
        self.strict = strict;
        Ok(())
    }
}

/// What `null` does: pointers, lists and maps become unset, plain values stay, except those upstream resets.
fn unset(to: &mut dyn Reflect) {
    match to.edit() {
        Edit::Optional(to) => to.unset(),
        Edit::List(to) => to.reset(),
        Edit::Map(to) => to.reset(),
        Edit::Bytes(to) => to.clear(),
        Edit::Quantity(to) => to.reset(),
        Edit::IntOrString(to) => to.reset(),
        _ => {}
    }
}

/// A type as Go names it.
fn type_name(ty: &Type) -> String {
    match ty {
        Type::Bool => "bool".to_string(),
        Type::Int32 => "int32".to_string(),
        Type::Int64 => "int64".to_string(),
        Type::Float64 => "float64".to_string(),
        Type::String => "string".to_string(),
        Type::Bytes => "[]uint8".to_string(),
        Type::Quantity => "resource.Quantity".to_string(),
        Type::Time => "v1.Time".to_string(),
        Type::MicroTime => "v1.MicroTime".to_string(),
        Type::IntOrString => "intstr.IntOrString".to_string(),
        Type::Raw => "runtime.RawExtension".to_string(),
        Type::List(of) | Type::Items(of) => format!("[]{}", type_name(of)),
        Type::Map(Type::Quantity) => "v1.ResourceList".to_string(),
        Type::Map(of) => format!("map[string]{}", type_name(of)),
        Type::Struct(schema) => struct_name(schema().package, schema().name),
    }
}

fn struct_name(package: &str, name: &str) -> String {
    format!("{}.{name}", package.rsplit('.').next().unwrap_or(package))
}
