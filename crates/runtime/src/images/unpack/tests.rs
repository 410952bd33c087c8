//! Archives, honest and hostile. Devices, owners and overlayfs' attributes need root; without it these tests say
//! so and pass.

use super::*;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use tar::EntryType as T;

/// Builds archives without any of the checks that honest tools make.
#[derive(Default)]
struct Forge(Vec<u8>);

impl Forge {
    fn raw(
        mut self,
        name: &[u8],
        kind: T,
        link: &[u8],
        data: &[u8],
        change: impl FnOnce(&mut tar::Header),
    ) -> Self {
        let mut header = tar::Header::new_ustar();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name);
        header.as_mut_bytes()[157..157 + link.len()].copy_from_slice(link);
        header.set_entry_type(kind);
        header.set_size(data.len() as u64);
        header.set_mode(if kind == T::Directory { 0o755 } else { 0o644 });
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1_000_000_000);
        change(&mut header);
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self.0.extend_from_slice(data);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    fn file(self, name: &str, data: &str) -> Self {
        self.raw(name.as_bytes(), T::Regular, b"", data.as_bytes(), |_| ())
    }

    fn directory(self, name: &str, mode: u32) -> Self {
        self.raw(name.as_bytes(), T::Directory, b"", b"", |h| h.set_mode(mode))
    }

    fn symlink(self, name: &str, target: &str) -> Self {
        self.raw(name.as_bytes(), T::Symlink, target.as_bytes(), b"", |_| ())
    }

    fn hard_link(self, name: &str, target: &str) -> Self {
        self.raw(name.as_bytes(), T::Link, target.as_bytes(), b"", |_| ())
    }

    fn pax(self, records: &[(&str, &[u8])]) -> Self {
        let mut data = Vec::new();
        for (key, value) in records {
            let rest = key.len() + value.len() + 3;
            let mut length = rest + rest.to_string().len();
            if length.to_string().len() > rest.to_string().len() {
                length = rest + length.to_string().len();
            }
            data.extend(format!("{length} {key}=").bytes().chain(value.iter().copied()).chain([b'\n']));
        }
        self.raw(b"pax", T::XHeader, b"", &data, |_| ())
    }

    fn end(mut self) -> Vec<u8> {
        self.0.extend([0; 1024]);
        self.0
    }
}

fn root() -> bool {
    let root = corten_sys::is_root();
    if !root {
        eprintln!("skipped: needs root");
    }
    root
}

struct Bench {
    directory: tempfile::TempDir,
}

impl Bench {
    /// A directory for a layer, and beside it files that nobody may touch.
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("fs")).unwrap();
        std::fs::create_dir(directory.path().join("outside")).unwrap();
        std::fs::write(directory.path().join("outside/victim"), "untouched").unwrap();
        Self { directory }
    }

    fn files(&self) -> PathBuf {
        self.directory.path().join("fs")
    }

    fn unpack(&self, archive: &[u8], below: &[PathBuf]) -> Result<Usage> {
        let promise = Promise { compressed: None, diff_id: Digest::of(archive) };
        unpack(archive, &promise, &self.files())?.settle(below)
    }

    /// All that lies outside the layer, with times and contents.
    fn outside(&self) -> Vec<(PathBuf, String, u32, i64, u64)> {
        let mut found = Vec::new();
        for name in ["outside", "outside/victim", "."] {
            let path = self.directory.path().join(name);
            let metadata = std::fs::metadata(&path).unwrap();
            let content = std::fs::read_to_string(&path).unwrap_or_default();
            found.push((path, content, metadata.mode(), metadata.mtime(), metadata.nlink()));
        }
        let mut names: Vec<_> =
            std::fs::read_dir(self.directory.path()).unwrap().map(|e| e.unwrap().path()).collect();
        names.extend(
            std::fs::read_dir(self.directory.path().join("outside")).unwrap().map(|e| e.unwrap().path()),
        );
        names.sort();
        found.extend(names.into_iter().map(|path| (path, String::new(), 0, 0, 0)));
        found
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.files().join(name)).unwrap()
    }

    fn stat(&self, name: &str) -> std::fs::Metadata {
        std::fs::symlink_metadata(self.files().join(name)).unwrap()
    }

    fn attribute(&self, name: &str, attribute: &str) -> Option<Vec<u8>> {
        let mut value = vec![0; 256];
        let length = rustix::fs::lgetxattr(self.files().join(name), attribute, &mut value).ok()?;
        value.truncate(length);
        Some(value)
    }
}

