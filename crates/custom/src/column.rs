//! The columns of a kind's table, and what stands in their cells.

use crate::json_path::{Found, JsonPath};
use crate::value;
use corten_api::apiextensions::v1::CustomResourceColumnDefinition;
use corten_codec::json::marshal;
use corten_kinds::columns::{age, duration};
use jiff::Timestamp;
use serde_json::Value;

/// A column of the kind's table.
#[derive(Clone, Debug)]
pub struct Column {
    pub name: Box<str>,
    pub type_: Box<str>,
    pub format: Box<str>,
    pub description: Box<str>,
    pub priority: i32,
    pub path: JsonPath,
}

impl Column {
    /// The columns that a version declares, up to the first whose path cannot be read.
    pub fn readable(declared: &[CustomResourceColumnDefinition]) -> Box<[Self]> {
        declared.iter().map_while(Column::new).collect()
    }

    fn new(c: &CustomResourceColumnDefinition) -> Option<Self> {
        let description = match c.description.as_str() {
            "" => format!("Custom resource definition column (in JSONPath format): {}", c.json_path),
            told => told.to_string(),
        };
        Some(Column {
            name: c.name.as_str().into(),
            type_: c.type_.as_str().into(),
            format: c.format.as_str().into(),
            description: description.into(),
            priority: c.priority,
            path: JsonPath::parse(&c.json_path).ok()?,
        })
    }

    /// What the column shows of an object: the first thing at its place, when it is of the column's type.
    pub fn cell(&self, object: &Value, now: Timestamp) -> Value {
        self.path.first(object).map_or(Value::Null, |found| cell(&self.type_, found, now))
    }
}

fn cell(type_: &str, found: Found<'_>, now: Timestamp) -> Value {
    match (type_, found) {
        ("string", found) => text(found).into(),
        ("integer", Found::Value(Value::Number(n))) => {
            n.as_i64().unwrap_or_else(|| cut(n.as_f64().unwrap_or_default())).into()
        }
        ("number", Found::Value(Value::Number(n))) => match n.as_f64() {
            Some(float) if value::is_whole(float) => value::cut(float).into(),
            float => float.into(),
        },
        ("boolean", Found::Value(Value::Bool(is))) => (*is).into(),
        ("date", Found::Value(Value::String(text))) => date(text, now).into(),
        _ => Value::Null,
    }
}

/// A float without its fraction; one that is no integer's becomes the least, as Go has it on amd64.
fn cut(float: f64) -> i64 {
    const BEYOND: f64 = 9_223_372_036_854_775_808.0;
    if float < BEYOND { value::cut(float) } else { i64::MIN }
}

/// How long ago a time was.
fn date(text: &str, now: Timestamp) -> String {
    const ZERO: Timestamp = Timestamp::constant(-62_135_596_800, 0);
    match rfc3339(text) {
        _ if matches!(text, "" | "null") => age(None, now),
        Some(time) if time == ZERO => age(None, now),
        Some(time) => duration(now.duration_since(time).as_secs()),
        None => "<invalid>".into(),
    }
}

/// A time in the one form that upstream reads.
fn rfc3339(text: &str) -> Option<Timestamp> {
    let is = |text: &str, form: &str| {
        let fits = |(a, b): (u8, u8)| if b == b'0' { a.is_ascii_digit() } else { a == b };
        text.len() == form.len() && text.bytes().zip(form.bytes()).all(fits)
    };
    let (main, rest) = text.split_at_checked("2006-01-02T15:04:05".len())?;
    let (fraction, zone) = rest.split_at(rest.find(['Z', '+', '-'])?);
    let digits = fraction.strip_prefix(['.', ',']).unwrap_or("0");
    let plain = is(main, "0000-00-00T00:00:00")
        && !main.ends_with(":60")
        && !digits.is_empty()
        && (fraction.is_empty() || digits.bytes().all(|b| b.is_ascii_digit()))
        && (zone == "Z" || is(&zone[1..], "00:00") && zone[1..3] <= *"24");
    let digits = digits.get(..9).unwrap_or(digits);
    if plain { format!("{main}.{digits}{zone}").parse().ok() } else { None }
}

