//! The API server: TLS, routes, verbs, registry, watch cache