#[test]
fn hostile_archives_write_nothing_outside() {
    if !root() {
        return;
    }
    let victim = "../outside/victim";
    // Each either fails, or lands inside. The second column says which.
    let absolute = |bench: &Bench| bench.directory.path().join("outside").to_string_lossy().into_owned();
    type Make = Box<dyn Fn(&Bench) -> Forge>;
    let table: Vec<(&str, bool, Make)> = vec![
        ("a path upwards", false, Box::new(move |_| Forge::default().file(victim, "bad"))),
        (
            "a path upwards in the middle",
            false,
            Box::new(|_| Forge::default().file("a/../../outside/victim", "bad")),
        ),
        ("only upwards", false, Box::new(|_| Forge::default().directory("..", 0o777))),
        (
            "an absolute path",
            true,
            Box::new(move |b| Forge::default().file(&format!("{}/victim", absolute(b)), "bad")),
        ),
        (
            "many slashes",
            true,
            Box::new(move |b| Forge::default().file(&format!("//{}/victim", absolute(b)), "bad")),
        ),
        (
            "through a relative link",
            true,
            Box::new(|_| Forge::default().symlink("l", "../outside").file("l/victim", "bad")),
        ),
        (
            "through an absolute link",
            true,
            Box::new(move |b| Forge::default().symlink("l", &absolute(b)).file("l/victim", "bad")),
        ),
        (
            "through a chain of links",
            true,
            Box::new(|_| {
                Forge::default()
                    .directory("d/e", 0o755)
                    .symlink("d/e/up", "..")
                    .symlink("l", "d/e/up/../../../outside")
                    .file("l/victim", "bad")
            }),
        ),
        (
            "through /proc",
            true,
            Box::new(|_| {
                Forge::default().symlink("l", "/proc/self/root/etc").file("l/corten-hostile", "bad")
            }),
        ),
        (
            "through a loop",
            false,
            Box::new(|_| Forge::default().symlink("a", "b").symlink("b", "a").file("a/x", "bad")),
        ),
        (
            "a directory over a link",
            true,
            Box::new(|_| {
                Forge::default().symlink("l", "../outside").directory("l", 0o777).file("l/victim", "bad")
            }),
        ),
        (
            "a file over a link",
            true,
            Box::new(move |_| Forge::default().symlink("l", victim).file("l", "bad")),
        ),
        (
            "attributes through a link",
            true,
            Box::new(move |_| {
                Forge::default().symlink("l", victim).pax(&[("SCHILY.xattr.user.bad", b"1")]).file("l", "")
            }),
        ),
        (
            "a device over a link",
            true,
            Box::new(move |_| Forge::default().symlink("l", victim).raw(b"l", T::Fifo, b"", b"", |_| ())),
        ),
        (
            "a hard link upwards",
            false,
            Box::new(move |_| Forge::default().hard_link("l", victim).file("l", "bad")),
        ),
        (
            "an absolute hard link",
            false,
            Box::new(move |b| {
                Forge::default().hard_link("l", &format!("{}/victim", absolute(b))).file("l", "bad")
            }),
        ),
        (
            "a hard link through a link",
            false,
            Box::new(|_| {
                Forge::default().symlink("d", "../outside").hard_link("l", "d/victim").file("l", "bad")
            }),
        ),
        (
            "a hard link to a link",
            true,
            Box::new(move |_| Forge::default().symlink("s", victim).hard_link("l", "s").file("l", "bad")),
        ),
        (
            "a hard link to a directory",
            false,
            Box::new(|_| Forge::default().directory("d", 0o755).hard_link("l", "d")),
        ),
        ("a hard link to the root", false, Box::new(|_| Forge::default().hard_link("l", "/"))),
        ("a hard link to itself", false, Box::new(|_| Forge::default().hard_link("l", "l"))),
        ("a hard link to nothing", false, Box::new(|_| Forge::default().hard_link("l", "none"))),
        ("a whiteout of nothing", false, Box::new(|_| Forge::default().file(".wh.", ""))),
        ("a whiteout of here", false, Box::new(|_| Forge::default().file(".wh..", ""))),
        ("a whiteout upwards", false, Box::new(|_| Forge::default().file("a/.wh...", ""))),
        (
            "a whiteout through a link",
            true,
            Box::new(|_| Forge::default().symlink("l", "../outside").file("l/.wh.victim", "")),
        ),
        (
            "opaque through a link",
            true,
            Box::new(|_| Forge::default().symlink("l", "../outside").file("l/.wh..wh..opq", "")),
        ),
        ("below a whiteout", false, Box::new(|_| Forge::default().file(".wh.a/b", "bad"))),
        ("the root as a link", false, Box::new(|_| Forge::default().symlink("./", "../outside"))),
        ("the root as a file", false, Box::new(|_| Forge::default().file("/", "bad"))),
        (
            "a long path by extension",
            false,
            Box::new(|_| Forge::default().pax(&[("path", &[b'a'; 5000])]).file("x", "")),
        ),
        (
            "upwards by extension",
            false,
            Box::new(move |_| Forge::default().pax(&[("path", victim.as_bytes())]).file("x", "bad")),
        ),
        (
            "a link upwards by extension",
            false,
            Box::new(move |_| {
                Forge::default().pax(&[("linkpath", victim.as_bytes())]).hard_link("l", "x").file("l", "bad")
            }),
        ),
        ("a file as a directory", false, Box::new(|_| Forge::default().file("a", "").file("a/b", "bad"))),
        (
            "a name too long",
            false,
            Box::new(|_| Forge::default().pax(&[("path", &[b'a'; 300])]).file("x", "")),
        ),
        (
            "an attribute of overlayfs",
            true,
            Box::new(|_| {
                Forge::default()
                    .pax(&[("SCHILY.xattr.trusted.overlay.redirect", b"/../outside")])
                    .directory("d", 0o755)
            }),
        ),
        (
            "a disk",
            true,
            Box::new(|_| {
                Forge::default().raw(b"disk", T::Block, b"", b"", |h| {
                    h.set_device_major(8).unwrap();
                    h.set_device_minor(0).unwrap();
                })
            }),
        ),
        (
            "written into a disk",
            true,
            Box::new(|_| {
                let device = |h: &mut tar::Header| {
                    h.set_device_major(1).unwrap();
                    h.set_device_minor(7).unwrap();
                };
                Forge::default().raw(b"full", T::Char, b"", b"", device).file("full", "not the device")
            }),
        ),
    ];
    for (name, succeeds, make) in table {
        let bench = Bench::new();
        let archive = make(&bench).end();
        let before = bench.outside();
        let result = bench.unpack(&archive, &[]);
        assert_eq!(bench.outside(), before, "{name}: {result:?}");
        assert!(!Path::new("/etc/corten-hostile").exists(), "{name}");
        assert_eq!(result.is_ok(), succeeds, "{name}: {result:?}");
    }
}

