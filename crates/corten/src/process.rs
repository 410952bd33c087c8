//! The process as the operating system sees it: its lock, its log, its signals.

use crate::config::Up;
use anyhow::{Context, Result, bail};
use corten_rt::{Instant, Stop};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::cell::Cell;
use std::io::Write;
use std::net::{IpAddr, UdpSocket};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

const PID_FILE: &str = "corten.pid";

/// How often an idle thread gives memory back.
const GIVING_BACK: Duration = Duration::from_secs(15);

/// What a thread does before it waits for work.
pub fn rest() {
    thread_local!(static GAVE: Cell<Option<Instant>> = const { Cell::new(None) });
    let now = Instant::now();
    GAVE.with(|gave| match gave.get() {
        Some(last) if now.duration_since(last) < GIVING_BACK => {}
        last => {
            gave.set(Some(now));
            if last.is_some() {
                corten_sys::memory::give_back();
            }
        }
    });
}

/// Logs to standard error: warnings, or more with `verbose`.
pub fn start_logging(verbose: u8) {
    use tracing_subscriber::filter::{LevelFilter, Targets};
    use tracing_subscriber::prelude::*;
    let (ours, others) = match verbose {
        0 => (LevelFilter::WARN, LevelFilter::ERROR),
        1 => (LevelFilter::INFO, LevelFilter::WARN),
        2 => (LevelFilter::DEBUG, LevelFilter::WARN),
        _ => (LevelFilter::TRACE, LevelFilter::INFO),
    };
    let targets = Targets::new().with_default(others).with_target("corten", ours);
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(verbose > 1);
    tracing_subscriber::registry().with(layer).with(targets).init();
}

/// How long a process that was killed may take to let go of its files.
const LETTING_GO: Duration = Duration::from_secs(3);

/// How long a process that is told to end may take: requests and pods' tasks have their time.
const ENDING: Duration = Duration::from_secs(120);

/// Makes the data directory and notes who works in it.
pub async fn claim(data_dir: &Path) -> Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data_dir)
        .with_context(|| format!("make {}", data_dir.display()))?;
    let began = corten_rt::Instant::now();
    while running(data_dir).is_some() && began.elapsed() < LETTING_GO {
        corten_rt::sleep(Duration::from_millis(20)).await;
    }
    if let Some(pid) = running(data_dir) {
        bail!("a corten (pid {pid}) runs from {} already: `corten down` stops it", data_dir.display());
    }
    std::fs::write(data_dir.join(PID_FILE), std::process::id().to_string())?;
    Ok(())
}

/// Takes the note back.
pub fn release(data_dir: &Path) {
    let _ = std::fs::remove_file(data_dir.join(PID_FILE));
}

/// The process that works in the data directory, if it lives.
pub fn running(data_dir: &Path) -> Option<i32> {
    let pid: i32 = std::fs::read_to_string(data_dir.join(PID_FILE)).ok()?.trim().parse().ok()?;
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    (name.starts_with("corten") && pid != std::process::id() as i32 && !is_zombie(pid)).then_some(pid)
}

/// Gives `stop` when the process is asked to end.
pub async fn until_asked(stop: &Stop) -> Result<()> {
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
        () = stop.stopped() => {}
    }
    Ok(())
}

/// `corten down`.
pub async fn down(data_dir: &Path) -> Result<()> {
    let Some(pid) = running(data_dir) else {
        println!("nothing runs from {}", data_dir.display());
        return Ok(());
    };
    end(pid, ENDING).await?;
    println!("stopped; pods go on running until `corten reset`");
    Ok(())
}

/// Asks a process to end, and makes it when it does not.
pub async fn end(pid: i32, grace: Duration) -> Result<()> {
    let process = Pid::from_raw(pid);
    let lives = || Path::new(&format!("/proc/{pid}")).exists() && !is_zombie(pid);
    if kill(process, Signal::SIGTERM).is_err() {
        return Ok(());
    }
    let deadline = corten_rt::Instant::now() + grace;
    while lives() {
        if corten_rt::Instant::now() > deadline {
            let _ = kill(process, Signal::SIGKILL);
            break;
        }
        corten_rt::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// Whether nothing of it runs any more: its files are open until its last thread has ended.
fn is_zombie(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count);
    threads <= 1 && stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('Z'))
}

/// Starts the same command in the background, and waits until it says that the node is ready.
pub fn detach(up: &Up) -> Result<()> {
    use std::io::{BufRead, BufReader};
    use std::os::unix::process::CommandExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&up.server.at.data_dir)?;
    let log_path = up.server.at.data_dir.join("corten.log");
    let log = std::fs::File::options().create(true).append(true).open(&log_path)?;
    let arguments = std::env::args_os().skip(1).filter(|a| a != "-d" && a != "--detach");
    let mut command = std::process::Command::new(std::env::current_exe()?);
    command
        .args(arguments)
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(log);
    command.process_group(0);
    let mut child = command.spawn().context("start in the background")?;
    let Some(output) = child.stdout.take() else { bail!("the background process has no output") };
    for line in BufReader::new(output).lines() {
        let line = line?;
        println!("{line}");
        if line.starts_with("ready") {
            return Ok(());
        }
    }
    let status = child.wait()?;
    bail!("it ended with {status}; the reason is in {}", log_path.display())
}

/// The address of this machine on the way to `target`.
pub fn address_towards(target: &str) -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    // Connecting a datagram socket sends nothing; it only chooses the way.
    socket.connect(target).ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_unspecified()).then_some(address)
}

/// Writes a file that only its owner reads.
pub fn write_private(file: &Path, text: &str) -> std::io::Result<()> {
    if let Some(directory) = file.parent() {
        std::fs::create_dir_all(directory)?;
    }
    let mut open = std::fs::File::options();
    let mut file = open.create(true).truncate(true).write(true).mode(0o600).open(file)?;
    file.write_all(text.as_bytes())
}

/// The machine's name.
pub fn host_name() -> String {
    let name = nix::unistd::gethostname().ok().and_then(|n| n.into_string().ok()).unwrap_or_default();
    if name.is_empty() { "node".into() } else { name.to_lowercase() }
}
