//! What is too deep or too long ends in a message, not in a crash.

use corten_cel::{Bindings, Budget, Env, RUNTIME_BUDGET, Type, Value};

fn env() -> Env {
    Env::new().variable("a", Type::Dyn)
}

#[test]
fn what_is_nested_too_deeply_is_refused() {
    for count in [300, 20_000] {
        let sources = [
            format!("{}1{}", "(".repeat(count), ")".repeat(count)),
            format!("{}1{}", "[".repeat(count), "]".repeat(count)),
            format!("{}1{}", "{1:".repeat(count), "}".repeat(count)),
            "(".repeat(count),
            "a[".repeat(count),
            "a.f(".repeat(count),
            format!("{}1", "true?1:".repeat(count)),
            "a.map(x,".repeat(count),
            format!("{}1{}", "Object{a:".repeat(count), "}".repeat(count)),
        ];
        for source in sources {
            let refused = env().compile(&source).is_err();
            assert!(refused, "{count} times {}", &source[..source.len().min(20)]);
        }
    }
}

/// Chains are no nesting; whether they have a value or not, they end.
#[test]
fn what_is_long_ends() {
    for source in [
        vec!["1"; 20_000].join("+"),
        vec!["true"; 12_000].join("&&"),
        format!("{}true", "! ".repeat(20_000)),
        format!("a{}", ".a".repeat(20_000)),
        format!("a{}", "[0]".repeat(20_000)),
        format!("[{}]", vec!["1"; 20_000].join(",")),
        format!("'{}'", "x".repeat(90_000)),
        "\u{1F600}".repeat(90_000),
    ] {
        let answer = || {
            let program = env().compile(&source).map_err(|error| error.issues.len())?;
            let bindings = Bindings::new().with("a", Value::Int(1));
            let mut budget = Budget::new(RUNTIME_BUDGET);
            let error = program.evaluate(&bindings, &mut budget).err();
            Ok::<_, usize>((budget.spent(), error.map(|error| error.to_string())))
        };
        assert_eq!(answer(), answer(), "{}", &source[..source.len().min(20)]);
    }
    let error = env().compile(&"x".repeat(2_000_000)).expect_err("too long");
    assert!(
        error.to_string().contains("expression code point size exceeds limit: size: 2000000, limit 100000")
    );
}

#[test]
fn what_costs_too_much_is_cut_off() {
    let numbers: Vec<String> = (0..200).map(|n| n.to_string()).collect();
    let list = format!("[{}]", numbers.join(","));
    for source in [
        format!("{list}.map(x, {list}.map(y, {list}.map(z, x * y * z))).size() > 0"),
        format!("{list}.all(x, {list}.all(y, {list}.all(z, x + y + z >= 0)))"),
        format!("{list}.map(x, string(x) + '{}').join(',').matches('(x+x+)+y')", "x".repeat(20_000)),
    ] {
        let program = env().compile(&source).expect("compiles");
        let mut budget = Budget::new(RUNTIME_BUDGET);
        let bindings = Bindings::new().with("a", Value::Int(1));
        let error = program.evaluate(&bindings, &mut budget).expect_err("too much");
        assert_eq!(error.to_string(), "operation cancelled: actual cost limit exceeded", "{}", &source[..20]);
    }
}