#[test]
fn overlay_attributes_from_an_archive_are_dropped() {
    if !root() {
        return;
    }
    let bench = Bench::new();
    let attributes: [(&str, &[u8]); 2] =
        [("SCHILY.xattr.trusted.overlay.redirect", b"/x"), ("SCHILY.xattr.trusted.mine", b"kept")];
    bench.unpack(&Forge::default().pax(&attributes).directory("d", 0o755).end(), &[]).unwrap();
    assert_eq!(bench.attribute("d", "trusted.overlay.redirect"), None);
    assert_eq!(bench.attribute("d", "trusted.mine").unwrap(), b"kept");
}

#[test]
fn everything_a_layer_can_hold() {
    if !root() {
        return;
    }
    let bench = Bench::new();
    let long = format!("{}/{}", "d".repeat(120), "f".repeat(130));
    let capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let archive = Forge::default()
        .directory("./", 0o711)
        .directory("tmp/", 0o1777)
        .raw(b"tmp/owned", T::Regular, b"", b"data", |h| {
            h.set_uid(1234);
            h.set_gid(4321);
            h.set_mode(0o6755);
        })
        .hard_link("tmp/same", "/tmp/owned")
        .symlink("tmp/link", "/absolute/../target")
        .raw(b"null", T::Char, b"", b"", |h| {
            h.set_mode(0o666);
            h.set_device_major(1).unwrap();
            h.set_device_minor(3).unwrap();
        })
        .raw(b"loop", T::Block, b"", b"", |h| {
            h.set_device_major(7).unwrap();
            h.set_device_minor(300).unwrap();
        })
        .raw(b"pipe", T::Fifo, b"", b"", |h| h.set_mode(0o622))
        .pax(&[
            ("SCHILY.xattr.security.capability", &capability),
            ("uid", b"100000"),
            ("mtime", b"1000000000.123456789"),
        ])
        .file("ping", "elf")
        .raw(b"././@LongLink", T::GNULongName, b"", long.as_bytes(), |_| ())
        .file("short", "long name")
        .file("deep/er/file", "in implied directories")
        .file("twice", "first")
        .file("twice", "second")
        .raw(b"old/", T::Regular, b"", b"", |h| h.as_mut_bytes()[156] = 0)
        .raw(b"name-\xff\xfe", T::Regular, b"", b"not UTF-8", |_| ())
        .end();
    let usage = bench.unpack(&archive, &[]).unwrap();
    assert_eq!(bench.stat("").mode() & 0o7777, 0o711);
    assert_eq!(bench.stat("tmp").mode() & 0o7777, 0o1777);
    assert_eq!(bench.stat("tmp").mtime(), 1_000_000_000);
    let owned = bench.stat("tmp/owned");
    assert_eq!((owned.uid(), owned.gid(), owned.mode() & 0o7777, owned.nlink()), (1234, 4321, 0o6755, 2));
    assert_eq!((owned.mtime(), bench.stat("tmp/same").ino()), (1_000_000_000, owned.ino()));
    assert_eq!(std::fs::read_link(bench.files().join("tmp/link")).unwrap(), Path::new("/absolute/../target"));
    let null = bench.stat("null");
    assert!(null.file_type().is_char_device() && null.permissions().mode() & 0o777 == 0o666);
    assert_eq!(null.rdev(), rustix::fs::makedev(1, 3));
    assert_eq!(bench.stat("loop").rdev(), rustix::fs::makedev(7, 300));
    assert!(bench.stat("pipe").file_type().is_fifo());
    assert_eq!(bench.attribute("ping", "security.capability").unwrap(), capability);
    let ping = bench.stat("ping");
    assert_eq!((ping.uid(), ping.mtime_nsec()), (100_000, 123_456_789));
    assert_eq!(bench.read(&long), "long name");
    assert_eq!(bench.stat("deep/er").mode() & 0o7777, 0o755);
    assert_eq!(bench.read("twice"), "second");
    assert!(bench.stat("old").is_dir());
    assert!(bench.files().join(OsStr::from_bytes(b"name-\xff\xfe")).exists());
    assert!(usage.inodes >= 16 && usage.bytes >= 8 * 4096, "{usage:?}");
}

