//! Images: registries, content, layers.
