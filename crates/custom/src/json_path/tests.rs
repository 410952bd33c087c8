use super::{Found, JsonPath, LONGEST};
use serde_json::{Value, json};

/// What a path finds, or why it cannot be read; `null` for what fails on the way.
fn found(path: &str, value: &Value) -> Value {
    let path = match JsonPath::parse(path) {
        Ok(path) => path,
        Err(why) => return why.into(),
    };
    let shown = |found: &Found<'_>| match found {
        Found::Value(value) => (*value).clone(),
        Found::Int(number) => (*number).into(),
        Found::Byte(byte) => (*byte).into(),
    };
    path.find(value).map_or(Value::Null, |found| found.iter().map(shown).collect())
}

#[test]
fn paths_lead_to_values() {
    let value = json!({"spec": {"a": 1, "a.b": 2, "s": "hé", "e": null, "m": {"x": 1},
        "list": [{"n": "x", "v": 1}, {"n": "y", "v": 2, "k": [7]}]},
        "deep": [[], [1], [2, 3]], "l": [1, 2, 3, 4, 5], "": "empty",
        "status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "Other", "status": "False"}]}});
    for (path, want) in [
        (".spec.a", json!([1])),
        ("spec.a", Value::Null),
        (r".spec.a\.b", json!([2])),
        (r".spec['a\.b']", json!([2])),
        (".spec['a.b']", json!([])),
        (".spec['a','m']", json!([1, {"x": 1}])),
        (".spec.list[0].n", json!(["x"])),
        (".spec.list[].n", json!(["x"])),
        (".spec.list[-1].n", json!(["y"])),
        (".spec.list.[0]", json!([])),
        (".", json!(["empty"])),
        ("", json!([value])),
        (".spec.list[*].v", json!([1, 2])),
        (".spec.list[0:1].v", json!([1])),
        (".l[0,2]", json!([1, 3])),
        (".l[1:]", json!([2, 3, 4, 5])),
        (".l[:-3]", json!([1, 2])),
        (".l[::2]", json!([1, 3, 5])),
        (".l[2:2]", json!([])),
        (".l[3:1]", Value::Null),
        (".l[::0]", Value::Null),
        (".l[:9]", Value::Null),
        (".l[9]", Value::Null),
        (".l[9223372036854775807]", Value::Null),
        (".deep[1:][*]", json!([1, 2, 3])),
        (".deep[*][*]", json!([])),
        (".spec.m.*", json!([1])),
        (".spec.m[*]", Value::Null),
        (".spec.e[*]", json!([])),
        (".spec.e[?(@.x)]", Value::Null),
        (".spec.none[?(@.x)]", json!([])),
        (".spec.none.x", json!([])),
        (".spec.s.*", json!([104, 195, 169])),
        ("..n", json!(["x", "y"])),
        (".spec.list..k", json!([[7]])),
        (
            ".spec ..",
            json!([
                value["spec"],
                value["spec"]["list"],
                value["spec"]["list"][0],
                "x",
                value["spec"]["list"][1],
                [7],
                "y",
                value["spec"]["m"],
                "hé"
            ]),
        ),
        (".spec.a 5", json!([5])),
        (".spec.a -1.5 true", json!([true])),
        (".none \"t\"", json!(["t"])),
        (".spec.a}, {.l[9]", Value::Null),
        (".spec.a}, {.l[1]", json!([1])),
        (".spec.a nonsense", Value::Null),
        (".spec.a end", Value::Null),
    ] {
        assert_eq!(found(path, &value), want, "{path}");
    }
}

#[test]
fn filters_compare_what_is_of_one_type() {
    let value = json!({"l": [{"n": "x", "v": 1, "t": true}, {"n": "y", "v": 2}, {"n": "z", "k": {"q": []}}],
        "mixed": [1, 2.5, 3], "ints": [1, 2, 3]});
    for (filter, want) in [
        (r#"@.n=="x""#, json!(["x"])),
        ("@.n != 'x'", json!(["y", "z"])),
        ("@.n>='y'", json!(["y", "z"])),
        ("'y'<@.n", json!(["z"])),
        ("@.v>1", json!(["y"])),
        ("@.v<=1", json!(["x"])),
        ("@.v==1.0", Value::Null),
        ("@.v=='1'", Value::Null),
        ("@.t==true", json!(["x"])),
        ("@.t<true", Value::Null),
        ("@.t==True", Value::Null),
        ("@.t", json!(["x"])),
        ("@.k.q", json!(["z"])),
        ("@.k[0]", json!(["z"])),
        ("@.k.q[0]", json!(["z"])),
        ("@.k", json!(["z"])),
        ("@.k==1", Value::Null),
        ("@.*==1", Value::Null),
        ("@.v=!1", Value::Null),
        ("@.v==@.v", json!(["x", "y"])),
    ] {
        assert_eq!(found(&format!(".l[?({filter})].n"), &value), want, "{filter}");
    }
    assert_eq!(found(".ints[?(@>=2)]", &value), json!([2, 3]));
    assert_eq!(found(".mixed[?(@>=2)]", &value), Value::Null);
}

#[test]
fn mistakes_are_told_as_upstream_tells_them() {
    for (path, want) in [
        (".a[", "unterminated array"),
        (".a[b]", "invalid array index b"),
        (r#".a["b"]"#, r#"invalid array index "b""#),
        (".a[1:2:3:4]", "invalid array index 1:2:3:4"),
        (".a[-]", "array index - is not a number"),
        (".a]", "unrecognized character in action: U+005D ']'"),
        ("..*", "unrecognized character in action: U+002A '*'"),
        ("....a", "invalid multiple recursive descent"),
        (".a\t", "unrecognized character in action: U+0009"),
        (".a\n", "unclosed action"),
        (r".a\", "unclosed action"),
        (".a 'b", "unterminated quoted string"),
        (r#".a "\q""#, r#"unquote string "\q" error invalid syntax"#),
        (".a 1.2.3", "cannot parse number 1.2.3"),
        (".a[?(@.b", "unterminated filter"),
        (".a[?(@.b=='c)]", "unterminated filter"),
        (".a[?(@.b)", "unclosed array expect ]"),
        (".a[?(@.b[x])]", "invalid array index x"),
        (".a[0,x]", "invalid array index x"),
    ] {
        assert_eq!(found(path, &Value::Null), want, "{path}");
    }
}

#[test]
fn everything_ends() {
    assert!(JsonPath::parse(&".a".repeat(LONGEST / 2)).is_ok());
    assert!(JsonPath::parse(&".a".repeat(LONGEST)).is_err());
    let nested = (0..100).fold(json!([1]), |below, _| json!({ "a": below }));
    assert_eq!(found(&"..a".repeat(50), &nested), Value::Null);
    assert_eq!(found("..a[0]", &json!({"a": [1]})), json!([1]));
    let wide: Value = (0..1000).collect();
    assert_eq!(found(&format!("[{}*]", "*,".repeat(1500)), &wide), Value::Null);
}
