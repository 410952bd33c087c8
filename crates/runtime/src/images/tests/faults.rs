//! Registries that fail in every way the network knows.

use super::fake::{Fault, Layer, Registry, noise};
use super::*;
use crate::images::Error;
use http::Method;

const SIZE: usize = 500_000;

/// An image of one large layer that fails once as told, and how the pull ends.
async fn pull_with(part: &str, faults: Vec<Fault>) -> (Result<(), Error>, Registry, tempfile::TempDir) {
    let registry = Registry::start().await;
    let (_, digests) = registry.put_image("lib/app", "v1", &[Layer::of(&[("big", &noise(SIZE, 9))])]);
    let part =
        if part == "layer" { format!("GET /v2/lib/app/blobs/{}", digests[0]) } else { part.to_owned() };
    registry.fail(&part, faults);
    let directory = tempfile::tempdir().unwrap();
    let images = open(directory.path());
    let name = registry.name("lib/app:v1");
    let result = images.pull(&name, None).await;
    if let Ok(image) = &result {
        let content = std::fs::read(image.layers[0].path.join("big")).unwrap();
        assert!(content == noise(SIZE, 9));
    } else {
        assert!(images.resolve(&name).is_none() && images.list().is_empty());
        assert!(names(directory.path(), "layers").is_empty(), "nothing unverified is visible");
    }
    assert_clean(directory.path(), &part).await;
    (result.map(drop), registry, directory)
}

fn status(code: u16) -> Fault {
    Fault::Status(code, None, "")
}

#[tokio::test]
async fn what_passes_is_survived() {
    if !root() {
        return;
    }
    let after = |seconds: &str| Fault::Status(429, Some(("retry-after", seconds.to_owned())), "");
    let table: Vec<(&str, &str, Vec<Fault>)> = vec![
        ("busy, then well", "manifests", vec![status(429), status(503)]),
        ("busy, and says how long", "manifests", vec![after("1")]),
        ("a failure while downloading", "layer", vec![status(500), status(502)]),
        ("broken off halfway", "layer", vec![Fault::Break(SIZE / 2)]),
        ("broken off at once", "layer", vec![Fault::Break(0)]),
        ("broken off again and again, with progress", "layer", vec![Fault::Break(100_000); 4]),
        ("stalled halfway", "layer", vec![Fault::Stall(SIZE / 3)]),
        ("ended early", "layer", vec![Fault::Truncate(1234)]),
        ("broken off, and does not know ranges", "layer", vec![Fault::Break(SIZE / 2), Fault::Whole]),
        ("a manifest that breaks off", "manifests", vec![Fault::Break(10)]),
    ];
    for (what, part, faults) in table {
        let (result, registry, _directory) = pull_with(part, faults.clone()).await;
        assert!(result.is_ok(), "{what}: {result:?}");
        if let (Fault::Break(bytes @ 1..), "layer") = (&faults[0], part) {
            let asked = registry.seen(Method::GET, "/blobs/");
            let resumed = asked.iter().any(|seen| {
                seen.headers
                    .get("range")
                    .is_some_and(|range| range.to_str().unwrap() == format!("bytes={bytes}-"))
            });
            assert!(resumed, "{what}: it goes on where it was");
        }
    }
}

