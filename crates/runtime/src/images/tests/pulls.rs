//! Pulls as they should go: names, sharing, credentials, mirrors, restarts, removal.

use super::fake::{Guard, Layer, Registry, noise};
use super::*;
use crate::images::Digest;
use corten_node_api::cri::AuthConfig;
use http::Method;
use std::collections::BTreeSet;

#[tokio::test]
async fn an_image_is_pulled_found_again_and_removed() {
    if !root() {
        return;
    }
    let registry = Registry::start().await;
    let base = Layer::of(&[("etc/os", b"base"), ("bin/sh", b"shell")]);
    let (digest, _) = registry.put_image("lib/app", "v1", &[base.clone(), Layer::zstd(&[("app", b"one")])]);
    registry.put_image("lib/other", "latest", &[base.clone(), Layer::of(&[("app", b"two")])]);
    let directory = tempfile::tempdir().unwrap();
    let images = open(directory.path());
    let name = registry.name("lib/app:v1");
    let image = images.pull(&name, None).await.unwrap();
    assert_eq!(image.tags, std::slice::from_ref(&name));
    let by_digest = format!("{}@{digest}", registry.name("lib/app"));
    assert_eq!(image.digests, std::slice::from_ref(&by_digest));
    assert_eq!((image.config.user.as_str(), &image.config.cmd[..]), ("1000:10", &["sh".to_owned()][..]));
    let files = layer_files(&image);
    assert_eq!((read(&files[0], "etc/os"), read(&files[1], "app")), ("base".into(), "one".into()));
    assert_eq!(images.usage().inodes, 5 + 2, "roots, directories and files");

    let other = images.pull(&registry.name("lib/other"), None).await.unwrap();
    assert_eq!(other.layers[0], image.layers[0], "the common layer is shared");
    assert_eq!(
        registry.seen(Method::GET, &Digest::of(&base.packed).to_string()).len(),
        1,
        "and fetched once"
    );
    assert_eq!(images.list().len(), 2);
    assert_clean(directory.path(), "pulls").await;

    drop(images);
    let images = open(directory.path());
    let short = &image.id["sha256:".len()..];
    for known in [&name, &by_digest, &image.id, short, &short[..12]] {
        let found = images.resolve(known).unwrap_or_else(|| panic!("{known}"));
        assert_eq!(
            (found.id.as_str(), &found.layers, found.size),
            (image.id.as_str(), &image.layers, image.size)
        );
    }
    assert!(
        images.resolve("nothing").is_none()
            && images.resolve("sha256:").is_none()
            && images.resolve("").is_none()
    );

    assert!(images.remove(&name).unwrap());
    assert!(!images.remove(&name).unwrap());
    assert!(images.resolve(short).is_none());
    let used = BTreeSet::from([image.layers[1].id.clone()]);
    assert_eq!(images.collect(&used).unwrap().layers, 0, "one layer is in use, the other another image's");
    assert_eq!(images.collect(&BTreeSet::new()).unwrap().layers, 1);
    assert_eq!(names(directory.path(), "layers").len(), 2);
    assert_eq!(names(directory.path(), "blobs/sha256").len(), 2, "configuration and manifest of the other");
    drop(other);
    assert!(images.remove(&registry.name("lib/other")).unwrap());
    assert_eq!(images.collect(&BTreeSet::new()).unwrap().layers, 2);
    assert_eq!((images.usage(), names(directory.path(), "blobs/sha256").len()), (Default::default(), 0));
}

#[tokio::test]
async fn a_removed_image_that_is_held_keeps_its_layers() {
    if !root() {
        return;
    }
    let registry = Registry::start().await;
    registry.put_image("lib/app", "v1", &[Layer::of(&[("app", b"one")])]);
    let directory = tempfile::tempdir().unwrap();
    let images = open(directory.path());
    let held = images.pull(&registry.name("lib/app:v1"), None).await.unwrap();
    images.remove(&held.id).unwrap();
    assert_eq!(images.collect(&BTreeSet::new()).unwrap().layers, 0);
    assert_eq!(read(&held.layers[0].path, "app"), "one");
    drop(held);
    assert_eq!(images.collect(&BTreeSet::new()).unwrap().layers, 1);
}

