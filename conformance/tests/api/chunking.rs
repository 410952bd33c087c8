//! Lists in pages.

use anyhow::{Context, Result, ensure};
use corten_conformance::{Cluster, rest::Resource, rest::refusal, spec, spec_within};
use corten_rt::sleep;
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};
use std::time::Duration;

const TOTAL: usize = 400;

async fn templates(cluster: &Cluster) -> Result<Resource<'_>> {
    let templates = cluster.resource("v1", "podtemplates");
    let create = async |number: usize| {
        let name = format!("template-{number:04}");
        let containers = json!([{"name": "test", "image": "test2"}]);
        let template = json!({"metadata": {"name": name}, "template": {"spec": {"containers": containers}}});
        templates.create(&template).await.map(drop)
    };
    stream::iter((0..TOTAL).map(create)).buffer_unordered(20).try_collect::<()>().await?;
    Ok(templates)
}

/// Judges a page that comes after `found` objects, and gives how many were found with it, and where it goes on.
fn page(list: &Value, limit: usize, found: usize) -> Result<(usize, String)> {
    let items = list["items"].as_array().context("items")?;
    let metadata = &list["metadata"];
    ensure!(items.len() <= limit, "{} objects on a page of {limit}", items.len());
    for (place, item) in items.iter().enumerate() {
        ensure!(
            item["metadata"]["name"] == *format!("template-{:04}", found + place),
            "{}",
            item["metadata"]
        );
    }
    let found = found + items.len();
    let token = metadata["continue"].as_str().unwrap_or_default().to_string();
    match metadata["remainingItemCount"].as_u64() {
        None => ensure!(token.is_empty(), "not told how many remain: {metadata}"),
        Some(remaining) => {
            ensure!(!token.is_empty(), "{remaining} remain after the last page");
            ensure!(remaining as usize + found == TOTAL, "{remaining} remain after {found} of {TOTAL}");
        }
    }
    Ok((found, token))
}

/// Reads the remaining pages, which must all be of one revision; gives how many objects were found in the end.
async fn rest(
    templates: &Resource<'_>,
    limit: usize,
    mut token: String,
    mut found: usize,
    revision: Option<Value>,
) -> Result<usize> {
    let mut revision = revision;
    loop {
        let list = templates.list(&format!("?limit={limit}&continue={token}")).await?;
        let seen = &list["metadata"]["resourceVersion"];
        ensure!(revision.get_or_insert_with(|| seen.clone()) == seen, "revision {seen} after {revision:?}");
        (found, token) = page(&list, limit, found)?;
        if token.is_empty() {
            return Ok(found);
        }
    }
}

#[tokio::test]
async fn chunking_limit_continue_remainingitemcount() -> Result<()> {
    spec(async |cluster| {
        let templates = templates(cluster).await?;
        for _ in 0..3 {
            let found = rest(&templates, 17, String::new(), 0, None).await?;
            ensure!(found == TOTAL, "{found} of {TOTAL}");
        }
        let whole = templates.items(&format!("?limit={}", TOTAL + 1)).await?;
        ensure!(whole.len() == TOTAL, "{} of {TOTAL}", whole.len());
        Ok(())
    })
    .await
}

/// As long as a token may live: upstream compacts every five minutes, and lets the spec wait for two rounds.
#[tokio::test]
async fn chunking_inconsistent_continue_after_compaction() -> Result<()> {
    const LIMIT: usize = TOTAL / 10;
    spec_within(Duration::from_secs(660), async |cluster| {
        let templates = templates(cluster).await?;
        let first = templates.list(&format!("?limit={LIMIT}")).await?;
        let (found, token) = page(&first, LIMIT, 0)?;
        let expired = loop {
            let second = templates.list(&format!("?limit={LIMIT}&continue={token}")).await;
            if second.is_err() {
                break refusal(second)?;
            }
            sleep(Duration::from_secs(5)).await;
        };
        ensure!(expired.code == 410, "{expired}");
        let status: Value = serde_json::from_str(&expired.status)?;
        ensure!(status["reason"] == "Expired", "{status}");
        let token = status["metadata"]["continue"].as_str().filter(|t| !t.is_empty()).context("no token")?;
        let second = templates.list(&format!("?limit={LIMIT}&continue={token}")).await?;
        let revision = &second["metadata"]["resourceVersion"];
        ensure!(*revision != first["metadata"]["resourceVersion"], "the old revision {revision}");
        ensure!(second["items"].as_array().is_some_and(|items| items.len() == LIMIT), "no whole page");
        let (found, token) = page(&second, LIMIT, found)?;
        let found = rest(&templates, LIMIT, token, found, Some(revision.clone())).await?;
        ensure!(found == TOTAL, "{found} of {TOTAL}");
        Ok(())
    })
    .await
}
