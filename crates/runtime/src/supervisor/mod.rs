//! A pod's supervisor as the runtime sees it: started, found again, and told what to do in the words of
//! [`corten_pod::protocol`].

mod connection;

pub use connection::Connection;

use corten_pod::protocol::{
    Attach, Cause, Exec, Exit, Failure, Hello, Launch, Launched, Ready, Reply, Request, SOCKET, Sandbox,
    Signal, State,
};
use corten_pod::wire::WireError;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tokio::net::UnixStream;

/// What comes of asking a supervisor.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a supervisor did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It tried and failed.
    #[error("{}", .0.message)]
    Failed(Failure),
    /// It is not there, or went away.
    #[error("the pod's supervisor is gone: {0}")]
    Gone(io::Error),
    /// It says what this version does not understand.
    #[error("the pod's supervisor is not understood: {0}")]
    Wire(#[from] WireError),
    /// It answered something else than was asked.
    #[error("the pod's supervisor answered out of turn")]
    OutOfTurn,
    /// It could not be started.
    #[error("start the pod's supervisor: {0}")]
    Start(io::Error),
}

impl Error {
    /// The kind of failure that it told.
    pub fn cause(&self) -> Option<&Cause> {
        match self {
            Error::Failed(failure) => Some(&failure.cause),
            _ => None,
        }
    }
}

/// A supervisor's process, and the connection on which it waits for its sandbox.
#[derive(Debug)]
pub struct Newborn {
    child: Child,
    first: Connection,
}

