//! Every kind with a fixture from upstream: JSON, YAML and protobuf are one object, and are written back with
//! the same meaning.

use corten_api::builtin::KINDS;
use corten_api::{KindInfo, Object, Struct};
use corten_codec::{Problems, json, protobuf, yaml};
use serde_json::Value;
use std::path::PathBuf;

fn fixture(group: &str, version: &str, kind: &str, format: &str) -> Option<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/fixtures");
    let group = if group.is_empty() { "core" } else { group };
    std::fs::read(folder.join(format!("{group}.{version}.{kind}.{format}"))).ok()
}

fn of_kind(info: &KindInfo, format: &str) -> Option<Vec<u8>> {
    fixture(info.group, info.version, info.kind, format)
}

fn from_json(info: &KindInfo, bytes: &[u8]) -> Result<Box<dyn Object>, String> {
    let mut object = (info.new.expect("kinds have objects"))();
    let mut problems = Problems::strict();
    json::decode(bytes, &mut *object, &mut problems).map_err(|e| format!("{info:?}: {e}"))?;
    if problems.is_empty() { Ok(object) } else { Err(format!("{info:?}: {:?}", problems.found())) }
}

fn value(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).expect("JSON")
}

/// Claims in a stateful set name their kind, as upstream's defaults make it; the fixture was never defaulted.
fn without_claim_kinds(mut value: Value) -> Value {
    if let Some(Value::Array(claims)) = value.pointer_mut("/spec/volumeClaimTemplates") {
        for claim in claims.iter_mut().filter_map(Value::as_object_mut) {
            claim.remove("kind");
            claim.remove("apiVersion");
        }
    }
    value
}

