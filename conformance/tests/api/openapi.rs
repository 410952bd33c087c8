//! What is published of kinds that are defined while the server runs, and what `kubectl` makes of it.

use anyhow::{Context, Result, bail, ensure};
use corten_client::PatchType;
use corten_conformance::definitions::{Definition, Wanted, anything, version};
use corten_conformance::{Cluster, spec, wait};
use http::Method;
use serde_json::{Value, json};

/// How often in a row the document must be right.
const TIMES: usize = 10;

fn foo() -> Value {
    let text = |about: &str| json!({"description": about, "type": "string"});
    let feeling = json!({
        "description": "Whether Bar is feeling great.", "type": "string", "enum": ["Great", "Down"],
    });
    let bazs = json!({"description": "List of Bazs.", "items": {"type": "string"}, "type": "array"});
    let bar = json!({
        "type": "object", "required": ["name"],
        "properties": {
            "name": text("Name of Bar."), "age": text("Age of Bar."), "feeling": feeling, "bazs": bazs,
        },
    });
    let mut kind = text("Indicates to external qux type.");
    kind["pattern"] = json!("in-tree|out-of-tree");
    let available = json!({"description": "Whether the Bar is installed.", "type": "boolean"});
    let status = json!({"type": "object", "properties": {"name": text("Name of Bar."), "available": available, "quxType": kind}});
    let bars =
        |about: &str, items: Value| json!({"bars": {"description": about, "type": "array", "items": items}});
    json!({
        "description": "Foo CRD for Testing", "type": "object",
        "properties": {
            "spec": {
                "type": "object", "description": "Specification of Foo",
                "properties": bars("List of Bars and their specs.", bar),
            },
            "status": {
                "description": "Status of Foo", "type": "object",
                "properties": bars("List of Bars and their statuses.", status),
            },
        },
    })
}

fn waldo(about: &str) -> Value {
    let bars = json!({"description": "List of Bars and their statuses.", "type": "array", "items": {"type": "object"}});
    let dummy = json!({"description": "Dummy property.", "type": "object"});
    json!({
        "description": about, "type": "object",
        "properties": {
            "spec": {
                "description": "Specification of Waldo", "type": "object", "properties": {"dummy": dummy},
            },
            "status": {"description": "Status of Waldo", "type": "object", "properties": {"bars": bars}},
        },
    })
}

/// The name under which a version is published.
fn name(definition: &Definition<'_>, version: &str) -> String {
    let mut group: Vec<&str> = definition.group().split('.').collect();
    group.reverse();
    format!("{}.{version}.{}", group.join("."), definition.kind())
}

/// The published document, read again only when it has changed.
#[derive(Default)]
struct Document {
    tag: String,
    whole: Value,
}

impl Document {
    async fn read(&mut self, cluster: &Cluster) -> Result<&Value> {
        let mut asked = cluster.ask(Method::GET, "/openapi/v2");
        if !self.tag.is_empty() {
            asked = asked.header("If-None-Match", &self.tag);
        }
        let reply = asked.send().await?;
        match reply.code {
            304 => ensure!(!self.whole.is_null(), "unchanged, though nothing was sent before"),
            200 => {
                self.whole = reply.ok()?;
                let tag = reply.headers.get("etag").and_then(|tag| tag.to_str().ok()).context("no ETag")?;
                self.tag = tag.to_string();
            }
            other => bail!("/openapi/v2: {other}: {}", reply.text()),
        }
        Ok(&self.whole)
    }

    /// Waits until the document is right several times in a row.
    async fn until(&mut self, cluster: &Cluster, what: &str, right: impl Fn(&Value) -> bool) -> Result<()> {
        wait(what, async || {
            for _ in 0..TIMES {
                if !right(&self.read(cluster).await?["definitions"]) {
                    return Ok(None);
                }
            }
            Ok(Some(()))
        })
        .await
    }