impl Newborn {
    /// Starts the process. Blocks for the time of a spawn.
    ///
    /// Its standard error goes to `log`, for words that nobody else hears. It is in a process group of its
    /// own: what a terminal sends us is not meant for it.
    pub fn spawn(binary: &Path, id: &str, log: File) -> Result<Newborn> {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().map_err(Error::Start)?;
        ours.set_nonblocking(true).map_err(Error::Start)?;
        let first = Connection::new(UnixStream::from_std(ours).map_err(Error::Start)?);
        let child = Command::new(binary)
            .arg(id)
            .env_clear()
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::null())
            .stderr(log)
            .process_group(0)
            .spawn()
            .map_err(Error::Start)?;
        Ok(Newborn { child, first })
    }

    /// Tells it its sandbox and waits until the namespaces are there.
    pub async fn found(mut self, sandbox: Sandbox) -> Result<(Supervisor, Ready)> {
        let dir = sandbox.dir.clone();
        let founded = async {
            self.first.send(&Request::Sandbox(sandbox), &[]).await?;
            match self.first.receive().await? {
                (Reply::Ready(ready), _) => Ok(ready),
                _ => Err(Error::OutOfTurn),
            }
        };
        let outcome = match founded.await {
            Ok(ready) => Supervisor::at(Path::new(&dir)).map(|supervisor| (supervisor, ready)),
            Err(error) => Err(error),
        };
        match outcome {
            Ok((mut supervisor, ready)) => {
                supervisor.child = parking_lot::Mutex::new(Some(self.child));
                Ok((supervisor, ready))
            }
            Err(error) => {
                let _ = self.child.kill();
                let _ = tokio::task::spawn_blocking(move || self.child.wait()).await;
                Err(error)
            }
        }
    }

    /// Ends the process, which has no sandbox yet.
    pub fn discard(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A supervisor that holds a pod.
#[derive(Debug)]
pub struct Supervisor {
    /// Its directory, held open: the path of the socket may be too long for an address.
    dir: OwnedFd,
    /// The process, where we started it: it must be waited for.
    child: parking_lot::Mutex<Option<Child>>,
}

impl Supervisor {
    /// The supervisor whose socket is in `dir`; no connection is made yet.
    pub fn at(dir: &Path) -> Result<Supervisor> {
        let dir = File::open(dir).map_err(Error::Gone)?;
        Ok(Supervisor { dir: dir.into(), child: parking_lot::Mutex::new(None) })
    }

    async fn ask(&self, request: Request, descriptors: &[BorrowedFd<'_>]) -> Result<Connection> {
        let path = format!("/proc/self/fd/{}/{SOCKET}", self.dir.as_raw_fd());
        let connection = Connection::new(UnixStream::connect(path).await.map_err(Error::Gone)?);
        connection.send(&request, descriptors).await?;
        Ok(connection)
    }

    async fn tell(&self, request: Request) -> Result<Vec<OwnedFd>> {
        match self.ask(request, &[]).await?.receive().await? {
            (Reply::Done, descriptors) => Ok(descriptors),
            _ => Err(Error::OutOfTurn),
        }
    }

    /// Asks who is there.
    pub async fn hello(&self) -> Result<Hello> {
        match self.ask(Request::Hello, &[]).await?.receive().await? {
            (Reply::Hello(hello), _) => Ok(hello),
            _ => Err(Error::OutOfTurn),
        }
    }

    /// Starts a container; `handles` are its detached mounts.
    pub async fn launch(&self, launch: Launch, handles: &[BorrowedFd<'_>]) -> Result<Launched> {
        match self.ask(Request::Launch(Box::new(launch)), handles).await?.receive().await? {
            (Reply::Launched(launched), _) => Ok(launched),
            _ => Err(Error::OutOfTurn),
        }
    }

    /// Runs a process. `streams` are its stdin, stdout and stderr, unless it has a terminal.
    pub async fn exec(&self, exec: Exec, streams: &[BorrowedFd<'_>]) -> Result<Executed> {
        let connection = self.ask(Request::Exec(Box::new(exec)), streams).await?;
        match connection.receive().await? {
            (Reply::Started(_), mut descriptors) => Ok(Executed { terminal: descriptors.pop(), connection }),
            _ => Err(Error::OutOfTurn),
        }
    }

    /// Joins a container's streams; `outputs` are write ends for its stdout and stderr.
    pub async fn attach(&self, attach: Attach, outputs: &[BorrowedFd<'_>]) -> Result<Attached> {
        let connection = self.ask(Request::Attach(attach), outputs).await?;
        match connection.receive().await? {
            (Reply::Attached(terminal), mut descriptors) => {
                Ok(Attached { terminal, input: descriptors.pop(), connection })
            }
            _ => Err(Error::OutOfTurn),
        }
    }

    /// Sends a signal to a container.
    pub async fn signal(&self, container: &str, number: i32, all: bool) -> Result<()> {
        let signal = Signal { container: container.to_owned(), number, all };
        self.tell(Request::Signal(signal)).await.map(drop)
    }

    /// A TCP connection to a port of the pod's loopback.
    pub async fn connect(&self, port: u16) -> Result<OwnedFd> {
        self.tell(Request::Connect(port)).await?.pop().ok_or(Error::OutOfTurn)
    }

    /// Opens a container's log again.
    pub async fn reopen_log(&self, container: &str) -> Result<()> {
        self.tell(Request::ReopenLog(container.to_owned())).await.map(drop)
    }

    /// Forgets a container that has ended.
    pub async fn forget(&self, container: &str) -> Result<()> {
        self.tell(Request::Forget(container.to_owned())).await.map(drop)
    }

    /// Kills all containers and ends; the subscription tells of both.
    pub async fn shutdown(&self) -> Result<()> {
        self.tell(Request::Shutdown).await.map(drop)
    }

    /// The states of all containers now, and then each change.
    pub async fn subscribe(&self) -> Result<(Vec<State>, Subscription)> {
        let connection = self.ask(Request::Subscribe, &[]).await?;
        let mut states = Vec::new();
        loop {
            match connection.receive().await? {
                (Reply::Event(state), _) => states.push(state),
                (Reply::Done, _) => return Ok((states, Subscription(connection))),
                _ => return Err(Error::OutOfTurn),
            }
        }
    }

    /// Waits for the end of a process that we started, so that no zombie stays. It must be ending.
    pub async fn reap(&self) {
        let child = self.child.lock().take();
        if let Some(mut child) = child {
            let _ = tokio::task::spawn_blocking(move || child.wait()).await;
        }
    }
}

/// A process that runs in a container. Dropping it kills the process.
#[derive(Debug)]
pub struct Executed {
    /// The other end of its terminal, if it has one.
    pub terminal: Option<OwnedFd>,
    connection: Connection,
}

impl Executed {
    /// Waits for its end.
    pub async fn exit(&self) -> Result<Exit> {
        exit(&self.connection).await
    }
}

/// Streams of a container. Dropping it detaches.
#[derive(Debug)]
pub struct Attached {
    /// Whether the container has a terminal.
    pub terminal: bool,
    /// Where its input goes: its stdin, or the terminal.
    pub input: Option<OwnedFd>,
    connection: Connection,
}

impl Attached {
    /// Waits for the container's end.
    pub async fn exit(&self) -> Result<Exit> {
        exit(&self.connection).await
    }
}

async fn exit(connection: &Connection) -> Result<Exit> {
    match connection.receive().await? {
        (Reply::Exited(exit), _) => Ok(exit),
        _ => Err(Error::OutOfTurn),
    }
}

/// What happens to a pod's containers.
#[derive(Debug)]
pub struct Subscription(Connection);

impl Subscription {
    /// The next change; [`Error::Gone`] when the supervisor has ended.
    pub async fn next(&self) -> Result<State> {
        match self.0.receive().await? {
            (Reply::Event(state), _) => Ok(state),
            _ => Err(Error::OutOfTurn),
        }
    }
}
