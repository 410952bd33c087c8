//! Volumes of a real NFS server, which exports the directory that `CORTEN_TEST_NFS` names as the root of
//! 127.0.0.1; `tests/uml/run nfs` has one.

use super::*;
use corten_sys::mounts::parse_mountinfo;

struct Export {
    dir: PathBuf,
    server: Arc<Server>,
    volumes: Volumes,
    root: tempfile::TempDir,
}

/// The export with one file in it, and volumes that are really mounted.
fn export() -> Option<Export> {
    let Some(dir) = std::env::var_os("CORTEN_TEST_NFS").map(PathBuf::from) else {
        eprintln!("skipped: needs an NFS server");
        return None;
    };
    fs::write(dir.join("there"), "from the server").expect("the server's file");
    let root = tempfile::tempdir().expect("directory");
    let clock = Clock::starting_at(Timestamp::UNIX_EPOCH);
    let server = Arc::new(Server { clock, ..Server::default() });
    let config =
        VolumeConfig { root: root.path().into(), node_name: "n".into(), allocatable: BTreeMap::new() };
    let volumes = Volumes::new(config, Client::new(server.clone()), clock);
    Some(Export { dir, server, volumes, root })
}

fn source(path: &str, read_only: bool) -> NFSVolumeSource {
    NFSVolumeSource { server: "127.0.0.1".into(), path: path.into(), read_only }
}

fn nfs(name: &str, path: &str, read_only: bool) -> Volume {
    volume(name, |v| v.nfs = Some(Box::new(source(path, read_only))))
}

/// What is mounted below a directory: where and with which options.
fn mounted(root: &Path) -> Vec<(PathBuf, String)> {
    let table = fs::read_to_string("/proc/self/mountinfo").expect("mount table");
    let ours = parse_mountinfo(&table).into_iter().filter(|m| m.target.starts_with(root));
    ours.map(|m| (m.target, format!("{} {}", m.fs_type, m.super_options.join(",")))).collect()
}

#[tokio::test]
async fn an_export_is_mounted_written_and_let_go() {
    let Some(e) = export() else { return };
    let pod = pod(vec![nfs("rw", "/", false), nfs("ro", "/", true)]);
    let paths = e.volumes.mount(&pod).await.expect("mounted");
    assert_eq!(paths["rw"], e.root.path().join("pods/u-1/volumes/kubernetes.io~nfs/rw"));
    assert!(mounted(e.root.path()).iter().all(|(_, kind)| kind.starts_with("nfs4 ")));
    for name in ["rw", "ro"] {
        assert_eq!(fs::read_to_string(paths[name].join("there")).expect("file"), "from the server");
    }
    fs::write(paths["rw"].join("made"), "by the pod").expect("written");
    assert_eq!(fs::read_to_string(e.dir.join("made")).expect("at the server"), "by the pod");
    let refused = fs::write(paths["ro"].join("made"), "again").expect_err("read-only");
    assert_eq!(refused.kind(), std::io::ErrorKind::ReadOnlyFilesystem);
    assert_eq!(fs::read_to_string(paths["ro"].join("made")).expect("file"), "by the pod");

    // A part of the volume, as a container sees it.
    let part = e.volumes.bind_subpath("u-1", "rw", "c", 0, &paths["rw"], "deep/er").expect("bound");
    fs::write(part.join("file"), "x").expect("written");
    assert!(e.dir.join("deep/er/file").exists());

    // A kubelet that has started anew finds the volumes in place.
    let before = mounted(e.root.path());
    e.volumes.ready.lock().clear();
    e.volumes.mount(&pod).await.expect("again");
    assert_eq!((before.len(), mounted(e.root.path())), (3, before.clone()));

    e.volumes.unmount("u-1").await.expect("let go");
    assert!(mounted(e.root.path()).is_empty() && e.volumes.present().is_empty());
    assert_eq!(fs::read_to_string(e.dir.join("made")).expect("still at the server"), "by the pod");
}

#[tokio::test]
async fn a_persistent_volume_has_options_of_its_own() {
    let Some(e) = export() else { return };
    let mut claim = PersistentVolumeClaim::default();
    (claim.metadata.name, claim.metadata.uid) = ("c".into(), "claim-uid".into());
    claim.status.phase = "Bound".into();
    claim.spec.volume_name = "pv".into();
    e.server.put(claim);
    let mut pv = PersistentVolume::default();
    pv.metadata.name = "pv".into();
    pv.spec.claim_ref = Some(Box::new(ObjectReference { uid: "claim-uid".into(), ..Default::default() }));
    pv.spec.access_modes = vec!["ReadWriteMany".into()];
    pv.spec.mount_options = vec!["nfsvers=4.1".into(), "soft".into()];
    pv.spec.persistent_volume_source.nfs = Some(Box::new(source("/", false)));
    e.server.put(pv);
    let source = PersistentVolumeClaimVolumeSource { claim_name: "c".into(), read_only: false };
    let pod = pod(vec![volume("v", |v| v.persistent_volume_claim = Some(Box::new(source)))]);
    let paths = e.volumes.mount(&pod).await.expect("mounted");
    assert_eq!(paths["v"], e.root.path().join("pods/u-1/volumes/kubernetes.io~nfs/pv"));
    let there = mounted(e.root.path());
    let (_, options) = there.first().expect("one mount");
    assert!(options.contains("vers=4.1") && options.contains("soft"), "{options}");
    e.volumes.unmount("u-1").await.expect("let go");
    assert!(mounted(e.root.path()).is_empty());
}

#[tokio::test]
async fn what_the_server_does_not_export_is_told() {
    let Some(e) = export() else { return };
    let error = e.volumes.mount(&pod(vec![nfs("v", "/no/such", false)])).await.expect_err("not exported");
    let text = error.to_string();
    assert!(text.starts_with("MountVolume.SetUp failed for volume \"v\" : mount failed: "), "{text}");
    assert!(text.contains("No such file or directory"), "{text}");
    assert!(mounted(e.root.path()).is_empty());
    e.volumes.unmount("u-1").await.expect("nothing to let go");
    assert!(e.volumes.present().is_empty());
}