#[tokio::test]
async fn a_tag_moves_from_image_to_image() {
    if !root() {
        return;
    }
    let registry = Registry::start().await;
    let directory = tempfile::tempdir().unwrap();
    let images = open(directory.path());
    registry.put_image("lib/app", "v1", &[Layer::of(&[("app", b"one")])]);
    let name = registry.name("lib/app:v1");
    let old = images.pull(&name, None).await.unwrap();
    let fetched = registry.seen(Method::GET, "/").len();
    let same = images.pull(&name, None).await.unwrap();
    assert_eq!(same.id, old.id);
    assert_eq!(registry.seen(Method::GET, "/").len(), fetched, "nothing new is seen without a download");
    registry.put_image("lib/app", "v1", &[Layer::of(&[("app", b"two")])]);
    let new = images.pull(&name, None).await.unwrap();
    assert_ne!(new.id, old.id);
    for images in [images, open(directory.path())] {
        assert_eq!(images.resolve(&name).unwrap().id, new.id);
        let old = images.resolve(&old.id).unwrap();
        assert_eq!((old.tags.len(), old.digests.len()), (0, 1), "{old:?}");
    }
}

#[tokio::test]
async fn an_index_leads_to_this_machines_image() {
    if !root() {
        return;
    }
    let registry = Registry::start().await;
    let own = crate::images::manifest::Platform::of_this_machine();
    let (right, _) = registry.put_image("lib/app", "right", &[Layer::of(&[("app", b"right")])]);
    let (wrong, _) = registry.put_image("lib/app", "wrong", &[Layer::of(&[("app", b"wrong")])]);
    let index = format!(
        r#"{{"schemaVersion":2,"manifests":[
            {{"digest":"{wrong}","size":1,"platform":{{"architecture":"mips","os":"linux"}}}},
            {{"digest":"{right}","size":1,"platform":{{"architecture":"{}","os":"linux"}}}}]}}"#,
        own.architecture
    );
    let kind = "application/vnd.oci.image.index.v1+json";
    let digest = registry.put_manifest("lib/app", "many", kind, &index);
    let foreign = index.replace(&own.architecture, "s390x");
    registry.put_manifest("lib/app", "foreign", kind, &foreign);
    let directory = tempfile::tempdir().unwrap();
    let images = open(directory.path());
    let image = images.pull(&registry.name("lib/app:many"), None).await.unwrap();
    assert_eq!(read(&image.layers[0].path, "app"), "right");
    assert_eq!(image.digests, [format!("{}@{digest}", registry.name("lib/app"))]);
    let error = images.pull(&registry.name("lib/app:foreign"), None).await.unwrap_err().to_string();
    assert!(error.contains("no match for platform in manifest") && error.contains("linux/s390x"), "{error}");
    let by_digest = images.pull(&format!("{}@{digest}", registry.name("lib/app")), None).await.unwrap();
    assert_eq!(by_digest.id, image.id);
}

#[tokio::test]
async fn pulls_of_one_image_share_the_work() {
    if !root() {
        return;
    }
    let registry = Registry::start().await;
    let layer = Layer::of(&[("big", &noise(400_000, 1))]);
    let (_, digests) = registry.put_image("lib/app", "v1", std::slice::from_ref(&layer));
    registry.put_image("lib/same", "v2", &[layer, Layer::of(&[("more", b"x")])]);
    let directory = tempfile::tempdir().unwrap();
    let images = open(directory.path());
    let (app, same) = (registry.name("lib/app:v1"), registry.name("lib/same:v2"));
    let pulls = (0..10).map(|n| images.pull(if n % 2 == 0 { &app } else { &same }, None));
    let pulled = futures::future::join_all(pulls).await;
    assert!(pulled.iter().all(Result::is_ok));
    assert_eq!(registry.seen(Method::GET, "/v2/lib/app/manifests/v1").len(), 1);
    assert_eq!(
        registry.seen(Method::GET, &digests[0].to_string()).len(),
        1,
        "also of another image with the same layer"
    );
    assert_eq!(images.progress(&app), None);
    assert_clean(directory.path(), "shared pulls").await;
}

#[tokio::test]
async fn a_pull_nobody_waits_for_ends() {
    if !root() {
        return;
    }
    let registry = Registry::start().await;
    let (_, digests) = registry.put_image("lib/app", "v1", &[Layer::of(&[("big", &noise(400_000, 1))])]);
    registry.fail(&digests[0].to_string(), [super::fake::Fault::Stall(300_000)]);
    let directory = tempfile::tempdir().unwrap();
    let images = open(directory.path());
    let name = registry.name("lib/app:v1");
    {
        let pull = images.pull(&name, None);
        let watch = async {
            loop {
                match images.progress(&name) {
                    Some(progress) if progress.fetched > 100_000 => break progress,
                    _ => corten_rt::sleep(Duration::from_millis(5)).await,
                }
            }
        };
        let progress = tokio::select! {
            result = pull => panic!("{result:?}"),
            progress = watch => progress,
        };
        assert_eq!((progress.layers, progress.layers_done), (1, 0));
        assert!(progress.total > progress.fetched);
    }
    assert_eq!(images.progress(&name), None);
    assert_clean(directory.path(), "cancelled pull").await;
    assert!(names(directory.path(), "layers").is_empty());
    images.pull(&name, None).await.unwrap();
}

