//! How long a large Pod takes: `cargo run --release -p corten-codec --example formats`.

// The clock of the program is of no use here.
#![allow(clippy::disallowed_methods)]

use corten_api::Kind;
use corten_api::core::v1::{Container, EnvVar, Pod};
use corten_codec::{Problems, json, protobuf};
use std::hint::black_box;
use std::time::Instant;

/// A Pod of some 34 kB, many containers with environment, ports and resources.
fn pod() -> Pod {
    let mut pod = Pod::default();
    pod.metadata.name = "bench".to_string();
    pod.metadata.labels = (0..8).map(|n| (format!("label-{n}"), format!("value-{n}"))).collect();
    for c in 0..16 {
        let mut container = Container { name: format!("container-{c}"), ..Default::default() };
        container.image = "registry.example.com/team/application:v1.2.3".to_string();
        container.args = (0..6).map(|n| format!("--flag-{n}=some \"quoted\" value {n}")).collect();
        for n in 0..24 {
            let value = format!("value of variable {n}");
            container.env.push(EnvVar { name: format!("VARIABLE_{n}"), value, ..Default::default() });
        }
        for resource in ["cpu", "memory"] {
            let amount = "512".parse().unwrap_or_default();
            container.resources.limits.insert(resource.to_string(), amount);
            container.resources.requests.insert(resource.to_string(), amount);
        }
        pod.spec.containers.push(container);
    }
    pod
}

fn measure(name: &str, bytes: usize, mut work: impl FnMut()) {
    let mut best = f64::MAX;
    for _ in 0..20 {
        let start = Instant::now();
        for _ in 0..50 {
            work();
        }
        best = best.min(start.elapsed().as_secs_f64() / 50.0);
    }
    println!("{name:24} {:7.1} µs  {:6.0} MB/s", best * 1e6, bytes as f64 / best / 1e6);
}

fn main() {
    let pod = pod();
    let text = json::encode(&pod);
    let bytes = protobuf::encode(&pod);
    let stored = json::encode_stored(&pod);
    println!("{}: {} bytes of JSON, {} of protobuf", Pod::INFO.kind, text.len(), bytes.len());
    let read = |problems: fn() -> Problems| {
        let mut pod = Pod::default();
        let _ = black_box(json::decode(black_box(&text), &mut pod, &mut problems()));
    };
    measure("JSON decode", text.len(), || read(Problems::ignore));
    measure("JSON decode, strict", text.len(), || read(Problems::strict));
    measure("JSON encode", text.len(), || drop(black_box(json::encode(black_box(&pod)))));
    measure("JSON as serde's Value", text.len(), || {
        let _ = black_box(serde_json::from_slice::<serde_json::Value>(black_box(&text)));
    });
    measure("protobuf decode", bytes.len(), || {
        let mut pod = Pod::default();
        let _ = black_box(protobuf::decode(black_box(&bytes), &mut pod));
    });
    measure("protobuf encode", bytes.len(), || drop(black_box(protobuf::encode(black_box(&pod)))));
    measure("splice a version", stored.len(), || {
        let _ = black_box(json::splice_resource_version(black_box(&stored), 12_345));
    });
}