#[test]
fn whiteouts_hide_what_lies_below_only() {
    if !root() {
        return;
    }
    let bench = Bench::new();
    let archive = Forge::default()
        .file(".wh.gone", "")
        .directory("etc", 0o755)
        .file("etc/.wh..wh..opq", "")
        .file("etc/own", "x")
        .file("early", "kept")
        .file(".wh.early", "")
        .file(".wh.late", "")
        .file("late", "kept")
        .file(".wh.dir", "")
        .directory("dir", 0o750)
        .directory("dir2", 0o750)
        .file(".wh.dir2", "")
        .directory(".wh..wh.plnk", 0o700)
        .file(".wh..wh.plnk/1.2", "aufs")
        .end();
    bench.unpack(&archive, &[]).unwrap();
    let gone = bench.stat("gone");
    assert!(gone.file_type().is_char_device() && gone.rdev() == 0);
    assert_eq!(bench.attribute("etc", "trusted.overlay.opaque").unwrap(), b"y");
    assert_eq!((bench.read("early"), bench.read("late")), ("kept".into(), "kept".into()));
    for directory in ["dir", "dir2"] {
        assert!(bench.stat(directory).is_dir());
        assert_eq!(bench.attribute(directory, "trusted.overlay.opaque").unwrap(), b"y", "{directory}");
    }
    let names = std::fs::read_dir(bench.files()).unwrap().count();
    assert_eq!(names, 6, "nothing of aufs' own, no .wh. files");
}

