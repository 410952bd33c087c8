//! The paths by which columns, selectable fields and scales name a place: JSONPath as `kubectl` knows it, as
//! far as definitions use it.

use serde_json::Value;

/// A step of a path.
#[derive(Clone, Debug, PartialEq)]
enum Step {
    Field(Box<str>),
    Index(i64),
    Slice(Option<i64>, Option<i64>, i64),
    All,
    /// `..name`: anywhere below.
    Deep(Box<str>),
    /// `[?(@.type == "Ready")]`: a path below the item, an operator, and what it is compared with.
    Filter(Box<[Step]>, Operator, Value),
    /// `['a','b']`
    Union(Box<[Step]>),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Operator {
    Exists,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A parsed path.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonPath(Box<[Step]>);

/// How many steps a path may have.
const MOST_STEPS: usize = 128;

impl JsonPath {
    /// Reads `.spec.list[0].name`.
    ///
    /// # Errors
    /// A text about what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let text = text.strip_prefix('$').unwrap_or(text);
        steps(text).map(JsonPath)
    }

    /// Everything at the place.
    pub fn find<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        walk(&self.0, value)
    }

    /// The first thing at the place.
    pub fn first<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        self.find(value).first().copied()
    }
}

fn steps(mut text: &str) -> Result<Box<[Step]>, String> {
    let mut steps = Vec::new();
    while !text.is_empty() {
        if steps.len() == MOST_STEPS {
            return Err("the path is too long".into());
        }
        if let Some(rest) = text.strip_prefix("..") {
            let (name, rest) = name(rest);
            steps.push(if name == "*" { Step::All } else { Step::Deep(name.as_str().into()) });
            text = rest;
        } else if let Some(rest) = text.strip_prefix('.') {
            if rest.is_empty() || rest.starts_with('[') {
                text = rest;
                continue;
            }
            let (name, rest) = name(rest);
            steps.push(if name == "*" { Step::All } else { Step::Field(name.as_str().into()) });
            text = rest;
        } else if let Some(rest) = text.strip_prefix('[') {
            let (inside, rest) = bracket(rest)?;
            steps.push(subscript(inside)?);
            text = rest;
        } else {
            return Err(format!(
                "unrecognized character in action: {:?}",
                text.chars().next().unwrap_or(' ')
            ));
        }
    }
    Ok(steps.into())
}

/// A field's name, in which `\.` is a dot.
fn name(text: &str) -> (String, &str) {
    let mut out = String::new();
    let mut rest = text.char_indices();
    while let Some((at, c)) = rest.next() {
        match c {
            '.' | '[' => return (out, &text[at..]),
            '\\' => out.extend(rest.next().map(|(_, c)| c)),
            _ => out.push(c),
        }
    }
    (out, "")
}

/// What stands before the bracket's end, and what follows it.
fn bracket(text: &str) -> Result<(&str, &str), String> {
    let (mut depth, mut quote) = (0, None);
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(q), c) if q == c => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '[') => depth += 1,
            (None, ']') if depth > 0 => depth -= 1,
            (None, ']') => return Ok((&text[..at], &text[at + 1..])),
            _ => {}
        }
    }
    Err("unterminated array".into())
}

fn subscript(text: &str) -> Result<Step, String> {
    let text = text.trim();
    if text == "*" {
        return Ok(Step::All);
    }
    if let Some(filter) = text.strip_prefix("?(").and_then(|t| t.strip_suffix(')')) {
        return condition(filter.trim());
    }
    if text.contains(',') {
        let parts = text.split(',').map(subscript).collect::<Result<Vec<_>, _>>()?;
        return Ok(Step::Union(parts.into()));
    }
    for quote in ['\'', '"'] {
        if let Some(name) = text.strip_prefix(quote).and_then(|t| t.strip_suffix(quote)) {
            return Ok(Step::Field(name.into()));
        }
    }
    let number = |text: &str| text.trim().parse::<i64>().map_err(|_| format!("invalid array index {text}"));
    if text.contains(':') {
        let parts = text.split(':').map(|p| if p.trim().is_empty() { Ok(None) } else { number(p).map(Some) });
        let parts = parts.collect::<Result<Vec<_>, _>>()?;
        let at = |n: usize| parts.get(n).copied().flatten();
        return Ok(Step::Slice(at(0), at(1), at(2).unwrap_or(1)));
    }
    number(text).map(Step::Index)
}

fn condition(text: &str) -> Result<Step, String> {
    let operators = [
        ("==", Operator::Equal),
        ("!=", Operator::NotEqual),
        ("<=", Operator::LessOrEqual),
        (">=", Operator::GreaterOrEqual),
        ("<", Operator::Less),
        (">", Operator::Greater),
    ];
    let found = operators.iter().find_map(|(sign, operator)| Some((text.split_once(sign)?, *operator)));
    let ((left, right), operator) = found.unwrap_or(((text, "null"), Operator::Exists));
    let left = left.trim().strip_prefix('@').ok_or("a filter begins with @")?;
    let right = right.trim();
    let right = match right.strip_prefix('\'').and_then(|t| t.strip_suffix('\'')) {
        Some(text) => Value::from(text),
        None => serde_json::from_str(right).unwrap_or_else(|_| Value::from(right)),
    };
    Ok(Step::Filter(steps(left)?, operator, right))
}

