//! The corpus of defaults in `defaults/*.yaml`: each manifest is filled as upstream's documents and defaulting
//! functions say, field by field, and nothing else is added. `defaults/README.md` says how it is written.

use corten_api::builtin::KINDS;
use corten_api::{KindInfo, Object};
use corten_codec::{Problems, json, yaml};
use corten_kinds::strategy_for;
use serde_json::{Map, Value, json};

const FILES: &[(&str, &str)] = &[
    ("pods", include_str!("defaults/pods.yaml")),
    ("volumes", include_str!("defaults/volumes.yaml")),
    ("workloads", include_str!("defaults/workloads.yaml")),
    ("network", include_str!("defaults/network.yaml")),
    ("others", include_str!("defaults/others.yaml")),
];
/// So many manifests there are at least.
const MANIFESTS: usize = 200;

/// Sets the value at `path`, whose parts are parted by slashes (`~1` is one); null takes it away.
fn set(object: &mut Value, path: &str, value: &Value) {
    let (first, rest) = path.split_once('/').map_or((path, None), |(a, b)| (a, Some(b)));
    let name = first.replace("~1", "/");
    if object.is_null() {
        *object = if name.parse::<usize>().is_ok() { json!([]) } else { json!({}) };
    }
    let inner = match object {
        Value::Array(list) => {
            let at: usize = name.parse().unwrap_or_else(|_| panic!("{name} is no index"));
            list.resize(list.len().max(at + 1), Value::Null);
            &mut list[at]
        }
        Value::Object(map) if rest.is_none() && value.is_null() => return drop(map.remove(&name)),
        Value::Object(map) => map.entry(name).or_insert(Value::Null),
        other => panic!("nothing below {other} at {path}"),
    };
    match rest {
        Some(rest) => set(inner, rest, value),
        None => *inner = value.clone(),
    }
}

fn changed(object: &Value, changes: &Map<String, Value>) -> Value {
    let mut object = object.clone();
    for (path, value) in changes {
        set(&mut object, path, value);
    }
    object
}

/// Where two objects differ.
fn differences(at: &str, have: &Value, want: &Value, out: &mut Vec<String>) {
    match (have, want) {
        (Value::Object(a), Value::Object(b)) => {
            for key in a.keys().chain(b.keys().filter(|key| !a.contains_key(*key))) {
                let of = |map: &Map<String, Value>| map.get(key).cloned().unwrap_or_default();
                differences(&format!("{at}/{key}"), &of(a), &of(b), out);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (n, (a, b)) in a.iter().zip(b).enumerate() {
                differences(&format!("{at}/{n}"), a, b, out);
            }
        }
        _ if have != want => out.push(format!("    {at}: is {have}, should be {want}")),
        _ => {}
    }
}

fn kind_of(manifest: &Value) -> &'static KindInfo {
    let (version, kind) = (manifest["apiVersion"].as_str(), manifest["kind"].as_str());
    let found = KINDS.iter().find(|k| Some(k.api_version().as_ref()) == version && Some(k.kind) == kind);
    found.unwrap_or_else(|| panic!("unknown kind {version:?} {kind:?}"))
}

fn shown(object: &dyn Object) -> Value {
    serde_json::from_slice(&json::encode(object)).expect("JSON")
}

/// What is wrong with the defaults of one manifest.
fn wrong(manifest: &Value, adds: &Map<String, Value>) -> Vec<String> {
    let kind = kind_of(manifest);
    let mut object = kind.new.expect("an object")();
    let mut problems = Problems::strict();
    json::decode(manifest.to_string().as_bytes(), &mut *object, &mut problems)
        .unwrap_or_else(|e| panic!("{manifest}: {e:?}"));
    let want = changed(&shown(&*object), adds);
    let strategy = strategy_for(kind);
    strategy.default(&mut *object);
    let have = shown(&*object);
    let mut out = Vec::new();
    differences("", &have, &want, &mut out);
    strategy.default(&mut *object);
    if shown(&*object) != have {
        out.push("    filled twice it is another".into());
    }
    out
}

#[test]
fn every_manifest_is_filled_as_upstream_fills_it() {
    let (mut told, mut count) = (Vec::new(), 0);
    for (file, text) in FILES {
        for document in yaml::documents_to_json(text.as_bytes()).unwrap_or_else(|e| panic!("{file}: {e:?}")) {
            let document: Value = serde_json::from_slice(&document).expect("JSON");
            let map = |value: &Value| value.as_object().cloned().unwrap_or_default();
            let usual = map(&document["adds"]);
            let rows = document["rows"].as_array().cloned().unwrap_or_default();
            for row in [json!({})].iter().chain(&rows) {
                let manifest = changed(&document["object"], &map(&row["set"]));
                let mut adds = usual.clone();
                adds.extend(map(&row["adds"]));
                for path in row["not"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                    adds.remove(path).unwrap_or_else(|| panic!("{file}: {path} is not added anyway"));
                }
                count += 1;
                let wrong = wrong(&manifest, &adds);
                if !wrong.is_empty() {
                    told.push(format!("{file}: {} with {}", manifest["kind"], row["set"]));
                    told.extend(wrong);
                }
            }
        }
    }
    assert!(told.is_empty(), "{}", told.join("\n"));
    assert!(count >= MANIFESTS, "{count} manifests");
}
