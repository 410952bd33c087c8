use super::*;

fn json(yaml: &str) -> String {
    let json = to_json(yaml.as_bytes(), &mut Problems::ignore()).unwrap_or_else(|e| panic!("{yaml}: {e}"));
    String::from_utf8(json).expect("text")
}

#[test]
fn documents_become_json() {
    for (yaml, want) in [
        ("", "null"),
        ("a: 1\nb: [x, 'no', no]", r#"{"a":1,"b":["x","no",false]}"#),
        ("mode: 0644\nsize: 1.50\nbig: 1e3", r#"{"big":1000,"mode":420,"size":1.5}"#),
        ("1: one\ntrue: t\n1.5: f", r#"{"1":"one","1.5":"f","true":"t"}"#),
        ("a: |\n  x\n  y\nb: >-\n  x\n  y\n", r#"{"a":"x\ny\n","b":"x y"}"#),
        ("a: &x {k: v}\nb: *x\nc:\n  <<: *x\n  k: w", r#"{"a":{"k":"v"},"b":{"k":"v"},"c":{"k":"w"}}"#),
        ("a: !!str 3\nb: !!float 3\nc: !!binary aGk=", r#"{"a":"3","b":3,"c":"hi"}"#),
        ("a: 1\n---\nb: 2", r#"{"a":1}"#),
        ("{\"a\": \"b\\n\", \"c\": [1, null]}", r#"{"a":"b\n","c":[1,null]}"#),
        ("a:\n- x\n- k: z\n  w:\n", r#"{"a":["x",{"k":"z","w":null}]}"#),
        ("t: 2026-01-02T03:04:05Z", r#"{"t":"2026-01-02T03:04:05Z"}"#),
        ("a: 1\na: 2", r#"{"a":2}"#),
    ] {
        assert_eq!(json(yaml), want, "{yaml}");
    }
}

#[test]
fn several_documents_are_told_apart() {
    let documents = documents_to_json(b"a: 1\n---\n# nothing\n---\nb: 2\n...\n").expect("documents");
    assert_eq!(documents, [b"{\"a\":1}".to_vec(), b"{\"b\":2}".to_vec()]);
}

#[test]
fn keys_set_twice_are_found() {
    let mut problems = Problems::strict();
    to_json(b"a: 1\nb:\n  c: 1\n  c: 2\na: 3\n", &mut problems).expect("JSON");
    assert_eq!(
        problems.found(),
        [
            "yaml: unmarshal errors:\n  line 4: key \"c\" already set in map\n  line 5: key \"a\" already set in map"
        ]
    );
}

#[test]
fn broken_documents_are_refused() {
    let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_string();
    for n in 1..9 {
        let items = vec![format!("*a{}", n - 1); 10].join(", ");
        laughs += &format!("a{n}: &a{n} [{items}]\n");
    }
    let long = format!("a: &a {}\nb: [{}]", "x".repeat(100_000), vec!["*a"; 2000].join(","));
    let deep = "[".repeat(100_000);
    for bad in [
        "a: b: c",
        "a: [",
        "a: 'x",
        "*a",
        "a: !!int x",
        "? [a]\n: b",
        "~: b",
        "a: .inf",
        "a: &a [*a]",
        "a:\n  <<: 3",
        "%",
        &laughs,
        &long,
        &deep,
    ] {
        let result = to_json(bad.as_bytes(), &mut Problems::ignore());
        assert!(result.is_err(), "{}", bad.get(..200).unwrap_or(bad));
    }
    assert!(to_json(b"a: \xff", &mut Problems::ignore()).is_err());
}

#[test]
fn what_is_written_reads_back() {
    let value = serde_json::json!({
        "apiVersion": "v1",
        "list": [{"a": 1, "b": []}, [["x"], {}], "- x", null],
        "text": {
            "block": "a\n  b\n\nc\n", "open": "a\nb", "many": "a\n\n\n", "lead": "  a\nb", "newline": "\n",
            "trail": "a \nb", "tab": "a\tb", "yes": "yes", "n": "n", "number": "012", "time": "1:30",
            "colon": "a: b", "url": "http://x:1", "hash": "a #b", "quote": "it's", "empty": "", "star": "*x",
            "dash": "-", "minus": "-x", "space": " x", "unicode": "é…", "odd": "\u{1}\u{2028}\u{feff}",
            "merge": "<<", "null": "null", "doc": "---", "date": "2026-01-02", "crlf": "a\r\nb", "q": "? x",
            "json": "{\"a\": [1]}", "float": "1.5", "key: odd": "x", "1": "digit", "true": "word", "at": "@x",
        },
        "numbers": [0, -1, 1.5, 1e30, 18446744073709551615u64],
    });
    let yaml = from_json(value.to_string().as_bytes()).expect("YAML");
    let back: serde_json::Value = serde_json::from_str(&json(&yaml)).expect("JSON");
    assert_eq!(back, value, "{yaml}");
}

#[test]
fn the_style_is_upstreams() {
    let value = r#"{"kind":"Pod","spec":{"containers":[{"name":"a","args":["x","- y"],"env":[]}],"m":{}},"data":{"f":"l1\nl2\n"}}"#;
    let want = "data:\n  f: |\n    l1\n    l2\nkind: Pod\nspec:\n  containers:\n  - args:\n    - x\n    - '- y'\n    env: []\n    name: a\n  m: {}\n";
    assert_eq!(from_json(value.as_bytes()).expect("YAML"), want);
}

/// Found by `fuzz/run`: blocks whose lines begin with spaces, wherever they stand.
#[test]
fn texts_of_lines_that_begin_with_spaces_are_read_again() {
    for text in
        [" a\nb", " a\n\n b\n", "\n a", "\n\n", "\n\n\n  a", " \r\n a", "a\n b\n\n\n", "a:a \n t\r.\n b"]
    {
        for place in ["X", "[X]", "{\"k\":X}", "[[X]]", "{\"k\":[{\"l\":X}]}"] {
            let json = place.replace('X', &serde_json::to_string(text).expect("JSON"));
            let written = from_json(json.as_bytes()).expect("written");
            let again = to_json(written.as_bytes(), &mut Problems::ignore());
            let again = again.unwrap_or_else(|e| panic!("{json} is written as {written}: {e}"));
            assert_eq!(String::from_utf8_lossy(&again), json, "{written}");
        }
    }
}

/// Found by `fuzz/run`: readers look for a key's colon only so far.
#[test]
fn long_keys_and_those_of_several_lines_stand_alone() {
    let keys = [
        "k".repeat(129),
        "\u{1}".repeat(400),
        "a\nb".into(),
        " a\n\nb\n".into(),
        "\n".into(),
        "? a\n".into(),
    ];
    let values = ["1", "[]", "[1,[2],{\"a\":3}]", "{\"a\":{\"b\":[1]},\"c\":2}", "\" x\\ny\\n\""];
    for key in &keys {
        let key = serde_json::to_string(key).expect("JSON");
        for value in values {
            let json = format!("{{{key}:{value},\"z\":[{{{key}:{value}}}]}}");
            let written = from_json(json.as_bytes()).expect("written");
            let again = to_json(written.as_bytes(), &mut Problems::ignore());
            let again = again.unwrap_or_else(|e| panic!("{json} is written as {written}: {e}"));
            assert_eq!(String::from_utf8_lossy(&again), json, "{written}");
        }
    }
    let written = from_json(b"{\"a\\nb\":[1,2],\"c\\nd\":{\"e\":1,\"f\":2}}").expect("written");
    assert_eq!(written, "? |-\n  a\n  b\n: - 1\n  - 2\n? |-\n  c\n  d\n: e: 1\n  f: 2\n");
}
