//! No bytes make a decoder panic, and what is written is read back.

use corten_api::builtin::KINDS;
use corten_codec::{Problems, json, list, protobuf, watch, yaml};
use proptest::prelude::*;

/// Texts that look like JSON of an object, now and then sound.
fn near_json() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\\u12",
        "\\",
        "null",
        "true",
        "1",
        "-0.5e3",
        "\"kind\"",
        "\"metadata\"",
        "\"spec\"",
        "\"name\"",
        "\"x\"",
        "\"labels\"",
        "\"containers\"",
        "\"template\"",
        "\"data\"",
        "\"items\"",
        " ",
        "\n",
        "é",
        "\"2026-01-02T03:04:05Z\"",
        "- ",
        "&a ",
        "*a",
        "<<: ",
        "|",
        "!!int ",
        "\n  ",
        "---\n",
        "k8s\0",
    ]);
    prop::collection::vec(word, 0..40).prop_map(|words| words.concat())
}

fn all(bytes: &[u8], kind: usize) {
    let Some(new) = KINDS[kind % KINDS.len()].new else { return };
    let mut problems = Problems::strict();
    let _ = json::type_meta(bytes);
    let _ = json::splice_resource_version(bytes, 1);
    let _ = yaml::from_json(bytes);
    let _ = yaml::decode(bytes, &mut *new(), &mut problems);
    let _ = list::decode_json(bytes, new, &mut problems);
    let _ = list::decode_protobuf(bytes, new);
    let _ = watch::decode_json(bytes);
    let _ = watch::decode_protobuf(bytes);
    let _ = watch::split_frame(bytes);
    let _ = protobuf::open(bytes);
    let mut object = new();
    if json::decode(bytes, &mut *object, &mut problems).is_ok() {
        let mut again = new();
        let written = json::encode(&*object);
        json::decode(&written, &mut *again, &mut problems).expect("what was written is read");
        assert_eq!(json::encode(&*again), written);
    }
    let mut object = new();
    if protobuf::decode_message(bytes, object.as_struct_mut()).is_ok() {
        let written = protobuf::encode_message(object.as_struct());
        let mut again = new();
        protobuf::decode_message(&written, again.as_struct_mut()).expect("what was written is read");
        assert_eq!(protobuf::encode_message(again.as_struct()), written);
        serde_json::from_slice::<serde::de::IgnoredAny>(&json::encode(&*object)).expect("JSON");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), kind in 0usize..100) {
        all(&bytes, kind);
    }

    #[test]
    fn near_json_never_panics(text in near_json(), kind in 0usize..100) {
        all(text.as_bytes(), kind);
    }

    #[test]
    fn damaged_objects_never_panic(kind in 0usize..100, at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let Some(new) = KINDS[kind % KINDS.len()].new else { return Ok(()) };
        let mut object = new();
        object.meta_mut().name = "a".repeat(kind);
        object.meta_mut().labels.insert("k".to_string(), "v".to_string());
        for mut bytes in [json::encode(&*object), protobuf::encode(&*object), protobuf::encode_message(object.as_struct())] {
            let at = at.index(bytes.len());
            bytes[at] = byte;
            all(&bytes, kind);
        }
    }
}