fn walk<'a>(steps: &[Step], value: &'a Value) -> Vec<&'a Value> {
    let mut found = vec![value];
    for step in steps {
        found = found.into_iter().flat_map(|value| take(step, value)).collect();
    }
    found
}

fn take<'a>(step: &Step, value: &'a Value) -> Vec<&'a Value> {
    match (step, value) {
        (Step::Field(name), Value::Object(fields)) => fields.get(&**name).into_iter().collect(),
        (Step::Index(at), Value::Array(list)) => {
            position(*at, list.len()).and_then(|i| list.get(i)).into_iter().collect()
        }
        (Step::All, Value::Array(list)) => list.iter().collect(),
        (Step::All, Value::Object(fields)) => fields.values().collect(),
        (Step::Slice(from, to, by), Value::Array(list)) => {
            let bound = |at: Option<i64>, default| {
                at.map_or(default, |at| position(at, list.len()).unwrap_or(list.len()))
            };
            let (from, to) = (bound(*from, 0), bound(*to, list.len()).min(list.len()));
            let by = usize::try_from(*by).unwrap_or(1).max(1);
            list.get(from..to).unwrap_or_default().iter().step_by(by).collect()
        }
        (Step::Deep(name), value) => {
            let mut found = Vec::new();
            deep(name, value, &mut found);
            found
        }
        (Step::Union(steps), value) => steps.iter().flat_map(|step| take(step, value)).collect(),
        (Step::Filter(path, operator, right), Value::Array(list)) => {
            list.iter().filter(|item| holds(walk(path, item).first().copied(), *operator, right)).collect()
        }
        _ => Vec::new(),
    }
}

fn position(at: i64, length: usize) -> Option<usize> {
    let length = i64::try_from(length).ok()?;
    usize::try_from(if at < 0 { at + length } else { at }).ok()
}

fn deep<'a>(name: &str, value: &'a Value, found: &mut Vec<&'a Value>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get(name));
            fields.values().for_each(|v| deep(name, v, found));
        }
        Value::Array(list) => list.iter().for_each(|v| deep(name, v, found)),
        _ => {}
    }
}

fn holds(left: Option<&Value>, operator: Operator, right: &Value) -> bool {
    use std::cmp::Ordering::{Equal, Greater, Less};
    let Some(left) = left else { return false };
    let order = match (left, right) {
        (Value::Number(a), Value::Number(b)) => a.as_f64().partial_cmp(&b.as_f64()),
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        (a, b) => (a == b).then_some(Equal),
    };
    match operator {
        Operator::Exists => true,
        Operator::Equal => order == Some(Equal),
        Operator::NotEqual => order != Some(Equal),
        Operator::Less => order == Some(Less),
        Operator::LessOrEqual => matches!(order, Some(Less | Equal)),
        Operator::Greater => order == Some(Greater),
        Operator::GreaterOrEqual => matches!(order, Some(Greater | Equal)),
    }
}

#[cfg(test)]
mod tests {
    use super::JsonPath;
    use serde_json::{Value, json};

    #[test]
    fn paths_lead_to_values() {
        let value = json!({"spec": {"a": 1, "a.b": 2, "list": [{"n": "x", "v": 1}, {"n": "y", "v": 2}]},
            "status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "Other", "status": "False"}]}});
        for (path, want) in [
            (".spec.a", json!([1])),
            (r".spec.a\.b", json!([2])),
            (".spec['a.b']", json!([2])),
            (".spec.list[0].n", json!(["x"])),
            (".spec.list[-1].n", json!(["y"])),
            (".spec.list[*].v", json!([1, 2])),
            (".spec.list[0:1].v", json!([1])),
            (r#".status.conditions[?(@.type=="Ready")].status"#, json!(["True"])),
            (".status.conditions[?(@.type != 'Ready')].status", json!(["False"])),
            (".spec.list[?(@.v>1)].n", json!(["y"])),
            ("..n", json!(["x", "y"])),
            (".spec.none.x", json!([])),
            (".spec.list[9]", json!([])),
        ] {
            let path = JsonPath::parse(path).unwrap_or_else(|e| panic!("{path}: {e}"));
            let found: Vec<&Value> = path.find(&value);
            assert_eq!(json!(found), want, "{path:?}");
        }
        for bad in ["x", ".a[", ".a[b]"] {
            assert!(JsonPath::parse(bad).is_err(), "{bad}");
        }
    }
}
