//! The last steps of every process in a container: streams, user, capabilities, system-call filter.

use super::{Channel, Streams};
use crate::executable;
use crate::kernel::identity::{self, Sets};
use crate::kernel::{files, mounts, process as kernel_process, terminal};
use crate::passwd::{self, Identity};
use crate::trouble::{Tell, failed, refused};
use corten_pod::protocol::{Cause, Failure, Process};
use std::convert::Infallible;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// The most that is read of `/etc/passwd` and `/etc/group`.
const MAX_DATABASE: u64 = 16 << 20;

/// What a process reads and writes.
pub enum Stdio {
    /// Stdin, stdout, stderr.
    Streams(Streams),
    /// A terminal of the container's.
    Terminal {
        /// Columns and rows; 0 leaves them.
        size: (u16, u16),
        /// Whether it is the container's console.
        console: bool,
    },
}

/// The file by which a process changes its AppArmor profile; opened while the machine's `/proc` is there.
pub fn apparmor_file(process: &Process) -> Result<Option<(OwnedFd, String)>, Failure> {
    let Some(profile) = process.apparmor.as_ref().filter(|profile| !profile.is_empty()) else {
        return Ok(None);
    };
    let own = "/proc/self/attr/apparmor/exec";
    let path = if std::fs::exists(own).unwrap_or(false) { own } else { "/proc/self/attr/exec" };
    let file =
        files::open(path, libc::O_WRONLY, 0).tell(|| format!("apply the AppArmor profile {profile}"))?;
    Ok(Some((file, profile.clone())))
}

/// Gives a pipe or a terminal to the process' user, so that it can be opened again by `/dev/stdout`.
pub fn own_stream(stream: impl AsFd, uid: u32, gid: Option<u32>) {
    let Ok(status) = files::status(stream.as_fd()) else { return };
    let null = libc::makedev(1, 3);
    let kind = status.mode & libc::S_IFMT;
    if (kind == libc::S_IFIFO || kind == libc::S_IFCHR && status.device != null) && status.uid != uid {
        let _ = files::own_at(stream.as_fd(), "", uid, gid.unwrap_or(status.gid));
    }
}

/// Becomes the executable.
pub fn run(
    process: &Process,
    stdio: Stdio,
    channel: &Channel,
    apparmor: Option<(OwnedFd, String)>,
) -> Result<Infallible, Failure> {
    if process.args.is_empty() {
        return Err(refused(Cause::Invalid, "no command specified"));
    }
    let who = passwd::resolve(&process.user, &database("/etc/passwd"), &database("/etc/group"))
        .map_err(|text| refused(Cause::NoUser, text))?;
    connect(stdio, &who, channel)?;
    let keep: Vec<i32> =
        apparmor.iter().map(|(file, _)| file.as_raw_fd()).chain([channel.0.as_raw_fd()]).collect();
    // From here on no descriptor leads out of the container, whatever path is entered.
    files::close_all_but(&keep);
    let environment = environment(process, &who);
    for (resource, (soft, hard)) in &process.rlimits {
        identity::limit(*resource, *soft, *hard).tell(|| format!("set the resource limit {resource}"))?;
    }
    if let Some((file, profile)) = apparmor {
        files::write(&file, format!("exec {profile}").as_bytes())
            .tell(|| format!("apply the AppArmor profile {profile}"))?;
    }
    // Where only root may look, it is entered before the user changes.
    let entered = std::env::set_current_dir(cwd(process)).is_ok();
    channel.say_identity(&who)?;
    let sets = change_user(process, &who)?;
    enter(process, entered)?;
    kernel_process::die_with_parent();
    if channel.is_deserted() {
        kernel_process::exit(1);
    }
    let path = executable::find(&process.args[0], &environment)?;
    let image = kernel_process::Image::new(&path, &process.args, &environment)
        .tell(|| format!("exec: {:?}", process.args[0]))?;
    files::set_umask(process.umask);
    kernel_process::reset_signals();
    confine(process, sets)?;
    let error = image.execute();
    Err(executable::refusal(&path, &error))
}

fn cwd(process: &Process) -> &str {
    if process.cwd.is_empty() { "/" } else { &process.cwd }
}

fn enter(process: &Process, entered: bool) -> Result<(), Failure> {
    let cwd = cwd(process);
    if let Err(error) = std::env::set_current_dir(cwd)
        && !entered
    {
        let cause =
            if error.kind() == std::io::ErrorKind::NotFound { Cause::NoExecutable } else { Cause::Kernel };
        let text = format!("chdir to cwd ({cwd:?}) set in config.json failed");
        return Err(Failure { cause, ..failed(text, &error) });
    }
    match std::env::current_dir() {
        Ok(path) if path.is_absolute() => Ok(()),
        _ => Err(refused(Cause::Invalid, format!("the directory {cwd:?} is outside of the container"))),
    }
}

