//! JSON values as Go's `%v` prints them into error messages.

use serde_json::Value;

/// A value as `%v` prints it.
pub(crate) fn shown(value: &Value) -> String {
    let mut out = String::new();
    push(&mut out, value);
    out
}

/// A list as `%v` prints it.
pub(crate) fn shown_list(items: &[Value]) -> String {
    let mut out = String::new();
    push_list(&mut out, items);
    out
}

fn push(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("<nil>"),
        Value::Bool(yes) => out.push_str(if *yes { "true" } else { "false" }),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(int), _) => out.push_str(itoa::Buffer::new().format(int)),
            (None, Some(float)) => out.push_str(&go_float(float)),
            (None, None) => out.push_str(&number.to_string()),
        },
        Value::String(text) => out.push_str(text),
        Value::Array(items) => push_list(out, items),
        Value::Object(map) => {
            out.push_str("map[");
            for (at, (key, value)) in map.iter().enumerate() {
                if at > 0 {
                    out.push(' ');
                }
                out.push_str(key);
                out.push(':');
                push(out, value);
            }
            out.push(']');
        }
    }
}

fn push_list(out: &mut String, items: &[Value]) {
    out.push('[');
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push(' ');
        }
        push(out, item);
    }
    out.push(']');
}

/// A float as Go's `%v` prints it.
pub fn go_float(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-4..1e6).contains(&size) {
        let text = format!("{value:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, number) = match exponent.strip_prefix('-') {
            Some(number) => ('-', number),
            None => ('+', exponent),
        };
        return format!("{digits}e{sign}{number:0>2}");
    }
    format!("{value}")
}

/// The Go type that a JSON value is decoded to.
pub fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_i64() => "int64",
        Value::Number(_) => "float64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn floats_look_like_gos() {
        for (value, want) in [
            (0.5, "0.5"),
            (3.0, "3"),
            (1e21, "1e+21"),
            (1e20, "1e+20"),
            (1_234_567.0, "1.234567e+06"),
            (999_999.5, "999999.5"),
            (0.00001, "1e-05"),
            (-2.5, "-2.5"),
            (0.0, "0"),
        ] {
            assert_eq!(go_float(value), want);
        }
    }

    #[test]
    fn values_look_like_gos() {
        let value = json!({"b": [1, "x", null, {}], "a": {"c": true, "d": 2.0}});
        assert_eq!(shown(&value), "map[a:map[c:true d:2] b:[1 x <nil> map[]]]");
    }
}
