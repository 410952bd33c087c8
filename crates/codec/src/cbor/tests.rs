//! What upstream's serializer reads and writes, byte for byte.

use super::{MARK, Shape, from_json, to_json};
use corten_api::Schema;
use corten_api::core::v1::{ConfigMap, Secret};
use corten_api::{Kind, Type};

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("hex"), 16).expect("hex");
    digits.chunks(2).map(pair).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn schema<K: Kind>() -> &'static Schema {
    (K::INFO.schema)()
}

#[test]
fn json_is_written() {
    for (json, want) in [
        ("null", "f6"),
        ("true", "f5"),
        ("0", "00"),
        ("23", "17"),
        ("24", "1818"),
        ("-1", "20"),
        ("-500", "3901f3"),
        ("9223372036854775807", "1b7fffffffffffffff"),
        ("-9223372036854775808", "3b7fffffffffffffff"),
        ("18446744073709551615", "fa5f800000"),
        ("1.0", "f93c00"),
        ("1.5", "f93e00"),
        ("-0.0", "f98000"),
        ("65504.0", "f97bff"),
        ("65505.0", "fa477fe100"),
        ("5.960464477539063e-8", "f90001"),
        ("0.00006103515625", "f90400"),
        ("100000.0", "fa47c35000"),
        ("1.1", "fb3ff199999999999a"),
        (r#""a""#, "4161"),
        (r#""\u00e9""#, "42c3a9"),
        ("[1, [2]]", "82018102"),
        // Shorter keys first, then in the order of their bytes.
        (r#"{"bb": 1, "c": 2, "a": {}}"#, "a34161a041630242626201"),
    ] {
        let written = from_json(json.as_bytes(), Shape::Any).expect(json);
        assert_eq!(written[..3], MARK);
        assert_eq!(hex(&written[3..]), want, "{json}");
        let read = to_json(&written).expect(json);
        let value = |text: &[u8]| serde_json::from_slice::<serde_json::Value>(text).expect("JSON");
        if json != "18446744073709551615" {
            assert_eq!(value(&read), value(json.as_bytes()), "{json}");
        }
    }
    let deep = [vec![b'['; 1000], vec![b']'; 1000]].concat();
    assert!(from_json(&deep, Shape::Any).is_err());
    assert!(from_json(b"1e999", Shape::Any).is_err());
}

#[test]
fn tables_say_what_is_bytes() {
    let json = br#"{"data":{"k":"aGk="},"metadata":{"name":"aGk="}}"#;
    let secret = "a2 44 64617461 a1 416b d6 426869 48 6d65746164617461 a1 446e616d65 4461476b3d";
    let written = from_json(json, Shape::Struct(schema::<Secret>())).expect("written");
    assert_eq!(written[3..], bytes(secret));
    let list = [br#"{"items":["#.as_slice(), json, b"]}"].concat();
    let written = from_json(&list, Shape::List(schema::<Secret>())).expect("written");
    assert_eq!(written[3..], bytes(&format!("a1 45 6974656d73 81 {secret}")));
    let table = [br#"{"rows":[{"object":"#.as_slice(), json, b"}]}"].concat();
    let written = from_json(&table, Shape::Table(schema::<Secret>())).expect("written");
    assert_eq!(written[3..], bytes(&format!("a1 44 726f7773 81 a1 46 6f626a656374 {secret}")));
    let written = from_json(json, Shape::Struct(schema::<ConfigMap>())).expect("written");
    assert!(!hex(&written).contains("d6426869"), "a ConfigMap's data are texts");
    let written = from_json(b"[1]", Shape::Value(&Type::List(&Type::Float64))).expect("written");
    assert_eq!(hex(&written[3..]), "81f93c00");
}

#[test]
fn cbor_is_read() {
    for (cbor, want) in [
        ("d9d9f7 a1 4161 01", r#"{"a":1}"#),
        ("a1 6161 f6", r#"{"a":null}"#),
        // Of unknown length.
        ("bf 4161 9f 01 02 ff ff", r#"{"a":[1,2]}"#),
        ("5f 4161 4162 ff", r#""ab""#),
        ("7f 6161 6162 ff", r#""ab""#),
        // Bytes as texts that are expected later; around a whole array, too.
        ("d6 426869", r#""aGk=""#),
        ("d5 43fbefff", r#""--__""#),
        ("d7 42abcd", r#""abcd""#),
        ("d6 82 4161 6162", r#"["YQ==","b"]"#),
        // Times.
        ("c1 1a514b67b0", r#""2013-03-21T20:04:00Z""#),
        ("c1 fb41d452d9ec200000", r#""2013-03-21T20:04:00.5Z""#),
        ("c0 74 323031332d30332d32315432303a30343a30305a", r#""2013-03-21T20:04:00Z""#),
        // Unknown tags say nothing.
        ("d864 01", "1"),
        ("d9d9f7 d9d9f7 f4", "false"),
        ("41ff", "\"\u{fffd}\""),
        ("f97e00", "cbor: data item of cbor type primitives is not accepted by protocol: floating-point NaN"),
        (
            "fa7f800000",
            "cbor: data item of cbor type primitives is not accepted by protocol: floating-point infinity",
        ),
        (
            "f7",
            "cbor: data item of cbor type primitives is not accepted by protocol: simple value 23 is not recognized",
        ),
        ("f818", "cbor: invalid simple value 24 for type primitives"),
        ("c2 4101", "cbor: data item of cbor type tag is not accepted by protocol: bignum"),
        (
            "1bffffffffffffffff",
            "cbor: cannot unmarshal positive integer into Go value of type int64 (18446744073709551615 overflows Go's int64)",
        ),
        ("a2 4161 01 6161 02", "cbor: found duplicate map key \"a\" at map element index 1"),
        ("a1 01 02", "cbor: cannot unmarshal positive integer into Go value of type string"),
        ("61ff", "cbor: invalid UTF-8 string"),
        ("01 02", "cbor: 1 bytes of extraneous data starting at index 1"),
        ("", "EOF"),
        ("82 01", "unexpected EOF"),
        ("5bffffffffffffffff", "unexpected EOF"),
        ("ff", "cbor: unexpected \"break\" code"),
        ("bf 4161 ff", "cbor: unexpected \"break\" code"),
        ("1c", "cbor: invalid additional information 28 for type positive integer"),
        ("1f", "cbor: invalid additional information 31 for type positive integer"),
        ("5f 6161 ff", "cbor: wrong element type UTF-8 text string for indefinite-length byte string"),
        ("5f 5f ff ff", "cbor: indefinite-length byte string chunk is not definite-length"),
        ("c0 4161", "cbor: tag number 0 must be followed by text string, got byte string"),
        ("99 0401", "cbor: exceeded max number of elements 1024 for CBOR array"),
        ("bb ffffffffffffffff", "cbor: exceeded max number of key-value pairs 1024 for CBOR map"),
    ] {
        let got = to_json(&bytes(cbor)).map(|json| String::from_utf8(json).expect("UTF-8"));
        assert_eq!(got.unwrap_or_else(|e| e.to_string()), want, "{cbor}");
    }
}

#[test]
fn depth_and_length_have_limits() {
    let nested = |depth: usize| [vec![0x81; depth], vec![0x00]].concat();
    assert!(to_json(&nested(64)).is_ok());
    assert_eq!(to_json(&nested(65)).expect_err("too deep").to_string(), "cbor: exceeded max nested level 64");
    let tags = [[0xd8, 0x64].repeat(1000), vec![0x00]].concat();
    assert!(to_json(&tags).is_err());
    let many = |count: usize| [vec![0x9f], vec![0x00; count], vec![0xff]].concat();
    assert!(to_json(&many(1024)).is_ok());
    assert!(to_json(&many(1025)).is_err());
}