/// A file of the image's that may be anything: only a plain file is read, and not without end.
fn database(path: &str) -> String {
    let mut bytes = Vec::new();
    if let Ok(file) = files::open(path, libc::O_RDONLY | libc::O_NONBLOCK | libc::O_NOCTTY, 0)
        && files::status(&file).is_ok_and(|status| status.is_file())
    {
        let _ = std::fs::File::from(file).take(MAX_DATABASE).read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn environment(process: &Process, who: &Identity) -> Vec<String> {
    let mut environment = process.env.clone();
    if !environment.iter().any(|entry| entry.starts_with("HOME=") && entry.len() > 5) {
        environment.retain(|entry| entry != "HOME=");
        environment.push(format!("HOME={}", who.home));
    }
    environment
}

fn connect(stdio: Stdio, who: &Identity, channel: &Channel) -> Result<(), Failure> {
    let (size, console) = match stdio {
        Stdio::Streams(streams) => {
            for (number, stream) in streams.iter().enumerate() {
                own_stream(stream, who.uid, None);
                files::place(stream, number as i32).tell(|| "connect the streams")?;
            }
            return Ok(());
        }
        Stdio::Terminal { size, console } => (size, console),
    };
    let what = || "make a terminal";
    let master = open_master().tell(what)?;
    let (slave, number) = terminal::peer(&master).tell(what)?;
    if size.0 > 0 && size.1 > 0 {
        terminal::resize(&master, size.0, size.1).tell(what)?;
    }
    own_stream(&slave, who.uid, None);
    if console {
        place_console(number).tell(|| "mount the terminal to /dev/console")?;
    }
    for number in 0..3 {
        files::place(&slave, number).tell(what)?;
    }
    terminal::control(&slave).tell(what)?;
    channel.say_terminal(&master)
}

fn open_master() -> std::io::Result<OwnedFd> {
    let flags = libc::O_RDWR | libc::O_NOCTTY;
    let master = files::open("/dev/pts/ptmx", flags, 0).or_else(|_| files::open("/dev/ptmx", flags, 0))?;
    // The image may have put anything there.
    if files::status(&master)?.device == libc::makedev(5, 2) {
        Ok(master)
    } else {
        Err(std::io::Error::from_raw_os_error(libc::ENODEV))
    }
}

fn place_console(number: u32) -> std::io::Result<()> {
    let tree = mounts::open_tree(files::here(), &format!("/dev/pts/{number}"), false)?;
    let console = files::open("/dev/console", libc::O_PATH, 0)?;
    mounts::move_mount(tree.as_fd(), console.as_fd() as BorrowedFd<'_>)
}

/// Changes the user with every capability kept, of which [`confine`] leaves what is returned.
fn change_user(process: &Process, who: &Identity) -> Result<(Sets, u64), Failure> {
    let what = || "set capabilities";
    let wanted = &process.capabilities;
    let had = identity::capabilities().tell(what)?;
    let bounding = wanted.bounding;
    let permitted = wanted.permitted & had.permitted;
    let inheritable = wanted.inheritable & had.permitted & bounding;
    let sets = Sets { effective: wanted.effective & permitted, permitted, inheritable };
    identity::bound_capabilities(bounding).tell(what)?;
    identity::keep_over_user_change(true).tell(what)?;
    identity::become_user(who.uid, who.gid, &who.groups)
        .tell(|| format!("become user {} and group {}", who.uid, who.gid))?;
    let now = identity::capabilities().tell(what)?;
    identity::set_capabilities(Sets { effective: now.permitted, ..now }).tell(what)?;
    Ok((sets, wanted.ambient & permitted & inheritable))
}

/// Gives up what the process may not do. Without a promise never to gain privileges, the filter needs one
/// itself, so it comes before they go.
fn confine(process: &Process, (sets, ambient): (Sets, u64)) -> Result<(), Failure> {
    let filter = || {
        if process.seccomp.is_empty() {
            return Ok(());
        }
        identity::filter_calls(&process.seccomp, process.seccomp_flags)
            .tell(|| "apply the system-call filter")
    };
    let give_up = || {
        identity::set_capabilities(sets)?;
        identity::keep_over_execution(ambient)?;
        identity::keep_over_user_change(false)
    };
    if process.no_new_privileges {
        identity::no_new_privileges().tell(|| "give up new privileges")?;
        give_up().tell(|| "set capabilities")?;
        filter()
    } else {
        filter()?;
        give_up().tell(|| "set capabilities")
    }
}