#[tokio::test]
async fn what_stays_is_an_error_that_says_what_to_do() {
    if !root() {
        return;
    }
    let unknown = r#"{"errors":[{"code":"UNKNOWN","message":"the registry's own words"}]}"#;
    let table: Vec<(&str, &str, Vec<Fault>, &str)> = vec![
        ("not there", "manifests", vec![status(404)], "failed to resolve reference"),
        (
            "not there, in its words",
            "manifests",
            vec![Fault::Status(404, None, unknown)],
            "own words: not found",
        ),
        ("refused", "manifests", vec![status(401)], "imagePullSecrets"),
        ("forbidden", "manifests", vec![status(403)], "pull access denied"),
        ("failing for good", "manifests", vec![status(500); 9], "gave up after 3 attempts"),
        (
            "busy for longer than we wait",
            "manifests",
            vec![Fault::Status(429, Some(("retry-after", "3600".into())), "")],
            "asks to wait 3600 s",
        ),
        ("hanging", "manifests", vec![Fault::Hang; 9], "no answer within 0.4 s"),
        ("hanging while downloading", "layer", vec![Fault::Hang; 9], "no answer within"),
        (
            "stalling for good",
            "layer",
            [vec![Fault::Stall(1000)], vec![Fault::Stall(0); 9]].concat(),
            "nothing came for",
        ),
        ("a wrong digest", "layer", vec![Fault::Damage], "damages data"),
        ("a wrong manifest", "GET /v2/lib/app/manifests", vec![Fault::Damage], "damages data"),
        ("a layer that is gone", "layer", vec![status(404)], "failed to download layer"),
        (
            "redirected in circles",
            "manifests",
            vec![Fault::Status(302, Some(("location", "/v2/lib/app/manifests/v1".into())), ""); 20],
            "redirected too often",
        ),
        ("redirected to nowhere", "manifests", vec![status(302)], "redirected to nowhere"),
        ("breaking off without progress", "layer", vec![Fault::Break(0); 9], "the connection broke off"),
    ];
    for (what, part, faults, text) in table {
        let (result, _registry, _directory) = pull_with(part, faults).await;
        let error = result.expect_err(what);
        let shown = error.to_string();
        assert!(shown.contains(text), "{what}: {shown}");
        assert!(shown.starts_with("failed to pull and unpack image \""), "{what}: {shown}");
    }
}

#[tokio::test]
async fn wrong_promises_are_seen() {
    if !root() {
        return;
    }
    let registry = Registry::start().await;
    let layer = Layer::of(&[("big", &noise(SIZE, 9))]);
    let other = Layer::of(&[("other", b"x")]);
    let put = |tag: &str, config: &str, change: &dyn Fn(String) -> String| {
        let digest = registry.put_blob("lib/app", config.as_bytes());
        registry.put_blob("lib/app", &layer.packed);
        let manifest = change(super::fake::manifest(&digest, config.len(), std::slice::from_ref(&layer)));
        registry.put_manifest("lib/app", tag, "application/vnd.oci.image.manifest.v1+json", &manifest);
    };
    let good = super::fake::config(std::slice::from_ref(&layer));
    let size = format!("\"size\":{}", layer.packed.len());
    let sized = |n: usize| {
        let size = size.clone();
        move |text: String| text.replace(&size, &format!("\"size\":{n}"))
    };
    put("small", &good, &sized(100));
    put("large", &good, &sized(layer.packed.len() + 1));
    put("diff", &super::fake::config(std::slice::from_ref(&other)), &|text| text);
    put("count", &super::fake::config(&[layer.clone(), other]), &|text| text);
    put("schema1", &good, &|_| r#"{"schemaVersion":1,"fsLayers":[]}"#.into());
    put("huge", &good, &|text| text + &" ".repeat(5 << 20));
    put("windows", &good.replace("\"linux\"", "\"windows\""), &|text| text);
    let hostile = Layer { packed: layer.plain[..700].to_vec(), plain: layer.plain[..700].to_vec() };
    registry.put_image("lib/app", "cut", &[hostile]);
    let table = [
        ("small", "promises 100"),
        ("large", "must be pushed again"),
        ("diff", "the image is built wrongly"),
        ("count", "1 layers, its configuration 2"),
        ("schema1", "schema 1"),
        ("huge", "larger than 4194304 bytes"),
        ("windows", "no match for platform"),
        ("cut", "cannot be unpacked"),
    ];
    let directory = tempfile::tempdir().unwrap();
    let images = open(directory.path());
    for (tag, text) in table {
        let error =
            images.pull(&registry.name(&format!("lib/app:{tag}")), None).await.unwrap_err().to_string();
        assert!(error.contains(text), "{tag}: {error}");
    }
    assert!(images.list().is_empty() && names(directory.path(), "layers").is_empty());
    assert_clean(directory.path(), "wrong promises").await;
}

#[tokio::test]
async fn nobody_there_is_said_at_once() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let directory = tempfile::tempdir().unwrap();
    let error = open(directory.path()).pull(&format!("{address}/a"), None).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
    assert!(error.to_string().contains("Connection refused"), "{error}");
    let error = open(directory.path()).pull("Not/Good", None).await.unwrap_err();
    assert!(error.to_string().contains("invalid reference format"), "{error}");
}