/// What was found, in the words of upstream's `kubectl -o jsonpath`.
fn text(found: Found<'_>) -> String {
    match found {
        Found::Value(Value::Null) => "<no value>".into(),
        Found::Value(value) => printed(value),
        Found::Int(number) => number.to_string(),
        Found::Byte(byte) => byte.to_string(),
    }
}

/// A value as text: as it is, or as JSON.
pub(crate) fn printed(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => value::shown_number(number),
        Value::Array(_) | Value::Object(_) => marshal(value),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::Column;
    use corten_api::apiextensions::v1::CustomResourceColumnDefinition;
    use jiff::Timestamp;
    use serde_json::{Value, json};

    fn declared(type_: &str, path: &str) -> CustomResourceColumnDefinition {
        CustomResourceColumnDefinition {
            type_: type_.into(),
            json_path: path.into(),
            ..CustomResourceColumnDefinition::default()
        }
    }

    #[test]
    fn cells_are_what_upstream_prints() {
        let object = json!({"s": "text", "i": 3, "f": 2.75, "w": 1e6, "tiny": 1e-7, "large": 1e20, "b": true, "n": null,
            "o": {"z": "<&>", "a": [1.0, 1e-5, 1e21, null]}, "l": ["x", "y"], "none": [],
            "at": "2020-01-01T00:00:00Z", "offset": "2020-01-01T02:00:00.5+02:00", "loose": "2020-01-01 00:00:00Z",
            "comma": "2020-01-01T00:00:00,0000000000Z", "short": "2020-01-01T00:00Z", "leap": "2019-12-31T23:59:60Z",
            "day": "2020-01-01", "null": "null", "empty": "", "zero": "0001-01-01T00:00:00Z"});
        let now: Timestamp = "2020-01-01T00:05:00Z".parse().expect("a time");
        for (type_, path, want) in [
            ("string", ".s", json!("text")),
            ("string", ".i", json!("3")),
            ("string", ".w", json!("1e+06")),
            ("string", ".tiny", json!("1e-07")),
            ("string", ".b", json!("true")),
            ("string", ".n", json!("<no value>")),
            ("string", ".missing", Value::Null),
            ("string", ".o", json!(r#"{"a":[1,0.00001,1e+21,null],"z":"\u003c\u0026\u003e"}"#)),
            ("string", ".l", json!(r#"["x","y"]"#)),
            ("string", ".l[*]", json!("x")),
            ("string", ".l[2]", Value::Null),
            ("string", ".none[0]", Value::Null),
            ("string", ".o[*]", Value::Null),
            ("string", ".s.*", json!("116")),
            ("string", ".s 7", json!("7")),
            ("integer", ".s 7", Value::Null),
            ("integer", ".i", json!(3)),
            ("integer", ".f", json!(2)),
            ("integer", ".s", Value::Null),
            ("number", ".i", json!(3)),
            ("number", ".f", json!(2.75)),
            ("number", ".w", json!(1_000_000)),
            ("integer", ".large", json!(i64::MIN)),
            ("boolean", ".b", json!(true)),
            ("boolean", ".s", Value::Null),
            ("date", ".at", json!("5m")),
            ("date", ".offset", json!("4m59s")),
            ("date", ".loose", json!("<invalid>")),
            ("date", ".comma", json!("5m")),
            ("date", ".short", json!("<invalid>")),
            ("date", ".leap", json!("<invalid>")),
            ("date", ".day", json!("<invalid>")),
            ("date", ".s", json!("<invalid>")),
            ("date", ".null", json!("<unknown>")),
            ("date", ".empty", json!("<unknown>")),
            ("date", ".zero", json!("<unknown>")),
            ("date", ".i", Value::Null),
            ("date", ".n", Value::Null),
        ] {
            let columns = Column::readable(&[declared(type_, path)]);
            assert_eq!(columns[0].cell(&object, now), want, "{type_} {path}");
        }
    }

    #[test]
    fn columns_end_where_one_cannot_be_read() {
        let columns = [declared("string", ".a"), declared("string", ".a["), declared("string", ".b")];
        assert_eq!(Column::readable(&columns).len(), 1);
    }
}
