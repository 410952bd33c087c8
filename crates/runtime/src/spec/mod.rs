//! From a container's CRI configuration to the plan that the pod's supervisor carries out: pure.
