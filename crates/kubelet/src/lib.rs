//! Pod workers, probes, volumes, status and the node's HTTPS API
