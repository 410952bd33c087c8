//! Joining a called end with a calling end.

use super::{ClientSession, Outcome, ServerSession};
use crate::pipe::{PipeReader, PipeWriter, pump};

/// Hands everything from one session to the other until the command has ended or the client is gone, and returns
/// how it ended (`None` when the client left first). Both connections are closed then; pipes in between are
/// bounded. Dropping the future closes both at once.
pub async fn proxy(server: ServerSession, client: ClientSession) -> Option<Outcome> {
    let ServerSession { stdin, stdout, stderr, resize, status, ended } = server;
    let ClientSession { stdin: to_stdin, stdout: from_stdout, stderr: from_stderr, .. } = client;
    let (resize_writer, status_reader, _open) = (client.resize, client.status, client._open);

    let input = async {
        tokio::join!(join(stdin, to_stdin), async {
            if let (Some(mut from), Some(mut to)) = (resize, resize_writer) {
                while let Some(size) = from.next().await {
                    if to.send(size).await.is_err() {
                        return;
                    }
                }
            }
        });
        // Input may end long before the command does.
        std::future::pending::<()>().await
    };
    let output = async {
        let (outcome, ..) =
            tokio::join!(status_reader.outcome(), join(from_stdout, stdout), join(from_stderr, stderr));
        outcome
    };
    tokio::select! {
        outcome = output => {
            status.finish(&outcome).await;
            Some(outcome)
        }
        () = input => None,
        () = ended.stopped() => None,
    }
}

async fn join(from: Option<PipeReader>, to: Option<PipeWriter>) {
    if let (Some(from), Some(to)) = (from, to) {
        pump(from, to).await;
    }
}
