//! Copying between two upgraded connections, byte by byte.

use crate::LINGER;
use std::io;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

/// Copies both ways between two upgraded connections, as a proxy does that knows nothing of what they carry.
/// When one side ends, the other is told so and has a few seconds to end too; then both are closed. Returns the
/// bytes from `a` to `b` and from `b` to `a`.
///
/// # Errors
/// Either connection failed.
pub async fn copy_both<A, B>(a: A, b: B) -> io::Result<(u64, u64)>
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let (mut from_a, mut to_a) = tokio::io::split(a);
    let (mut from_b, mut to_b) = tokio::io::split(b);
    let forth = async {
        let count = tokio::io::copy(&mut from_a, &mut to_b).await?;
        to_b.shutdown().await?;
        io::Result::Ok(count)
    };
    let back = async {
        let count = tokio::io::copy(&mut from_b, &mut to_a).await?;
        to_a.shutdown().await?;
        io::Result::Ok(count)
    };
    tokio::pin!(forth, back);
    tokio::select! {
        forth = &mut forth => {
            let forth = forth?;
            let back = corten_rt::timeout(LINGER, back).await.unwrap_or(Ok(0));
            Ok((forth, back?))
        }
        back = &mut back => {
            let back = back?;
            let forth = corten_rt::timeout(LINGER, forth).await.unwrap_or(Ok(0));
            Ok((forth?, back))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, duplex};

    #[tokio::test(start_paused = true)]
    async fn both_ways_and_the_end() {
        let ((mut client, a), (b, mut server)) = (duplex(64), duplex(64));
        let copying = copy_both(a, b);
        let talking = async {
            client.write_all(b"question").await.expect("write");
            let mut heard = [0; 8];
            server.read_exact(&mut heard).await.expect("read");
            server.write_all(b"answer").await.expect("write");
            drop(server);
            let mut answer = String::new();
            client.read_to_string(&mut answer).await.expect("read");
            (heard, answer)
        };
        // The client never closes: the copy ends all the same.
        let (counts, (heard, answer)) = tokio::join!(copying, talking);
        assert_eq!((&heard, answer.as_str()), (b"question", "answer"));
        assert_eq!(counts.expect("copied").1, 6);
    }
}
