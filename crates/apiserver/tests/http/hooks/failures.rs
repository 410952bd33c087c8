//! Webhooks that do not do what they should: the write fails with upstream's words, or goes on where the
//! configuration says so.

use serde_json::{Value, json};

use super::server::{Act, HookServer, review};
use super::{CONFIG_MAPS, GROUP, VALIDATING, config_map, configure, webhook};
use crate::world::World;

/// What a write is told when this client configuration is asked, after the webhook's name.
async fn told(world: &World, client: Value) -> String {
    let mut hook = webhook("h.ex.io", client, &["/v1/configmaps"]);
    hook["timeoutSeconds"] = json!(1);
    configure(world, VALIDATING, "v", vec![hook.clone()]).await;
    let (code, reason, message) = world.admin("POST", CONFIG_MAPS, &config_map("x")).await.refusal();
    assert_eq!((code, reason.as_str()), (500, "InternalError"), "{message}");
    let gone = world.admin("DELETE", &format!("{GROUP}/{VALIDATING}/v"), "").await;
    assert_eq!(gone.code, 200);
    // The same, when it may be passed over.
    hook["failurePolicy"] = json!("Ignore");
    configure(world, VALIDATING, "v", vec![hook]).await;
    let made = world.admin("POST", &format!("{CONFIG_MAPS}?dryRun=All"), &config_map("x")).await;
    assert_eq!(made.code, 201, "{}", made.text());
    world.admin("DELETE", &format!("{GROUP}/{VALIDATING}/v"), "").await;
    let prefix = "Internal error occurred: failed calling webhook \"h.ex.io\": ";
    message.strip_prefix(prefix).unwrap_or_else(|| panic!("{message}")).to_string()
}

#[tokio::test]
async fn answers_that_are_none() {
    let world = World::new().await;
    world.furnish().await;
    let server = HookServer::start(|path, asked| match path {
        "/hang" => Act::Hang,
        "/garbage" => Act::Answer(200, "application/json", b"garbage".to_vec()),
        "/empty" => Act::Json(json!({})),
        "/uid" => review(asked, json!({"allowed": true, "uid": "other"})),
        "/huge" => Act::Answer(200, "application/json", vec![b' '; 9 << 20]),
        "/loop" => Act::Redirect,
        "/500" => Act::Answer(500, "text/plain", b"out of order".to_vec()),
        _ => Act::Answer(404, "text/plain", b"not here".to_vec()),
    })
    .await;
    let failed = "failed to call webhook: ";
    let post = |path: &str| {
        format!("{failed}Post \"https://127.0.0.1:{}{path}?timeout=1s\": ", server.address.port())
    };
    for (path, want) in [
        ("/hang", format!("{}context deadline exceeded", post("/hang"))),
        (
            "/garbage",
            format!(
                "{failed}couldn't get version/kind; json parse error: invalid character 'g' looking for beginning of value"
            ),
        ),
        ("/empty", "received invalid webhook response: webhook response was absent".into()),
        ("/uid", "received invalid webhook response: expected response.uid=".into()),
        (
            "/huge",
            format!(
                "{failed}unexpected error when reading response body. Please retry. Original error: the answer is longer than 8388608 bytes"
            ),
        ),
        (
            "/loop",
            format!(
                "{failed}the server responded with the status code 302 but did not return more information"
            ),
        ),
        (
            "/500",
            format!(
                "{failed}an error on the server (\"out of order\") has prevented the request from succeeding"
            ),
        ),
        ("/404", format!("{failed}the server could not find the requested resource")),
    ] {
        let told = told(&world, server.client(path)).await;
        assert!(told.starts_with(&want), "{path}: {told}\nnot {want}");
    }
    world.end().await;
    server.end().await;
}

#[tokio::test]
async fn peers_that_are_not_who_they_should_be() {
    let world = World::new().await;
    world.furnish().await;
    let server = HookServer::start(|_, asked| review(asked, json!({"allowed": true}))).await;
    let port = server.address.port();
    let url = |url: &str, ca: &Value| json!({"url": url, "caBundle": ca});
    let (good, other) = (server.client("/")["caBundle"].clone(), HookServer::start(|_, _| Act::Hang).await);
    let foreign = other.client("/")["caBundle"].clone();
    let address = format!("https://127.0.0.1:{port}/");
    let x509 = "tls: failed to verify certificate: x509: ";
    let service = |namespace: &str, name: &str| json!({"service": {"namespace": namespace, "name": name, "path": "/p"}, "caBundle": good});
    let closed = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        listener.local_addr().expect("an address").port()
    };
    for (client, want) in [
        (
            url(&address, &foreign),
            format!("Post \"{address}?timeout=1s\": {x509}certificate signed by unknown authority"),
        ),
        (
            url(&format!("https://127.0.0.2:{port}/"), &good),
            format!("Post \"https://127.0.0.2:{port}/?timeout=1s\": "),
        ),
        (
            url(&format!("https://127.0.0.1:{closed}/"), &good),
            format!(
                "Post \"https://127.0.0.1:{closed}/?timeout=1s\": dial tcp 127.0.0.1:{closed}: connect: connection refused"
            ),
        ),
        (
            service("default", "none"),
            "Post \"https://none.default.svc:443/p?timeout=1s\": service \"none\" not found".to_string(),
        ),
    ] {
        let told = told(&world, client.clone()).await;
        let want = format!("failed to call webhook: {want}");
        assert!(told.starts_with(&want), "{client}: {told}\nnot {want}");
    }
    other.end().await;
    world.end().await;
    server.end().await;
}

#[tokio::test]
async fn noise_is_no_answer() {
    let world = World::new().await;
    world.furnish().await;
    let server = HookServer::start(|_, _| Act::Noise).await;
    let told = told(&world, server.service_client(&world, "/").await).await;
    assert!(told.contains("malformed HTTP response"), "{told}");
    world.end().await;
    server.end().await;
}
