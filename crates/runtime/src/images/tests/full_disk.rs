//! A disk that is full, in a mount namespace of the test's own.

use super::fake::{Layer, Registry, noise};
use super::*;
use crate::images::Error;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

#[test]
fn a_full_disk_is_said_and_nothing_is_left() {
    if !root() {
        return;
    }
    // The namespace is this thread's, and that of the threads its runtime starts.
    std::thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        let none = None::<&str>;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
        let directory = tempfile::tempdir().unwrap();
        mount(Some("tmpfs"), directory.path(), Some("tmpfs"), MsFlags::empty(), Some("size=2m")).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(fill(directory.path()));
        drop(runtime);
        nix::mount::umount(directory.path()).unwrap();
    })
    .join()
    .unwrap();
}

async fn fill(disk: &Path) {
    let registry = Registry::start().await;
    registry.put_image(
        "lib/app",
        "big",
        &[Layer::of(&[("a", b"x")]), Layer::of(&[("big", &noise(3 << 20, 5))])],
    );
    registry.put_image("lib/app", "small", &[Layer::of(&[("small", &noise(1 << 20, 5))])]);
    let images = open(disk);
    let error = images.pull(&registry.name("lib/app:big"), None).await.unwrap_err();
    assert!(matches!(error, Error::DiskFull { .. }), "{error:?}");
    assert!(error.to_string().contains("no space left on device"), "{error}");
    assert_clean(disk, "full disk").await;
    images.collect(&Default::default()).unwrap();
    assert!(names(disk, "layers").is_empty(), "what was unpacked before can be collected");
    images.pull(&registry.name("lib/app:small"), None).await.unwrap();
    // Full to the last byte: not even a record can be written.
    let filler = disk.join("filler");
    std::fs::write(&filler, vec![0; 4 << 20]).unwrap_err();
    let config = Layer::of(&[("tiny", b"")]);
    registry.put_image("lib/app", "tiny", &[config]);
    let error = images.pull(&registry.name("lib/app:tiny"), None).await.unwrap_err();
    assert!(matches!(error, Error::DiskFull { .. }), "{error:?}");
    assert_eq!(images.list().len(), 1);
    std::fs::remove_file(filler).unwrap();
    images.pull(&registry.name("lib/app:tiny"), None).await.unwrap();
    assert_eq!(open(disk).list().len(), 2);
}
