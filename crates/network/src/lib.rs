//! Pod interfaces, routes between nodes, service rules
