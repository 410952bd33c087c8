//! What an API server holds in memory: for many objects, watches and definitions, and while it sends a long list.

use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use hyper::Method;
use serde::Serialize;
use serde_json::{Value, json};

use corten_rt::{Tasks, sleep};

use super::fan_out::{self, Over};
use super::http::{Call, Server};
use super::load::Load;
use super::namespace::Namespace;
use super::objects::config_map;
use super::processes::{Group, Sample, sample_all};
use super::table::{Table, mebibytes};

/// How often memory is looked at while a list is sent.
const GLANCE: Duration = Duration::from_millis(10);
/// How long memory must not have shrunk to count as settled, and how long that is waited for at most.
const CALM: Duration = Duration::from_secs(2);
const CALM_WITHIN: usize = 10;
const MIB: u64 = 1 << 20;
/// The number of the first object: no other run makes as many.
const FIRST: usize = 10_000_000;

/// What memory is measured for.
#[derive(Args, Clone, Debug)]
pub struct MemoryArgs {
    /// Objects whose memory is measured; 0 leaves these figures away.
    #[arg(long, default_value_t = 100_000, value_name = "COUNT")]
    memory_objects: usize,
    /// Watches whose memory is measured; 0 leaves them away.
    #[arg(long, default_value_t = 1000, value_name = "COUNT")]
    memory_watches: usize,
    /// CustomResourceDefinitions whose memory is measured; 0 leaves them away.
    #[arg(long, default_value_t = 1000, value_name = "COUNT")]
    memory_definitions: usize,
}

/// Resident memory, in bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Held {
    what: String,
    /// At most this many bytes are wanted of each group of processes.
    aim: u64,
    /// Of each group of processes, in their order.
    bytes: Vec<u64>,
}

/// Long lists: how they are called, and what is accepted.
const LISTS: [(&str, &str, &str); 5] = [
    ("JSON", "application/json", ""),
    ("JSON, by label", "application/json", "&labelSelector=bench"),
    ("protobuf", "application/vnd.kubernetes.protobuf", ""),
    ("Table", "application/json;as=Table;v=v1;g=meta.k8s.io", ""),
    ("metadata alone", "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io", ""),
];

/// Measures all of it; what is made goes with the namespace. `first` is what each group held before the run.
pub async fn measure(
    args: &MemoryArgs,
    (groups, first): (&[Group], &[Sample]),
    server: &Server,
    namespace: &Namespace,
    tasks: &Tasks,
) -> Result<Vec<Held>> {
    if first.is_empty() {
        return Ok(Vec::new());
    }
    let mut run = Run { groups, server, namespace, tasks, held: Vec::new() };
    if args.memory_definitions > 0 {
        run.definitions(args.memory_definitions).await?;
    }
    if args.memory_objects > 0 {
        run.objects(args.memory_objects, first).await?;
        for (name, accept, query) in LISTS {
            run.list(&format!("a list of {}, {name}: adds", args.memory_objects), accept, query).await?;
        }
    }
    // Last, since the room that they leave would hide what others add.
    if args.memory_watches > 0 {
        run.watches(args.memory_watches).await?;
    }
    Ok(run.held)
}

/// The figures as a table; nothing where there are none.
pub fn text(groups: &[String], held: &[Held]) -> String {
    if held.is_empty() {
        return String::new();
    }
    let columns = groups.iter().map(|name| format!("{name} RSS MiB"));
    let mut table = Table::new(["memory".to_owned(), "aim MiB".to_owned()].into_iter().chain(columns));
    for one in held {
        let cells = [one.what.clone(), mebibytes(one.aim)];
        table.row(cells.into_iter().chain(one.bytes.iter().map(|bytes| mebibytes(*bytes))));
    }
    format!("\n{}", table.render())
}

impl Held {
    /// What there is more than before, of which `aim` MiB are wanted at most.
    pub fn added(what: String, aim: u64, before: &[u64], after: &[u64]) -> Held {
        let bytes = after.iter().zip(before).map(|(after, before)| after.saturating_sub(*before)).collect();
        Held { what, aim: aim * MIB, bytes }
    }
}

/// Memory of each group now.
pub fn resident(groups: &[Group]) -> Vec<u64> {
    sample_all(groups).iter().map(Sample::rss).collect()
}

/// Memory once it no longer shrinks.
pub async fn settled(groups: &[Group]) -> Vec<u64> {
    let mut before = resident(groups);
    for _ in 0..CALM_WITHIN {
        sleep(CALM).await;
        let now = resident(groups);
        let shrinks = now.iter().zip(&before).any(|(now, before)| now + MIB / 2 < *before);
        before = now;
        if !shrinks {
            break;
        }
    }
    before
}

struct Run<'a> {
    groups: &'a [Group],
    server: &'a Server,
    namespace: &'a Namespace,
    tasks: &'a Tasks,
    held: Vec<Held>,
}

