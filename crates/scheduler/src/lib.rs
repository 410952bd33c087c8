//! The scheduler: cluster model, queue, plugins, binding
