//! Processes that run in a container beside its first one, and the container's own streams: how bytes get in
//! and out.

use crate::container::read_launch;
use crate::runtime::{Runtime, blocking, internal};
use crate::spec::plan_exec;
use crate::supervisor::{Error, Executed, Supervisor};
use crate::table::Container;
use crate::terminal;
use bytes::Bytes;
use corten_node_api::cri::{ExecRequest, ExecSyncRequest, ExecSyncResponse};
use corten_pod::protocol::{Attach, Exec};
use corten_streaming::{PipeReader, PipeWriter};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;
use tonic::Status;

/// What is kept of each stream of a synchronous command.
const MOST_OUTPUT: usize = 16 << 20;
/// How long output may be silent after the process ended, before whoever still holds it is not waited for.
const DRAIN: Duration = Duration::from_secs(2);
/// As much as is read at once.
const CHUNK: usize = 32 * 1024;

/// A client's ends of a process's streams.
pub(crate) struct Streams {
    /// What the client sends.
    pub stdin: Option<PipeReader>,
    /// Output to the client.
    pub stdout: Option<PipeWriter>,
    /// Errors to the client.
    pub stderr: Option<PipeWriter>,
    /// Sizes of the client's terminal.
    pub resize: Option<corten_streaming::remote_command::ResizeReader>,
}

/// The pipes of a process: the ends that it gets, and ours.
struct Pipes {
    theirs: [OwnedFd; 3],
    stdin: Option<pipe::Sender>,
    stdout: Option<pipe::Receiver>,
    stderr: Option<pipe::Receiver>,
}

impl Pipes {
    /// Pipes for the streams that are wanted, `/dev/null` for the others.
    fn open(stdin: bool, stdout: bool, stderr: bool) -> std::io::Result<Pipes> {
        let null = |write: bool| std::fs::File::options().read(!write).write(write).open("/dev/null");
        let output = |wanted: bool| -> std::io::Result<(OwnedFd, Option<pipe::Receiver>)> {
            if !wanted {
                return Ok((null(true)?.into(), None));
            }
            let (sender, receiver) = pipe::pipe()?;
            Ok((sender.into_blocking_fd()?, Some(receiver)))
        };
        let (input, sender) = match stdin {
            true => {
                let (sender, receiver) = pipe::pipe()?;
                (receiver.into_blocking_fd()?, Some(sender))
            }
            false => (null(false)?.into(), None),
        };
        let ((out, stdout), (err, stderr)) = (output(stdout)?, output(stderr)?);
        Ok(Pipes { theirs: [input, out, err], stdin: sender, stdout, stderr })
    }
}

impl Runtime {
    /// Runs a command to its end and returns what it wrote.
    pub(crate) async fn run_to_end(&self, request: ExecSyncRequest) -> Result<ExecSyncResponse, Status> {
        let container = self.table.container(&request.container_id)?;
        let (supervisor, exec) = self.planned(&container, request.cmd, false).await?;
        let pipes = Pipes::open(false, true, true).map_err(internal("make pipes"))?;
        let executed = execute(&supervisor, exec, &pipes.theirs).await?;
        drop(pipes.theirs);
        let (mut stdout, mut stderr) = (Kept::default(), Kept::default());
        let exit = async {
            let reading = async {
                tokio::join!(stdout.read(pipes.stdout), stderr.read(pipes.stderr));
            };
            until_drained(&executed, reading).await
        };
        let limit = u64::try_from(request.timeout).ok().filter(|s| *s > 0).map(Duration::from_secs);
        let exit = match limit {
            Some(limit) => corten_rt::timeout(limit, exit).await.ok_or_else(|| {
                Status::deadline_exceeded(format!(
                    "failed to exec in container: timeout {limit:?} exceeded: context deadline exceeded"
                ))
            })?,
            None => exit.await,
        };
        let exit = exit.map_err(|e| Status::unknown(format!("failed to exec in container: {e}")))?;
        Ok(ExecSyncResponse { stdout: stdout.bytes, stderr: stderr.bytes, exit_code: exit })
    }