    /// Waits until a version is published with this schema.
    async fn has(
        &mut self,
        cluster: &Cluster,
        definition: &Definition<'_>,
        version: &str,
        schema: Option<&Value>,
    ) -> Result<()> {
        let name = name(definition, version);
        let mut last = Value::Null;
        let right = |definitions: &Value| {
            let found = &definitions[&name];
            !found.is_null() && schema.is_none_or(|schema| essence(found) == *schema)
        };
        let done = self.until(cluster, &format!("{name} in /openapi/v2"), right).await;
        last.clone_from(&self.whole["definitions"][&name]);
        done.with_context(|| format!("last seen: {last}"))
    }

    /// Waits until a version is published no more.
    async fn lacks(&mut self, cluster: &Cluster, definition: &Definition<'_>, version: &str) -> Result<()> {
        let name = name(definition, version);
        self.until(cluster, &format!("the end of {name} in /openapi/v2"), |all| all[&name].is_null()).await
    }
}

/// What is the kind's own in its published schema.
fn essence(published: &Value) -> Value {
    let mut own = published.clone();
    if let Some(fields) = own.as_object_mut() {
        fields.remove("x-kubernetes-group-version-kind");
        fields.remove("x-kubernetes-selectable-fields");
        if let Some(properties) = fields.get_mut("properties").and_then(Value::as_object_mut) {
            properties.retain(|name, _| !["apiVersion", "kind", "metadata"].contains(&name.as_str()));
            if properties.is_empty() {
                fields.remove("properties");
            }
        }
    }
    own
}

/// Uses a kind that is published as `expected`, and sees that it is published no more when it has gone.
async fn published(
    cluster: &Cluster,
    wanted: Wanted,
    expected: Option<&Value>,
    body: impl AsyncFnOnce(&Definition<'_>, &mut Document) -> Result<()>,
) -> Result<()> {
    let versions: Vec<String> =
        wanted.versions.iter().filter_map(|v| v["name"].as_str().map(str::to_string)).collect();
    let definition = cluster.define(wanted).await?;
    let mut document = Document::default();
    let result = async {
        for version in &versions {
            document.has(cluster, &definition, version, expected).await?;
        }
        body(&definition, &mut document).await
    }
    .await;
    definition.remove().await?;
    result?;
    for version in &versions {
        document.lacks(cluster, &definition, version).await?;
    }
    Ok(())
}

fn versions(names: &[&str], schema: &Value) -> Vec<Value> {
    names.iter().enumerate().map(|(place, name)| version(name, true, place == 0, schema.clone())).collect()
}

/// The text must have these parts in this order.
fn in_order(text: &str, parts: &[&str]) -> Result<()> {
    let mut rest = text;
    for part in parts {
        let place =
            rest.find(part).with_context(|| format!("no {part:?}, in the order {parts:?}, in: {text}"))?;
        rest = &rest[place + part.len()..];
    }
    Ok(())
}

/// An object is created, deleted, applied and deleted by `kubectl`.
async fn taken(cluster: &Cluster, definition: &Definition<'_>, object: &Value) -> Result<()> {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    for verb in ["create", "apply"] {
        cluster.kubectl_with(&[verb, "-f", "-"], &object.to_string()).await?;
        cluster.kubectl(&["delete", definition.plural(), name]).await?;
    }
    Ok(())
}

/// An object is refused, with one of these words.
async fn refused(cluster: &Cluster, verbs: &[&str], object: &Value, words: &[&str]) -> Result<()> {
    for verb in verbs {
        let (code, printed) = cluster.kubectl_ends(&[verb, "-f", "-"], &object.to_string()).await?;
        ensure!(code != 0 && words.iter().any(|word| printed.contains(word)), "{verb}: {code}: {printed}");
    }
    Ok(())
}

/// What `kubectl` explains must have these parts in order.
async fn explained(cluster: &Cluster, what: &str, parts: &[&str]) -> Result<()> {
    in_order(&cluster.kubectl(&["explain", what]).await?, parts)
}

