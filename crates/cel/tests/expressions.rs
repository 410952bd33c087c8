//! Expressions and what upstream makes of them: value or message, cost, estimated cost, type. The table was made
//! with cel-go in Kubernetes' environment of v1.35; facts, not code.

use corten_cel::{Bindings, Budget, Env, Map, RUNTIME_BUDGET, Type, Value};
use serde_json::{Value as Json, json};

/// Doubles where upstream's test data has whole numbers: Go reads plain JSON so.
fn object() -> Json {
    json!({
        "a": {"b": [1.0, 2.0, 3.0], "c": "str", "d": {"e": null}},
        "n": 1.5,
        "list": [{"k": "x"}, {"k": "y"}],
        "t": true
    })
}

fn env() -> Env {
    Env::new()
        .variable("object", Type::Dyn)
        .variable("x", Type::Dyn)
        .variable("s", Type::String)
        .variable("i", Type::Int)
        .variable("l", Type::list(Type::String))
        .variable("m", Type::map(Type::String, Type::Int))
}

/// A value as the table writes it.
fn shown(value: &Value<'_>) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Uint(value) => format!("{value}u"),
        Value::Double(value) if value.is_infinite() => {
            format!("{}Infd", if *value > 0.0 { "+" } else { "-" })
        }
        Value::Double(value) => format!("{value}d"),
        Value::String(text) => Json::String(text.to_string()).to_string(),
        Value::Bytes(bytes) => {
            let bytes: Vec<String> = bytes.iter().map(u8::to_string).collect();
            format!("b[{}]", bytes.join(" "))
        }
        Value::Timestamp(time) => format!("timestamp({time})"),
        Value::Duration(span) => format!("duration({})", span.0),
        Value::Optional(Some(inner)) => format!("optional({})", shown(inner)),
        Value::Optional(None) => "optional()".to_owned(),
        Value::Type(of) => format!("type({})", of.name()),
        Value::List(list) => {
            let items: Vec<String> = list.items().expect("items").iter().map(shown).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Map(map) => entries(map),
        Value::Extension(extension) => extension.to_string(),
    }
}

fn entries(map: &Map<'_>) -> String {
    let keys = map.keys().expect("keys");
    let mut entries: Vec<String> = keys
        .iter()
        .map(|key| format!("{}: {}", shown(key), shown(&map.value_of(key).expect("value"))))
        .collect();
    entries.sort();
    format!("{{{}}}", entries.join(", "))
}

/// What the expression comes to: outcome, text, cost, and the type.
fn outcome(env: &Env, source: &str, object: &Json) -> (Json, Option<(u64, u64, u64)>, String) {
    let program = match env.compile(source) {
        Ok(program) => program,
        Err(error) => return (json!(["compile", error.to_string()]), None, String::new()),
    };
    let (list, map) = (json!(["a", "b"]), json!({"a": 1}));
    let bindings = Bindings::new()
        .with("object", Value::json(object))
        .with("x", Value::Int(1))
        .with("s", Value::text("text"))
        .with("i", Value::Int(3))
        .with("l", Value::json(&list))
        .with("m", Value::json(&map));
    let mut budget = Budget::new(RUNTIME_BUDGET);
    let result = program.evaluate(&bindings, &mut budget);
    let costs = Some((budget.spent(), program.cost().min, program.cost().max));
    let of = program.result_type().to_string();
    match result {
        Ok(value) => (json!(["ok", shown(&value)]), costs, of),
        Err(error) => (json!(["eval", error.to_string()]), costs, of),
    }
}

#[test]
fn expressions_are_what_upstream_makes_of_them() {
    let (env, object) = (env(), object());
    let mut wrong = Vec::new();
    for line in include_str!("expressions.jsonl").lines() {
        let expected: Vec<Json> = serde_json::from_str(line).expect("a line of the table");
        let source = expected[0].as_str().expect("an expression");
        let (found, costs, of) = outcome(&env, source, &object);
        // Constants that cannot be converted fail upstream when the program is made, here when it runs.
        let kind = if expected[1] == "program" { "eval" } else { expected[1].as_str().expect("a kind") };
        if found != json!([kind, expected[2]]) {
            wrong.push(format!("{source}\n  upstream: {kind} {}\n  ours:     {found}", expected[2]));
        } else if let (Some((cost, min, max)), Some(known)) = (costs, expected.get(3..6)) {
            if json!([cost, min, max]) != json!(known) {
                wrong.push(format!("{source}\n  upstream costs {known:?}, ours {:?}", [cost, min, max]));
            } else if of != expected[6] {
                wrong.push(format!("{source}\n  upstream's type is {}, ours {of}", expected[6]));
            }
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}