#[test]
fn implied_directories_and_links_take_after_the_layers_below() {
    if !root() {
        return;
    }
    let (lowest, middle, top) = (Bench::new(), Bench::new(), Bench::new());
    let archive = Forge::default()
        .directory("tmp", 0o1777)
        .raw(b"srv", T::Directory, b"", b"", |h| {
            h.set_uid(7);
            h.set_mode(0o750);
        })
        .directory("opt", 0o700)
        .directory("hidden", 0o700)
        .raw(b"tmp/file", T::Regular, b"", b"linked", |h| h.set_mode(0o4711))
        .end();
    lowest.unpack(&archive, &[]).unwrap();
    let archive = Forge::default().directory("opt", 0o711).file(".wh.hidden", "").end();
    middle.unpack(&archive, &[lowest.files()]).unwrap();
    let archive = Forge::default()
        .file("tmp/a", "")
        .file("srv/b/c", "")
        .file("opt/d", "")
        .file("hidden/e", "")
        .file("said/f", "")
        .directory("said", 0o500)
        .symlink("run", "/var/run")
        .file("run/pid", "through a link to nowhere")
        .hard_link("copy", "tmp/file")
        .end();
    let below = [lowest.files(), middle.files()];
    top.unpack(&archive, &below).unwrap();
    let modes = ["tmp", "srv", "srv/b", "opt", "hidden", "said"].map(|name| top.stat(name).mode() & 0o7777);
    assert_eq!(modes, [0o1777, 0o750, 0o755, 0o711, 0o755, 0o500]);
    assert_eq!(top.stat("srv").uid(), 7);
    assert_eq!(top.read("var/run/pid"), "through a link to nowhere");
    let copy = top.stat("copy");
    assert_eq!((top.read("copy"), copy.mode() & 0o7777, copy.nlink()), ("linked".into(), 0o4711, 2));
    let alone = Bench::new();
    let error = alone.unpack(&Forge::default().hard_link("copy", "tmp/file").end(), &[]).unwrap_err();
    assert!(error.to_string().contains("is not in the image"), "{error}");
}