fn auth(username: &str, password: &str) -> AuthConfig {
    AuthConfig { username: username.into(), password: password.into(), ..AuthConfig::default() }
}

#[tokio::test]
async fn every_way_to_authenticate() {
    if !root() {
        return;
    }
    let registry = Registry::start().await;
    registry.put_image("lib/app", "v1", &[Layer::of(&[("app", b"one")])]);
    let name = registry.name("lib/app:v1");
    let identity = AuthConfig { identity_token: "refresh".into(), ..AuthConfig::default() };
    let encoded = AuthConfig { auth: "bWU6c2VjcmV0".into(), ..AuthConfig::default() };
    let elsewhere = AuthConfig { server_address: "https://other.io".into(), ..auth("me", "secret") };
    let here = AuthConfig { server_address: registry.address.clone(), ..auth("me", "secret") };
    let token = AuthConfig { registry_token: "token-0".into(), ..AuthConfig::default() };
    let (basic, anyone) = (Guard::Basic("me", "secret"), Guard::Token(None, None));
    let login = Guard::Token(Some(("me", "secret")), None);
    let refresh = Guard::Token(None, Some("refresh"));
    let table = [
        ("basic", basic.clone(), Some(auth("me", "secret")), true),
        ("basic, encoded", basic.clone(), Some(encoded), true),
        ("basic, for this server", basic.clone(), Some(here), true),
        ("basic, for another server", basic.clone(), Some(elsewhere), false),
        ("basic, wrong", basic.clone(), Some(auth("me", "wrong")), false),
        ("basic, nothing", basic, None, false),
        ("a token for nothing", anyone.clone(), None, true),
        ("a ready token", anyone, Some(token), true),
        ("a token for a password", login.clone(), Some(auth("me", "secret")), true),
        ("a token for a wrong password", login.clone(), Some(auth("me", "wrong")), false),
        ("a token without a password", login, None, false),
        ("a token for a refresh token", refresh.clone(), Some(identity), true),
        ("a token for a password instead", refresh, Some(auth("me", "secret")), false),
    ];
    for (what, guard, auth, succeeds) in table {
        let state = std::mem::take(&mut *registry.state.lock());
        *registry.state.lock() = state.restarted(guard);
        let directory = tempfile::tempdir().unwrap();
        let result = open(directory.path()).pull(&name, auth).await;
        assert_eq!(result.is_ok(), succeeds, "{what}: {result:?}");
        if let Err(error) = result {
            assert!(matches!(error, crate::images::Error::Denied { .. }), "{what}: {error:?}");
            assert!(!error.to_string().contains("bWU6"), "{what}: {error}");
        }
    }
}

#[tokio::test]
async fn an_expired_token_is_renewed_and_an_image_here_still_needs_credentials() {
    if !root() {
        return;
    }
    let registry = Registry::start().await;
    registry.put_image("lib/app", "v1", &[Layer::of(&[("app", b"one")])]);
    registry.guard(Guard::Token(Some(("me", "secret")), None));
    let directory = tempfile::tempdir().unwrap();
    let images = open(directory.path());
    let name = registry.name("lib/app:v1");
    images.pull(&name, Some(auth("me", "secret"))).await.unwrap();
    registry.state.lock().expire_tokens();
    images.pull(&name, Some(auth("me", "secret"))).await.unwrap();
    let error = images.pull(&name, Some(auth("me", "wrong"))).await.unwrap_err().to_string();
    assert!(error.contains("pull access denied") && error.contains("imagePullSecrets"), "{error}");
    assert!(images.pull(&name, None).await.is_err());
}

#[tokio::test]
async fn credentials_do_not_follow_a_redirect() {
    if !root() {
        return;
    }
    let (registry, cdn) = (Registry::start().await, Registry::start().await);
    let (_, digests) = registry.put_image("lib/app", "v1", &[Layer::of(&[("app", b"one")])]);
    cdn.put_image("lib/app", "v1", &[Layer::of(&[("app", b"one")])]);
    registry.guard(Guard::Basic("me", "secret"));
    let path = format!("/v2/lib/app/blobs/{}", digests[0]);
    let to = format!("http://{}{path}?signature=x", cdn.address);
    let redirect = super::fake::Fault::Status(307, Some(("location", to)), "");
    registry.fail(&path, [redirect]);
    let directory = tempfile::tempdir().unwrap();
    open(directory.path()).pull(&registry.name("lib/app:v1"), Some(auth("me", "secret"))).await.unwrap();
    let seen = cdn.seen(Method::GET, "/blobs/");
    assert_eq!((seen.len(), seen[0].query.as_str()), (1, "signature=x"));
    assert!(!seen[0].headers.contains_key("authorization"));
    let asked = registry.seen(Method::GET, &path);
    assert!(asked[0].headers.contains_key("authorization"));
}

