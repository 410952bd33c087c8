//! All kinds together, over a server that holds a few objects and a mount table in memory.

mod csi;
mod nfs;

use super::*;
use async_trait::async_trait;
use corten_api::Object;
use corten_api::authentication::v1::TokenRequest;
use corten_api::core::v1::*;
use corten_client::transport::{Answer, Call, Event, Target, Transport, WatchOptions, WatchStream};
use corten_rt::Timestamp;
use corten_semantics::{ApiError, ApiResult};
use corten_sys::mounts::FakeMounts;
use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use tokio::sync::mpsc;

/// A kind and a name.
type Named = (&'static str, String);

#[derive(Default)]
struct Server {
    objects: Mutex<HashMap<Named, Arc<dyn Object>>>,
    tokens: Mutex<u32>,
    clock: Clock,
    /// Who watches one object.
    watchers: Mutex<Vec<(Named, mpsc::UnboundedSender<ApiResult<Event>>)>>,
    revision: Mutex<u64>,
}

impl Server {
    fn put(&self, object: impl corten_api::Kind) {
        self.put_object(Box::new(object));
    }

    fn put_object(&self, mut object: Box<dyn Object>) {
        let key = (object.info().kind, object.meta().name.clone());
        *self.revision.lock() += 1;
        object.meta_mut().resource_version = self.revision.lock().to_string();
        let object: Arc<dyn Object> = Arc::from(object);
        self.objects.lock().insert(key.clone(), object.clone());
        for (_, watcher) in self.watchers.lock().iter().filter(|(watched, _)| *watched == key) {
            let _ = watcher.send(Ok(Event::Modified(object.clone())));
        }
    }
}

#[async_trait]
impl Transport for Server {
    async fn call(&self, target: Target, call: Call) -> ApiResult<Answer> {
        match call {
            Call::Get => {
                let found = self.objects.lock().get(&(target.kind.kind, target.name.clone())).cloned();
                found.map(Answer::Object).ok_or_else(|| ApiError::not_found(target.kind, &target.name))
            }
            Call::Create(body, _) if target.subresource == "token" => {
                let mut request = body.downcast_arc::<TokenRequest>().as_deref().cloned().unwrap_or_default();
                let life = Duration::from_secs(request.spec.expiration_seconds.unwrap_or_default() as u64);
                let mut count = self.tokens.lock();
                if *count >= 2 {
                    return Err(ApiError::internal("out of tokens"));
                }
                *count += 1;
                request.status.token = format!("{}-{count}", target.name);
                request.status.expiration_timestamp = Some((self.clock.now() + life).into());
                Ok(Answer::Object(Arc::new(request)))
            }
            Call::Create(body, _) | Call::Update(body, _) => {
                self.put_object(body.clone_object());
                Ok(Answer::Object(body))
            }
            _ => Err(ApiError::internal("not in this test")),
        }
    }

    async fn watch(&self, target: Target, options: WatchOptions) -> ApiResult<WatchStream> {
        let name = options.field_selector.strip_prefix("metadata.name=").unwrap_or_default();
        let key = (target.kind.kind, name.to_string());
        let (send, mut receive) = mpsc::unbounded_channel();
        if let Some(object) = self.objects.lock().get(&key) {
            let _ = send.send(Ok(Event::Added(object.clone())));
        }
        let _ = send.send(Ok(Event::Bookmark { resource_version: "1".into(), initial_end: true }));
        self.watchers.lock().push((key, send));
        Ok(Box::pin(futures::stream::poll_fn(move |context| receive.poll_recv(context))))
    }
}

struct Bench {
    server: Arc<Server>,
    volumes: Volumes,
    mounts: Arc<FakeMounts>,
    root: tempfile::TempDir,
}

fn bench() -> Bench {
    let root = tempfile::tempdir().expect("directory");
    let clock = Clock::starting_at(Timestamp::UNIX_EPOCH);
    let server = Arc::new(Server { clock, ..Server::default() });
    let mounts = Arc::new(FakeMounts::default());
    let config =
        VolumeConfig { root: root.path().into(), node_name: "n".into(), allocatable: BTreeMap::new() };
    let volumes = Volumes::with_mounts(config, Client::new(server.clone()), clock, mounts.clone());
    Bench { server, volumes, mounts, root }
}

fn pod(volumes: Vec<Volume>) -> Pod {
    let mut pod = Pod::default();
    pod.metadata.name = "web".into();
    pod.metadata.namespace = "ns".into();
    pod.metadata.uid = "u-1".into();
    pod.metadata.labels.insert("app".into(), "x".into());
    let mount = |v: &Volume| VolumeMount { name: v.name.clone(), ..Default::default() };
    let volume_mounts = volumes.iter().map(mount).collect();
    pod.spec.containers = vec![Container { volume_mounts, ..Default::default() }];
    pod.spec.volumes = volumes;
    pod
}

fn config_map(name: &str, value: &str) -> ConfigMap {
    let mut map = ConfigMap::default();
    map.metadata.name = name.into();
    map.metadata.namespace = "ns".into();
    map.data.insert("key".into(), value.into());
    map
}

fn volume(name: &str, fill: impl FnOnce(&mut VolumeSource)) -> Volume {
    let mut volume = Volume { name: name.into(), ..Default::default() };
    fill(&mut volume.volume_source);
    volume
}

fn of_config_map(name: &str, map: &str, optional: bool) -> Volume {
    volume(name, |v| {
        let mut source = ConfigMapVolumeSource { optional: Some(optional), ..Default::default() };
        source.local_object_reference.name = map.into();
        v.config_map = Some(Box::new(source));
    })
}

fn token(path: &str) -> VolumeProjection {
    let source = ServiceAccountTokenProjection {
        path: path.into(),
        expiration_seconds: Some(1000),
        ..Default::default()
    };
    VolumeProjection { service_account_token: Some(Box::new(source)), ..Default::default() }
}

#[tokio::test]
async fn contents_follow_the_api() {
    let b = bench();
    b.server.put(config_map("m", "1"));
    let pod = pod(vec![of_config_map("v", "m", false)]);
    let path = b.volumes.mount(&pod).await.expect("mounted")["v"].clone();
    assert_eq!(path, b.root.path().join("pods/u-1/volumes/kubernetes.io~configmap/v"));
    assert_eq!(fs::read_to_string(path.join("key")).expect("file"), "1");
    assert_eq!(fs::metadata(b.root.path().join("pods")).expect("directory").mode() & 0o777, 0o750);
    b.server.put(config_map("m", "2"));
    b.volumes.mount(&pod).await.expect("refreshed");
    assert_eq!(fs::read_to_string(path.join("key")).expect("file"), "2");
    assert!(b.volumes.refresh_after(&pod).is_some_and(|d| d <= REFRESH && d > REFRESH / 2));
}

#[tokio::test]
async fn what_is_missing_is_named_unless_it_is_optional() {
    let b = bench();
    let error = b.volumes.mount(&pod(vec![of_config_map("v", "m", false)])).await.expect_err("missing");
    assert_eq!(error.to_string(), "MountVolume.SetUp failed for volume \"v\" : configmap \"m\" not found");
    let mounted = b.volumes.mount(&pod(vec![of_config_map("v", "m", true)])).await.expect("optional");
    assert!(mounted["v"].is_dir());
    let disk = volume("c", |v| v.iscsi = Some(Box::default()));
    let error = b.volumes.mount(&pod(vec![disk])).await.expect_err("no such kind");
    assert!(error.to_string().contains("no volume plugin matched"), "{error}");
    let mut unused = pod(vec![of_config_map("v", "m", false)]);
    unused.spec.containers.clear();
    assert!(b.volumes.mount(&unused).await.expect("nobody needs it").is_empty());
    assert!(
        b.volumes.mount(&pod(vec![volume("../x", |v| v.empty_dir = Some(Box::default()))])).await.is_err()
    );
}

#[tokio::test]
async fn an_empty_dir_is_made_once_and_removed_with_its_pod() {
    let b = bench();
    let memory = EmptyDirVolumeSource { medium: "Memory".into(), size_limit: None };
    let mut pod = pod(vec![
        volume("disk", |v| v.empty_dir = Some(Box::default())),
        volume("memory", |v| v.empty_dir = Some(Box::new(memory))),
    ]);
    if corten_sys::is_root() {
        let context = PodSecurityContext { fs_group: Some(1234), ..Default::default() };
        pod.spec.security_context = Some(Box::new(context));
    }
    let paths = b.volumes.mount(&pod).await.expect("mounted");
    let disk = fs::metadata(&paths["disk"]).expect("directory");
    if corten_sys::is_root() {
        assert_eq!((disk.mode() & 0o7777, disk.gid()), (0o2777, 1234));
    }
    assert!(
        b.mounts.is_mounted(&paths["memory"]).expect("table")
            && !b.mounts.is_mounted(&paths["disk"]).expect("table")
    );
    ownership::set_mode(&paths["disk"], 0o700).expect("changed by the pod");
    b.volumes.ready.lock().clear();
    b.volumes.mount(&pod).await.expect("again");
    assert_eq!(fs::metadata(&paths["disk"]).expect("directory").mode() & 0o777, 0o700);
    assert_eq!(b.mounts.list(b.root.path()).expect("table").len(), 1);
    assert_eq!(b.volumes.refresh_after(&pod), None);

    assert_eq!(b.volumes.present(), ["u-1"]);
    b.volumes.unmount("u-1").await.expect("gone");
    b.volumes.unmount("u-1").await.expect("gone already");
    assert!(b.volumes.present().is_empty() && b.mounts.list(b.root.path()).expect("table").is_empty());
    assert!(b.volumes.unmount("..").await.is_err());
}

#[tokio::test(start_paused = true)]
async fn projected_sources_lie_side_by_side_and_tokens_are_renewed() {
    let b = bench();
    b.server.put(config_map("m", "1"));
    let mut map = ConfigMapProjection::default();
    map.local_object_reference.name = "m".into();
    let field = ObjectFieldSelector { field_path: "metadata.labels['app']".into(), ..Default::default() };
    let file = DownwardAPIVolumeFile {
        path: "pod/app".into(),
        field_ref: Some(Box::new(field)),
        mode: Some(0o400),
        ..Default::default()
    };
    let sources = vec![
        token("token"),
        VolumeProjection { config_map: Some(Box::new(map)), ..Default::default() },
        VolumeProjection {
            downward_api: Some(Box::new(DownwardAPIProjection { items: vec![file] })),
            ..Default::default()
        },
    ];
    let source = ProjectedVolumeSource { sources, default_mode: Some(0o640) };
    let pod = pod(vec![volume("p", |v| v.projected = Some(Box::new(source)))]);
    let dir = b.volumes.mount(&pod).await.expect("mounted")["p"].clone();
    let read = |name: &str| fs::read_to_string(dir.join(name)).expect("file");
    assert_eq!((read("token"), read("key"), read("pod/app")), ("default-1".into(), "1".into(), "x".into()));
    let mode = |name: &str| fs::metadata(dir.join(name)).expect("file").mode() & 0o777;
    assert_eq!((mode("token"), mode("pod/app")), (0o640, 0o400));
    assert!(b.mounts.is_mounted(&dir).expect("table"), "secrets stay in memory");

    for (seconds, want) in [(790, "default-1"), (20, "default-2"), (850, "default-2")] {
        corten_rt::sleep(Duration::from_secs(seconds)).await;
        b.volumes.mount(&pod).await.expect("refreshed");
        assert_eq!(read("token"), want);
    }
    corten_rt::sleep(Duration::from_secs(200)).await;
    let error = b.volumes.mount(&pod).await.expect_err("the token has ended").to_string();
    assert!(
        error.starts_with("MountVolume.SetUp failed for volume \"p\" : failed to fetch token: "),
        "{error}"
    );
}

#[tokio::test]
async fn a_bound_subpath_stays_what_it_was() {
    if !corten_sys::is_root() {
        return eprintln!("skipped: needs root");
    }
    let mut b = bench();
    b.volumes.mounts = Arc::new(KernelMounts);
    let pod = pod(vec![volume("v", |v| v.empty_dir = Some(Box::default()))]);
    let path = b.volumes.mount(&pod).await.expect("mounted")["v"].clone();
    let file = path.join("d/f");
    let at = |sub: &str, index| b.volumes.bind_subpath("u-1", "v", "c", index, &path, sub).expect("bound");
    let dir = at("d", 0);
    fs::write(&file, "1").expect("written");
    let single = at("d/f", 1);
    assert_eq!(dir, b.root.path().join("pods/u-1/volume-subpaths/v/c/0"));
    // The pod puts something else where the directory was.
    fs::rename(path.join("d"), path.join("e")).expect("moved");
    std::os::unix::fs::symlink("/etc", path.join("d")).expect("linked");
    assert_eq!(fs::read_to_string(dir.join("f")).expect("file"), "1");
    assert_eq!(fs::read_to_string(&single).expect("file"), "1");
    assert!(b.volumes.bind_subpath("u-1", "v", "c", 0, &path, "d").is_err());
    // The container starts again.
    fs::write(path.join("g"), "2").expect("written");
    assert_eq!(fs::read_to_string(at("g", 1)).expect("file"), "2");
    b.volumes.unmount("u-1").await.expect("gone");
    assert!(b.volumes.present().is_empty());
}

#[tokio::test]
async fn memory_is_mounted_for_real() {
    if !corten_sys::is_root() {
        return eprintln!("skipped: needs root");
    }
    let mut b = bench();
    b.volumes.mounts = Arc::new(KernelMounts);
    let mut secret = Secret::default();
    secret.metadata.name = "s".into();
    secret.data.insert("key".into(), b"value".to_vec());
    b.server.put(secret);
    let memory = EmptyDirVolumeSource { medium: "Memory".into(), size_limit: Some(Quantity::bytes(1 << 20)) };
    let source =
        SecretVolumeSource { secret_name: "s".into(), default_mode: Some(0o400), ..Default::default() };
    let pod = pod(vec![
        volume("m", |v| v.empty_dir = Some(Box::new(memory))),
        volume("s", |v| v.secret = Some(Box::new(source))),
    ]);
    let paths = b.volumes.mount(&pod).await.expect("mounted");
    let mounts = KernelMounts.list(b.root.path()).expect("table");
    assert_eq!(mounts.len(), 2);
    assert!(mounts.iter().any(|m| m.super_options.contains(&"size=1024k".to_string())), "{mounts:?}");
    assert_eq!(fs::metadata(&paths["m"]).expect("directory").mode() & 0o777, 0o777);
    assert_eq!(fs::metadata(paths["s"].join("key")).expect("file").mode() & 0o777, 0o400);
    // A kubelet that starts again finds its mounts.
    b.volumes.ready.lock().clear();
    b.volumes.mount(&pod).await.expect("again");
    assert_eq!(KernelMounts.list(b.root.path()).expect("table").len(), 2);
    b.volumes.unmount("u-1").await.expect("gone");
    assert!(KernelMounts.list(b.root.path()).expect("table").is_empty());
}

/// Waits until `done`.
async fn until(what: &str, done: impl Fn() -> bool) {
    for _ in 0..200 {
        if done() {
            return;
        }
        corten_rt::sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {what}");
}

#[tokio::test]
async fn what_changes_is_told_and_what_cannot_change_is_not_watched() {
    let b = bench();
    let tasks = Tasks::new(corten_rt::Stop::new());
    let volumes = b.volumes.following(EventRecorder::discarding(), &tasks);
    let told = Arc::new(Mutex::new(Vec::new()));
    let log = told.clone();
    volumes.on_change(move |uid| log.lock().push(uid.to_string()));
    let mut fixed = config_map("fixed", "1");
    fixed.immutable = Some(true);
    b.server.put(fixed);
    let mut pods = ["u-1", "u-2"].map(|uid| {
        let mut pod = pod(vec![of_config_map("v", "m", false), of_config_map("f", "fixed", false)]);
        pod.metadata.uid = uid.into();
        pod
    });
    for pod in &pods {
        volumes.mount(pod).await.expect_err("nothing there yet");
    }
    assert_eq!(volumes.objects.followed(), 1, "shared, and only what may change");
    assert!(!volumes.take_changed("u-1"));
    until("watched", || !b.server.watchers.lock().is_empty()).await;
    b.server.put(config_map("m", "1"));
    until("appearance", || told.lock().len() == 2).await;
    assert!(volumes.take_changed("u-1") && !volumes.take_changed("u-1"));
    let path = volumes.mount(&pods[0]).await.expect("mounted")["v"].clone();
    b.server.put(config_map("m", "2"));
    until("change", || told.lock().len() == 4).await;
    volumes.mount(&pods[0]).await.expect("refreshed");
    assert_eq!(fs::read_to_string(path.join("key")).expect("file"), "2");
    volumes.unmount("u-1").await.expect("gone");
    assert_eq!(volumes.objects.followed(), 1);
    volumes.unmount("u-2").await.expect("gone");
    assert_eq!(volumes.objects.followed(), 0);
    // Nobody is told of what nobody uses.
    b.server.put(config_map("m", "3"));
    corten_rt::sleep(Duration::from_millis(50)).await;
    assert_eq!(told.lock().len(), 4);
    // It can be made immutable later.
    pods[0].metadata.uid = "u-3".into();
    volumes.mount(&pods[0]).await.expect("mounted");
    assert!(tasks.shutdown(Duration::from_secs(5)).await);
}
