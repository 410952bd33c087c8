//! taints