#[test]
fn json_keeps_its_meaning() {
    let with_fixture: Vec<_> = KINDS.iter().filter(|k| of_kind(k, "json").is_some()).collect();
    if with_fixture.is_empty() {
        println!("skipped: no fixtures beside the checkout");
        return;
    }
    let mut wrong = Vec::new();
    for info in &with_fixture {
        let bytes = of_kind(info, "json").expect("read before");
        let object = match from_json(info, &bytes) {
            Ok(object) => object,
            Err(e) => {
                wrong.push(e);
                continue;
            }
        };
        let written = json::encode(&*object);
        let (got, want) = (without_claim_kinds(value(&written)), value(&bytes));
        if got != want {
            wrong.push(format!("{info:?}: {}", difference("", &want, &got)));
        }
    }
    println!("{} kinds as JSON", with_fixture.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(with_fixture.len() >= 60, "only {} kinds have fixtures", with_fixture.len());
}

#[test]
fn protobuf_is_the_same_object_and_the_same_bytes() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for info in KINDS {
        let (Some(text), Some(bytes)) = (of_kind(info, "json"), of_kind(info, "pb")) else { continue };
        count += 1;
        let from_text = from_json(info, &text).unwrap_or_else(|e| panic!("{e}"));
        let mut object = (info.new.expect("kinds have objects"))();
        let envelope = protobuf::open(&bytes).expect("an envelope");
        assert_eq!(
            (&*envelope.type_meta.kind, &*envelope.type_meta.api_version),
            (info.kind, &*info.api_version())
        );
        if let Err(e) = protobuf::decode(&bytes, &mut *object) {
            wrong.push(format!("{info:?}: {e}"));
            continue;
        }
        let (got, want) = (value(&json::encode(&*object)), value(&json::encode(&*from_text)));
        if got != want {
            wrong.push(format!("{info:?}: read {}", difference("", &want, &got)));
        }
        let written = protobuf::encode(&*object);
        if written != bytes {
            let at = written.iter().zip(&bytes).position(|(a, b)| a != b).unwrap_or(0);
            wrong.push(format!(
                "{info:?}: wrote {} bytes, not {}, other from byte {at:#x}",
                written.len(),
                bytes.len()
            ));
        }
        if protobuf::encode(&*from_text) != bytes {
            wrong.push(format!("{info:?}: the object read from JSON is written otherwise"));
        }
    }
    println!("{count} kinds as protobuf");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn yaml_is_the_same_object() {
    let mut count = 0;
    for info in KINDS {
        let (Some(text), Some(bytes)) = (of_kind(info, "json"), of_kind(info, "yaml")) else { continue };
        count += 1;
        let mut object = (info.new.expect("kinds have objects"))();
        let mut problems = Problems::strict();
        yaml::decode(&bytes, &mut *object, &mut problems).unwrap_or_else(|e| panic!("{info:?}: {e}"));
        assert!(problems.is_empty(), "{info:?}: {:?}", problems.found());
        let from_text = from_json(info, &text).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(json::encode(&*object), json::encode(&*from_text), "{info:?}");
        let written = yaml::encode(&*object).unwrap_or_else(|e| panic!("{info:?}: {e}"));
        if info.kind != "StatefulSet" {
            assert_eq!(written, String::from_utf8_lossy(&bytes), "{info:?}");
        }
    }
    println!("{count} kinds as YAML");
}

/// A group, a kind, and how an empty one is made.
type Body = (&'static str, &'static str, fn() -> Box<dyn Struct>);

/// Bodies that have no object metadata: group, kind, and an empty one.
fn bodies() -> Vec<Body> {
    use corten_api::{admission, core, meta};
    vec![
        ("admission.k8s.io", "AdmissionReview", || Box::new(admission::v1::AdmissionReview::default())),
        ("", "APIGroup", || Box::new(meta::v1::APIGroup::default())),
        ("", "APIVersions", || Box::new(meta::v1::APIVersions::default())),
        ("", "CreateOptions", || Box::new(meta::v1::CreateOptions::default())),
        ("", "DeleteOptions", || Box::new(meta::v1::DeleteOptions::default())),
        ("", "GetOptions", || Box::new(meta::v1::GetOptions::default())),
        ("", "ListOptions", || Box::new(meta::v1::ListOptions::default())),
        ("", "PatchOptions", || Box::new(meta::v1::PatchOptions::default())),
        ("", "UpdateOptions", || Box::new(meta::v1::UpdateOptions::default())),
        ("", "Status", || Box::new(meta::v1::Status::default())),
        ("", "WatchEvent", || Box::new(meta::v1::WatchEvent::default())),
        ("", "NodeProxyOptions", || Box::new(core::v1::NodeProxyOptions::default())),
        ("", "PodAttachOptions", || Box::new(core::v1::PodAttachOptions::default())),
        ("", "PodExecOptions", || Box::new(core::v1::PodExecOptions::default())),
        ("", "PodLogOptions", || Box::new(core::v1::PodLogOptions::default())),
        ("", "PodPortForwardOptions", || Box::new(core::v1::PodPortForwardOptions::default())),
        ("", "PodProxyOptions", || Box::new(core::v1::PodProxyOptions::default())),
        ("", "ServiceProxyOptions", || Box::new(core::v1::ServiceProxyOptions::default())),
        ("", "SerializedReference", || Box::new(core::v1::SerializedReference::default())),
    ]
}

#[test]
fn bodies_are_the_same_in_every_format() {
    let (mut wrong, mut count) = (Vec::new(), 0);
    for (group, kind, new) in bodies() {
        let format = |format| fixture(group, "v1", kind, format);
        let (Some(text), Some(lines), Some(bytes)) = (format("json"), format("yaml"), format("pb")) else {
            continue;
        };
        count += 1;
        let mut problems = Problems::strict();
        let mut object = new();
        if let Err(e) = json::decode_struct(&text, &mut *object, &mut problems) {
            wrong.push(format!("{kind}: {e}"));
            continue;
        }
        let (got, want) = (value(&json::encode_struct(&*object)), value(&text));
        // Upstream's watch event has no kind of its own, yet its fixture names one.
        if got != want && kind != "WatchEvent" {
            wrong.push(format!("{kind}: {}", difference("", &want, &got)));
        }
        let mut from_lines = new();
        yaml::decode_struct(&lines, &mut *from_lines, &mut problems)
            .unwrap_or_else(|e| panic!("{kind}: {e}"));
        assert_eq!(json::encode_struct(&*from_lines), json::encode_struct(&*object), "{kind}");
        if kind != "WatchEvent" && !problems.is_empty() {
            wrong.push(format!("{kind}: {:?}", problems.found()));
        }
        let mut from_bytes = new();
        let raw = protobuf::open(&bytes).expect("an envelope").raw;
        if let Err(e) = protobuf::decode_message(raw, &mut *from_bytes) {
            wrong.push(format!("{kind}: {e}"));
        } else if json::encode_struct(&*from_bytes) != json::encode_struct(&*object) {
            wrong.push(format!("{kind}: protobuf is another object"));
        } else if protobuf::encode_message(&*from_bytes) != raw {
            wrong.push(format!("{kind}: protobuf is written otherwise"));
        }
    }
    println!("{count} bodies");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn damaged_fixtures_never_panic() {
    let mut seed = 1u64;
    let mut random = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) as usize % below.max(1)
    };
    for info in KINDS {
        let Some(new) = info.new else { continue };
        for format in ["json", "yaml", "pb"] {
            let Some(sound) = of_kind(info, format) else { continue };
            for _ in 0..12 {
                let mut bytes = sound.clone();
                for _ in 0..=random(3) {
                    let at = random(bytes.len());
                    match random(3) {
                        0 => bytes[at] = random(256) as u8,
                        1 => bytes.truncate(at.max(1)),
                        _ => drop(bytes.splice(at..at, sound[random(sound.len())..].iter().take(9).copied())),
                    }
                }
                let (mut object, mut problems) = (new(), Problems::strict());
                let read = match format {
                    "json" => json::decode(&bytes, &mut *object, &mut problems),
                    "yaml" => yaml::decode(&bytes, &mut *object, &mut problems),
                    _ => protobuf::decode(&bytes, &mut *object),
                };
                if read.is_ok() {
                    value(&json::encode(&*object));
                }
            }
        }
    }
}

/// Where two values differ first.
fn difference(path: &str, want: &Value, got: &Value) -> String {
    match (want, got) {
        (Value::Object(w), Value::Object(g)) => {
            let keys = w.keys().chain(g.keys());
            for key in keys {
                let (w, g) = (w.get(key).unwrap_or(&Value::Null), g.get(key).unwrap_or(&Value::Null));
                if w != g {
                    return difference(&format!("{path}.{key}"), w, g);
                }
            }
            format!("{path}: null against absent")
        }
        (Value::Array(w), Value::Array(g)) if w.len() == g.len() => {
            let at = w.iter().zip(g).position(|(w, g)| w != g).unwrap_or(0);
            difference(&format!("{path}[{at}]"), &w[at], &g[at])
        }
        _ => format!("{path}: want {want}, got {got}"),
    }
}
