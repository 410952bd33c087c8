//! The cluster's DNS