#[tokio::test]
async fn crdpublishopenapi_with_schema_kubectl_create_apply_explain() -> Result<()> {
    spec(async |cluster| {
        published(cluster, Wanted::of(foo()), Some(&foo()), async |definition, _| {
            let object = |bars: Value| definition.instance("v1", "test-foo", json!({"spec": {"bars": bars}}));
            taken(cluster, definition, &object(json!([{"name": "test-bar"}]))).await?;
            let bad = object(json!([{"name": "test-bar", "feeling": "NonExistentValue"}]));
            refused(cluster, &["create"], &bad, &[r#"Unsupported value: "NonExistentValue""#]).await?;
            let unknown = definition.instance("v1", "test-foo", json!({"spec": {"foo": true}}));
            let words = [r#"unknown field "foo""#, r#"unknown field "spec.foo""#];
            refused(cluster, &["create", "apply"], &unknown, &words).await?;
            let nameless = object(json!([{"age": "10"}]));
            let words = [r#"missing required field "name""#, "spec.bars[0].name: Required value"];
            refused(cluster, &["create", "apply"], &nameless, &words).await?;
            explanations(cluster, definition.plural()).await
        })
        .await
    })
    .await
}

async fn explanations(cluster: &Cluster, plural: &str) -> Result<()> {
    let whole = [
        "DESCRIPTION:",
        "Foo CRD for Testing",
        "FIELDS:",
        "apiVersion",
        "<string>",
        "APIVersion defines",
        "spec",
        "<Object>",
        "Specification of Foo",
    ];
    explained(cluster, plural, &whole).await?;
    let metadata = [
        "DESCRIPTION:",
        "Standard object's metadata",
        "FIELDS:",
        "creationTimestamp",
        "<string>",
        "CreationTimestamp is a timestamp",
    ];
    explained(cluster, &format!("{plural}.metadata"), &metadata).await?;
    let spec = [
        "DESCRIPTION:",
        "Specification of Foo",
        "FIELDS:",
        "bars",
        "<[]Object>",
        "List of Bars and their specs",
    ];
    explained(cluster, &format!("{plural}.spec"), &spec).await?;
    let bars = [
        "bars",
        "<[]Object>",
        "DESCRIPTION:",
        "List of Bars and their specs",
        "FIELDS:",
        "bazs",
        "<[]string>",
        "List of Bazs",
        "name",
        "<string>",
        "Name of Bar",
    ];
    explained(cluster, &format!("{plural}.spec.bars"), &bars).await?;
    let none = format!("{plural}.spec.bars2");
    let (code, printed) = cluster.kubectl_ends(&["explain", &none], "").await?;
    ensure!(code != 0 && printed.contains(r#"field "bars2" does not exist"#), "{code}: {printed}");
    Ok(())
}

/// A kind that takes fields that nobody has declared.
async fn lenient(schema: Value, expected: Option<Value>, object: Value, parts: &[&str]) -> Result<()> {
    spec(async |cluster| {
        published(cluster, Wanted::of(schema), expected.as_ref(), async |definition, _| {
            taken(cluster, definition, &definition.instance("v1", "test-cr", object)).await?;
            explained(cluster, definition.plural(), parts).await?;
            explained(cluster, definition.plural(), &["KIND:", definition.kind()]).await
        })
        .await
    })
    .await
}

#[tokio::test]
async fn crdpublishopenapi_without_schema() -> Result<()> {
    let object = json!({"a": {"b": [{"c": "d"}]}});
    lenient(anything(), Some(json!({"type": "object"})), object, &["DESCRIPTION:", "<empty>"]).await
}

#[tokio::test]
async fn crdpublishopenapi_preserve_unknown_at_root() -> Result<()> {
    let mut schema = waldo("preserve-unknown-properties at root for Testing");
    schema["x-kubernetes-preserve-unknown-fields"] = json!(true);
    lenient(schema, None, json!({"a": {"b": [{"c": "d"}]}}), &[]).await
}

#[tokio::test]
async fn crdpublishopenapi_preserve_unknown_embedded() -> Result<()> {
    const ABOUT: &str = "preserve-unknown-properties in nested field for Testing";
    let mut schema = waldo(ABOUT);
    schema["properties"]["spec"]["x-kubernetes-preserve-unknown-fields"] = json!(true);
    let object = json!({"spec": {"a": null, "b": [{"c": "d"}]}});
    lenient(schema, None, object, &["DESCRIPTION:", ABOUT]).await
}

const WALDO: &str = "Waldo CRD for Testing";

/// A kind that is one of two.
fn one_of_two(group: &str, version: &str, schema: &Value) -> Wanted {
    Wanted { group: group.to_string(), versions: versions(&[version], schema), ..Wanted::any() }
}

/// Two kinds are published at the same time.
async fn both(first: Wanted, second: Wanted) -> Result<()> {
    let (schemas, places) = (
        [foo(), waldo(WALDO)],
        [&first, &second].map(|wanted| wanted.versions[0]["name"].as_str().unwrap_or_default().to_string()),
    );
    spec(async |cluster| {
        published(cluster, first, Some(&schemas[0]), async |one, document| {
            published(cluster, second, Some(&schemas[1]), async |two, _| {
                document.has(cluster, two, &places[1], Some(&schemas[1])).await?;
                document.has(cluster, one, &places[0], Some(&schemas[0])).await
            })
            .await
        })
        .await
    })
    .await
}

#[tokio::test]
async fn crdpublishopenapi_multiple_groups() -> Result<()> {
    let second = Wanted { versions: versions(&["v1beta1"], &waldo(WALDO)), ..Wanted::any() };
    both(Wanted::of(foo()), second).await
}

#[tokio::test]
async fn crdpublishopenapi_multiple_kinds() -> Result<()> {
    let group = Wanted::any().group;
    both(one_of_two(&group, "v6", &foo()), one_of_two(&group, "v6", &waldo(WALDO))).await
}

#[tokio::test]
async fn crdpublishopenapi_multiple_versions() -> Result<()> {
    let several = Wanted { versions: versions(&["v2", "v3"], &foo()), ..Wanted::any() };
    spec(async |cluster| published(cluster, several, Some(&foo()), async |_, _| Ok(())).await).await?;
    let group = Wanted::any().group;
    both(one_of_two(&group, "v4", &foo()), one_of_two(&group, "v5", &waldo(WALDO))).await
}

#[tokio::test]
async fn crdpublishopenapi_version_rename() -> Result<()> {
    let several = Wanted { versions: versions(&["v2", "v3"], &foo()), ..Wanted::any() };
    spec(async |cluster| {
        published(cluster, several, Some(&foo()), async |definition, document| {
            let patch = json!([
                {"op": "test", "path": "/spec/versions/1/name", "value": "v3"},
                {"op": "replace", "path": "/spec/versions/1/name", "value": "v4"},
            ]);
            cluster.definitions().patch(definition.name(), PatchType::Json, &patch).await?;
            document.has(cluster, definition, "v4", Some(&foo())).await?;
            document.lacks(cluster, definition, "v3").await?;
            document.has(cluster, definition, "v2", Some(&foo())).await
        })
        .await
    })
    .await
}

#[tokio::test]
async fn crdpublishopenapi_unserved_version_removed() -> Result<()> {
    let several = Wanted { versions: versions(&["v5", "v6alpha1"], &foo()), ..Wanted::any() };
    spec(async |cluster| {
        published(cluster, several, Some(&foo()), async |definition, document| {
            definition.change(|object| object["spec"]["versions"][1]["served"] = json!(false)).await?;
            document.lacks(cluster, definition, "v6alpha1").await?;
            document.has(cluster, definition, "v5", Some(&foo())).await
        })
        .await
    })
    .await
}
