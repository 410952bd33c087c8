//! Expressions: CEL and JSONPath.

use corten_cel::{Bindings, Budget, Env, RUNTIME_BUDGET, Type, Value};
use corten_custom::json_path::JsonPath;
use serde_json::json;
use std::sync::LazyLock;

static ENV: LazyLock<Env> = LazyLock::new(|| {
    Env::new()
        .variable("x", Type::Dyn)
        .variable("s", Type::String)
        .variable("i", Type::Int)
        .variable("l", Type::list(Type::String))
});

/// Compiled, and evaluated: what it costs is bounded by the budget.
pub fn cel(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let Ok(program) = ENV.compile(text) else { return };
    let _ = program.cost();
    let object = json!({"a": {"b": [1, 2, 3]}, "n": 1.5, "list": [{"k": "x"}, {"k": "y"}], "none": null});
    let list = json!(["a", "b", "c"]);
    let bindings = Bindings::new()
        .with("x", Value::json(&object))
        .with("s", Value::text("text"))
        .with("i", Value::Int(-7))
        .with("l", Value::json(&list));
    let mut budget = Budget::new(RUNTIME_BUDGET / 10);
    let _ = program.evaluate(&bindings, &mut budget);
}

pub fn json_path(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Ok(path) = JsonPath::parse(text) {
        let object = json!({"spec": {"list": [{"name": "a", "v": 1}, {"name": "b"}], "x.y": true}});
        let _ = path.find(&object).map(|found| found.len());
    }
}
