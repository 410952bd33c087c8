//! Objects in the formats of bodies. The first byte chooses the kind.

use crate::choice;
use corten_api::builtin::KINDS;
use corten_api::{KindInfo, Object};
use corten_codec::cbor::{self as cbor_format, Shape};
use corten_codec::{
    Problems, json as json_format, protobuf as protobuf_format, watch as frames, yaml as yaml_format,
};
use corten_kinds::{before_create, before_update, strategy_for};

/// A kind that has objects.
fn kind(choice: usize) -> &'static KindInfo {
    KINDS[choice % KINDS.len()]
}

fn blank(kind: &'static KindInfo) -> Option<Box<dyn Object>> {
    kind.new.map(|new| new())
}

/// What was read is the same in every format.
fn survives(object: &dyn Object, new: impl Fn() -> Box<dyn Object>) {
    let text = json_format::encode(object);
    let mut again = new();
    json_format::decode(&text, &mut *again, &mut Problems::ignore()).expect("what was written is read");
    assert_eq!(json_format::encode(&*again), text, "JSON is stable");
    let bytes = protobuf_format::encode(object);
    let mut again = new();
    protobuf_format::decode(&bytes, &mut *again).expect("what was written is read");
    assert_eq!(protobuf_format::encode(&*again), bytes, "protobuf is stable");
}

pub fn json(input: &[u8]) {
    let Some((number, body)) = choice(input) else { return };
    let _ = json_format::type_meta(body);
    let _ = json_format::find_duplicates(body, &mut Problems::strict());
    let Some(mut object) = blank(kind(number)) else { return };
    let mut problems = Problems::strict();
    let strictly = json_format::decode(body, &mut *object, &mut problems).is_ok();
    let Some(mut loosely) = blank(kind(number)) else { return };
    let read = json_format::decode(body, &mut *loosely, &mut Problems::ignore()).is_ok();
    assert_eq!(strictly, read, "looking for problems changes nothing");
    if read {
        assert_eq!(json_format::encode(&*object), json_format::encode(&*loosely));
        survives(&*object, || blank(kind(number)).expect("a kind with objects"));
    }
}

pub fn yaml(input: &[u8]) {
    let Some((number, body)) = choice(input) else { return };
    let _ = yaml_format::documents_to_json(body);
    if let Ok(text) = yaml_format::to_json(body, &mut Problems::strict()) {
        let value: serde_json::Value = serde_json::from_slice(&text).expect("YAML becomes JSON");
        let written = yaml_format::from_json(&text).expect("JSON becomes YAML");
        let again = yaml_format::to_json(written.as_bytes(), &mut Problems::ignore()).expect("read again");
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&again).expect("JSON"), value, "{written}");
    }
    let Some(mut object) = blank(kind(number)) else { return };
    let _ = yaml_format::decode(body, &mut *object, &mut Problems::strict());
}

pub fn protobuf(input: &[u8]) {
    let Some((number, body)) = choice(input) else { return };
    let _ = protobuf_format::open(body);
    let Some(mut object) = blank(kind(number)) else { return };
    if protobuf_format::decode_message(body, object.as_struct_mut()).is_ok() {
        let again = |bytes: &[u8]| {
            let mut again = blank(kind(number))?;
            protobuf_format::decode(bytes, &mut *again).expect("what was written is read");
            Some(protobuf_format::encode(&*again))
        };
        // Not at the first writing: of a time, seconds alone are written, and none since 1970 is no time, as upstream's.
        let Some(bytes) = again(&protobuf_format::encode(&*object)) else { return };
        assert_eq!(again(&bytes).as_ref(), Some(&bytes), "protobuf is stable");
        let _ = json_format::encode(&*object);
    }
}

/// What is read is JSON, which is written and read again as it was; so are objects by their tables.
pub fn cbor(input: &[u8]) {
    let Some((number, body)) = choice(input) else { return };
    let Ok(text) = cbor_format::to_json(body) else { return };
    let value: serde_json::Value = serde_json::from_slice(&text).expect("CBOR becomes JSON");
    let written = cbor_format::from_json(&text, Shape::Any).expect("JSON becomes CBOR");
    let again = cbor_format::to_json(&written).expect("what was written is read");
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&again).expect("JSON"), value);
    let kind = kind(number);
    let Some(mut object) = blank(kind) else { return };
    if json_format::decode(&text, &mut *object, &mut Problems::ignore()).is_err() {
        return;
    }
    let text = json_format::encode(&*object);
    // Limits of reading are narrower than those of writing.
    let Ok(written) = cbor_format::from_json(&text, Shape::Struct((kind.schema)())) else { return };
    let Ok(read) = cbor_format::to_json(&written) else { return };
    let Some(mut again) = blank(kind) else { return };
    json_format::decode(&read, &mut *again, &mut Problems::ignore()).expect("what was written is read");
    let value = |text: &[u8]| serde_json::from_slice::<serde_json::Value>(text).expect("JSON");
    assert_eq!(value(&json_format::encode(&*again)), value(&text), "CBOR is stable");
}

/// Frames of watches, and lists.
pub fn watch(input: &[u8]) {
    let _ = frames::decode_json(input);
    let _ = frames::decode_protobuf(input);
    if let Ok(Some((frame, length))) = frames::split_frame(input) {
        assert!(frame.len() <= length && length <= input.len());
    }
}

/// A write from beginning to end: read, defaults, validation; as a creation, then as an update.
pub fn manifest(input: &[u8]) {
    let Some((number, body)) = choice(input) else { return };
    let kind = kind(number);
    let Some(mut object) = blank(kind) else { return };
    if json_format::decode(body, &mut *object, &mut Problems::ignore()).is_err() {
        return;
    }
    let strategy = strategy_for(kind);
    strategy.default(&mut *object);
    let text = json_format::encode(&*object);
    strategy.default(&mut *object);
    assert_eq!(json_format::encode(&*object), text, "defaults are stable");
    let mut created = object.clone_object();
    if before_create(strategy, &mut *created).is_ok() {
        let mut stored = created.clone_object();
        stored.meta_mut().resource_version = "1".into();
        let mut written = stored.clone_object();
        let _ = before_update(strategy, "", &mut *written, &*stored);
        let _ = before_update(strategy, "status", &mut *object, &*stored);
    }
}
