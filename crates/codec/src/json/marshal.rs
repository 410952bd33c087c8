//! JSON values as Go's `encoding/json` writes them.

use super::text::{write_float, write_string};
use serde_json::Value;

/// A value as JSON text, with floats as Go writes them and no character in it that HTML minds.
#[must_use]
pub fn marshal(value: &Value) -> String {
    let mut out = Vec::new();
    write(&mut out, value);
    let text = String::from_utf8_lossy(&out);
    // They stand in strings alone.
    text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

fn write(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(yes) => out.extend_from_slice(if *yes { b"true" } else { b"false" }),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (None, Some(float)) => write_float(out, float),
            _ => out.extend_from_slice(number.to_string().as_bytes()),
        },
        Value::String(text) => write_string(out, text),
        Value::Array(list) => {
            out.push(b'[');
            for (at, item) in list.iter().enumerate() {
                separate(out, at);
                write(out, item);
            }
            out.push(b']');
        }
        Value::Object(fields) => {
            out.push(b'{');
            for (at, (name, field)) in fields.iter().enumerate() {
                separate(out, at);
                write_string(out, name);
                out.push(b':');
                write(out, field);
            }
            out.push(b'}');
        }
    }
}

fn separate(out: &mut Vec<u8>, at: usize) {
    if at > 0 {
        out.push(b',');
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn values_are_written_as_go_writes_them() {
        let value = json!({"z": "<&>\u{2028}\n", "a": [1.0, -2, 1e-5, 1e-7, 1e21, null, true], "<": {}});
        let want =
            r#"{"\u003c":{},"a":[1,-2,0.00001,1e-7,1e+21,null,true],"z":"\u003c\u0026\u003e\u2028\n"}"#;
        assert_eq!(super::marshal(&value), want);
    }
}
