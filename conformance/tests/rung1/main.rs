//! Rung 1 of the ladder: what the way from `kubectl apply` to a running pod behind a Service needs.

mod api_machinery;
