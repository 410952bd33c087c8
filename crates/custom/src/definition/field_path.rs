//! Paths that name a field of a schema: `.spec.list['a.b']`.

use corten_api::apiextensions::v1::JSONSchemaProps;

/// The field a path leads to: its steps, and its schema. `lists` allows `['name']`.
///
/// # Errors
/// A text about what is wrong, as upstream words it.
pub fn resolve<'s>(
    path: &str,
    schema: &'s JSONSchemaProps,
    brackets: bool,
) -> Result<(Vec<String>, &'s JSONSchemaProps), String> {
    let (mut steps, mut schema, mut rest) = (Vec::new(), schema, path);
    let unknown = || "does not refer to a valid field".to_string();
    while !rest.is_empty() {
        let (token, after) = next(rest);
        let name = match token {
            "[" if !brackets => return Err("array notation is not allowed".into()),
            "[" => {
                let (quoted, after) = next(after);
                if quoted.is_empty() {
                    return Err("unexpected end of JSON path".into());
                }
                let name = quoted.strip_prefix('\'').and_then(|t| t.strip_suffix('\''));
                let name = name.ok_or_else(|| format!("expected single quoted string but got {quoted}"))?;
                let (close, after) = next(after);
                match close {
                    "]" => rest = after,
                    "" => return Err("unexpected end of JSON path".into()),
                    other => return Err(format!("expected ] but got {other}")),
                }
                name.replace("\\'", "'").replace("\\\\", "\\")
            }
            "." => {
                let (name, after) = next(after);
                if name.is_empty() {
                    return Err("unexpected end of JSON path".into());
                }
                rest = after;
                name.to_string()
            }
            other => return Err(format!("expected [ or . but got: {other}")),
        };
        let additional = schema.additional_properties.as_ref();
        schema = if !schema.properties.is_empty() {
            schema.properties.get(&name).ok_or_else(unknown)?
        } else {
            additional.and_then(|a| a.schema.as_deref()).ok_or_else(unknown)?
        };
        steps.push(name);
    }
    Ok((steps, schema))
}

/// The next token, and what follows it.
fn next(text: &str) -> (&str, &str) {
    let quoted = text.starts_with('\'');
    let mut before = '\0';
    for (at, c) in text.char_indices() {
        if quoted {
            if at > 0 && c == '\'' && before != '\\' {
                return text.split_at(at + 1);
            }
        } else if matches!(c, '.' | '[' | ']') {
            return text.split_at(if at == 0 { 1 } else { at });
        }
        before = c;
    }
    (text, "")
}

#[cfg(test)]
mod tests {
    use super::resolve;
    use crate::testing::props;
    use serde_json::json;

    #[test]
    fn paths_must_lead_to_fields() {
        let schema = props(json!({"type": "object", "properties": {
            "spec": {"type": "object", "properties": {"a.b": {"type": "string"}, "c": {"type": "integer"}}},
            "map": {"type": "object", "additionalProperties": {"type": "boolean"}}}}));
        for (path, want) in [
            (".spec.c", Ok("integer")),
            (".spec['a.b']", Ok("string")),
            (".map.x", Ok("boolean")),
            (".spec.x", Err("does not refer to a valid field")),
            ("spec", Err("expected [ or . but got: spec")),
            (".spec[", Err("unexpected end of JSON path")),
            (".spec[0]", Err("expected single quoted string but got 0")),
            (".", Err("unexpected end of JSON path")),
        ] {
            let got = resolve(path, &schema, true).map(|(_, s)| s.type_.as_str());
            assert_eq!(got, want.map_err(String::from), "{path}");
        }
        assert_eq!(
            resolve(".spec['c']", &schema, false).map(drop),
            Err("array notation is not allowed".into())
        );
    }
}
