//! SPDY/3.1 framing and the remote-command channels over WebSocket and SPDY
