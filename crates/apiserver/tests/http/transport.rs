//! The client's transport over the wire, against the real server.

use crate::world::World;
use corten_api::apps::v1::Deployment;
use corten_api::authentication::v1::TokenRequest;
use corten_api::core::v1::{ConfigMap, Node, ServiceAccount};
use corten_auth::kubeconfig::{Kubeconfig, Proof};
use corten_client::{
    Client, DeleteOptions, HttpConfig, HttpTransport, Informer, Key, ListOptions, PatchType, WatchOptions,
};
use std::sync::Arc;
use std::time::Duration;

fn client(world: &World) -> Client {
    let url = format!("https://{}", world.address);
    let text = Kubeconfig {
        cluster: "corten",
        server: &url,
        authority: world.pki.ca.pem(),
        user: "admin",
        proof: Proof::Certificate(&world.pki.admin),
    }
    .to_yaml();
    let path = world.dir.path().join("admin.conf");
    std::fs::write(&path, text).expect("a kubeconfig");
    Client::new(Arc::new(HttpTransport::from_kubeconfig(&path, &world.tasks).expect("a transport")))
}

fn map(name: &str) -> ConfigMap {
    let mut map = ConfigMap::default();
    map.metadata.name = name.into();
    map.data.insert("k".into(), "v".into());
    map
}

#[tokio::test]
async fn calls_and_their_errors() {
    let world = World::new().await;
    world.furnish().await;
    let client = client(&world);
    let maps = client.namespaced::<ConfigMap>("default");
    let made = maps.create(map("a")).await.expect("created");
    assert!(!made.metadata.uid.is_empty());
    assert!(maps.create(map("a")).await.is_err_and(|e| e.is_already_exists()));
    let mut changed = (*made).clone();
    changed.data.insert("l".into(), "m".into());
    let changed = maps.update(changed).await.expect("updated");
    assert_eq!(changed.data["l"], "m");
    assert!(maps.update((*made).clone()).await.is_err_and(|e| e.is_conflict()));
    let patch = br#"{"data":{"k":"w"}}"#.to_vec();
    let patched = maps.patch("a", PatchType::Strategic, patch).await.expect("patched");
    assert_eq!(patched.data["k"], "w");
    let list = maps.list(&ListOptions { limit: 1, ..ListOptions::default() }).await.expect("listed");
    assert_eq!((list.items.len(), list.continue_.is_empty()), (1, false));
    maps.delete("a", DeleteOptions::default()).await.expect("deleted");
    assert!(maps.find("a").await.expect("asked").is_none());
    assert!(client.all::<Node>().get("none").await.is_err_and(|e| e.is_not_found()));
    maps.delete_collection(ListOptions::default(), DeleteOptions::default()).await.expect("emptied");
    assert!(maps.list(&ListOptions::default()).await.expect("listed").items.is_empty());
    let bad = client.namespaced::<Deployment>("default").create(Deployment::default()).await;
    assert_eq!(bad.map_err(|e| e.code()).err(), Some(422));
    world.end().await;
}

#[tokio::test]
async fn an_informer_follows_over_the_wire() {
    let world = World::new().await;
    world.furnish().await;
    let client = client(&world);
    let api = client.namespaced::<ConfigMap>("default");
    let informer = Informer::start(api.clone(), WatchOptions::default(), &world.tasks);
    let synced = corten_rt::timeout(Duration::from_secs(10), informer.synced()).await;
    assert!(synced.is_some(), "the initial events end");
    assert!(informer.get(&Key::new("default", "there")).is_some());
    api.create(map("late")).await.expect("created");
    let seen = async {
        while informer.get(&Key::new("default", "late")).is_none() {
            corten_rt::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(corten_rt::timeout(Duration::from_secs(10), seen).await.is_some(), "the event comes");
    world.end().await;
}

#[tokio::test]
async fn a_token_proves_its_service_account() {
    let world = World::new().await;
    world.furnish().await;
    let admin = client(&world);
    let accounts = admin.namespaced::<ServiceAccount>("default");
    let request = TokenRequest::default();
    let token = accounts.create_sub::<TokenRequest>("default", "token", request).await.expect("a token");
    let token = token.expect("a token").status.token.clone();
    let config = HttpConfig {
        server: format!("https://{}", world.address),
        authority: world.pki.ca.pem().as_bytes().to_vec(),
        token: corten_client::http::Token::Text(token),
        ..HttpConfig::default()
    };
    let own = Client::new(Arc::new(HttpTransport::new(&config, &world.tasks).expect("a transport")));
    let refused = own.namespaced::<ConfigMap>("default").get("there").await.expect_err("no role");
    let want = "configmaps \"there\" is forbidden: User \"system:serviceaccount:default:default\" cannot get resource \"configmaps\" in API group \"\" in the namespace \"default\"";
    assert_eq!((refused.code(), refused.to_string().as_str()), (403, want));
    world.end().await;
}
