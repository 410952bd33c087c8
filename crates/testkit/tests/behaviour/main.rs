//! What a cluster does, in virtual time. A test that covers a spec of upstream's conformance suite has the
//! name that `conformance/rung1.tsv` gives it; the same specs are run on a real cluster in crate `conformance`.

mod garbage;
mod manifests;
mod namespaces;
mod nodes;
mod objects;
mod quotas;
mod service_cidrs;
mod services;
mod watchers;
mod workloads;
