//! The names that clients and servers agree on, and what each means.

/// What carries the channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Channels numbered by the first byte of a WebSocket message.
    WebSocket,
    /// SPDY/3.1 streams on the upgraded connection itself.
    Spdy,
    /// SPDY/3.1 inside binary WebSocket messages.
    TunneledSpdy,
}

/// A protocol that was agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protocol {
    /// Its name in the upgrade's headers; empty where the client named none.
    pub name: &'static str,
    /// What carries it.
    pub transport: Transport,
    /// WebSocket: messages are text, their payload base64.
    pub base64: bool,
    /// WebSocket: a channel can be half-closed by the message `[255, channel]`.
    pub half_close: bool,
    /// The error channel carries a `metav1.Status`; otherwise the bare message of a failure.
    pub status: bool,
    /// Terminal sizes can be sent.
    pub resize: bool,
}

const fn websocket(name: &'static str) -> Protocol {
    Protocol {
        name,
        transport: Transport::WebSocket,
        base64: false,
        half_close: false,
        status: false,
        resize: true,
    }
}

const fn spdy(name: &'static str) -> Protocol {
    Protocol { transport: Transport::Spdy, half_close: true, resize: false, ..websocket(name) }
}

/// `v5.channel.k8s.io` over WebSocket: the newest form of exec and attach.
pub const EXEC_WEBSOCKET_V5: Protocol =
    Protocol { half_close: true, status: true, ..websocket("v5.channel.k8s.io") };
/// `v4.channel.k8s.io` over WebSocket.
pub const EXEC_WEBSOCKET_V4: Protocol = Protocol { status: true, ..websocket("v4.channel.k8s.io") };
/// `v4.channel.k8s.io` over SPDY, which container runtimes speak.
pub const EXEC_SPDY_V4: Protocol = Protocol { status: true, resize: true, ..spdy("v4.channel.k8s.io") };
/// Port-forward over SPDY.
pub const FORWARD_SPDY: Protocol = spdy("portforward.k8s.io");

/// Port-forward over SPDY inside a WebSocket.
pub const FORWARD_TUNNEL: Protocol =
    Protocol { transport: Transport::TunneledSpdy, ..websocket("SPDY/3.1+portforward.k8s.io") };

/// What a server of exec and attach accepts.
pub(crate) const EXEC: &[Protocol] = &[
    EXEC_WEBSOCKET_V5,
    EXEC_WEBSOCKET_V4,
    Protocol { base64: true, status: true, ..websocket("v4.base64.channel.k8s.io") },
    websocket("channel.k8s.io"),
    Protocol { base64: true, ..websocket("base64.channel.k8s.io") },
    websocket(""),
    EXEC_SPDY_V4,
    Protocol { resize: true, ..spdy("v3.channel.k8s.io") },
    spdy("v2.channel.k8s.io"),
    spdy("channel.k8s.io"),
];

/// What a server of port-forward accepts.
pub(crate) const FORWARD: &[Protocol] = &[
    FORWARD_TUNNEL,
    websocket("v4.channel.k8s.io"),
    Protocol { base64: true, ..websocket("v4.base64.channel.k8s.io") },
    websocket(""),
    FORWARD_SPDY,
];

/// What a server of one-way streams (logs) accepts.
pub(crate) const READ: &[Protocol] = &[
    websocket("binary.k8s.io"),
    Protocol { base64: true, ..websocket("base64.binary.k8s.io") },
    websocket(""),
];
