//! Streams inside an HTTP upgrade: what `exec`, `attach`, `port-forward`, and logs and watches over WebSocket are
//! made of.
//!
//! [`spdy`] and WebSocket carry the bytes; [`remote_command`] and [`port_forward`] give them one shape, so that a
//! server end and a client end join whatever each speaks. A server negotiates with [`upgrade`], a client with
//! [`dial`]; both then hand the upgraded connection over. The kubelet uses this towards the container runtime, the
//! API server towards its clients. Nothing here knows Kubernetes objects.

mod channels;
mod copy;
mod dial;
mod fan_in;
mod pipe;
pub mod port_forward;
mod protocol;
pub mod remote_command;
pub mod spdy;
pub mod upgrade;
pub mod websocket;

pub use copy::copy_both;
pub use dial::{Connected, DialError, Exchange, dial, exchange, upgrade as dial_over};
pub use pipe::{Gone, MAX_CHUNK, PipeReader, PipeWriter, pipe};
pub use protocol::{
    EXEC_SPDY_V4, EXEC_WEBSOCKET_V4, EXEC_WEBSOCKET_V5, FORWARD_SPDY, FORWARD_TUNNEL, Protocol, Transport,
};

/// How long a side that said goodbye waits for the peer to do so too.
const LINGER: std::time::Duration = std::time::Duration::from_secs(5);