#[test]
fn both_digests_must_match() {
    let bench = Bench::new();
    let archive = Forge::default().directory("d", 0o755).end();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, &archive).unwrap();
    let packed = packed.finish().unwrap();
    let run = |bytes: &[u8], compressed: &Digest, diff_id: &Digest| {
        let compressed = Some((compressed.clone(), packed.len() as u64));
        std::fs::remove_dir_all(bench.files()).unwrap();
        std::fs::create_dir(bench.files()).unwrap();
        unpack(bytes, &Promise { compressed, diff_id: diff_id.clone() }, &bench.files()).map(|_| ())
    };
    let (right, diff, wrong) = (Digest::of(&packed), Digest::of(&archive), Digest::of(b"other"));
    run(&packed, &right, &diff).unwrap();
    let mut changed = packed.clone();
    *changed.last_mut().unwrap() ^= 1;
    let table: [(&str, &[u8], &Digest, &Digest, &str); 5] = [
        ("wrong digest", &packed, &wrong, &diff, "damages data"),
        ("wrong diff id", &packed, &right, &wrong, "built wrongly"),
        ("changed bytes", &changed, &right, &diff, "damages data"),
        ("truncated", &packed[..packed.len() - 9], &right, &diff, "damages data"),
        ("not an archive", &[7; 2000], &Digest::of(&[7; 2000]), &diff, "cannot be unpacked"),
    ];
    for (name, bytes, compressed, diff_id, text) in table {
        let error = run(bytes, compressed, diff_id).unwrap_err().to_string();
        assert!(error.contains(text), "{name}: {error}");
    }
}

#[test]
fn a_stepwise_walk_finds_what_the_kernel_finds() {
    let bench = Bench::new();
    let files = bench.files();
    std::fs::create_dir_all(files.join("a/b/c")).unwrap();
    for (link, target) in
        [("up", "a/b/../../a"), ("root", "/a/b"), ("out", "../../../a"), ("chain", "root/c")]
    {
        std::os::unix::fs::symlink(target, files.join(link)).unwrap();
    }
    let tree = tree::Tree::open(&files).unwrap();
    for path in ["", "a/b/c", "up/b", "root/c", "out/b", "chain", "a//./b"] {
        let kernel = tree.resolve(path.as_bytes()).unwrap();
        let walked = tree.walk(path.as_bytes()).unwrap();
        let ids = [rustix::fs::fstat(kernel).unwrap(), rustix::fs::fstat(walked).unwrap()].map(|s| s.st_ino);
        assert_eq!(ids[0], ids[1], "{path}");
    }
}

#[test]
fn overlayfs_shows_what_the_layers_say() {
    if !root() {
        return;
    }
    let (low, top) = (Bench::new(), Bench::new());
    let archive = Forge::default()
        .file("gone", "1")
        .directory("opaque", 0o755)
        .file("opaque/old", "1")
        .directory("merged", 0o750)
        .file("merged/old", "1")
        .directory("replaced", 0o755)
        .file("replaced/old", "1")
        .end();
    low.unpack(&archive, &[]).unwrap();
    let archive = Forge::default()
        .file(".wh.gone", "")
        .file("opaque/.wh..wh..opq", "")
        .file("opaque/new", "2")
        .file("merged/new", "2")
        .file(".wh.replaced", "")
        .directory("replaced", 0o755)
        .file("replaced/new", "2")
        .end();
    top.unpack(&archive, &[low.files()]).unwrap();
    // In a mount namespace of this thread's own.
    let seen = std::thread::spawn(move || {
        use nix::mount::{MsFlags, mount};
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS).unwrap();
        let none = None::<&str>;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
        let target = tempfile::tempdir().unwrap();
        let options = format!("lowerdir={}:{}", top.files().display(), low.files().display());
        mount(Some("overlay"), target.path(), Some("overlay"), MsFlags::MS_RDONLY, Some(options.as_str()))
            .unwrap();
        let mut seen = Vec::new();
        for name in
            ["gone", "opaque/old", "opaque/new", "merged/old", "merged/new", "replaced/old", "replaced/new"]
        {
            seen.push(target.path().join(name).exists());
        }
        let mode = std::fs::metadata(target.path().join("merged")).unwrap().mode() & 0o777;
        nix::mount::umount(target.path()).unwrap();
        (seen, mode)
    });
    let (seen, mode) = seen.join().unwrap();
    assert_eq!(seen, [false, false, true, true, true, false, true]);
    assert_eq!(mode, 0o750);
}