    /// What a command becomes in a container, and who runs it.
    async fn planned(
        &self,
        container: &Arc<Container>,
        cmd: Vec<String>,
        tty: bool,
    ) -> Result<(Arc<Supervisor>, Exec), Status> {
        let supervisor = container.running()?;
        let container = container.clone();
        let launch = blocking(move || read_launch(&container)).await?;
        let container_id = launch.id;
        let request = ExecRequest { container_id, cmd, tty, ..ExecRequest::default() };
        Ok((supervisor, plan_exec(&launch.process, &request)?))
    }

    /// Runs a command on a client's streams; its exit code.
    pub(crate) async fn run_on(
        &self,
        container: &str,
        command: Vec<String>,
        terminal: bool,
        streams: Streams,
    ) -> Result<i32, Status> {
        let container = self.table.container(container)?;
        let (supervisor, exec) = self.planned(&container, command, terminal).await?;
        if terminal {
            return on_terminal(&supervisor, exec, streams).await;
        }
        let pipes = Pipes::open(streams.stdin.is_some(), streams.stdout.is_some(), streams.stderr.is_some())
            .map_err(internal("make pipes"))?;
        let executed = execute(&supervisor, exec, &pipes.theirs).await?;
        drop(pipes.theirs);
        let reading = async {
            tokio::join!(send(pipes.stdout, streams.stdout), send(pipes.stderr, streams.stderr));
        };
        let exit = beside(until_drained(&executed, reading), feed(streams.stdin, pipes.stdin)).await;
        exit.map_err(failed)
    }

    /// Joins a client with a container's own streams, until the container ends or its output does.
    pub(crate) async fn join_streams(&self, container: &str, streams: Streams) -> Result<(), Status> {
        let container = self.table.container(container)?;
        let supervisor = container.running()?;
        let pipes = Pipes::open(false, streams.stdout.is_some(), streams.stderr.is_some())
            .map_err(internal("make pipes"))?;
        let ask = |stdin: bool, stdout: bool, stderr: bool| Attach {
            container: container.id.clone(),
            stdin,
            stdout,
            stderr,
        };
        // Input has a connection of its own: its end is the client's half-close, while output goes on.
        let input = match streams.stdin.is_some() {
            true => Some(supervisor.attach(ask(true, false, false), &[]).await.map_err(failed)?),
            false => None,
        };
        let [_, out, err] = &pipes.theirs;
        let (stdout, stderr) = (pipes.stdout.is_some(), pipes.stderr.is_some());
        let ends: Vec<BorrowedFd<'_>> = [(stdout, out), (stderr, err)]
            .into_iter()
            .filter(|(wanted, _)| *wanted)
            .map(|(_, fd)| fd.as_fd())
            .collect();
        let output = supervisor.attach(ask(false, stdout, stderr), &ends).await.map_err(failed)?;
        drop(ends);
        drop(pipes.theirs);
        let feeding = async {
            let Some(mut input) = input else { return };
            match (input.terminal, input.input.take()) {
                (true, Some(terminal)) => feed_terminal(terminal, streams.stdin, streams.resize).await,
                (false, Some(stdin)) => {
                    let stdin = pipe::Sender::from_owned_fd(stdin).ok();
                    feed(streams.stdin, stdin).await;
                }
                (_, None) => {}
            }
        };
        // The container's end closes its streams, once what it said last has been taken.
        let ending = async {
            if stdout || stderr {
                tokio::join!(send(pipes.stdout, streams.stdout), send(pipes.stderr, streams.stderr));
            } else {
                let _ = output.exit().await;
            }
        };
        beside(ending, feeding).await;
        Ok(())
    }
}

