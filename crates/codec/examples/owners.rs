//! What the owners of fields cost a write: `cargo run --release -p corten-codec --example owners`.

// The clock of the program is of no use here.
#![allow(clippy::disallowed_methods)]

use corten_api::apps::v1::{Deployment, DeploymentCondition};
use corten_api::core::v1::{ConfigMap, Container, EnvVar};
use corten_api::{Object, Struct, Time};
use corten_codec::apply::{Managed, Reset, Write, compare_objects, update};
use std::hint::black_box;
use std::time::Instant;

fn measure(name: &str, mut work: impl FnMut()) {
    let mut best = f64::MAX;
    for _ in 0..20 {
        let start = Instant::now();
        for _ in 0..200 {
            work();
        }
        best = best.min(start.elapsed().as_secs_f64() / 200.0);
    }
    println!("{name:40} {:7.2} µs", best * 1e6);
}

fn write<'a>(manager: &'a str, subresource: &'a str) -> Write<'a> {
    let reset =
        if subresource.is_empty() { Reset::Except(&[&["status"]]) } else { Reset::Except(&[&["spec"]]) };
    Write { manager, api_version: "apps/v1", subresource, reset, now: Time::new(jiff::Timestamp::UNIX_EPOCH) }
}

/// Records the change as the server does.
fn own(write: &Write<'_>, new: &mut (impl Object + Struct), old: &(impl Object + Struct), exists: bool) {
    let live = old.meta().managed_fields.clone();
    let managed = Managed::of_update(&live, &live, write.subresource);
    let changes = compare_objects(old, new);
    let managed = update(managed, write, exists, changes, &mut |_| None);
    new.meta_mut().managed_fields = managed.write();
}

fn deployment() -> Deployment {
    let mut d = Deployment::default();
    d.metadata.name = "web".into();
    d.metadata.labels = (0..4).map(|n| (format!("label-{n}"), "value".into())).collect();
    for c in 0..2 {
        let mut container = Container { name: format!("c{c}"), image: "nginx".into(), ..Default::default() };
        container.env = (0..5)
            .map(|n| EnvVar { name: format!("VARIABLE_{n}"), value: "v".into(), ..Default::default() })
            .collect();
        d.spec.template.spec.containers.push(container);
    }
    d
}

fn main() {
    let mut map = ConfigMap::default();
    map.metadata.name = "bench".into();
    map.data.insert("data".into(), "x".repeat(1024));
    let blank = ConfigMap::default();
    measure("create of a ConfigMap", || {
        let mut new = black_box(&map).clone();
        own(&write("kubectl", ""), &mut new, &blank, false);
        black_box(new);
    });
    measure("  of it the copy", || drop(black_box(black_box(&map).clone())));
    let mut owned = map.clone();
    own(&write("kubectl", ""), &mut owned, &blank, false);
    measure("update of a ConfigMap", || {
        let mut new = black_box(&owned).clone();
        new.data.insert("data".into(), "y".into());
        own(&write("kubectl", ""), &mut new, &owned, true);
        black_box(new);
    });
    let mut old = deployment();
    measure("create of a Deployment", || {
        let mut new = black_box(&old).clone();
        own(&write("kubectl", ""), &mut new, &Deployment::default(), false);
        black_box(new);
    });
    measure("  of it the copy", || drop(black_box(black_box(&old).clone())));
    own(&write("kubectl", ""), &mut old, &Deployment::default(), false);
    for number in 0..3 {
        let mut next = old.clone();
        next.metadata.annotations.insert(format!("note-{number}"), "v".into());
        own(&write(&format!("manager-{number}"), ""), &mut next, &old, true);
        old = next;
    }
    let mut next = old.clone();
    next.status.conditions.push(DeploymentCondition { type_: "Available".into(), ..Default::default() });
    next.status.replicas = 1;
    own(&write("controller", "status"), &mut next, &old, true);
    let old = next;
    measure("status of a Deployment with 5 managers", || {
        let mut new = black_box(&old).clone();
        new.status.replicas = 2;
        new.status.conditions[0].status = "True".into();
        own(&write("controller", "status"), &mut new, &old, true);
        black_box(new);
    });
    measure("  of it the copy", || drop(black_box(black_box(&old).clone())));
}
