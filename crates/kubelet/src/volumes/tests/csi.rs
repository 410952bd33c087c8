//! Volumes of a driver that notes what it is asked.

use super::*;
use crate::plugins::{Plugin, PluginHandler};
use corten_api::storage::v1::{CSIDriver, CSINode, VolumeAttachment};
use corten_node_api::csi::node_server::{Node as Service, NodeServer};
use corten_node_api::csi::node_service_capability::rpc::Type as Can;
use corten_node_api::csi::node_service_capability::{Rpc, Type};
use corten_node_api::csi::*;
use corten_rt::Stop;
use tokio::net::UnixListener;
use tonic::{Code, Request, Response, Status};

/// What the driver was asked, and what it refuses.
#[derive(Default)]
struct Notes {
    calls: Mutex<Vec<String>>,
    refuse: Mutex<HashMap<&'static str, Code>>,
}

#[derive(Clone, Default)]
struct Driver(Arc<Notes>);

impl Driver {
    fn note<T: Default>(&self, call: &'static str, about: String) -> Result<Response<T>, Status> {
        self.0.calls.lock().push(format!("{call} {about}").trim().to_string());
        match self.0.refuse.lock().get(call) {
            Some(code) => Err(Status::new(*code, "no")),
            None => Ok(Response::new(T::default())),
        }
    }

    fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.0.calls.lock())
    }
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl Service for Driver {
    async fn node_stage_volume(&self, r: Request<NodeStageVolumeRequest>) -> Answer<NodeStageVolumeResponse> {
        let r = r.into_inner();
        let lun = r.publish_context.get("lun").cloned().unwrap_or_default();
        self.note("stage", format!("{} {lun}", r.volume_id))
    }

    async fn node_unstage_volume(
        &self,
        r: Request<NodeUnstageVolumeRequest>,
    ) -> Answer<NodeUnstageVolumeResponse> {
        self.note("unstage", r.into_inner().volume_id)
    }

    async fn node_publish_volume(
        &self,
        r: Request<NodePublishVolumeRequest>,
    ) -> Answer<NodePublishVolumeResponse> {
        let r = r.into_inner();
        fs::create_dir_all(&r.target_path)?;
        let pod = r.volume_context.get("csi.storage.k8s.io/pod.uid").cloned().unwrap_or_default();
        self.note("publish", format!("{} {pod}", r.volume_id))
    }

    async fn node_unpublish_volume(
        &self,
        r: Request<NodeUnpublishVolumeRequest>,
    ) -> Answer<NodeUnpublishVolumeResponse> {
        let r = r.into_inner();
        let _ = fs::remove_dir(&r.target_path);
        self.note("unpublish", r.volume_id)
    }

    async fn node_get_volume_stats(
        &self,
        _: Request<NodeGetVolumeStatsRequest>,
    ) -> Answer<NodeGetVolumeStatsResponse> {
        Err(Status::unimplemented("not here"))
    }

    async fn node_expand_volume(
        &self,
        _: Request<NodeExpandVolumeRequest>,
    ) -> Answer<NodeExpandVolumeResponse> {
        Err(Status::unimplemented("not here"))
    }

    async fn node_get_capabilities(
        &self,
        _: Request<NodeGetCapabilitiesRequest>,
    ) -> Answer<NodeGetCapabilitiesResponse> {
        let rpc = Rpc { r#type: Can::StageUnstageVolume as i32 };
        let capabilities = vec![NodeServiceCapability { r#type: Some(Type::Rpc(rpc)) }];
        Ok(Response::new(NodeGetCapabilitiesResponse { capabilities }))
    }

    async fn node_get_info(&self, _: Request<NodeGetInfoRequest>) -> Answer<NodeGetInfoResponse> {
        Ok(Response::new(NodeGetInfoResponse { node_id: "n-1".into(), ..Default::default() }))
    }
}

/// Serves the driver on a socket and registers it with `b`.
async fn register(b: &Bench, driver: &Driver, tasks: &Tasks) -> Plugin {
    let endpoint = b.root.path().join("csi.sock");
    let _ = fs::remove_file(&endpoint);
    let listener = UnixListener::bind(&endpoint).expect("bound");
    let incoming = tokio_stream::wrappers::UnixListenerStream::new(listener);
    let service = NodeServer::new(driver.clone());
    tasks.spawn_until_stopped("driver", async move {
        let _ = tonic::transport::Server::builder().add_service(service).serve_with_incoming(incoming).await;
    });
    let mut node = Node::default();
    (node.metadata.name, node.metadata.uid) = ("n".into(), "node-uid".into());
    b.server.put(node);
    let plugin = Plugin { name: "d.test".into(), endpoint, versions: vec!["1.0.0".into()] };
    b.volumes.csi_plugins().register(&plugin).await.expect("registered");
    plugin
}

fn declare(b: &Bench, fill: impl FnOnce(&mut CSIDriver)) {
    let mut object = CSIDriver::default();
    object.metadata.name = "d.test".into();
    object.spec.attach_required = Some(false);
    fill(&mut object);
    b.server.put(object);
}

/// A pod with a claim that is bound to the driver's volume `handle`.
fn claimed(b: &Bench, uid: &str) -> Pod {
    let mut claim = PersistentVolumeClaim::default();
    (claim.metadata.name, claim.metadata.uid) = ("c".into(), "claim-uid".into());
    claim.status.phase = "Bound".into();
    claim.spec.volume_name = "pv".into();
    b.server.put(claim);
    let mut pv = PersistentVolume::default();
    pv.metadata.name = "pv".into();
    pv.spec.claim_ref = Some(Box::new(ObjectReference { uid: "claim-uid".into(), ..Default::default() }));
    pv.spec.access_modes = vec!["ReadWriteOnce".into()];
    pv.spec.persistent_volume_source.csi = Some(Box::new(CSIPersistentVolumeSource {
        driver: "d.test".into(),
        volume_handle: "h".into(),
        ..Default::default()
    }));
    b.server.put(pv);
    let source = PersistentVolumeClaimVolumeSource { claim_name: "c".into(), read_only: false };
    let mut pod = pod(vec![volume("v", |v| v.persistent_volume_claim = Some(Box::new(source)))]);
    pod.metadata.uid = uid.into();
    pod
}

#[tokio::test]
async fn a_volume_is_staged_once_and_let_go_by_its_last_pod() {
    let (b, driver, tasks) = (bench(), Driver::default(), Tasks::new(Stop::new()));
    declare(&b, |o| o.spec.pod_info_on_mount = Some(true));
    let (first, second) = (claimed(&b, "u-1"), claimed(&b, "u-2"));
    let error = b.volumes.mount(&first).await.expect_err("no driver").to_string();
    assert!(
        error.starts_with("MountVolume.MountDevice failed for volume \"pv\" : kubernetes.io/csi: "),
        "{error}"
    );
    let plugin = register(&b, &driver, &tasks).await;
    let listed = b.server.objects.lock().get(&("CSINode", "n".to_string())).cloned().expect("there");
    let listed = listed.downcast_arc::<CSINode>().expect("a CSINode");
    assert_eq!(listed.spec.drivers[0].node_id, "n-1");

    let path = b.volumes.mount(&first).await.expect("mounted")["v"].clone();
    assert_eq!(path, b.root.path().join("pods/u-1/volumes/kubernetes.io~csi/pv/mount"));
    b.volumes.mount(&first).await.expect("mounted already");
    b.volumes.mount(&second).await.expect("mounted");
    assert_eq!(driver.calls(), ["stage h", "publish h u-1", "publish h u-2"]);
    b.volumes.unmount("u-1").await.expect("gone");
    assert_eq!(driver.calls(), ["unpublish h"]);
    // The driver goes; what it holds is let go when it is back.
    b.volumes.csi_plugins().deregister(&plugin).await;
    let error = b.volumes.unmount("u-2").await.expect_err("no driver").to_string();
    assert!(error.contains("driver name d.test not found in the list of registered CSI drivers"), "{error}");
    b.volumes.csi_plugins().register(&plugin).await.expect("back");
    b.volumes.unmount("u-2").await.expect("gone");
    assert_eq!(driver.calls(), ["unpublish h", "unstage h"]);
    assert!(b.volumes.present().is_empty());
    assert!(names_in(&b.root.path().join("plugins/kubernetes.io/csi/d.test")).is_empty());
    tasks.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn volumes_wait_until_they_are_attached() {
    let (b, driver, tasks) = (bench(), Driver::default(), Tasks::new(Stop::new()));
    declare(&b, |o| o.spec.attach_required = None);
    register(&b, &driver, &tasks).await;
    let pod = claimed(&b, "u-1");
    let mut attachment = VolumeAttachment::default();
    let spec =
        crate::volumes::csi::Spec { driver: "d.test".into(), handle: "h".into(), ..Default::default() };
    attachment.metadata.name = spec.attachment("n");
    b.server.put(attachment.clone());
    let attach = async {
        corten_rt::sleep(Duration::from_millis(300)).await;
        assert!(driver.calls().is_empty(), "nothing before it is attached");
        attachment.status.attached = true;
        attachment.status.attachment_metadata.insert("lun".into(), "7".into());
        b.server.put(attachment);
    };
    let (mounted, ()) = futures::future::join(b.volumes.mount(&pod), attach).await;
    mounted.expect("mounted");
    assert_eq!(driver.calls(), ["stage h 7", "publish h"]);
    tasks.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn what_a_driver_refuses_leaves_nothing() {
    let (b, driver, tasks) = (bench(), Driver::default(), Tasks::new(Stop::new()));
    declare(&b, |_| {});
    register(&b, &driver, &tasks).await;
    let pod = claimed(&b, "u-1");
    let kept = b.root.path().join("pods/u-1/volumes/kubernetes.io~csi/pv/vol_data.json");
    for (code, left) in [(Code::InvalidArgument, false), (Code::Unavailable, true)] {
        driver.0.refuse.lock().insert("stage", code);
        let error = b.volumes.mount(&pod).await.expect_err("refused").to_string();
        let want = format!(
            "MountVolume.MountDevice failed for volume \"pv\" : rpc error: code = {code:?} desc = no"
        );
        assert_eq!(error, want);
        assert_eq!(kept.exists(), left, "{code:?}");
    }
    driver.0.refuse.lock().clear();
    driver.0.refuse.lock().insert("publish", Code::Internal);
    let error = b.volumes.mount(&pod).await.expect_err("refused").to_string();
    assert!(error.starts_with("MountVolume.SetUp failed for volume \"pv\" : rpc error"), "{error}");
    driver.calls();
    b.volumes.unmount("u-1").await.expect("gone");
    assert_eq!(driver.calls(), ["unpublish h", "unstage h"]);
    tasks.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn drivers_that_ask_for_it_are_told_anew() {
    let (b, driver, tasks) = (bench(), Driver::default(), Tasks::new(Stop::new()));
    let source = CSIVolumeSource { driver: "d.test".into(), ..Default::default() };
    let pod = pod(vec![volume("v", |v| v.csi = Some(Box::new(source)))]);
    register(&b, &driver, &tasks).await;
    let error = b.volumes.mount(&pod).await.expect_err("not declared").to_string();
    assert!(error.contains("\"Ephemeral\" not supported by driver d.test (no CSIDriver object)"), "{error}");
    declare(&b, |o| {
        o.spec.volume_lifecycle_modes = vec!["Ephemeral".into()];
        o.spec.requires_republish = Some(true);
    });
    b.volumes.mount(&pod).await.expect("mounted");
    b.volumes.mount(&pod).await.expect("mounted");
    assert!(b.volumes.refresh_after(&pod).is_some());
    let calls = driver.calls();
    assert_eq!(calls.len(), 2, "{calls:?}");
    assert!(calls.iter().all(|c| c.starts_with("publish csi-")), "{calls:?}");
    b.volumes.unmount("u-1").await.expect("gone");
    assert_eq!(driver.calls().len(), 1, "nothing was staged");
    tasks.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn what_an_earlier_process_left_is_let_go() {
    let (mut b, driver, tasks) = (bench(), Driver::default(), Tasks::new(Stop::new()));
    declare(&b, |_| {});
    register(&b, &driver, &tasks).await;
    let (gone, staying) = (claimed(&b, "u-1"), pod(Vec::new()));
    b.volumes.mount(&gone).await.expect("mounted");
    driver.calls();
    // Another process, which knows only what lies on the disk.
    let client = Client::new(b.server.clone());
    let config = b.volumes.config.clone();
    b.volumes = Volumes::with_mounts(config, client, b.server.clock, b.mounts.clone());
    let live = HashSet::from([staying.metadata.uid.clone() + "x"]);
    let cleaning = clean(&b.volumes, || live.clone());
    let back = async {
        corten_rt::sleep(Duration::from_millis(200)).await;
        assert_eq!(b.volumes.present(), ["u-1"], "its driver is not back yet");
        register(&b, &driver, &tasks).await;
    };
    futures::future::join(cleaning, back).await;
    assert_eq!(driver.calls(), ["unpublish h", "unstage h"]);
    assert!(b.volumes.present().is_empty());
    tasks.shutdown(Duration::from_secs(5)).await;
}