async fn execute(supervisor: &Supervisor, exec: Exec, theirs: &[OwnedFd; 3]) -> Result<Executed, Status> {
    supervisor.exec(exec, &theirs.each_ref().map(AsFd::as_fd)).await.map_err(failed)
}

fn failed(error: Error) -> Status {
    let message = format!("failed to exec in container: {error}");
    match error {
        Error::Gone(_) => Status::unavailable(message),
        _ => Status::unknown(message),
    }
}

async fn on_terminal(supervisor: &Supervisor, mut exec: Exec, mut streams: Streams) -> Result<i32, Status> {
    // A client tells its size at once; a program that starts on a screen without size draws it badly.
    let first = match &mut streams.resize {
        Some(resize) => corten_rt::timeout(Duration::from_millis(50), resize.next()).await.flatten(),
        None => None,
    };
    exec.size = first.map(|s| (s.width, s.height)).unwrap_or_default();
    let mut executed = supervisor.exec(exec, &[]).await.map_err(failed)?;
    let terminal = executed.terminal.take().ok_or_else(|| Status::internal("the process got no terminal"))?;
    let reader = terminal::reader(&terminal).map_err(internal("read the terminal"))?;
    let reading = send(Some(reader), streams.stdout);
    let feeding = feed_terminal(terminal, streams.stdin, streams.resize);
    beside(until_drained(&executed, reading), feeding).await.map_err(failed)
}

/// Waits for a process and for its output. What is still open after its end, in the hands of its children, is
/// read while something comes.
async fn until_drained(executed: &Executed, reading: impl Future<Output = ()>) -> Result<i32, Error> {
    tokio::pin!(reading);
    let exit = tokio::select! {
        exit = executed.exit() => exit?,
        () = &mut reading => return Ok(executed.exit().await?.code),
    };
    corten_rt::timeout(DRAIN, reading).await;
    Ok(exit.code)
}

/// Waits for `main`, with `side` running beside it.
async fn beside<T>(main: impl Future<Output = T>, side: impl Future<Output = ()>) -> T {
    tokio::pin!(main, side);
    tokio::select! {
        done = &mut main => return done,
        () = &mut side => {}
    }
    main.await
}

/// Copies a client's input until either end is gone. Dropping the pipe is the half-close.
async fn feed(from: Option<PipeReader>, to: Option<pipe::Sender>) {
    let (Some(mut from), Some(mut to)) = (from, to) else { return };
    while let Some(chunk) = from.next().await {
        if to.write_all(&chunk).await.is_err() {
            return;
        }
    }
}

/// Copies a client's input and sizes to a terminal.
async fn feed_terminal(
    terminal: OwnedFd,
    stdin: Option<PipeReader>,
    resize: Option<corten_streaming::remote_command::ResizeReader>,
) {
    let writer = terminal.try_clone().and_then(terminal::writer).ok();
    let sizing = async {
        let Some(mut resize) = resize else { return };
        while let Some(size) = resize.next().await {
            terminal::resize(&terminal, size.width, size.height);
        }
    };
    tokio::join!(feed(stdin, writer), sizing);
}

/// Copies output to a client. When the client reads no more, the pipe is closed.
async fn send(from: Option<pipe::Receiver>, to: Option<PipeWriter>) {
    let (Some(mut from), Some(mut to)) = (from, to) else { return };
    let mut buffer = vec![0; CHUNK];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if to.send(Bytes::copy_from_slice(&buffer[..count])).await.is_err() {
            return;
        }
    }
}

/// Output of which only the beginning is kept.
#[derive(Default)]
struct Kept {
    bytes: Vec<u8>,
}

impl Kept {
    async fn read(&mut self, from: Option<pipe::Receiver>) {
        let Some(mut from) = from else { return };
        let mut buffer = vec![0; CHUNK];
        while let Ok(count @ 1..) = from.read(&mut buffer).await {
            let room = (MOST_OUTPUT - self.bytes.len()).min(count);
            self.bytes.extend_from_slice(&buffer[..room]);
        }
    }
}
