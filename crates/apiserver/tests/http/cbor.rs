//! CBOR, behind its gate.

use bytes::{Bytes, BytesMut};
use corten_apiserver::Config;
use corten_apiserver::http::Limits;
use corten_codec::cbor::{MARK, Shape, from_json, to_json};
use corten_semantics::gates::{Gate, Gates};
use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::world::{Answer, Call, World};

const CBOR: &str = "application/cbor";
const MAPS: &str = "/api/v1/namespaces/default/configmaps";

async fn world() -> World {
    let gates = Gates::default().with(Gate::CborServingAndStorage, true);
    let world = World::configured(Config { gates, ..Config::default() }, Limits::default(), |_, _| ()).await;
    world.furnish().await;
    world
}

async fn ask(world: &World, method: &str, path: &str, media: &str, body: &[u8]) -> Answer {
    let headers = [("accept", CBOR), ("content-type", media)];
    world.ask(Some(&world.pki.admin), &Call { method, path, headers: &headers, body }).await
}

fn encoded(value: &Value) -> Vec<u8> {
    from_json(value.to_string().as_bytes(), Shape::Any).expect("CBOR")
}

fn decoded(bytes: &[u8]) -> Value {
    assert_eq!(bytes[..3], MARK, "it says that it is CBOR");
    serde_json::from_slice(&to_json(bytes).expect("CBOR")).expect("JSON")
}

#[tokio::test]
async fn cbor_is_unknown_while_its_gate_is_closed() {
    let world = World::new().await;
    world.furnish().await;
    let refused = world.get_with(MAPS, "accept", CBOR).await.refusal();
    assert_eq!((refused.0, refused.1.as_str()), (406, "NotAcceptable"));
    assert!(!refused.2.contains("cbor"), "{}", refused.2);
    let headers = [("content-type", CBOR)];
    let call = Call { method: "POST", path: MAPS, headers: &headers, body: &encoded(&json!({})) };
    assert_eq!(world.ask(Some(&world.pki.admin), &call).await.code, 415);
    let headers = [("content-type", "application/apply-patch+cbor")];
    let path = format!("{MAPS}/there?fieldManager=m");
    let call = Call { method: "PATCH", path: &path, headers: &headers, body: &encoded(&json!({})) };
    assert_eq!(world.ask(Some(&world.pki.admin), &call).await.code, 415);
    world.end().await;
}

#[tokio::test]
async fn objects_and_lists_are_had_in_cbor() {
    let world = world().await;
    let secret =
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"k": "aGk="}});
    let made = ask(&world, "POST", "/api/v1/namespaces/default/secrets", CBOR, &encoded(&secret)).await;
    assert_eq!((made.code, made.headers["content-type"].as_str()), (201, CBOR));
    assert_eq!(decoded(&made.body)["data"]["k"], "aGk=");
    // Bytes are bytes that are to be base64 in text.
    assert!(made.body.windows(4).any(|window| window == b"\xd6\x42hi"), "{:?}", made.body);
    let list = decoded(&ask(&world, "GET", MAPS, "", b"").await.body);
    assert_eq!(
        (&list["kind"], &list["items"][0]["metadata"]["name"]),
        (&json!("ConfigMapList"), &json!("there"))
    );
    let table = world.get_with(MAPS, "accept", "application/cbor;as=Table;v=v1;g=meta.k8s.io").await;
    assert_eq!(decoded(&table.body)["rows"][0]["cells"][0], "there");
    let missing = ask(&world, "GET", &format!("{MAPS}/none"), "", b"").await;
    assert_eq!((missing.code, &decoded(&missing.body)["reason"]), (404, &json!("NotFound")));
    assert_eq!(world.get_with("/apis", "accept", CBOR).await.code, 406);
    world.end().await;
}

#[tokio::test]
async fn writes_in_cbor_are_read_strictly() {
    let world = world().await;
    let twice = b"\xa2\x44kind\x49ConfigMap\x64kind\x49ConfigMap";
    let refused = ask(&world, "POST", MAPS, CBOR, twice).await;
    let message = decoded(&refused.body)["message"].as_str().unwrap_or_default().to_string();
    assert_eq!(refused.code, 400);
    assert!(message.contains("cbor: found duplicate map key \"kind\""), "{message}");
    let unknown = json!({"metadata": {"name": "u"}, "dat": {}});
    let refused =
        ask(&world, "POST", &format!("{MAPS}?fieldValidation=Strict"), CBOR, &encoded(&unknown)).await;
    let message = decoded(&refused.body)["message"].as_str().unwrap_or_default().to_string();
    assert!(refused.code == 400 && message.contains("unknown field \"dat\""), "{message}");
    let applied =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "v"}});
    let path = format!("{MAPS}/a?fieldManager=m");
    let media = "application/apply-patch+cbor";
    let made = ask(&world, "PATCH", &path, media, &encoded(&applied)).await;
    let object = decoded(&made.body);
    assert_eq!((made.code, &object["data"]["k"]), (201, &json!("v")));
    assert_eq!(object["metadata"]["managedFields"][0]["operation"], "Apply");
    let broken = ask(&world, "PATCH", &path, media, b"\xff").await;
    assert_eq!(broken.code, 400);
    let options = encoded(&json!({"gracePeriodSeconds": 0}));
    assert_eq!(ask(&world, "DELETE", &format!("{MAPS}/a"), CBOR, &options).await.code, 200);
    world.end().await;
}

#[tokio::test]
async fn watches_are_sequences_of_cbor() {
    let world = world().await;
    let headers = [("accept", CBOR)];
    let path = format!("{MAPS}?watch=true");
    let call = Call { method: "GET", path: &path, headers: &headers, body: b"" };
    let answer = world.open(Some(&world.pki.admin), &call).await;
    assert_eq!(answer.headers()["content-type"], "application/cbor-seq");
    let mut body = answer.into_body();
    let mut all = BytesMut::new();
    // The event has come when what has come is whole.
    let event = loop {
        let frame = body.frame().await.expect("an event").expect("an event");
        all.extend_from_slice(&frame.into_data().unwrap_or_else(|_| Bytes::new()));
        if to_json(&all).is_ok() {
            break decoded(&all);
        }
    };
    assert_eq!((&event["type"], &event["object"]["metadata"]["name"]), (&json!("ADDED"), &json!("there")));
    drop(body);
    world.end().await;
}
