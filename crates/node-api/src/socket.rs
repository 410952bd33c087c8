//! Reaching a gRPC server on a unix socket.

use crate::CriError;
use hyper_util::rt::TokioIo;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint};

/// The path in an endpoint as the kubelet's configuration writes it: `unix:///run/x.sock`, `unix:/run/x.sock`
/// or the bare absolute path. Any other form is refused with [`CriError::Unavailable`].
pub fn socket_path(endpoint: &str) -> Result<PathBuf, CriError> {
    let path = match endpoint.split_once(':') {
        Some(("unix", rest)) => rest.strip_prefix("//").unwrap_or(rest),
        _ => endpoint,
    };
    if path.starts_with('/') {
        Ok(PathBuf::from(path))
    } else {
        Err(CriError::Unavailable(format!(
            "{endpoint:?} is no socket; give it as unix:///run/containerd/containerd.sock"
        )))
    }
}

/// A channel to `path` that connects at the first call and again after a loss.
pub fn channel(path: &Path, connect_timeout: Duration) -> Channel {
    let path = path.to_owned();
    // The authority is what gRPC servers expect of a local socket; nothing is resolved.
    Endpoint::from_static("http://localhost").connect_timeout(connect_timeout).connect_with_connector_lazy(
        tower::service_fn(move |_| {
            let path = path.clone();
            async move {
                UnixStream::connect(&path)
                    .await
                    .map(TokioIo::new)
                    .map_err(|e| std::io::Error::new(e.kind(), format!("connect to {}: {e}", path.display())))
            }
        }),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_in_all_their_forms() {
        for endpoint in ["unix:///run/x.sock", "unix:/run/x.sock", "/run/x.sock"] {
            assert_eq!(socket_path(endpoint).expect(endpoint), Path::new("/run/x.sock"));
        }
        for endpoint in ["", "x.sock", "tcp://127.0.0.1:1", "unix://", "npipe:////./pipe/x"] {
            assert!(socket_path(endpoint).is_err(), "{endpoint}");
        }
    }
}