impl Run<'_> {
    async fn settled(&self) -> Vec<u64> {
        settled(self.groups).await
    }

    fn add(&mut self, what: String, aim: u64, before: &[u64], after: &[u64]) {
        self.held.push(Held::added(what, aim, before, after));
    }

    async fn watches(&mut self, count: usize) -> Result<()> {
        let version = self.namespace.version(&mut self.server.connect().await?, "configmaps").await?;
        let before = self.settled().await;
        let watches =
            fan_out::open(self.server, &self.namespace.path("configmaps"), &version, count, Over::Own)
                .await?;
        let after = self.settled().await;
        drop(watches);
        self.add(format!("{count} watches: add"), 30, &before, &after);
        Ok(())
    }

    async fn definitions(&mut self, count: usize) -> Result<()> {
        const PATH: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
        let mut connections = self.server.connect_many(8).await?;
        let owner = match connections.first_mut() {
            Some(connection) => self.namespace.reference(connection).await?,
            None => Value::Null,
        };
        let before = self.settled().await;
        let call = move |n| Call::with(Method::POST, PATH, definition(n, &owner).to_string());
        let load = Load { count, pace: Duration::ZERO, call };
        let made = load.run(&mut connections, self.tasks).await?;
        if let Some(error) = made.first_error {
            anyhow::bail!("a definition was refused: {error}");
        }
        let after = self.settled().await;
        self.add(format!("{count} CustomResourceDefinitions: add"), 19, &before, &after);
        Ok(())
    }

    /// What a server holds that has these objects and nothing of the run besides.
    async fn objects(&mut self, count: usize, first: &[Sample]) -> Result<()> {
        let before = self.settled().await;
        let path = self.namespace.path("configmaps");
        let mut connections = self.server.connect_many(16).await?;
        let call = move |n| Call::with(Method::POST, path.clone(), config_map(FIRST + n, "memory"));
        let load = Load { count, pace: Duration::ZERO, call };
        let made = load.run(&mut connections, self.tasks).await?;
        if let Some(error) = made.first_error {
            anyhow::bail!("an object was refused: {error}");
        }
        drop(connections);
        let besides: Vec<u64> =
            before.iter().zip(first).map(|(before, first)| before.saturating_sub(first.rss())).collect();
        let after = self.settled().await;
        self.add(format!("server with {count} ConfigMaps of 1 KiB"), 250, &besides, &after);
        Ok(())
    }

    async fn list(&mut self, what: &str, accept: &'static str, query: &str) -> Result<()> {
        let path = format!("{}?resourceVersion=0{query}", self.namespace.path("configmaps"));
        let mut connection = self.server.connect().await?;
        let before = self.settled().await;
        let mut most = before.clone();
        let mut sending = std::pin::pin!(connection.drain(path, accept));
        loop {
            tokio::select! {
                sent = &mut sending => {
                    sent.with_context(|| what.to_owned())?;
                    break;
                }
                () = sleep(GLANCE) => {
                    let now = resident(self.groups);
                    most.iter_mut().zip(now).for_each(|(most, now)| *most = now.max(*most));
                }
            }
        }
        self.add(what.to_owned(), 10, &before, &most);
        Ok(())
    }
}

/// A definition with a schema as operators have them, about 12 KB, that goes with its owner.
fn definition(number: usize, owner: &Value) -> Value {
    let leaf = |n: usize| {
        json!({
            "type": if n.is_multiple_of(3) { "integer" } else { "string" },
            "description": format!("Field {n} of the specification says how the part behaves that is named after it."),
        })
    };
    let part = |n: usize| {
        let fields: serde_json::Map<String, Value> =
            (0..8).map(|field| (format!("field{field}"), leaf(n * 8 + field))).collect();
        json!({"type": "object", "description": "A part.", "properties": fields, "required": ["field0"]})
    };
    let parts: serde_json::Map<String, Value> = (0..10).map(|n| (format!("part{n}"), part(n))).collect();
    let (group, plural) = (format!("bench{}.corten.example", number / 20), format!("things{number}"));
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}"), "ownerReferences": [owner]},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": plural, "kind": format!("Thing{number}"), "singular": format!("thing{number}")},
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {
                    "type": "object",
                    "properties": {
                        "spec": {"type": "object", "properties": parts},
                        "status": part(100),
                    },
                }},
            }],
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_stand_beside_their_aims() {
        let held = [Held { what: "things: add".into(), aim: 30 * MIB, bytes: vec![12 * MIB, MIB / 2] }];
        let text = text(&["apiserver".into(), "etcd".into()], &held);
        let lines: Vec<Vec<&str>> =
            text.trim().lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[1], ["things:", "add", "30.0", "12.0", "0.500"]);
        assert_eq!(super::text(&["a".into()], &[]), "");
    }

    #[test]
    fn definitions_are_as_large_as_those_of_operators() {
        let one = definition(7, &json!({"kind": "Namespace"}));
        assert!((8_000..20_000).contains(&one.to_string().len()), "{}", one.to_string().len());
        assert_eq!(one["metadata"]["name"], "things7.bench0.corten.example");
    }
}