#[tokio::test]
async fn a_redirect_cannot_ask_for_credentials() {
    if !root() {
        return;
    }
    let (registry, thief) = (Registry::start().await, Registry::start().await);
    let (_, digests) = registry.put_image("lib/app", "v1", &[Layer::of(&[("app", b"one")])]);
    registry.guard(Guard::Basic("me", "secret"));
    thief.guard(Guard::Token(Some(("me", "secret")), None));
    let path = format!("/v2/lib/app/blobs/{}", digests[0]);
    let to = format!("http://{}{path}", thief.address);
    registry.fail(&path, [super::fake::Fault::Status(307, Some(("location", to)), "")]);
    let directory = tempfile::tempdir().unwrap();
    let result = open(directory.path()).pull(&registry.name("lib/app:v1"), Some(auth("me", "secret"))).await;
    assert!(result.is_err());
    assert_eq!(thief.seen(Method::GET, "/blobs/").len(), 1);
    let stolen = thief.state.lock().seen.iter().any(|seen| seen.headers.contains_key("authorization"));
    assert!(!stolen && thief.seen(Method::GET, "/token").is_empty());
}

#[tokio::test]
async fn mirrors_are_asked_first_and_may_fail() {
    if !root() {
        return;
    }
    let (mirror, other, upstream) =
        (Registry::start().await, Registry::start().await, Registry::start().await);
    let layers = [Layer::of(&[("app", &noise(200_000, 3))])];
    let (_, digests) = upstream.put_image("lib/app", "v1", &layers);
    mirror.put_image("lib/app", "v1", &layers);
    let config = RegistryConfig {
        mirrors: vec![format!("http://{}", other.address), format!("http://{}", mirror.address)],
        ..RegistryConfig::default()
    };
    let hosts = [(upstream.address.clone(), config.clone())];
    let directory = tempfile::tempdir().unwrap();
    let secret = Some(auth("me", "secret"));
    open_with(directory.path(), hosts.clone()).pull(&upstream.name("lib/app:v1"), secret).await.unwrap();
    assert!(upstream.seen(Method::GET, "/").is_empty(), "the second mirror had everything");
    let seen = mirror.seen(Method::GET, "/manifests/");
    assert_eq!(seen[0].query, format!("ns={}", upstream.address));
    assert!(
        seen.iter().all(|seen| !seen.headers.contains_key("authorization")),
        "mirrors get no credentials of pulls"
    );

    // A mirror that breaks off halfway: the rest comes from the next place.
    let blob = digests[0].to_string();
    mirror.fail(&blob, [super::fake::Fault::Break(50_000), super::fake::Fault::Status(404, None, "")]);
    let directory = tempfile::tempdir().unwrap();
    open_with(directory.path(), hosts).pull(&upstream.name("lib/app:v1"), None).await.unwrap();
    let rest = upstream.seen(Method::GET, &blob);
    assert_eq!(rest[0].headers["range"], "bytes=50000-");
}

#[tokio::test]
async fn the_machine_stopped_before_layers_were_on_the_disk() {
    if !root() {
        return;
    }
    let registry = Registry::start().await;
    registry.put_image("lib/app", "v1", &[Layer::of(&[("app", b"one")])]);
    let directory = tempfile::tempdir().unwrap();
    let name = registry.name("lib/app:v1");
    let description = directory.path().join("layers/1/layer.json");
    {
        let images = open(directory.path());
        images.pull(&name, None).await.unwrap();
        for _ in 0..500 {
            if !std::fs::read_to_string(&description).unwrap().contains("boot") {
                break;
            }
            corten_rt::sleep(Duration::from_millis(10)).await;
        }
    }
    let text = std::fs::read_to_string(&description).unwrap();
    assert!(!text.contains("boot"), "after a while it is durable");
    assert!(open(directory.path()).resolve(&name).is_some());
    std::fs::create_dir_all(directory.path().join("tmp/half/done")).unwrap();
    std::fs::write(&description, text.replacen('{', r#"{"boot":"another","#, 1)).unwrap();
    let images = open(directory.path());
    assert!(images.resolve(&name).is_none(), "its files may be lost");
    assert!(names(directory.path(), "layers").is_empty() && names(directory.path(), "tmp").is_empty());
    images.pull(&name, None).await.unwrap();
    // And what is damaged on disk is not believed.
    drop(images);
    for path in ["images", "blobs/sha256"] {
        let id = names(directory.path(), path).remove(0);
        std::fs::write(directory.path().join(path).join(id), "{").unwrap();
    }
    assert!(open(directory.path()).list().is_empty());
}
